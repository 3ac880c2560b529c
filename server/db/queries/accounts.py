"""SQL of users and their API tokens."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from server.db.tables import ApiToken, User


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUser:
    """A user as stored; `password_hash` is Argon2id, None for an account that only uses tokens."""

    user_id: int
    name: str
    role: str
    password_hash: str | None
    created_at: datetime
    tokens: int = 0


def add_user(session: Session, *, name: str, role: str, password_hash: str | None, now: datetime) -> int:
    """Store a user and return the id."""
    user = User(name=name, role=role, password_hash=password_hash, created_at=now)
    session.add(user)
    session.flush()
    return user.user_id


def user_by_name(session: Session, name: str) -> StoredUser | None:
    """Return the user of this name."""
    return _stored(session.scalar(select(User).where(User.name == name)))


def user_by_id(session: Session, user_id: int) -> StoredUser | None:
    """Return the user of this id."""
    return _stored(session.get(User, user_id))


def user_by_token(session: Session, token_hash: bytes) -> StoredUser | None:
    """Return the user of a token that is not revoked."""
    query = select(User).join(ApiToken).where(ApiToken.token_hash == token_hash, ApiToken.revoked_at.is_(None))
    return _stored(session.scalar(query))


def users(session: Session) -> list[StoredUser]:
    """Return all users by name, each with the number of its valid tokens."""
    count = (
        select(func.count()).where(ApiToken.user_id == User.user_id, ApiToken.revoked_at.is_(None)).scalar_subquery()
    )
    return [
        StoredUser(
            user_id=user.user_id,
            name=user.name,
            role=user.role,
            password_hash=user.password_hash,
            created_at=user.created_at,
            tokens=tokens,
        )
        for user, tokens in session.execute(select(User, count).order_by(User.name))
    ]


def set_password_hash(session: Session, user_id: int, password_hash: str) -> None:
    """Give a user another password."""
    session.execute(update(User).where(User.user_id == user_id).values(password_hash=password_hash))


def add_token(session: Session, *, user_id: int, token_hash: bytes, now: datetime) -> None:
    """Store the hash of a new token."""
    session.add(ApiToken(token_hash=token_hash, user_id=user_id, created_at=now, revoked_at=None))


def revoke_tokens(session: Session, *, user_id: int, now: datetime) -> int:
    """Revoke every valid token of a user and return how many there were."""
    valid = update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None)).values(revoked_at=now)
    result = session.execute(valid)
    return int(getattr(result, "rowcount", 0))


def _stored(user: User | None) -> StoredUser | None:
    if user is None:
        return None
    return StoredUser(
        user_id=user.user_id,
        name=user.name,
        role=user.role,
        password_hash=user.password_hash,
        created_at=user.created_at,
    )
