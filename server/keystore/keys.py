"""Keys as the rest of the server sees them: they sign, and show only their public halves."""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sync_protocol.documents import document_hash

DOOR_ID: Final = "door"
OFFICE_ID: Final = "office"


class SigningKey:
    """An Ed25519 private key that signs and shows only its public half."""

    __slots__ = ("_private",)

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)

    def sign(self, data: bytes, /) -> bytes:
        """Return the signature, (64,)."""
        return self._private.sign(data)

    def public_key(self) -> Ed25519PublicKey:
        """Return the public half."""
        return self._private.public_key()

    @property
    def public_bytes(self) -> bytes:
        """The raw public half, (32,)."""
        return self._private.public_key().public_bytes_raw()


@dataclass(frozen=True, slots=True)
class Sealer:
    """Who seals envelopes on the server: its certificate, as a document and by its hash, and its signing key."""

    certificate: bytes
    certificate_hash: bytes
    signer: SigningKey

    @classmethod
    def of(cls, certificate: bytes, signer: SigningKey) -> "Sealer":
        """Return who seals under a certificate."""
        return cls(certificate=certificate, certificate_hash=document_hash(certificate), signer=signer)
