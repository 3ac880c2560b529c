"""RFC 9421 message signatures with Ed25519, and RFC 9530 content digests.

A request is signed by the device over its method, path and content digest; an answer by a receipt key of the keyring
over its status, its content digest and the content digest, method and path of the request it answers. So an answer
cannot be moved to another request, and a proxy that ends TLS cannot write one. There is no clock in a signature.
A part of a medium is signed over its place in the medium too: where it begins, and how long the whole is.

Only one form of each header is accepted, to the byte: a covered component that a peer could leave out is a component
that an attacker could leave out.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sync_protocol.errors import RemoteError
from sync_protocol.messages import HEADER_LENGTH, HEADER_OFFSET

LABEL = "passerelle"
TAG_REQUEST = "passerelle/1 request"
TAG_ANSWER = "passerelle/1 answer"
COMPONENTS_REQUEST = '("@method" "@path" "content-digest")'
COMPONENTS_PART = '("@method" "@path" "content-digest" "upload-offset" "upload-length")'
COMPONENTS_ANSWER = '("@status" "content-digest" "@method";req "@path";req "content-digest";req)'
KEY_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
COUNT = re.compile(r"0|[1-9][0-9]{0,14}")
SIGNATURE = re.compile(LABEL + r"=:([A-Za-z0-9+/]{86}==):")


class Signer(Protocol):
    """What signs: an Ed25519 private key, or anything that keeps one."""

    def sign(self, data: bytes, /) -> bytes:
        """Return the 64-byte Ed25519 signature of the data."""
        ...


class Headers(Protocol):
    """Headers of a message, whatever framework holds them."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return names, in any case, and values."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of a medium belongs: it begins at byte `offset` of a ciphertext of `length_bytes`."""

    offset: int
    length_bytes: int


def content_digest(body: bytes) -> str:
    """Return the RFC 9530 header value of a body."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode('ascii')}:"


def request_digest(body: bytes) -> bytes:
    """Return the SHA-256 of a request body, which its answer's signature covers."""
    return hashlib.sha256(body).digest()


def sign_request(
    method: str, path: str, body: bytes, *, device_id: str, key: Signer, place: Place | None = None
) -> dict[str, str]:
    """Return the headers that authenticate a request of a device: three, and two more for a part of a medium.

    Args:
        method: GET, HEAD or POST, in capitals.
        path: the path of the request target, without a query.
        body: the whole body, empty for GET and HEAD.
        device_id: the key id: the server finds the device's signing key by it.
        key: the device's signing key.
        place: of a part of a medium, None for every other request.
    """
    digest = content_digest(body)
    parameters = _parameters(_components(place is not None), device_id, TAG_REQUEST)
    placed = {} if place is None else {HEADER_OFFSET: str(place.offset), HEADER_LENGTH: str(place.length_bytes)}
    base = _request_base(method, path, digest, place, parameters)
    return _headers(digest, parameters, key.sign(base)) | placed


def request_key_id(headers: Headers, *, is_part: bool = False) -> str:
    """Return the device id that a request, or a part of a medium, claims, unverified.

    Raises:
        RemoteError: ``signature-invalid`` when there is no well-formed signature of a device.
    """
    return _key_id(headers, _components(is_part), TAG_REQUEST)


def verify_request(
    method: str, path: str, body: bytes, *, headers: Headers, public_key: bytes, is_part: bool = False
) -> Place | None:
    """Check a request's content digest and signature; return the place of a part of a medium.

    Args:
        method: the method of the request, in capitals.
        path: the path of the request target, as received, without a query.
        body: the whole body, as received.
        headers: the headers of the request; names in any case.
        public_key: the raw 32-byte Ed25519 key of the device that `request_key_id` names.
        is_part: it is a part of a medium: its place must be signed.

    Raises:
        RemoteError: ``digest-mismatch`` when the body is not the one that was signed, ``signature-invalid`` otherwise.
    """
    place = _place(headers) if is_part else None
    parameters = _parameters(_components(is_part), request_key_id(headers, is_part=is_part), TAG_REQUEST)
    digest = _checked_digest(headers, body)
    _verify(_request_base(method, path, digest, place, parameters), headers, public_key)
    return place


def verify_claim(path: str, *, headers: Headers, public_key: bytes) -> bytes:
    """Check the signature of a POST before its body is read.

    Returns:
        The SHA-256, (32,), that its body must have: who reads the body compares it.

    Raises:
        RemoteError: ``signature-invalid``.
    """
    return _verify_claim(path, None, headers, public_key)


def verify_part(path: str, *, headers: Headers, public_key: bytes) -> tuple[Place, bytes]:
    """Check the signature of a part of a medium before its body is read.

    Returns:
        Where it belongs, and the SHA-256, (32,), that its body must have: who reads the body compares it.

    Raises:
        RemoteError: ``signature-invalid``.
    """
    place = _place(headers)
    return place, _verify_claim(path, place, headers, public_key)


def sign_answer(
    status: int,
    body: bytes,
    *,
    method: str,
    path: str,
    request_digest: bytes,
    key: Signer,
    key_id: str,
) -> dict[str, str]:
    """Return the three headers that sign a whole answer; to be made after the commit.

    Args:
        status: the HTTP status of the answer.
        body: the whole body of the answer.
        method: the method of the request.
        path: the path of the request.
        request_digest: (32,) SHA-256 of the request body, `request_digest(body)`.
        key: a receipt key.
        key_id: its id in the keyring.
    """
    digest = content_digest(body)
    parameters = _parameters(COMPONENTS_ANSWER, key_id, TAG_ANSWER)
    base = _answer_base(status, digest, (method, path, request_digest), parameters)
    return _headers(digest, parameters, key.sign(base))


