"""Rows of an entity list: only the device opens them, only as rows of that list."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sync_protocol import hpke
from sync_protocol.constants import LABEL_ENTITIES, SUITE_X25519
from sync_protocol.entity_rows import EntityRow, open_rows, seal_rows
from sync_protocol.errors import RemoteError
from sync_protocol.frames import deflate

DEVICE = X25519PrivateKey.generate()
SEED, PUBLIC = DEVICE.private_bytes_raw(), DEVICE.public_key().public_bytes_raw()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.lists(
    st.one_of(
        st.builds(EntityRow, entity_id=st.uuids(version=4).map(str), is_gone=st.sampled_from([True])),
        st.builds(
            EntityRow,
            entity_id=st.uuids(version=4).map(str),
            version=st.integers(0, 2**31),
            label=TEXT,
            values=st.dictionaries(TEXT, TEXT, max_size=4),
        ),
    ),
    max_size=6,
)
SOME = (
    EntityRow(entity_id="a", version=2, label="Awa", values={"head": "Awa"}),
    EntityRow(entity_id="b", is_gone=True),
)


def sealed(rows: tuple[EntityRow, ...] = SOME) -> bytes:
    return seal_rows(rows, list_name="households", device_id="tablet-1", receiving_key=PUBLIC)


def opened(
    frame: bytes, *, list_name: str = "households", device_id: str = "tablet-1", seed: bytes = SEED
) -> tuple[EntityRow, ...]:
    return open_rows(frame, list_name=list_name, device_id=device_id, receiving_seed=seed)


@given(rows=ROWS)
def test_what_is_sealed_is_what_is_opened(rows: list[EntityRow]) -> None:
    assert opened(sealed(tuple(rows))) == tuple(rows)


def test_one_byte_changed_anywhere_is_refused() -> None:
    frame = sealed()
    for place in range(len(frame)):
        with pytest.raises(RemoteError, match="undecryptable"):
            opened(frame[:place] + bytes([frame[place] ^ 1]) + frame[place + 1 :])
        with pytest.raises(RemoteError):
            opened(frame[:place])


def test_another_list_device_or_key_is_refused() -> None:
    frame = sealed()
    with pytest.raises(RemoteError, match="undecryptable"):
        opened(frame, list_name="persons")
    with pytest.raises(RemoteError, match="undecryptable"):
        opened(frame, device_id="tablet-2")
    with pytest.raises(RemoteError, match="undecryptable"):
        opened(frame, seed=X25519PrivateKey.generate().private_bytes_raw())


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"{",
        b"7",
        b"[7]",
        b"[{}]",
        b'[{"id":"a"}]',
        b'[{"id":"a","version":"1","label":"x","values":{}}]',
        b'[{"id":"a","version":true,"label":"x","values":{}}]',
        b'[{"id":"a","version":1,"label":"x","values":[]}]',
        b"[" * 3000,
        b"\xff",
    ],
)
def test_what_is_sealed_well_and_is_no_rows_is_refused(plain: bytes) -> None:
    info = b"\x00".join((LABEL_ENTITIES, b"tablet-1", b"households"))
    with pytest.raises(RemoteError, match="malformed"):
        opened(hpke.seal(SUITE_X25519, PUBLIC, deflate(plain), info))
