"""What a definition holds beside question and answer: groups, texts, entities of each version, audit, preloads."""

from collections import Counter
from pathlib import Path

import pytest

from forms.definition import FormDefinition, XFormError
from forms.metadata import ENTITIES_VERSIONS, Preload
from forms.model import Range
from forms.workbook.findings import WorkbookError
from forms.xlsform import convert
from tests.forms.conftest import SHARED
from tests.forms.small import ask, bind, form

FULL = """
| survey | | | | | | | | | | | | |
| | type | name | label::English (en) | label::Français (fr) | hint::English (en) | guidance_hint::English (en) | guidance_hint::Français (fr) | media::image::English (en) | media::audio::Français (fr) | parameters | save_to | appearance |
| | start | s | | | | | | | | | | |
| | end | e | | | | | | | | | | |
| | today | t | | | | | | | | | | |
| | deviceid | d | | | | | | | | | | |
| | username | u | | | | | | | | | | |
| | phonenumber | p | | | | | | | | | | |
| | email | em | | | | | | | | | | |
| | background-audio | ba | | | | | | | | quality=voice-only | | |
| | start-geopoint | sg | | | | | | | | | | |
| | audit | audit | | | | | | | | location-priority=balanced location-min-interval=60 location-max-age=120 track-changes=true track-changes-reasons=on-form-edit identify-user=true | | |
| | csv-external | towns | | | | | | | | | | |
| | begin_group | g | G | Le G | | | | | | | | field-list |
| | text | a | A? | A ? | hint | guide | aide | a.jpg | a.mp3 | rows=5 | called | |
| | note | n | Read this | Lire ceci | | | | | | | | |
| | range | r | R? | R ? | | | | | | start=0 end=10 step=2 | | |
| | image | im | I | I | | | | | | max-pixels=1000 | | |
| | geopoint | gp | I | I | | | | | | capture-accuracy=5 | | |
| | rank l | rk | I | I | | | | | | | | |
| | select_one_from_file c.csv | f | I | I | | | | | | value=code label=nom | | |
| | end_group | | | | | | | | | | | |
| choices |
| | list_name | name | label::English (en) | label::Français (fr) | extra | media::image::English (en) |
| | l | 1 | one | un | x | one.png |
| | l | 2 | two | deux | y | two.png |
| entities |
| | list_name | label | entity_id | create_if | update_if |
| | people | ${a} | ${a} | ${a} = 'x' | ${a} != 'x' |
| settings |
| | form_id | version | instance_name | public_key | auto_send | auto_delete | submission_url |
| | ent | 1 | concat(${a}, 'x') | MIIB | true | false | https://e.example/sub |
"""  # noqa: E501 - a Markdown table has its rows on one line
ROWS = """
| survey | | | | |
| | type | name | label | save_to |
| | text | hh | Household? | house#called |
| | begin_repeat | member | Member | |
| | text | nm | Name? | person#called |
| | end_repeat | | | |
| entities |
| | list_name | label |
| | house | ${hh} |
| | person | ${nm} |
| settings |
| | form_id | version |
| | e25 | 1 |
"""


def of_markdown(text: str) -> FormDefinition:
    return FormDefinition.parse(convert(text.encode(), "form.md").xform)


@pytest.fixture(scope="module")
def full() -> FormDefinition:
    return of_markdown(FULL)


def of_entity(version: str, attributes: str, binds: str = "", more: str = "") -> FormDefinition:
    entity = f'<meta><entity dataset="people" {attributes}><label/></entity><instanceID/></meta>'
    xform = form(instance=f"<a/>{entity}", binds=bind("/data/a") + binds, body=ask("/data/a"), more=more)
    namespace = b'<model xmlns:entities="http://www.opendatakit.org/xforms/entities" entities:entities-version="'
    return FormDefinition.parse(xform.replace(b"<model>", namespace + version.encode() + b'">'))


