"""Reviews and resolutions: decisions that fold like all else, whatever comes first."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import select

from server.context import Context
from server.db.queries import interviews
from server.db.tables import Decision, Envelope
from server.errors import BadRequest, NotFound
from server.folding.decisions import resolution_of, review_of
from server.folding.fold import heads_of
from server.folding.state import state_hash
from server.services import rebuild, resolve_conflict, review_interview, verify_store
from tests.office import NOW
from tests.server.opening.kit import Answers, Tablet, deliver, open_all, publish, raw_id, worker


@pytest.fixture
def office(context: Context) -> Context:
    publish(context)
    return context


def tablet(context: Context) -> Tablet:
    return Tablet(context.keystore).enrol(context)


def look(context: Context, number: int = 1) -> tuple[str, str, bytes | None]:
    """Return state, review and current instanceID of an interview."""
    with context.database.read() as session:
        (found,) = interviews.interviews_by_id(session, [raw_id(number)])
        (current,) = interviews.revisions_by_id(session, [found.current_revision_id or 0])
    return found.state, found.review, current.instance_id


def heads(context: Context, number: int = 1) -> dict[bytes, tuple[bytes, bytes]]:
    with context.database.read() as session:
        return {key[0]: key for key in heads_of(session, raw_id(number))}


def resolve(context: Context, chosen: tuple[bytes, bytes], number: int = 1) -> None:
    with context.database.transaction() as session:
        resolve_conflict.resolve(
            session,
            keystore=context.keystore,
            interview_id=raw_id(number),
            chosen=chosen,
            note="asked again",
            user="manager",
            now=NOW,
        )
    open_all(context)


def review(context: Context, verdict: str) -> None:
    with context.database.transaction() as session:
        review_interview.review(
            session,
            keystore=context.keystore,
            interview_id=raw_id(1),
            verdict=verdict,
            note="",
            user="manager",
            now=NOW,
        )
    open_all(context)


def sound(context: Context) -> bool:
    report = verify_store.verify(context.database, keystore=context.keystore, microdata=context.microdata)
    assert report.is_sound, report
    return True


def test_a_resolution_holds_until_a_head_comes_that_was_not_there(office: Context) -> None:
    one = tablet(office)
    deliver(office, [one.epoch(), one.seal(Answers(number=1)), one.seal(Answers(number=2, age="30", edits=1))])
    deliver(office, [one.seal(Answers(number=3, age="31", edits=1))])
    open_all(office)
    assert look(office)[0] == "conflict"
    for number in (2, 3, 2):
        resolve(office, heads(office)[raw_id(number)])
        assert look(office) == ("current", "", raw_id(number))
    assert sound(office)
    deliver(office, [one.seal(Answers(number=4, age="32", edits=1))])
    open_all(office)
    assert look(office)[0] == "conflict"
    assert sound(office)
    resolve(office, heads(office)[raw_id(4)])
    deliver(office, [one.seal(Answers(number=5, age="33", edits=4))])
    open_all(office)
    assert look(office)[0] == "conflict"  # what the person chose was edited, and the others are heads still
    assert sound(office)
    report = rebuild.rebuild(database=office.database, keystore=office.keystore, microdata=office.microdata, now=NOW)
    assert report.is_same


def test_two_contents_under_one_id_are_settled_by_choosing_one(office: Context) -> None:
    one = tablet(office)
    deliver(office, [one.epoch(), one.seal(Answers(number=1)), one.seal(Answers(number=1, age="55"))])
    open_all(office)
    assert look(office)[0] == "id-collision"
    with office.database.read() as session:
        keys = heads_of(session, raw_id(1))
    for chosen in keys:
        resolve(office, chosen)
        assert look(office)[0] == "current"
    assert sound(office)


def test_a_review_is_of_what_was_current_and_the_last_one_counts(office: Context) -> None:
    one = tablet(office)
    deliver(office, [one.epoch(), one.seal(Answers(number=1))])
    open_all(office)
    assert look(office)[1] == ""
    review(office, "rejected")
    review(office, "approved")
    assert look(office)[1] == "approved"
    assert sound(office)
    deliver(office, [one.seal(Answers(number=2, age="30", edits=1))])
    open_all(office)
    assert look(office) == ("current", "", raw_id(2))
    assert sound(office)


def test_decisions_and_edits_in_any_order_give_the_same(office: Context) -> None:
    one = tablet(office)
    deliver(office, [one.epoch(), one.seal(Answers(number=1)), one.seal(Answers(number=2, age="30", edits=1))])
    deliver(office, [one.seal(Answers(number=3, age="31", edits=1))])
    open_all(office)
    resolve(office, heads(office)[raw_id(3)])
    resolve(office, heads(office)[raw_id(2)])
    review(office, "approved")
    deliver(office, [one.seal(Answers(number=4, age="32", edits=2))])
    open_all(office)
    with office.database.read() as session:
        bodies = list(session.scalars(select(Envelope.body).order_by(Envelope.sequence)))
        expected = state_hash(session, office.keystore)
        assert len(set(session.scalars(select(Decision.action)))) == 2
    from sqlalchemy import delete

    for seed in range(4):
        with office.database.transaction() as session:
            interviews.drop_projections(session)
            session.execute(delete(Envelope))
        random.Random(seed).shuffle(bodies)
        for place, body in enumerate(bodies):
            deliver(office, [body], at=NOW + timedelta(minutes=place))
            if place % (seed + 1) == 0:
                while worker(office).run_once(limit=2).total:
                    pass
        open_all(office)
        with office.database.read() as session:
            assert state_hash(session, office.keystore) == expected


def test_what_cannot_be_meant_is_refused(office: Context) -> None:
    one = tablet(office)
    deliver(office, [one.epoch(), one.seal(Answers(number=1))])
    open_all(office)
    with pytest.raises(BadRequest):
        review(office, "perhaps")
    with pytest.raises(BadRequest):
        resolve(office, (raw_id(1), bytes(32)))
    with pytest.raises(NotFound):
        resolve(office, (raw_id(1), bytes(32)), number=9)


@pytest.mark.parametrize(
    "decision",
    [
        {"action": "resolve-conflict"},
        {"action": "resolve-conflict", "chosen": ["00", "zz"], "seen": []},
        {"action": "resolve-conflict", "chosen": ["00", "00"], "seen": [3]},
        {"action": "resolve-conflict", "chosen": "00", "seen": "no list"},
        {"action": "resolve-conflict", "chosen": ["00"], "seen": [["00", "00"]]},
        {"action": "review", "verdict": "approved"},
        {"action": "review", "verdict": ["approved"], "revision": ["00", "00"]},
        {"action": "review", "verdict": "approved", "revision": {"a": 1, "b": 2}},
    ],
)
def test_a_decision_of_another_shape_decides_nothing(decision: dict[str, object]) -> None:
    assert resolution_of(decision, (1, b"")) == ()
    assert review_of(decision) is None
