"""A file that carries sealed envelopes and media where no radio does: on a stick, by hand, to the office.

`magic 4 | version u8 | zeros 3 | record* | end`, where a record is `marker 8 | kind u8 | length u64 | SHA-256 of the
content 32 | check 8 | content`, and the check is the beginning of the SHA-256 of the 49 bytes before it. The end is a
record whose content is the SHA-256 of everything before it. All integers are big-endian.

Nothing in it is trusted: envelopes are signed, media are named by their hash. It is made to be read when it was torn or
altered: a record that does not hold is passed over, and the reading goes on at the next marker. So that nobody takes a
part for the whole, the reader says what it lost.
"""

import hashlib
import io
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, BinaryIO, Final, Self

from sync_protocol.constants import ENVELOPE_BYTES, HASH_BYTES, MEDIUM_BYTES
from sync_protocol.documents import (
    DocumentSigner,
    canonical_json,
    decode_bytes,
    encode_bytes,
    read_document,
    sign_document,
)
from sync_protocol.errors import LocalError, RemoteError
from sync_protocol.messages import ReceiptCode

MAGIC: Final = b"PSPL"
VERSION: Final = 1
FRONT: Final = MAGIC + bytes([VERSION, 0, 0, 0])
MARKER: Final = bytes.fromhex("b6c1e0f79a3d5824")
HEAD: Final = struct.Struct(f">8sBQ{HASH_BYTES}s")
CHECK_BYTES: Final = 8
HEAD_BYTES: Final = HEAD.size + CHECK_BYTES
CHUNK_BYTES: Final = 1 << 18
LABEL_BYTES: Final = 4 << 10
LABEL_RECEIPTS: Final = "passerelle/1 receipts"
SUFFIX: Final = ".passerelle"
"""Of the name of such a file."""


class RecordKind(IntEnum):
    """What a record holds; readers pass over kinds that they do not know."""

    LABEL = 0
    ENVELOPE = 1
    MEDIUM = 2
    END = 255


