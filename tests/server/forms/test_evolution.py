"""Answers of one version read as of another, the rehearsal before publishing, the difference for readers."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from flask import Flask

from forms.definition import FormDefinition
from forms.evolution.declared import read_map
from server.context import Context
from server.errors import BadRequest, FormChangeBreaks, KeyStoreLocked, NotFound
from server.keystore import KeyStore
from server.microdata import Microdata
from server.services import compare_versions, publish_form
from tests.office import NOW, bearer
from tests.server.cli.conftest import CLEAR, Shell
from tests.server.opening.kit import FORM_ID, Answers, Tablet, deliver, open_all, publish, raw_id, xform

ONE = xform()
TWO = (
    xform(version="2")
    .replace(b"/amount", b"/cents")
    .replace(b"<amount/>", b"<cents/>")
    .replace(b"<item><label>partial</label><value>120</value></item>", b"")
    .replace(b"/w_name", b"/w_first")
    .replace(b"<w_name/>", b"<w_first/>")
)
MAP = b"""question,change,from,to,rule,note
cents,renamed,amount,,,
cents,converted,,,* 100,
w_first,renamed,w_name,,,
j_result,kept,120,,,
"""
HASH_ONE, HASH_TWO = (FormDefinition.parse(content).hash for content in (ONE, TWO))


def publish_two(context: Context, declared: bytes | None = MAP) -> None:
    prepared = publish_form.prepare(TWO, "small.xml", map_content=declared)
    with context.database.transaction() as session:
        publish_form.publish(session, prepared, note="", user="amina", now=NOW)


@pytest.fixture
def office(sqlite_context: Context) -> Context:
    """An office with three interviews and a pilot on version 1."""
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    interviews = [
        Answers(number=1, amount="10.5", workers=(("Kofi", "100"), ("Ama", "1.25"))),
        Answers(number=2, amount="0.000000001", result="120"),
        Answers(number=3, result="120", name="Esi"),
    ]
    pilot = Answers(number=4, result="120", mode="pilot")
    sealed = [tablet.epoch(), *map(tablet.seal, interviews), tablet.epoch("pilot"), tablet.seal(pilot, mode="pilot")]
    deliver(sqlite_context, sealed)
    open_all(sqlite_context)
    return sqlite_context


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path / "office", CLEAR)
    made.succeeds("init")
    return made


def as_of(context: Context, digest: bytes | None, store: str = "analysis") -> Iterator[dict[str, object]]:
    for part in context.microdata.read(store, form_id=FORM_ID, as_of=digest):  # type: ignore[arg-type]
        yield from part.table.to_pylist()


def test_answers_are_read_as_of_a_later_version(office: Context) -> None:
    publish_two(office)
    rows = list(as_of(office, HASH_TWO))
    assert [row["cents"] for row in rows] == [Decimal(1050), Decimal("0.0000001"), Decimal(1050)]
    assert [row["j_result"] for row in rows] == ["110", "120", "120"]
    assert all("amount" not in row for row in rows)
    names = [row["worker"] for row in as_of(office, HASH_TWO, "identifiers")]
    assert names[0] == [{"w_first": "Kofi"}, {"w_first": "Ama"}]


def test_answers_stay_readable_as_collected(office: Context) -> None:
    before = list(as_of(office, None))
    publish_two(office)
    assert list(as_of(office, None)) == before
    assert list(as_of(office, HASH_ONE)) == before


def test_a_table_says_which_version_it_is_read_as(office: Context) -> None:
    publish_two(office)
    tablet = Tablet(office.keystore, device_id="tablet-2").enrol(office)
    two = Answers(number=9, version="2").xml().replace(b"amount", b"cents").replace(b"w_name", b"w_first")
    deliver(office, [tablet.epoch(), tablet.seal(two, number=9, form_version_hash=HASH_TWO)], carrier="tablet-2")
    open_all(office)
    later = office.microdata.read("analysis", form_id=FORM_ID, as_of=HASH_TWO, columns=["cents", "nothing"])
    assert [(part.version, part.as_of == HASH_TWO, len(part.table)) for part in later] == [
        ("1", True, 3),
        ("2", True, 1),
    ]
    assert [[n for n in part.table.column_names if n[0] != "_"] for part in later] == [["cents"], ["cents"]]
    earlier = office.microdata.read("analysis", form_id=FORM_ID, as_of=HASH_ONE)
    assert [(part.version, part.as_of) for part in earlier] == [("1", HASH_ONE), ("2", HASH_TWO)]


def test_nobody_reads_as_of_a_version_that_is_not_there(office: Context) -> None:
    with pytest.raises(NotFound):
        office.microdata.read("analysis", form_id=FORM_ID, as_of=bytes(32))


def test_a_rehearsal_counts_what_has_no_place_in_the_new_version(office: Context) -> None:
    with office.database.read() as session:
        found = compare_versions.rehearse_map(
            session, office.microdata, after=FormDefinition.parse(TWO), declared=read_map(MAP)
        )
    assert found.collected == {"pilot": 1, "survey": 3}
    assert [(one.mode, one.code, one.column, one.choice, one.interviews) for one in found.outcomes] == [
        ("pilot", "no-counterpart", "j_result", "120", 1),
        ("survey", "no-counterpart", "j_result", "120", 2),
    ]
    said = [sentence["en"] for sentence in found.sentences]
    assert said == [
        "4 interviews were collected so far (pilot 1, survey 3).",
        "1 interview keeps j_result = 120, which has no counterpart (pilot).",
        "2 interviews keep j_result = 120, which has no counterpart (survey).",
        "In 1 interview every answer has its place in the new version.",
    ]
    assert "Dans 1 entretien, chaque réponse a sa place dans la nouvelle version." in [
        sentence["fr"] for sentence in found.sentences
    ]


def test_a_rehearsal_never_names_an_answer_of_the_identifiers(office: Context) -> None:
    content = TWO.replace(b'"/data/name" type="string"', b'"/data/name" type="int"')
    with office.database.read() as session:
        found = compare_versions.rehearse_map(session, office.microdata, after=FormDefinition.parse(content))
    unconvertible = [one for one in found.outcomes if one.column == "name"]
    assert [(one.mode, one.store, one.code, one.interviews) for one in unconvertible] == [
        ("pilot", "identifiers", "unconvertible", 1),
        ("survey", "identifiers", "unconvertible", 3),
    ]
    told = json.dumps(found.members())
    assert "Adjoa" not in told
    assert "Esi" not in told


def test_without_the_vault_nobody_rehearses(office: Context, keys_dir: Path, tmp_path: Path) -> None:
    keystore = KeyStore.open(keys_dir, None)
    keystore._vault = None
    locked = Microdata(tmp_path, keystore, office.database)
    after = FormDefinition.parse(TWO)
    with office.database.read() as session, pytest.raises(KeyStoreLocked):
        compare_versions.rehearse_map(session, locked, after=after)


def test_one_interview_is_read_both_ways(office: Context) -> None:
    publish_two(office)
    analysis, identifiers = compare_versions.read_interview(
        office.microdata, interview_id=raw_id(2).hex(), as_of=HASH_TWO
    )
    assert analysis.collected["amount"] == Decimal("1E-9")
    assert analysis.upgraded["cents"] == Decimal("1E-7")
    assert (analysis.version, analysis.as_of) == ("1", HASH_TWO)
    assert identifiers.upgraded["worker"] == [{"w_first": "Kofi"}]
    with pytest.raises(NotFound):
        compare_versions.read_interview(office.microdata, interview_id=raw_id(77).hex(), as_of=HASH_TWO)
    with pytest.raises(BadRequest):
        compare_versions.read_interview(office.microdata, interview_id="Kofi", as_of=HASH_TWO)


def test_a_breaking_change_without_a_map_is_refused(office: Context) -> None:
    with pytest.raises(FormChangeBreaks):
        publish_two(office, None)


def test_managers_and_statisticians_read_the_difference(office: Context, sqlite_app: Flask) -> None:
    publish_two(office)
    sqlite_client = sqlite_app.test_client()
    token = bearer(office, "statistician")
    found = sqlite_client.get(f"/api/v1/forms/{FORM_ID}/difference?from=1&to=2", headers=token)
    assert found.status_code == 200
    assert found.json["verdict"] == "safe"
    kinds = {(change["kind"], change["name"], change["is_settled"]) for change in found.json["changes"]}
    assert ("choices-removed", "j_result", True) in kinds
    assert ("renamed", "cents", False) in kinds
    assert sqlite_client.get(f"/api/v1/forms/{FORM_ID}/difference?from=1", headers=token).status_code == 400
    assert sqlite_client.get(f"/api/v1/forms/{FORM_ID}/difference?from=1&to=9", headers=token).status_code == 404


def test_the_command_line_compares_and_rehearses(shell: Shell, tmp_path: Path) -> None:
    workbook, declared = tmp_path / "two.xml", tmp_path / "map.csv"
    first = tmp_path / "one.xml"
    first.write_bytes(ONE)
    workbook.write_bytes(TWO)
    declared.write_bytes(MAP)
    shell.succeeds("form", "publish", str(first))
    assert "map-no-image" in shell.succeeds("form", "rehearse", str(workbook))
    said = shell.succeeds("form", "rehearse", str(workbook), "--map", str(declared), "--lang", "fr")
    assert "Aucun entretien n'a encore été collecté." in said
    shell.succeeds("form", "publish", str(workbook), "--map", str(declared))
    compared = shell.json("form", "compare", FORM_ID, "1", "2")
    assert compared["verdict"] == "safe"
    assert "is now called cents" in shell.succeeds("form", "compare", FORM_ID, "1", "2", "--lang", "en")
    declared.write_bytes(b"what\n1\n")
    assert "cannot be read" in shell.run("form", "compare", FORM_ID, "1", "2", "--map", str(declared)).stderr
    assert "no version" in shell.refuses("form", "compare", FORM_ID, "1", "7")


THREE = TWO.replace(b'version="2"', b'version="3"').replace(b"/cents", b"/hundredths").replace(
    b"<cents/>", b"<hundredths/>"
).replace(b"<item><label>refusal</label><value>211</value></item>", b"")  # fmt: skip
MAP_THREE = b"question,change,from,to,rule,note\nhundredths,renamed,cents,,,\nj_result,kept,211,,,\n"


def test_answers_go_through_every_version_on_the_way(office: Context) -> None:
    publish_two(office)
    after, declared = FormDefinition.parse(THREE), read_map(MAP_THREE)
    with office.database.read() as session:
        rehearsal = compare_versions.rehearse_map(session, office.microdata, after=after, declared=declared)
    assert rehearsal.outcomes == ()  # what the step before came to was settled then
    prepared = publish_form.prepare(THREE, "small.xml", map_content=MAP_THREE)
    with office.database.transaction() as session:
        publish_form.publish(session, prepared, note="", user="amina", now=NOW)
    rows = list(as_of(office, after.hash))
    assert [row["hundredths"] for row in rows] == [Decimal(1050), Decimal("0.0000001"), Decimal(1050)]
    with office.database.read() as session:
        whole = compare_versions.compare_stored(session, office.microdata, form_id=FORM_ID, before="1", after="3")
    assert ("renamed", "hundredths") in {(change.kind, change.name) for change in whole.changes}


def test_a_rehearsal_names_no_code_of_an_identifying_question(sqlite_context: Context) -> None:
    plain, direct = (
        b'"/data/enumerator_id" type="string" passerelle:pii="none"',
        b'"/data/enumerator_id" type="string" ',
    )
    asked = b'<input ref="/data/enumerator_id"><label>Enumerator</label></input>'
    items = b'<select1 ref="/data/enumerator_id"><label>Enumerator</label>'
    for code in (b"0001", b"0002"):
        items += b"<item><label>" + code + b"</label><value>" + code + b"</value></item>"
    listed = ONE.replace(plain, direct + b'passerelle:pii="direct"').replace(asked, items + b"</select1>")
    prepared = publish_form.prepare(listed, "small.xml")
    with sqlite_context.database.transaction() as session:
        publish_form.publish(session, prepared, note="", user="amina", now=NOW)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    body = tablet.seal(Answers(number=1), form_version_hash=FormDefinition.parse(listed).hash)
    deliver(sqlite_context, [tablet.epoch(), body])
    open_all(sqlite_context)
    after = FormDefinition.parse(listed.replace(b"<item><label>0001</label><value>0001</value></item>", b""))
    with sqlite_context.database.read() as session:
        found = compare_versions.rehearse_map(session, sqlite_context.microdata, after=after)
    assert [(one.store, one.code, one.column, one.choice) for one in found.outcomes] == [
        ("identifiers", "no-counterpart", "enumerator_id", "")
    ]
    assert found.sentences[1]["en"] == "1 interview keeps an answer to enumerator_id that has no counterpart (survey)."
    assert "0001" not in json.dumps(found.members())