def test_groups_have_their_labels_condition_and_appearance(full: FormDefinition, hh_remit: FormDefinition) -> None:
    group = full.groups["/data/g"]
    assert (group.labels["English (en)"], group.labels["Français (fr)"], group.appearance) == (
        "G",
        "Le G",
        "field-list",
    )
    consent = hh_remit.groups["/data/b"]
    assert consent.labels["Français (fr)"] == "B. Information et consentement"
    assert "contact_ok" in consent.relevant
    assert hh_remit.groups.keys().isdisjoint(hh_remit.repeats)
    assert hh_remit.repeats["/data/c/member"].labels == {"English (en)": "Member", "Français (fr)": "Membre"}


def test_a_question_has_guidance_media_range_and_parameters(full: FormDefinition) -> None:
    question = full.questions["/data/g/a"]
    assert question.guidance == {"English (en)": "guide", "Français (fr)": "aide"}
    assert question.media == {
        "image": {"English (en)": "jr://images/a.jpg"},
        "audio": {"Français (fr)": "jr://audio/a.mp3"},
    }
    assert question.parameters == {"rows": "5"}
    assert full.questions["/data/g/r"].range == Range("0", "10", "2")
    assert full.questions["/data/g/im"].parameters == {"mediatype": "image/*", "max-pixels": "1000"}
    assert full.questions["/data/g/gp"].parameters == {"accuracyThreshold": "5"}
    assert full.questions["/data/g/rk"].control == "rank"


def test_notes_are_kept_apart_from_questions(full: FormDefinition) -> None:
    assert full.notes["/data/g/n"].labels["Français (fr)"] == "Lire ceci"
    assert "/data/g/n" not in full.questions


def test_choices_keep_every_language_further_columns_and_media(full: FormDefinition) -> None:
    choices = full.choices_of("/data/g/rk")
    assert choices is not None
    assert [choice.labels["Français (fr)"] for choice in choices] == ["un", "deux"]
    assert choices[0].columns["extra"] == "x"
    assert choices[1].media == {"image": {"English (en)": "jr://images/two.png"}}


def test_secondary_instances_say_where_their_rows_come_from(full: FormDefinition) -> None:
    assert {name: instance.kind for name, instance in full.instances.items()} == {
        "towns": "external",
        "c": "external",
        "l": "internal",
    }
    more = '<instance id="__last-saved" src="jr://instance/last-saved"/>'
    saved = FormDefinition.parse(form(instance="<a/>", body=ask("/data/a"), more=more))
    assert saved.instances["__last-saved"].kind == "last-saved"


def test_the_audit_has_its_parameters(full: FormDefinition, hh_remit: FormDefinition) -> None:
    audit = full.metadata.audit
    assert audit is not None
    assert (audit.location_priority, audit.location_min_interval_seconds, audit.location_max_age_seconds) == (
        "balanced",
        60,
        120,
    )
    assert (audit.tracks_changes, audit.change_reasons, audit.identifies_user) == (True, "on-form-edit", True)
    assert hh_remit.metadata.audit is not None
    assert hh_remit.metadata.audit.location_priority == ""
    assert FormDefinition.parse(form(instance="<a/>")).metadata.audit is None


def test_every_preload_is_named_by_what_it_writes(full: FormDefinition) -> None:
    kinds = {path.rpartition("/")[2]: preload.kind for path, preload in full.metadata.preloads.items()}
    assert kinds == {
        "s": "start",
        "e": "end",
        "t": "today",
        "d": "deviceid",
        "u": "username",
        "p": "phonenumber",
        "em": "email",
        "ba": "background-audio",
        "sg": "start-geopoint",
    }
    assert full.metadata.preloads["/data/ba"] == Preload("/data/ba", "background-audio", "voice-only")


def test_a_preload_that_nobody_knows_keeps_the_words_of_the_form() -> None:
    odd = form(instance="<a/>", binds=bind("/data/a", preload="timestamp", preloadParams="noon"))
    assert FormDefinition.parse(odd).metadata.preloads["/data/a"].kind == "timestamp noon"


def test_the_submission_and_the_instance_name_are_read(full: FormDefinition) -> None:
    submission = full.metadata.submission
    assert (submission.action, submission.method, submission.public_key) == ("https://e.example/sub", "post", "MIIB")
    assert (submission.auto_send, submission.auto_delete) == (True, False)
    assert full.metadata.instance_name == "concat( /data/g/a , 'x')"
    plain = FormDefinition.parse(form(instance="<a/>")).metadata
    assert (plain.submission.auto_send, plain.instance_name) == (None, "")