def answer_key_id(headers: Headers) -> str:
    """Return the id of the receipt key that an answer claims, unverified.

    Raises:
        RemoteError: ``signature-invalid`` when there is no well-formed signature of an answer.
    """
    return _key_id(headers, COMPONENTS_ANSWER, TAG_ANSWER)


def verify_answer(
    status: int,
    body: bytes,
    *,
    headers: Headers,
    method: str,
    path: str,
    request_digest: bytes,
    public_key: bytes,
) -> None:
    """Check that an answer is whole, and that it answers this request.

    Raises:
        RemoteError: ``digest-mismatch`` or ``signature-invalid``.
    """
    parameters = _parameters(COMPONENTS_ANSWER, answer_key_id(headers), TAG_ANSWER)
    digest = _checked_digest(headers, body)
    _verify(_answer_base(status, digest, (method, path, request_digest), parameters), headers, public_key)


def _parameters(components: str, key_id: str, tag: str) -> str:
    return f'{components};keyid="{key_id}";alg="ed25519";tag="{tag}"'


def _headers(digest: str, parameters: str, signature: bytes) -> dict[str, str]:
    return {
        "Content-Digest": digest,
        "Signature-Input": f"{LABEL}={parameters}",
        "Signature": f"{LABEL}=:{base64.b64encode(signature).decode('ascii')}:",
    }


def _components(is_part: bool) -> str:
    return COMPONENTS_PART if is_part else COMPONENTS_REQUEST


def _request_base(method: str, path: str, digest: str, place: Place | None, parameters: str) -> bytes:
    """Build the signature base of RFC 9421 section 2.5 for a request."""
    lines = [f'"@method": {method}', f'"@path": {path}', f'"content-digest": {digest}']
    if place is not None:
        lines += [f'"upload-offset": {place.offset}', f'"upload-length": {place.length_bytes}']
    lines.append(f'"@signature-params": {parameters}')
    return "\n".join(lines).encode("utf-8")


def _answer_base(status: int, digest: str, request: tuple[str, str, bytes], parameters: str) -> bytes:
    """Build the signature base for an answer; components of the request carry `req` (RFC 9421 section 2.4)."""
    method, path, request_sha256 = request
    request_content_digest = f"sha-256=:{base64.b64encode(request_sha256).decode('ascii')}:"
    lines = (
        f'"@status": {status}',
        f'"content-digest": {digest}',
        f'"@method";req: {method}',
        f'"@path";req: {path}',
        f'"content-digest";req: {request_content_digest}',
        f'"@signature-params": {parameters}',
    )
    return "\n".join(lines).encode("utf-8")


def _key_id(headers: Headers, components: str, tag: str) -> str:
    given = _header(headers, "signature-input")
    start = f'{LABEL}={components};keyid="'
    end = f'";alg="ed25519";tag="{tag}"'
    key_id = given[len(start) : len(given) - len(end)]
    if given != f"{start}{key_id}{end}" or not KEY_ID.fullmatch(key_id):
        raise RemoteError("signature-invalid", f"Signature-Input must be {start}…{end}")
    return key_id


def _place(headers: Headers) -> Place:
    numbers = [_header(headers, name.lower()) for name in (HEADER_OFFSET, HEADER_LENGTH)]
    if not all(map(COUNT.fullmatch, numbers)):
        raise RemoteError("signature-invalid", "Upload-Offset and Upload-Length must be numbers of bytes")
    return Place(*map(int, numbers))


def _verify_claim(path: str, place: Place | None, headers: Headers, public_key: bytes) -> bytes:
    is_part = place is not None
    parameters = _parameters(_components(is_part), request_key_id(headers, is_part=is_part), TAG_REQUEST)
    digest = _given_digest(headers)
    _verify(_request_base("POST", path, digest, place, parameters), headers, public_key)
    return base64.b64decode(digest.removeprefix("sha-256=:").removesuffix(":"))


def _given_digest(headers: Headers) -> str:
    given = _header(headers, "content-digest")
    if not DIGEST.fullmatch(given):
        raise RemoteError("signature-invalid", "Content-Digest must be sha-256=:…:")
    return given


def _checked_digest(headers: Headers, body: bytes) -> str:
    given = _given_digest(headers)
    if given != content_digest(body):
        raise RemoteError("digest-mismatch", "the body is not the one that Content-Digest names: send it again")
    return given


def _verify(base: bytes, headers: Headers, public_key: bytes) -> None:
    found = SIGNATURE.fullmatch(_header(headers, "signature"))
    if found is None:
        raise RemoteError("signature-invalid", f"Signature must be {LABEL}=:…:")
    try:
        signature = binascii.a2b_base64(found.group(1), strict_mode=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, base)
    except (InvalidSignature, ValueError):
        raise RemoteError("signature-invalid", "the signature is not of this key over this message") from None


def _header(headers: Headers, name: str) -> str:
    """Return a header by its lower-case name; one that is absent or repeated is as good as unsigned."""
    values = [value for key, value in headers.items() if key.lower() == name]
    if len(values) != 1:
        raise RemoteError("signature-invalid", f"the message needs one {name} header")
    return values[0].strip()
