"""Signed documents: canonical JSON, the signature of a named key over it, and device certificates.

A document is kept and passed on as the bytes that were signed; its hash is its name. Bytes that are not the canonical
form of what they say are refused, so one document has one hash.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sync_protocol.constants import HASH_BYTES, KEY_ID_BYTES
from sync_protocol.errors import LocalError

LABEL_CERTIFICATE = "passerelle/1 device certificate"


class DocumentSigner(Protocol):
    """An Ed25519 private key, or what stands for one."""

    def sign(self, data: bytes, /) -> bytes:
        """Return the signature, (64,)."""

    def public_key(self) -> Ed25519PublicKey:
        """Return the public half."""


def canonical_json(value: object) -> bytes:
    """Write JSON in its one canonical form: sorted members, no white space, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


def encode_bytes(value: bytes) -> str:
    """Write bytes as base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def decode_bytes(text: str) -> bytes:
    """Read base64url without padding.

    Raises:
        ValueError: when it is not that, or not the one way to write these bytes (the last character has spare bits).
    """
    value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encode_bytes(value) != text:
        raise ValueError("not in canonical form")
    return value


def document_hash(document: bytes) -> bytes:
    """Return the name of a document, (32,)."""
    return hashlib.sha256(document).digest()


def key_id(public_key: bytes) -> str:
    """Return the short name of a raw public key: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(public_key).digest()[:KEY_ID_BYTES].hex()


def sign_document(payload: Mapping[str, Any], signer: DocumentSigner, label: str) -> bytes:
    """Sign a payload of strings, integers, lists and objects under a label; return the document."""
    return canonical_json(
        {
            "key": key_id(signer.public_key().public_bytes_raw()),
            "payload": dict(payload),
            "signature": encode_bytes(signer.sign(_message(payload, label))),
        }
    )


def read_document(document: bytes, trusted: Iterable[bytes], label: str) -> dict[str, Any]:
    """Check a document and return its payload.

    Args:
        document: the bytes that `sign_document` returned.
        trusted: raw Ed25519 public keys, any of which may have signed it.
        label: what kind of document it must be.

    Raises:
        LocalError: ``malformed``; ``signature-invalid`` when no trusted key signed it.
    """
    try:
        members = json.loads(document)
        payload, named = members["payload"], members["key"]
        signature = decode_bytes(members["signature"])
        has_three = isinstance(payload, dict) and len(members) == 3  # a fourth member would be unsigned
        is_canonical = has_three and canonical_json(members) == document
    except (ValueError, TypeError, KeyError, RecursionError):
        raise LocalError("malformed", f"not a signed document ({label})") from None
    if not is_canonical:
        raise LocalError("malformed", f"not in canonical form ({label})")
    for public_key in trusted:
        if key_id(public_key) == named:
            try:
                Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _message(payload, label))
            except InvalidSignature:
                break
            return dict(payload)
    raise LocalError("signature-invalid", f"no trusted key signed this document ({label})")


def _message(payload: Mapping[str, Any], label: str) -> bytes:
    return label.encode("ascii") + b"\x00" + canonical_json(dict(payload))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCertificate:
    """What binds a device's keys to its enumerator, team and role; a change of role is a new certificate.

    Attributes:
        device_id: the device's name, chosen at enrolment.
        signing_key: (32,) raw Ed25519 public key.
        receiving_key: (32,) raw X25519 public key, to which the office seals assignments.
        role: enumerator, supervisor, manager or door.
        enumerator: the enumerator's code, empty where there is none.
        team: the team's code, empty where there is none.
        issued_at: ISO 8601, UTC.
    """

    device_id: str
    signing_key: bytes
    receiving_key: bytes
    role: str
    enumerator: str
    team: str
    issued_at: str

    def issue(self, issuer: DocumentSigner) -> bytes:
        """Sign the certificate with an issuer key of the keyring; return the document."""
        return sign_document(self.payload(), issuer, LABEL_CERTIFICATE)

    def payload(self) -> dict[str, str]:
        """Return the members that are signed."""
        return {
            "device_id": self.device_id,
            "signing_key": encode_bytes(self.signing_key),
            "receiving_key": encode_bytes(self.receiving_key),
            "role": self.role,
            "enumerator": self.enumerator,
            "team": self.team,
            "issued_at": self.issued_at,
        }

    @classmethod
    def read(cls, document: bytes, trusted: Iterable[bytes]) -> Self:
        """Check a certificate against issuer keys and read it.

        Raises:
            LocalError: ``malformed`` or ``signature-invalid``.
        """
        payload = read_document(document, trusted, LABEL_CERTIFICATE)
        try:
            certificate = cls(
                device_id=str(payload["device_id"]),
                signing_key=decode_bytes(payload["signing_key"]),
                receiving_key=decode_bytes(payload["receiving_key"]),
                role=str(payload["role"]),
                enumerator=str(payload["enumerator"]),
                team=str(payload["team"]),
                issued_at=str(payload["issued_at"]),
            )
        except (KeyError, TypeError, ValueError):
            raise LocalError("malformed", "a member of the device certificate is missing or not text") from None
        if len(certificate.signing_key) != HASH_BYTES or len(certificate.receiving_key) != HASH_BYTES:
            raise LocalError("malformed", "a key of the device certificate has not 32 bytes")
        return certificate
