"""Passwords: Argon2id as argon2-cffi has it by default (RFC 9106, low-memory profile: 64 MiB, 3 passes, 4 lanes).

At most two are worked on at once in a process, so that a flood of guesses takes neither all memory nor all cores.
"""

import base64
import secrets
import threading
from collections.abc import Callable
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import ARGON2_VERSION

from server.errors import BadRequest

SHORTEST: Final = 10
LONGEST: Final = 1024
GENERATED_BYTES: Final = 12
AT_ONCE: Final = 2

_HASHER: Final = PasswordHasher()


def _of_nobody() -> str:
    """Return a hash of no password, written as any other (PHC string format): making one would take 64 MiB."""
    parts = (secrets.token_bytes(length) for length in (_HASHER.salt_len, _HASHER.hash_len))
    salt, digest = (base64.b64encode(part).decode().rstrip("=") for part in parts)
    cost = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${cost}${salt}${digest}"


# Verified when there is no such account, so that the time of an answer does not tell which names exist.
_NOBODY: Final = _of_nobody()
_TURN: Final = threading.BoundedSemaphore(AT_ONCE)


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a new password.

    Raises:
        BadRequest: it is too short, too long, or has characters that nobody can type.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadRequest(f"A password has {SHORTEST} to {LONGEST} characters.")
    if not password.isprintable():
        raise BadRequest("A password has letters, digits, signs and spaces only.")
    with _TURN:
        return _HASHER.hash(password)


def is_right(password_hash: str | None, password: str) -> bool:
    """Say whether a password is the one of a hash; None, of nobody, takes as long and is always wrong."""
    try:
        with _TURN:
            _HASHER.verify(_NOBODY if password_hash is None else password_hash, password[:LONGEST])
    except (Argon2Error, InvalidHashError, UnicodeEncodeError):
        return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Say whether a hash was made with other parameters than those of today."""
    return _HASHER.check_needs_rehash(password_hash)


def generate(randomness: Callable[[int], str] = secrets.token_urlsafe) -> str:
    """Return a password that nobody can guess, to be shown once."""
    return randomness(GENERATED_BYTES)
