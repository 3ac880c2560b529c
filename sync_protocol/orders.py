"""What the office orders of devices: documents that a decision key of the keyring has signed, never a server's word."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from sync_protocol.constants import INSTANCE_ID_BYTES
from sync_protocol.documents import DocumentSigner, decode_bytes, encode_bytes, read_document, sign_document
from sync_protocol.errors import LocalError

LABEL_WIPE: Final = "passerelle/1 wipe"
LABEL_ERASURE: Final = "passerelle/1 erasure"


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeOrder:
    """Which device is to wipe itself once all that it holds has been receipted; `ordered_at` is ISO 8601, UTC."""

    device_id: str
    ordered_at: str

    def sign(self, decision_key: DocumentSigner) -> bytes:
        """Return the signed document."""
        return sign_document({"device_id": self.device_id, "ordered_at": self.ordered_at}, decision_key, LABEL_WIPE)

    @classmethod
    def read(cls, document: bytes, decision_keys: Iterable[bytes]) -> Self:
        """Check an order and read it.

        Raises:
            LocalError: ``malformed`` or ``signature-invalid``.
        """
        payload = read_document(document, decision_keys, LABEL_WIPE)
        try:
            return cls(device_id=str(payload["device_id"]), ordered_at=str(payload["ordered_at"]))
        except KeyError:
            raise LocalError("malformed", "a member of the wipe order is missing") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureOrder:
    """Instances, (16,) each, whose people have withdrawn their consent; `ordered_at` is ISO 8601, UTC."""

    instance_ids: tuple[bytes, ...]
    ordered_at: str

    def sign(self, decision_key: DocumentSigner) -> bytes:
        """Return the signed document."""
        payload = {"instance_ids": [encode_bytes(one) for one in self.instance_ids], "ordered_at": self.ordered_at}
        return sign_document(payload, decision_key, LABEL_ERASURE)

    @classmethod
    def read(cls, document: bytes, decision_keys: Iterable[bytes]) -> Self:
        """Check an order and read it.

        Raises:
            LocalError: ``malformed`` or ``signature-invalid``.
        """
        payload = read_document(document, decision_keys, LABEL_ERASURE)
        try:
            instance_ids = tuple(decode_bytes(one) for one in payload["instance_ids"])
            order = cls(instance_ids=instance_ids, ordered_at=str(payload["ordered_at"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise LocalError("malformed", "a member of the order to erase is missing or not what it must be") from None
        if any(len(one) != INSTANCE_ID_BYTES for one in instance_ids):
            raise LocalError("malformed", "the order to erase names no instance")
        return order
