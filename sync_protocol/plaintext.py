"""What is inside a sealed interview: `u32 length | manifest JSON | document`, deflated, then zeros up to a bucket.

The document of an interview is its instance XML, verbatim; of a decision, its JSON. Everything is padded, so that a
length tells little of what was answered; interviews and drafts are deflated with the dictionary of their form.
"""

import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any, Final, Self

from sync_protocol.constants import (
    APP_USER_CHARACTERS,
    BUCKET_BYTES,
    DEVICE_TIME_CHARACTERS,
    MEDIUM_CHARACTERS,
    PLAINTEXT_BYTES,
)
from sync_protocol.documents import canonical_json
from sync_protocol.errors import EnvelopeError, LocalError

LENGTH: Final = struct.Struct(">I")
RAW_DEFLATE: Final = -15
LEVEL: Final = 9
MEMORY_LEVEL: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """A file that belongs to an interview; its key opens its own Cobblestone stream.

    Attributes:
        name: file name as the form has it.
        type: media type.
        length_bytes: of the ciphertext.
        sha256: of the ciphertext, hexadecimal.
        key: (32,), hexadecimal.
    """

    name: str
    type: str
    length_bytes: int
    sha256: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What goes with the document: the device's clock as it was, ISO 8601; media; the app user at the OpenRosa door."""

    device_time: str
    media: tuple[Medium, ...] = field(default=())
    app_user: str | None = None

    def encode(self) -> bytes:
        """Write the manifest as canonical JSON; what is empty is left out.

        Raises:
            LocalError: ``malformed`` for what `decode` would refuse.
        """
        try:
            self._check()
        except (ValueError, TypeError):
            raise LocalError("malformed", "the manifest is not what it should be") from None
        members: dict[str, Any] = {"device_time": self.device_time}
        if self.media:
            members["media"] = [
                {
                    "name": medium.name,
                    "type": medium.type,
                    "bytes": medium.length_bytes,
                    "sha256": medium.sha256,
                    "key": medium.key,
                }
                for medium in self.media
            ]
        if self.app_user is not None:
            members["app_user"] = self.app_user
        return canonical_json(members)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Read a manifest; members that nobody here knows are ignored.

        Raises:
            EnvelopeError: ``malformed``.
        """
        try:
            members = json.loads(encoded)
            media = tuple(
                Medium(
                    name=medium["name"],
                    type=medium["type"],
                    length_bytes=medium["bytes"],
                    sha256=medium["sha256"],
                    key=medium["key"],
                )
                for medium in members.get("media", ())
            )
            manifest = cls(device_time=members["device_time"], media=media, app_user=members.get("app_user"))
            manifest._check()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise EnvelopeError("malformed", "the manifest is not what it should be") from None
        return manifest

    def _check(self) -> None:
        """Let pass only what every database and log can hold: one poisoned manifest must not stop a batch.

        Raises:
            ValueError, TypeError: when a member is not of its type, too long, or not plain text.
        """
        _check_text(self.device_time, DEVICE_TIME_CHARACTERS)
        if self.app_user is not None:
            _check_text(self.app_user, APP_USER_CHARACTERS)
        for medium in self.media:
            for text in (medium.name, medium.type, medium.sha256, medium.key):
                _check_text(text, MEDIUM_CHARACTERS)
            if type(medium.length_bytes) is not int or medium.length_bytes < 0:
                raise ValueError("not a number of bytes")


def _check_text(value: object, longest: int) -> None:
    if not isinstance(value, str) or len(value) > longest or "\x00" in value:
        raise ValueError("not a short text")
    value.encode("utf-8")  # refuses half of a surrogate pair


def framing(device_time: str) -> bytes:
    """Return what stands before the document of an interview without media: a dictionary ends with the like of it."""
    encoded = Manifest(device_time=device_time).encode()
    return LENGTH.pack(len(encoded)) + encoded


def pack(
    manifest: Manifest, document: bytes, *, dictionary: bytes | None = None, bucket_bytes: int = BUCKET_BYTES
) -> bytes:
    """Deflate manifest and document; pad with zeros to a multiple of the bucket.

    Raises:
        LocalError: ``too-large``; ``malformed`` for a manifest that could not be read again.
    """
    encoded = manifest.encode()
    if LENGTH.size + len(encoded) + len(document) > PLAINTEXT_BYTES:
        raise LocalError("too-large", f"an interview has at most {PLAINTEXT_BYTES} bytes before it is deflated")
    settings: dict[str, Any] = {} if dictionary is None else {"zdict": dictionary}
    deflater = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW_DEFLATE, MEMORY_LEVEL, **settings)
    deflated = deflater.compress(LENGTH.pack(len(encoded)) + encoded + document) + deflater.flush()
    return deflated + bytes(-len(deflated) % bucket_bytes)


def unpack(packed: bytes, *, dictionary: bytes | None = None) -> tuple[Manifest, bytes]:
    """Inflate into manifest and document; memory is bounded whatever the stream says.

    Raises:
        EnvelopeError: ``malformed``, ``too-large``, or ``trailing-bytes`` when anything but padding follows.
    """
    settings: dict[str, Any] = {} if dictionary is None else {"zdict": dictionary}
    inflater = zlib.decompressobj(RAW_DEFLATE, **settings)
    try:
        plain = inflater.decompress(packed, PLAINTEXT_BYTES + 1)
    except zlib.error:
        raise EnvelopeError("malformed", "the deflate stream is broken") from None
    if len(plain) > PLAINTEXT_BYTES:
        raise EnvelopeError("too-large", f"inflates to more than {PLAINTEXT_BYTES} bytes")
    if not inflater.eof:
        raise EnvelopeError("malformed", "the deflate stream has no end")
    padding = inflater.unused_data
    if len(padding) >= BUCKET_BYTES or padding.strip(b"\x00"):
        raise EnvelopeError("trailing-bytes", "something other than padding follows the deflate stream")
    return _split(plain)


def _split(plain: bytes) -> tuple[Manifest, bytes]:
    if len(plain) < LENGTH.size:
        raise EnvelopeError("malformed", "there is no manifest")
    end = LENGTH.size + LENGTH.unpack_from(plain)[0]
    if end > len(plain):
        raise EnvelopeError("malformed", "the manifest is longer than the plaintext")
    return Manifest.decode(plain[LENGTH.size : end]), plain[end:]
