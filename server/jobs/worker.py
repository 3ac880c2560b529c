"""The worker: one loop that opens envelopes and, when none wait, checks interviews; and a scheduler beside it.

`passerelle worker` runs it alone; `passerelle serve` starts it as a child process that ends with its parent. Any
number may run at once. It may be killed at any instant: what was not committed is done again by the next.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from apscheduler.schedulers.background import BackgroundScheduler

from server import logs
from server.clock import utc_now
from server.context import Context
from server.errors import Problem
from server.folding.batches import BATCH
from server.jobs import scheduled
from server.services.check_interviews import CheckingWorker
from server.services.open_items import OpeningWorker

LOG: Final = logging.getLogger(__name__)
IDLE_SECONDS: Final = 0.5
"""Between looks at the queue, unless it is long: a verdict should be there for the tablet's next exchange."""
LONGEST_PAUSE_SECONDS: Final = 30.0
CHECK_SECONDS: Final = 10.0
"""Between looks for what to check while nothing was opened: a new draw or another worker may have left some."""
LOOK_SECONDS: Final = 5.0
"""Between looks at the schedule."""


def run_worker(context: Context, stop: threading.Event, *, clock: Callable[[], datetime] = utc_now) -> None:
    """Open envelopes and run the schedule until `stop` is set; the batch at hand is finished first."""
    holder = scheduled.new_holder()
    scheduled.prepare(context, now=clock())
    scheduler = make_scheduler(context, holder=holder, clock=clock)
    scheduler.start()
    try:
        open_until(context, stop, clock=clock)
    finally:
        scheduler.shutdown(wait=True)


def make_scheduler(context: Context, *, holder: str, clock: Callable[[], datetime] = utc_now) -> BackgroundScheduler:
    """Return a scheduler, not started, that looks at the schedule and keeps the leases.

    A look that comes late is made all the same, once however many were missed, and never while the last one lasts.
    """
    scheduler = BackgroundScheduler(
        timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
    )
    for name, seconds, look in (
        ("look at the schedule", LOOK_SECONDS, scheduled.run_due),
        ("renew leases", scheduled.RENEWAL.total_seconds(), scheduled.renew_leases),
    ):
        body = partial(_guarded, name, partial(look, context, holder=holder, clock=clock))
        scheduler.add_job(body, "interval", seconds=seconds, name=name)
    return scheduler


def open_until(context: Context, stop: threading.Event, *, clock: Callable[[], datetime] = utc_now) -> None:
    """Open batch after batch until `stop` is set; rest when there is nothing, longer when something is wrong.

    After a batch that was not full the next one gathers for a while: a batch costs as much as 30 interviews in it, and
    makes two files. Interviews are checked a few at a time in that while, so that checking delays no opening.
    """
    worker = OpeningWorker(
        database=context.database,
        keystore=context.keystore,
        microdata=context.microdata,
        clock=clock,
        blobs=context.blobs,
    )
    checker = CheckingWorker(context.database, context.keystore, clock, context.blobs)
    pause, open_at, check_at = IDLE_SECONDS, 0.0, 0.0
    while not stop.is_set():
        context.refresh_keys()
        if time.monotonic() >= open_at:
            found, pause = _open_some(worker, pause)
            check_at = 0.0 if found else check_at
            if found >= BATCH:
                continue
            open_at = time.monotonic() + pause
        if time.monotonic() >= check_at and not _check_some(checker):
            check_at = time.monotonic() + CHECK_SECONDS
        if time.monotonic() < check_at:
            stop.wait(max(0.0, open_at - time.monotonic()))


def _open_some(worker: OpeningWorker, pause: float) -> tuple[int, float]:
    """Open a batch; return how many envelopes were looked at, and how long to wait before the next look."""
    try:
        began = time.monotonic()
        batch = worker.run_once()
        if batch.total:
            logs.event(
                "opening",
                opened=batch.opened,
                waiting=batch.waiting,
                quarantined=batch.quarantined,
                seconds=time.monotonic() - began,
            )
        return batch.total, IDLE_SECONDS
    except Exception as error:  # noqa: BLE001 -- the edge of the loop: a full disk or a lost database may come back
        _log(error, "opening envelopes")
        return 0, min(pause * 2, LONGEST_PAUSE_SECONDS)


def _check_some(checker: CheckingWorker) -> bool:
    """Check a batch; say whether there was one. Trouble waits for the next look and leaves opening alone."""
    try:
        return checker.run_once().checked > 0
    except Exception as error:  # noqa: BLE001 -- the edge of the loop
        _log(error, "checking interviews")
        return False


def _guarded(name: str, look: Callable[[], object]) -> None:
    """Let no look at the schedule end in APScheduler's log, which prints the text of an error."""
    try:
        look()
    except Exception as error:  # noqa: BLE001 -- the edge of a thread
        _log(error, name)


def _log(error: Exception, doing: str) -> None:
    """Log a problem by its own words, which are written for people; of all else only type and place."""
    said = f"{error.slug}: {error.detail}" if isinstance(error, Problem) else scheduled.place_of(error)
    LOG.error("%s failed: %s", doing, said)
