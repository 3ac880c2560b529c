"""SQL of the schedule: which job is due, and the lease by which one process at a time runs it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from server.db.insert import insert_new
from server.db.tables import Schedule

FOLD_AGAIN = "fold-again"
"""The job to make due when what holds depend on has changed."""
SCORES = "scores"
"""The job that compares interviews with each other."""
BACKUP = "backup"
"""The job that makes the backup of the day."""
AFTER_UPDATE = "after-update"
"""The job, done once, that derives from former interviews what a new release derives; a migration puts it here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueJob:
    """A job that is due, leased to whoever claimed it."""

    name: str
    due_at: datetime
    every_seconds: int


def add(session: Session, *, name: str, first_due_at: datetime, every: timedelta) -> None:
    """Put a job on the schedule; one that is there already keeps its time."""
    row = {"name": name, "due_at": first_due_at, "every_seconds": round(every.total_seconds())}
    session.execute(insert_new(session, Schedule), [row])


def due_names(session: Session, *, now: datetime) -> frozenset[str]:
    """Return the jobs that are due, whoever holds them."""
    return frozenset(session.scalars(select(Schedule.name).where(Schedule.due_at <= now)))


def claim(session: Session, *, name: str, holder: str, now: datetime, lease: timedelta) -> DueJob | None:
    """Lease a job that is due and that nobody holds; None when there is nothing to do.

    One UPDATE decides, so that of two processes only one gets a row back.
    """
    claimed = session.execute(
        update(Schedule)
        .where(
            Schedule.name == name,
            Schedule.due_at <= now,
            or_(Schedule.lease_until.is_(None), Schedule.lease_until <= now),
        )
        .values(lease_holder=holder, lease_until=now + lease)
        .returning(Schedule.name, Schedule.due_at, Schedule.every_seconds)
    ).first()
    return None if claimed is None else DueJob(name=claimed[0], due_at=claimed[1], every_seconds=claimed[2])


def renew(session: Session, *, holder: str, now: datetime, lease: timedelta) -> None:
    """Keep what this holder has and has not lost."""
    session.execute(
        update(Schedule)
        .where(Schedule.lease_holder == holder, Schedule.lease_until > now)
        .values(lease_until=now + lease)
    )


def is_held(session: Session, *, name: str, holder: str, now: datetime) -> bool:
    """Say whether the lease is still this holder's; locks the row until the commit."""
    query = select(Schedule.name).where(
        Schedule.name == name, Schedule.lease_holder == holder, Schedule.lease_until > now
    )
    return session.execute(query.with_for_update()).first() is not None


def finish(session: Session, job: DueJob, *, holder: str, now: datetime) -> None:
    """Give the lease back and move the job to its next time after now: what was missed is made up for once.

    A job without an interval has no next time.
    """
    if not job.every_seconds:
        remove(session, job.name)
        return
    missed = max(0, int((now - job.due_at).total_seconds() // job.every_seconds))
    next_due_at = job.due_at + timedelta(seconds=job.every_seconds * (missed + 1))
    session.execute(
        update(Schedule)
        .where(Schedule.name == job.name, Schedule.lease_holder == holder)
        .values(due_at=next_due_at, last_run_at=now, lease_holder=None, lease_until=None, failures=0)
    )


def has(session: Session, name: str) -> bool:
    """Say whether a job is on the schedule."""
    return session.scalar(select(Schedule.name).where(Schedule.name == name)) is not None


def remove(session: Session, name: str) -> None:
    """Take a job off the schedule."""
    session.execute(delete(Schedule).where(Schedule.name == name))


def put_off(session: Session, *, name: str, holder: str, until: datetime) -> None:
    """Give the lease back of a job that failed, to be tried again later."""
    session.execute(
        update(Schedule)
        .where(Schedule.name == name, Schedule.lease_holder == holder)
        .values(due_at=until, lease_holder=None, lease_until=None, failures=Schedule.failures + 1)
    )


def make_due(session: Session, *, name: str, now: datetime) -> None:
    """Let a job run as soon as anybody looks."""
    session.execute(update(Schedule).where(Schedule.name == name).values(due_at=now))
