"""How a tablet comes in: a fresh token in the address, or a name and a password that the server draws."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from server.db.queries import audit, visitors
from server.db.queries.devices import StoredAppUser
from server.errors import Conflict
from server.keystore import TabletSecrets, new_password
from sync_protocol.enrolment import token_hash

TOKEN_BYTES: Final = 48
"""64 characters in the path, as Collect's own servers have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What Collect is told: an address with a token in it, or one without and a name with a password."""

    server_url: str
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return "Reach(…)"


def give_access(
    session: Session,
    app_user: StoredAppUser,
    *,
    base_url: str,
    tablet_secrets: TabletSecrets | None,
    user: str,
    now: datetime,
) -> Reach:
    """Give an app user a fresh access, which is shown this once; the token and the password before stop.

    Args:
        session: of a transaction.
        app_user: who gets it.
        base_url: of the server, as tablets reach it.
        tablet_secrets: to keep a password with; None for a token.
        user: who asks, for the audit.
        now: the time.

    Raises:
        Conflict: the app user is revoked.
    """
    if app_user.revoked_at is not None:
        raise Conflict(f"the app user {app_user.name!r} is revoked: make another one")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    audit.write(session, at=now, actor=user, action="give-access", subject=app_user.name)
    if tablet_secrets is None:
        visitors.set_access(session, app_user.app_user_id, token_hash=token_hash(token), username=None, secret=None)
        return Reach(server_url=f"{base_url}/key/{token}")
    username, password = f"tablet-{app_user.app_user_id}", new_password()
    secret = tablet_secrets.seal(username, password)
    # The token that nobody hears of takes the place of the one that was known.
    visitors.set_access(session, app_user.app_user_id, token_hash=token_hash(token), username=username, secret=secret)
    return Reach(server_url=f"{base_url}/projects/{app_user.project_id}", username=username, password=password)
