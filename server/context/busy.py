"""Whether this server has more to do than it gets done, and how long devices are asked to leave it alone.

Spread at random, so that those who were sent away together do not come back together.
"""

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from server.db.engine import Database
from server.db.queries import opening

SLOW_SECONDS: Final = 1.0
"""A commit that takes longer waits behind others."""
TIMES_AS_LONG: Final = 10.0
LONGEST_SECONDS: Final = 120.0
BACKLOG: Final = 20_000
"""Envelopes that wait to be opened: some ten seconds' work of a core."""
BACKLOG_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 10.0


class Busy:
    """How this process finds the database."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        backlog: int = BACKLOG,
    ) -> None:
        """Take the database; `jitter` is uniform in [0, 1)."""
        self._database = database
        self._clock = clock
        self._jitter = jitter
        self._backlog = backlog
        self._looked_at = float("-inf")
        self._is_behind = False

    def backoff_seconds(self, waited_seconds: float) -> int:
        """Return how long a device should stay away whose exchange took so long to be committed; mostly 0."""
        asked = min(LONGEST_SECONDS, waited_seconds * TIMES_AS_LONG) if waited_seconds > SLOW_SECONDS else 0.0
        if self._opening_is_behind():
            asked = max(asked, BACKLOG_SECONDS)
        return round(asked * (0.5 + self._jitter())) if asked else 0

    def _opening_is_behind(self) -> bool:
        """Count what waits to be opened, but not more often than every few seconds."""
        now = self._clock()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            waiting = self._database.glance(partial(opening.count_received, at_most=self._backlog + 1))
            self._is_behind = waiting > self._backlog
        return self._is_behind
