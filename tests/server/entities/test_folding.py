"""Entities out of interviews and decisions: whatever the order and the batches, one state; nothing in clear."""

from pathlib import Path
from random import Random

import pytest

from forms.instance import instance_id_bytes
from server.context import Context
from server.db.queries import entities as queries
from server.db.queries import interviews
from server.db.tables import Entity
from server.errors import EntitiesInvalid, NotFound
from server.export.entity_file import AskedEntity
from server.folding.telling import refold_all
from server.keystore import KeyStore
from server.services import change_entities, list_entities, publish_form, review_interview, set_up_entity_list
from server.services.change_entities import Office
from server.services.rebuild import rebuild
from server.services.set_up_entity_list import ListSettings
from server.services.verify_store import verify
from tests.office import NOW
from tests.server.entities.kit import (
    BRANCH,
    FOLLOW,
    MEMBERS,
    REGISTER,
    entity_id,
    everything,
    followed,
    instance_id,
    list_id,
    publish,
    registered,
    shown,
)
from tests.server.opening.kit import Tablet, deliver, open_all


@pytest.fixture
def tablet(context: Context, keystore: KeyStore) -> Tablet:
    return Tablet(keystore).enrol(context)


@pytest.fixture
def hashes(context: Context) -> dict[str, bytes]:
    return publish(context, REGISTER, FOLLOW, MEMBERS)


def seal(tablet: Tablet, hashes: dict[str, bytes], *instances: bytes, mode: str = "survey") -> list[bytes]:
    """Seal instances, each as of the form that it names."""
    from forms.instance import parse_instance

    found = [tablet.epoch(mode)]
    for xml in instances:
        read = parse_instance(xml)
        assert read.instance_id is not None
        header = instance_id_bytes(read.instance_id)
        body = tablet.seal(xml, mode=mode, number=int.from_bytes(header, "big"), form_version_hash=hashes[read.form_id])
        found.append(body)
    return found


def office(context: Context, note: str = "") -> Office:
    return Office(keystore=context.keystore, user="amina", now=NOW, note=note)


def review(context: Context, number: int, verdict: str) -> None:
    """Let the office say what it thinks of an interview."""
    with context.database.transaction() as session:
        review_interview.review(
            session, keystore=context.keystore, interview_id=instance_id_bytes(instance_id(number)), verdict=verdict,
            note="", user="amina", now=NOW,
        )  # fmt: skip
    open_all(context)


def test_publishing_a_form_makes_its_list_with_the_properties_of_all_forms(context: Context) -> None:
    publish(context, REGISTER.replace('saveto="persons"', 'saveto="size"'), FOLLOW)
    with context.database.read() as session:
        (found,) = list_entities.list_lists(session)
    assert (found.of.name, found.of.properties) == ("households", ("head", "size", "persons"))


def test_a_property_that_differs_is_told_when_a_form_is_published_and_a_list_is_no_missing_file(
    context: Context,
) -> None:
    follow = publish_form.prepare(FOLLOW.encode(), "f.xml")
    assert [one.code for one in follow.findings] == ["media-missing"]
    with context.database.transaction() as session:
        assert publish_form.publish(session, follow, note="", user="m", now=NOW).findings == ()
    differing = REGISTER.replace('saveto="persons"', 'saveto="size"').replace('saveto="head"', 'saveto="Head"')
    with context.database.transaction() as session:
        published = publish_form.publish_form(
            session, workbook=differing.encode(), filename="f.xml", note="", user="m", now=NOW
        )
    assert [(one.code, one.severity) for one in published.findings] == [
        ("entity-property", "warning"),
        ("entity-property-new", "note"),
    ]
    assert "“Head”" in published.findings[0].message()


def test_a_property_in_another_case_is_the_same(context: Context, tablet: Tablet) -> None:
    hashes = publish(context, FOLLOW, REGISTER.replace('saveto="head"', 'saveto="Head"'))
    deliver(context, seal(tablet, hashes, registered(1), followed(2, 1, base=1, head="Awa")))
    open_all(context)
    (found,) = shown(context).values()
    assert dict(found.properties) == {"head": "Awa", "persons": "4"}


