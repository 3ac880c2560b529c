"""What every request of a device shares: its signature, and that of the answer.

Every answer to a POST is signed after the commit, refusals too: a device believes no other.
"""

import base64
import hashlib

from flask import Response, g, request

from server.context import current
from server.errors import DeviceUnknown
from sync_protocol import signatures
from sync_protocol.signatures import Place


def verify_signature(body: bytes) -> str:
    """Check a request's signature and return who signed it.

    Raises:
        DeviceUnknown: nobody here.
        RemoteError: ``digest-mismatch``, ``signature-invalid``.
    """
    headers = dict(request.headers)
    device_id = signatures.request_key_id(headers)
    signatures.verify_request(request.method, request.path, body, headers=headers, public_key=_key_of(device_id))
    g.verified_device = device_id  # from here on the log may name it
    return device_id


def verify_part_signature() -> tuple[str, Place, bytes]:
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
    return device_id, place, sha256


def sign(response: Response) -> Response:
    """Sign the answer to a POST."""
    if request.method == "POST":
        digest = _request_digest()
        if digest is not None:
            body = response.get_data()
            response.headers.update(
                current().keystore.sign_answer(
                    response.status_code, body, method="POST", path=request.path, request_digest=digest
                )
            )
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _key_of(device_id: str) -> bytes:
    public_key = current().signing_key(device_id)
    if public_key is None:
        raise DeviceUnknown(f"no device {device_id} is enrolled here")
    return public_key


def _request_digest() -> bytes | None:
    """Return the SHA-256 that the request says its body has: the device knows the answer to what it sent by it.

    What is stored has been checked against it. A refusal may be about a body that was cut, altered or too long to read.
    """
    found = signatures.DIGEST.fullmatch(request.headers.get("Content-Digest", ""))
    if found is not None:
        return base64.b64decode(found.group(1))
    return hashlib.sha256(g.body).digest() if "body" in g else None
