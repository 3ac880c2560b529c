"""Withdrawal of consent: two people erase an interview, for ever, whatever arrives and in whatever order."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from server.context import Context
from server.db.engine import Database
from server.db.queries import attachments, envelopes, erasures
from server.db.queries.envelopes import NewEnvelope
from server.db.scope import EVERYTHING, Scope
from server.db.tables import Base, Envelope, Erasure, Interview, MicrodataPart, Revision, RevisionParent, Verdict
from server.db.tables.envelopes import ERASED, OPENED
from server.errors import BadRequest, Conflict, NotFound
from server.folding import erasing
from server.keystore import KeyStore
from server.microdata.store import STORES
from server.services import projects, proposals, rebuild, settle_hold, verify_store
from sync_protocol.envelope import peek
from tests.office import NOW
from tests.server.opening.doorway import Door, Photos, photo_form
from tests.server.opening.kit import (
    Answers,
    Tablet,
    deliver,
    household,
    open_all,
    publish,
    publish_xform,
    raw_id,
    worker,
)
from tests.server.opening.test_canaries import files_in
from tests.server.opening.test_canaries import office as canary_office
from tests.server.opening.test_order import answers_of, histories, office, sealed, state_of, tablets


def propose(context: Context, number: int, *, user: str = "amina") -> int:
    with context.database.transaction() as session:
        return proposals.propose_erasure(
            session, keystore=context.keystore, instance_id=raw_id(number), note="they asked", user=user, now=NOW
        )


def erase(context: Context, number: int) -> None:
    """Let two people erase an interview, and the worker fold it."""
    proposal_id = propose(context, number)
    with context.database.transaction() as session:
        proposals.agree(session, keystore=context.keystore, proposal_id=proposal_id, user="sami", now=NOW)
    open_all(context)


def count(context: Context, table: type[Base]) -> int:
    with context.database.read() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def bodies(context: Context) -> dict[bytes, list[tuple[str, int]]]:
    """Return state and length of the envelopes of each instance."""
    found: dict[bytes, list[tuple[str, int]]] = {}
    with context.database.read() as session:
        query = select(Envelope.instance_id, Envelope.state, func.length(Envelope.body)).where(Envelope.kind != 5)
        for instance_id, state, length in session.execute(query.order_by(Envelope.sequence)):
            found.setdefault(instance_id, []).append((state, length))
    return found


def assert_sound(context: Context) -> None:
    report = verify_store.verify(
        context.database, keystore=context.keystore, microdata=context.microdata, blobs=context.blobs
    )
    assert report.is_sound, report
    before = bodies(context)
    rebuilt = rebuild.rebuild(
        database=context.database, keystore=context.keystore, microdata=context.microdata, blobs=context.blobs, now=NOW
    )
    assert rebuilt.is_same
    assert bodies(context) == before


@pytest.fixture
def tablet(context: Context) -> Tablet:
    publish(context)
    return Tablet(context.keystore).enrol(context)


def test_every_version_of_an_interview_goes_and_others_stay(context: Context, tablet: Tablet) -> None:
    one = Answers(number=1, name="Gone", workers=(("Gone", "1"),))
    first, again = tablet.seal(one), tablet.seal(one, spaced=True)
    edit = tablet.seal(Answers(number=2, name="Gone", age="42"), parents=[1])
    deliver(context, [tablet.epoch(), first, tablet.seal(Answers(number=3)), edit])
    open_all(context)
    deliver(context, [again])  # its row is in a part that no revision names
    open_all(context)
    assert "Gone" in microdata_of(context)
    former = {path.name for path in context.config.microdata_dir.rglob("*.parquet")}
    erase(context, 2)
    assert bodies(context)[raw_id(1)] == [(ERASED, 0), (ERASED, 0)]
    assert bodies(context)[raw_id(2)] == [(ERASED, 0)]
    assert bodies(context)[raw_id(3)][0][0] == OPENED
    assert [row["_interview_id"] for row in answers_of(context)] == [raw_id(3).hex()] * 2
    assert (count(context, Revision), count(context, Interview), count(context, RevisionParent)) == (1, 1, 0)
    assert count(context, Erasure) == 2
    now = {path.name for path in context.config.microdata_dir.rglob("*.parquet")}
    assert len(now) == 2 * count(context, MicrodataPart)
    assert not now & former
    assert "Adjoa" in microdata_of(context)
    assert "Gone" not in microdata_of(context)
    assert_sound(context)


def microdata_of(context: Context) -> str:
    """Return all that all microdata files hold, rows that no revision names too."""
    folder = context.config.microdata_dir
    return " ".join(
        str(context.microdata._read_file(str(path.relative_to(folder)), store, None).to_pylist())
        for store in STORES
        for path in folder.rglob(f"*.{store}.parquet")
    )


def test_who_shared_a_household_with_it_is_held_no_longer(context: Context, tablet: Tablet) -> None:
    bodies = [tablet.seal(Answers(number=number, key=household(1))) for number in (1, 2)]
    deliver(context, [tablet.epoch(), *bodies])
    open_all(context)
    assert holds(context) == {raw_id(1): "K2", raw_id(2): "K2"}
    erase(context, 1)
    assert holds(context) == {raw_id(2): ""}
    assert_sound(context)


def holds(context: Context) -> dict[bytes, str]:
    with context.database.read() as session:
        rows = session.execute(select(Interview.interview_id, Interview.holds))
        return {interview_id: codes for interview_id, codes in rows}


def test_whatever_comes_late_is_emptied_by_the_fold_too(context: Context, tablet: Tablet) -> None:
    first = tablet.seal(Answers(number=1))
    late = [
        tablet.seal(Answers(number=1, age="50")),
        tablet.seal(Answers(number=3), parents=[2]),
        tablet.seal(Answers(number=2), parents=[1]),
        tablet.seal(Answers(number=4), parents=[3]),
        tablet.seal(Answers(number=5)),
    ]
    deliver(context, [tablet.epoch(), first])
    open_all(context)
    erase(context, 1)
    for body in late:  # one by one: the edit of an edit before what it edits
        deliver(context, [body])
        open_all(context)
    erased = {instance_id for instance_id, found in bodies(context).items() if (ERASED, 0) in found}
    assert erased == {raw_id(number) for number in range(1, 5)}
    assert [row["_interview_id"] for row in answers_of(context)] == [raw_id(5).hex()] * 2
    assert_sound(context)


def test_decisions_about_it_go_and_the_office_s_chain_goes_on(context: Context, tablet: Tablet) -> None:
    deliver(context, [tablet.epoch(), *(tablet.seal(Answers(number=number, key="1")) for number in (1, 2))])
    open_all(context)
    proposal_id = propose(context, 1)
    settle(context, 1)
    with context.database.transaction() as session:
        proposals.agree(session, keystore=context.keystore, proposal_id=proposal_id, user="sami", now=NOW)
    settle(context, 1)  # after the erasure is decided, before it is folded: the end of the chain goes
    open_all(context)
    with context.database.read() as session:
        states = list(session.scalars(select(Envelope.state).where(Envelope.kind == 5).order_by(Envelope.sequence)))
    assert states == [ERASED, OPENED, ERASED]
    settle(context, 2)
    assert open_all(context).quarantined == 0
    with context.database.read() as session:
        rows = session.scalars(select(Envelope.body).where(Envelope.kind == 5, Envelope.state == OPENED))
        shown = [peek(body) for body in rows]
    assert [one.sequence for one in shown] == [4, 8]
    assert_sound(context)


def settle(context: Context, number: int) -> None:
    with context.database.transaction() as session:
        settle_hold.settle(
            session,
            keystore=context.keystore,
            interview_id=raw_id(number),
            verdict="keep",
            household_key=None,
            note="",
            user="sami",
            now=NOW,
        )


def test_files_go_but_those_that_another_interview_names_too(context: Context) -> None:
    publish_xform(context, photo_form())
    door = Door(context)
    door.post(Photos(number=1, house="a.jpg").xml(), {"a.jpg": b"house of one"})
    door.post(Photos(number=2, house="a.jpg").xml(), {"a.jpg": b"house of two"})
    open_all(context)
    with context.database.read() as session:
        kept = {row.blob_sha256 for row in attachments.attachments_of(session, [raw_id(2)])}
    erase(context, 1)
    left = {path.parent.name + path.name for path in context.config.blobs_dir.glob("??/*")}
    assert left == {digest.hex() for digest in kept}
    door.post(Photos(number=1, house="b.jpg").xml(), {"b.jpg": b"late"})
    assert open_all(context).total == 0
    assert len(list(context.config.blobs_dir.glob("??/*"))) == 1
    assert_sound(context)


def test_what_waits_for_something_is_erased_before_it_is_opened(context: Context, tablet: Tablet) -> None:
    tablet.epoch("training")
    waiting = tablet.seal(Answers(number=7), parents=[1], mode="training")
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1)), waiting])
    open_all(context)
    assert bodies(context)[raw_id(7)][0][0] == "waiting-for-epoch"
    erase(context, 1)
    assert bodies(context)[raw_id(7)] == [(ERASED, 0)]
    deliver(context, [tablet.epoch("training")])
    open_all(context)
    assert count(context, Interview) == 0
    assert_sound(context)


def test_nothing_is_told_any_more_of_a_quarantined_edit_that_fell_with_what_it_edits(
    context: Context, tablet: Tablet
) -> None:
    edit = tablet.seal(
        Answers(number=2, version="2"), parents=[1], number=9
    )  # its instanceID is not that of its answers
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1)), edit])
    publish(context, version="2")
    open_all(context)
    assert bodies(context)[raw_id(9)][0][0] == "quarantined"
    assert count(context, Verdict) == 2
    erase(context, 1)
    assert bodies(context)[raw_id(9)] == [(ERASED, 0)]
    assert count(context, Verdict) == 0
    assert_sound(context)


def test_bytes_that_are_back_are_told_by_verify(context: Context, tablet: Tablet) -> None:
    body = tablet.seal(Answers(number=1))
    deliver(context, [tablet.epoch(), body])
    open_all(context)
    erase(context, 1)
    with context.database.transaction() as session:
        session.execute(update(Envelope).where(Envelope.instance_id == raw_id(1)).values(body=body))
    report = verify_store.verify(context.database, keystore=context.keystore)
    assert "its bytes are still there" in str(report)


def test_an_erasure_needs_a_reason_and_an_interview(context: Context, tablet: Tablet) -> None:
    ask: dict[str, Any] = {"keystore": context.keystore, "user": "amina", "now": NOW}
    with context.database.transaction() as session, pytest.raises(NotFound):
        proposals.propose_erasure(session, instance_id=raw_id(1), note="?", **ask)
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1))])
    open_all(context)
    with context.database.transaction() as session, pytest.raises(BadRequest):
        proposals.propose_erasure(session, instance_id=raw_id(1), note=" ", **ask)
    erase(context, 1)
    with context.database.transaction() as session, pytest.raises(Conflict):
        proposals.propose_erasure(session, instance_id=raw_id(1), note="?", **ask)


def test_a_decision_of_one_person_erases_nothing() -> None:
    decision = erasing.erase_decision([raw_id(1)], interview_id=raw_id(1), project_id=1, proposed_by="amina")
    assert erasing.listed_instances({**decision, "user": "sami"}) == (raw_id(1),)
    for changed in ({"user": "amina"}, {"user": ""}, {"user": "sami", "action": "review"}, {}):
        assert erasing.listed_instances({**decision, **changed}) == ()
    odd = {**decision, "user": "sami", "instances": ["zz", 7, "00", raw_id(2).hex()]}
    assert erasing.listed_instances(odd) == (raw_id(2),)


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), late=histories(), seed=st.integers(0, 2**32))
def test_erase_is_final_in_any_order_with_repetition_and_restarts(
    sqlite_database: Database,
    keystore: KeyStore,
    history: list[tuple[int, Answers, tuple[int, ...], str]],
    late: list[tuple[int, Answers, tuple[int, ...], str]],
    seed: int,
) -> None:
    rng, number = random.Random(seed), history[0][1].number
    with office(sqlite_database, keystore) as first:
        enrol_both(first)
        came = sealed(first, history + late)
        before, after = came[: 4 + len(history)], came[4 + len(history) :]
        deliver(first, before)
        open_all(first)
        erase(first, number)
        with first.database.read() as session:
            of_office = list(session.scalars(select(Envelope.body).where(Envelope.carrier == "office")))
        deliver(first, after)
        open_all(first)
        expected, rows, erased = state_of(first), answers_of(first), erased_of(first)
        assert raw_id(number) in erased
    with office(sqlite_database, keystore) as second:
        enrol_both(second)
        arriving = [*came, *of_office, *rng.choices(came, k=3)]
        rng.shuffle(arriving)
        while arriving:
            size = rng.randint(1, 4)
            deliver(second, arriving[:size])
            arriving = arriving[size:]
            while worker(second).run_once(limit=rng.randint(1, 5)).total:  # each time another process
                pass
        assert (state_of(second), answers_of(second), erased_of(second)) == (expected, rows, erased)
        deliver(second, rng.sample(came, k=len(came)))
        open_all(second)
        assert (state_of(second), erased_of(second)) == (expected, erased)
        assert_sound(second)


def erased_of(context: Context) -> frozenset[bytes]:
    """Return the instances of which nothing is left, after a look that none has both bytes and a tombstone."""
    found = bodies(context)
    gone = {one for one, copies in found.items() if one is not None and any(state == ERASED for state, _ in copies)}
    assert all(copy == (ERASED, 0) for one in gone for copy in found[one])
    return frozenset(gone)


def enrol_both(context: Context) -> None:
    for one in tablets(context.keystore):
        one.enrol(context)


def test_nothing_that_was_answered_is_on_disk_afterwards(tmp_path: Path) -> None:
    """What is looked for is ciphertext: that no answer is ever there in clear is shown elsewhere."""
    context = canary_office(tmp_path / "data")
    tablet = Tablet(context.keystore).enrol(context)
    body = tablet.seal(Answers(number=1, note="x" * 3000))
    deliver(context, [tablet.epoch(), body, tablet.seal(Answers(number=2))])
    open_all(context)
    with context.database.transaction() as session:
        session.execute(update(Revision).where(Revision.instance_id == raw_id(1)).values(device_time="CanaryTime"))
        session.execute(update(Envelope).where(Envelope.instance_id == raw_id(2)).values(reason="CanaryOther"))
    assert found_on(files_in(tmp_path), body[200:260], b"CanaryTime", b"CanaryOther") == {0, 1, 2}
    parquet = {path for path in files_in(tmp_path) if path.suffix == ".parquet"}
    erase(context, 1)
    assert found_on(files_in(tmp_path), body[200:260], b"CanaryTime", b"CanaryOther") == {2}
    assert not parquet & set(files_in(tmp_path))
    context.close()


def found_on(paths: Sequence[Path], *marks: bytes) -> set[int]:
    contents = [path.read_bytes() for path in paths]
    return {number for number, mark in enumerate(marks) if any(mark in content for content in contents)}


def test_an_edit_that_came_before_what_it_edits_goes_when_that_comes_late(context: Context, tablet: Tablet) -> None:
    one, two = tablet.seal(Answers(number=1)), tablet.seal(Answers(number=2), parents=[1])
    deliver(context, [tablet.epoch(), one, tablet.seal(Answers(number=3), parents=[2])])
    open_all(context)
    erase(context, 1)
    assert bodies(context)[raw_id(3)][0][0] == OPENED
    with context.database.transaction() as session:
        late = NewEnvelope.read(two).emptied(reason=erasures.LATE)  # as the exchange stores it
        envelopes.store(session, [late], carrier="tablet-1", received_at=NOW)
    open_all(context)
    assert bodies(context)[raw_id(3)] == [(ERASED, 0)]
    assert count(context, Interview) == 0
    assert_sound(context)


def test_whose_instance_lives_loses_no_edits_to_a_tombstone_under_it(context: Context, tablet: Tablet) -> None:
    one, false = tablet.seal(Answers(number=1)), tablet.seal(Answers(number=2, name="false"), parents=[1])
    edit = tablet.seal(Answers(number=3), parents=[2])
    deliver(context, [tablet.epoch(), one, tablet.seal(Answers(number=2))])
    open_all(context)
    erase(context, 1)
    with context.database.transaction() as session:
        late = NewEnvelope.read(false).emptied(reason=erasures.LATE)
        envelopes.store(session, [late], carrier="tablet-2", received_at=NOW)
    deliver(context, [edit])
    open_all(context)
    assert [found[0][0] for found in (bodies(context)[raw_id(2)], bodies(context)[raw_id(3)])] == [OPENED, OPENED]
    assert_sound(context)


def test_who_erases_sees_all_of_it_and_agrees_to_what_was_proposed(context: Context) -> None:
    """An edit that names interviews of two projects as its parents lets nobody erase what they do not see."""
    with context.database.transaction() as session:
        projects.add_project(session, name="Abroad", user="root", now=NOW)
    for form_id, project_id in (("ours", 1), ("theirs", 2)):
        publish(context, form_id, project_id=project_id)
    ours = Tablet(context.keystore, "ours", project_id=1).enrol(context)
    theirs = Tablet(context.keystore, "theirs", project_id=2).enrol(context)
    bodies = [ours.epoch(), theirs.epoch(), ours.seal(Answers(number=10, form_id="ours"))]
    deliver(context, [*bodies, theirs.seal(Answers(number=20, form_id="theirs"))])
    open_all(context)
    abroad = Scope(projects=frozenset({2}))
    ask: dict[str, Any] = {"keystore": context.keystore, "now": NOW}
    with context.database.transaction() as session:
        number = proposals.propose_erasure(session, instance_id=raw_id(20), note="?", user="amina", scope=abroad, **ask)
    deliver(context, [theirs.seal(Answers(number=21, form_id="theirs"), parents=[20, 10])])
    open_all(context)
    for scope, refusal in ((abroad, proposals.NotAllSeenError), (EVERYTHING, proposals.GrownError)):
        with context.database.transaction() as session, pytest.raises(refusal):
            proposals.agree(session, proposal_id=number, user="sami", scope=scope, **ask)
    for instance in (20, 21):
        with context.database.transaction() as session, pytest.raises(proposals.NotAllSeenError):
            proposals.propose_erasure(
                session, instance_id=raw_id(instance), note="?", user="amina", scope=abroad, **ask
            )
    open_all(context)
    assert count(context, Erasure) == 0
    assert count(context, Revision) == 3
    with context.database.transaction() as session:
        proposals.decline(session, proposal_id=number, user="amina", now=NOW)
    erase(context, 20)
    assert count(context, Revision) == 0


def test_the_console_and_the_account_of_one_person_erase_nothing() -> None:
    decision = erasing.erase_decision([raw_id(1)], interview_id=raw_id(1), project_id=1, proposed_by="console:amina")
    assert erasing.listed_instances({**decision, "user": "Amina"}) == ()


@pytest.mark.parametrize("trouble", ["lost", "damaged"])
def test_a_microdata_file_that_cannot_be_read_keeps_nothing_from_being_opened(
    sqlite_context: Context, trouble: str
) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    deliver(sqlite_context, [tablet.epoch(), tablet.seal(Answers(number=1)), tablet.seal(Answers(number=3))])
    open_all(sqlite_context)
    (identifiers,) = sqlite_context.config.microdata_dir.rglob("*.identifiers.parquet")
    for path in sqlite_context.config.microdata_dir.rglob("*.analysis.parquet"):
        path.unlink() if trouble == "lost" else path.write_bytes(b"PAR1" + bytes(90))
    proposal_id = propose(sqlite_context, 1)
    with sqlite_context.database.transaction() as session:
        proposals.agree(session, keystore=sqlite_context.keystore, proposal_id=proposal_id, user="sami", now=NOW)
    deliver(sqlite_context, [tablet.seal(Answers(number=7))])
    open_all(sqlite_context)
    assert not identifiers.exists()
    with sqlite_context.database.read() as session:
        states = session.scalars(select(Envelope.state).where(Envelope.kind == 2).order_by(Envelope.sequence)).all()
    assert states == [ERASED, OPENED, OPENED]