def test_an_interview_creates_and_others_update(context: Context, tablet: Tablet, hashes: dict[str, bytes]) -> None:
    deliver(context, seal(tablet, hashes, registered(1)))
    open_all(context)
    deliver(context, seal(tablet, hashes, followed(2, 1, base=1, head="Awa"), followed(3, 1, base=1, persons="5")))
    open_all(context)
    (found,) = shown(context).values()
    assert (found.id, found.state, found.version) == (str(entity_id(1)), "live", 3)
    assert (found.label, dict(found.properties)) == ("Awa", {"head": "Awa", "persons": "5"})
    assert found.conflicts == {}


def test_a_row_of_a_repeat_is_an_entity(context: Context, tablet: Tablet, hashes: dict[str, bytes]) -> None:
    rows = "".join(
        f'<member><given>M{n}</given><age>{n}</age><meta><entity dataset="persons" id="{entity_id(n)}" create="1">'
        f"<label>M{n}</label></entity></meta></member>"
        for n in (1, 2, 3)
    )
    xml = f'<data id="members" version="1">{rows}<meta><instanceID>{instance_id(9)}</instanceID></meta></data>'
    deliver(context, seal(tablet, hashes, xml.encode()))
    open_all(context)
    found = shown(context, "persons")
    assert {one.label: dict(one.properties) for one in found.values()} == {
        f"M{n}": {"given": f"M{n}", "age": str(n)} for n in (1, 2, 3)
    }


def test_two_who_differ_are_shown_with_both_values_until_the_office_settles(
    context: Context, tablet: Tablet, hashes: dict[str, bytes]
) -> None:
    deliver(context, seal(tablet, hashes, registered(1)))
    open_all(context)
    deliver(context, seal(tablet, hashes, followed(2, 1, base=1, persons="5"), followed(3, 1, base=1, persons="6")))
    open_all(context)
    (found,) = shown(context).values()
    assert {claim.value for claim in found.conflicts["persons"]} == {"5", "6"}
    with context.database.transaction() as session:
        change_entities.update(session, list_id(context), entity_id(1).bytes, {"persons": "6"}, office=office(context))
        detail = list_entities.show_entity(session, list_id(context), entity_id(1).bytes, keystore=context.keystore)
    assert (detail.properties["persons"], detail.conflicts) == ("6", {})
    open_all(context)
    (found,) = shown(context).values()
    assert (found.properties["persons"], found.conflicts, found.version) == ("6", {}, 4)


def test_an_id_that_is_no_version_4_uuid_is_a_finding_and_no_refusal(
    context: Context, tablet: Tablet, hashes: dict[str, bytes]
) -> None:
    deliver(context, seal(tablet, hashes, registered(1, of="Amina"), registered(2, of="")))
    assert open_all(context).quarantined == 0
    assert shown(context) == {}
    with context.database.read() as session:
        from server.microdata import Standing

        found = [
            Standing.open(one.sealed, one.interview_id, context.keystore) for one in interviews.all_interviews(session)
        ]
    assert [one.findings for one in found] == [(("entity-id", "/data/meta/entity"),)] * 2


def test_an_update_waits_for_its_entity(context: Context, tablet: Tablet, hashes: dict[str, bytes]) -> None:
    deliver(context, seal(tablet, hashes, followed(2, 1, base=1, persons="5")))
    open_all(context)
    assert [one.state for one in shown(context).values()] == ["waiting"]
    deliver(context, seal(tablet, hashes, registered(1)))
    open_all(context)
    (found,) = shown(context).values()
    assert (found.state, found.properties["persons"], found.conflicts) == ("live", "5", {})


