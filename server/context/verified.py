"""Passwords that were found right lately, so that a program that sends one with every request costs Argon2 once.

Nothing of a password is kept but an HMAC under a key that this process made for itself. What an entry vouches for is
one password under one stored hash: each request compares that hash with the row that it reads anyway, so that another
password, or an account that is shut out, is noticed at once.
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

KEPT_SECONDS: Final = 300.0
KEPT: Final = 500
TURNS: Final = 64


class VerifiedPasswords:
    """The right passwords of the last minutes, in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._guard = threading.Lock()
        self._turns = tuple(threading.Lock() for _ in range(TURNS))
        self._verified: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def turn(self, name: str) -> threading.Lock:
        """Return what those hold one after the other who look at a password of this name.

        Of many right ones that come at once one is looked at, and the others are known by then: an attempt counts as
        failed while it is looked at.
        """
        return self._turns[hash(name) % TURNS]

    def is_known(self, user_id: int, password: str, password_hash: str) -> bool:
        """Say whether this password was found right lately under the hash that is stored now."""
        entry = self._tag(user_id, password)
        with self._guard:
            found, until = self._verified.get(entry, ("", 0.0))
        return self._clock() < until and hmac.compare_digest(found.encode(), password_hash.encode())

    def keep(self, user_id: int, password: str, password_hash: str) -> None:
        """Remember a password that was just found right under a hash."""
        entry = self._tag(user_id, password)
        with self._guard:
            self._verified[entry] = (password_hash, self._clock() + KEPT_SECONDS)
            self._verified.move_to_end(entry)
            while len(self._verified) > KEPT:
                self._verified.popitem(last=False)

    def _tag(self, user_id: int, password: str) -> bytes:
        return hmac.digest(self._key, f"{user_id}:{password}".encode("utf-8", "surrogatepass"), hashlib.sha256)
