"""Write the test vectors of the exchange: `python -m tests.vectors.make_exchange_vectors`. Keys in them are public.

Deflate is not canonical: a reader checks bodies by decoding them, and must not compare its own encoding with them.
"""

import hashlib
import json
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync_protocol import enrolment, messages, signatures
from sync_protocol.documents import DeviceCertificate, key_id
from sync_protocol.frames import decode_body
from sync_protocol.messages import (
    ExchangeAnswer,
    ExchangeRequest,
    Receipt,
    ReceiptCode,
)
from sync_protocol.pull_items import FormVersionPull

FOLDER = Path(__file__).parent / "exchange"
SEED = bytes(range(32))
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
PUBLIC = KEY.public_key().public_bytes_raw()
ROOT = bytes(range(64, 96))
ISSUER = Ed25519PrivateKey.from_private_bytes(bytes(range(128, 160)))
CERTIFICATE = DeviceCertificate(
    device_id=key_id(PUBLIC),
    signing_key=PUBLIC,
    receiving_key=bytes(32),
    role="enumerator",
    enumerator="0001",
    team="north",
    issued_at="2026-03-01T08:30:00+00:00",
).issue(ISSUER)
NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)


def deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def part(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def request_body() -> bytes:
    request = ExchangeRequest(
        device_id="device-1",
        counter=7,
        since="1.4",
        have=(bytes(range(16)),),
        envelopes=(b"first envelope", b"second envelope"),
        device_time=NOW,
        keyring_serial=3,
    )
    return messages.encode_request(request)


def answer_body() -> bytes:
    xform = b"<h:html/>"
    form = FormVersionPull(
        form_id="hh_remit", version="1", title="Form", hash=hashlib.sha256(xform).digest(), xform=xform
    )
    receipts = (Receipt(0, ReceiptCode.STORED, 12), Receipt(1, ReceiptCode.STORED, 13))
    return messages.encode_answer(ExchangeAnswer(server_time=NOW, receipts=receipts, cursor="1.5", pull=(form,)))


def body_vector(body: bytes) -> dict[str, Any]:
    parts = decode_body(body)
    frames = [frame.hex() for frame in parts.frames]
    return {"body": body.hex(), "control": json.loads(parts.control), "frames": frames}


def vectors() -> dict[str, dict[str, Any]]:
    """Return every vector by the name of its file."""
    request, answer = request_body(), answer_body()
    path, digest = messages.PATH_EXCHANGE, signatures.request_digest(request_body())
    asked = {"method": "POST", "path": path, "public_key": PUBLIC.hex(), "seed": SEED.hex()}
    request_headers = signatures.sign_request("POST", path, request, device_id="device-1", key=KEY)
    answer_headers = signatures.sign_answer(
        200, answer, method="POST", path=path, request_digest=digest, key=KEY, key_id="0123456789abcdef"
    )
    proof = enrolment.make_request(
        token="a-token", root_key=ROOT, signer=KEY, signing_key=PUBLIC, receiving_key=bytes(32)
    )
    link = enrolment.EnrolmentLink("https://office.example:8443", "a-token", ROOT)
    enrol = {
        "link": enrolment.encode_link(link),
        "base_url": link.base_url,
        "token": link.token,
        "root_key": ROOT.hex(),
        "server_id": enrolment.server_id(ROOT),
        "seed": SEED.hex(),
        "receiving_key": bytes(32).hex(),
        "request": json.loads(messages.encode_enrol_request(proof)),
    }
    again = enrolment.make_request_again(
        certificate=CERTIFICATE, root_key=ROOT, signer=KEY, signing_key=PUBLIC, receiving_key=bytes(32)
    )
    enrol_again = {
        "root_key": ROOT.hex(),
        "seed": SEED.hex(),
        "receiving_key": bytes(32).hex(),
        "certificate": CERTIFICATE.decode(),
        "request": json.loads(messages.encode_enrol_request(again)),
    }
    return {
        "request_body": body_vector(request),
        "answer_body": body_vector(answer),
        "request_signature": {**asked, "body": request.hex(), "headers": request_headers},
        "answer_signature": {
            **asked,
            "status": 200,
            "request_sha256": digest.hex(),
            "body": answer.hex(),
            "headers": answer_headers,
        },
        "enrolment": enrol,
        "enrolment_again": enrol_again,
        "fails_torn_length": {"body": part(deflate(b"{}")).hex() + "0000", "code": "malformed"},
        "fails_torn_frame": {"body": (part(deflate(b"{}")) + part(b"frame")[:-1]).hex(), "code": "malformed"},
        "fails_no_deflate": {"body": part(b"\xff\xff").hex(), "code": "malformed"},
        "fails_bytes_after_deflate": {"body": part(deflate(b"{}") + b"\x00").hex(), "code": "malformed"},
        "fails_not_json": {"body": part(deflate(b"{")).hex(), "code": "malformed"},
        "fails_ratio": {"body": part(deflate(b" " * 100_000)).hex(), "code": "too-large"},
        "fails_frames": {"body": (part(deflate(b"{}")) + part(b"") * 501).hex(), "code": "too-large"},
        "fails_version": {"body": part(deflate(b'{"version":2}')).hex(), "code": "version-unsupported"},
    }


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, vector in vectors().items():
        (FOLDER / f"{name}.json").write_text(json.dumps(vector, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
