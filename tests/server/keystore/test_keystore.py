"""The key store: who may read it, what works while it is locked, and that nothing opens with a wrong key."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from server.errors import KeyStoreLocked
from server.keystore import KeyStore, KeyStoreError
from sync_protocol import signatures
from sync_protocol.constants import MODES, SUITE_X_WING
from sync_protocol.documents import DeviceCertificate
from sync_protocol.epoch import make_epoch, parse_epoch
from sync_protocol.errors import EnvelopeError
from sync_protocol.keyring import Keyring

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
PASSPHRASE = "correct horse battery staple"


def make(folder: Path, passphrase: str | None = None) -> KeyStore:
    return KeyStore.create(folder / "keys", passphrase, folder / "root.pem", now=NOW)


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a key store under a passphrase."""
    folder = tmp_path_factory.mktemp("protected")
    make(folder, PASSPHRASE)
    return folder


def test_only_its_user_may_read_a_key_file(tmp_path: Path) -> None:
    make(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "keys" / "service.json").chmod(0o640)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        KeyStore.open(tmp_path / "keys", None)


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(KeyStoreError, match="never overwritten"):
        make(tmp_path)
    with pytest.raises(KeyStoreError, match="never overwritten"):
        KeyStore.create(tmp_path / "other", None, tmp_path / "root.pem", now=NOW)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_opening_what_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match="passerelle init"):
        KeyStore.open(tmp_path / "keys", None)


@pytest.mark.parametrize("name", ["service.json", "keyring.json", "vault.json", "vault.key"])
@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b"nonsense", b'{"sealed": 5}'])
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, name: str, damage: bytes) -> None:
    make(tmp_path)
    (tmp_path / "keys" / name).write_bytes(damage)
    with pytest.raises(KeyStoreError):
        KeyStore.open(tmp_path / "keys", None)


def test_the_keyring_is_signed_by_the_root_that_was_written_apart(tmp_path: Path) -> None:
    store = make(tmp_path)
    root = load_pem_private_key((tmp_path / "root.pem").read_bytes(), None)
    assert isinstance(root, Ed25519PrivateKey)
    public = root.public_key().public_bytes_raw()
    assert Keyring.read(store.keyring_document, public) == store.keyring
    held = b"".join(path.read_bytes() for path in (tmp_path / "keys").iterdir())
    assert root.private_bytes_raw() not in held
    assert (tmp_path / "root.pem").read_bytes().split(b"\n")[1] not in held


def test_each_mode_has_its_own_survey_key(keystore: KeyStore) -> None:
    keys = [keystore.keyring.survey_key(mode) for mode in MODES]
    assert {key.suite for key in keys if key} == {SUITE_X_WING}
    assert len({key.public_key for key in keys if key}) == len(MODES)


def test_the_right_passphrase_opens(protected: Path) -> None:
    store = KeyStore.open(protected / "keys", PASSPHRASE)
    assert not store.is_locked


def test_a_wrong_passphrase_is_refused(protected: Path) -> None:
    with pytest.raises(KeyStoreError, match="passphrase does not open"):
        KeyStore.open(protected / "keys", PASSPHRASE + " ")


def test_no_file_of_a_protected_store_opens_its_vault(protected: Path) -> None:
    assert not (protected / "keys" / "vault.key").exists()
    assert PASSPHRASE.encode() not in b"".join(path.read_bytes() for path in (protected / "keys").iterdir())


def test_a_locked_store_opens_nothing_and_says_so(protected: Path) -> None:
    store = KeyStore.open(protected / "keys", None)
    assert store.is_locked
    epoch = parse_epoch(epoch_for(store, "survey", b"k" * 32))
    for attempt in (
        lambda: store.open_epoch(epoch),
        lambda: store.seal_projection(b"", b""),
        lambda: store.open_projection(bytes(40), b""),
        lambda: store.household_tag("01"),
        lambda: store.microdata_key("analysis"),
        lambda: store.office,
    ):
        with pytest.raises(KeyStoreLocked):
            attempt()