def test_pyxform_declares_one_entity_as_2024_1(full: FormDefinition) -> None:
    metadata = full.metadata
    assert metadata.entities_version == "2024.1.0"
    (entity,) = metadata.entities
    assert (entity.dataset, entity.scope, entity.repeat, entity.id) == ("people", "/data", "", "/data/g/a")
    assert (entity.creates, entity.updates) == (True, True)
    assert (entity.create_if, entity.update_if) == ("/data/g/a  = 'x'", "/data/g/a  != 'x'")
    assert entity.base_version.endswith("/__version")
    assert entity.trunk_version.endswith("/__trunkVersion")
    assert entity.branch_id.endswith("/__branchId")
    assert entity.properties == {"called": "/data/g/a"}
    assert full.binds["/data/g/a"].save_to == "called"


def test_pyxform_declares_entities_in_repeats_as_2025_1_and_each_takes_its_own_answers() -> None:
    metadata = of_markdown(ROWS).metadata
    assert metadata.entities_version == "2025.1.0"
    found = {entity.dataset: entity for entity in metadata.entities}
    assert (found["house"].repeat, found["house"].properties) == ("", {"called": "/data/hh"})
    assert (found["person"].repeat, found["person"].scope) == ("/data/member", "/data/member")
    assert found["person"].properties == {"called": "/data/member/nm"}
    assert found["person"].id == "uuid()"
    assert found["person"].label == "../../../nm"


def test_an_entity_of_2022_1_creates_only() -> None:
    binds = bind("/data/meta/entity/@id", calculate="uuid()") + bind("/data/meta/entity/label", calculate="/data/a")
    (entity,) = of_entity("2022.1.0", 'create="1" id=""', binds).metadata.entities
    assert (entity.creates, entity.updates, entity.id, entity.label) == (True, False, "uuid()", "/data/a")
    assert (entity.base_version, entity.trunk_version) == ("", "")


def test_an_entity_of_2023_1_updates_with_a_base_version() -> None:
    binds = bind("/data/meta/entity/@baseVersion", calculate="instance('people')/root/item[name=/data/a]/__version")
    definition = of_entity("2023.1.0", 'update="1" baseVersion="" id=""', binds)
    (entity,) = definition.metadata.entities
    assert definition.metadata.entities_version == "2023.1.0"
    assert (entity.creates, entity.updates, entity.branch_id) == (False, True, "")
    assert entity.base_version.endswith("/__version")


def test_the_whole_corpus_reads_and_its_entities_have_a_dataset() -> None:
    if not (SHARED / "corpus").exists():
        pytest.skip("../shared/corpus is not here: the metadata of public forms is left out")
    seen: Counter[str] = Counter()
    for path in sorted(Path(SHARED / "corpus").glob("*/*")):
        if path.suffix not in (".xml", ".xls", ".xlsx"):
            continue
        try:
            definition = FormDefinition.parse(convert(path.read_bytes(), path.name).xform)
        except (WorkbookError, XFormError):
            continue
        metadata = definition.metadata
        seen["forms"] += 1
        seen[f"entities {metadata.entities_version}"] += len(metadata.entities)
        seen["audits"] += metadata.audit is not None
        seen["preloads"] += len(metadata.preloads)
        seen["groups"] += len(definition.groups)
        seen["guidance"] += sum(bool(question.guidance) for question in definition.questions.values())
        seen["media"] += sum(bool(question.media) for question in definition.questions.values())
        seen["repeated entities"] += sum(bool(entity.repeat) for entity in metadata.entities)
        for entity in metadata.entities:
            assert entity.dataset
            assert set(entity.properties.values()) <= set(definition.binds)
    print("corpus:", dict(seen))  # noqa: T201 - the report that pytest -s shows
    assert seen["forms"] >= 280
    assert seen[f"entities {ENTITIES_VERSIONS[2]}"] >= 10
    assert seen["repeated entities"] >= 1
