"""The scheduled jobs, and how one of them runs once although many processes look.

APScheduler only says "look now"; the row of the job in the table `schedule` says whether it is due, and its lease who
runs it. What a job writes and the end of its lease are one transaction: a process that is killed has either done the
job or not, and then the next one does it when the lease has run out.
"""

import logging
import os
import secrets
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from operator import attrgetter
from typing import Final

from sqlalchemy.orm import Session

from server import logs, metrics, migrations
from server.backups.manifest import BackupError
from server.context import Context
from server.db.queries import devices, schedule
from server.db.queries.schedule import DueJob
from server.errors import Problem
from server.folding import after_update
from server.folding.telling import refold_all
from server.services import back_up, estimate, receive_medium, score_interviews

LOG: Final = logging.getLogger(__name__)
LEASE: Final = timedelta(seconds=60)
RENEWAL: Final = timedelta(seconds=20)
"""Three chances to renew a lease before it is lost."""
RETRY: Final = timedelta(minutes=10)
BLOBS_AT_ONCE: Final = 500
ORPHAN_AGE: Final = timedelta(hours=1)
"""No batch takes as long from its first file to its commit: an older file that nobody names was left by a crash."""


Write = Callable[[Session], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJob:
    """A job in two parts: `prepare` reads and computes for as long as it takes, what it returns writes in moments.

    One without an interval is done once, when a migration has put it on the schedule.
    """

    name: str
    every: timedelta
    prepare: Callable[[Context, DueJob, datetime], Write]


def _estimate(context: Context, due: DueJob, now: datetime) -> Write:
    """Compute a draft release; what stands in its way is a failed run that people can see.

    A server that opens no interview makes none: its releases come with the office's results.
    """
    if context.keystore.is_sealed:
        return lambda _: None
    try:
        with context.database.read() as session:
            prepared = estimate.prepare(session, microdata=context.microdata, now=now)
    except Problem as problem:
        return partial(estimate.record_failure, reason=problem.detail, now=now, due_at=due.due_at)
    return partial(estimate.store, prepared=prepared, now=now, due_at=due.due_at)


def _fold_again(context: Context, _due: DueJob, now: datetime) -> Write:
    """Fold all interviews again: a draw that is imported late changes which of them are held."""
    return partial(refold_all, keystore=context.keystore, now=now)


def _score(context: Context, _due: DueJob, now: datetime) -> Write:
    """Compare interviews with each other; without the key nothing can be read, and the next time will do."""
    if context.keystore.is_locked:
        return lambda _: None
    with context.database.read() as session:
        rows = score_interviews.prepare(session, microdata=context.microdata, keystore=context.keystore, now=now)
    return partial(score_interviews.store, rows=rows)


def _catch_up(context: Context, _due: DueJob, now: datetime) -> Write:
    """Derive from former interviews what a new release derives; in writes of its own, for there may be many."""
    after_update.derive_anew(context.database, keystore=context.keystore, blobs=context.blobs, now=now)
    return lambda _: None


def _remove_orphans(context: Context, _due: DueJob, now: datetime) -> Write:
    context.microdata.remove_orphans(older_than=now - ORPHAN_AGE)
    return lambda _: None


def _sweep_blobs(context: Context, _due: DueJob, now: datetime) -> Write:
    """Remove blobs that have been here for a day and that nobody names: their submissions were never answered.

    Parts of media wait longer for their rest, and what devices sent completely for the interview that names it.
    """
    receive_medium.sweep(context.media, now=now)
    context.blobs.remove_unfinished()
    old = context.blobs.old()
    while some := list(islice(old, BLOBS_AT_ONCE)):
        receive_medium.remove_strays(context.media, some)
    return lambda _: None


def _back_up(context: Context, _due: DueJob, now: datetime) -> Write:
    """Make the backup of the day where the office has said where; then remove those that are too many or too old."""
    config = context.config
    if config.backup_dir is None or not config.backups:
        return lambda _: None
    schema = migrations.current(context.database)
    made = back_up.make(
        config.backup_dir / back_up.name_of(now),
        config=config,
        database=context.database,
        server_id=context.keystore.server_id,
        schema=schema,
        is_newest_schema=schema == migrations.newest(),
        now=now,
    )
    logs.event(
        "backup",
        sequence=made.sequence,
        files=made.files,
        bytes=made.bytes,
        reused_files=made.reused_files,
        missing=len(made.missing),
        is_on_same_disk=made.is_on_same_disk,
    )
    back_up.prune(
        config.backup_dir,
        server_id=context.keystore.server_id,
        keep=config.backup_keep,
        days=config.backup_days,
        now=now,
    )
    return partial(back_up.record, made=made, user="worker")


JOBS: Final = (
    ScheduledJob(name="estimates", every=timedelta(days=1), prepare=_estimate),
    ScheduledJob(name="orphans", every=timedelta(hours=1), prepare=_remove_orphans),
    ScheduledJob(name="blobs", every=timedelta(days=1), prepare=_sweep_blobs),
    ScheduledJob(name=schedule.SCORES, every=timedelta(hours=6), prepare=_score),
    ScheduledJob(name=schedule.BACKUP, every=timedelta(days=1), prepare=_back_up),
    ScheduledJob(name=schedule.AFTER_UPDATE, every=timedelta(0), prepare=_catch_up),
    # `server.services.import_frame` makes it due.
    ScheduledJob(name=schedule.FOLD_AGAIN, every=timedelta(days=30), prepare=_fold_again),
)


def new_holder() -> str:
    """Return a name for this process that no other has, and that tells a person where it runs."""
    return f"{socket.gethostname()[:100]}:{os.getpid()}:{secrets.token_hex(4)}"


def prepare(context: Context, *, now: datetime, jobs: tuple[ScheduledJob, ...] = JOBS) -> None:
    """Put every job on the schedule that is not there yet; the first time comes after one interval, of a backup now.

    The keyring in force is kept too: a rotation writes its files before the database, and may have been cut between.
    """
    context.refresh_keys()
    has_place = context.config.backup_dir is not None
    with context.database.transaction() as session:
        for job in filter(attrgetter("every"), jobs):
            wait = timedelta(0) if job.name == schedule.BACKUP and has_place else job.every
            schedule.add(session, name=job.name, first_due_at=now + wait, every=job.every)
        keyring = context.keystore.keyring
        devices.keep_keyring(session, serial=keyring.serial, document=context.keystore.keyring_document)


def run_due(
    context: Context, *, holder: str, clock: Callable[[], datetime], jobs: tuple[ScheduledJob, ...] = JOBS
) -> tuple[str, ...]:
    """Run what is due and nobody else runs; return the names of what ran.

    A job that fails is logged, and tried again in some minutes.
    """
    ran: list[str] = []
    with context.database.read() as session:
        names = schedule.due_names(session, now=clock())
    for job in jobs:
        if job.name not in names:
            continue
        with context.database.transaction() as session:
            due = schedule.claim(session, name=job.name, holder=holder, now=clock(), lease=LEASE)
        if due is not None and _run(job, due, context, holder=holder, clock=clock):
            ran.append(job.name)
    return tuple(ran)


def _run(job: ScheduledJob, due: DueJob, context: Context, *, holder: str, clock: Callable[[], datetime]) -> bool:
    began = time.monotonic()
    try:
        write = job.prepare(context, due, clock())
        with context.database.transaction() as session:
            if not schedule.is_held(session, name=job.name, holder=holder, now=clock()):
                return False  # another process took over while this one slept
            write(session)
            schedule.finish(session, due, holder=holder, now=clock())
    except Exception as error:  # noqa: BLE001 -- the edge of a job: the next one must run all the same
        said = str(error) if isinstance(error, BackupError) else place_of(error)  # else its text might hold an answer
        LOG.error("the job %s failed: %s", job.name, said)  # noqa: TRY400
        _tell(job, "failed", began)
        with context.database.transaction() as session:
            schedule.put_off(session, name=job.name, holder=holder, until=clock() + RETRY)
        return False
    _tell(job, "done", began)
    return True


def _tell(job: ScheduledJob, outcome: str, began: float) -> None:
    metrics.JOBS.labels(job.name, outcome).inc()
    logs.event("job", job=job.name, outcome=outcome, seconds=time.monotonic() - began)


def renew_leases(context: Context, *, holder: str, clock: Callable[[], datetime]) -> None:
    """Keep the leases of jobs that take longer than a lease."""
    with context.database.transaction() as session:
        schedule.renew(session, holder=holder, now=clock(), lease=LEASE)


def place_of(error: BaseException) -> str:
    """Return type and place of an error; its text might hold an answer, so it stays here."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
