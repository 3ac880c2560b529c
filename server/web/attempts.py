"""Slows down guessing of passwords: a few failures a minute for each name and each address."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

FAILURES: Final = 5
WINDOW_SECONDS: Final = 60.0
REMEMBERED: Final = 10_000


class Attempts:
    """Failed attempts of the last minute, in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._failures: dict[str, deque[float]] = {}

    def are_too_many(self, *keys: str) -> bool:
        """Tell whether any of the keys has failed too often lately."""
        with self._guard:
            return any(len(self._recent(key)) >= FAILURES for key in keys)

    def failed(self, *keys: str) -> None:
        """Note a failure under each key."""
        with self._guard:
            for key in keys:
                if key not in self._failures and len(self._failures) >= REMEMBERED:
                    # Forgetting the oldest key is all that a flood of names may do.
                    del self._failures[next(iter(self._failures))]
                self._failures.setdefault(key, deque(maxlen=FAILURES)).append(self._clock())

    def _recent(self, key: str) -> deque[float]:
        times = self._failures.get(key, deque())
        while times and self._clock() - times[0] > WINDOW_SECONDS:
            times.popleft()
        return times
