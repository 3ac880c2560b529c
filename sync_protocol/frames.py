"""The body of an exchange: `u32 length | deflated control JSON | n × (u32 length | frame)`, both ways.

Frames are envelopes on the way up, and form versions, sealed assignments and documents on the way down. A frame on the
way up whose length has its highest bit set is shortened (`sync_protocol.abbreviation`). All integers are big-endian.
Every limit is checked before memory is taken for what it limits, so hostile input costs no more than its own size;
zlib's `max_length` bounds the inflated control (a size named by the sender is never believed).
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from sync_protocol import abbreviation
from sync_protocol.constants import (
    CONTROL_BYTES,
    ENVELOPE_BYTES,
    EXCHANGE_BYTES,
    EXCHANGE_ENVELOPES,
    INFLATE_RATIO,
)
from sync_protocol.errors import LocalError, RemoteError

LENGTH = struct.Struct(">I")
SHORTENED = 1 << 31
RAW_DEFLATE = -15  # window bits: no zlib header, no checksum; the content digest covers the bytes
LEVEL = 6  # level 9 saves under 1 % on control JSON and costs twice the time on the acknowledging path


@dataclass(frozen=True, slots=True)
class Body:
    """The two parts of a body: inflated control JSON, and the frames as they came."""

    control: bytes
    frames: tuple[bytes, ...]


def encode_body(
    control: bytes, frames: Sequence[bytes], *, frame_bytes: int = ENVELOPE_BYTES, shortens: bool = False
) -> bytes:
    """Put control JSON and frames into one body; `shortens`: the frames are envelopes.

    Raises:
        LocalError: ``too-large`` for what `decode_body` refuses with the same `frame_bytes`.
    """
    deflated = deflate(control)
    if len(control) > min(CONTROL_BYTES, INFLATE_RATIO * len(deflated)):
        raise LocalError("too-large", f"a control of {len(control)} bytes, deflated to {len(deflated)}")
    if len(frames) > EXCHANGE_ENVELOPES or any(len(frame) > frame_bytes for frame in frames):
        raise LocalError("too-large", f"{len(frames)} frames, the longest of {max(map(len, frames))} bytes")
    parts = [LENGTH.pack(len(deflated)), deflated]
    before: bytes | None = None
    for frame in frames:
        short = abbreviation.shorten(frame, before) if shortens and before is not None else None
        parts += (LENGTH.pack(len(frame)), frame) if short is None else (LENGTH.pack(SHORTENED | len(short)), short)
        before = frame
    body = b"".join(parts)
    if len(body) > EXCHANGE_BYTES:
        raise LocalError("too-large", f"the body has {len(body)} bytes, at most {EXCHANGE_BYTES} may be sent")
    return body


def encoded_frame_bytes(frame_length: int) -> int:
    """Return what a frame of this length takes of a body at most, in bytes."""
    return LENGTH.size + frame_length


def decode_body(body: bytes, *, frame_bytes: int = ENVELOPE_BYTES) -> Body:
    """Take a body apart, shortened frames made whole.

    Args:
        body: the whole body, as received.
        frame_bytes: the longest frame that is accepted; envelopes on the way up, any pulled file on the way down.

    Raises:
        RemoteError: ``malformed`` for a torn or trailing length or a broken deflate stream; ``too-large`` when
            the body, the control, its inflate ratio, a frame or the number of frames is over its limit.
    """
    if len(body) > EXCHANGE_BYTES:
        raise RemoteError("too-large", f"the body has {len(body)} bytes, at most {EXCHANGE_BYTES} are accepted")
    if body[:1] >= b"\x80":
        raise RemoteError("malformed", "the control is shortened, and nothing is before it")
    deflated, position = _part(body, 0, "the control")
    control = inflate_control(deflated)
    frames: list[bytes] = []
    while position < len(body):
        if len(frames) == EXCHANGE_ENVELOPES:
            raise RemoteError("too-large", f"the body has more than {EXCHANGE_ENVELOPES} frames")
        is_short = body[position] & 0x80 != 0
        frame, position = _part(body, position, f"frame {len(frames)}")
        if is_short:
            frame = _whole(frame, frames)
        if len(frame) > frame_bytes:
            raise RemoteError("too-large", f"frame {len(frames)} has {len(frame)} bytes, at most {frame_bytes}")
        frames.append(frame)
    return Body(control=control, frames=tuple(frames))


def deflate(plain: bytes) -> bytes:
    """Deflate bytes, without header and checksum."""
    deflater = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW_DEFLATE)
    return deflater.compress(plain) + deflater.flush()


def inflate_control(deflated: bytes) -> bytes:
    """Inflate control JSON within its limits.

    Raises:
        RemoteError: ``malformed`` or ``too-large``.
    """
    return inflate(deflated, CONTROL_BYTES)


def inflate(deflated: bytes, at_most: int) -> bytes:
    """Inflate to at most so many bytes, and to at most the agreed ratio.

    Raises:
        RemoteError: ``malformed`` or ``too-large``.
    """
    inflater = zlib.decompressobj(RAW_DEFLATE)
    ceiling = min(at_most, INFLATE_RATIO * len(deflated))
    try:
        plain = inflater.decompress(deflated, ceiling + 1)
    except zlib.error:
        raise RemoteError("malformed", "not a deflate stream") from None
    if len(plain) > ceiling:
        raise RemoteError("too-large", f"inflates to more than {ceiling} bytes")
    if not inflater.eof or inflater.unused_data:
        raise RemoteError("malformed", "the deflate stream is torn or has bytes after its end")
    return plain


def _whole(short: bytes, before: Sequence[bytes]) -> bytes:
    if not before:
        raise RemoteError("malformed", "the first frame is shortened, and nothing is before it")
    return abbreviation.restore(short, before[-1])


def _part(body: bytes, position: int, name: str) -> tuple[bytes, int]:
    """Read one length and its bytes; return them and the position after them."""
    start = position + LENGTH.size
    if start > len(body):
        raise RemoteError("malformed", f"the body ends inside the length of {name}")
    length = LENGTH.unpack_from(body, position)[0] & ~SHORTENED
    end = start + length
    if end > len(body):
        raise RemoteError("malformed", f"{name} has {len(body) - start} of {length} bytes")
    return body[start:end], end
