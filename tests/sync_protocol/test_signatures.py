"""Signatures of requests and answers."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from sync_protocol.errors import RemoteError
from sync_protocol.signatures import (
    Place,
    answer_key_id,
    content_digest,
    request_digest,
    request_key_id,
    sign_answer,
    sign_request,
    verify_answer,
    verify_part,
    verify_request,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
PATH = "/sync/v1/exchange"


def signed_request(body: bytes = b"body") -> dict[str, str]:
    return sign_request("POST", PATH, body, device_id="device-1", key=KEY)


def signed_answer(status: int = 200, body: bytes = b"answer", request: bytes = b"body") -> dict[str, str]:
    return sign_answer(
        status, body, method="POST", path=PATH, request_digest=request_digest(request), key=KEY, key_id="receipt-1"
    )


def check_answer(headers: dict[str, str], **changed: object) -> None:
    message = {
        "status": 200, "body": b"answer", "method": "POST", "path": PATH,
        "request_digest": request_digest(b"body"), "public_key": PUBLIC, **changed,
    }  # fmt: skip
    status, body = message.pop("status"), message.pop("body")
    verify_answer(status, body, headers=headers, **message)  # type: ignore[arg-type]


@given(body=st.binary(max_size=200), method=st.sampled_from(["GET", "HEAD", "POST"]))
def test_a_signed_request_verifies(body: bytes, method: str) -> None:
    headers = sign_request(method, PATH, body, device_id="device-1", key=KEY)
    assert request_key_id(headers) == "device-1"
    verify_request(method, PATH, body, headers=headers, public_key=PUBLIC)


@given(body=st.binary(max_size=200), status=st.integers(200, 599))
def test_a_signed_answer_verifies(body: bytes, status: int) -> None:
    headers = signed_answer(status, body)
    assert answer_key_id(headers) == "receipt-1"
    check_answer(headers, status=status, body=body)


def test_names_of_headers_are_read_in_any_case() -> None:
    headers = {name.upper(): value for name, value in signed_request().items()}
    verify_request("POST", PATH, b"body", headers=headers, public_key=PUBLIC)


def test_the_signature_base_is_that_of_rfc_9421() -> None:
    headers = signed_request()
    base = "\n".join(
        (
            '"@method": POST',
            '"@path": /sync/v1/exchange',
            f'"content-digest": {content_digest(b"body")}',
            '"@signature-params": ("@method" "@path" "content-digest")'
            ';keyid="device-1";alg="ed25519";tag="passerelle/1 request"',
        )
    )
    signature = base64.b64decode(headers["Signature"].removeprefix("passerelle=:").removesuffix(":"))
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(signature, base.encode())


def test_the_content_digest_is_that_of_rfc_9530() -> None:
    # RFC 9530, appendix B.1
    expected = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    assert content_digest(b'{"hello": "world"}\n') == expected


def test_another_body_is_a_digest_mismatch() -> None:
    with pytest.raises(RemoteError) as caught:
        verify_request("POST", PATH, b"bodY", headers=signed_request(), public_key=PUBLIC)
    assert caught.value.code == "digest-mismatch"


@pytest.mark.parametrize(
    ("method", "path", "key"), [("GET", PATH, PUBLIC), ("POST", "/sync/v1/enrol", PUBLIC), ("POST", PATH, OTHER)]
)
def test_a_request_moved_elsewhere_does_not_verify(method: str, path: str, key: bytes) -> None:
    with pytest.raises(RemoteError) as caught:
        verify_request(method, path, b"body", headers=signed_request(), public_key=key)
    assert caught.value.code == "signature-invalid"


@pytest.mark.parametrize(
    "changed",
    [
        {"status": 201},
        {"method": "GET"},
        {"path": "/sync/v1/enrol"},
        {"request_digest": request_digest(b"another request")},
        {"public_key": OTHER},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_an_answer_moved_elsewhere_does_not_verify(changed: dict[str, object]) -> None:
    with pytest.raises(RemoteError) as caught:
        check_answer(signed_answer(), **changed)
    assert caught.value.code == "signature-invalid"


@given(place=st.integers(0, 2), data=st.data())
def test_a_changed_character_in_any_header_is_refused(place: int, data: st.DataObject) -> None:
    headers = signed_answer()
    name = ("Content-Digest", "Signature-Input", "Signature")[place]
    index = data.draw(st.integers(0, len(headers[name]) - 1))
    character = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
    altered = headers[name][:index] + character + headers[name][index + 1 :]
    if altered == headers[name]:
        return
    with pytest.raises(RemoteError):
        check_answer({**headers, name: altered})


@pytest.mark.parametrize("missing", ["Content-Digest", "Signature-Input", "Signature"])
def test_a_message_without_one_of_its_headers_is_unsigned(missing: str) -> None:
    headers = {name: value for name, value in signed_request().items() if name != missing}
    with pytest.raises(RemoteError) as caught:
        verify_request("POST", PATH, b"body", headers=headers, public_key=PUBLIC)
    assert caught.value.code == "signature-invalid"


def test_a_header_given_twice_is_refused() -> None:
    headers = {**signed_request(), "signature": "passerelle=:AA==:"}
    with pytest.raises(RemoteError):
        verify_request("POST", PATH, b"body", headers=headers, public_key=PUBLIC)


def test_a_request_is_not_an_answer() -> None:
    with pytest.raises(RemoteError):
        answer_key_id(signed_request())
    with pytest.raises(RemoteError):
        request_key_id(signed_answer())


def test_fewer_covered_components_are_refused() -> None:
    headers = signed_request()
    headers["Signature-Input"] = headers["Signature-Input"].replace(' "content-digest"', "")
    with pytest.raises(RemoteError) as caught:
        verify_request("POST", PATH, b"body", headers=headers, public_key=PUBLIC)
    assert caught.value.code == "signature-invalid"


def test_a_public_key_that_is_none_is_a_refusal_and_not_a_traceback() -> None:
    with pytest.raises(RemoteError) as caught:
        verify_request("POST", PATH, b"body", headers=signed_request(), public_key=b"short")
    assert caught.value.code == "signature-invalid"


MEDIUM = "/sync/v1/media/" + "ab" * 32


def signed_part(body: bytes = b"part", place: Place | None = None) -> dict[str, str]:
    place = place or Place(16, 20)
    return sign_request("POST", MEDIUM, body, device_id="device-1", key=KEY, place=place)


@given(body=st.binary(max_size=200), offset=st.integers(0, 1 << 28), length_bytes=st.integers(0, 1 << 28))
def test_a_signed_part_verifies_before_and_after_its_body(body: bytes, offset: int, length_bytes: int) -> None:
    place = Place(offset, length_bytes)
    headers = signed_part(body, place)
    assert request_key_id(headers, is_part=True) == "device-1"
    assert verify_part(MEDIUM, headers=headers, public_key=PUBLIC) == (place, request_digest(body))
    assert verify_request("POST", MEDIUM, body, headers=headers, public_key=PUBLIC, is_part=True) == place


@pytest.mark.parametrize("name", ["Upload-Offset", "Upload-Length"])
@pytest.mark.parametrize("value", ["17", "016", "+16", "-1", " ", "1e1", "\u0661", "9" * 16])
def test_a_part_moved_within_its_medium_does_not_verify(name: str, value: str) -> None:
    with pytest.raises(RemoteError) as caught:
        verify_part(MEDIUM, headers={**signed_part(), name: value}, public_key=PUBLIC)
    assert caught.value.code == "signature-invalid"


@pytest.mark.parametrize("missing", ["Upload-Offset", "Upload-Length", "Content-Digest", "Signature"])
def test_a_part_without_one_of_its_headers_is_unsigned(missing: str) -> None:
    headers = {name: value for name, value in signed_part().items() if name != missing}
    with pytest.raises(RemoteError):
        verify_part(MEDIUM, headers=headers, public_key=PUBLIC)


def test_a_part_is_no_other_request_and_no_other_request_is_a_part() -> None:
    with pytest.raises(RemoteError):
        verify_request("POST", MEDIUM, b"part", headers=signed_part(), public_key=PUBLIC)
    plain = sign_request("POST", MEDIUM, b"part", device_id="device-1", key=KEY)
    with pytest.raises(RemoteError):
        verify_part(MEDIUM, headers={**plain, "Upload-Offset": "16", "Upload-Length": "20"}, public_key=PUBLIC)


def test_the_signature_base_of_a_part_is_that_of_rfc_9421() -> None:
    headers = signed_part()
    base = "\n".join(
        (
            '"@method": POST',
            f'"@path": {MEDIUM}',
            f'"content-digest": {content_digest(b"part")}',
            '"upload-offset": 16',
            '"upload-length": 20',
            '"@signature-params": ("@method" "@path" "content-digest" "upload-offset" "upload-length")'
            ';keyid="device-1";alg="ed25519";tag="passerelle/1 request"',
        )
    )
    signature = base64.b64decode(headers["Signature"].removeprefix("passerelle=:").removesuffix(":"))
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(signature, base.encode())
