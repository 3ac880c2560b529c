"""Unsealed interviews on the device: saved, finalised, re-opened, sealed or discarded, and never in two places."""

import hashlib
import io
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sync_protocol.assignments import Household, seal_assignments
from sync_protocol.client.device import Device
from sync_protocol.client.drafts import DraftPolicy
from sync_protocol.client.drafts_store import DRAFTS, DraftContent, DraftEvent, DraftState
from sync_protocol.client.report import Unsealed
from sync_protocol.constants import Kind
from sync_protocol.envelope import Header, open_interview, peek
from sync_protocol.epoch import Epoch, open_epoch
from sync_protocol.errors import LocalError
from sync_protocol.fetch import WantedFile
from sync_protocol.keyring import Keyring
from sync_protocol.plaintext import Medium
from sync_protocol.pull_items import AssignmentsPull
from sync_protocol.ratchet import EpochKeys
from tests.client.model_transport import CHEAP, FORM, ModelTransport, interview_xml, uuid_of
from tests.client.test_device import code_of, opened
from tests.sync_protocol.model_server import NOW, ModelServer

PIN = "481516"
LATER = timedelta(hours=1)


def save(device: Device, number: int, answer: str = "yes", *, now: datetime = NOW, psu: str = "") -> bytes:
    xml = interview_xml(number, answer)
    return device.drafts.save_draft(xml, form_version_hash=FORM, now=now, psu=psu).instance_id


def finalised(device: Device, number: int, answer: str = "yes", *, now: datetime = NOW, psu: str = "") -> bytes:
    instance_id = save(device, number, answer, now=now, psu=psu)
    device.drafts.finalise(instance_id, now=now)
    return instance_id


@pytest.fixture
def directory(tmp_path: Path, server: ModelServer, transport: ModelTransport) -> Path:
    """A device with a PIN, closed."""
    with Device.create(tmp_path / "pin", pin=PIN, pin_cost=CHEAP) as device:
        device.enrol(server.link(), transport=transport)
    return tmp_path / "pin"


@pytest.fixture
def unlocked(directory: Path) -> Iterator[Device]:
    with Device.open(directory, pin=PIN) as device:
        yield device


