"""Can this server take what tablets bring, now? For a balancer, and for whoever restarts servers."""

import threading
import time
from typing import Final

from server import migrations
from server.context import Context
from server.db.queries import feed
from server.errors import Problem
from server.services import alarms

WRITE_SECONDS: Final = 1.0
KEPT_SECONDS: Final = 1.0
"""For how long one look answers for all: everybody may ask, and each look is a write."""
NOT_WRITABLE: Final = "database-not-writable"
OTHER_SCHEMA: Final = "schema-of-another-version"
NEARLY_FULL: Final = "disk-nearly-full"


class Readiness:
    """The looks of one process: at most one a second, and never two at once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._writing: threading.Thread | None = None
        self._until = 0.0
        self._reasons: tuple[str, ...] = ()

    def reasons(self, context: Context) -> tuple[str, ...]:
        """Return why the server is not ready, nothing when it is."""
        with self._guard:
            if time.monotonic() >= self._until:
                self._reasons = self._look(context)
                self._until = time.monotonic() + KEPT_SECONDS
            return self._reasons

    def _look(self, context: Context) -> tuple[str, ...]:
        found = []
        try:
            if migrations.current(context.database) != migrations.newest():
                found.append(OTHER_SCHEMA)
            elif not self._writes(context):
                found.append(NOT_WRITABLE)
        except Problem:
            found.append(NOT_WRITABLE)
        if alarms.is_nearly_full(*alarms.free_space(context.config.data_dir)):
            found.append(NEARLY_FULL)
        return tuple(found)

    def _writes(self, context: Context) -> bool:
        """Say whether a write is committed within a second; one that hangs is waited for by the next look too."""
        if self._writing is None or not self._writing.is_alive():
            done: list[bool] = []

            def write() -> None:
                try:
                    context.database.submit(feed.touch)
                except Problem:
                    return
                done.append(True)

            self._writing = threading.Thread(target=write, name="readiness", daemon=True)
            self._writing.start()
            self._writing.join(WRITE_SECONDS)
            return bool(done)
        return False
