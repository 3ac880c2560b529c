"""How a device becomes known to an office: one request, whose answer is checked against the pinned root."""

from dataclasses import dataclass
from typing import Final

from sync_protocol import enrolment, messages, signatures
from sync_protocol.client.transport import Answer, Transport
from sync_protocol.documents import DeviceCertificate
from sync_protocol.enrolment import EnrolmentLink
from sync_protocol.errors import ProtocolError, RemoteError
from sync_protocol.keyring import Keyring
from sync_protocol.messages import EnrolRequest
from sync_protocol.signatures import Signer

ACCEPTED: Final = (200, 201)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A verified enrolment: the device's certificate and the office's keyring, read and as documents."""

    certificate: DeviceCertificate
    certificate_document: bytes
    keyring: Keyring
    keyring_document: bytes


def enrol(
    link: EnrolmentLink, transport: Transport, *, signer: Signer, signing_key: bytes, receiving_key: bytes
) -> Enrolled:
    """Enrol a device. The same link with the same keys may be tried again when an answer was lost.

    Raises:
        TransportError: when no answer came.
        RemoteError: the slug of the server's refusal, or what is wrong with its answer.
    """
    request = enrolment.make_request(
        token=link.token,
        root_key=link.root_key,
        signer=signer,
        signing_key=signing_key,
        receiving_key=receiving_key,
    )
    return _ask(request, transport, root_key=link.root_key)


def enrol_again(
    certificate: bytes,
    transport: Transport,
    *,
    root_key: bytes,
    signer: Signer,
    signing_key: bytes,
    receiving_key: bytes,
) -> Enrolled:
    """Make an office know a device again that it had enrolled and forgot: it was restored from an older backup.

    Raises:
        TransportError, RemoteError: as `enrol`.
    """
    request = enrolment.make_request_again(
        certificate=certificate,
        root_key=root_key,
        signer=signer,
        signing_key=signing_key,
        receiving_key=receiving_key,
    )
    return _ask(request, transport, root_key=root_key)


def _ask(request: EnrolRequest, transport: Transport, *, root_key: bytes) -> Enrolled:
    body = messages.encode_enrol_request(request)
    answer = transport.send("POST", messages.PATH_ENROL, {"Content-Type": messages.MEDIA_TYPE_JSON}, body)
    if answer.status not in ACCEPTED:
        raise _refusal(answer)
    enrolled = _read(answer, root_key, body)
    certificate = enrolled.certificate
    if (certificate.signing_key, certificate.receiving_key) != (request.signing_key, request.receiving_key):
        raise RemoteError("signature-invalid", "the certificate is for other keys than this device's")
    return enrolled


def _read(answer: Answer, root_key: bytes, request_body: bytes) -> Enrolled:
    """Read an answer: the root vouches for the keyring, the keyring for the receipt key and for the certificate."""
    members = messages.decode_enrol_answer(answer.body)
    keyring = Keyring.read(members.keyring, root_key)
    receipt_key = keyring.receipt_key(signatures.answer_key_id(answer.headers))
    if receipt_key is None:
        raise RemoteError("signature-invalid", "the answer is signed by a key that is not in the keyring")
    signatures.verify_answer(
        answer.status,
        answer.body,
        headers=answer.headers,
        method="POST",
        path=messages.PATH_ENROL,
        request_digest=signatures.request_digest(request_body),
        public_key=receipt_key,
    )
    certificate = DeviceCertificate.read(members.certificate, keyring.issuer_keys)
    if certificate.device_id != members.device_id:
        raise RemoteError("malformed", "the answer and its certificate name different devices")
    return Enrolled(
        certificate=certificate,
        certificate_document=members.certificate,
        keyring=keyring,
        keyring_document=members.keyring,
    )


def _refusal(answer: Answer) -> RemoteError:
    try:
        problem = messages.decode_problem(answer.status, answer.body)
    except ProtocolError:
        return RemoteError("malformed", f"the server answered {answer.status} without saying why: is this its address?")
    return RemoteError(problem.slug, problem.detail)
