"""The keyring: one document, signed by the office root, that names every key in use.

The newest serial wins and an older one never comes back. A server cannot swap a key that is named here. Device
certificates are signed by an issuer key of the keyring, so that the root can stay offline.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from sync_protocol.constants import HASH_BYTES, KEY_ID_BYTES
from sync_protocol.documents import (
    DocumentSigner,
    canonical_json,
    decode_bytes,
    encode_bytes,
    key_id,
    read_document,
    sign_document,
)
from sync_protocol.errors import LocalError

LABEL_KEYRING = "passerelle/1 keyring"


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyKey:
    """A public key to which epochs of one mode are sealed.

    Attributes:
        suite: of `constants`.
        public_key: raw, 1216 bytes for X-Wing, 32 for X25519.
        mode: survey, training or pilot.
        status: ``active`` to seal to, ``retired`` to open only.
    """

    suite: int
    public_key: bytes
    mode: str
    status: str = "active"

    @property
    def certificate_hash(self) -> bytes:
        """Hash of what the root says of this key, (32,): bound into each epoch. The status is not part of it."""
        members = {"suite": self.suite, "public_key": encode_bytes(self.public_key), "mode": self.mode}
        return hashlib.sha256(canonical_json(members)).digest()

    @property
    def id(self) -> str:
        """16 hexadecimal digits of the certificate hash."""
        return self.certificate_hash[:KEY_ID_BYTES].hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """All public keys of an office, raw; and the hashes of revoked device certificates."""

    serial: int
    root_key: bytes
    issuer_keys: tuple[bytes, ...]
    survey_keys: tuple[SurveyKey, ...]
    receipt_keys: tuple[bytes, ...]
    decision_keys: tuple[bytes, ...] = ()
    revocations: tuple[bytes, ...] = field(default=())

    def survey_key(self, mode: str) -> SurveyKey | None:
        """Return the active key of a mode; the last named one where there are several."""
        found = [key for key in self.survey_keys if key.mode == mode and key.status == "active"]
        return found[-1] if found else None

    def survey_key_by_id(self, wanted: str) -> SurveyKey | None:
        """Return a survey key, active or retired, by its id."""
        return next((key for key in self.survey_keys if key.id == wanted), None)

    def receipt_key(self, wanted: str) -> bytes | None:
        """Return the raw receipt key of a key id."""
        return next((key for key in self.receipt_keys if key_id(key) == wanted), None)

    def sign(self, root: DocumentSigner) -> bytes:
        """Sign the keyring with the office root; return the document."""
        return sign_document(self._payload(), root, LABEL_KEYRING)

    def _payload(self) -> dict[str, Any]:
        return {
            "serial": self.serial,
            "issuer_keys": [encode_bytes(key) for key in self.issuer_keys],
            "survey_keys": [
                {
                    "suite": key.suite,
                    "public_key": encode_bytes(key.public_key),
                    "mode": key.mode,
                    "status": key.status,
                }
                for key in self.survey_keys
            ],
            "receipt_keys": [encode_bytes(key) for key in self.receipt_keys],
            "decision_keys": [encode_bytes(key) for key in self.decision_keys],
            "revocations": [encode_bytes(value) for value in self.revocations],
        }

    @classmethod
    def read(cls, document: bytes, root_key: bytes) -> Self:
        """Check a keyring against the office root and read it.

        Raises:
            LocalError: ``malformed`` or ``signature-invalid``.
        """
        payload = read_document(document, (root_key,), LABEL_KEYRING)
        try:
            return cls(
                serial=int(payload["serial"]),
                root_key=root_key,
                issuer_keys=_keys(payload["issuer_keys"]),
                survey_keys=tuple(
                    SurveyKey(
                        suite=int(members["suite"]),
                        public_key=decode_bytes(members["public_key"]),
                        mode=str(members["mode"]),
                        status=str(members["status"]),
                    )
                    for members in payload["survey_keys"]
                ),
                receipt_keys=_keys(payload["receipt_keys"]),
                decision_keys=_keys(payload["decision_keys"]),
                revocations=_keys(payload["revocations"]),
            )
        except (KeyError, TypeError, ValueError):
            raise LocalError("malformed", "a member of the keyring is missing or of the wrong type") from None


def newest(first: Keyring, second: Keyring) -> Keyring:
    """Return the keyring with the higher serial; the first where they are equal."""
    return second if second.serial > first.serial else first


def _keys(texts: Iterable[str]) -> tuple[bytes, ...]:
    keys = tuple(decode_bytes(text) for text in texts)
    if any(len(key) != HASH_BYTES for key in keys):
        raise ValueError("not a key or hash of 32 bytes")
    return keys
