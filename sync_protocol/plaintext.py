"""What is inside a sealed interview: `u32 length | manifest JSON | document`, deflated, then zeros up to a bucket.

The document of an interview is its instance XML, verbatim; of a decision, its JSON. Sealing does not pad and uses no
dictionary yet; opening accepts both, so that they can come without a new layout.
"""

import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any, Final, Self

from sync_protocol.constants import BUCKET_BYTES, PLAINTEXT_BYTES
from sync_protocol.documents import canonical_json
from sync_protocol.errors import EnvelopeError, LocalError

LENGTH: Final = struct.Struct(">I")
RAW_DEFLATE: Final = -15
LEVEL: Final = 9


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
        """Write the manifest as canonical JSON; what is empty is left out."""
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
                    name=str(medium["name"]),
                    type=str(medium["type"]),
                    length_bytes=int(medium["bytes"]),
                    sha256=str(medium["sha256"]),
                    key=str(medium["key"]),
                )
                for medium in members.get("media", ())
            )
            app_user = members.get("app_user")
            return cls(
                device_time=str(members["device_time"]),
                media=media,
                app_user=None if app_user is None else str(app_user),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise EnvelopeError("malformed", "the manifest is not what it should be") from None


def pack(manifest: Manifest, document: bytes, *, dictionary: bytes | None = None, bucket_bytes: int = 1) -> bytes:
    """Deflate manifest and document; pad with zeros to a multiple of the bucket.

    Raises:
        LocalError: ``too-large``.
    """
    encoded = manifest.encode()
    if LENGTH.size + len(encoded) + len(document) > PLAINTEXT_BYTES:
        raise LocalError("too-large", f"an interview has at most {PLAINTEXT_BYTES} bytes before it is deflated")
    settings: dict[str, Any] = {} if dictionary is None else {"zdict": dictionary}
    deflater = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW_DEFLATE, **settings)
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
