"""What is handed to a device: only that device opens it, about that instance, of that kind, as the office signed it."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sync_protocol import hpke
from sync_protocol.constants import PLAINTEXT_BYTES, SUITE_X25519
from sync_protocol.errors import RemoteError
from sync_protocol.frames import deflate
from sync_protocol.handover import LENGTH, Address, Handover, open_handover, seal_handover, verify_handover
from sync_protocol.plaintext import Medium

OFFICE, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
DEVICE, THIEF = X25519PrivateKey.generate(), X25519PrivateKey.generate()
SEED, PUBLIC = DEVICE.private_bytes_raw(), DEVICE.public_key().public_bytes_raw()
DECISION_KEYS = [STRANGER.public_key().public_bytes_raw(), OFFICE.public_key().public_bytes_raw()]
ADDRESS = Address("returned", "tablet-1", b"i" * 16, b"f" * 32)
HANDOVER = Handover(
    instance_xml=b"<data/>",
    mode="survey",
    note="Quel âge ?",
    household_key="07203111264",
    media=(Medium(name="a.jpg", type="image/jpeg", length_bytes=9, sha256="ab" * 32, key="cd" * 32),),
)
TEXT = st.text(max_size=30).filter(lambda text: text.isprintable())
MEDIA = st.builds(
    Medium,
    name=TEXT,
    type=TEXT,
    length_bytes=st.integers(0, 2**40),
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    key=st.binary(min_size=32, max_size=32).map(bytes.hex),
)
HANDOVERS = st.builds(
    Handover,
    instance_xml=st.binary(max_size=400),
    mode=st.sampled_from(["survey", "training", "pilot"]),
    note=TEXT,
    household_key=TEXT,
    media=st.lists(MEDIA, max_size=3).map(tuple),
)


def sealed(handover: Handover = HANDOVER, address: Address = ADDRESS) -> bytes:
    return seal_handover(handover, address, receiving_key=PUBLIC, signer=OFFICE)


def accept(frame: bytes, address: Address = ADDRESS, *, seed: bytes = SEED) -> Handover:
    """Do what a device does: verify, then open."""
    verify_handover(frame, address, decision_keys=DECISION_KEYS)
    return open_handover(frame, address, receiving_seed=seed)


@given(handover=HANDOVERS, kind=st.sampled_from(["returned", "draft"]))
def test_what_is_sealed_is_what_is_opened(handover: Handover, kind: str) -> None:
    address = Address(kind, "tablet-1", b"i" * 16, b"f" * 32)  # type: ignore[arg-type]
    assert accept(sealed(handover, address), address) == handover


def test_one_byte_changed_anywhere_is_refused() -> None:
    frame = sealed()
    for place in range(len(frame)):
        changed = frame[:place] + bytes([frame[place] ^ 1]) + frame[place + 1 :]
        with pytest.raises(RemoteError, match="signature-invalid"):
            accept(changed)
        if place < len(frame) - 64:
            with pytest.raises(RemoteError, match="undecryptable"):
                open_handover(changed, ADDRESS, receiving_seed=SEED)


@given(cut=st.integers(0, 10_000))
def test_a_cut_frame_is_refused(cut: int) -> None:
    frame = sealed()
    with pytest.raises(RemoteError):
        accept(frame[: cut % len(frame)])
    with pytest.raises(RemoteError):
        open_handover(frame[: cut % len(frame)], ADDRESS, receiving_seed=SEED)


@pytest.mark.parametrize(
    "other",
    [
        replace(ADDRESS, kind="draft"),
        replace(ADDRESS, device_id="tablet-2"),
        replace(ADDRESS, instance_id=b"j" * 16),
        replace(ADDRESS, form_version_hash=b"g" * 32),
    ],
    ids=["kind", "device", "instance", "form version"],
)
def test_another_address_is_refused_by_signature_and_by_seal(other: Address) -> None:
    frame = sealed()
    with pytest.raises(RemoteError, match="signature-invalid"):
        verify_handover(frame, other, decision_keys=DECISION_KEYS)
    with pytest.raises(RemoteError, match="undecryptable"):
        open_handover(frame, other, receiving_seed=SEED)


def test_another_receiving_key_does_not_open_it() -> None:
    with pytest.raises(RemoteError, match="undecryptable"):
        accept(sealed(), seed=THIEF.private_bytes_raw())


def test_only_a_decision_key_of_the_keyring_signs() -> None:
    frame = seal_handover(HANDOVER, ADDRESS, receiving_key=PUBLIC, signer=Ed25519PrivateKey.generate())
    for keys in (DECISION_KEYS, [], [b"no key"]):
        with pytest.raises(RemoteError, match="signature-invalid"):
            verify_handover(frame, ADDRESS, decision_keys=keys)


@pytest.mark.parametrize(
    ("plain", "code"),
    [
        (b"", "malformed"),
        (LENGTH.pack(2) + b"{}", "malformed"),
        (LENGTH.pack(99) + b"{}", "malformed"),
        (LENGTH.pack(2) + b"[]", "malformed"),
        (LENGTH.pack(9) + b"[" * 9, "malformed"),
        (bytes(PLAINTEXT_BYTES + 1), "too-large"),
    ],
)
def test_what_is_sealed_well_and_is_no_handover_is_refused(plain: bytes, code: str) -> None:
    frame = hpke.seal(SUITE_X25519, PUBLIC, deflate(plain), ADDRESS.context) + bytes(64)
    with pytest.raises(RemoteError, match=code):
        open_handover(frame, ADDRESS, receiving_seed=SEED)
