"""SQL of what a device pulls: everything at or after a place of the feed, in one order.

Within one position the order is that of the kinds below; each by its own key. So a place in the feed is (position,
kind, key), and an answer may end between any two entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from server.db.tables import DrawnHousehold, Erasure, Verdict

FORM_VERSION: Final = 0
ASSIGNMENTS: Final = 1
VERDICT: Final = 2
RETURNED: Final = 3
DRAFT: Final = 4
ENTITIES: Final = 5
ORDER: Final = 6
"""Revocation, wipe and erasure."""
END: Final = 9
"""After everything at a position."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the feed."""

    position: int
    kind: int
    key: bytes


@dataclass(frozen=True, slots=True)
class SealedIdentity:
    """Who lives in a drawn household, sealed under the projection key."""

    household_key: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class PulledVerdict:
    """A verdict and its place."""

    place: Place
    envelope_id: bytes
    instance_id: bytes
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class PulledErasure:
    """An erased instance and its place."""

    place: Place
    instance_id: bytes


def erased(session: Session, *, project_id: int, after: Place, limit: int) -> Sequence[PulledErasure]:
    """Return the next erased instances of a project after a place: those of one position, in their order."""
    is_later = Erasure.feed_position > after.position
    if after.kind == ORDER:
        is_later = or_(is_later, (Erasure.feed_position == after.position) & (Erasure.instance_id > after.key))
    elif after.kind < ORDER:
        is_later = Erasure.feed_position >= after.position
    of_project = (Erasure.project_id == project_id, is_later)
    position = session.scalar(select(func.min(Erasure.feed_position)).where(*of_project))
    if position is None:
        return ()
    query = select(Erasure.instance_id).where(*of_project, Erasure.feed_position == position)
    found = session.scalars(query.order_by(Erasure.instance_id).limit(limit))
    return tuple(PulledErasure(Place(position, ORDER, one), one) for one in found)


def assigned_psus(session: Session, *, project_id: int, enumerator: str, after: Place) -> list[tuple[Place, str]]:
    """Return the primary sampling units of an enumerator of a project that changed after a place."""
    position = func.max(DrawnHousehold.feed_position)
    query = select(DrawnHousehold.psu, position).where(
        DrawnHousehold.project_id == project_id, DrawnHousehold.enumerator == enumerator
    )
    rows = session.execute(query.group_by(DrawnHousehold.psu).having(position >= after.position))
    found = [(Place(at, ASSIGNMENTS, psu.encode("utf-8")), psu) for psu, at in rows]
    return [(place, psu) for place, psu in found if place > after]


def assigned_households(session: Session, *, project_id: int, enumerator: str, psu: str) -> list[SealedIdentity]:
    """Return the households of an enumerator of a project in one unit, by key."""
    query = select(DrawnHousehold.household_key, DrawnHousehold.sealed).where(
        DrawnHousehold.project_id == project_id, DrawnHousehold.enumerator == enumerator, DrawnHousehold.psu == psu
    )
    return [
        SealedIdentity(key, sealed) for key, sealed in session.execute(query.order_by(DrawnHousehold.household_key))
    ]


def verdicts(session: Session, *, device_id: str, after: Place, limit: int) -> Sequence[PulledVerdict]:
    """Return verdicts of a device after a place, in their order."""
    later = Verdict.feed_position > after.position
    if after.kind == VERDICT:
        later = or_(later, (Verdict.feed_position == after.position) & (Verdict.envelope_id > after.key))
    elif after.kind < VERDICT:
        later = Verdict.feed_position >= after.position
    columns = (Verdict.feed_position, Verdict.envelope_id, Verdict.instance_id, Verdict.state, Verdict.reason)
    query = select(*columns).where(Verdict.device_id == device_id, later)
    rows = session.execute(query.order_by(Verdict.feed_position, Verdict.envelope_id).limit(limit))
    return [
        PulledVerdict(
            Place(row.feed_position, VERDICT, row.envelope_id),
            row.envelope_id,
            row.instance_id,
            row.state,
            row.reason,
        )
        for row in rows
    ]
