"""Which answers a device believes: those that a receipt key of the keyring has signed, over the request they answer.

A key that the device does not know yet may come in the same answer, in a newer keyring: the root vouches for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sync_protocol import messages, signatures
from sync_protocol.errors import ProtocolError, RemoteError
from sync_protocol.keyring import Keyring
from sync_protocol.messages import ExchangeAnswer
from sync_protocol.pull_items import KeyringPull


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a transport to send as it is."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def newer_keyring(ours: Keyring, documents: Sequence[bytes]) -> tuple[Keyring, bytes] | None:
    """Return the newest keyring that is newer than ours; one that our root did not sign is passed over."""
    best, found = ours, None
    for document in documents:
        try:
            offered = Keyring.read(document, ours.root_key)
        except ProtocolError:
            continue
        if offered.serial > best.serial:
            best, found = offered, document
    return None if found is None else (best, found)


def verify(response: Response, request: Request, *, keyring: Keyring, brought: Sequence[bytes] = ()) -> None:
    """Check that a response answers this request, and that a receipt key signed it.

    Args:
        brought: keyrings that the response itself brings.

    Raises:
        RemoteError: ``digest-mismatch`` or ``signature-invalid``.
    """
    key_id = signatures.answer_key_id(response.headers)
    public_key = keyring.receipt_key(key_id)
    if public_key is None:
        newer = newer_keyring(keyring, brought)
        public_key = newer[0].receipt_key(key_id) if newer else None
    if public_key is None:
        raise RemoteError("signature-invalid", "the answer is signed by a key that is not in the keyring")
    signatures.verify_answer(
        response.status,
        response.body,
        headers=response.headers,
        method=request.method,
        path=request.path,
        request_digest=signatures.request_digest(request.body),
        public_key=public_key,
    )


def problem_keyrings(response: Response) -> list[bytes]:
    """Return the keyring that a refusal brings, if it is one.

    Raises:
        RemoteError: ``malformed``.
    """
    keyring = messages.decode_problem(response.status, response.body).keyring
    return [keyring] if keyring else []


def pulled_keyrings(answer: ExchangeAnswer) -> list[bytes]:
    """Return the keyrings that an exchange's answer brings."""
    return [item.document for item in answer.pull if isinstance(item, KeyringPull)]
