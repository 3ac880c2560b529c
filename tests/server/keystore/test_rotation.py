"""Rotating keys: what was sealed before and after opens, tablets follow, and a crash in between changes nothing."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import delete, update

from server.app import create_app
from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.db.queries import devices, envelopes
from server.db.tables import Device as DeviceRow
from server.db.tables import KeyringDocument
from server.errors import BadRequest, KeyStoreLocked
from server.folding.deciding import store_sealed_decision
from server.keystore import KINDS, KeyStore, KeyStoreError, files, rotating, store, vault
from server.microdata import Microdata
from server.services import alarms, rotate_keys
from server.services.open_items import OpeningWorker
from sync_protocol.client.device import Device
from sync_protocol.constants import SUITE_X25519, SUITE_X_WING
from sync_protocol.documents import key_id
from sync_protocol.envelope import peek
from sync_protocol.epoch import Epoch
from tests.client.model_transport import FORM, instance_id, no_wait
from tests.office import NOW, ClientTransport, enrolment_link

ALL = frozenset(KINDS)


@pytest.fixture
def office(tmp_path: Path, keys_dir: Path, sqlite_database: Database) -> Context:
    """An office with keys of its own: they are rotated."""
    shutil.copytree(keys_dir, tmp_path / "keys")
    shutil.copy(keys_dir.parent / "root.pem", tmp_path / "root.pem")
    config = Config(data_dir=tmp_path, database_url=sqlite_database.url)
    keystore = KeyStore.open(config.keys_dir, None)
    microdata = Microdata(config.microdata_dir, keystore, sqlite_database)
    return Context(config=config, database=sqlite_database, keystore=keystore, microdata=microdata)


@pytest.fixture
def transport(office: Context) -> ClientTransport:
    return ClientTransport(create_app(office.config, office).test_client())


@pytest.fixture
def tablet(tmp_path: Path, office: Context, transport: ClientTransport) -> Iterator[Device]:
    with Device.create(tmp_path / "tablet") as device:
        device.enrol(enrolment_link(office), transport=transport)
        yield device


def rotate(office: Context, *, kinds: frozenset[str] = ALL, suite: int = SUITE_X_WING, stolen: bool = False) -> None:
    with office.database.transaction() as session:
        rotate_keys.rotate(
            session,
            keystore=office.keystore,
            root_pem=(office.config.data_dir / "root.pem").read_bytes(),
            kinds=kinds,
            suite=suite,
            drops_old_receipts=stolen,
            user="manager",
            now=NOW,
        )


def seal(tablet: Device, number: int) -> None:
    chosen = instance_id(number)
    xml = f'<data id="visit"><meta><instanceID>uuid:{UUID(bytes=chosen)}</instanceID></meta></data>'
    tablet.seal_interview(xml.encode(), instance_id=chosen, form_version_hash=FORM, now=NOW)


def states(office: Context) -> dict[str, int]:
    """Open everything, and count the states; a form that nobody published shows that an envelope was decrypted."""
    worker = OpeningWorker(
        database=office.database, keystore=office.keystore, microdata=office.microdata, clock=lambda: NOW
    )
    while worker.run_once().total:
        pass
    with office.database.read() as session:
        return envelopes.count_by_state(session)


@pytest.mark.parametrize("suite", [SUITE_X_WING, SUITE_X25519])
def test_a_tablet_follows_and_what_it_sealed_before_and_after_opens(
    office: Context, tablet: Device, transport: ClientTransport, suite: int
) -> None:
    seal(tablet, 1)
    assert tablet.sync(transport, NOW, wait=no_wait).outcome == "synced"
    seal(tablet, 2)
    rotate(office, suite=suite)
    assert tablet.sync(transport, NOW, wait=no_wait).outcome == "synced"
    seal(tablet, 3)
    assert tablet.sync(transport, NOW, wait=no_wait).outcome == "synced"
    peeked = map(peek, tablet.envelope_bodies())
    sealed_to = {one.survey_key_id for one in peeked if isinstance(one, Epoch)}
    active = office.keystore.keyring.survey_key("survey")
    assert active is not None
    assert (len(sealed_to), active.id in sealed_to, active.suite) == (2, True, suite)
    assert states(office) == {"opened": 2, "waiting-for-form": 3}


def test_decisions_of_before_and_after_are_the_offices(office: Context) -> None:
    def decide() -> None:
        with office.database.transaction() as session:
            store_sealed_decision(
                session,
                keystore=office.keystore,
                decision={"action": "review", "verdict": "approved", "user": "manager"},
                about=(bytes(16),),
                mode="survey",
                form_version_hash=bytes(32),
                now=NOW,
            )

    decide()
    rotate(office)
    decide()
    rotate(office)
    decide()
    assert states(office) == {"opened": 6}


def test_every_kind_is_new_and_the_former_ones_stay_listed(office: Context) -> None:
    before = office.keystore.keyring
    rotate(office)
    after = office.keystore.keyring
    assert after.serial == before.serial + 1
    for name in ("receipt_keys", "issuer_keys", "decision_keys"):
        former, now = getattr(before, name), getattr(after, name)
        assert (now[:-1], len(now)) == (former, len(former) + 1)
    assert {key.id for key in before.survey_keys} == {key.id for key in after.survey_keys if key.status == "retired"}
    assert office.keystore.receipt_key_id == key_id(after.receipt_keys[-1])
    assert KeyStore.open(office.config.keys_dir, None).keyring == after
    with office.database.read() as session:
        assert devices.keyrings(session)[-1] == office.keystore.keyring_document
    in_use = [line for line in rotate_keys.list_keys(after) if line.is_in_use]
    assert [line.kind for line in in_use] == ["survey"] * 3 + ["receipt", "issuer", "decision"]


def test_a_stolen_receipt_key_is_believed_no_longer(office: Context) -> None:
    stolen = office.keystore.receipt_key_id
    rotate(office, kinds=frozenset({"receipt"}), stolen=True)
    assert office.keystore.keyring.receipt_key(stolen) is None
    assert len(office.keystore.keyring.receipt_keys) == 1
    rotate(office, kinds=frozenset(), stolen=True)
    assert office.keystore.receipt_key_id == key_id(office.keystore.keyring.receipt_keys[-1])


def test_a_rotation_lists_the_certificates_of_revoked_tablets(office: Context, tablet: Device) -> None:
    with office.database.transaction() as session:
        devices.revoke_device(session, device_id=tablet.device_id, now=NOW)
    rotate(office, kinds=frozenset())
    with office.database.read() as session:
        device = devices.device(session, tablet.device_id)
    assert device is not None
    assert office.keystore.keyring.revocations == (device.certificate_hash,)


def test_another_process_takes_up_the_new_keys(office: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    other = KeyStore.open(office.config.keys_dir, None)
    rotate(office)
    assert other.keyring.serial == 1
    other.refresh()
    assert other.keyring.serial == 1, "it looks once a second"
    monkeypatch.setattr(store, "LOOK_SECONDS", 0.0)
    other.refresh()
    assert other.keyring == office.keystore.keyring
    assert other.office.certificate == office.keystore.office.certificate


def test_damaged_files_leave_a_running_process_its_keys(office: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LOOK_SECONDS", 0.0)
    (office.config.keys_dir / files.KEYRING_FILE).write_bytes(b"nonsense")
    office.refresh_keys()
    assert office.keystore.keyring.serial == 1
    with pytest.raises(KeyStoreError):
        office.keystore.refresh()


@pytest.mark.parametrize("crash_at", [files.SERVICE_FILE, files.KEYRING_FILE])
def test_a_crash_between_the_files_leaves_the_former_keyring_in_force(
    office: Context, tablet: Device, transport: ClientTransport, crash_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write: Callable[[Path, bytes], None] = files.write_private

    def crash(path: Path, content: bytes) -> None:
        if path.name == crash_at:
            raise OSError(28, "No space left on device", str(path))
        write(path, content)

    monkeypatch.setattr(rotating, "write_private", crash)
    with pytest.raises(KeyStoreError, match="No space"):
        rotate(office)
    monkeypatch.undo()
    again = KeyStore.open(office.config.keys_dir, None)
    assert (again.keyring.serial, again.office.certificate) == (1, office.keystore.office.certificate)
    seal(tablet, 1)
    assert tablet.sync(transport, NOW, wait=no_wait).outcome == "synced"
    rotate(office)
    assert office.keystore.keyring.serial == 2


def test_only_the_root_of_this_office_rotates(office: Context) -> None:
    stranger = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    root = office.config.data_dir / "root.pem"
    for content, error, text in (
        (stranger, KeyStoreError, "not the root key"),
        (b"nonsense", BadRequest, "no office root key"),
    ):
        root.write_bytes(content)
        with pytest.raises(error, match=text):
            rotate(office)
    assert KeyStore.open(office.config.keys_dir, None).keyring.serial == 1


def test_a_new_passphrase_takes_the_place_of_the_key_file(office: Context) -> None:
    rotate(office)
    office.keystore.change_passphrase("correct horse")
    assert not (office.config.keys_dir / files.KEY_FILE).exists()
    locked = KeyStore.open(office.config.keys_dir, None)
    assert locked.is_locked
    with pytest.raises(KeyStoreLocked):
        locked.rotate(rotating.Rotation(kinds=ALL), Ed25519PrivateKey.generate(), now=NOW)
    with pytest.raises(KeyStoreError, match="passphrase"):
        locked.unlock("wrong")
    locked.unlock("correct horse")
    assert locked.office.certificate == office.keystore.office.certificate
    rotate(office)
    assert KeyStore.open(office.config.keys_dir, "correct horse").keyring.serial == 3


def test_a_serial_that_tablets_know_is_not_given_again_after_the_keys_were_restored(
    office: Context, tablet: Device, transport: ClientTransport, tmp_path: Path
) -> None:
    keys = office.config.keys_dir
    shutil.copytree(keys, tmp_path / "backup")
    rotate(office)
    tablet.sync(transport, NOW, wait=no_wait)  # the keyring comes with this one, and is named in the next
    tablet.sync(transport, NOW, wait=no_wait)
    shutil.rmtree(keys)
    shutil.copytree(tmp_path / "backup", keys)
    office.keystore.read_again()
    with office.database.transaction() as session:  # as in the backup
        session.execute(delete(KeyringDocument))
        devices.keep_keyring(session, serial=office.keystore.keyring.serial, document=office.keystore.keyring_document)
    with office.database.read() as session:
        raised = [alarm.sentence("fr") for alarm in alarms.look(session, config=office.config, now=NOW).alarms]
    assert any("clés plus récentes" in one for one in raised)
    rotate(office, kinds=frozenset({"survey"}))
    assert office.keystore.keyring.serial == 3
    with office.database.transaction() as session:
        session.execute(update(DeviceRow).values(keyring_serial=1 << 40))  # which no office ever had
    rotate(office, kinds=frozenset({"survey"}))
    assert office.keystore.keyring.serial == 4


def test_a_running_server_takes_up_the_keyring_although_the_passphrase_was_changed(office: Context) -> None:
    running = KeyStore.open(office.config.keys_dir, None)
    office.keystore.change_passphrase("another")
    rotate(office, kinds=frozenset({"receipt"}))
    running.read_again()
    assert running.receipt_key_id == office.keystore.receipt_key_id
    assert not running.is_locked, "nothing that it needs of the vault is new"
    rotate(office, kinds=frozenset({"survey"}))
    running.read_again()
    assert running.keyring.serial == office.keystore.keyring.serial
    assert running.is_locked, "what is sealed to the new key waits, and is not set aside"
    running.unlock("another")
    assert not running.is_locked


def test_the_files_of_before_keys_could_be_rotated_are_read_and_rotated(office: Context) -> None:
    keys, now = office.config.keys_dir, KeyStore.open(office.config.keys_dir, None)
    service = {name.split(" ")[0]: text for name, text in json.loads((keys / files.SERVICE_FILE).read_text()).items()}
    files.write_private(keys / files.SERVICE_FILE, json.dumps(service).encode())
    encryption_key = vault.encryption_key(keys, None)
    members = vault.unwrap_members(keys, encryption_key)
    (members["decision"],) = members["decision"].values()
    vault.rewrap(keys, members, encryption_key)
    former = KeyStore.open(keys, None)
    assert (former.keyring, former.office.certificate) == (now.keyring, now.office.certificate)
    assert former.receipt_key_id == now.receipt_key_id
    rotate(office)
    assert KeyStore.open(keys, None).keyring.serial == 2
