"""Envelopes of one body without what the one before already says.

Forty interviews of one day name the same epoch, form version, dictionary and certificate, and each the envelope before
it: 160 bytes, a fifth of a sealed interview, none of which compresses. A frame may leave out those of its header's
hashes that follow from the frame before; the receiver puts them back before it looks at anything else.

`u8 mask | the envelope without the fields of the mask`. Where the frame before is an epoch, the epoch hash is its id
and the certificate is its own; it has neither form version nor dictionary.
"""

import hashlib
from collections.abc import Mapping
from enum import IntFlag
from typing import Final

from sync_protocol.constants import HASH_BYTES, INSTANCE_ID_BYTES, MAGIC, Kind
from sync_protocol.errors import RemoteError

EPOCH_START: Final = 8
PREVIOUS_START: Final = 52
PARENTS_START: Final = 100
BACK_BYTES: Final = 3 * HASH_BYTES
KIND_OFFSET: Final = 6
PARENTS_OFFSET: Final = 7


class Field(IntFlag):
    """A hash that a frame leaves out."""

    EPOCH = 1
    PREVIOUS = 2
    FORM_VERSION = 4
    DICTIONARY = 8
    CERTIFICATE = 16


def shorten(frame: bytes, before: bytes) -> bytes | None:
    """Return a frame without what the one before says; None where it cannot be shortened."""
    own = _fields(frame)
    if own is None:
        return None
    said = _said(before)
    parts: list[bytes] = []
    mask, position = Field(0), 0
    for field, start in own.items():
        if frame[start : start + HASH_BYTES] == said.get(field):
            mask |= field
            parts.append(frame[position:start])
            position = start + HASH_BYTES
    return bytes([mask]) + b"".join(parts) + frame[position:] if mask else None


def restore(short: bytes, before: bytes) -> bytes:
    """Put back what a frame leaves out.

    Raises:
        RemoteError: ``malformed`` when the frame before does not say it, or the frame is no envelope.
    """
    if len(short) <= PARENTS_OFFSET + 1 or short[0] >= Field.CERTIFICATE << 1:
        raise RemoteError("malformed", "a shortened frame is too short, or leaves out what nobody knows")
    mask, said = Field(short[0]), _said(before)
    starts = _starts(short[1 + PARENTS_OFFSET])
    parts: list[bytes] = []
    position, length = 1, 0
    for field in mask:
        if field not in said:
            raise RemoteError("malformed", "a shortened frame leaves out what the frame before does not say")
        kept = short[position : position + starts[field] - length]
        parts += (kept, said[field])
        position += len(kept)
        length = starts[field] + HASH_BYTES
    restored = b"".join((*parts, short[position:]))
    if _fields(restored) is None:
        raise RemoteError("malformed", "a shortened frame is no envelope")
    return restored


def _starts(parents: int) -> dict[Field, int]:
    back = PARENTS_START + INSTANCE_ID_BYTES * parents
    return {
        Field.EPOCH: EPOCH_START,
        Field.PREVIOUS: PREVIOUS_START,
        Field.FORM_VERSION: back,
        Field.DICTIONARY: back + HASH_BYTES,
        Field.CERTIFICATE: back + 2 * HASH_BYTES,
    }


def _fields(frame: bytes) -> Mapping[Field, int] | None:
    """Return where the hashes of a frame begin; None where it is no envelope with such a header."""
    if not frame.startswith(MAGIC) or len(frame) < PARENTS_START + BACK_BYTES or frame[KIND_OFFSET] == Kind.EPOCH:
        return None
    starts = _starts(frame[PARENTS_OFFSET])
    return starts if len(frame) >= starts[Field.CERTIFICATE] + HASH_BYTES else None


def _said(before: bytes) -> Mapping[Field, bytes]:
    """Return the hashes that a frame says of the next one."""
    said = {Field.PREVIOUS: hashlib.sha256(before).digest()}
    starts = _fields(before)
    if starts is not None:
        return said | {
            field: before[start : start + HASH_BYTES] for field, start in starts.items() if field is not Field.PREVIOUS
        }
    if before.startswith(MAGIC) and len(before) >= PARENTS_START and before[KIND_OFFSET] == Kind.EPOCH:
        certificate = before[EPOCH_START : EPOCH_START + HASH_BYTES]
        return said | {Field.EPOCH: said[Field.PREVIOUS], Field.CERTIFICATE: certificate}
    return said