def test_a_locked_store_still_signs_receipts_certifies_devices_and_serves_the_door(protected: Path) -> None:
    store = KeyStore.open(protected / "keys", None)
    headers = store.sign_answer(200, b"body", method="POST", path="/p", request_digest=bytes(32))
    receipt_key = store.keyring.receipt_key(signatures.answer_key_id(headers))
    assert receipt_key is not None
    signatures.verify_answer(
        200, b"body", headers=headers, method="POST", path="/p", request_digest=bytes(32), public_key=receipt_key
    )
    certificate = DeviceCertificate(
        device_id="d",
        signing_key=bytes(32),
        receiving_key=X25519PrivateKey.generate().public_key().public_bytes_raw(),
        role="enumerator",
        enumerator="0001",
        team="",
        issued_at=NOW.isoformat(),
    )
    assert DeviceCertificate.read(store.issue_certificate(certificate), store.keyring.issuer_keys) == certificate
    assert len(store.door_tag(b"submission")) == 32
    assert DeviceCertificate.read(store.door.certificate, store.keyring.issuer_keys).role == "door"


def test_unlocking_later_opens(protected: Path) -> None:
    store = KeyStore.open(protected / "keys", None)
    store.unlock(PASSPHRASE)
    assert store.open_projection(store.seal_projection(b"x", b"c"), b"c") == b"x"


def test_the_office_signs_decisions_with_the_key_of_the_keyring(keystore: KeyStore) -> None:
    office = keystore.office
    certificate = DeviceCertificate.read(office.certificate, keystore.keyring.issuer_keys)
    assert certificate.signing_key == office.signer.public_bytes
    assert keystore.keyring.decision_keys == (office.signer.public_bytes,)
    office.signer.public_key().verify(office.signer.sign(b"decision"), b"decision")


def epoch_for(store: KeyStore, mode: str, epoch_key: bytes) -> bytes:
    survey_key = store.keyring.survey_key(mode)
    assert survey_key is not None
    return make_epoch(
        survey_key=survey_key,
        certificate_hash=bytes(32),
        signer=Ed25519PrivateKey.generate(),
        sequence=1,
        previous=bytes(32),
        nonce=bytes(32),
        epoch_key=epoch_key,
    )


@pytest.mark.parametrize("mode", MODES)
def test_an_epoch_of_each_mode_opens(keystore: KeyStore, mode: str) -> None:
    assert keystore.open_epoch(parse_epoch(epoch_for(keystore, mode, b"e" * 32))) == b"e" * 32


def test_an_epoch_for_another_office_does_not_open(keystore: KeyStore, tmp_path: Path) -> None:
    with pytest.raises(EnvelopeError) as refusal:
        keystore.open_epoch(parse_epoch(epoch_for(make(tmp_path), "survey", bytes(32))))
    assert refusal.value.code == "wrong-survey-key"


@given(plain=st.binary(max_size=300), context=st.binary(max_size=50), data=st.data())
def test_a_sealed_row_opens_as_it_was_and_only_whole_and_in_its_context(
    plain: bytes, context: bytes, data: st.DataObject, shared_keystore: KeyStore
) -> None:
    sealed = shared_keystore.seal_projection(plain, context)
    assert shared_keystore.open_projection(sealed, context) == plain
    position = data.draw(st.integers(0, len(sealed) - 1))
    flipped = bytearray(sealed)
    flipped[position] ^= 1 << data.draw(st.integers(0, 7))
    for altered, its_context in ((bytes(flipped), context), (sealed[:position], context), (sealed, context + b"x")):
        with pytest.raises(KeyStoreError):
            shared_keystore.open_projection(altered, its_context)


def test_the_same_row_never_looks_the_same_twice(keystore: KeyStore) -> None:
    assert keystore.seal_projection(b"row", b"c") != keystore.seal_projection(b"row", b"c")


@given(first=st.text(max_size=20), second=st.text(max_size=20))
def test_household_tags_are_equal_only_for_equal_keys(first: str, second: str, shared_keystore: KeyStore) -> None:
    tags = shared_keystore.household_tag(first), shared_keystore.household_tag(second)
    assert (tags[0] == tags[1]) == (first == second)


def test_no_key_shows_in_what_a_developer_prints(keystore: KeyStore) -> None:
    shown = repr(keystore) + repr(keystore._vault) + repr(keystore.door)
    for secret in (keystore.microdata_key("analysis"), keystore.session_secret):
        assert secret.hex() not in shown
        assert repr(secret) not in shown
