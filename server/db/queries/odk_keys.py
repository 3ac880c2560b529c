"""SQL of the keys to which ODK Collect encrypts."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from server.db.insert import insert_new
from server.db.tables import OdkKey


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOdkKey:
    """A key without its private half."""

    key_hash: bytes
    public_key: str
    is_managed: bool
    created_at: datetime


def add(session: Session, *, key_hash: bytes, public_key: str, is_managed: bool, sealed: bytes, now: datetime) -> bool:
    """Store a key; return whether it is new."""
    if has(session, key_hash):
        return False
    session.execute(
        insert_new(session, OdkKey).values(
            key_hash=key_hash, public_key=public_key, is_managed=is_managed, sealed=sealed, created_at=now
        )
    )
    return True


def has(session: Session, key_hash: bytes) -> bool:
    """Say whether a key is here."""
    return bool(session.scalar(select(exists().where(OdkKey.key_hash == key_hash))))


def sealed(session: Session, key_hash: bytes) -> bytes | None:
    """Return the sealed private half of a key."""
    return session.scalar(select(OdkKey.sealed).where(OdkKey.key_hash == key_hash))


def every(session: Session) -> tuple[StoredOdkKey, ...]:
    """Return all keys, the newest first."""
    query = select(OdkKey.key_hash, OdkKey.public_key, OdkKey.is_managed, OdkKey.created_at)
    rows = session.execute(query.order_by(OdkKey.created_at.desc(), OdkKey.key_hash))
    return tuple(StoredOdkKey(**row._mapping) for row in rows)  # noqa: SLF001 -- a public thing of SQLAlchemy
