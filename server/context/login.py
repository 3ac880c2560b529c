"""Logging in, at the console and by HTTP Basic alike: the limit first, then the password.

A session's cookie names an account and proves by a keyed digest that it was begun under its present password and
session epoch, so that it ends when either changes, and when it began, so that it ends in any case.
"""

import hashlib
import hmac
from datetime import timedelta
from typing import Final

from server.clock import utc_now
from server.context.access import Caller
from server.context.instance import Context
from server.db.queries.accounts import StoredUser
from server.services import accounts, limit_logins

PROOF_HEX: Final = 32
LONGEST_SESSION: Final = timedelta(hours=12)
"""From the login, however much is done meanwhile."""


def log_in(context: Context, *, name: str, password: str, address: str) -> StoredUser:
    """Return the person to whom name and password belong.

    Raises:
        LoginInvalid: they do not belong together.
        RateLimited: too many attempts failed lately, under this name or from this address.
    """
    now, key = utc_now(), context.keystore.session_secret
    with context.database.transaction() as session:
        attempt = limit_logins.begin(session, name=name, address=address, key=key, now=now)
    with context.database.read() as session:
        user = accounts.log_in(session, name=name, password=password)
    with context.database.transaction() as session:
        limit_logins.succeed(session, attempt)
        return accounts.renew_password_hash(session, user, password=password)


def caller_of(user: StoredUser | None) -> Caller | None:
    """Return who asks, with the rows that the person sees; None for nobody and for who is shut out."""
    if user is None or user.disabled_at is not None:
        return None
    return Caller(user_id=user.user_id, name=user.name, role=user.role, scope=accounts.scope_of(user))


def log_out(context: Context, person: Caller) -> None:
    """End every session of a person: a copy of the cookie that was taken is worth nothing afterwards."""
    with context.database.transaction() as session:
        accounts.end_sessions(session, person.user_id)


def session_proof(context: Context, user: StoredUser, *, begun_at: int) -> str:
    """Return what the cookie of a session must hold that began at a time, in seconds since 1970."""
    text = f"session:{user.user_id}:{user.session_epoch}:{begun_at}:{user.password_hash or ''}"
    return hmac.new(context.keystore.session_secret, text.encode(), hashlib.sha256).hexdigest()[:PROOF_HEX]


def is_proof(context: Context, user: StoredUser, proof: object, *, begun_at: object) -> bool:
    """Say whether a session's cookie was begun under the present password and epoch, and not too long ago."""
    if not (isinstance(proof, str) and isinstance(begun_at, int)):
        return False
    if not begun_at <= utc_now().timestamp() < begun_at + LONGEST_SESSION.total_seconds():
        return False
    return hmac.compare_digest(proof.encode(), session_proof(context, user, begun_at=begun_at).encode())


def own_password(context: Context, person: Caller, *, present: str, chosen: str, address: str) -> None:
    """Give somebody another password who knows the present one; wrong ones count as at the login.

    Raises:
        LoginInvalid: the present one is wrong.
        RateLimited: too many attempts failed lately.
        BadRequest: a short password.
    """
    now, key = utc_now(), context.keystore.session_secret
    with context.database.transaction() as session:
        attempt = limit_logins.begin(session, name=person.name, address=address, key=key, now=now)
    with context.database.read() as session:
        accounts.log_in(session, name=person.name, password=present)
    with context.database.transaction() as session:
        accounts.set_password(session, name=person.name, password=chosen, actor=person.name, now=now)
        limit_logins.succeed(session, attempt)
