"""The latest published release, and the progress beside it: what everybody may see.

The public page is asked for often and changes rarely, so the counts are kept for some seconds; figures are immutable.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from server.context import Context
from server.db.scope import EVERYTHING, Scope
from server.services import progress, release
from server.services.progress import Progress
from server.web.results import Figure

KEPT_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRelease:
    """A published release as the page names it."""

    release_id: int
    published_at: datetime
    cut_off: datetime
    figures: tuple[Figure, ...]


def latest_release(context: Context) -> PublishedRelease | None:
    """Return the newest published release, None when there is none."""
    with context.database.read() as session:
        found = release.list_releases(session, with_drafts=False)
    newest = max(found, key=lambda one: one.release_id, default=None)
    if newest is None:
        return None
    return PublishedRelease(
        release_id=newest.release_id,
        published_at=newest.published_at or newest.created_at,
        cut_off=newest.cut_off,
        figures=read_figures(newest.content),
    )


def read_figures(content: bytes) -> tuple[Figure, ...]:
    """Read the estimates of a release's content; see `server.export.release_content`."""
    return tuple(_figure(members) for members in json.loads(content)["estimates"])


def _figure(members: dict[str, Any]) -> Figure:
    return Figure(
        indicator=members["indicator"],
        statistic=members["statistic"],
        unit=members["unit"],
        domain=members["domain"],
        code=members["domain_value"],
        value=members["value"],
        low=members["low"],
        high=members["high"],
        cases=members["n"],
        flag=members["flag"],
    )


class RecentProgress:
    """Progress as it was some seconds ago at most: one count for however many readers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._counted_at = float("-inf")
        self._progress: Progress | None = None

    def read(self, context: Context) -> Progress:
        """Return the progress of a context's survey."""
        with self._guard:
            if self._progress is None or self._clock() - self._counted_at > KEPT_SECONDS:
                self._progress = measure(context)
                self._counted_at = self._clock()
            return self._progress


def measure(context: Context, scope: Scope = EVERYTHING) -> Progress:
    """Count what came of every drawn household that somebody sees, now."""
    with context.database.read() as session:
        return progress.measure(session, context.keystore, scope)