def test_training_changes_nothing_of_the_survey(context: Context, tablet: Tablet, hashes: dict[str, bytes]) -> None:
    deliver(context, seal(tablet, hashes, registered(1), mode="training"))
    open_all(context)
    assert [one.state for one in shown(context).values()] == ["pending"]
    with context.database.transaction() as session:
        set_up_entity_list.set_list(
            session, list_id(context), ListSettings(mode="training"), keystore=context.keystore, user="a", now=NOW
        )
    assert [one.state for one in shown(context).values()] == ["live"]


def test_a_list_with_approval_takes_an_interview_when_it_is_approved_and_lets_it_go_when_that_is_taken_back(
    context: Context, tablet: Tablet, hashes: dict[str, bytes]
) -> None:
    with context.database.transaction() as session:
        set_up_entity_list.set_list(
            session, list_id(context), ListSettings(needs_approval=True), keystore=context.keystore, user="a", now=NOW
        )
    deliver(context, seal(tablet, hashes, registered(1)))
    open_all(context)
    states = []
    for verdict in ("", "approved", "rejected", "approved"):
        if verdict:
            review(context, 1, verdict)
        (found,) = shown(context).values()
        states.append((found.state, found.version))
    assert states == [("pending", 0), ("live", 1), ("pending", 2), ("live", 3)]
    assert verify(context.database, keystore=context.keystore).differences == ()


def test_an_edited_interview_edits_its_entity(context: Context, tablet: Tablet, hashes: dict[str, bytes]) -> None:
    deliver(context, seal(tablet, hashes, registered(2, "Aminata", of=entity_id(1), edits=1)))
    open_all(context)
    deliver(context, seal(tablet, hashes, registered(1, "Amina")))
    open_all(context)
    (found,) = shown(context).values()
    assert (found.label, found.conflicts) == ("Aminata", {})


def test_an_offline_branch_ends_the_same_in_any_order_and_in_any_batches(
    context: Context, tablet: Tablet, hashes: dict[str, bytes]
) -> None:
    states = set()
    random = Random(5)
    instances = [registered(1)]
    instances += [
        followed(10 + step, 1, base=step, persons=str(step), head="Amina", branch=BRANCH) for step in range(1, 5)
    ]
    bodies = seal(tablet, hashes, *instances)
    epoch, *sealed = bodies
    for attempt in range(4):
        random.shuffle(sealed)
        deliver(context, [epoch])
        for body in sealed:
            deliver(context, [body, body])
            if random.random() < 0.6:
                open_all(context)
        open_all(context)
        (found,) = shown(context).values()
        states.add((found.properties["persons"], found.version, str(found.conflicts)))
        if attempt < 3:
            _forget(context)
    assert states == {("4", 5, "{}")}


def _forget(context: Context) -> None:
    """Empty the store of all envelopes and of everything that came of them."""
    from sqlalchemy import delete

    from server.db.tables import Entity, EntityChange, EntityVersion, Envelope

    with context.database.transaction() as session:
        interviews.drop_projections(session)
        for table in (Entity, EntityChange, EntityVersion, Envelope):
            session.execute(delete(table))


def test_the_office_creates_updates_deletes_and_restores(context: Context, hashes: dict[str, bytes]) -> None:
    number = list_id(context)
    with context.database.transaction() as session:
        (made,) = change_entities.create(
            session, number, [AskedEntity(place="1", values={"label": "Diallo", "persons": "3"})],
            office=office(context),
        )  # fmt: skip
    import uuid

    named = uuid.UUID(made).bytes
    states = []
    for act in (
        lambda session: change_entities.update(session, number, named, {"persons": "4"}, office=office(context)),
        lambda session: change_entities.update(session, number, named, {"persons": "5"}, office=office(context)),
        lambda session: change_entities.delete(session, number, named, office=office(context)),
        lambda session: change_entities.restore(session, number, named, office=office(context)),
    ):
        with context.database.transaction() as session:
            act(session)
        (found,) = shown(context).values()
        states.append((found.state, found.properties["persons"], dict(found.conflicts)))
    assert states == [("live", "4", {}), ("live", "5", {}), ("deleted", "5", {}), ("live", "5", {})]
    open_all(context)
    assert [one.version for one in shown(context).values()] == [5]
    with context.database.transaction() as session, pytest.raises(NotFound):
        change_entities.restore(session, number, named, office=office(context))
    with context.database.transaction() as session, pytest.raises(EntitiesInvalid, match="no property age"):
        change_entities.update(session, number, named, {"age": "5"}, office=office(context))


