"""An interview that the office hands to a device: one to be corrected, or an unfinished one of a former device.

Sealed to the receiving key of the device, bound to device and instance, and signed by a decision key of the keyring:
frame = HPKE ciphertext ‖ signature (64). Plaintext: `u32 length | JSON | instance XML`, deflated.
"""

import hashlib
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sync_protocol import frames, hpke
from sync_protocol.constants import LABEL_HANDOVER, PLAINTEXT_BYTES, SIGNATURE_BYTES, SUITE_X25519
from sync_protocol.documents import canonical_json
from sync_protocol.errors import ProtocolError, RemoteError
from sync_protocol.plaintext import Medium
from sync_protocol.signatures import Signer

LENGTH: Final = struct.Struct(">I")
Kind = Literal["returned", "draft"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What is handed over.

    Attributes:
        instance_xml: the revision that is given back, or the draft, verbatim.
        mode: survey, training or pilot.
        note: why it is given back, in the office's words; empty for a draft.
        household_key: of its assignment, empty where there is none.
        media: those that it has already: a correction names them again, and need not send them.
    """

    instance_xml: bytes
    mode: str
    note: str = ""
    household_key: str = ""
    media: tuple[Medium, ...] = ()


@dataclass(frozen=True, slots=True)
class Address:
    """To whom and about what: bound into seal and signature."""

    kind: Kind
    device_id: str
    instance_id: bytes
    form_version_hash: bytes

    @property
    def context(self) -> bytes:
        """The bytes that seal and signature are bound to; device ids hold no zero byte, the rest has fixed lengths."""
        parts = (LABEL_HANDOVER, self.kind.encode("ascii"), self.device_id.encode("utf-8"))
        return b"\x00".join(parts) + b"\x00" + self.instance_id + self.form_version_hash


def seal_handover(handover: Handover, address: Address, *, receiving_key: bytes, signer: Signer) -> bytes:
    """Seal and sign; return the frame.

    Args:
        receiving_key: (32,) raw X25519 public key that the device named last.
        signer: a decision key.
    """
    members = {
        "mode": handover.mode,
        "note": handover.note,
        "household_key": handover.household_key,
        "media": [
            {"name": one.name, "type": one.type, "bytes": one.length_bytes, "sha256": one.sha256, "key": one.key}
            for one in handover.media
        ],
    }
    encoded = canonical_json(members)
    plain = frames.deflate(LENGTH.pack(len(encoded)) + encoded + handover.instance_xml)
    sealed = hpke.seal(SUITE_X25519, receiving_key, plain, address.context)
    return sealed + signer.sign(_signed(address, sealed))


def verify_handover(frame: bytes, address: Address, *, decision_keys: Iterable[bytes]) -> None:
    """Check that the office signed a frame for this device and instance.

    Raises:
        RemoteError: ``signature-invalid``.
    """
    sealed, signature = frame[:-SIGNATURE_BYTES], frame[-SIGNATURE_BYTES:]
    for key in decision_keys:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, _signed(address, sealed))
        except (InvalidSignature, ValueError):
            continue
        return
    raise RemoteError("signature-invalid", "no decision key of the keyring signed this")


def open_handover(frame: bytes, address: Address, *, receiving_seed: bytes) -> Handover:
    """Open a frame that `verify_handover` has passed.

    Raises:
        RemoteError: ``undecryptable``, ``malformed``, ``too-large``.
    """
    try:
        opened = hpke.open_(SUITE_X25519, receiving_seed, frame[:-SIGNATURE_BYTES], address.context)
        plain = frames.inflate(opened, PLAINTEXT_BYTES)
        start = LENGTH.size + LENGTH.unpack_from(plain)[0]
        members = json.loads(plain[LENGTH.size : start])
        return Handover(
            instance_xml=plain[start:],
            mode=str(members["mode"]),
            note=str(members["note"]),
            household_key=str(members["household_key"]),
            media=tuple(
                Medium(
                    name=str(one["name"]),
                    type=str(one["type"]),
                    length_bytes=int(one["bytes"]),
                    sha256=str(one["sha256"]),
                    key=str(one["key"]),
                )
                for one in members["media"]
            ),
        )
    except ProtocolError as error:
        raise RemoteError(error.code, error.detail) from None
    except (struct.error, ValueError, TypeError, KeyError, RecursionError):
        raise RemoteError("malformed", "the handed over interview is not what it should be") from None


def _signed(address: Address, sealed: bytes) -> bytes:
    return address.context + hashlib.sha256(sealed).digest()
