"""Who may use the office's side: users with one role each, passwords by Argon2id, tokens kept as hashes only."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy.orm import Session

from server.db.queries import accounts, audit
from server.db.queries.accounts import StoredUser
from server.errors import BadRequest, Conflict, LoginInvalid, NotFound

ROLES: Final = ("enumerator", "supervisor", "manager", "statistician", "administrator")
SHORTEST_PASSWORD: Final = 10
LONGEST_PASSWORD: Final = 1024
TOKEN_BYTES: Final = 32
GENERATED_PASSWORD_BYTES: Final = 12

Randomness = Callable[[int], str]

# Defaults of argon2-cffi 25: RFC 9106, low-memory profile (64 MiB, 3 passes, 4 lanes).
_HASHER: Final = PasswordHasher()
# Verified when there is no such user, so that the time of an answer does not tell which names exist.
_NOBODY: Final = _HASHER.hash("nobody has this password")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user, as the edges see one."""

    user_id: int
    name: str
    role: str
    created_at: datetime
    has_password: bool
    tokens: int


def add_user(session: Session, *, name: str, role: str, password: str | None, actor: str, now: datetime) -> Account:
    """Add a user.

    Raises:
        BadRequest: an empty name, an unknown role or a short password.
        Conflict: when the name is taken.
    """
    name = name.strip()
    if not name or len(name) > 200:
        raise BadRequest("A user's name has 1 to 200 characters.")
    if role not in ROLES:
        raise BadRequest(f"“{role}” is not a role; choose one of {', '.join(ROLES)}.")
    if accounts.user_by_name(session, name) is not None:
        raise Conflict(f"There is a user “{name}” already; choose another name.")
    password_hash = None if password is None else _hashed(password)
    user_id = accounts.add_user(session, name=name, role=role, password_hash=password_hash, now=now)
    audit.write(session, at=now, actor=actor, action="add-user", subject=name, detail=role)
    return Account(user_id=user_id, name=name, role=role, created_at=now, has_password=password is not None, tokens=0)


def list_users(session: Session) -> tuple[Account, ...]:
    """Return all users by name."""
    return tuple(_account(user) for user in accounts.users(session))


def set_password(session: Session, *, name: str, password: str, actor: str, now: datetime) -> None:
    """Give a user another password.

    Raises:
        NotFound: no such user.
        BadRequest: a short password.
    """
    user = _known(session, name)
    accounts.set_password_hash(session, user.user_id, _hashed(password))
    audit.write(session, at=now, actor=actor, action="set-password", subject=name)


def issue_token(
    session: Session, *, name: str, actor: str, now: datetime, randomness: Randomness = secrets.token_urlsafe
) -> str:
    """Make an API token for a user and return it; only its hash is kept.

    Raises:
        NotFound: no such user.
    """
    user = _known(session, name)
    token = randomness(TOKEN_BYTES)
    accounts.add_token(session, user_id=user.user_id, token_hash=token_hash(token), now=now)
    audit.write(session, at=now, actor=actor, action="issue-token", subject=name)
    return token


def revoke_tokens(session: Session, *, name: str, actor: str, now: datetime) -> int:
    """Revoke every token of a user and return how many there were.

    Raises:
        NotFound: no such user.
    """
    user = _known(session, name)
    count = accounts.revoke_tokens(session, user_id=user.user_id, now=now)
    audit.write(session, at=now, actor=actor, action="revoke-tokens", subject=name, detail=str(count))
    return count


def log_in(session: Session, *, name: str, password: str) -> Account:
    """Return the user to whom name and password belong.

    Raises:
        LoginInvalid: they do not belong together; which of them is wrong is not said.
    """
    user = accounts.user_by_name(session, name.strip())
    expected = _NOBODY if user is None or user.password_hash is None else user.password_hash
    try:
        _HASHER.verify(expected, password[:LONGEST_PASSWORD])
    except (Argon2Error, InvalidHashError):
        raise LoginInvalid("Name or password is wrong.") from None
    if user is None or user.password_hash is None:
        raise LoginInvalid("Name or password is wrong.")
    return _account(user)


def account(session: Session, user_id: int) -> Account | None:
    """Return a user by id, None when there is none."""
    user = accounts.user_by_id(session, user_id)
    return None if user is None else _account(user)


def generated_password(randomness: Randomness = secrets.token_urlsafe) -> str:
    """Return a password that nobody can guess, to be shown once."""
    return randomness(GENERATED_PASSWORD_BYTES)


def token_hash(token: str) -> bytes:
    """Return the SHA-256 of a token: what the server keeps of it, (32,)."""
    return hashlib.sha256(token.encode()).digest()


def same(left: str, right: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def _known(session: Session, name: str) -> StoredUser:
    user = accounts.user_by_name(session, name)
    if user is None:
        raise NotFound(f"There is no user “{name}”; `passerelle user list` shows who there is.")
    return user


def _hashed(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise BadRequest(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    return _HASHER.hash(password)


def _account(user: StoredUser) -> Account:
    return Account(
        user_id=user.user_id,
        name=user.name,
        role=user.role,
        created_at=user.created_at,
        has_password=user.password_hash is not None,
        tokens=user.tokens,
    )