LONGEST: Final = {
    RecordKind.LABEL: LABEL_BYTES,
    RecordKind.ENVELOPE: ENVELOPE_BYTES,
    RecordKind.MEDIUM: MEDIUM_BYTES,
    RecordKind.END: HASH_BYTES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What stands on a parcel: who wrote it, when (ISO 8601, UTC), and how much is in it. Signed by nobody."""

    device_id: str
    written_at: str
    envelopes: int
    media: int


@dataclass(frozen=True, slots=True)
class SealedMedium:
    """A sealed medium to be written: its hash, its length, and its ciphertext piece by piece."""

    sha256: bytes
    length_bytes: int
    chunks: Iterable[bytes]


def write_parcel(file: BinaryIO, label: Label, envelopes: Iterable[bytes], media: Iterable[SealedMedium]) -> None:
    """Write a parcel: envelopes in the order of their chain, then media, the small ones first.

    Raises:
        LocalError: ``malformed`` when a medium is not what its hash and length say; the file is then not whole.
    """
    writer = _Writer(file)
    writer.write(FRONT)
    members = {"device_id": label.device_id, "written_at": label.written_at}
    writer.record(RecordKind.LABEL, canonical_json({**members, "envelopes": label.envelopes, "media": label.media}))
    for envelope in envelopes:
        writer.record(RecordKind.ENVELOPE, envelope)
    for medium in media:
        writer.medium(medium)
    writer.record(RecordKind.END, writer.digest())


class _Writer:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, content: bytes) -> None:
        self._file.write(content)
        self._hash.update(content)

    def record(self, kind: RecordKind, content: bytes) -> None:
        self.write(_head(kind, len(content), hashlib.sha256(content).digest()))
        self.write(content)

    def medium(self, medium: SealedMedium) -> None:
        self.write(_head(RecordKind.MEDIUM, medium.length_bytes, medium.sha256))
        found, length = hashlib.sha256(), 0
        for chunk in medium.chunks:
            found.update(chunk)
            length += len(chunk)
            self.write(chunk)
        if (found.digest(), length) != (medium.sha256, medium.length_bytes):
            raise LocalError("malformed", "a medium is not what its hash and length say")

    def digest(self) -> bytes:
        return self._hash.digest()


def _head(kind: int, length: int, sha256: bytes) -> bytes:
    head = HEAD.pack(MARKER, kind, length, sha256)
    return head + hashlib.sha256(head).digest()[:CHECK_BYTES]


@dataclass(frozen=True, slots=True)
class Record:
    """A record that holds: its content is what its hash says, at this place of the file."""

    kind: RecordKind
    sha256: bytes
    length_bytes: int
    _file: BinaryIO = field(repr=False)
    _start: int = field(repr=False)

    def read(self) -> bytes:
        """Return its content: of an envelope, at most 1 MiB."""
        return b"".join(self.chunks())

    def chunks(self) -> Iterator[bytes]:
        """Yield its content, a few hundred kilobytes at a time."""
        return _chunks(self._file, self._start, self.length_bytes)


@dataclass(slots=True)
class Reading:
    """How the reading of a parcel went, complete once all its records were taken.

    Attributes:
        label: None when it was lost.
        is_whole: every byte is as it was written.
        envelopes, media: how many hold.
        unknown: records of kinds that this version does not know; it passed over them.
        lost: (offset, length) of the stretches of the file in which nothing holds.
    """

    label: Label | None = None
    is_whole: bool = False
    envelopes: int = 0
    media: int = 0
    unknown: int = 0
    lost: list[tuple[int, int]] = field(default_factory=list)

    @property
    def missing_envelopes(self) -> int | None:
        """How many envelopes the label names beyond those that hold; None without a label."""
        return None if self.label is None else max(0, self.label.envelopes - self.envelopes)

    @property
    def missing_media(self) -> int | None:
        """How many media the label names beyond those that hold; None without a label."""
        return None if self.label is None else max(0, self.label.media - self.media)


def read_parcel(file: BinaryIO, reading: Reading | None = None) -> Iterator[Record]:
    """Yield every envelope and medium of a parcel that holds, in the order of the file, and say how it went.

    Args:
        file: to be read from its beginning; it must be able to seek.
        reading: filled on the way.

    Raises:
        RemoteError: ``malformed`` when it is no parcel at all, ``unknown-version``.
    """
    reading = Reading() if reading is None else reading
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    front = file.read(len(FRONT))
    _check_front(front, file, size)
    position, was_lost, ended = len(FRONT), None, False
    if front != FRONT:
        was_lost = 0
    while position < size:
        found = _record(file, position, size)
        if found is None:
            was_lost = position if was_lost is None else was_lost
            position = _next_marker(file, position + 1, size)
            continue
        if was_lost is not None:
            reading.lost.append((was_lost, position - was_lost))
            was_lost = None
        kind, sha256, length = found
        start, position = position + HEAD_BYTES, position + HEAD_BYTES + length
        if kind == RecordKind.END:
            ended = not reading.lost and position == size and _ends(file, start)
        elif kind in (RecordKind.ENVELOPE, RecordKind.MEDIUM):
            _count(reading, RecordKind(kind))
            yield Record(RecordKind(kind), sha256, length, file, start)
        elif kind == RecordKind.LABEL:
            reading.label = _label(b"".join(_chunks(file, start, length)))
        else:
            reading.unknown += 1
    if was_lost is not None:
        reading.lost.append((was_lost, size - was_lost))
    reading.is_whole = ended and not reading.lost


def _check_front(front: bytes, file: BinaryIO, size: int) -> None:
    """Refuse what is no parcel: a damaged front is forgiven where a record follows somewhere."""
    if front[:5] == FRONT[:5]:
        return
    if front[:4] == MAGIC and _record(file, len(FRONT), size) is not None:
        raise RemoteError("unknown-version", f"this side reads version {VERSION} of parcels")
    position = _next_marker(file, 0, size)
    while position < size and _record(file, position, size) is None:
        position = _next_marker(file, position + 1, size)
    if position >= size:
        raise RemoteError("malformed", "not a parcel of sealed interviews")


def _record(file: BinaryIO, position: int, size: int) -> tuple[int, bytes, int] | None:
    """Return kind, hash and length of a record that holds at a place, None where none does."""
    file.seek(position)
    head = file.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES or hashlib.sha256(head[: HEAD.size]).digest()[:CHECK_BYTES] != head[HEAD.size :]:
        return None
    marker, kind, length, sha256 = HEAD.unpack(head[: HEAD.size])
    longest = LONGEST.get(kind, MEDIUM_BYTES)
    if marker != MARKER or length > longest or position + HEAD_BYTES + length > size:
        return None
    found = hashlib.sha256()
    for chunk in _chunks(file, position + HEAD_BYTES, length):
        found.update(chunk)
    return (kind, sha256, length) if found.digest() == sha256 else None


def _next_marker(file: BinaryIO, position: int, size: int) -> int:
    """Return where the next marker begins, the size of the file where there is none."""
    kept = b""
    file.seek(position)
    while chunk := file.read(CHUNK_BYTES):
        window = kept + chunk
        found = window.find(MARKER)
        if found >= 0:
            return position - len(kept) + found
        position += len(chunk)
        kept = window[-len(MARKER) + 1 :]
    return size


def _ends(file: BinaryIO, start: int) -> bool:
    found = hashlib.sha256()
    for chunk in _chunks(file, 0, start - HEAD_BYTES):
        found.update(chunk)
    return b"".join(_chunks(file, start, HASH_BYTES)) == found.digest()


def _chunks(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    while length > 0:
        file.seek(start)
        chunk = file.read(min(length, CHUNK_BYTES))
        if not chunk:
            return
        yield chunk
        start += len(chunk)
        length -= len(chunk)


def _count(reading: Reading, kind: RecordKind) -> None:
    if kind is RecordKind.ENVELOPE:
        reading.envelopes += 1
    else:
        reading.media += 1


def _label(content: bytes) -> Label | None:
    try:
        members = json.loads(content)
        return Label(
            device_id=str(members["device_id"]),
            written_at=str(members["written_at"]),
            envelopes=int(members["envelopes"]),
            media=int(members["media"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReceipts:
    """What became of a parcel, for the device that wrote it: a document that a receipt key of the keyring has signed.

    Attributes:
        server_id: of the office.
        issued_at: ISO 8601, UTC.
        receipts: (envelope id, code, sequence) of each envelope; the sequence is None for codes that did not store it.
        media: SHA-256 of the sealed media that are whole on the server.
    """

    server_id: str
    issued_at: str
    receipts: tuple[tuple[bytes, ReceiptCode, int | None], ...]
    media: tuple[bytes, ...] = ()

    def sign(self, receipt_key: DocumentSigner) -> bytes:
        """Return the signed document; to be made after the commit."""
        payload: dict[str, Any] = {
            "server_id": self.server_id,
            "issued_at": self.issued_at,
            "receipts": [[encode_bytes(one), int(code), sequence] for one, code, sequence in self.receipts],
            "media": [encode_bytes(sha256) for sha256 in self.media],
        }
        return sign_document(payload, receipt_key, LABEL_RECEIPTS)

    @classmethod
    def read(cls, document: bytes, receipt_keys: Iterable[bytes]) -> Self:
        """Check receipts against the receipt keys of the keyring and read them.

        Raises:
            LocalError: ``malformed`` or ``signature-invalid``.
        """
        payload = read_document(document, receipt_keys, LABEL_RECEIPTS)
        try:
            read = cls(
                server_id=str(payload["server_id"]),
                issued_at=str(payload["issued_at"]),
                receipts=tuple(
                    (decode_bytes(one), ReceiptCode(code), sequence) for one, code, sequence in payload["receipts"]
                ),
                media=tuple(decode_bytes(sha256) for sha256 in payload["media"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise LocalError("malformed", "a member of the receipts is missing or not what it should be") from None
        read._check()
        return read

    def _check(self) -> None:
        hashes = (*(one for one, _, _ in self.receipts), *self.media)
        numbers = (sequence for _, _, sequence in self.receipts)
        if any(len(one) != HASH_BYTES for one in hashes) or any(
            number is not None and (type(number) is not int or number < 0) for number in numbers
        ):
            raise LocalError("malformed", "a receipt names no envelope, or no sequence")
