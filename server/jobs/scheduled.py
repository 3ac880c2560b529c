"""The scheduled jobs, and how one of them runs once although many processes look.

APScheduler only says "look now"; the row of the job in the table `schedule` says whether it is due, and its lease who
runs it. What a job writes and the end of its lease are one transaction: a process that is killed has either done the
job or not, and then the next one does it when the lease has run out.
"""

import logging
import os
import secrets
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from server.context import Context
from server.db.queries import schedule
from server.services import estimate

LOG: Final = logging.getLogger(__name__)
LEASE: Final = timedelta(seconds=60)
RENEWAL: Final = timedelta(seconds=20)
"""Three chances to renew a lease before it is lost."""
ORPHAN_AGE: Final = timedelta(hours=1)
"""No batch takes as long from its first file to its commit: an older file that nobody names was left by a crash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJob:
    """A job: its body takes a session, never commits, and must do all its writing by it."""

    name: str
    every: timedelta
    body: Callable[[Session, Context, datetime], object]


def _estimate(session: Session, context: Context, now: datetime) -> object:
    return estimate.run(session, microdata=context.microdata, keystore=context.keystore, now=now, cut_off=now)


def _remove_orphans(_session: Session, context: Context, now: datetime) -> object:
    return context.microdata.remove_orphans(older_than=now - ORPHAN_AGE)


JOBS: Final = (
    ScheduledJob(name="estimates", every=timedelta(days=1), body=_estimate),
    ScheduledJob(name="orphans", every=timedelta(hours=1), body=_remove_orphans),
)


def new_holder() -> str:
    """Return a name for this process that no other has, and that tells a person where it runs."""
    return f"{socket.gethostname()[:100]}:{os.getpid()}:{secrets.token_hex(4)}"


def prepare(context: Context, *, now: datetime, jobs: tuple[ScheduledJob, ...] = JOBS) -> None:
    """Put every job on the schedule that is not there yet; the first time comes after one interval."""
    with context.database.transaction() as session:
        for job in jobs:
            schedule.add(session, name=job.name, first_due_at=now + job.every, every=job.every)


def run_due(
    context: Context, *, holder: str, clock: Callable[[], datetime], jobs: tuple[ScheduledJob, ...] = JOBS
) -> tuple[str, ...]:
    """Run what is due and nobody else runs; return the names of what ran.

    A job that fails is logged, and comes again at its next time.
    """
    ran: list[str] = []
    for job in jobs:
        with context.database.transaction() as session:
            due = schedule.claim(session, name=job.name, holder=holder, now=clock(), lease=LEASE)
        if due is not None and _run(job, due, context, holder=holder, clock=clock):
            ran.append(job.name)
    return tuple(ran)


def _run(
    job: ScheduledJob, due: schedule.DueJob, context: Context, *, holder: str, clock: Callable[[], datetime]
) -> bool:
    try:
        with context.database.transaction() as session:
            if not schedule.is_held(session, name=job.name, holder=holder, now=clock()):
                return False
            job.body(session, context, clock())
            schedule.finish(session, due, holder=holder, now=clock())
    except Exception as error:  # noqa: BLE001 -- the edge of a job: the next one must run all the same
        LOG.error("the job %s failed: %s", job.name, place_of(error))  # noqa: TRY400 -- its text might hold an answer
        with context.database.transaction() as session:
            schedule.finish(session, due, holder=holder, now=clock())
        return False
    return True


def renew_leases(context: Context, *, holder: str, clock: Callable[[], datetime]) -> None:
    """Keep the leases of jobs that take longer than a lease."""
    with context.database.transaction() as session:
        schedule.renew(session, holder=holder, now=clock(), lease=LEASE)


def place_of(error: BaseException) -> str:
    """Return type and place of an error; its text might hold an answer, so it stays here."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
