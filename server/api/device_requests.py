"""What every request of a device shares: its signature, and that of the answer.

An answer to a POST is signed after the commit, as the answer to the body that the device sent: a device believes no
other. So it is signed only once it is known what the device sent. Whoever stands between them could pad a body, cut it
or change a header that no signature covers; a refusal of that is nobody's word, and the device tries again.
"""

import base64

from flask import Response, g, request

from server.context import current
from server.errors import DeviceUnknown
from sync_protocol import signatures
from sync_protocol.errors import RemoteError
from sync_protocol.signatures import Place


def verify_question() -> str:
    """Check the signature of a request without a body and return who signed it.

    Raises:
        DeviceUnknown: nobody here.
        RemoteError: ``digest-mismatch``, ``signature-invalid``.
    """
    headers = dict(request.headers)
    device_id = signatures.request_key_id(headers)
    signatures.verify_request(request.method, request.path, b"", headers=headers, public_key=_key_of(device_id))
    g.verified_device = device_id  # from here on the log may name it
    return device_id


def verify_claim() -> tuple[str, bytes]:
    """Check the signature of a POST whose body is not read yet.

    Returns:
        Who signed it, and the SHA-256 that its body must have: see `check_body`.

    Raises:
        DeviceUnknown: nobody here.
        RemoteError: ``signature-invalid``.
    """
    headers = dict(request.headers)
    device_id = signatures.request_key_id(headers)
    sha256 = signatures.verify_claim(request.path, headers=headers, public_key=_key_of(device_id))
    g.verified_device = device_id  # from here on the log may name it
    return device_id, sha256


def verify_part_claim() -> tuple[str, Place, bytes]:
    """Check the signature of a part of a medium, whose body is not read yet.

    Returns:
        Who signed it, where it belongs, and the SHA-256 that its body must have.

    Raises:
        DeviceUnknown: nobody here.
        RemoteError: ``signature-invalid``.
    """
    headers = dict(request.headers)
    device_id = signatures.request_key_id(headers, is_part=True)
    place, sha256 = signatures.verify_part(request.path, headers=headers, public_key=_key_of(device_id))
    g.verified_device = device_id
    return device_id, place, sha256


def check_body(body: bytes, sha256: bytes) -> None:
    """Compare a body with what was signed; from here on answers to it are signed.

    Raises:
        RemoteError: ``digest-mismatch``.
    """
    answer_to(sha256)
    if signatures.request_digest(body) != sha256:
        raise RemoteError("digest-mismatch", "the body is not the one that Content-Digest names: send it again")


def answer_to(sha256: bytes) -> None:
    """From here on, sign answers to this request as answers to the body of this SHA-256, which the device sent."""
    g.answered_sha256 = sha256


def sign(response: Response) -> Response:
    """Sign the answer to a POST, once it is known what it answers."""
    if request.method == "POST" and "answered_sha256" in g:
        response.headers.update(
            current().keystore.sign_answer(
                response.status_code,
                response.get_data(),
                method="POST",
                path=request.path,
                request_digest=g.answered_sha256,
            )
        )
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _key_of(device_id: str) -> bytes:
    """Return the signing key of a device.

    Raises:
        DeviceUnknown: nobody here. It is signed, because nobody here could check the request, and a device whose
            office was restored has to hear it: it ends a synchronisation and nothing else.
    """
    public_key = current().signing_key(device_id)
    if public_key is None:
        found = signatures.DIGEST.fullmatch(request.headers.get("Content-Digest", ""))
        if found is not None:
            answer_to(base64.b64decode(found.group(1)))
        raise DeviceUnknown(f"no device {device_id} is enrolled here")
    return public_key
