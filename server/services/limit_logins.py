"""Slow guessing of passwords down: some failures a minute for each name and each address, in all processes together.

Names and addresses are kept as keyed hashes only, for a minute.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from server.db.queries import failed_logins
from server.errors import RateLimited

WINDOW: Final = timedelta(minutes=1)
FAILURES_OF_A_NAME: Final = 5
FAILURES_OF_AN_ADDRESS: Final = 30
"""More than of a name: a whole office may stand behind one address."""
IPV6_PREFIX: Final = 64
"""What one subscriber is given, who may take any address of it."""


def begin(session: Session, *, name: str, address: str, key: bytes, now: datetime) -> Sequence[int]:
    """Note an attempt before the password is looked at, and return its mark, which `succeed` takes.

    Raises:
        RateLimited: too many failed lately; the password is not to be looked at.
    """
    limits = {
        _hash(key, "name", name.strip().casefold()): FAILURES_OF_A_NAME,
        _hash(key, "address", _network(address)): FAILURES_OF_AN_ADDRESS,
    }
    attempt = failed_logins.begin(session, limits, now=now, since=now - WINDOW)
    if attempt is None:
        raise RateLimited("Too many attempts. Wait a minute and try again.")
    return attempt


def succeed(session: Session, attempt: Sequence[int]) -> None:
    """Take an attempt back that was none at guessing."""
    failed_logins.forget(session, attempt)


def _hash(key: bytes, kind: str, text: str) -> bytes:
    return hmac.digest(key, f"failed-login:{kind}:{text}".encode("utf-8", "surrogatepass"), hashlib.sha256)


def _network(address: str) -> str:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if known.version == 4 else str(ipaddress.ip_network((known, IPV6_PREFIX), strict=False))
