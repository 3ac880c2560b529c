"""A device beside an office that rotates keys, restores backups, or answers wrongly."""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from sync_protocol import hpke, messages
from sync_protocol.assignments import INFO_LABEL, open_assignments
from sync_protocol.client import database as databases
from sync_protocol.client.device import Device
from sync_protocol.client.transport import Answer, HttpTransport
from sync_protocol.constants import SUITE_X25519
from sync_protocol.errors import LocalError, RemoteError
from sync_protocol.transitions import Fate
from tests.client.model_transport import ModelTransport, instance_id, no_wait, seal
from tests.sync_protocol.model_server import NOW, ModelServer, private_key


class AnsweringTransport:
    """Answers every request with the same thing."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return self.answer

    def close(self) -> None:
        return


def test_a_rotated_keyring_is_kept_and_used(device: Device, server: ModelServer, transport: ModelTransport) -> None:
    seal(device, 1)
    server.rotate_receipt_key()
    assert device.sync(transport, NOW).outcome == "synced"
    seal(device, 2)
    assert device.sync(transport, NOW).outcome == "synced"
    server.rotate_receipt_key()
    server.root = private_key("usurper")
    assert device.sync(transport, NOW, wait=no_wait).outcome == "interrupted"


def test_after_a_restore_the_office_gets_everything_again(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    for number in range(4):
        seal(device, number)
    device.sync(transport, NOW)
    server.restore(kept=2)
    report = device.sync(transport, NOW)
    assert (report.outcome, report.stored, report.waiting) == ("synced", 3, 0)
    assert sorted(server.bodies.values()) == sorted(device.envelope_bodies())


def test_a_device_restored_from_a_backup_takes_the_counter_of_the_office(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    seal(device, 1)
    server.counters[device.device_id] = 99
    report = device.sync(transport, NOW)
    assert (report.outcome, report.exchanges, server.counters[device.device_id]) == ("synced", 2, 100)


def test_an_envelope_that_is_too_large_for_the_office_is_set_aside_and_kept(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    seal(device, 1)
    server.largest_envelope = 300
    report = device.sync(transport, NOW, wait=no_wait)
    assert (report.outcome, report.too_large, report.progress.safe) == ("synced", 1, 0)
    stored = device.envelope_of(instance_id(1))
    assert stored is not None
    assert stored.fate is Fate.REFUSED
    server.largest_envelope = 2**20
    assert device.sync(transport, NOW).sent == 0
    report = device.sync(transport, NOW + timedelta(days=1))
    assert (report.stored, report.refused, report.progress.safe) == (1, (), 1)


def test_the_transport_goes_to_the_address_of_the_link(device: Device) -> None:
    transport = device.transport()
    assert isinstance(transport, HttpTransport)
    assert transport.base_url == device.server_url == "http://127.0.0.1:1"


def test_an_unknown_instance_has_no_envelope(device: Device) -> None:
    assert device.envelope_of(instance_id(404)) is None
    assert device.assignments() == {}
    assert device.verdicts() == ()


class TestWrongEnrolment:
    """Answers to an enrolment that must not be believed."""

    @pytest.fixture
    def good(self, tmp_path: Path, server: ModelServer, transport: ModelTransport) -> Answer:
        """The office's answer to another device."""
        recorded: list[Answer] = []

        class Recording(ModelTransport):
            def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
                recorded.append(super().send(method, path, headers, body))
                return recorded[0]

        with Device.create(tmp_path / "other") as other:
            other.enrol(server.link("theirs"), transport=Recording(server))
        return recorded[0]

    def refusal(self, tmp_path: Path, server: ModelServer, answer: Answer) -> str:
        with Device.create(tmp_path / "d") as device:
            with pytest.raises((RemoteError, LocalError)) as caught:
                device.enrol(server.link(), transport=AnsweringTransport(answer))
            assert not device.is_enrolled
        return str(caught.value.code)

    def test_an_answer_to_another_device_is_not_ours(self, tmp_path: Path, server: ModelServer, good: Answer) -> None:
        assert self.refusal(tmp_path, server, good) == "signature-invalid"

    def test_an_unsigned_answer_is_not_believed(self, tmp_path: Path, server: ModelServer, good: Answer) -> None:
        assert self.refusal(tmp_path, server, Answer(200, {}, good.body)) == "signature-invalid"

    def test_a_receipt_key_outside_the_keyring_is_not_believed(
        self, tmp_path: Path, server: ModelServer, good: Answer
    ) -> None:
        headers = dict(good.headers)
        headers["Signature-Input"] = headers["Signature-Input"].replace('keyid="', 'keyid="0')
        assert self.refusal(tmp_path, server, Answer(200, headers, good.body)) == "signature-invalid"

    def test_a_page_of_a_proxy_says_that_the_address_may_be_wrong(self, tmp_path: Path, server: ModelServer) -> None:
        assert self.refusal(tmp_path, server, Answer(404, {}, b"<html>Not found</html>")) == "malformed"

    def test_an_answer_that_names_another_device_than_its_certificate_is_refused(
        self, tmp_path: Path, server: ModelServer
    ) -> None:
        original = server._enrol
        server._enrol = lambda request: _renamed(original(request))  # type: ignore[method-assign]
        with Device.create(tmp_path / "d") as device:
            with pytest.raises(RemoteError) as caught:
                device.enrol(server.link(), transport=ModelTransport(server))
            assert caught.value.code == "malformed"

    def test_a_certificate_for_other_keys_is_refused(self, tmp_path: Path, server: ModelServer) -> None:
        with Device.create(tmp_path / "first") as first:
            first.enrol(server.link("first"), transport=ModelTransport(server))
        used = server.tokens["first"]
        assert used is not None
        server._enrol = lambda request: used[1]  # type: ignore[method-assign]
        with Device.create(tmp_path / "d") as device:
            with pytest.raises(RemoteError) as caught:
                device.enrol(server.link(), transport=ModelTransport(server))
            assert caught.value.code == "signature-invalid"


