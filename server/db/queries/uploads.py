"""SQL of media that come in parts: how much of each is here, and whether anybody was told."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import Connection, Row, bindparam, case, delete, func, select, update
from sqlalchemy.orm import Session

from server.db.insert import upsert
from server.db.tables import Attachment, Device, Envelope, ManifestMedium, Upload
from server.db.tables.sync import IS_UNSETTLED

T = TypeVar("T")
CHUNK: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUpload:
    """A medium of which something has come."""

    sha256: bytes
    length_bytes: int
    received_bytes: int
    is_whole: bool


_upload = Upload.__table__.c
_device = Device.__table__.c
_STORED: Final = (_upload.sha256, _upload.length_bytes, _upload.received_bytes, _upload.completed_at)
_FIND: Final = select(*_STORED).where(_upload.sha256 == bindparam("of"))
_BROUGHT: Final = select(_device.quota_media_day, _device.quota_media_bytes).where(
    _device.device_id == bindparam("carrier")
)
_COUNT: Final = (
    update(Device.__table__)  # type: ignore[arg-type]
    .where(_device.device_id == bindparam("carrier"))
    .values(
        quota_media_day=bindparam("today"),
        quota_media_bytes=bindparam("more")
        + case((_device.quota_media_day == bindparam("today"), _device.quota_media_bytes), else_=0),
    )
)


def find(connection: Connection, sha256: bytes) -> StoredUpload | None:
    """Return what is known of a medium."""
    row = connection.execute(_FIND, {"of": sha256}).first()
    return None if row is None else _stored(row)


def find_all(session: Session, digests: Iterable[bytes]) -> dict[bytes, StoredUpload]:
    """Return what is known of media, by their hash."""
    rows = (
        row
        for chunk in _chunks(sorted(set(digests)))
        for row in session.execute(select(*_STORED).where(_upload.sha256.in_(chunk)))
    )
    return {row.sha256: _stored(row) for row in rows}


def brought_bytes(connection: Connection, *, carrier: str, day: str) -> int:
    """Return how many bytes of media a device brought on a day (YYYY-MM-DD)."""
    counted_on, brought = connection.execute(_BROUGHT, {"carrier": carrier}).first() or ("", 0)
    return brought if counted_on == day else 0


def put(session: Session, upload: StoredUpload, *, carrier: str, brought: int, now: datetime) -> None:
    """Write how much of a medium is here, and count what a device brought of it.

    The device that began it stays; one that becomes whole is to be settled.
    """
    row = {
        "sha256": upload.sha256,
        "length_bytes": upload.length_bytes,
        "received_bytes": upload.received_bytes,
        "carrier": carrier,
        "begun_at": now,
        "completed_at": now if upload.is_whole else None,
        "is_settled": False,
    }
    statement = upsert(session, Upload).values(row)
    changed = ("length_bytes", "received_bytes", "completed_at")
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["sha256"], set_={name: getattr(statement.excluded, name) for name in changed}
        )
    )
    if brought:
        session.connection().execute(_COUNT, {"carrier": carrier, "today": f"{now:%Y-%m-%d}", "more": brought})


def unsettled(session: Session, *, limit: int) -> tuple[bytes, ...]:
    """Return media that have become whole without anybody being told, the oldest first."""
    query = select(Upload.sha256).where(Upload.completed_at.is_not(None), IS_UNSETTLED)
    return tuple(session.scalars(query.order_by(Upload.completed_at, Upload.sha256).limit(limit)))


def set_settled(session: Session, digests: Iterable[bytes]) -> None:
    """Write that the interviews that name these media say that they are here."""
    for chunk in _chunks(sorted(set(digests))):
        session.execute(update(Upload).where(Upload.sha256.in_(chunk)).values(is_settled=True))


def stale(session: Session, *, before: datetime) -> tuple[bytes, ...]:
    """Return media that were begun before a time and are not whole."""
    query = select(Upload.sha256).where(Upload.completed_at.is_(None), Upload.begun_at < before)
    return tuple(session.scalars(query.where(~Upload.is_settled)))


def forget(session: Session, sha256: bytes) -> None:
    """Forget a medium that is not whole; one that is, or was, stays."""
    session.execute(delete(Upload).where(Upload.sha256 == sha256, Upload.completed_at.is_(None), ~Upload.is_settled))


def set_lost(session: Session, digests: Iterable[bytes]) -> None:
    """Write that these media are here no longer, so that whoever offers one is asked for it from its beginning.

    For the fold they stay here: what interviews say must not change with a disk.
    """
    for chunk in _chunks(sorted(set(digests))):
        session.execute(update(Upload).where(Upload.sha256.in_(chunk)).values(completed_at=None, received_bytes=0))


def count_lost(session: Session) -> int:
    """Return how many media that interviews name were here once, and are lost."""
    named = select(ManifestMedium).where(ManifestMedium.blob_sha256 == Upload.sha256).exists()
    lost = select(func.count()).select_from(Upload).where(Upload.completed_at.is_(None), Upload.is_settled, named)
    return session.scalar(lost) or 0


def settled(session: Session, digests: Iterable[bytes]) -> frozenset[bytes]:
    """Return which of these media are here for the fold."""
    chunks = _chunks(sorted(set(digests)))
    return frozenset(
        found
        for chunk in chunks
        for found in session.scalars(select(Upload.sha256).where(Upload.sha256.in_(chunk), Upload.is_settled))
    )


def every_whole(session: Session) -> Iterator[bytes]:
    """Yield all media that devices sent completely."""
    query = select(Upload.sha256).where(Upload.completed_at.is_not(None)).order_by(Upload.sha256)
    yield from session.scalars(query.execution_options(yield_per=1000))


def unnamed_blobs(session: Session, digests: Sequence[bytes]) -> frozenset[bytes]:
    """Return which of these blobs nobody names: no envelope, no interview's manifest, and no device that sent them."""
    named: set[bytes | None] = set()
    for column in (Envelope.blob_sha256, Attachment.blob_sha256, ManifestMedium.blob_sha256, Upload.sha256):
        named.update(session.scalars(select(column).where(column.in_(digests))))
    return frozenset(digests).difference(digest for digest in named if digest is not None)


def _stored(row: Row[bytes, int, int, datetime | None]) -> StoredUpload:
    sha256, length_bytes, received_bytes, completed_at = row
    return StoredUpload(
        sha256=sha256, length_bytes=length_bytes, received_bytes=received_bytes, is_whole=completed_at is not None
    )


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
