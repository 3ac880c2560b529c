"""Who guessed too often and is not listened to for a while, in this process."""

import threading
import time
from collections.abc import Callable
from typing import Final

BLOCKED_SECONDS: Final = 60.0
REMEMBERED: Final = 10_000


class Blocked:
    """Keys that are turned away without being looked at."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._until: dict[bytes, float] = {}

    def add(self, key: bytes) -> None:
        """Turn a key away from now on."""
        with self._guard:
            if len(self._until) >= REMEMBERED:
                # Forgetting the oldest key is all that a flood of names may do.
                del self._until[next(iter(self._until))]
            self._until[key] = self._clock() + BLOCKED_SECONDS

    def holds(self, key: bytes) -> bool:
        """Tell whether a key is still turned away."""
        with self._guard:
            until = self._until.get(key)
            if until is not None and until <= self._clock():
                del self._until[key]
                return False
            return until is not None
