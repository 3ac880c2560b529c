"""SQL of who stands at the OpenRosa door: one statement a request, so that a revocation holds at once.

With the app user comes a mark of the forms: while it stays the same, so does all that tablets may know of them.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select, update
from sqlalchemy.orm import Session

from server.db.queries.devices import StoredAppUser
from server.db.tables import AppUser, AppUserForm, FeedHead, FormVersion, Project

Mark = tuple[str, int]
"""The life of the database, and where in its feed a form version last changed."""


@dataclass(frozen=True, slots=True)
class StoredVisitor:
    """An app user, revoked or not, with what a visit needs beside.

    Attributes:
        secret: what HTTP authentication needs of its password, sealed; None without a password.
        is_archived: its project is over: nothing is given out.
        given: form_ids that are given out to it; None for every form of its project.
        mark: of the forms.
    """

    app_user: StoredAppUser
    secret: bytes | None
    is_archived: bool
    given: frozenset[str] | None
    mark: Mark


_app_user = AppUser.__table__.c
_project = Project.__table__.c
_MEMBERS: Final = tuple(StoredAppUser.__dataclass_fields__)


def _statement(condition: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            *(_app_user[name] for name in _MEMBERS),
            _app_user.secret,
            _project.archived_at,
            select(FeedHead.__table__.c.epoch).scalar_subquery(),
            select(func.max(FormVersion.__table__.c.feed_position)).scalar_subquery(),
        )
        .select_from(AppUser.__table__.join(Project.__table__, _app_user.project_id == _project.project_id))
        .where(condition)
    )


# Made once: building them costs more than running them.
_BY_TOKEN: Final = _statement(_app_user.token_hash == bindparam("key"))
_BY_USERNAME: Final = _statement(_app_user.username == bindparam("key"))

_GIVEN: Final = select(AppUserForm.form_id).where(AppUserForm.app_user_id == bindparam("app_user_id"))


def by_token(connection: Connection, token_hash: bytes) -> StoredVisitor | None:
    """Return who has the token with this SHA-256."""
    return _found(connection, _BY_TOKEN, token_hash)


def by_username(connection: Connection, username: str) -> StoredVisitor | None:
    """Return who has this name for HTTP authentication."""
    return _found(connection, _BY_USERNAME, username)


def set_access(
    session: Session, app_user_id: int, *, token_hash: bytes, username: str | None, secret: bytes | None
) -> None:
    """Give an app user another token, and another password or none; what was there before stops."""
    values = {"token_hash": token_hash, "username": username, "secret": secret}
    session.execute(update(AppUser).where(AppUser.app_user_id == app_user_id).values(**values))


def _found(connection: Connection, statement: Select[Any], key: bytes | str) -> StoredVisitor | None:
    row = connection.execute(statement, {"key": key}).first()
    if row is None:
        return None
    *members, secret, archived_at, epoch, position = row
    app_user = StoredAppUser(**dict(zip(_MEMBERS, members, strict=True)))
    given = None
    if not app_user.is_for_every_form:
        given = frozenset(connection.scalars(_GIVEN, {"app_user_id": app_user.app_user_id}))
    return StoredVisitor(
        app_user, secret, is_archived=archived_at is not None, given=given, mark=(epoch, position or 0)
    )
