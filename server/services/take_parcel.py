"""Take in what came by file: envelopes and media of any device, as if it had sent them.

Who carried the file is not asked for: envelopes are signed, and a device that was revoked is found out when they are
opened. Each batch is committed before its receipts are counted, so that they may be signed and given back although the
reading stops half way.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, BinaryIO, Final

from sqlalchemy.orm import Session

from server.blobs import Blobs
from server.db.engine import Database
from server.db.queries import audit, devices, envelopes, uploads
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.opening import AFTER_REVOCATION
from server.db.queries.uploads import StoredUpload
from server.db.tables.envelopes import QUARANTINED
from server.folding import receiving
from sync_protocol.errors import RemoteError
from sync_protocol.file_receipts import FileReceipts
from sync_protocol.messages import ReceiptCode
from sync_protocol.parcel import Reading, Record, RecordKind, read_parcel

FILE: Final = "file"
"""Carrier of what came in a file that no enrolled device has put its name on."""
BATCH: Final = 200
BATCH_BYTES: Final = 4 << 20


@dataclass(slots=True)
class Intake:
    """What has been taken in of one file so far.

    Attributes:
        reading: how the file was read.
        receipts: id, code and sequence of each envelope that was committed.
        media: SHA-256 of the media that are here now; `known_media` counts those that were here before.
    """

    reading: Reading = field(default_factory=Reading)
    receipts: list[tuple[bytes, ReceiptCode, int | None]] = field(default_factory=list)
    media: list[bytes] = field(default_factory=list)
    known_media: int = 0

    @property
    def is_complete(self) -> bool:
        """Every byte of the file was what its writer wrote."""
        return self.reading.is_whole

    @property
    def codes(self) -> Counter[str]:
        """How many envelopes got which code."""
        return Counter(code.name.lower() for _, code, _ in self.receipts)

    def members(self) -> dict[str, Any]:
        """Return what JSON shows of it."""
        label = self.reading.label
        return {
            "device_id": None if label is None else label.device_id,
            "written_at": None if label is None else label.written_at,
            "is_complete": self.is_complete,
            "envelopes": len(self.receipts),
            "codes": dict(self.codes),
            "media": len(self.media),
            "known_media": self.known_media,
            "missing_envelopes": self.reading.missing_envelopes,
            "missing_media": self.reading.missing_media,
            "lost": [{"offset": offset, "bytes": length} for offset, length in self.reading.lost],
        }


def take(
    database: Database,
    file: BinaryIO,
    intake: Intake,
    *,
    blobs: Blobs,
    now: datetime,
    user: str,
    progress: Callable[[int], object] = lambda _: None,
) -> None:
    """Take in a file, as much of it as holds.

    Args:
        file: a parcel, able to seek.
        intake: filled on the way; what is in its receipts is on disk.
        progress: told how many bytes of the file are done.

    Raises:
        RemoteError: ``malformed`` when it is no parcel, ``unknown-version``; nothing was stored.
        StorageFull: what was committed before stays.
    """
    batch: list[bytes] = []
    for record in read_parcel(file, intake.reading):
        if record.kind is RecordKind.ENVELOPE:
            _add(batch, record, intake)
        if len(batch) == BATCH or sum(map(len, batch)) >= BATCH_BYTES or record.kind is RecordKind.MEDIUM:
            _keep_envelopes(database, batch, intake, now=now)
            batch = []
        if record.kind is RecordKind.MEDIUM:
            _keep_medium(database, blobs, record, intake, now=now)
        progress(file.tell())
    _keep_envelopes(database, batch, intake, now=now)
    with database.transaction() as session:
        detail = f"{len(intake.receipts)} envelopes, {len(intake.media)} media"
        label = intake.reading.label
        subject = FILE if label is None else label.device_id
        audit.write(session, at=now, actor=user, action="intake-file", subject=subject, detail=detail)


def receipts_of(intakes: Sequence[Intake], *, server_id: str, now: datetime) -> FileReceipts:
    """Return receipts for all that was taken in, to be signed."""
    return FileReceipts(
        server_id=server_id,
        issued_at=now.isoformat(timespec="seconds"),
        receipts=tuple(dict.fromkeys(receipt for intake in intakes for receipt in intake.receipts)),
        media=tuple(dict.fromkeys(sha256 for intake in intakes for sha256 in intake.media)),
    )


def _keep_envelopes(database: Database, bodies: Sequence[bytes], intake: Intake, *, now: datetime) -> None:
    if not bodies:
        return
    arrived = [NewEnvelope.read(body) for body in bodies]
    with database.transaction() as session:
        carrier, is_revoked = _carrier(session, intake)
        if is_revoked:
            arrived = [replace(one, state=QUARANTINED, reason=AFTER_REVOCATION) for one in arrived]
        arrived = list(receiving.without_erased(session, arrived))
        kept = envelopes.store(session, arrived, carrier=carrier, received_at=now)
    seen: set[bytes] = set()
    for one in arrived:
        found = kept[one.envelope_id]
        is_new = found.is_new and one.envelope_id not in seen
        seen.add(one.envelope_id)
        intake.receipts.append((one.envelope_id, receiving.code_of(one, is_new=is_new), found.sequence))


def _keep_medium(database: Database, blobs: Blobs, record: Record, intake: Intake, *, now: datetime) -> None:
    is_known = blobs.has(record.sha256)
    if not is_known and not _copy(blobs, record, intake):
        return
    intake.known_media += is_known
    with database.transaction() as session:
        carrier, _ = _carrier(session, intake)
        upload = StoredUpload(
            sha256=record.sha256,
            length_bytes=record.length_bytes,
            received_bytes=record.length_bytes,
            is_whole=True,
        )
        uploads.put(session, upload, carrier=carrier, brought=0, now=now)
    intake.media.append(record.sha256)


def _add(batch: list[bytes], record: Record, intake: Intake) -> None:
    """Put an envelope into a batch, unless it does not read as it did."""
    try:
        batch.append(record.read())
    except RemoteError:
        intake.reading.lose(record)


def _copy(blobs: Blobs, record: Record, intake: Intake) -> bool:
    """Let a medium become a blob; one that does not read as it did is lost, and nothing of it stays."""
    with blobs.incoming() as incoming:
        try:
            for chunk in record.chunks():
                incoming.write(chunk)
        except RemoteError:
            intake.reading.lose(record)
            return False
        incoming.keep(record.sha256)
    return True


def _carrier(session: Session, intake: Intake) -> tuple[str, bool]:
    """Return whom the file says that it is from, and whether that device is revoked."""
    label = intake.reading.label
    device = None if label is None else devices.device(session, label.device_id)
    return (FILE, False) if device is None else (device.device_id, device.revoked_at is not None)
