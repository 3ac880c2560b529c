"""SQL of figures for whoever watches the server. Each looks at few rows, however many interviews there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from server.db.queries import backups, uploads
from server.db.queries.backups import LastBackup
from server.db.tables import Attachment, Device, Envelope, KeyringDocument, Schedule, Upload
from server.db.tables.envelopes import IS_UNOPENED, OPENED, RECEIVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A scheduled job: when it is due, when it last succeeded, and how often it has failed since."""

    name: str
    due_at: datetime
    last_run_at: datetime | None
    failures: int
    is_running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the database says at one moment.

    Attributes:
        envelopes: how many are in each state.
        first_received_at: when the first envelope ever came.
        oldest_unopened_at: when the first of those came that nobody has tried to open yet.
        media_bytes: of sealed media that are here whole.
        lost_media: that were here once, are named by interviews and are in no backup.
        devices: enrolled and not revoked; `devices_seen` since midnight UTC.
        ahead: those of them that have a newer keyring than any that was made here.
        silent: those of them that were seen in the last two months, and not in the last week.
    """

    envelopes: Mapping[str, int]
    first_received_at: datetime | None
    oldest_unopened_at: datetime | None
    media_bytes: int
    lost_media: int
    devices: int
    devices_seen: int
    silent: tuple[str, ...]
    ahead: int
    backup: LastBackup | None
    jobs: tuple[Job, ...]


SILENT = timedelta(days=7)
FORGOTTEN = timedelta(days=60)


def figures(session: Session, *, now: datetime) -> Figures:
    """Return the figures of one moment."""
    devices = session.execute(select(Device.device_id, Device.last_seen_at).where(Device.revoked_at.is_(None))).all()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Figures(
        envelopes=_by_state(session),
        first_received_at=_received_at(session, select(func.min(Envelope.sequence))),
        oldest_unopened_at=_received_at(
            session, select(func.min(Envelope.sequence)).where(IS_UNOPENED, Envelope.state == RECEIVED)
        ),
        media_bytes=_media_bytes(session),
        lost_media=uploads.count_lost(session),
        devices=len(devices),
        devices_seen=sum(seen is not None and seen >= midnight for _, seen in devices),
        silent=tuple(sorted(name for name, seen in devices if seen and now - FORGOTTEN < seen < now - SILENT)),
        ahead=_ahead(session),
        backup=backups.last(session),
        jobs=_jobs(session, now=now),
    )


def _by_state(session: Session) -> Mapping[str, int]:
    """Count by the index of what is not opened: what is opened is the rest."""
    rows = session.execute(select(Envelope.state, func.count()).where(IS_UNOPENED).group_by(Envelope.state))
    unopened = {state: count for state, count in rows}
    total = session.scalar(select(func.count()).select_from(Envelope)) or 0
    return {OPENED: total - sum(unopened.values()), **unopened}


def _received_at(session: Session, which: object) -> datetime | None:
    number = session.scalar(which)  # type: ignore[call-overload]
    if number is None:
        return None
    return session.scalar(select(Envelope.received_at).where(Envelope.sequence == number))


def _ahead(session: Session) -> int:
    newest = session.scalar(select(func.max(KeyringDocument.serial)))
    if newest is None:
        return 0
    query = select(func.count()).select_from(Device)
    return session.scalar(query.where(Device.revoked_at.is_(None), Device.keyring_serial > newest)) or 0


def _media_bytes(session: Session) -> int:
    attached = session.scalar(select(func.coalesce(func.sum(Attachment.length_bytes), 0))) or 0
    uploaded = select(func.coalesce(func.sum(Upload.length_bytes), 0)).where(
        Upload.completed_at.is_not(None), ~select(Attachment).where(Attachment.blob_sha256 == Upload.sha256).exists()
    )
    return int(attached) + int(session.scalar(uploaded) or 0)


def _jobs(session: Session, *, now: datetime) -> tuple[Job, ...]:
    rows = session.execute(
        select(Schedule.name, Schedule.due_at, Schedule.last_run_at, Schedule.failures, Schedule.lease_until).order_by(
            Schedule.name
        )
    )
    return tuple(
        Job(name=name, due_at=due_at, last_run_at=ran, failures=failures, is_running=until is not None and until > now)
        for name, due_at, ran, failures, until in rows
    )
