"""How a device and a server come to know each other: the enrolment link, the server's id, the proof of possession.

The link travels as a QR code from the office to the tablet. It carries a single-use token and pins the office root;
both are in the fragment, which no HTTP client sends. All that the server answers is checked against that root.
"""

import hashlib
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from marshmallow import ValidationError

from sync_protocol.documents import encode_bytes
from sync_protocol.errors import LocalError, RemoteError
from sync_protocol.messages import EnrolRequest
from sync_protocol.schemas import decode_bytes
from sync_protocol.signatures import Signer

KEY_BYTES = 32
SERVER_ID_BYTES = 16
PROOF_LABEL = b"passerelle/1 enrol\x00"
AGAIN_LABEL = b"passerelle/1 enrol again\x00"
SERVER_LABEL = b"passerelle/1 server\x00"
SCHEMES = {"passerelle": "https", "passerelle+http": "http", "https": "https", "http": "http"}


@dataclass(frozen=True, slots=True)
class EnrolmentLink:
    """What the QR code says: where the server is, a single-use token, and the office root's raw public key."""

    base_url: str
    token: str
    root_key: bytes


def encode_link(link: EnrolmentLink) -> str:
    """Write a link: `passerelle://host[:port]/#token=…&root=…`, `passerelle+http://` where there is no TLS."""
    parts = urlsplit(link.base_url)
    scheme = "passerelle" if parts.scheme == "https" else "passerelle+http"
    fragment = urlencode({"token": link.token, "root": encode_bytes(link.root_key)})
    return f"{scheme}://{parts.netloc}/#{fragment}"


def parse_link(text: str) -> EnrolmentLink:
    """Read a link.

    Raises:
        LocalError: ``link-invalid``.
    """
    try:
        parts = urlsplit(text.strip())
        members = parse_qs(parts.fragment, strict_parsing=True, max_num_fields=10)
        (token,), (root,) = members["token"], members["root"]
        root_key = decode_bytes(root)
        has_port = parts.port is None or parts.port > 0
    except (ValueError, KeyError, ValidationError):
        raise _invalid_link() from None
    if parts.scheme not in SCHEMES or not parts.hostname or not has_port or len(root_key) != KEY_BYTES:
        raise _invalid_link()
    return EnrolmentLink(base_url=f"{SCHEMES[parts.scheme]}://{parts.netloc}", token=token, root_key=root_key)


def server_id(root_key: bytes) -> str:
    """Return the id of the office whose root this is: nobody chooses it, so nobody else can have it."""
    return hashlib.sha256(SERVER_LABEL + root_key).digest()[:SERVER_ID_BYTES].hex()


def make_request(
    *, token: str, root_key: bytes, signer: Signer, signing_key: bytes, receiving_key: bytes
) -> EnrolRequest:
    """Make the request of a device, with the proof that it holds its signing key.

    The proof names the root that the device pinned, so that it cannot be passed on to another office.
    """
    message = _proof_message(PROOF_LABEL, token_hash(token), root_key, signing_key, receiving_key)
    return EnrolRequest(token=token, signing_key=signing_key, receiving_key=receiving_key, proof=signer.sign(message))


def make_request_again(
    *, certificate: bytes, root_key: bytes, signer: Signer, signing_key: bytes, receiving_key: bytes
) -> EnrolRequest:
    """Make the request of a device that the office has forgotten, e.g. because it was restored from a backup.

    Args:
        certificate: the document that the office gave to the device when it enrolled.
        receiving_key: of the certificate, too.
    """
    digest = hashlib.sha256(certificate).digest()
    proof = signer.sign(_proof_message(AGAIN_LABEL, digest, root_key, signing_key, receiving_key))
    return EnrolRequest(certificate=certificate, signing_key=signing_key, receiving_key=receiving_key, proof=proof)


def verify_proof(request: EnrolRequest, *, root_key: bytes) -> None:
    """Check a device's proof of possession.

    Raises:
        RemoteError: ``signature-invalid``.
    """
    keys = (root_key, request.signing_key, request.receiving_key)
    if request.certificate is None:
        message = _proof_message(PROOF_LABEL, token_hash(request.token), *keys)
    else:
        message = _proof_message(AGAIN_LABEL, hashlib.sha256(request.certificate).digest(), *keys)
    try:
        Ed25519PublicKey.from_public_bytes(request.signing_key).verify(request.proof, message)
    except (InvalidSignature, ValueError):
        raise RemoteError("signature-invalid", "the proof is not of this signing key for this office") from None


def token_hash(token: str) -> bytes:
    """Return the SHA-256 of a token: what the server keeps of it, (32,)."""
    return hashlib.sha256(token.encode("utf-8")).digest()


def _proof_message(label: bytes, named: bytes, root_key: bytes, signing_key: bytes, receiving_key: bytes) -> bytes:
    """Join fixed-length parts after the label, so that no two different requests have one message."""
    return label + bytes.fromhex(server_id(root_key)) + named + signing_key + receiving_key


def _invalid_link() -> LocalError:
    return LocalError(
        "link-invalid", "an enrolment link reads passerelle://host/#token=…&root=…: scan the office's code again"
    )
