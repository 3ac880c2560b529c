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


# Plain numbers: this runs for each envelope on the acknowledging path, where a flag costs more than a hash.
_KIND: Final = int(Kind.EPOCH)
EPOCH: Final = int(Field.EPOCH)
PREVIOUS: Final = int(Field.PREVIOUS)
BACK: Final = (int(Field.FORM_VERSION), int(Field.DICTIONARY), int(Field.CERTIFICATE))
OF_EPOCH: Final = int(Field.EPOCH | Field.PREVIOUS | Field.CERTIFICATE)
"""What an epoch says of the next envelope."""
ALL: Final = OF_EPOCH | BACK[0] | BACK[1]


def shorten(frame: bytes, before: bytes) -> bytes | None:
    """Return a frame without what the one before says; None where it cannot be shortened."""
    if not _has_header(frame):
        return None
    said = _said(before)
    mask, position, parts = 0, 0, list[bytes]()
    for field, start in _starts(frame[PARENTS_OFFSET]):
        if field in said and frame[start : start + HASH_BYTES] == said[field]:
            mask |= field
            parts.append(frame[position:start])
            position = start + HASH_BYTES
    return bytes([mask]) + b"".join(parts) + frame[position:] if mask else None


def restore(short: bytes, before: bytes) -> bytes:
    """Put back what a frame leaves out.

    Raises:
        RemoteError: ``malformed`` when the frame before does not say it, or the frame is no envelope.
    """
    mask = short[0] if len(short) > PARENTS_OFFSET + 1 else ALL + 1
    if mask & ~_sayable(before):
        raise RemoteError("malformed", "a shortened frame leaves out what the frame before does not say")
    if mask == ALL:
        return _restored_all(short, before)
    said = _said(before)
    parts, position, whole = list[bytes](), 1, 0
    for field, start in _starts(short[1 + PARENTS_OFFSET]):
        if mask & field:
            end = position + start - whole
            parts += (short[position:end], said[field])
            position, whole = end, start + HASH_BYTES
    restored = b"".join((*parts, short[position:]))
    if not _has_header(restored):
        raise RemoteError("malformed", "a shortened frame is no envelope")
    return restored


def _restored_all(short: bytes, before: bytes) -> bytes:
    """Put back all five hashes at once: so are all but the first two envelopes of a day, on the acknowledging path."""
    own, back = 37 + INSTANCE_ID_BYTES * short[8], PARENTS_START + INSTANCE_ID_BYTES * before[PARENTS_OFFSET]
    if len(short) < own or not short.startswith(MAGIC, 1) or short[1 + KIND_OFFSET] == _KIND:
        raise RemoteError("malformed", "a shortened frame is no envelope")
    return b"".join(
        (
            short[1:9],
            before[EPOCH_START : EPOCH_START + HASH_BYTES],
            short[9:21],
            hashlib.sha256(before).digest(),
            short[21:own],
            before[back : back + BACK_BYTES],
            short[own:],
        )
    )


def _starts(parents: int) -> tuple[tuple[int, int], ...]:
    """Return each hash with where it begins in a header with so many parents."""
    back = PARENTS_START + INSTANCE_ID_BYTES * parents
    return (
        (EPOCH, EPOCH_START),
        (PREVIOUS, PREVIOUS_START),
        (BACK[0], back),
        (BACK[1], back + HASH_BYTES),
        (BACK[2], back + 2 * HASH_BYTES),
    )


def _has_header(frame: bytes) -> bool:
    """Say whether a frame is an envelope with such a header."""
    return (
        frame.startswith(MAGIC)
        and len(frame) >= PARENTS_START + BACK_BYTES
        and frame[KIND_OFFSET] != _KIND
        and len(frame) >= PARENTS_START + INSTANCE_ID_BYTES * frame[PARENTS_OFFSET] + BACK_BYTES
    )


def _sayable(before: bytes) -> int:
    """Return the hashes that a frame says of the next one, as a mask."""
    if _has_header(before):
        return ALL
    is_epoch = before.startswith(MAGIC) and len(before) >= PARENTS_START and before[KIND_OFFSET] == _KIND
    return OF_EPOCH if is_epoch else PREVIOUS


def _said(before: bytes) -> Mapping[int, bytes]:
    """Return the hashes that a frame says of the next one."""
    digest = hashlib.sha256(before).digest()
    sayable = _sayable(before)
    if sayable == PREVIOUS:
        return {PREVIOUS: digest}
    if sayable == OF_EPOCH:
        return {EPOCH: digest, PREVIOUS: digest, BACK[2]: before[EPOCH_START : EPOCH_START + HASH_BYTES]}
    back = PARENTS_START + INSTANCE_ID_BYTES * before[PARENTS_OFFSET]
    return {
        EPOCH: before[EPOCH_START : EPOCH_START + HASH_BYTES],
        PREVIOUS: digest,
        BACK[0]: before[back : back + HASH_BYTES],
        BACK[1]: before[back + HASH_BYTES : back + 2 * HASH_BYTES],
        BACK[2]: before[back + 2 * HASH_BYTES : back + 3 * HASH_BYTES],
    }
