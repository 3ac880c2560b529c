"""Invariant 1: any order, repetition and batching of the same envelopes gives the same state, on both databases."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.orm import Session

from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.db.tables import Base, FeedHead
from server.folding.state import state_hash
from server.keystore import KeyStore
from server.microdata import Microdata
from server.services import rebuild, review_interview, settle_hold, verify_store
from tests.office import NOW
from tests.server.opening.kit import (
    FORM_ID,
    Answers,
    Tablet,
    deliver,
    draw,
    household,
    open_all,
    publish,
    raw_id,
    worker,
)


@contextmanager
def office(database: Database, keystore: KeyStore) -> Iterator[Context]:
    """Empty a database and put the office's own into it: two tablets, two form versions, a draw."""
    with database.transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in (FeedHead.__tablename__, "project", "alembic_version"):
                session.execute(delete(table))
    with TemporaryDirectory() as folder:
        config = Config(data_dir=Path(folder), database_url=database.url)
        context = Context(
            config=config,
            database=database,
            keystore=keystore,
            microdata=Microdata(config.microdata_dir, keystore, database),
        )
        publish(context)
        publish(context, version="2")
        draw(context, [(household(number), "A" if number < 3 else "B", "0001") for number in range(4)])
        yield context


def answers_of(context: Context) -> list[dict[str, object]]:
    """Return every row that a statistician would read, in the order in which it is read."""
    return [
        row | {"_received_at": None}
        for mode in ("survey", "training")
        for store in ("analysis", "identifiers")
        for part in context.microdata.read(store, form_id=FORM_ID, mode=mode)  # type: ignore[arg-type]
        for row in part.table.to_pylist()
    ]


def state_of(context: Context) -> bytes:
    with context.database.read() as session:
        return state_hash(session, context.keystore)


@st.composite
def histories(drawing: st.DrawFn) -> list[tuple[int, Answers, tuple[int, ...], str]]:
    """Draw revisions: (tablet, answers, parents, mode of the key); edits, copies, collisions, twins, wrong modes."""
    revisions = []
    for _ in range(drawing(st.integers(1, 6))):
        number = drawing(st.integers(1, 6))
        revisions.append(
            (
                drawing(st.integers(0, 1)),
                Answers(
                    number=number,
                    key=drawing(st.sampled_from([None, household(1), household(2), household(9)])),
                    mode=drawing(st.sampled_from(["survey", "survey", "training"])),
                    enumerator=drawing(st.sampled_from(["0001", "0002"])),
                    age=drawing(st.sampled_from(["41", "42"])),
                    result=drawing(st.sampled_from(["110", "120", "211"])),
                    version=drawing(st.sampled_from(["1", "1", "2"])),
                ),
                tuple(drawing(st.lists(st.integers(1, 6), max_size=2))),
                drawing(st.sampled_from(["survey", "survey", "survey", "training"])),
            )
        )
    return revisions


def tablets(keystore: KeyStore) -> list[Tablet]:
    return [Tablet(keystore, "tablet-1"), Tablet(keystore, "tablet-2", role="supervisor", enumerator="0002")]


def sealed(context: Context, history: list[tuple[int, Answers, tuple[int, ...], str]]) -> list[bytes]:
    used = tablets(context.keystore)
    bodies = [used[which].seal(answers, parents=parents, mode=mode) for which, answers, parents, mode in history]
    bodies += [used[which].draft(answers) for which, answers, _, _ in history[:2]]
    epochs = [tablet.epoch(mode) for tablet in used for mode in ("survey", "training")]
    return epochs + bodies


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)
@given(
    history=histories(),
    seed=st.integers(0, 2**32),
    verdict=st.sampled_from(["keep", "exclude", "reassign", "returned"]),
)
def test_any_order_repetition_and_batching_gives_the_same_state(
    database: Database,
    keystore: KeyStore,
    history: list[tuple[int, Answers, tuple[int, ...], str]],
    seed: int,
    verdict: str,
) -> None:
    rng = random.Random(seed)
    with office(database, keystore) as first:
        for tablet in (
            Tablet(keystore, "tablet-1"),
            Tablet(keystore, "tablet-2", role="supervisor", enumerator="0002"),
        ):
            tablet.enrol(first)
        bodies = sealed(first, history)
        deliver(first, bodies)
        open_all(first)
        bodies += _decided(first, bodies, history[0][1].number, verdict)
        expected, rows = state_of(first), answers_of(first)
    with office(database, keystore) as second:
        for tablet in (
            Tablet(keystore, "tablet-1"),
            Tablet(keystore, "tablet-2", role="supervisor", enumerator="0002"),
        ):
            tablet.enrol(second)
        arriving = bodies + rng.choices(bodies, k=3)
        rng.shuffle(arriving)
        minutes = 0
        while arriving:
            size = rng.randint(1, 4)
            deliver(second, arriving[:size], at=NOW + timedelta(minutes=minutes))
            arriving, minutes = arriving[size:], minutes + 1
            while worker(second).run_once(limit=rng.randint(1, 5)).total:
                pass
        assert state_of(second) == expected
        assert answers_of(second) == rows
        report = verify_store.verify(second.database, keystore=keystore, microdata=second.microdata)
        assert report.is_sound, report
        assert bytes.fromhex(report.state_hash) == expected
        rebuilt = rebuild.rebuild(database=second.database, keystore=keystore, microdata=second.microdata, now=NOW)
        assert rebuilt.is_same
        assert answers_of(second) == rows


def _decided(context: Context, bodies: list[bytes], number: int, verdict: str) -> list[bytes]:
    """Settle one interview, if it is there under this id, and return the envelopes that this made."""
    from sqlalchemy import select

    from server.db.queries import interviews
    from server.db.tables import Envelope

    with context.database.transaction() as session:
        if not interviews.interviews_by_id(session, [raw_id(number)]):
            return []
        if verdict == "returned":
            _return(session, context.keystore, raw_id(number))
            verdict = "keep"
        settle_hold.settle(
            session,
            keystore=context.keystore,
            interview_id=raw_id(number),
            verdict=verdict,
            household_key=household(3) if verdict == "reassign" else None,
            note="",
            user="supervisor",
            now=NOW,
        )
    open_all(context)
    with context.database.read() as session:
        return [body for body in session.scalars(select(Envelope.body)) if body not in bodies]


def _return(session: Session, keystore: KeyStore, interview_id: bytes) -> None:
    review_interview.review(
        session, keystore=keystore, interview_id=interview_id, verdict="returned", note="age?", user="s", now=NOW
    )


@pytest.mark.parametrize("limit", [1, 3, 250])
def test_rebuilding_gives_the_same_rows_whatever_the_batches_were(sqlite_context: Context, limit: int) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    deliver(sqlite_context, [tablet.epoch(), *(tablet.seal(Answers(number=number)) for number in range(9, 0, -1))])
    while worker(sqlite_context).run_once(limit=limit).total:
        pass
    rows = answers_of(sqlite_context)
    assert [row["_interview_id"] for row in rows[:9]] == [raw_id(number).hex() for number in range(1, 10)]
    report = rebuild.rebuild(
        database=sqlite_context.database,
        keystore=sqlite_context.keystore,
        microdata=sqlite_context.microdata,
        now=NOW,
    )
    assert (report.is_same, report.interviews) == (True, 9)
    assert answers_of(sqlite_context) == rows
