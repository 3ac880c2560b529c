"""SQL of media that come in parts: how much of each is here, and whether anybody was told."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import Connection, Row, and_, bindparam, case, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from server.db.insert import upsert
from server.db.queries.opening import WIPED
from server.db.tables import Attachment, Device, Envelope, ManifestMedium, Upload
from server.db.tables.envelopes import ERASED, IS_UNOPENED, LISTED
from server.db.tables.sync import IS_UNSETTLED
from sync_protocol.constants import Kind

T = TypeVar("T")
CHUNK: Final = 400
_MAY_NAME: Final = (0, int(Kind.INTERVIEW))
"""Kinds of what may hold a manifest; 0 is for what a newer version may be able to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUpload:
    """A medium of which something has come."""

    sha256: bytes
    length_bytes: int
    received_bytes: int
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a medium to one device: that it is whole, whoever brought it, and what this one has brought."""

    whole: StoredUpload | None = None
    own: StoredUpload | None = None


_upload = Upload.__table__.c
_device = Device.__table__.c
_STORED: Final = (_upload.sha256, _upload.length_bytes, _upload.received_bytes, _upload.completed_at)
_FIND: Final = select(*_STORED).where(
    _upload.sha256.in_(bindparam("of", expanding=True)),
    or_(_upload.carrier == bindparam("by"), _upload.completed_at.is_not(None)),
)
_BROUGHT: Final = select(_device.quota_media_day, _device.quota_media_bytes, _device.revoked_at).where(
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


def find(connection: Connection, sha256: bytes, *, carrier: str) -> Known:
    """Return what is known of a medium to a device."""
    return find_all(connection, [sha256], carrier=carrier).get(sha256, Known())


def find_all(connection: Connection, digests: Iterable[bytes], *, carrier: str) -> dict[bytes, Known]:
    """Return what is known of media to a device, by their hash."""
    found: dict[bytes, Known] = {}
    for chunk in _chunks(sorted(set(digests))):
        for row in connection.execute(_FIND, {"of": chunk, "by": carrier}):
            one, known = _stored(row), found.get(row.sha256, Known())
            found[row.sha256] = Known(one, known.own) if one.is_whole else Known(known.whole, one)
    return found


def brought(connection: Connection, *, carrier: str, day: str) -> tuple[int, bool]:
    """Return how many bytes of media a device brought on a day (YYYY-MM-DD), and whether it is revoked."""
    counted_on, brought_bytes, revoked_at = connection.execute(_BROUGHT, {"carrier": carrier}).first() or ("", 0, None)
    return (brought_bytes if counted_on == day else 0), revoked_at is not None


def put(session: Session, upload: StoredUpload, *, carrier: str, brought: int, now: datetime) -> None:
    """Write how much of a medium a device has brought, and count it.

    One that becomes whole is to be settled, unless it was before its blob was lost; what others have sent of it is
    forgotten.
    """
    row = {
        "sha256": upload.sha256,
        "length_bytes": upload.length_bytes,
        "received_bytes": upload.received_bytes,
        "carrier": carrier,
        "begun_at": now,
        "completed_at": now if upload.is_whole else None,
        "is_settled": upload.is_whole and bool(settled(session, [upload.sha256])),
    }
    statement = upsert(session, Upload).values(row)
    changed = ["length_bytes", "received_bytes", "completed_at"]
    if upload.is_whole:
        changed.append("is_settled")
        session.execute(delete(Upload).where(Upload.sha256 == upload.sha256, Upload.carrier != carrier))
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["sha256", "carrier"], set_={name: getattr(statement.excluded, name) for name in changed}
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


def stale(session: Session, *, before: datetime) -> tuple[tuple[bytes, str], ...]:
    """Return media, and who brings them, that were begun before a time and are not whole."""
    query = select(Upload.sha256, Upload.carrier).where(Upload.completed_at.is_(None), Upload.begun_at < before)
    return tuple((sha256, carrier) for sha256, carrier in session.execute(query.where(~Upload.is_settled)))


def forget(session: Session, sha256: bytes, *, carrier: str) -> None:
    """Forget what a device has brought of a medium that is not whole; one that is, or was, stays."""
    is_own = and_(Upload.sha256 == sha256, Upload.carrier == carrier)
    session.execute(delete(Upload).where(is_own, Upload.completed_at.is_(None), ~Upload.is_settled))


def forget_unnamed(session: Session, *, before: datetime) -> int:
    """Forget media that became whole before a time and that nothing names, if all that could name them is opened.

    Returns:
        How many; their blobs are strays then.
    """
    is_waiting = exists().where(
        IS_UNOPENED, Envelope.state != ERASED, Envelope.reason.is_distinct_from(WIPED), Envelope.kind.in_(_MAY_NAME)
    )
    if session.scalar(select(is_waiting)):
        return 0
    named = (
        exists().where(table.blob_sha256 == Upload.sha256).correlate(Upload)
        for table in (Envelope, Attachment, ManifestMedium)
    )
    query = select(Upload.sha256).where(Upload.completed_at < before, *(~one for one in named))
    unnamed = session.scalars(query.distinct()).all()
    for chunk in _chunks(unnamed):
        session.execute(delete(Upload).where(Upload.sha256.in_(chunk)))
    return len(unnamed)


def drop(session: Session, digests: Iterable[bytes]) -> None:
    """Forget media whatever has come of them: what named them is erased."""
    for chunk in _chunks(sorted(set(digests))):
        session.execute(delete(Upload).where(Upload.sha256.in_(chunk)))


def set_lost(session: Session, digests: Iterable[bytes]) -> None:
    """Write that these media are here no longer, so that whoever offers one is asked for it from its beginning.

    For the fold they stay here: what interviews say must not change with a disk.
    """
    for chunk in _chunks(sorted(set(digests))):
        session.execute(update(Upload).where(Upload.sha256.in_(chunk)).values(completed_at=None, received_bytes=0))


def count_lost(session: Session) -> int:
    """Return how many media that interviews name, or that those may name that are listed, were here and are lost."""
    named = select(ManifestMedium).where(ManifestMedium.blob_sha256 == Upload.sha256).exists()
    listed = exists().where(IS_UNOPENED, Envelope.state == LISTED)
    may = or_(named, listed)
    lost = select(func.count()).select_from(Upload).where(Upload.completed_at.is_(None), Upload.is_settled, may)
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
    query = select(Upload.sha256).where(Upload.completed_at.is_not(None)).distinct().order_by(Upload.sha256)
    yield from session.scalars(query.execution_options(yield_per=1000))


def unnamed_blobs(session: Session, digests: Sequence[bytes]) -> frozenset[bytes]:
    """Return which of these blobs nobody names: no envelope, no interview's manifest, and no device that sent them."""
    named: set[bytes | None] = set()
    for column in (Envelope.blob_sha256, Attachment.blob_sha256, ManifestMedium.blob_sha256):
        named.update(session.scalars(select(column).where(column.in_(digests))))
    named.update(session.scalars(select(Upload.sha256).where(Upload.sha256.in_(digests))))
    return frozenset(digests).difference(digest for digest in named if digest is not None)


def _stored(row: Row[bytes, int, int, datetime | None]) -> StoredUpload:
    sha256, length_bytes, received_bytes, completed_at = row
    return StoredUpload(
        sha256=sha256, length_bytes=length_bytes, received_bytes=received_bytes, is_whole=completed_at is not None
    )


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
