"""Withdrawal of consent: two people erase an interview, for ever, whatever arrives and in whatever order."""


import pytest
from sqlalchemy import func, select

from server.context import Context
from server.db.tables import Base, Envelope, Erasure, Interview, MicrodataPart, Revision, RevisionParent
from server.db.tables.envelopes import ERASED, OPENED
from server.services import proposals, rebuild, verify_store
from tests.office import NOW
from tests.server.opening.kit import (
    Answers,
    Tablet,
    deliver,
    open_all,
    publish,
    raw_id,
)
from tests.server.opening.test_order import answers_of


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
    rebuilt = rebuild.rebuild(
        database=context.database, keystore=context.keystore, microdata=context.microdata, blobs=context.blobs, now=NOW
    )
    assert rebuilt.is_same


@pytest.fixture
def tablet(context: Context) -> Tablet:
    publish(context)
    return Tablet(context.keystore).enrol(context)


def test_every_version_of_an_interview_goes_and_others_stay(context: Context, tablet: Tablet) -> None:
    first, again = tablet.seal(Answers(number=1)), tablet.seal(Answers(number=1), spaced=True)
    edit = tablet.seal(Answers(number=2, age="42"), parents=[1])
    deliver(context, [tablet.epoch(), first, tablet.seal(Answers(number=3)), edit])
    open_all(context)
    deliver(context, [again])  # its row is in a part that no revision names
    open_all(context)
    former = {path.name for path in context.config.microdata_dir.rglob("*.parquet")}
    erase(context, 2)
    assert bodies(context)[raw_id(1)] == [(ERASED, 0), (ERASED, 0)]
    assert bodies(context)[raw_id(2)] == [(ERASED, 0)]
    assert bodies(context)[raw_id(3)][0][0] == OPENED
    assert [row["_interview_id"] for row in answers_of(context)] == [raw_id(3).hex()] * 2
    assert (count(context, Revision), count(context, Interview), count(context, RevisionParent)) == (1, 1, 0)
    assert count(context, Erasure) == 2
    now = {path.name for path in context.config.microdata_dir.rglob("*.parquet")}
    assert len(now) == 2 * count(context, MicrodataPart) and not now & former
    assert_sound(context)
