"""Signed documents, device certificates and the keyring."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sync_protocol.constants import SUITE_X25519, SUITE_X_WING
from sync_protocol.documents import (
    DeviceCertificate,
    canonical_json,
    decode_bytes,
    encode_bytes,
    key_id,
    read_document,
    sign_document,
)
from sync_protocol.errors import LocalError
from sync_protocol.keyring import Keyring, SurveyKey, newest

OFFICE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OFFICE_PUBLIC = OFFICE.public_key().public_bytes_raw()
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
STRANGER_PUBLIC = STRANGER.public_key().public_bytes_raw()
LABEL = "passerelle/1 test"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=10,
)
payloads = st.dictionaries(st.text(max_size=8), json_values, max_size=4)

CERTIFICATE = DeviceCertificate(
    device_id="d1",
    signing_key=bytes(32),
    receiving_key=bytes(range(32)),
    role="enumerator",
    enumerator="0001",
    team="01",
    issued_at="2026-11-24T00:00:00+00:00",
)
KEYRING = Keyring(
    serial=3,
    root_key=OFFICE_PUBLIC,
    issuer_keys=(b"i" * 32,),
    survey_keys=(
        SurveyKey(suite=SUITE_X_WING, public_key=b"a" * 1216, mode="survey", status="retired"),
        SurveyKey(suite=SUITE_X25519, public_key=b"b" * 32, mode="survey"),
        SurveyKey(suite=SUITE_X25519, public_key=b"c" * 32, mode="training"),
    ),
    receipt_keys=(b"r" * 32,),
    decision_keys=(b"d" * 32,),
    revocations=(b"v" * 32,),
)


@given(payloads)
def test_a_signed_document_reads_back_as_its_payload(payload: dict[str, object]) -> None:
    document = sign_document(payload, OFFICE, LABEL)
    assert read_document(document, (STRANGER_PUBLIC, OFFICE_PUBLIC), LABEL) == payload


@given(st.binary(max_size=64))
def test_bytes_and_their_text_are_inverse(value: bytes) -> None:
    assert decode_bytes(encode_bytes(value)) == value


def test_every_flipped_byte_of_a_document_is_detected() -> None:
    document = sign_document({"a": 1, "b": "é"}, OFFICE, LABEL)
    for position in range(len(document)):
        altered = bytearray(document)
        altered[position] ^= 0x01
        with pytest.raises(LocalError):
            read_document(bytes(altered), (OFFICE_PUBLIC,), LABEL)


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b"\xff", b'{"key":1,"payload":[],"signature":""}', b"[" * 100_000],
    ids=["empty", "list", "object", "not-text", "no-payload", "deep"],
)
def test_what_is_no_document_is_malformed(document: bytes) -> None:
    with pytest.raises(LocalError, match="malformed"):
        read_document(document, (OFFICE_PUBLIC,), LABEL)


def test_another_form_of_the_same_document_is_refused() -> None:
    document = sign_document({"a": 1}, OFFICE, LABEL)
    with pytest.raises(LocalError, match="canonical"):
        read_document(json.dumps(json.loads(document), indent=1).encode(), (OFFICE_PUBLIC,), LABEL)


def test_a_member_that_nobody_signed_is_refused() -> None:
    members = json.loads(sign_document({"a": 1}, OFFICE, LABEL))
    with pytest.raises(LocalError, match="malformed"):
        read_document(canonical_json(members | {"note": ""}), (OFFICE_PUBLIC,), LABEL)


def test_a_signature_is_written_in_one_way_only() -> None:
    document = sign_document({"a": 1}, OFFICE, LABEL)
    end = len(document) - 3  # the last character of the base64url has four spare bits
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for spare in range(1, 16):
        altered = bytearray(document)
        altered[end] = letters[letters.index(altered[end]) + spare]
        with pytest.raises(LocalError, match="malformed"):
            read_document(bytes(altered), (OFFICE_PUBLIC,), LABEL)


@pytest.mark.parametrize("text", ["+w", "/w", "_x", "A", "AA=", "AA==", "A A", "\u00e9A"])
def test_text_that_bytes_are_not_written_as_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_bytes(text)


def test_another_label_or_another_signer_is_refused() -> None:
    document = sign_document({"a": 1}, OFFICE, LABEL)
    with pytest.raises(LocalError, match="signature-invalid"):
        read_document(document, (OFFICE_PUBLIC,), "passerelle/1 other")
    with pytest.raises(LocalError, match="signature-invalid"):
        read_document(document, (STRANGER_PUBLIC,), LABEL)


def test_numbers_that_json_does_not_have_are_not_signed() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": float("nan")})


def test_a_certificate_reads_back_under_its_issuer_only() -> None:
    document = CERTIFICATE.issue(OFFICE)
    assert DeviceCertificate.read(document, (OFFICE_PUBLIC,)) == CERTIFICATE
    with pytest.raises(LocalError, match="signature-invalid"):
        DeviceCertificate.read(document, (STRANGER_PUBLIC,))


@pytest.mark.parametrize("key", ["signing_key", "receiving_key"])
def test_a_certificate_with_a_short_key_is_malformed(key: str) -> None:
    document = replace(CERTIFICATE, **{key: b"short"}).issue(OFFICE)  # type: ignore[arg-type]
    with pytest.raises(LocalError, match="malformed"):
        DeviceCertificate.read(document, (OFFICE_PUBLIC,))


def test_a_certificate_without_a_member_is_malformed() -> None:
    payload = CERTIFICATE.payload()
    del payload["team"]
    document = sign_document(payload, OFFICE, "passerelle/1 device certificate")
    with pytest.raises(LocalError, match="malformed"):
        DeviceCertificate.read(document, (OFFICE_PUBLIC,))


def test_a_keyring_reads_back_under_its_root_only() -> None:
    document = KEYRING.sign(OFFICE)
    assert Keyring.read(document, OFFICE_PUBLIC) == KEYRING
    with pytest.raises(LocalError, match="signature-invalid"):
        Keyring.read(document, STRANGER_PUBLIC)


def test_a_keyring_without_a_member_is_malformed() -> None:
    document = sign_document({"serial": 1}, OFFICE, "passerelle/1 keyring")
    with pytest.raises(LocalError, match="malformed"):
        Keyring.read(document, OFFICE_PUBLIC)


@pytest.mark.parametrize("member", ["issuer_keys", "receipt_keys", "decision_keys", "revocations"])
def test_a_keyring_with_a_short_key_is_malformed(member: str) -> None:
    document = replace(KEYRING, **{member: (b"k" * 32, b"short")}).sign(OFFICE)  # type: ignore[arg-type]
    with pytest.raises(LocalError, match="malformed"):
        Keyring.read(document, OFFICE_PUBLIC)


def test_sealing_uses_the_active_key_of_a_mode_and_opening_any() -> None:
    active = KEYRING.survey_key("survey")
    assert active is not None
    assert active.public_key == b"b" * 32
    assert KEYRING.survey_key("pilot") is None
    retired = KEYRING.survey_keys[0]
    assert KEYRING.survey_key_by_id(retired.id) == retired
    assert KEYRING.survey_key_by_id("00" * 8) is None


def test_retiring_a_survey_key_does_not_change_its_id() -> None:
    key = KEYRING.survey_keys[1]
    assert replace(key, status="retired").id == key.id


def test_a_receipt_key_is_found_by_its_id() -> None:
    assert KEYRING.receipt_key(key_id(b"r" * 32)) == b"r" * 32
    assert KEYRING.receipt_key("00" * 8) is None


def test_the_newest_serial_wins() -> None:
    newer = replace(KEYRING, serial=4)
    assert newest(KEYRING, newer) is newer
    assert newest(newer, KEYRING) is newer
    assert newest(KEYRING, replace(KEYRING, issuer_keys=())) is KEYRING
