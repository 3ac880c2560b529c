"""What became of a parcel: receipts that go back by file, as the parcel came."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from sync_protocol.constants import HASH_BYTES
from sync_protocol.documents import DocumentSigner, decode_bytes, encode_bytes, read_document, sign_document
from sync_protocol.errors import LocalError
from sync_protocol.messages import ReceiptCode

LABEL_RECEIPTS: Final = "passerelle/1 receipts"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReceipts:
    """What became of a parcel, for the device that wrote it: a document that a receipt key of the keyring has signed.

    Attributes:
        server_id: of the office.
        issued_at: ISO 8601, UTC.
        receipts: (envelope id, code, sequence) of each envelope; the sequence is None for codes that did not store it.
        media: SHA-256 of the sealed media that are whole on the server.
    """

    server_id: str
    issued_at: str
    receipts: tuple[tuple[bytes, ReceiptCode, int | None], ...]
    media: tuple[bytes, ...] = ()

    def sign(self, receipt_key: DocumentSigner) -> bytes:
        """Return the signed document; to be made after the commit."""
        payload: dict[str, Any] = {
            "server_id": self.server_id,
            "issued_at": self.issued_at,
            "receipts": [[encode_bytes(one), int(code), sequence] for one, code, sequence in self.receipts],
            "media": [encode_bytes(sha256) for sha256 in self.media],
        }
        return sign_document(payload, receipt_key, LABEL_RECEIPTS)

    @classmethod
    def read(cls, document: bytes, receipt_keys: Iterable[bytes]) -> Self:
        """Check receipts against the receipt keys of the keyring and read them.

        Raises:
            LocalError: ``malformed`` or ``signature-invalid``.
        """
        payload = read_document(document, receipt_keys, LABEL_RECEIPTS)
        try:
            read = cls(
                server_id=str(payload["server_id"]),
                issued_at=str(payload["issued_at"]),
                receipts=tuple(
                    (decode_bytes(one), ReceiptCode(code), sequence) for one, code, sequence in payload["receipts"]
                ),
                media=tuple(decode_bytes(sha256) for sha256 in payload["media"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise LocalError("malformed", "a member of the receipts is missing or not what it should be") from None
        read._check()
        return read

    def _check(self) -> None:
        hashes = (*(one for one, _, _ in self.receipts), *self.media)
        numbers = (sequence for _, _, sequence in self.receipts)
        if any(len(one) != HASH_BYTES for one in hashes) or any(
            number is not None and (type(number) is not int or number < 0) for number in numbers
        ):
            raise LocalError("malformed", "a receipt names no envelope, or no sequence")
