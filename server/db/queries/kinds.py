"""Of which kinds there may be news for a device: one statement, before any of them is looked for."""

from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from server.db.prepared import Prepared
from server.db.queries.pull import ASSIGNMENTS, DRAFT, ENTITIES, FORM_VERSION, ORDER, RETURNED, VERDICT
from server.db.tables import (
    Base,
    Device,
    DrawnHousehold,
    EntityList,
    Erasure,
    Form,
    FormVersion,
    ReturnedInterview,
    SealedDraft,
    Verdict,
)


def _is_there(table: type[Base], *which: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(table.__table__.c.feed_position).where(*which))


def _probe() -> Any:
    """Ask of each kind whether a device may find any of it."""
    device: Any = bindparam("device")
    project: Any = bindparam("project")
    enumerator: Any = bindparam("enumerator")
    at: Any = bindparam("at")
    drawn, told = DrawnHousehold.__table__.c, Verdict.__table__.c
    given, draft, lists = ReturnedInterview.__table__.c, SealedDraft.__table__.c, EntityList.__table__.c
    erased, own = Erasure.__table__.c, Device.__table__.c
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
        or_(
            _is_there(Erasure, erased.project_id == project, erased.feed_position >= at),
            exists(
                select(own.device_id).where(
                    own.device_id == device, or_(own.revoked_position >= at, own.wipe_position >= at)
                )
            ),
        ),
    )


_KINDS: Final = (FORM_VERSION, ASSIGNMENTS, VERDICT, RETURNED, DRAFT, ENTITIES, ORDER)
_PROBE: Final = Prepared(_probe())


def kinds_since(session: Session, *, device_id: str, project_id: int, enumerator: str, position: int) -> frozenset[int]:
    """Return the kinds of which a device may find something at or after a position.

    A draft may come at any time, for its device may be revoked: where there are any, they are to be looked for.
    """
    asked = {"device": device_id, "project": project_id, "enumerator": enumerator, "at": position}
    row = _PROBE.first(session, asked) or ()
    return frozenset(kind for kind, is_there in zip(_KINDS, row, strict=True) if is_there)
