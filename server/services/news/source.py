"""What the sources of news share: whom they tell, since when, and the shape of what they give."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from sqlalchemy.orm import Session

from server.blobs import Blobs
from server.db.queries.devices import Carrier
from server.db.queries.pull import Place
from server.keystore import KeyStore
from sync_protocol.pull_items import PullItem


class Skipped(Enum):
    """Stands for an item that can never be made; the feed goes on behind it."""

    SKIPPED = "skipped"


Entry = tuple[Place, Callable[[], PullItem | Skipped | None]]
"""A place in the feed, and what makes its item; None when it has to wait, and with it all that comes after."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for news, and after which place.

    Attributes:
        session: on one snapshot, for reading.
        keystore: opens what is sealed under its keys; may be locked.
        kinds: of which there may be news; a source of another kind need not look.
        blobs: sealed media, where they are at hand.
        limit: more entries than so many are not looked at; a source may give fewer, never a gap.
    """

    session: Session
    carrier: Carrier
    after: Place
    keystore: KeyStore
    limit: int
    kinds: frozenset[int]
    blobs: Blobs | None = None


class Source(Protocol):
    """A kind of news."""

    def __call__(self, asked: Asked) -> Iterator[Entry]:
        """Yield the entries after a place, in the order of their places; only those that fit are made."""
        ...
