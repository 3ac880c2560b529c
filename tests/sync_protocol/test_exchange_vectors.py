"""The test vectors of the exchange, as a client in another language would run them."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync_protocol import enrolment, messages, signatures
from sync_protocol.errors import RemoteError
from sync_protocol.frames import decode_body

FOLDER = Path(__file__).parents[1] / "vectors" / "exchange"
FAILING = sorted(path.stem for path in FOLDER.glob("fails_*.json"))


def vector(name: str) -> dict[str, Any]:
    members: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return members


@pytest.mark.parametrize("name", ["request_body", "answer_body"])
def test_a_body_decodes_to_its_control_and_frames(name: str) -> None:
    expected = vector(name)
    parts = decode_body(bytes.fromhex(expected["body"]))
    assert json.loads(parts.control) == expected["control"]
    assert [frame.hex() for frame in parts.frames] == expected["frames"]


def test_the_request_and_the_answer_are_understood() -> None:
    request = messages.decode_request(bytes.fromhex(vector("request_body")["body"]))
    assert (request.counter, len(request.envelopes), len(request.have)) == (7, 2, 1)
    answer = messages.decode_answer(bytes.fromhex(vector("answer_body")["body"]))
    assert (answer.cursor, [receipt.sequence for receipt in answer.receipts]) == ("1.5", [12, 13])


def test_the_request_signature_is_made_and_verified() -> None:
    expected = vector("request_signature")
    body, key = bytes.fromhex(expected["body"]), bytes.fromhex(expected["public_key"])
    signatures.verify_request("POST", expected["path"], body, headers=expected["headers"], public_key=key)
    signer = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(expected["seed"]))
    made = signatures.sign_request("POST", expected["path"], body, device_id="device-1", key=signer)
    assert made == expected["headers"]


def test_the_answer_signature_is_made_and_verified() -> None:
    expected = vector("answer_signature")
    body = bytes.fromhex(expected["body"])
    asked = {
        "method": expected["method"],
        "path": expected["path"],
        "request_digest": bytes.fromhex(expected["request_sha256"]),
    }
    key = bytes.fromhex(expected["public_key"])
    signatures.verify_answer(200, body, headers=expected["headers"], public_key=key, **asked)
    signer = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(expected["seed"]))
    made = signatures.sign_answer(200, body, key=signer, key_id="0123456789abcdef", **asked)
    assert made == expected["headers"]


def test_the_enrolment_is_read_made_and_verified() -> None:
    expected = vector("enrolment")
    link = enrolment.parse_link(expected["link"])
    assert (link.base_url, link.token, link.root_key.hex()) == (
        expected["base_url"],
        expected["token"],
        expected["root_key"],
    )
    assert enrolment.server_id(link.root_key) == expected["server_id"]
    request = messages.decode_enrol_request(json.dumps(expected["request"]).encode())
    enrolment.verify_proof(request, root_key=link.root_key)
    signer = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(expected["seed"]))
    made = enrolment.make_request(
        token=link.token,
        root_key=link.root_key,
        signer=signer,
        signing_key=request.signing_key,
        receiving_key=bytes.fromhex(expected["receiving_key"]),
    )
    assert made == request


def test_the_enrolment_of_a_device_that_was_forgotten_is_made_and_verified() -> None:
    expected = vector("enrolment_again")
    request = messages.decode_enrol_request(json.dumps(expected["request"]).encode())
    enrolment.verify_proof(request, root_key=bytes.fromhex(expected["root_key"]))
    made = enrolment.make_request_again(
        certificate=expected["certificate"].encode(),
        root_key=bytes.fromhex(expected["root_key"]),
        signer=Ed25519PrivateKey.from_private_bytes(bytes.fromhex(expected["seed"])),
        signing_key=request.signing_key,
        receiving_key=bytes.fromhex(expected["receiving_key"]),
    )
    assert made == request
    both = {**expected["request"], "token": "a-token"}
    for members in (both, {name: both[name] for name in both if name not in ("token", "certificate")}):
        with pytest.raises(RemoteError, match="malformed"):
            messages.decode_enrol_request(json.dumps(members).encode())


def test_there_are_failing_vectors() -> None:
    assert len(FAILING) == 12


@pytest.mark.parametrize("name", FAILING)
def test_a_failing_body_is_refused_with_its_code(name: str) -> None:
    expected = vector(name)
    with pytest.raises(RemoteError) as caught:
        messages.decode_request(bytes.fromhex(expected["body"]))
    assert caught.value.code == expected["code"]
