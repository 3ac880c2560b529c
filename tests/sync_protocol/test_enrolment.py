"""The enrolment link and the proof of possession."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sync_protocol.enrolment import EnrolmentLink, encode_link, make_request, parse_link, server_id, verify_proof
from sync_protocol.errors import LocalError, RemoteError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ROOT = bytes(range(32, 64))
REQUEST = make_request(
    token="token",
    root_key=ROOT,
    signer=KEY,
    signing_key=KEY.public_key().public_bytes_raw(),
    receiving_key=bytes(32),
)


@given(
    base=st.sampled_from(["https://office.example", "http://127.0.0.1:8000", "https://office.example:8443"]),
    token=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    root=st.binary(min_size=32, max_size=32),
)
def test_a_link_comes_back_as_it_was(base: str, token: str, root: bytes) -> None:
    link = EnrolmentLink(base, token, root)
    assert parse_link(encode_link(link)) == link


def test_token_and_root_are_in_the_fragment_which_no_client_sends() -> None:
    text = encode_link(EnrolmentLink("https://office.example", "abc", ROOT))
    assert text.partition("#")[0] == "passerelle://office.example/"


@pytest.mark.parametrize(
    "text",
    [
        "", "passerelle://office.example/", "passerelle://office.example/#token=a", "passerelle://office.example/#root=AA",
        "passerelle://office.example/#token=a&root=AA", "passerelle:///#token=a&root=" + "A" * 43,
        "ftp://office.example/#token=a&root=" + "A" * 43, "passerelle://office.example:x/#token=a&root=" + "A" * 43,
        "passerelle://office.example/#token=a&token=b&root=" + "A" * 43, "passerelle://[::1/#token=a&root=" + "A" * 43,
    ],
)  # fmt: skip
def test_a_link_that_is_none_is_refused_with_advice(text: str) -> None:
    with pytest.raises(LocalError) as caught:
        parse_link(text)
    assert caught.value.code == "link-invalid"


def test_the_proof_of_a_device_verifies() -> None:
    verify_proof(REQUEST, root_key=ROOT)


@pytest.mark.parametrize(
    "changed",
    [{"token": "other"}, {"signing_key": bytes(32)}, {"receiving_key": bytes(range(32))}, {"proof": bytes(64)}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_proof_over_anything_else_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(RemoteError) as caught:
        verify_proof(replace(REQUEST, **changed), root_key=ROOT)  # type: ignore[arg-type]
    assert caught.value.code == "signature-invalid"


def test_a_proof_for_one_office_is_not_one_for_another() -> None:
    with pytest.raises(RemoteError):
        verify_proof(REQUEST, root_key=bytes(32))


def test_the_server_id_is_made_from_the_root() -> None:
    assert server_id(ROOT) != server_id(bytes(32))
    assert len(bytes.fromhex(server_id(ROOT))) == 16
