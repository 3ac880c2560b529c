"""Orders to wipe a device and to erase interviews are believed from a decision key only."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sync_protocol.documents import sign_document
from sync_protocol.errors import LocalError
from sync_protocol.orders import LABEL_ERASURE, LABEL_WIPE, ErasureOrder, WipeOrder

OFFICE = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
KEYS = (OTHER.public_key().public_bytes_raw(), OFFICE.public_key().public_bytes_raw())
ORDER = WipeOrder(device_id="0123456789abcdef", ordered_at="2026-11-24T08:00:00+00:00")


@given(device_id=st.text(max_size=64), ordered_at=st.text(max_size=40))
def test_an_order_is_read_back(device_id: str, ordered_at: str) -> None:
    order = WipeOrder(device_id=device_id, ordered_at=ordered_at)
    assert WipeOrder.read(order.sign(OFFICE), KEYS) == order


def test_an_order_of_any_other_key_is_refused() -> None:
    with pytest.raises(LocalError) as refused:
        WipeOrder.read(ORDER.sign(OTHER), KEYS[1:])
    assert refused.value.code == "signature-invalid"


@given(place=st.integers(0, len(ORDER.sign(OFFICE)) - 1), bit=st.integers(0, 7))
def test_an_altered_order_is_refused(place: int, bit: int) -> None:
    altered = bytearray(ORDER.sign(OFFICE))
    altered[place] ^= 1 << bit
    with pytest.raises(LocalError):
        WipeOrder.read(bytes(altered), KEYS)


@pytest.mark.parametrize("payload", [{}, {"device_id": "d"}, {"ordered_at": "now"}])
def test_an_order_that_says_too_little_is_refused(payload: dict[str, str]) -> None:
    with pytest.raises(LocalError) as refused:
        WipeOrder.read(sign_document(payload, OFFICE, LABEL_WIPE), KEYS)
    assert refused.value.code == "malformed"


def test_another_document_of_the_same_key_is_no_order() -> None:
    document = sign_document({"device_id": "d", "ordered_at": "now"}, OFFICE, "passerelle/1 device certificate")
    with pytest.raises(LocalError):
        WipeOrder.read(document, KEYS)


def test_an_erasure_is_read_back_and_refused_of_any_other_key() -> None:
    order = ErasureOrder(instance_ids=(bytes(16), bytes(range(16))), ordered_at="2026-11-24T08:00:00+00:00")
    assert ErasureOrder.read(order.sign(OFFICE), KEYS) == order
    for document in (order.sign(OTHER), ORDER.sign(OFFICE)):
        with pytest.raises(LocalError) as refused:
            ErasureOrder.read(document, KEYS[1:])
        assert refused.value.code == "signature-invalid"


@pytest.mark.parametrize("named", [None, 7, [7], ["AA"], ["!"], "AAECAwQFBgcICQoLDA0ODw"])
def test_an_erasure_that_names_no_instances_is_refused(named: object) -> None:
    payload = {"instance_ids": named, "ordered_at": "now"}
    with pytest.raises(LocalError) as refused:
        ErasureOrder.read(sign_document(payload, OFFICE, LABEL_ERASURE), KEYS)
    assert refused.value.code == "malformed"
