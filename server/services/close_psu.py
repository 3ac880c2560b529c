"""Close a primary sampling unit when its fieldwork is over, or declare it lost when it was never reached.

A release needs every drawn unit closed or lost: a unit without cases that is closed contributes zero, a lost one is
non-response of the whole unit, and the weights of its stratum carry it. Tablets that visit a unit are told: they seal
what is finished of it, and re-open nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from server.db.queries import audit, feed, fieldwork
from server.db.queries.fieldwork import CLOSED, LOST, OPEN, PsuStatus
from server.errors import BadRequest, Conflict, NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPsu:
    """A unit, its status now, and the drawn households of it from which an interview has come."""

    psu: str
    status: str
    interviews: int


def list_psus(session: Session) -> tuple[PsuStatus, ...]:
    """Return the drawn units in the order of their codes."""
    return tuple(fieldwork.psu_statuses(session))


def close(session: Session, *, psu: str, user: str, now: datetime) -> ChangedPsu:
    """Say that fieldwork in a unit is over.

    Raises:
        NotFound: no such drawn unit.
        Conflict: it is lost.
    """
    if _drawn(session, psu).status == LOST:
        raise Conflict(f"Unit {psu} is declared lost; open it again first: `passerelle psu reopen {psu}`.")
    return _change(session, psu, status=CLOSED, reason="", user=user, now=now)


def close_all(session: Session, *, user: str, now: datetime) -> tuple[ChangedPsu, ...]:
    """Say of every open unit that fieldwork in it is over."""
    is_open = [unit.psu for unit in fieldwork.psu_statuses(session) if unit.status == OPEN]
    position = feed.position_once(session)
    return tuple(
        _change(session, psu, status=CLOSED, reason="", user=user, now=now, position=position) for psu in is_open
    )


def lose(session: Session, *, psu: str, reason: str, user: str, now: datetime) -> ChangedPsu:
    """Declare that a unit was never worked.

    Raises:
        NotFound: no such drawn unit.
        BadRequest: no reason.
        Conflict: interviews have come from it.
    """
    _drawn(session, psu)
    if not reason.strip():
        raise BadRequest("Say why the unit could not be worked: --reason “flood”.")
    interviews = fieldwork.interviews_in(session, psu)
    if interviews:
        raise Conflict(
            f"Interviews have come from {interviews} households of unit {psu}: it was worked. Close it instead."
        )
    return _change(session, psu, status=LOST, reason=reason.strip(), user=user, now=now)


def reopen(session: Session, *, psu: str, user: str, now: datetime) -> ChangedPsu:
    """Take back that a unit is closed or lost.

    Raises:
        NotFound: no such drawn unit.
    """
    _drawn(session, psu)
    return _change(session, psu, status=OPEN, reason="", user=user, now=now)


def _drawn(session: Session, psu: str) -> PsuStatus:
    unit = fieldwork.psu_status(session, psu)
    if unit is None:
        raise NotFound(f"No drawn unit has the code “{psu}”; `passerelle psu list` shows them.")
    return unit


def _change(
    session: Session,
    psu: str,
    *,
    status: str,
    reason: str,
    user: str,
    now: datetime,
    position: Callable[[], int] | None = None,
) -> ChangedPsu:
    audit.write(session, at=now, actor=user, action=f"psu-{status}", subject=psu, detail=reason[:1000])
    told_at = position() if position is not None else feed.next_position(session)
    fieldwork.set_psu_status(session, psu, status=status, by=user, at=now, feed_position=told_at)
    return ChangedPsu(psu=psu, status=status, interviews=fieldwork.interviews_in(session, psu))
