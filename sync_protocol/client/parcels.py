"""Delivery by file where no radio is: write a parcel, carry that of another device, take the office's receipts.

What was written into a parcel counts as sent, its fate unknown: the next exchange asks for it by hash before its bytes
go again. Another device's envelopes sign for themselves; they lie in the outbox under numbers below zero, never in this
device's own chain, and go once the office has them in a backup. Receipts that came by file are believed until the next
exchange, which asks again: a file may be older than a restored server.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Final

from sync_protocol.client.store import DeviceStore
from sync_protocol.deletion import Backup
from sync_protocol.enrolment import server_id
from sync_protocol.envelope import KIND_OFFSET, envelope_id, peek
from sync_protocol.errors import LocalError, ProtocolError, RemoteError
from sync_protocol.file_receipts import FileReceipts
from sync_protocol.messages import ReceiptCode
from sync_protocol.parcel import Label, Reading, Record, RecordKind, SealedMedium, read_parcel, write_parcel
from sync_protocol.transitions import Fate, FateEvent, MediumEvent, MediumFate

CHUNK_BYTES: Final = 1 << 18
UNSAFE: Final = (Fate.WAITING.value, Fate.SENT.value)


@dataclass(frozen=True, slots=True)
class Written:
    """What went into a parcel."""

    envelopes: int
    media: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What was taken over from a parcel.

    Attributes:
        device_id: who wrote it, as its label says; None when the label was lost.
        envelopes, media: taken over; `known` were here before, `refused` are no envelopes.
        is_whole: every byte of the file is as it was written; otherwise ask for another copy.
    """

    device_id: str | None
    envelopes: int
    media: int
    known: int
    refused: int
    is_whole: bool


