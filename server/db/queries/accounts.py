"""SQL of people, the projects that they are in, and their API tokens."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from server.db.tables import ApiToken, ProjectMember, User

PUBLIC_HEX: Final = 12
"""Digits of a token's hash by which people name it: 48 bits, which tell tokens of one person apart."""
HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUser:
    """A person as stored; see `server.db.tables.accounts` for what each member means.

    Attributes:
        projects: by number; says nothing of who is in every project.
        tokens: that are valid; only counted in lists.
    """

    user_id: int
    name: str
    role: str
    password_hash: str | None
    created_at: datetime
    team: str
    enumerator: str
    is_in_every_project: bool
    disabled_at: datetime | None
    session_epoch: int
    projects: frozenset[int] = frozenset()
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredApiToken:
    """A token as people see it: never itself, nor its whole hash."""

    token_id: str
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


_COLUMNS: Final = tuple(
    getattr(User, name) for name in StoredUser.__dataclass_fields__ if name not in ("projects", "tokens")
)


def add_user(session: Session, *, name: str, role: str, password_hash: str | None, now: datetime, **more: Any) -> int:
    """Store a person, with what differs from the defaults of the table, and return the id."""
    user = User(name=name, role=role, password_hash=password_hash, created_at=now, **more)
    session.add(user)
    session.flush()
    return user.user_id


def user_by_name(session: Session, name: str) -> StoredUser | None:
    """Return the person of this name."""
    return _one(session, User.name == name)


def user_by_id(session: Session, user_id: int) -> StoredUser | None:
    """Return the person of this id."""
    return _one(session, User.user_id == user_id)


def user_by_token(session: Session, token_hash: bytes, *, now: datetime) -> StoredUser | None:
    """Return the person of a token that is neither revoked nor over its time."""
    owner = select(ApiToken.user_id).where(ApiToken.token_hash == token_hash, _is_valid(now)).scalar_subquery()
    return _one(session, User.user_id == owner)


def users(session: Session, *, now: datetime) -> list[StoredUser]:
    """Return everybody by name, each with the number of valid tokens."""
    counted = select(ApiToken.user_id, func.count()).where(_is_valid(now)).group_by(ApiToken.user_id)
    tokens: dict[int, int] = {user_id: count for user_id, count in session.execute(counted)}
    projects: dict[int, set[int]] = {}
    for user_id, project_id in session.execute(select(ProjectMember.user_id, ProjectMember.project_id)):
        projects.setdefault(user_id, set()).add(project_id)
    return [
        StoredUser(**row, projects=frozenset(projects.get(row["user_id"], ())), tokens=tokens.get(row["user_id"], 0))
        for row in session.execute(select(*_COLUMNS).order_by(User.name)).mappings()
    ]


def change_user(session: Session, user_id: int, members: Mapping[str, Any], *, ends_sessions: bool) -> None:
    """Write what changed of a person."""
    values = dict(members) | ({"session_epoch": User.session_epoch + 1} if ends_sessions else {})
    if values:
        session.execute(update(User).where(User.user_id == user_id).values(**values))


def set_projects(session: Session, user_id: int, projects: Collection[int]) -> None:
    """Write which projects a person is in."""
    session.execute(delete(ProjectMember).where(ProjectMember.user_id == user_id))
    if projects:
        rows = [{"user_id": user_id, "project_id": project_id} for project_id in sorted(projects)]
        session.execute(insert(ProjectMember), rows)


def count_administrators(session: Session, role: str, *, beside: int) -> int:
    """Count the people of a role who may log in, without one of them."""
    query = select(func.count()).where(User.role == role, User.disabled_at.is_(None), User.user_id != beside)
    return int(session.scalar(query) or 0)


def add_token(
    session: Session,
    *,
    user_id: int,
    token_hash: bytes,
    now: datetime,
    label: str = "",
    expires_at: datetime | None = None,
) -> None:
    """Store the hash of a new token."""
    session.add(
        ApiToken(
            token_hash=token_hash,
            user_id=user_id,
            created_at=now,
            revoked_at=None,
            label=label,
            expires_at=expires_at,
        )
    )


def tokens(session: Session, user_id: int) -> list[StoredApiToken]:
    """Return the tokens of a person, the oldest first."""
    query = select(ApiToken).where(ApiToken.user_id == user_id).order_by(ApiToken.created_at, ApiToken.token_hash)
    return [
        StoredApiToken(
            token_id=row.token_hash.hex()[:PUBLIC_HEX],
            label=row.label,
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
        )
        for row in session.scalars(query)
    ]


def revoke_token(session: Session, *, user_id: int, token_id: bytes, now: datetime) -> bool:
    """Revoke a person's token whose hash begins so; return whether one was in force until now."""
    whole = (token_id.ljust(HASH_BYTES, b"\x00"), token_id.ljust(HASH_BYTES, b"\xff"))
    revoked = update(ApiToken).where(
        ApiToken.user_id == user_id, ApiToken.token_hash.between(*whole), ApiToken.revoked_at.is_(None)
    )
    return session.execute(revoked.values(revoked_at=now).returning(ApiToken.user_id)).first() is not None


def revoke_tokens(session: Session, *, user_id: int, now: datetime) -> int:
    """Revoke every token of a person and return how many there were."""
    valid = update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None)).values(revoked_at=now)
    result = session.execute(valid)
    return int(getattr(result, "rowcount", 0))


def _is_valid(now: datetime) -> Any:
    return ApiToken.revoked_at.is_(None) & or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now)


def _one(session: Session, condition: Any) -> StoredUser | None:
    row = session.execute(select(*_COLUMNS).where(condition)).mappings().one_or_none()
    if row is None:
        return None
    projects: frozenset[int] = frozenset()
    if not row["is_in_every_project"]:
        query = select(ProjectMember.project_id).where(ProjectMember.user_id == row["user_id"])
        projects = frozenset(session.scalars(query))
    return StoredUser(**row, projects=projects)