def test_an_update_does_not_bring_back_what_the_office_deleted(
    context: Context, tablet: Tablet, hashes: dict[str, bytes]
) -> None:
    deliver(context, seal(tablet, hashes, registered(1)))
    open_all(context)
    with context.database.transaction() as session:
        change_entities.delete(session, list_id(context), entity_id(1).bytes, office=office(context))
    deliver(context, seal(tablet, hashes, followed(2, 1, base=2, persons="5"), registered(3, of=entity_id(1))))
    open_all(context)
    assert [one.state for one in shown(context).values()] == ["deleted"]


def test_rebuilding_gives_the_same_entities_and_versions(
    context: Context, tablet: Tablet, hashes: dict[str, bytes]
) -> None:
    deliver(context, seal(tablet, hashes, registered(1), registered(2)))
    open_all(context)
    with context.database.transaction() as session:
        change_entities.import_file(
            session, list_id(context), b"label,head,persons\nDiallo,Oumar,3\n", office=office(context)
        )
        change_entities.delete(session, list_id(context), entity_id(2).bytes, office=office(context))
    deliver(context, seal(tablet, hashes, followed(5, 1, base=1, persons="9"), followed(6, 1, base=1, persons="8")))
    open_all(context)
    before = shown(context)
    with context.database.read() as session:
        files = queries.recorded_of(session, queries.entities_of_list(session, list_id(context)))
    assert verify(context.database, keystore=context.keystore).differences == ()
    report = rebuild(database=context.database, keystore=context.keystore, microdata=context.microdata, now=NOW)
    assert report.is_same
    assert shown(context) == before
    with context.database.read() as session:
        assert queries.recorded_of(session, queries.entities_of_list(session, list_id(context))) == files


def test_no_label_and_no_property_is_in_clear_on_disk(
    sqlite_context: Context, keystore: KeyStore, tmp_path: Path
) -> None:
    context = sqlite_context
    hashes = publish(context, REGISTER, FOLLOW)
    tablet = Tablet(keystore).enrol(context)
    deliver(context, seal(tablet, hashes, registered(1, "Xoliswazanele"), registered(2)))
    open_all(context)
    with context.database.transaction() as session:
        content = b"label,head,persons\nQuartermainford,Vandenbroucke,3\n"
        change_entities.import_file(session, list_id(context), content, office=office(context, "Zwartkruisson"))
    open_all(context)
    assert len(shown(context)) == 3
    refold_all_in = context.database.transaction
    with refold_all_in() as session:
        refold_all(session, keystore=keystore, now=NOW)
    found = everything(tmp_path)
    for word in (b"Xoliswazanele", b"Quartermainford", b"Vandenbroucke", b"Zwartkruisson"):
        assert word not in found


def test_verifying_finds_an_entity_that_was_altered_at_rest(
    context: Context, tablet: Tablet, hashes: dict[str, bytes]
) -> None:
    deliver(context, seal(tablet, hashes, registered(1), registered(2)))
    open_all(context)
    with context.database.transaction() as session:
        change_entities.delete(session, list_id(context), entity_id(2).bytes, office=office(context))
    assert verify(context.database, keystore=context.keystore).is_sound, "folded, though the worker has not seen it"
    with context.database.transaction() as session:
        found = session.get(Entity, (list_id(context), entity_id(2).bytes))
        assert found is not None
        found.state = "live"
    report = verify(context.database, keystore=context.keystore)
    assert report.differences == (f"entity {entity_id(2).bytes.hex()} is stored otherwise",)
