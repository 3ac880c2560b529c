"""The epoch envelope: a device-day's key, wrapped to the survey key.

Layout: magic 4 | version u8 | suite u8 | kind u8 | wraps u8 | certificate hash 32 | nonce 32 | sequence u64 |
previous 32 | wraps × (key id 8 | length u16 | HPKE ciphertext) | Ed25519 signature 64. The first wrap is to the
survey key; a second one, to a team key, may follow.
"""

import struct
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sync_protocol import hpke
from sync_protocol.constants import (
    ENVELOPE_VERSION,
    HASH_BYTES,
    KEY_ID_BYTES,
    LABEL_ENVELOPE,
    LABEL_EPOCH,
    MAGIC,
    SIGNATURE_BYTES,
    SUITE_X25519,
    SUITE_X_WING,
    Kind,
)
from sync_protocol.documents import document_hash
from sync_protocol.errors import EnvelopeError, LocalError
from sync_protocol.keyring import SurveyKey
from sync_protocol.signatures import Signer

FRONT: Final = struct.Struct(">4sBBBB32s32sQ32s")
WRAP: Final = struct.Struct(f">{KEY_ID_BYTES}sH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """An epoch as read from its envelope, before any check of signature or key.

    Attributes:
        hash: (32,) id of the envelope; interviews name it.
        survey_key_id: 16 hexadecimal digits.
        wrapped: HPKE ciphertext of the epoch key for the survey key.
    """

    hash: bytes
    suite: int
    certificate_hash: bytes
    nonce: bytes
    sequence: int
    previous: bytes
    survey_key_id: str
    wrapped: bytes
    body: bytes

    @property
    def kind(self) -> Kind:
        """Always an epoch."""
        return Kind.EPOCH


def make_epoch(
    *,
    survey_key: SurveyKey,
    certificate_hash: bytes,
    signer: Signer,
    sequence: int,
    previous: bytes,
    nonce: bytes,
    epoch_key: bytes,
) -> bytes:
    """Wrap an epoch key to the survey key and sign it; return the envelope.

    Args:
        certificate_hash: (32,) of the device.
        sequence, previous: place in the device's chain, and (32,) id of its last envelope (zeros: none).
        nonce: (32,) random.
        epoch_key: (32,) random, EK_0.

    Raises:
        LocalError: ``malformed`` for parts of the wrong length.
    """
    if any(len(value) != HASH_BYTES for value in (certificate_hash, previous, nonce, epoch_key)):
        raise LocalError("malformed", f"hashes, nonce and key have {HASH_BYTES} bytes")
    info = _info(survey_key.certificate_hash, certificate_hash, nonce)
    wrapped = hpke.seal(survey_key.suite, survey_key.public_key, epoch_key, info)
    front = FRONT.pack(
        *(MAGIC, ENVELOPE_VERSION, survey_key.suite, Kind.EPOCH, 1, certificate_hash, nonce, sequence, previous)
    )
    unsigned = front + WRAP.pack(bytes.fromhex(survey_key.id), len(wrapped)) + wrapped
    return unsigned + signer.sign(LABEL_ENVELOPE + unsigned)


def parse_epoch(body: bytes) -> Epoch:
    """Take an epoch envelope apart, without any check of signature or key.

    Raises:
        EnvelopeError: ``truncated``, ``malformed``, ``unknown-version``, ``unknown-suite``.
    """
    if len(body) < FRONT.size + WRAP.size + SIGNATURE_BYTES:
        raise EnvelopeError("truncated", "shorter than any epoch")
    magic, version, suite, kind, wraps, certificate_hash, nonce, sequence, previous = FRONT.unpack_from(body)
    if magic != MAGIC or kind != Kind.EPOCH or not wraps:
        raise EnvelopeError("malformed", "not an epoch")
    check_version(version, suite)
    found: list[tuple[bytes, bytes]] = []
    position, end = FRONT.size, len(body) - SIGNATURE_BYTES
    for _ in range(wraps):
        if position + WRAP.size > end:
            raise EnvelopeError("truncated", "a wrapped key is missing")
        key_id, length = WRAP.unpack_from(body, position)
        position += WRAP.size
        found.append((key_id, body[position : position + length]))
        position += length
    if position != end:
        raise EnvelopeError("truncated" if position > end else "trailing-bytes", "lengths do not add up")
    return Epoch(
        hash=document_hash(body),
        suite=suite,
        certificate_hash=certificate_hash,
        nonce=nonce,
        sequence=sequence,
        previous=previous,
        survey_key_id=found[0][0].hex(),
        wrapped=found[0][1],
        body=body,
    )


def verify_epoch(epoch: Epoch, public_key: bytes) -> None:
    """Check an epoch's signature by the raw signing key of its certificate.

    Raises:
        EnvelopeError: ``signature-invalid``.
    """
    verify_signature(epoch.body, public_key)


def open_epoch(epoch: Epoch, seed: bytes, survey_key: SurveyKey) -> bytes:
    """Unwrap the epoch key, (32,).

    Args:
        seed: (32,) private key of the survey key.
        survey_key: as the keyring names it.

    Raises:
        EnvelopeError: ``undecryptable``; ``wrong-survey-key`` when it was wrapped to another.
    """
    if epoch.survey_key_id != survey_key.id or epoch.suite != survey_key.suite:
        raise EnvelopeError("wrong-survey-key", "the epoch is wrapped to another survey key")
    info = _info(survey_key.certificate_hash, epoch.certificate_hash, epoch.nonce)
    epoch_key = hpke.open_(epoch.suite, seed, epoch.wrapped, info)
    if len(epoch_key) != HASH_BYTES:
        raise EnvelopeError("undecryptable", "the epoch key has not 32 bytes")
    return epoch_key


def check_version(version: int, suite: int) -> None:
    """Refuse what this version cannot read.

    Raises:
        EnvelopeError: ``unknown-version``, ``unknown-suite``.
    """
    if version != ENVELOPE_VERSION:
        raise EnvelopeError("unknown-version", f"envelope version {version}")
    if suite not in (SUITE_X_WING, SUITE_X25519):
        raise EnvelopeError("unknown-suite", f"suite {suite}")


def verify_signature(body: bytes, public_key: bytes) -> None:
    """Check the Ed25519 signature in the last 64 bytes of an envelope over all before it.

    Raises:
        EnvelopeError: ``signature-invalid``.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            body[-SIGNATURE_BYTES:], LABEL_ENVELOPE + body[:-SIGNATURE_BYTES]
        )
    except (InvalidSignature, ValueError):
        raise EnvelopeError("signature-invalid", "not signed by the device that it names") from None


def _info(survey_key_hash: bytes, certificate_hash: bytes, nonce: bytes) -> bytes:
    return LABEL_EPOCH + survey_key_hash + certificate_hash + nonce