def _renamed(answer: messages.EnrolAnswer) -> messages.EnrolAnswer:
    from dataclasses import replace

    return replace(answer, device_id="device-99")


def test_sealed_assignments_that_are_no_list_of_households_are_malformed() -> None:
    seed = bytes(range(32))
    for content in ([1], {"a": 1}, [{"head": "x"}], "text"):
        sealed = hpke.seal(
            SUITE_X25519,
            hpke.public_key(SUITE_X25519, seed),
            json.dumps(content).encode(),
            INFO_LABEL + b"d\x00P1",
        )
        with pytest.raises(RemoteError) as caught:
            open_assignments(sealed, psu="P1", device_id="d", receiving_seed=seed)
        assert caught.value.code == "malformed"


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "MINIMUM_SQLITE", (99, 0, 0))
    with pytest.raises(LocalError) as caught:
        Device.create(tmp_path / "d")
    assert caught.value.code == "sqlite-too-old"


def test_a_locked_device_opens_no_epoch_on_a_new_day(
    tmp_path: Path, server: ModelServer, transport: ModelTransport
) -> None:
    with Device.create(tmp_path / "d", pin="481516") as device:
        device.enrol(server.link(), transport=transport)
    with Device.open(tmp_path / "d") as device:
        with pytest.raises(LocalError) as caught:
            seal(device, 1)
        assert caught.value.code == "pin-needed"
        assert list(device.envelope_bodies()) == []


def test_a_file_without_its_signing_key_is_refused(tmp_path: Path) -> None:
    Device.create(tmp_path / "d").close()
    connection = databases.sqlite.connect(str(tmp_path / "d" / databases.FILE_NAME), isolation_level=None)
    connection.execute("DELETE FROM secret WHERE name = 'signing'")
    connection.close()
    with pytest.raises(LocalError) as caught:
        Device.open(tmp_path / "d")
    assert caught.value.code == "device-format"


def test_the_office_says_how_far_its_backup_reaches(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    assert device.backed_up_sequence is None
    seal(device, 1)
    server.backed_up_sequence = 2
    device.sync(transport, NOW)
    assert device.backed_up_sequence == 2


def test_large_interviews_are_spread_over_exchanges(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(28_000))
    for number in range(5):
        device.seal_interview(noise, instance_id=instance_id(number), form_version_hash=bytes(32), now=NOW)
    report = device.sync(transport, NOW)
    assert (report.outcome, report.exchanges, report.stored) == ("synced", 4, 6)
