"""What was made once and is kept ready, up to a number of bytes; what was not asked for longest goes first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, Protocol, TypeVar


class Sized(Protocol):
    """Something that says how many bytes it holds."""

    @property
    def held_bytes(self) -> int:
        """What it takes in memory."""


Kept = TypeVar("Kept", bound=Sized)

SHELF_BYTES: Final = 32 << 20
"""The form lists of 500 tablets, and the forms of some surveys, gzipped and not."""
LARGEST: Final = 4
"""A thing larger than this part of the shelf is not kept: it would push out all others."""


class Shelf(Generic[Kept]):
    """A cache whose keys say everything that its values depend on, so that nothing in it is ever out of date."""

    def __init__(self, size_bytes: int = SHELF_BYTES) -> None:
        self._size_bytes = size_bytes
        self._held_bytes = 0
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._guard = threading.Lock()

    def peek(self, key: Hashable) -> Kept | None:
        """Return what stands under a key, None when nothing does."""
        with self._guard:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """Return what stands under a key; made outside of the lock when it is not there."""
        found = self.peek(key)
        if found is not None:
            return found
        made = make()
        self.put(key, made)
        return made

    def put(self, key: Hashable, made: Kept) -> None:
        """Keep something under a key, in the place of what stood there: for the few keys that do not say everything."""
        if made.held_bytes <= self._size_bytes // LARGEST:
            with self._guard:
                self._keep(key, made)

    def _keep(self, key: Hashable, made: Kept) -> None:
        former = self._kept.pop(key, None)
        self._held_bytes += made.held_bytes - (former.held_bytes if former is not None else 0)
        self._kept[key] = made
        while self._held_bytes > self._size_bytes:
            _, gone = self._kept.popitem(last=False)
            self._held_bytes -= gone.held_bytes
