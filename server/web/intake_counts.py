"""What the intake page counts, kept for some seconds for each kind of reader: one count for however many readers.

What waits is counted from indexes that hold nothing else. The total walks through an index of every interview, so it is
some minutes old at most; no page counts what is opened.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from server.clock import utc_now
from server.context import Context
from server.db.scope import Scope
from server.services import list_arrivals
from server.services.list_arrivals import Pending

PENDING_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 300.0
REMEMBERED: Final = 200


@dataclass(frozen=True, slots=True)
class _Kept:
    pending: Pending
    pending_at: float
    total: int
    total_at: float


class RecentCounts:
    """Counts by scope, in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._kept: OrderedDict[Scope, _Kept] = OrderedDict()

    def read(self, context: Context, scope: Scope) -> tuple[Pending, int]:
        """Return what waits, and how many interviews have arrived in all."""
        with self._guard:
            kept, now = self._kept.pop(scope, None), self._clock()
            is_fresh = kept is not None and now - kept.pending_at <= PENDING_SECONDS
            if kept is None or not is_fresh:
                kept = _count(context, scope, kept, now)
            self._kept[scope] = kept
            while len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)
            return kept.pending, kept.total

    def forget(self) -> None:
        """Count anew when asked again: somebody has decided something."""
        with self._guard:
            self._kept = OrderedDict(
                (scope, _Kept(kept.pending, float("-inf"), kept.total, kept.total_at))
                for scope, kept in self._kept.items()
            )


def _count(context: Context, scope: Scope, kept: _Kept | None, now: float) -> _Kept:
    with context.database.read() as session:
        pending = list_arrivals.count_pending(session, scope, now=utc_now())
        if kept is not None and now - kept.total_at <= TOTAL_SECONDS:
            return _Kept(pending, now, kept.total, kept.total_at)
        return _Kept(pending, now, list_arrivals.count_arrived(session, scope), now)