class Parcels:
    """What a device gives to and takes from files."""

    def __init__(self, store: DeviceStore) -> None:
        """Take the store of a device."""
        self._store = store
        self._database = store.database

    def export(self, file: BinaryIO, *, now: datetime, everything: bool = False) -> Written:
        """Write what the office has not receipted into a parcel.

        Args:
            file: open for writing bytes, at its beginning.
            now: the device's clock, UTC.
            everything: write all envelopes and media that are here, whatever is known of them.

        Raises:
            LocalError: ``medium-missing``, ``malformed``: the file is not whole then. The next try passes over a medium
                that was found altered.
        """
        envelopes = self._envelopes(everything)
        media = self._media(everything)
        with self._database.transaction():
            self._store.happen(dict.fromkeys(envelopes, (FateEvent.OFFERED, None)))
        label = Label(
            device_id=str(self._store.setting("device_id") or ""),
            written_at=now.astimezone(UTC).isoformat(timespec="seconds"),
            envelopes=len(envelopes),
            media=len(media),
        )
        write_parcel(file, label, self._bodies(envelopes), media)
        return Written(len(envelopes), len(media))

    def carry(self, file: BinaryIO) -> Carried:
        """Take another device's parcel into the outbox, to deliver it; what was torn of it is passed over.

        Raises:
            RemoteError: ``malformed`` when it is no parcel, ``unknown-version``.
        """
        reading = Reading()
        counts = {"envelopes": 0, "media": 0, "known": 0, "refused": 0}
        for record in read_parcel(file, reading):
            try:
                counts[self._take(record)] += 1
            except RemoteError:
                reading.lose(record)
        label = reading.label
        return Carried(device_id=None if label is None else label.device_id, is_whole=reading.is_whole, **counts)

    def import_receipts(self, document: bytes) -> int:
        """Take the office's receipts for a parcel; return how many envelopes of this device they cover.

        Raises:
            LocalError: ``malformed``, ``signature-invalid``, ``not-enrolled``, ``another-office``.
        """
        receipts = FileReceipts.read(document, self._store.keyring().receipt_keys)
        if receipts.server_id != server_id(bytes(self._store.setting("root_key"))):
            raise LocalError("another-office", "these receipts are of another office")
        with self._database.transaction():
            covered = [self._receipt(one, code) for one, code, _ in receipts.receipts if self._is_here(one)]
            for sha256 in receipts.media:
                self._whole(sha256)
        return sum(covered)

    def ask_again(self) -> None:
        """Before an exchange: let it ask for all that only a file has receipted."""
        with self._database.transaction():
            found = [bytes(one) for (one,) in self._database.rows("SELECT hash FROM receipted_by_file")]
            self._store.happen({one: (FateEvent.FORGOTTEN, None) for one in found if self._is_here(one)})
            for sha256 in found:
                self._database.execute("UPDATE medium SET at_server = 0 WHERE sha256 = ?", sha256)
                self._store.media.happen(sha256, MediumEvent.FORGOTTEN)
            self._database.execute("DELETE FROM receipted_by_file")

    def prune(self, backup: Backup) -> int:
        """Delete, in one transaction, what was carried and is in a backup of the office; return how much that was."""
        gone = 0
        with self._database.transaction():
            query = "SELECT sequence, server_sequence FROM envelope WHERE sequence < 0 AND fate = ?"
            for sequence, server_sequence in self._database.rows(query, Fate.RECEIPTED.value):
                if backup.covers(server_sequence):
                    gone += self._database.execute("DELETE FROM envelope WHERE sequence = ?", sequence)
            query = "SELECT sha256, followed_by FROM medium JOIN carried_medium USING (sha256) WHERE fate = ?"
            for sha256, followed_by in self._database.rows(query, MediumFate.WHOLE.value):
                if backup.covers(followed_by):
                    self._store.media.happen(bytes(sha256), MediumEvent.MAY_GO)
                    gone += 1
        return gone

    def _envelopes(self, everything: bool) -> list[bytes]:
        query = "SELECT envelope_id, fate FROM envelope WHERE length(body) > 0 ORDER BY sequence < 0, abs(sequence)"
        return [bytes(one) for one, fate in self._database.rows(query) if everything or fate in UNSAFE]

    def _bodies(self, envelope_ids: Iterable[bytes]) -> Iterator[bytes]:
        for one in envelope_ids:
            for (body,) in self._database.rows("SELECT body FROM envelope WHERE envelope_id = ?", one):
                yield bytes(body)

    def _media(self, everything: bool) -> list[SealedMedium]:
        self._store.media.look_over()
        query = "SELECT sha256, length_bytes, fate FROM medium WHERE is_unreadable = 0 ORDER BY length_bytes, sha256"
        kept = (MediumFate.WAITING, MediumFate.WHOLE, MediumFate.REFUSED) if everything else (MediumFate.WAITING,)
        return [
            SealedMedium(bytes(sha256), length_bytes, self._chunks(bytes(sha256), length_bytes))
            for sha256, length_bytes, fate in self._database.rows(query)
            if fate in kept
        ]

    def _chunks(self, sha256: bytes, length_bytes: int) -> Iterator[bytes]:
        for start in range(0, length_bytes, CHUNK_BYTES):
            length = min(CHUNK_BYTES, length_bytes - start)
            yield self._store.media.read_medium(sha256, offset=start, length=length)

    def _take(self, record: Record) -> str:
        """Take one record of a parcel over; return as what it counts."""
        if record.kind is RecordKind.MEDIUM:
            return self._take_medium(record)
        body = record.read()
        try:
            peek(body)
        except ProtocolError:
            return "refused"
        with self._database.transaction():
            if self._is_here(envelope_id(body)):
                return "known"
            ((lowest,),) = self._database.rows("SELECT min(0, coalesce(min(sequence), 0)) FROM envelope")
            self._database.execute(
                "INSERT INTO envelope (sequence, envelope_id, kind, body, fate, sealed_at) VALUES (?, ?, ?, ?, ?, '')",
                *(lowest - 1, envelope_id(body), body[KIND_OFFSET], body, Fate.WAITING.value),
            )
        return "envelopes"

    def _take_medium(self, record: Record) -> str:
        if self._database.rows("SELECT 1 FROM medium WHERE sha256 = ?", record.sha256):
            return "known"
        self._store.media.carry(record.sha256, record.length_bytes, record.chunks())
        return "media"

    def _is_here(self, one: bytes) -> bool:
        return bool(self._database.rows("SELECT 1 FROM envelope WHERE envelope_id = ?", one))

    def _receipt(self, one: bytes, code: ReceiptCode) -> bool:
        """Believe a receipt for now; without the server's number nothing is deleted by it."""
        if not code.is_kept:
            return False
        self._store.happen({one: (FateEvent.OFFERED, None)})
        self._store.happen({one: (FateEvent.KEPT, None)}, {one: code})
        self._database.execute("INSERT OR IGNORE INTO receipted_by_file (hash) VALUES (?)", one)
        return True

    def _whole(self, sha256: bytes) -> None:
        for fate, length_bytes in self._database.rows("SELECT fate, length_bytes FROM medium WHERE sha256 = ?", sha256):
            if fate == MediumFate.WAITING:
                self._store.media.at_server(sha256, length_bytes)
                self._database.execute("INSERT OR IGNORE INTO receipted_by_file (hash) VALUES (?)", sha256)
