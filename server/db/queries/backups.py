"""SQL of backups: how far the last one reaches, what a snapshot names, and up to where it is surely complete."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, insert, inspect, select, text, update
from sqlalchemy.orm import Session

from server.db.tables import Attachment, Backup, Device, Envelope, ManifestMedium, Schedule, Upload
from server.db.tables.envelopes import ERASED, IS_UNOPENED, LISTED
from sync_protocol.constants import Kind

GRACE: Final = timedelta(days=30)
"""A medium that has not come for so long is taken for lost with its tablet: it must not hold up all deletions."""
AT_ONCE: Final = 200
RESTORED_GAP: Final = 1_000_000
"""Numbers of envelopes left out after a restore: those given after the backup are never given again."""
_backup = Backup.__table__.c
_LAST: Final = select(_backup.sequence, _backup.made_at).order_by(_backup.backup_id.desc()).limit(1)
_WRITERS: Final = text(
    "SELECT l.virtualtransaction FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted"
    " AND l.mode = 'RowExclusiveLock' AND l.relation = to_regclass('envelope')"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_NUMBERED: Final = text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM envelope_sequence_seq")


@dataclass(frozen=True, slots=True)
class LastBackup:
    """How far the last backup reaches, and when it was made."""

    sequence: int
    made_at: datetime


def last(session: Session | Connection) -> LastBackup | None:
    """Return the last backup, None when there is none."""
    row = session.execute(_LAST).first()
    return None if row is None else LastBackup(row[0], row[1])


def add(session: Session, *, made_at: datetime, sequence: int, place: str) -> None:
    """Record a backup that was read back."""
    session.execute(insert(Backup).values(made_at=made_at, sequence=sequence, place=place[-500:]))


def forget_all(session: Session) -> None:
    """Forget every backup: after a restore their numbers speak of another life of the database."""
    session.execute(delete(Backup))


def writers(connection: Connection) -> frozenset[str]:
    """Return who may have a number of an envelope that is not committed yet; PostgreSQL only."""
    return frozenset(connection.execute(_WRITERS).scalars())


def numbered(connection: Connection) -> int:
    """Return the last number that was given to an envelope, committed or not; PostgreSQL only."""
    return int(connection.execute(_NUMBERED).scalar_one())


def highest(session: Session) -> int:
    """Return the highest number of an envelope that is stored, 0 when none is."""
    return session.scalar(select(func.max(Envelope.sequence))) or 0


def first_with_media_to_come(session: Session, *, now: datetime) -> int | None:
    """Return the number of the first interview of a tablet whose media are not all here, None when all are.

    A tablet deletes a medium when a backup reaches the interview that names it: so no backup may reach an interview
    before its media. One that was not opened may name any of those that its tablet still has to send. What a revoked
    tablet still holds is not waited for, nor what has not come for a month.
    """
    whole = select(Upload.sha256).where(Upload.completed_at.is_not(None))
    in_use = select(Device.device_id).where(Device.revoked_at.is_(None))
    wanted = select(func.min(Envelope.sequence)).join(
        ManifestMedium, ManifestMedium.envelope_id == Envelope.envelope_id
    )
    wanted = wanted.where(
        ManifestMedium.blob_sha256.not_in(whole), Envelope.received_at > now - GRACE, Envelope.carrier.in_(in_use)
    )
    unopened = select(func.min(Envelope.sequence)).where(
        IS_UNOPENED,
        Envelope.kind == int(Kind.INTERVIEW),
        Envelope.received_at > now - GRACE,
        Envelope.carrier.in_(_with_media_to_send(session)),
    )
    # Of media that were here and are lost, and that nothing opened names, any interview that is listed may be the one.
    listed = select(func.min(Envelope.sequence)).where(
        IS_UNOPENED, Envelope.state == LISTED, Envelope.received_at > now - GRACE, _is_a_medium_lost()
    )
    found = [session.scalar(wanted), session.scalar(unopened), session.scalar(listed)]
    return min((number for number in found if number is not None), default=None)


def _is_a_medium_lost() -> ColumnElement[bool]:
    named = exists().where(ManifestMedium.blob_sha256 == Upload.sha256).correlate(Upload)
    return exists().where(Upload.completed_at.is_(None), Upload.is_settled, ~named)


def _with_media_to_send(session: Session) -> list[str]:
    """Return the tablets in use that said at their last exchange that they still had media to send."""
    query = select(Device.device_id, Device.backlog).where(Device.revoked_at.is_(None), Device.backlog != "")
    return [device_id for device_id, backlog in session.execute(query) if json.loads(backlog).get("media")]


def named_blobs(session: Session) -> frozenset[bytes]:
    """Return every medium that the database names as being here; of a database before an update, what it knows of."""
    tables = set(inspect(session.connection()).get_table_names())
    queries = [select(Envelope.blob_sha256).where(Envelope.blob_sha256.is_not(None))]
    if "attachment" in tables:
        queries.append(select(Attachment.blob_sha256))
    if "upload" in tables:
        queries.append(select(Upload.sha256).where(Upload.completed_at.is_not(None)))
    return frozenset(digest for query in queries for digest in session.scalars(query) if digest is not None)


def first_that_names(session: Session, blobs: Iterable[bytes]) -> int | None:
    """Return the number of the first envelope that names one of some media, or may name it; None when none does.

    What no opened envelope names may be of one that is not opened. When there is none of these, nobody waits for it.
    """
    numbers: list[int] = []
    wanted = sorted(blobs)
    for start in range(0, len(wanted), AT_ONCE):
        chunk = wanted[start : start + AT_ONCE]
        own = Envelope.blob_sha256
        rows = [
            *session.execute(select(Envelope.sequence, own).where(own.in_(chunk))),
            *session.execute(_naming(Attachment, chunk)),
            *session.execute(_naming(ManifestMedium, chunk)),
        ]
        known: set[bytes] = set()
        for number, digest in rows:
            numbers.append(number)
            known.add(digest)
        if not known.issuperset(chunk):
            numbers += _unopened(session)
    return min(numbers, default=None)


def _unopened(session: Session) -> list[int]:
    query = select(func.min(Envelope.sequence)).where(
        IS_UNOPENED, Envelope.kind.in_((int(Kind.INTERVIEW), int(Kind.DRAFT))), Envelope.state != ERASED
    )
    number = session.scalar(query)
    return [] if number is None else [number]


def _naming(table: type[Attachment] | type[ManifestMedium], blobs: Sequence[bytes]) -> Select[int, bytes]:
    query = select(Envelope.sequence, table.blob_sha256).join(table, table.envelope_id == Envelope.envelope_id)
    return query.where(table.blob_sha256.in_(blobs))


def begin_uploads_again(session: Session) -> None:
    """Forget media that had come in part: their parts are in no backup."""
    session.execute(delete(Upload).where(Upload.completed_at.is_(None)))


def free_leases(session: Session) -> None:
    """Let every job run again that somebody held when the backup was made."""
    session.execute(update(Schedule).values(lease_holder=None, lease_until=None))


def leave_numbers_out(session: Session) -> None:
    """Leave out numbers of envelopes, so that those given after the backup are not given to other envelopes."""
    after = highest(session) + RESTORED_GAP
    if session.get_bind().dialect.name == "sqlite":
        values = {"number": after}
        changed = session.execute(text("UPDATE sqlite_sequence SET seq = :number WHERE name = 'envelope'"), values)
        if not changed.rowcount:  # type: ignore[attr-defined]
            session.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES ('envelope', :number)"), values)
        return
    session.execute(text("SELECT setval('envelope_sequence_seq', :number)"), {"number": after})


def is_empty(session: Session) -> bool:
    """Say whether the database has no table at all."""
    return not inspect(session.connection()).get_table_names()
