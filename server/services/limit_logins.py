"""Slow guessing of passwords down: some failures a minute of a name at an address, in all processes together.

What is wrong at one address shuts nobody out who comes from another; only a guesser with many addresses meets the
limit of the name, and only a guesser of many names that of the address.

Names and addresses are kept as keyed hashes only, for a minute.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from server.db.queries import failed_logins
from server.errors import RateLimited
from server.networks import network_of

WINDOW: Final = timedelta(minutes=1)
FAILURES: Final = 5
"""Of one name at one address."""
FAILURES_OF_A_NAME: Final = 50
FAILURES_OF_AN_ADDRESS: Final = 30
"""More than of one name: a whole office may stand behind one address."""


def begin(session: Session, *, name: str, address: str, key: bytes, now: datetime) -> Sequence[int]:
    """Note an attempt before the password is looked at, and return its mark, which `succeed` takes.

    Raises:
        RateLimited: too many failed lately; the password is not to be looked at.
    """
    known, network = name.strip().casefold(), network_of(address)
    limits = {
        _hash(key, "name-and-address", f"{network} {known}"): FAILURES,
        _hash(key, "name", known): FAILURES_OF_A_NAME,
        _hash(key, "address", network): FAILURES_OF_AN_ADDRESS,
    }
    attempt = failed_logins.begin(session, limits, now=now, since=now - WINDOW)
    if attempt is None:
        raise RateLimited("Too many attempts. Wait a minute and try again.")
    return attempt


def begin_enrolment(session: Session, *, address: str, key: bytes, now: datetime) -> Sequence[int]:
    """Note an attempt to enrol before its token is looked at, and return its mark, which `succeed` takes.

    Raises:
        RateLimited: too many failed lately from this address.
    """
    limits = {_hash(key, "enrolment", network_of(address)): FAILURES_OF_AN_ADDRESS}
    attempt = failed_logins.begin(session, limits, now=now, since=now - WINDOW)
    if attempt is None:
        wait = int(WINDOW.total_seconds())
        raise RateLimited("Too many enrolment codes were wrong. Wait a minute.", retry_after_seconds=wait)
    return attempt


def succeed(session: Session, attempt: Sequence[int]) -> None:
    """Take an attempt back that was none at guessing."""
    failed_logins.forget(session, attempt)


def _hash(key: bytes, kind: str, text: str) -> bytes:
    return hmac.digest(key, f"failed-login:{kind}:{text}".encode("utf-8", "surrogatepass"), hashlib.sha256)
