"""What is under the PIN, named once: a change of the PIN wraps all of it anew, in the caller's transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sync_protocol.client.database import DeviceDatabase
from sync_protocol.client.receiving import DATA_KEY
from sync_protocol.client.sealing import ratchet_name
from sync_protocol.client.vault import Vault


@dataclass(frozen=True, slots=True)
class Wrapped:
    """Wrapped bytes: how their keys and they are read and written, and what each is bound to, from its key."""

    read: str
    write: str
    name: Callable[[Any], str]


SECRETS: Final[Mapping[str, str]] = {"data": DATA_KEY}
"""Secrets that are wrapped, and what they are bound to; the signing key is not, so that a locked device can sync.

Drafts, receiving keys, assignments and entities are under the data key, and so under the PIN.
"""

WRAPPED: Final = (
    Wrapped(
        "SELECT name, value FROM secret WHERE name <> 'signing'",
        "UPDATE secret SET value = ? WHERE name = ?",
        SECRETS.__getitem__,
    ),
    Wrapped(
        "SELECT hash, ratchet FROM epoch WHERE ratchet IS NOT NULL",
        "UPDATE epoch SET ratchet = ? WHERE hash = ?",
        ratchet_name,
    ),
)


def rewrap(database: DeviceDatabase, old: Vault, new: Vault) -> None:
    """Wrap everything under another vault.

    Raises:
        LocalError: ``pin-needed`` when the old vault is locked.
    """
    for wrapped in WRAPPED:
        for key, value in database.rows(wrapped.read):
            name = wrapped.name(key)
            database.execute(wrapped.write, new.wrap(old.unwrap(bytes(value), name=name), name=name), key)