def test_a_finalised_interview_is_reopened_changed_and_sealed_at_the_sync(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    instance_id = finalised(device, 1, "no")
    assert list(device.envelope_bodies()) == [], "finalised is not sealed"
    device.drafts.reopen(instance_id, now=NOW)
    assert device.drafts.read(instance_id).instance_xml == interview_xml(1, "no")
    finalised(device, 1, "yes")
    report = device.sync(transport, NOW)
    assert (report.sealed, report.unsealed, report.waiting) == (1, (), 0)
    assert opened(device, server) == {instance_id: interview_xml(1, "yes")}
    assert device.drafts.list() == ()


def test_a_draft_is_never_sealed_as_an_interview(device: Device, transport: ModelTransport) -> None:
    save(device, 1)
    assert device.sync(transport, NOW).sealed == 0
    assert device.envelope_of(uuid_of(1)) is None
    assert code_of(device.drafts.seal, uuid_of(1), now=NOW) == "wrong-state"


def test_what_is_sealed_is_not_reopened_saved_or_sealed_again(device: Device) -> None:
    instance_id = finalised(device, 1)
    device.drafts.seal(instance_id, now=NOW)
    assert code_of(device.drafts.reopen, instance_id, now=NOW) == "draft-unknown"
    assert code_of(save, device, 1) == "instance-exists"
    assert code_of(device.drafts.seal, instance_id, now=NOW) == "draft-unknown"


def test_what_is_finished_is_not_thrown_away(device: Device) -> None:
    instance_id = finalised(device, 1)
    assert code_of(device.drafts.discard, instance_id) == "wrong-state"
    device.drafts.reopen(instance_id, now=NOW)
    device.drafts.discard(instance_id)
    assert device.drafts.list() == ()


def test_the_time_of_the_policy_seals(device: Device) -> None:
    device.drafts.set_policy(DraftPolicy(seal_after_hours=2))
    early, late = finalised(device, 1), finalised(device, 2, now=NOW + LATER)
    end = NOW + 2 * LATER
    assert code_of(device.drafts.reopen, early, now=end) == "reopened-too-late"
    report = device.drafts.seal_due(now=end)
    assert (len(report.sealed), report.unsealed) == (1, ())
    assert device.envelope_of(early) is not None
    assert device.drafts.reopen(late, now=end).state is DraftState.DRAFT


def test_a_closed_unit_is_sealed_and_no_other(device: Device) -> None:
    gone, here = finalised(device, 1, psu="P1"), finalised(device, 2, psu="P2")
    assert len(device.drafts.close_psu("P1", now=NOW).sealed) == 1
    assert device.envelope_of(gone) is not None
    assert device.drafts.get(here).state is DraftState.FINALISED


def test_a_unit_that_the_office_closes_is_sealed_and_no_longer_reopened(
    directory: Path, server: ModelServer, transport: ModelTransport
) -> None:
    def told(psu: str, *, is_closed: bool) -> AssignmentsPull:
        key = server.receiving_keys["device-1"]
        made = seal_assignments((Household("H1", "", ""),), psu=psu, device_id="device-1", receiving_key=key)
        return replace(made, closed=is_closed)

    with Device.open(directory, pin=PIN) as device:
        for number, psu in enumerate(("P1", "P2"), start=1):
            finalised(device, number, psu=psu)
    with Device.open(directory) as locked:  # nobody gives the PIN: nothing is sealed yet
        server.feed = [told("P1", is_closed=True), told("P2", is_closed=False)]
        assert locked.sync(transport, NOW).sealed == 0
    with Device.open(directory, pin=PIN) as device:
        assert code_of(device.drafts.reopen, uuid_of(1), now=NOW) == "reopened-too-late"
        assert len(device.drafts.seal_due(now=NOW).sealed) == 1
        assert device.envelope_of(uuid_of(1)) is not None
        server.feed = [*server.feed, told("P1", is_closed=False)]
        device.sync(transport, NOW)
        finalised(device, 3, psu="P1")
        device.drafts.reopen(uuid_of(3), now=NOW)


def test_one_that_cannot_be_sealed_stands_in_the_way_of_no_other(device: Device) -> None:
    xml = interview_xml(1)
    draft = device.drafts.save_draft(xml, form_version_hash=FORM, now=NOW, mode="rehearsal")
    device.drafts.finalise(draft.instance_id, now=NOW)
    finalised(device, 2)
    report = device.drafts.seal_all(now=NOW)
    assert len(report.sealed) == 1
    assert [(one.instance_id, one.reason) for one in report.unsealed] == [(draft.instance_id, "no-survey-key")]
    assert device.drafts.read(draft.instance_id).instance_xml == xml


def test_a_seal_that_fails_takes_no_step_of_the_ratchet_and_keeps_the_draft(device: Device) -> None:
    instance_id = finalised(device, 1, "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(900_000)))
    assert code_of(device.drafts.seal, instance_id, now=NOW) == "too-large"
    assert list(device.envelope_bodies()) == []
    assert device.drafts.get(instance_id).state is DraftState.FINALISED


def test_a_seal_that_is_cut_off_at_its_end_has_not_happened(
    device: Device, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance_id = finalised(device, 1)

    def fail(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as cut:
        cut.setattr("sync_protocol.client.drafts_store.DraftStore.sealed", fail)
        with pytest.raises(OSError):  # noqa: PT011 - it has no words
            device.drafts.seal(instance_id, now=NOW)
    assert list(device.envelope_bodies()) == []
    assert device.drafts.get(instance_id).state is DraftState.FINALISED
    device.drafts.seal(instance_id, now=NOW)
    header = peek(list(device.envelope_bodies())[-1])
    assert isinstance(header, Header)
    assert header.index == 0, "no step was lost, none is taken twice"
    assert opened(device, server) == {instance_id: interview_xml(1)}


def test_media_note_and_parents_stay_when_answers_change(device: Device) -> None:
    medium = Medium(name="roof.jpg", type="image/jpeg", length_bytes=3, sha256="00" * 32, key="11" * 32)
    device.drafts.save_draft(
        interview_xml(1), form_version_hash=FORM, now=NOW, media=[medium], parents=(uuid_of(9),), note="ask again"
    )
    save(device, 1, "no")
    assert device.drafts.read(uuid_of(1)) == DraftContent(
        instance_xml=interview_xml(1, "no"), media=(medium,), note="ask again"
    )
    device.drafts.finalise(uuid_of(1), now=NOW)
    device.drafts.seal(uuid_of(1), now=NOW)
    header = peek(list(device.envelope_bodies())[-1])
    assert isinstance(header, Header)
    assert (header.kind, header.parents) == (Kind.INTERVIEW, (uuid_of(9),))


@pytest.mark.parametrize("xml", [b"<data/>", b"<data>", b"<data><meta><instanceID> </instanceID></meta></data>"])
def test_an_instance_that_does_not_name_itself_is_refused(device: Device, xml: bytes) -> None:
    assert code_of(device.drafts.save_draft, xml, form_version_hash=FORM, now=NOW) == "malformed"


class TestForAReplacement:
    """Unfinished interviews sealed at each sync, so that a lost tablet loses none."""

    def test_a_draft_is_sealed_when_it_has_changed(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        save(device, 1, "no")
        device.sync(transport, NOW)
        assert opened(device, server, Kind.DRAFT) == {uuid_of(1): interview_xml(1, "no")}
        before = len(list(device.envelope_bodies()))
        save(device, 1, "no")
        device.sync(transport, NOW)
        assert len(list(device.envelope_bodies())) == before, "nothing has changed"
        save(device, 1, "yes")
        device.sync(transport, NOW)
        assert opened(device, server, Kind.DRAFT) == {uuid_of(1): interview_xml(1, "yes")}
        assert opened(device, server) == {}
        assert len(server.bodies) == before + 1

    def test_it_is_finalised_and_sealed_as_ever_afterwards(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        save(device, 1, "no")
        device.sync(transport, NOW)
        finalised(device, 1, "yes")
        assert device.sync(transport, NOW).sealed == 1
        assert opened(device, server) == {uuid_of(1): interview_xml(1, "yes")}

    def test_a_sealed_draft_goes_once_it_is_in_a_backup(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        save(device, 1)
        device.sync(transport, NOW)
        assert set(opened(device, server, Kind.DRAFT)) == {uuid_of(1)}
        server.backed_up_sequence = 2
        assert device.sync(transport, NOW).pruned == 1
        assert opened(device, server, Kind.DRAFT) == {}
        assert device.drafts.read(uuid_of(1)).instance_xml == interview_xml(1), "the draft itself stays"

    def test_an_office_may_not_want_them(self, device: Device, transport: ModelTransport) -> None:
        device.drafts.set_policy(DraftPolicy(seals_drafts=False))
        save(device, 1)
        device.sync(transport, NOW)
        assert list(device.envelope_bodies()) == []


def test_an_erasure_takes_the_drafts_of_an_interview_and_of_its_corrections(
    unlocked: Device, server: ModelServer, transport: ModelTransport
) -> None:
    save(unlocked, 1)
    save(unlocked, 2)
    unlocked.drafts.save_draft(interview_xml(3), form_version_hash=FORM, now=NOW, parents=(uuid_of(1),))
    unlocked.sync(transport, NOW)
    server.feed.append(server.erasure(uuid_of(1)))
    unlocked.sync(transport, NOW)
    assert [draft.instance_id for draft in unlocked.drafts.list()] == [uuid_of(2)]
    assert set(opened(unlocked, server, Kind.DRAFT)) == {uuid_of(2)}


def test_an_interview_is_deflated_with_the_dictionary_of_its_form(device: Device, server: ModelServer) -> None:
    dictionary = interview_xml(7, "a long answer that comes again and again")
    sha256 = hashlib.sha256(dictionary).digest()
    device._database.execute("INSERT INTO form_file VALUES (?, 'd', 't', ?, ?, 1)", FORM, len(dictionary), sha256)
    wanted = WantedFile(sha256, len(dictionary), 0)
    lengths: list[int] = []
    for number in (1, 2):
        device.drafts.seal(finalised(device, number, "a long answer that comes again and again"), now=NOW)
        body = list(device.envelope_bodies())[-1]
        header = peek(body)
        assert isinstance(header, Header)
        assert header.dictionary_hash == (bytes(32) if number == 1 else sha256)
        lengths.append(len(body))
        device.files.append(wanted, dictionary)
    assert lengths[1] < lengths[0]
    key = EpochKeys(epoch_key(device, server), header.epoch_hash).content_key(header.index)
    assert open_interview(body, key, dictionary=dictionary)[1] == interview_xml(
        2, "a long answer that comes again and again"
    )


def epoch_key(device: Device, server: ModelServer) -> bytes:
    """Open the one epoch of a device as the office would."""
    epoch = peek(next(device.envelope_bodies()))
    assert isinstance(epoch, Epoch)
    survey_key = Keyring.read(server.keyring(), server.root_key).survey_key_by_id(epoch.survey_key_id)
    assert survey_key is not None
    return open_epoch(epoch, server.survey_seed, survey_key)


def test_media_of_a_draft_that_is_sealed_go_when_it_is_discarded(device: Device) -> None:
    roof = device.media.add(io.BytesIO(b"roof" * 99), "roof.jpg", "image/jpeg")
    device.drafts.save_draft(interview_xml(1), form_version_hash=FORM, now=NOW, media=[roof])
    assert len(device.drafts.seal_for_sync(now=NOW).drafts) == 1
    assert len(device.media.waiting_media()) == 1
    device.drafts.discard(uuid_of(1))
    assert device.media.waiting_media() == ()
    assert device.media.sweep() == 1


def test_media_of_a_draft_wait_until_it_is_sealed_and_go_with_it(device: Device, server: ModelServer) -> None:
    roof = device.media.add(io.BytesIO(b"roof" * 99), "roof.jpg", "image/jpeg")
    door = device.media.add(io.BytesIO(b"door" * 99), "door.jpg", "image/jpeg")
    for number, medium in ((1, roof), (2, door)):
        device.drafts.save_draft(interview_xml(number), form_version_hash=FORM, now=NOW, media=[medium])
    assert device.media.waiting_media() == ()
    device.drafts.discard(uuid_of(2))
    device.drafts.finalise(uuid_of(1), now=NOW)
    device.drafts.seal(uuid_of(1), now=NOW)
    assert [one.sha256.hex() for one in device.media.waiting_media()] == [roof.sha256]
    kept = device._database.rows("SELECT count(*) FROM medium WHERE fate <> 'deleted'")
    assert kept == [(1,)], "that of the discarded one is gone"
    body = list(device.envelope_bodies())[-1]
    header = peek(body)
    assert isinstance(header, Header)
    key = EpochKeys(epoch_key(device, server), header.epoch_hash).content_key(header.index)
    assert open_interview(body, key)[0].media == (roof,)


class TestPin:
    """Drafts under the PIN."""

    def test_nothing_of_a_draft_is_in_the_file(self, unlocked: Device, directory: Path) -> None:
        finalised(unlocked, 1, "a canary")
        save(unlocked, 2, "a canary")
        assert b"a canary" in unlocked.drafts.read(uuid_of(2)).instance_xml
        stored = b"".join(path.read_bytes() for path in directory.iterdir())
        assert uuid_of(1) in stored, "the scan finds what is kept in clear"
        assert b"canary" not in stored

    def test_a_draft_is_bound_to_its_instance(self, unlocked: Device) -> None:
        save(unlocked, 1)
        save(unlocked, 2)
        database = unlocked._database
        (other,) = database.rows("SELECT content FROM draft WHERE instance_id = ?", uuid_of(2))
        database.execute("UPDATE draft SET content = ? WHERE instance_id = ?", other[0], uuid_of(1))
        assert code_of(unlocked.drafts.read, uuid_of(1)) == "pin-wrong"

    def test_a_locked_device_sends_what_is_sealed_and_says_what_it_could_not_seal(
        self, directory: Path, transport: ModelTransport
    ) -> None:
        with Device.open(directory, pin=PIN) as device:
            device.drafts.seal(finalised(device, 1), now=NOW)
            finalised(device, 2)
            save(device, 3)
        with Device.open(directory) as locked:
            report = locked.sync(transport, NOW)
            assert (report.outcome, report.progress.safe, report.waiting, report.sealed) == ("synced", 1, 0, 0)
            assert report.unsealed == (
                Unsealed(uuid_of(2), "pin-needed"),
                Unsealed(uuid_of(3), "pin-needed", is_finished=False),
            )
            assert [line.split(" ", 2)[:2] for line in report.warnings()] == [["1", "finished"], ["1", "changed"]]
            assert [draft.state for draft in locked.drafts.list()] == [DraftState.FINALISED, DraftState.DRAFT]
            for operation in (locked.drafts.finalise, locked.drafts.reopen, locked.drafts.seal):
                assert code_of(operation, uuid_of(2), now=NOW) == "pin-needed"
            assert code_of(locked.drafts.discard, uuid_of(3)) == "pin-needed"
            assert code_of(locked.drafts.read, uuid_of(3)) == "pin-needed"
            assert code_of(save, locked, 4) == "pin-needed"

    def test_another_pin_opens_everything_and_the_old_one_nothing(
        self, directory: Path, server: ModelServer, transport: ModelTransport
    ) -> None:
        with Device.open(directory, pin=PIN) as device:
            device.drafts.seal(finalised(device, 1), now=NOW)
            save(device, 2, "a canary")
            device.change_pin("150100", pin_cost=CHEAP)
            device.drafts.finalise(uuid_of(2), now=NOW)
        assert code_of(Device.open, directory, pin=PIN) == "pin-wrong"
        with Device.open(directory, pin="150100") as device:
            assert device.drafts.read(uuid_of(2)).instance_xml == interview_xml(2, "a canary")
            device.sync(transport, NOW)
            assert len(opened(device, server)) == 2
            assert device.assignments() == {}
            device.change_pin(None)
        with Device.open(directory) as device:
            assert not device.has_pin
            finalised(device, 3)
            assert device.sync(transport, NOW).sealed == 1

    def test_a_change_of_pin_that_fails_leaves_the_old_one(self, directory: Path) -> None:
        with Device.open(directory, pin=PIN) as device:
            save(device, 1)
            device.drafts.seal(finalised(device, 2), now=NOW)
            device._database.execute("UPDATE epoch SET ratchet = x'00'")
            assert code_of(device.change_pin, "150100", pin_cost=CHEAP) == "pin-wrong"
        with Device.open(directory, pin=PIN) as device:
            assert device.drafts.read(uuid_of(1)).instance_xml == interview_xml(1)

    def test_a_locked_device_changes_no_pin(self, directory: Path) -> None:
        with Device.open(directory) as locked:
            assert code_of(locked.change_pin, "150100", pin_cost=CHEAP) == "pin-needed"
            assert code_of(locked.change_pin, "1501") == "pin-too-short"

    def test_a_forgotten_pin_loses_nothing_that_was_sealed(
        self, directory: Path, server: ModelServer, transport: ModelTransport
    ) -> None:
        with Device.open(directory, pin=PIN) as device:
            device.drafts.seal(finalised(device, 1), now=NOW)
            save(device, 2)
        with Device.open(directory) as locked:
            assert locked.sync(transport, NOW).progress.safe == 1
            assert set(opened(locked, server)) == {uuid_of(1)}
            assert code_of(locked.drafts.read, uuid_of(2)) == "pin-needed"
        with Device.open(directory, pin=PIN) as remembered:
            assert remembered.drafts.read(uuid_of(2)).instance_xml == interview_xml(2)


ROOMS = st.integers(0, 3)


class DraftMachine(RuleBasedStateMachine):
    """Any order of any calls: the device agrees with the table, and answers are in exactly one place."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.server = ModelServer()
        self.transport = ModelTransport(self.server)
        self.device = Device.create(Path(self.folder.name) / "d", pin=PIN, pin_cost=CHEAP)
        self.device.enrol(self.server.link(), transport=self.transport)
        self.now = NOW
        self.states: dict[int, DraftState] = {}
        self.answers: dict[int, str] = {}
        self.finalised_at: dict[int, datetime] = {}

    def happen(self, number: int, event: DraftEvent, code: str | None) -> None:
        """Compare with the table what a call said."""
        state = self.states.get(number)
        following = DRAFTS.get((state, event)) if state is not None else None
        assert (code is None) == (following is not None), (state, event, code)
        if following is not None:
            self.states[number] = following

    def outcome(self, call: object, *arguments: object, **named: object) -> str | None:
        try:
            call(*arguments, **named)  # type: ignore[operator]
        except LocalError as error:
            return error.code
        return None

    @rule(number=ROOMS, answer=st.sampled_from(["yes", "no", "perhaps"]))
    def save(self, number: int, answer: str) -> None:
        code = self.outcome(save, self.device, number, answer, now=self.now)
        if code is None:
            self.answers[number] = answer
        if self.states.get(number) in (None, DraftState.DISCARDED):
            assert code is None
            self.states[number] = DraftState.DRAFT
        else:
            self.happen(number, DraftEvent.SAVED, code)

    @rule(number=ROOMS)
    def finalise(self, number: int) -> None:
        code = self.outcome(self.device.drafts.finalise, uuid_of(number), now=self.now)
        self.happen(number, DraftEvent.FINALISED, code)
        if code is None:
            self.finalised_at[number] = self.now

    @rule(number=ROOMS)
    def reopen(self, number: int) -> None:
        code = self.outcome(self.device.drafts.reopen, uuid_of(number), now=self.now)
        if code == "reopened-too-late":
            assert self.now - self.finalised_at[number] >= timedelta(hours=72)
        else:
            self.happen(number, DraftEvent.REOPENED, code)

    @rule(number=ROOMS)
    def discard(self, number: int) -> None:
        self.happen(number, DraftEvent.DISCARDED, self.outcome(self.device.drafts.discard, uuid_of(number)))

    @rule(number=ROOMS)
    def seal(self, number: int) -> None:
        code = self.outcome(self.device.drafts.seal, uuid_of(number), now=self.now)
        self.happen(number, DraftEvent.SEALED, code)

    @rule()
    def sync(self) -> None:
        self.device.sync(self.transport, self.now)
        for number, state in self.states.items():
            if state is DraftState.FINALISED:
                self.states[number] = DraftState.SEALED

    @rule(hours=st.sampled_from([1, 36, 80]))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def seal_due(self) -> None:
        self.device.drafts.seal_due(now=self.now)
        for number, state in self.states.items():
            if state is DraftState.FINALISED and self.now - self.finalised_at[number] >= timedelta(hours=72):
                self.states[number] = DraftState.SEALED

    @rule()
    def restart(self) -> None:
        self.device.close()
        self.device = Device.open(Path(self.folder.name) / "d", pin=PIN)

    @invariant()
    def holds_what_the_table_says(self) -> None:
        open_states = (DraftState.DRAFT, DraftState.FINALISED)
        kept = {draft.instance_id: draft.state for draft in self.device.drafts.list()}
        assert kept == {uuid_of(number): state for number, state in self.states.items() if state in open_states}
        for number, state in self.states.items():
            if state in open_states:
                xml = interview_xml(number, self.answers[number])
                assert self.device.drafts.read(uuid_of(number)).instance_xml == xml

    def teardown(self) -> None:
        sealed = {number for number, state in self.states.items() if state is DraftState.SEALED}
        expected = {uuid_of(number): interview_xml(number, self.answers[number]) for number in sealed}
        assert opened(self.device, self.server) == expected
        self.device.close()
        self.folder.cleanup()


TestDraftMachine = DraftMachine.TestCase
TestDraftMachine.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
