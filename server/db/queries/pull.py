"""SQL of what a device pulls: everything at or after a place of the feed, in one order.

Within one position the order is that of the kinds below; each by its own key. So a place in the feed is (position,
kind, key), and an answer may end between any two entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session

from server.db.tables import (
    Base,
    DrawnHousehold,
    EntityList,
    Form,
    FormVersion,
    ReturnedInterview,
    SealedDraft,
    Verdict,
)

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


def _is_there(table: type[Base], *which: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(table.__table__.c.feed_position).where(*which))


def _probe() -> Executable:
    """Ask of each kind whether a device may find any of it; made once, for it runs in nearly every exchange."""
    device: Any = bindparam("device")
    project: Any = bindparam("project")
    enumerator: Any = bindparam("enumerator")
    at: Any = bindparam("at")
    drawn, told = DrawnHousehold.__table__.c, Verdict.__table__.c
    given, draft, lists = ReturnedInterview.__table__.c, SealedDraft.__table__.c, EntityList.__table__.c
    form, version = Form.__table__.c, FormVersion.__table__.c
    return select(
        exists(
            select(version.hash).where(
                version.form_id == form.form_id, form.project_id == project, version.feed_position >= at
            )
        ),
        _is_there(
            DrawnHousehold, drawn.project_id == project, drawn.enumerator == enumerator, drawn.feed_position >= at
        ),
        _is_there(Verdict, told.device_id == device, told.feed_position >= at),
        _is_there(
            ReturnedInterview, given.project_id == project, given.enumerator == enumerator, given.feed_position >= at
        ),
        _is_there(SealedDraft, draft.project_id == project, draft.enumerator == enumerator),
        _is_there(EntityList, lists.project_id == project, lists.feed_position >= at),
    )


_KINDS: Final = (FORM_VERSION, ASSIGNMENTS, VERDICT, RETURNED, DRAFT, ENTITIES)
_PROBE: Final = _probe()


def kinds_since(session: Session, *, device_id: str, project_id: int, enumerator: str, position: int) -> frozenset[int]:
    """Return the kinds of which a device may find something at or after a position, of those from a form to entities.

    A draft may come at any time, for its device may be revoked: where there are any, they are to be looked for.
    """
    asked = {"device": device_id, "project": project_id, "enumerator": enumerator, "at": position}
    row = session.connection().execute(_PROBE, asked).one()
    return frozenset(kind for kind, is_there in zip(_KINDS, row, strict=True) if is_there)


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


def assigned_psus(session: Session, *, project_id: int, enumerator: str, after: Place) -> list[tuple[Place, str]]:
    """Return the primary sampling units of an enumerator of a project whose households changed after a place."""
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
    query = select(Verdict).where(Verdict.device_id == device_id, later)
    rows = session.scalars(query.order_by(Verdict.feed_position, Verdict.envelope_id).limit(limit))
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
