"""SQL of verdicts: what devices are told about their envelopes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from server.db.insert import upsert
from server.db.tables import Revision, Verdict

CHUNK = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVerdict:
    """What a device is told: state opened | held | quarantined | listed, and why."""

    device_id: str
    envelope_id: bytes
    instance_id: bytes | None
    state: str
    reason: str | None


def tell(session: Session, verdicts: Sequence[NewVerdict], *, position: Callable[[], int]) -> int:
    """Write verdicts that differ from what was told before; the feed moves only when there is one. Return how many."""
    known = _known(session, [verdict.envelope_id for verdict in verdicts])
    fresh = {
        (verdict.device_id, verdict.envelope_id): verdict
        for verdict in verdicts
        if known.get((verdict.device_id, verdict.envelope_id)) != (verdict.state, verdict.reason)
    }
    if not fresh:
        return 0
    feed_position = position()
    rows = [asdict(verdict) | {"feed_position": feed_position} for verdict in fresh.values()]
    statement = upsert(session, Verdict)
    changed = {name: statement.excluded[name] for name in ("state", "reason", "feed_position")}
    session.connection().execute(
        statement.on_conflict_do_update(index_elements=["device_id", "envelope_id"], set_=changed), rows
    )
    return len(rows)


def all_told(session: Session) -> list[NewVerdict]:
    """Return everything that devices were told, in the order of envelopes."""
    columns = [getattr(Verdict, name) for name in NewVerdict.__dataclass_fields__]
    rows = session.execute(select(*columns).order_by(Verdict.envelope_id, Verdict.device_id))
    return [NewVerdict(**row._mapping) for row in rows]  # noqa: SLF001 -- SQLAlchemy's name for a public thing


def told_of(session: Session, interview_ids: Iterable[bytes]) -> list[tuple[bytes, NewVerdict]]:
    """Return what devices were told about the opened envelopes of interviews, with the id of the interview."""
    found: list[tuple[bytes, NewVerdict]] = []
    names = sorted(interview_ids)
    for start in range(0, len(names), CHUNK):
        query = (
            select(
                Revision.interview_id,
                Verdict.device_id,
                Verdict.envelope_id,
                Verdict.instance_id,
                Verdict.state,
                Verdict.reason,
            )
            .join(Verdict, Verdict.envelope_id == Revision.envelope_id)
            .where(Revision.interview_id.in_(names[start : start + CHUNK]))
        )
        for row in session.execute(query):
            members = dict(row._mapping)  # noqa: SLF001 -- SQLAlchemy's name for a public thing
            found.append((members.pop("interview_id"), NewVerdict(**members)))
    return found


def _known(session: Session, envelope_ids: Sequence[bytes]) -> dict[tuple[str, bytes], tuple[str, str | None]]:
    found: dict[tuple[str, bytes], tuple[str, str | None]] = {}
    for start in range(0, len(envelope_ids), CHUNK):
        query = select(Verdict.device_id, Verdict.envelope_id, Verdict.state, Verdict.reason).where(
            Verdict.envelope_id.in_(envelope_ids[start : start + CHUNK])
        )
        found |= {(row.device_id, row.envelope_id): (row.state, row.reason) for row in session.execute(query)}
    return found
