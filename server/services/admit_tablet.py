"""Let a tablet with ODK Collect in: by the token in its address, or by a name and a password that the office made.

Tokens are kept as hashes, passwords as what Digest needs of them, sealed. Whoever is revoked is still found here: what
it has finished is taken.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from server.db.queries import audit, visitors
from server.db.queries.devices import StoredAppUser
from server.db.queries.visitors import StoredVisitor
from server.errors import Conflict, NotFound
from server.keystore import TabletSecrets, new_password
from sync_protocol.enrolment import token_hash

TOKEN_BYTES: Final = 32
FAILURES: Final = 10
"""Within `WINDOW`, of one name at one address; then nothing is looked at until the window has passed."""
WINDOW: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Login:
    """A name and a password for Collect; the password is shown once."""

    username: str
    password: str


def by_token(connection: Connection, token: str) -> StoredVisitor:
    """Return whose token it is.

    Raises:
        NotFound: nobody's.
    """
    found = visitors.by_token(connection, token_hash(token))
    if found is None:
        raise NotFound("no app user has this token: check the server's address in the settings, or scan its code again")
    return found


def by_username(connection: Connection, username: str) -> StoredVisitor | None:
    """Return who has this name and a password; None when nobody has."""
    found = visitors.by_username(connection, username)
    return found if found is not None and found.secret is not None else None


def note_failure(session: Session, attempt_key: bytes, *, now: datetime) -> int:
    """Write a failed attempt down; return how many there were lately, with this one."""
    return visitors.count_failure(session, attempt_key, now=now, since=now - WINDOW)


def renew_token(
    session: Session,
    app_user_id: int,
    *,
    user: str,
    now: datetime,
    randomness: Callable[[int], str] = secrets.token_urlsafe,
) -> str:
    """Give an app user a fresh token; the one before stops, for only its hash is kept and nobody can show it again.

    Raises:
        NotFound: no such app user.
        Conflict: it is revoked.
    """
    app_user = _active(session, app_user_id)
    token = randomness(TOKEN_BYTES)
    visitors.set_token(session, app_user_id, token_hash(token))
    audit.write(session, at=now, actor=user, action="renew-token", subject=app_user.name)
    return token


def give_password(
    session: Session, app_user_id: int, *, tablet_secrets: TabletSecrets, user: str, now: datetime
) -> Login:
    """Give an app user a name and a fresh password for HTTP authentication; the password before stops.

    Raises:
        NotFound: no such app user.
        Conflict: it is revoked.
    """
    app_user = _active(session, app_user_id)
    login = Login(username=f"tablet-{app_user_id}", password=new_password())
    sealed = tablet_secrets.seal(login.username, login.password)
    visitors.set_password(session, app_user_id, username=login.username, secret=sealed)
    audit.write(session, at=now, actor=user, action="give-password", subject=app_user.name)
    return login


def _active(session: Session, app_user_id: int) -> StoredAppUser:
    app_user = visitors.app_user(session, app_user_id)
    if app_user is None:
        raise NotFound(f"there is no app user {app_user_id}")
    if app_user.revoked_at is not None:
        raise Conflict(f"the app user {app_user.name!r} is revoked: make another one")
    return app_user
