"""SQL of failed attempts to log in: what all processes count together."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from server.db.tables import FailedLogin

LOCK: Final = 0x6C6F6769
"""Of PostgreSQL, so that no two count at once; SQLite has one writer anyway."""


def begin(session: Session, limits: Mapping[bytes, int], *, now: datetime, since: datetime) -> Sequence[int] | None:
    """Note an attempt under each key as if it had failed; None when a key has reached its limit since a time.

    Noted before the password is looked at: however many guess at once, no more than the limit are looked at.
    """
    failures = _failures(session, limits, since=since)
    if any(failures.get(key, 0) >= limit for key, limit in limits.items()):
        return None
    noted = insert(FailedLogin).returning(FailedLogin.failed_login_id)
    return session.scalars(noted, [{"key_hash": key, "at": now} for key in limits]).all()


def note(session: Session, keys: Collection[bytes], *, now: datetime, since: datetime) -> Mapping[bytes, int]:
    """Note what has failed under each key; return how many failed under each since a time, with this one."""
    failures = _failures(session, keys, since=since)
    session.execute(insert(FailedLogin), [{"key_hash": key, "at": now} for key in keys])
    return {key: failures.get(key, 0) + 1 for key in keys}


def forget(session: Session, attempt: Sequence[int]) -> None:
    """Take back what was noted of an attempt that succeeded."""
    session.execute(delete(FailedLogin).where(FailedLogin.failed_login_id.in_(attempt)))


def _failures(session: Session, keys: Collection[bytes], *, since: datetime) -> Mapping[bytes, int]:
    """Forget whatever is older than a time, and count the rest under some keys; no other counts meanwhile."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(LOCK)))
    session.execute(delete(FailedLogin).where(FailedLogin.at <= since))
    query = select(FailedLogin.key_hash, func.count()).where(FailedLogin.key_hash.in_(keys))
    return {key: count for key, count in session.execute(query.group_by(FailedLogin.key_hash))}
