"""Let a tablet with ODK Collect in: by the token in its address, or by a name and a password that the office made.

Tokens are kept as hashes, passwords as what Digest needs of them, sealed. Whoever is revoked is still found here: what
it has finished is taken.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from server.db.queries import failed_logins, visitors
from server.db.queries.visitors import StoredVisitor
from server.errors import NotFound

FAILURES: Final = 10
"""Within `WINDOW`, of one name at one address; then nothing is looked at until the window has passed."""
FAILURES_OF_AN_ADDRESS: Final = 60
"""Of all names together; then what is wrong is no longer written down. What is right is still let in: tablets share
the address of their network with whoever guesses, and nobody guesses a password that the server drew."""
WINDOW: Final = timedelta(minutes=1)


def by_token(connection: Connection, token_hash: bytes) -> StoredVisitor:
    """Return who has the token with this SHA-256.

    Raises:
        NotFound: nobody's.
    """
    found = visitors.by_token(connection, token_hash)
    if found is None:
        raise NotFound("no app user has this token: check the server's address in the settings, or scan its code again")
    return found


def by_username(connection: Connection, username: str) -> StoredVisitor | None:
    """Return who has this name and a password; None when nobody has."""
    found = visitors.by_username(connection, username)
    return found if found is not None and found.secret is not None else None


def note_failure(session: Session, limits: Mapping[bytes, int], *, now: datetime) -> Collection[bytes]:
    """Write a failed attempt down under some keys; return those that have now reached their limit."""
    failures = failed_logins.note(session, limits, now=now, since=now - WINDOW)
    return [key for key, limit in limits.items() if failures[key] >= limit]
