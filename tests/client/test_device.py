"""The reference device: sealing, keys, and what it tells its enumerator."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite

from sync_protocol import epoch as epochs
from sync_protocol.assignments import Household, seal_assignments
from sync_protocol.client.database import FILE_NAME
from sync_protocol.client.device import Device
from sync_protocol.client.report import Progress
from sync_protocol.client.transport import Fault, FaultyTransport, TransportError
from sync_protocol.constants import Kind
from sync_protocol.documents import document_hash
from sync_protocol.envelope import Header, envelope_id, open_draft, open_interview, peek, verify
from sync_protocol.epoch import Epoch
from sync_protocol.errors import LocalError, RemoteError
from sync_protocol.keyring import Keyring
from sync_protocol.messages import Problem, Retry
from sync_protocol.pull_items import FormVersionPull, VerdictPull
from sync_protocol.ratchet import EpochKeys
from sync_protocol.transitions import Fate
from tests.client.model_transport import CHEAP, FORM, ModelTransport, instance_id, seal
from tests.sync_protocol.model_server import NOW, ModelServer

OPEN = {Kind.INTERVIEW: open_interview, Kind.DRAFT: open_draft}


def opened(device: Device, server: ModelServer, kind: Kind = Kind.INTERVIEW) -> dict[bytes, bytes]:
    """Open every interview, or draft, of a device as the office would: instanceID → XML, the newest of each."""
    keyring = Keyring.read(server.keyring(), server.root_key)
    signing_key = server.devices[device.device_id]
    keys: dict[bytes, EpochKeys] = {}
    answers: dict[bytes, bytes] = {}
    for body in device.envelope_bodies():
        header = peek(body)
        if isinstance(header, Epoch):
            epochs.verify_epoch(header, signing_key)
            survey_key = keyring.survey_key_by_id(header.survey_key_id)
            assert survey_key is not None
            keys[header.hash] = EpochKeys(epochs.open_epoch(header, server.survey_seed, survey_key), header.hash)
        elif header.kind is kind:
            verify(body, signing_key)
            key = keys[header.epoch_hash].content_key(header.index)
            answers[header.instance_id] = OPEN[kind](body, key)[1]
    return answers


def headers(device: Device) -> list[Header | Epoch]:
    return [peek(body) for body in device.envelope_bodies()]


def code_of(call: object, *arguments: object, **named: object) -> str:
    with pytest.raises((LocalError, RemoteError)) as caught:
        call(*arguments, **named)  # type: ignore[operator]
    return str(caught.value.code)


def test_a_sealed_interview_opens_at_the_office_verbatim(device: Device, server: ModelServer) -> None:
    for number in range(3):
        seal(device, number)
    expected = {instance_id(number): b"<data><answer>%d</answer></data>" % number for number in range(3)}
    assert opened(device, server) == expected


def test_the_envelopes_of_a_device_are_a_chain_without_gaps(device: Device) -> None:
    for number in range(3):
        seal(device, number)
    chain = headers(device)
    bodies = list(device.envelope_bodies())
    assert [header.sequence for header in chain] == [1, 2, 3, 4]
    assert [header.previous for header in chain] == [bytes(32), *(envelope_id(body) for body in bodies[:-1])]
    assert [header.kind for header in chain] == [Kind.EPOCH] + [Kind.INTERVIEW] * 3


def test_there_is_one_epoch_a_day_and_mode(device: Device) -> None:
    seal(device, 1)
    seal(device, 2)
    seal(device, 3, mode="training")
    device.seal_interview(b"<data/>", instance_id=instance_id(4), form_version_hash=FORM, now=NOW + timedelta(days=1))
    kinds = [header.kind for header in headers(device)]
    assert kinds.count(Kind.EPOCH) == 3


def test_the_key_of_a_used_step_is_not_in_the_file(tmp_path: Path, server: ModelServer) -> None:
    given: list[bytes] = []

    def randomness(length: int) -> bytes:
        given.append(hashlib.sha256(b"%d" % len(given)).digest()[:length])
        return given[-1]

    with Device.create(tmp_path / "d", randomness=randomness) as device:
        device.enrol(server.link(), transport=ModelTransport(server))
        before = len(given)
        seal(device, 1)
        epoch_key = given[before]
        stored = b"".join(path.read_bytes() for path in (tmp_path / "d").iterdir())
        assert given[0] in stored or given[1] in stored, "the scan finds a key that is kept"
        assert epoch_key not in stored
        assert b"<answer>" not in stored


def test_sealing_the_same_instance_twice_is_refused(device: Device) -> None:
    first = seal(device, 1)
    assert code_of(seal, device, 1) == "instance-exists"
    stored = device.envelope_of(instance_id(1))
    assert stored is not None
    assert (stored.envelope_id, stored.sequence) == (first.envelope_id, first.sequence)
    assert device.envelope_of(instance_id(2)) is None


def test_an_interview_that_would_be_too_large_leaves_no_trace(device: Device) -> None:
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(40_000))
    arguments = {"instance_id": instance_id(9), "form_version_hash": FORM, "now": NOW}
    assert code_of(device.seal_interview, noise, **arguments) == "too-large"
    assert list(device.envelope_bodies()) == []


def test_a_mode_without_a_key_is_refused(device: Device) -> None:
    assert code_of(seal, device, 1, mode="rehearsal") == "no-survey-key"


def test_parents_are_in_the_clear_header(device: Device) -> None:
    seal(device, 1)
    device.seal_interview(
        b"<data/>", instance_id=instance_id(2), form_version_hash=FORM, parents=(instance_id(1),), now=NOW
    )
    last = headers(device)[-1]
    assert isinstance(last, Header)
    assert (last.parents, last.form_version_hash) == ((instance_id(1),), FORM)


def test_a_device_that_is_opened_again_goes_on_in_the_same_epoch(tmp_path: Path, server: ModelServer) -> None:
    with Device.create(tmp_path / "d") as device:
        device.enrol(server.link(), transport=ModelTransport(server))
        seal(device, 1)
    with Device.open(tmp_path / "d") as device:
        seal(device, 2)
        assert len(opened(device, server)) == 2
        assert [header.kind for header in headers(device)].count(Kind.EPOCH) == 1


def test_a_synced_device_is_safe_and_says_so(device: Device, server: ModelServer, transport: ModelTransport) -> None:
    for number in range(5):
        seal(device, number)
    said: list[str] = []
    report = device.sync(transport, NOW, on_progress=lambda progress: said.append(progress.sentence()))
    assert (report.outcome, report.exchanges, report.sent, report.stored) == ("synced", 1, 6, 6)
    assert report.progress == Progress(safe=5, interviews=5)
    assert said == ["5 of 5 interviews safe"]
    assert list(server.bodies.values()) == list(device.envelope_bodies())
    stored = device.envelope_of(instance_id(0))
    assert stored is not None
    assert (stored.fate, stored.code, stored.server_sequence) == (Fate.RECEIPTED, 0, 2)
    assert transport.closed == 1


def test_a_large_backlog_goes_in_several_exchanges(device: Device, transport: ModelTransport) -> None:
    with device.bulk():
        for number in range(600):
            seal(device, number)
    report = device.sync(transport, NOW)
    assert (report.outcome, report.exchanges, report.stored, report.waiting) == ("synced", 3, 601, 0)


def test_pulled_forms_assignments_and_verdicts_are_kept(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    sealed = seal(device, 1)
    xform = b"<h:html/>"
    form = FormVersionPull(form_id="f", version="1", title="F", hash=document_hash(xform), xform=xform)
    households = (Household("P1-07", "Maya", "27.7, 85.3"), Household("P1-09", "Hari", "by the bridge"))
    pulled = seal_assignments(
        households, psu="P1", device_id=device.device_id, receiving_key=server.receiving_keys[device.device_id]
    )
    verdict = VerdictPull(
        instance_id=instance_id(1), envelope_id=sealed.envelope_id, state="held", reason="outside-the-draw"
    )
    withdrawn = FormVersionPull(form_id="f", version="1", title="F", hash=form.hash, state="withdrawn", xform=None)
    server.feed = [form, pulled, verdict, withdrawn]
    report = device.sync(transport, NOW)
    assert (report.forms, report.assignments, report.verdicts) == (2, 1, 1)
    (kept,) = device.form_versions()
    assert (kept.hash, kept.xform, kept.state) == (form.hash, xform, "withdrawn")
    assert device.assignments() == {"P1": households}
    (said,) = device.verdicts()
    assert (said.instance_id, said.state, said.reason) == (instance_id(1), "held", "outside-the-draw")


def test_what_is_assigned_is_not_in_the_file_in_clear(
    device: Device, server: ModelServer, transport: ModelTransport, tmp_path: Path
) -> None:
    pulled = seal_assignments(
        (Household("P1-07", "Maya Canary", ""),),
        psu="P1",
        device_id=device.device_id,
        receiving_key=server.receiving_keys[device.device_id],
    )
    server.feed = [pulled]
    device.sync(transport, NOW)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "device").iterdir())
    assert b"P1-07" in stored
    assert b"Maya" not in stored


def test_assignments_sealed_to_another_device_do_not_open(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    receiving_key = server.receiving_keys[device.device_id]
    server.feed = [seal_assignments((), psu="P1", device_id="device-9", receiving_key=receiving_key)]
    device.sync(transport, NOW)
    assert code_of(device.assignments) == "undecryptable"


def test_a_refused_device_keeps_everything(device: Device, server: ModelServer, transport: ModelTransport) -> None:
    seal(device, 1)
    server.devices.clear()
    report = device.sync(transport, NOW)
    assert (report.outcome, report.reason, report.waiting) == ("stopped", "device-unknown", 2)
    assert len(list(device.envelope_bodies())) == 2


def test_a_server_in_maintenance_is_left_for_later(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    server.refuse_with = Problem(slug="maintenance", status=503, retry=Retry.AFTER, retry_after_seconds=600)
    waited: list[float] = []
    report = device.sync(transport, NOW, wait=waited.append)
    assert (report.outcome, report.reason, waited) == ("interrupted", "maintenance", [])
    assert report.retry_at is not None
    assert timedelta(minutes=10) <= report.retry_at - NOW < timedelta(minutes=10, seconds=5)


def test_progress_is_said_in_french_too() -> None:
    assert Progress(37, 40).sentence("fr") == "37 entretiens sur 40 en sécurité"
    assert Progress(0, 1).sentence() == "0 of 1 interview safe"
    assert Progress(37, 40).sentence("xx") == "37 of 40 interviews safe"


class TestPin:
    """What a PIN protects."""

    @pytest.fixture
    def directory(self, tmp_path: Path, server: ModelServer, transport: ModelTransport) -> Path:
        with Device.create(tmp_path / "pin", pin="481516", pin_cost=CHEAP) as device:
            device.enrol(server.link(), transport=transport)
            seal(device, 1)
        return tmp_path / "pin"

    def test_a_wrong_pin_is_refused(self, directory: Path) -> None:
        assert code_of(Device.open, directory, pin="481517") == "pin-wrong"

    def test_the_right_pin_seals_on(self, directory: Path, server: ModelServer) -> None:
        with Device.open(directory, pin="481516") as device:
            seal(device, 2)
            assert len(opened(device, server)) == 2

    def test_a_locked_device_syncs_but_does_not_seal(
        self, directory: Path, server: ModelServer, transport: ModelTransport
    ) -> None:
        server.feed = [
            seal_assignments((), psu="P1", device_id="device-1", receiving_key=server.receiving_keys["device-1"])
        ]
        with Device.open(directory) as device:
            assert code_of(seal, device, 2) == "pin-needed"
            assert device.sync(transport, NOW).outcome == "synced"
            assert code_of(device.assignments) == "pin-needed"

    def test_a_short_pin_is_refused_and_makes_no_device(self, tmp_path: Path) -> None:
        assert code_of(Device.create, tmp_path / "short", pin="12345") == "pin-too-short"
        assert not (tmp_path / "short").exists()


class TestEnrolment:
    """How a device becomes known."""

    def test_a_lost_answer_is_asked_for_again_with_the_same_link(
        self, tmp_path: Path, server: ModelServer, transport: ModelTransport
    ) -> None:
        link = server.link()
        losing = FaultyTransport(transport, lambda number: Fault.ANSWER_LOST if number == 0 else Fault.NONE)
        with Device.create(tmp_path / "d") as device:
            with pytest.raises(TransportError):
                device.enrol(link, transport=losing)
            assert device.enrol(link, transport=losing).device_id == "device-1"
        assert len(server.devices) == 1

    def test_a_device_is_enrolled_once(self, device: Device, server: ModelServer, transport: ModelTransport) -> None:
        assert code_of(device.enrol, server.link("other"), transport=transport) == "already-enrolled"

    def test_another_root_than_the_links_is_not_believed(
        self, tmp_path: Path, server: ModelServer, transport: ModelTransport
    ) -> None:
        usurper = ModelServer()
        usurper.root = usurper.issuer
        link = usurper.link()
        server.link()
        with Device.create(tmp_path / "d") as device:
            assert code_of(device.enrol, link, transport=transport) == "signature-invalid"
            assert not device.is_enrolled

    def test_an_unknown_token_is_refused(self, tmp_path: Path, server: ModelServer, transport: ModelTransport) -> None:
        link = server.link()
        server.tokens.clear()
        with Device.create(tmp_path / "d") as device:
            assert code_of(device.enrol, link, transport=transport) == "token-invalid"

    def test_a_device_that_is_not_enrolled_neither_seals_nor_syncs(
        self, tmp_path: Path, transport: ModelTransport
    ) -> None:
        with Device.create(tmp_path / "d") as device:
            assert code_of(seal, device, 1) == "not-enrolled"
            assert code_of(device.sync, transport, NOW) == "not-enrolled"


class TestFile:
    """The device's file."""

    def test_only_its_owner_reads_it(self, device: Device, tmp_path: Path) -> None:
        assert (tmp_path / "device" / FILE_NAME).stat().st_mode & 0o777 == 0o600

    def test_a_directory_holds_one_device(self, device: Device, tmp_path: Path) -> None:
        assert code_of(Device.create, tmp_path / "device") == "device-exists"

    def test_there_must_be_a_device_to_open(self, tmp_path: Path) -> None:
        assert code_of(Device.open, tmp_path / "nothing") == "device-missing"

    def test_a_file_of_another_format_is_refused(self, tmp_path: Path) -> None:
        Device.create(tmp_path / "d").close()
        connection = sqlite.connect(str(tmp_path / "d" / FILE_NAME))
        connection.execute("PRAGMA user_version=99")
        connection.close()
        assert code_of(Device.open, tmp_path / "d") == "device-format"
