"""A file that carries sealed envelopes and media where no radio does: on a stick, by hand, to the office.

`magic 4 | version u8 | zeros 3 | record* | end`, where a record is `marker 8 | kind u8 | length u64 | SHA-256 of the
content 32 | check 8 | content`, and the check is the beginning of the SHA-256 of the 49 bytes before it. The end is a
record whose content is the SHA-256 of everything before it. All integers are big-endian.

Nothing in it is trusted: envelopes are signed, media are named by their hash. It is made to be read when it was torn or
altered: a record that does not hold is passed over, and the reading goes on at the next marker. So that nobody takes a
part for the whole, the reader says what it lost. What it reads twice it compares twice: a stick that wears out, or one
that was made to, does not read the same each time.
"""

import hashlib
import io
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import BinaryIO, Final

from sync_protocol.constants import ENVELOPE_BYTES, HASH_BYTES, MEDIUM_BYTES
from sync_protocol.documents import canonical_json
from sync_protocol.errors import LocalError, RemoteError
from sync_protocol.signatures import KEY_ID

MAGIC: Final = b"PSPL"
VERSION: Final = 1
FRONT: Final = MAGIC + bytes([VERSION, 0, 0, 0])
MARKER: Final = bytes.fromhex("b6c1e0f79a3d5824")
HEAD: Final = struct.Struct(f">8sBQ{HASH_BYTES}s")
CHECK_BYTES: Final = 8
HEAD_BYTES: Final = HEAD.size + CHECK_BYTES
CHUNK_BYTES: Final = 1 << 18
LABEL_BYTES: Final = 4 << 10
ALTERED: Final = "altered"
"""Code of the error when a record does not read as it did before."""
HASHED_TIMES: Final = 4
"""How often the bytes of a file are hashed at most in looking for records that do not hold, all in all."""
HIGHEST_COUNT: Final = 1 << 48
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
        """Return its content: of an envelope, at most 1 MiB.

        Raises:
            RemoteError: ``altered``, see `chunks`.
        """
        return b"".join(self.chunks())

    def chunks(self) -> Iterator[bytes]:
        """Yield its content, a few hundred kilobytes at a time, and compare it again with its hash.

        Raises:
            RemoteError: ``altered``, after the last of it: it is not what it was when it was found. Keep nothing of it.
        """
        found, length = hashlib.sha256(), 0
        for chunk in _chunks(self._file, self._start, self.length_bytes):
            found.update(chunk)
            length += len(chunk)
            yield chunk
        if (found.digest(), length) != (self.sha256, self.length_bytes):
            raise RemoteError(ALTERED, "the file does not read the same each time")

    @property
    def place(self) -> tuple[int, int]:
        """Offset and length of the whole record in its file."""
        return self._start - HEAD_BYTES, HEAD_BYTES + self.length_bytes


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

    def lose(self, record: Record) -> None:
        """Note that a record that was found could not be read again."""
        self.lost.append(record.place)
        if record.kind is RecordKind.ENVELOPE:
            self.envelopes -= 1
        else:
            self.media -= 1

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
    search = _Search(file, size)
    _check_front(front, search)
    position, was_lost, ended = len(FRONT), None, False
    if front != FRONT:
        was_lost = 0
    while position < size:
        found, following = search.at(position)
        if found is None:
            was_lost = position if was_lost is None else was_lost
            position = following
            continue
        if was_lost is not None:
            reading.lost.append((was_lost, position - was_lost))
            was_lost = None
        kind, sha256, length = found
        start, position = position + HEAD_BYTES, following
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


def _check_front(front: bytes, search: "_Search") -> None:
    """Refuse what is no parcel: a damaged front is forgiven where a record follows somewhere."""
    if front[:5] == FRONT[:5]:
        return
    if front[:4] == MAGIC and search.at(len(FRONT))[0] is not None:
        raise RemoteError("unknown-version", f"this side reads version {VERSION} of parcels")
    found, position = search.at(0)
    while found is None:
        if position >= search.size:
            raise RemoteError("malformed", "not a parcel of sealed interviews")
        found, position = search.at(position)


class _Search:
    """Looks for records that hold, in a time that grows with the file and not with what stands in it.

    The content of a head that does not hold may hide others, so the search goes on within it. Whoever writes heads on
    purpose that all claim the same long content would have it hashed again for each: once `HASHED_TIMES` the file was
    hashed in vain, all that such a head claims is passed over with it. No damage comes near that.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self._file = file
        self._left = HASHED_TIMES * size

    def at(self, position: int) -> tuple[tuple[int, bytes, int] | None, int]:
        """Return kind, hash and length of the record that holds at a place, None for none, and where to go on."""
        head = self._head(position)
        if head is None:
            return None, _next_marker(self._file, position + 1, self.size)
        _, sha256, length = head
        end = position + HEAD_BYTES + length
        found = hashlib.sha256()
        for chunk in _chunks(self._file, position + HEAD_BYTES, length):
            found.update(chunk)
        if found.digest() == sha256:
            return head, end
        self._left -= length
        return None, end if self._left < 0 else _next_marker(self._file, position + 1, self.size)

    def _head(self, position: int) -> tuple[int, bytes, int] | None:
        self._file.seek(position)
        head = self._file.read(HEAD_BYTES)
        if len(head) < HEAD_BYTES or hashlib.sha256(head[: HEAD.size]).digest()[:CHECK_BYTES] != head[HEAD.size :]:
            return None
        marker, kind, length, sha256 = HEAD.unpack(head[: HEAD.size])
        longest = LONGEST.get(kind, MEDIUM_BYTES)
        if marker != MARKER or length > longest or position + HEAD_BYTES + length > self.size:
            return None
        return kind, sha256, length


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
    """Return a label, None for what is not one: nobody has signed it, and it is shown to people and looked up."""
    try:
        members = json.loads(content)
        label = Label(
            device_id=members["device_id"],
            written_at=members["written_at"],
            envelopes=members["envelopes"],
            media=members["media"],
        )
        datetime.fromisoformat(label.written_at)
        is_sound = KEY_ID.fullmatch(label.device_id) is not None and label.written_at.isascii()
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    counts = (label.envelopes, label.media)
    return label if is_sound and all(type(one) is int and 0 <= one < HIGHEST_COUNT for one in counts) else None
