"""The order to wipe a device: a document that a decision key of the keyring has signed, never a word of the server."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from sync_protocol.documents import DocumentSigner, read_document, sign_document
from sync_protocol.errors import LocalError

LABEL_WIPE: Final = "passerelle/1 wipe"


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
