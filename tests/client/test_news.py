"""What a device does with everything that it can pull, and with what it must delete."""

import io
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sync_protocol import hpke
from sync_protocol.assignments import Household, seal_assignments
from sync_protocol.client.device import Device
from sync_protocol.client.erasing import WIPED
from sync_protocol.client.pulled import Reading
from sync_protocol.client.receiving import LOCAL
from sync_protocol.client.report import Progress
from sync_protocol.client.sealing import SealedInterview
from sync_protocol.client.transport import Answer, Fault, FaultyTransport
from sync_protocol.constants import SUITE_X25519
from sync_protocol.documents import document_hash, key_id
from sync_protocol.entity_rows import EntityRow, seal_rows
from sync_protocol.errors import LocalError
from sync_protocol.handover import Address, Handover, Kind, seal_handover
from sync_protocol.media import open_medium, verify_medium
from sync_protocol.messages import ReceiptCode
from sync_protocol.orders import WipeOrder
from sync_protocol.plaintext import Medium
from sync_protocol.pull_items import (
    AssignmentsPull,
    DraftPull,
    EntitiesPull,
    FormFile,
    FormVersionPull,
    PullItem,
    ReturnedPull,
    RevocationPull,
    VerdictPull,
    WipePull,
)
from sync_protocol.transitions import Fate
from tests.client.model_transport import CHEAP, FORM, ModelTransport, instance_id, no_wait, seal
from tests.sync_protocol.model_server import NOW, ModelServer, private_key

PIN = "481516"
HOUSEHOLDS = (Household("P1-07", "Maya Canary", "27.7, 85.3"),)
HANDED = Handover(instance_xml=b"<data>Canary</data>", mode="survey", note="Ask again")
WITHDRAWN = FormVersionPull(form_id="f", version="1", title="F", hash=FORM, state="withdrawn", xform=None)


def assigned(server: ModelServer, psu: str = "P1") -> Callable[[str], PullItem]:
    """Seal when asked, to the key that the device named last, as the office does."""

    def made(device_id: str) -> AssignmentsPull:
        key = server.receiving_keys[device_id]
        item = seal_assignments(HOUSEHOLDS, psu=psu, device_id=device_id, receiving_key=key)
        return AssignmentsPull(psu=psu, households=item.households, sealed=item.sealed, sealed_to=key_id(key))

    return made


def rows(server: ModelServer, *made: EntityRow) -> Callable[[str], PullItem]:
    def item(device_id: str) -> EntitiesPull:
        key = server.receiving_keys[device_id]
        sealed = seal_rows(made, list_name="villages", device_id=device_id, receiving_key=key)
        return EntitiesPull(list_name="villages", sealed=sealed, sealed_to=key_id(key))

    return item


def handed(server: ModelServer, kind: Kind, signer: str = "decision") -> Callable[[str], PullItem]:
    def made(device_id: str) -> PullItem:
        key = server.receiving_keys[device_id]
        address = Address(kind, device_id, instance_id(1), FORM)
        frame = seal_handover(HANDED, address, receiving_key=key, signer=private_key(signer))
        if kind == "draft":
            return DraftPull(instance_id=instance_id(1), form_version_hash=FORM, sealed=frame, sealed_to=key_id(key))
        return ReturnedPull(instance_id=instance_id(1), form_version_hash=FORM, sealed=frame, sealed_to=key_id(key))

    return made


def verdict_of(device: Device, number: int, state: str = "opened") -> VerdictPull:
    stored = device.envelope_of(instance_id(number))
    assert stored is not None
    return VerdictPull(instance_id=instance_id(number), envelope_id=stored.envelope_id, state=state)  # type: ignore[arg-type]


def photograph(device: Device, content: bytes = b"picture" * 9_000) -> Medium:
    return device.media.add(io.BytesIO(content), "dwelling.jpg", "image/jpeg")


def revise(device: Device, number: int, *parents: bytes, now: datetime = NOW) -> SealedInterview:
    return device.seal_interview(
        b"<data/>", instance_id=instance_id(number), form_version_hash=FORM, parents=parents, now=now
    )


def name_by(device: Device, number: int, *media: Medium) -> None:
    with device._database.transaction():
        device.media.name_by(instance_id(number), media)


def everything_on_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


def reading(device: Device) -> Reading:
    return device._reading()


class TestReceivingKeys:
    """Each exchange names a new key, and old ones go."""

    def test_each_exchange_names_a_new_key_and_old_ones_are_erased(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        for _ in range(3):
            assert device.sync(transport, NOW).outcome == "synced"
        assert len(set(server.named_keys[device.device_id])) == 3
        assert device._receiving.count() == 1

    def test_what_came_in_a_lost_answer_is_pulled_again_and_opens(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        server.feed = [assigned(server)]
        losing = FaultyTransport(transport, lambda number: Fault.ANSWER_LOST if number < 3 else Fault.NONE)
        assert device.sync(losing, NOW, wait=no_wait).outcome == "synced"
        assert device.assignments() == {"P1": HOUSEHOLDS}
        assert device._receiving.count() == 1

    def test_a_locked_device_keeps_what_it_pulls_and_opens_it_later(
        self, tmp_path: Path, server: ModelServer, transport: ModelTransport
    ) -> None:
        with Device.create(tmp_path / "d", pin=PIN) as device:
            device.enrol(server.link(), transport=transport)
            device.sync(transport, NOW)
        server.feed = [assigned(server), rows(server, EntityRow(entity_id="e1", version=1, label="Baa"))]
        with Device.open(tmp_path / "d") as locked:
            assert locked.sync(transport, NOW).outcome == "synced"
            assert len(server.named_keys["device-1"]) == 1, "a locked device names no key"
            with pytest.raises(LocalError, match="pin-needed"):
                locked.assignments()
        with Device.open(tmp_path / "d", pin=PIN) as device:
            assert device.assignments() == {"P1": HOUSEHOLDS}
            device.sync(transport, NOW)
            device.sync(transport, NOW)
            assert device._receiving.count() == 1
            assert [row.label for row in device.entities("villages")] == ["Baa"]
            assert device._database.rows("SELECT sealed_to FROM assignment") == [(LOCAL,)]
            assert device.assignments() == {"P1": HOUSEHOLDS}
        with Device.open(tmp_path / "d") as locked, pytest.raises(LocalError, match="pin-needed"):
            locked.assignments()
        assert b"Canary" not in everything_on_disk(tmp_path / "d")

    def test_a_key_stays_as_long_as_something_is_sealed_to_it(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        server.feed = [handed(server, "returned")]
        for _ in range(3):
            device.sync(transport, NOW)
        assert device._receiving.count() == 2
        assert reading(device).handover("returned", instance_id(1)) == HANDED
        server.feed.append(
            ReturnedPull(instance_id=instance_id(1), form_version_hash=FORM, state="settled", sealed=None)
        )
        device.sync(transport, NOW)
        assert reading(device).handover("returned", instance_id(1)) is None
        assert device._receiving.count() == 1


class TestNews:
    """Every kind that can be pulled."""

    @pytest.mark.parametrize("kind", ["returned", "draft"])
    def test_what_the_office_hands_over_is_kept_sealed(
        self, device: Device, server: ModelServer, transport: ModelTransport, kind: Kind, tmp_path: Path
    ) -> None:
        server.feed = [handed(server, kind)]
        report = device.sync(transport, NOW)
        assert (report.returned, report.drafts) == ((1, 0) if kind == "returned" else (0, 1))
        assert reading(device).handover(kind, instance_id(1)) == HANDED
        assert b"Canary" not in everything_on_disk(tmp_path / "device")

    def test_what_no_decision_key_has_signed_is_passed_over(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        server.feed = [handed(server, "returned", signer="usurper")]
        assert device.sync(transport, NOW).outcome == "synced"
        assert reading(device).handover("returned", instance_id(1)) is None

    def test_entities_are_new_changed_and_gone(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        baa = EntityRow(entity_id="e1", version=1, label="Baa", values={"chief": "Canary"})
        server.feed = [rows(server, baa, EntityRow(entity_id="e2", version=1, label="Bo"))]
        device.sync(transport, NOW)
        assert device.entities("villages")[0] == baa
        changed = EntityRow(entity_id="e1", version=2, label="Baa II")
        server.feed.append(rows(server, changed, EntityRow(entity_id="e2", is_gone=True)))
        device.sync(transport, NOW)
        assert device.entities("villages") == (changed,)
        assert device.entities("schools") == ()
        assert b"Baa" not in everything_on_disk(device._database.directory)

    def test_entities_that_do_not_open_are_kept_as_they_came(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        sealed_to = key_id(server.receiving_keys[device.device_id])
        server.feed = [EntitiesPull(list_name="villages", sealed=b"garbage", sealed_to=sealed_to)]
        assert device.sync(transport, NOW).outcome == "synced"
        assert device._database.rows("SELECT count(*) FROM entity_delta") == [(1,)]

    def test_a_revoked_device_knows_it_and_still_delivers(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        server.feed = [RevocationPull(device_id="device-9", revoked_at=NOW)]
        device.sync(transport, NOW)
        assert not device.is_revoked
        server.feed.append(RevocationPull(device_id=device.device_id, revoked_at=NOW))
        device.sync(transport, NOW)
        assert device.is_revoked
        seal(device, 1)
        assert device.sync(transport, NOW).stored == 2

    def test_files_of_forms_are_fetched_in_ranges_and_compared_with_their_hash(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        xform, dictionary, picture = b"<h:html/>", b"words" * 100, b"flag" * 50_000
        files = tuple(
            FormFile(name=name, type="x", length_bytes=len(content), sha256=document_hash(content))
            for name, content in (("flag.png", picture), ("dictionary", dictionary), ("empty", b""), ("gone", b"?"))
        )
        form_hash = document_hash(xform)
        server.feed = [
            FormVersionPull(
                form_id="f",
                version="1",
                title="F",
                hash=form_hash,
                xform=xform,
                files=files,
                dictionary=document_hash(dictionary),
            )
        ]
        server.files = {document_hash(dictionary): dictionary, document_hash(picture): b"another" + picture[7:]}
        report = device.sync(transport, NOW)
        assert (report.outcome, report.files) == ("synced", 2)
        assert device.files.dictionary(form_hash) == dictionary
        assert device.files.path(document_hash(picture)) is None, "it had another hash"
        server.files[document_hash(picture)] = picture
        cut = FaultyTransport(transport, lambda number: Fault.ANSWER_LOST if number == 2 else Fault.NONE)
        assert device.sync(cut, NOW, wait=no_wait).files == 1
        found = {file.name: file.path for file in device.files.of(form_hash)}
        assert found["flag.png"] is not None
        assert found["flag.png"].read_bytes() == picture
        assert found["gone"] is None
        server.feed.append(FormVersionPull(
            form_id="f", version="1", title="F", hash=form_hash, state="withdrawn", xform=None
        ))  # fmt: skip
        device.sync(transport, NOW)
        assert device.files.dictionary(form_hash) == dictionary, "an interview that is given back may need it"


class TestMedia:
    """Pictures on the device and on their way."""

    def test_a_picture_is_sealed_sent_and_opens_at_the_office(
        self, device: Device, server: ModelServer, transport: ModelTransport, tmp_path: Path
    ) -> None:
        content = b"Canary" * 20_000
        medium = photograph(device, content)
        assert device.sync(transport, NOW).parts == 0, "nothing names it yet"
        seal(device, 1)
        name_by(device, 1, medium)
        assert device.progress() == Progress(0, 1, media=1, bytes_left=device.progress().bytes_left)
        said: list[str] = []
        report = device.sync(transport, NOW, on_progress=lambda progress: said.append(progress.sentence()))
        assert (report.outcome, report.media, report.media_waiting, report.exchanges) == ("synced", 1, 0, 1)
        sha256 = bytes.fromhex(medium.sha256)
        sealed = server.media[sha256]
        verify_medium([sealed], sha256)
        assert b"".join(open_medium([sealed], bytes.fromhex(medium.key))) == content
        assert b"CanaryCanary" not in everything_on_disk(tmp_path / "device")
        assert said[0].startswith("1 of 1 interview safe, 1 photo to go")
        assert said[-1] == "1 of 1 interview safe"

    def test_a_picture_of_a_path_and_an_empty_one_are_sealed_too(self, device: Device, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        medium = device.media.add(tmp_path / "empty", "empty", "audio/ogg")
        with pytest.raises(OSError, match="missing"):
            device.media.add(tmp_path / "missing", "x", "y")
        assert [path.name for path in (tmp_path / "device" / "media").iterdir()] == [medium.sha256]

    def test_a_picture_that_is_too_large_leaves_no_trace(
        self, device: Device, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("sync_protocol.client.media.MEDIUM_BYTES", 1_000)
        with pytest.raises(LocalError, match="too-large"):
            photograph(device)
        assert not list((tmp_path / "device" / "media").iterdir())

    def test_a_later_revision_names_a_picture_again_without_sending_it(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        medium = photograph(device)
        for number in (1, 2):
            seal(device, number)
            name_by(device, number, medium)
            device.sync(transport, NOW)
        assert len(server.media) == 1
        assert device.sync(transport, NOW).parts == 0

    def test_a_lost_answer_to_the_last_part_costs_a_question_and_an_exchange(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        seal(device, 1)
        name_by(device, 1, photograph(device, b"x"))
        losing = FaultyTransport(transport, lambda number: Fault.ANSWER_LOST if number == 1 else Fault.NONE)
        report = device.sync(losing, NOW, wait=no_wait)
        assert (report.outcome, report.media, report.parts, report.exchanges) == ("synced", 1, 1, 2)

    def test_a_discarded_picture_goes_with_the_next_sync(
        self, device: Device, transport: ModelTransport, tmp_path: Path
    ) -> None:
        medium = photograph(device)
        with device._database.transaction():
            device.media.discard(instance_id(1), [medium])
        device.sync(transport, NOW)
        assert not list((tmp_path / "device" / "media").iterdir())

    def test_a_picture_goes_when_a_later_number_is_backed_up(
        self, device: Device, server: ModelServer, transport: ModelTransport, tmp_path: Path
    ) -> None:
        seal(device, 1)
        name_by(device, 1, photograph(device))
        server.backed_up_sequence = 99
        assert device.sync(transport, NOW).pruned == 0, "the backup may be older than the picture"
        seal(device, 2)
        assert device.sync(transport, NOW).pruned == 1
        assert not list((tmp_path / "device" / "media").iterdir())
        assert device.envelope_of(instance_id(1)) is not None

    def test_after_a_restore_pictures_that_are_here_are_sent_again(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        seal(device, 1)
        name_by(device, 1, photograph(device))
        server.backed_up_sequence = 2
        device.sync(transport, NOW)
        server.restore(kept=1)
        server.lose_media()
        server.backed_up_sequence = None
        assert device.sync(transport, NOW).media == 1
        assert (len(server.media), device.backed_up_sequence) == (1, None)

    def test_a_picture_whose_file_is_gone_is_no_reason_to_lose_an_interview(
        self, device: Device, server: ModelServer, transport: ModelTransport, tmp_path: Path
    ) -> None:
        seal(device, 1)
        name_by(device, 1, photograph(device))
        for path in (tmp_path / "device" / "media").iterdir():
            path.unlink()
        report = device.sync(transport, NOW)
        assert (report.stored, report.outcome, len(report.unreadable)) == (2, "synced", 1)
        assert f"({report.unreadable[0][:8]})" in report.warnings()[0]
        device.wipe()
        assert not (tmp_path / "device" / "media").exists()

    def test_pictures_that_rotted_are_passed_over_and_sent_when_they_are_whole_again(
        self, device: Device, server: ModelServer, transport: ModelTransport, tmp_path: Path
    ) -> None:
        seal(device, 1)
        rotten = [device.media.add(io.BytesIO(bytes([number])), "a.jpg", "image/jpeg") for number in range(51)]
        good = device.media.add(io.BytesIO(bytes(90_000)), "b.jpg", "image/jpeg")
        name_by(device, 1, *rotten, good)
        folder = tmp_path / "device" / "media"
        former = {one.sha256: (folder / one.sha256).read_bytes() for one in rotten}
        for name, content in former.items():
            (folder / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])
        report = device.sync(transport, NOW)
        assert (report.outcome, report.media, len(report.unreadable)) == ("synced", 1, 51)
        assert report.parts < 5
        (folder / rotten[0].sha256).write_bytes(former[rotten[0].sha256])
        report = device.sync(transport, NOW)
        assert (report.media, len(report.unreadable), len(server.media)) == (1, 50, 2)

    def test_a_picture_that_is_just_being_added_is_not_swept(self, device: Device, tmp_path: Path) -> None:
        photograph(device)
        folder = tmp_path / "device" / "media"
        young, old = folder / "a.unfinished", folder / "b.unfinished"
        for path in (young, old):
            path.write_bytes(b"half")
        os.utime(old, (0, 0))
        assert device.media.sweep() == 1
        assert (young.exists(), old.exists(), len(list(folder.iterdir()))) == (True, False, 2)


def test_what_is_sealed_to_a_key_that_is_gone_is_pulled_anew(
    server: ModelServer, transport: ModelTransport, tmp_path: Path
) -> None:
    """A restored office knows a former key of the device, and the device syncs while it is locked."""
    with Device.create(tmp_path / "locked", pin=PIN, pin_cost=CHEAP) as device:
        device.enrol(server.link(), transport=transport)
        former = server.receiving_keys[device.device_id]
        for _ in range(3):
            device.sync(transport, NOW)
        server.receiving_keys[device.device_id] = former
        server.feed = [assigned(server)]
    with Device.open(tmp_path / "locked") as device:
        assert device.sync(transport, NOW).assignments == 1
    with Device.open(tmp_path / "locked", pin=PIN) as device:
        assert device.sync(transport, NOW).assignments == 1
        assert device.assignments() == {"P1": HOUSEHOLDS}
        assert device.sync(transport, NOW).assignments == 0


class TestDeletion:
    """When an interview leaves the device."""

    def test_an_interview_goes_when_it_is_opened_backed_up_and_its_round_is_closed(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        seal(device, 1)
        revise(device, 2, now=NOW + timedelta(days=1))
        device.sync(transport, NOW)
        server.feed = [verdict_of(device, 1), WITHDRAWN]
        assert device.sync(transport, NOW).pruned == 0
        server.backed_up_sequence = 4
        assert device.sync(transport, NOW).pruned == 1
        stored = device.envelope_of(instance_id(1))
        assert stored is not None
        assert stored.fate is Fate.DELETED
        assert len(list(device.envelope_bodies())) == 2, "the other interview and its epoch"
        assert device.progress() == Progress(2, 2)
        seal(device, 3)
        assert device.sync(transport, NOW).outcome == "synced"
        with pytest.raises(LocalError, match="instance-exists"):
            seal(device, 1)

    @pytest.mark.parametrize(("state", "gone"), [("quarantined", 0), ("held", 1), ("listed", 1)])
    def test_an_interview_that_could_not_be_opened_stays(
        self, device: Device, server: ModelServer, transport: ModelTransport, state: str, gone: int
    ) -> None:
        seal(device, 1)
        device.sync(transport, NOW)
        server.feed = [verdict_of(device, 1, state), WITHDRAWN]
        server.deletes_without_backup = True
        assert device.sync(transport, NOW).pruned == gone

    def test_what_the_server_said_before_it_was_restored_lets_nothing_go(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        seal(device, 1)
        server.backed_up_sequence = 9
        device.sync(transport, NOW)
        server.feed = [verdict_of(device, 1)]
        device.sync(transport, NOW)
        server.restore(kept=0)
        server.feed = [WITHDRAWN]
        server.backed_up_sequence = None
        report = device.sync(transport, NOW)
        assert (report.stored, report.pruned, device.verdicts()) == (2, 0, ())

    def test_an_erasure_leaves_nothing_of_the_interview_and_its_revisions(
        self, device: Device, server: ModelServer, transport: ModelTransport, tmp_path: Path
    ) -> None:
        seal(device, 1)
        medium, shared = photograph(device), photograph(device, b"shared")
        name_by(device, 1, medium, shared)
        revise(device, 2, instance_id(1))
        seal(device, 3)
        name_by(device, 3, shared)
        told: list[bytes] = []
        device._store.erasing.erasers.append(told.extend)
        server.feed = [handed(server, "returned"), server.erasure(instance_id(1))]
        report = device.sync(transport, NOW)
        assert (report.outcome, report.erasures) == ("synced", 1)
        assert device.envelope_of(instance_id(1)) is None
        assert device.envelope_of(instance_id(2)) is None
        assert device.progress() == Progress(1, 1)
        assert reading(device).handover("returned", instance_id(1)) is None
        assert [path.name for path in (tmp_path / "device" / "media").iterdir()] == [shared.sha256]
        assert instance_id(1) not in everything_on_disk(tmp_path / "device")
        assert sorted(told) == sorted([instance_id(1), instance_id(2)])
        seal(device, 4)
        assert device.sync(transport, NOW).stored == 1

    def test_a_receipt_erases_only_what_an_order_covers(
        self, device: Device, server: ModelServer, transport: ModelTransport, tmp_path: Path
    ) -> None:
        server.feed = [server.erasure(instance_id(9))]
        device.sync(transport, NOW)
        sealed = [seal(device, 1), revise(device, 2, instance_id(9))]
        server.erased |= {one.envelope_id for one in sealed}
        report = device.sync(transport, NOW)
        assert (report.outcome, report.erased, report.waiting) == ("synced", 2, 0)
        kept = device.envelope_of(instance_id(1))
        assert kept is not None
        assert kept.fate is Fate.RECEIPTED
        assert device.envelope_of(instance_id(2)) is None
        assert instance_id(9) not in everything_on_disk(tmp_path / "device")

    def test_an_order_of_no_decision_key_erases_nothing(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        seal(device, 1)
        server.feed = [server.erasure(instance_id(1), signer="receipt 1")]
        report = device.sync(transport, NOW)
        assert (report.outcome, report.erasures) == ("synced", 0)
        assert device.envelope_of(instance_id(1)) is not None

    def test_what_was_deleted_and_is_erased_later_is_safe_no_more(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        seal(device, 1)
        server.deletes_without_backup = True
        device.sync(transport, NOW)
        server.feed = [verdict_of(device, 1), WITHDRAWN]
        assert device.sync(transport, NOW).pruned == 1
        assert device.progress() == Progress(1, 1)
        server.feed.append(server.erasure(instance_id(1)))
        device.sync(transport, NOW)
        assert device.progress() == Progress(0, 0)


class TestWipe:
    """An order of the office to wipe the device."""

    def order(self, device: Device, signer: str = "decision", device_id: str | None = None) -> WipePull:
        order = WipeOrder(device_id=device_id or device.device_id, ordered_at="2026-03-01T08:30:00Z")
        return WipePull(document=order.sign(private_key(signer)))

    def test_a_device_that_holds_nothing_unreceipted_is_wiped_and_says_so(
        self, device: Device, server: ModelServer, transport: ModelTransport, tmp_path: Path
    ) -> None:
        seal(device, 1)
        name_by(device, 1, photograph(device))
        server.feed = [self.order(device)]
        report = device.sync(transport, NOW)
        assert (report.outcome, report.stored, report.media) == ("wiped", 2, 1)
        assert [path.name for path in (tmp_path / "device").iterdir()] == [WIPED]
        for _ in range(2):
            with pytest.raises(LocalError, match="device-wiped"):
                Device.open(tmp_path / "device")

    def test_what_is_not_receipted_is_delivered_before_an_order_is_obeyed(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        seal(device, 1)
        server.feed = [self.order(device)]
        server.storage_code = ReceiptCode.QUOTA
        assert device.sync(transport, NOW, wait=no_wait).outcome == "interrupted"
        server.storage_code = None
        assert device.sync(transport, NOW, wait=no_wait).outcome == "wiped"
        assert len(server.envelopes) == 2

    def test_an_envelope_that_the_office_does_not_take_is_named_and_keeps_no_device(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        sealed = seal(device, 1)
        server.largest_envelope = 300
        server.feed = [self.order(device)]
        report = device.sync(transport, NOW, wait=no_wait)
        assert (report.outcome, report.refused) == ("wiped", (sealed.envelope_id,))
        assert sealed.envelope_id.hex()[:16] in report.warnings("fr")[0]

    def test_unsealed_interviews_keep_the_device(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        device._store.count_unsealed = lambda: 1
        server.feed = [self.order(device)]
        assert device.sync(transport, NOW).outcome == "synced"

    @pytest.mark.parametrize(("signer", "device_id"), [("usurper", None), ("decision", "device-9")])
    def test_an_order_that_is_not_of_the_office_or_for_another_is_not_obeyed(
        self, device: Device, server: ModelServer, transport: ModelTransport, signer: str, device_id: str | None
    ) -> None:
        server.feed = [self.order(device, signer, device_id)]
        assert device.sync(transport, NOW).outcome == "synced"

    def test_a_wipe_that_was_interrupted_is_finished(self, tmp_path: Path) -> None:
        Device.create(tmp_path / "d").close()
        (tmp_path / "d" / WIPED).touch()
        with pytest.raises(LocalError, match="device-wiped"):
            Device.open(tmp_path / "d")
        assert [path.name for path in (tmp_path / "d").iterdir()] == [WIPED]


def test_progress_says_what_is_safe_what_is_to_go_and_how_long_it_takes() -> None:
    progress = Progress(37, 40, media=6, bytes_left=900_000, seconds_left=118.0)
    assert progress.sentence() == "37 of 40 interviews safe, 6 photos to go, 2 min"
    assert progress.sentence("fr") == "37 entretiens sur 40 en sécurité, encore 6 photos, 2 min"
    assert Progress(40, 40, media=1).sentence() == "40 of 40 interviews safe, 1 photo to go"


def test_the_rate_of_the_link_is_measured(device: Device, server: ModelServer, transport: ModelTransport) -> None:
    seal(device, 1)
    name_by(device, 1, photograph(device, bytes(200_000)))
    said: list[Progress] = []
    device.sync(transport, NOW, on_progress=said.append)
    assert any(progress.seconds_left is not None and progress.bytes_left for progress in said)
    assert said[-1].seconds_left is None


class CountingTransport(ModelTransport):
    """Notes the method and path of each request."""

    def __init__(self, server: ModelServer) -> None:
        super().__init__(server)
        self.asked: list[str] = []

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.asked.append(path.split("/")[3])
        return super().send(method, path, headers, body)


def test_the_order_is_interviews_dictionaries_media_files(device: Device, server: ModelServer) -> None:
    seal(device, 1)
    name_by(device, 1, photograph(device, b"small"))
    contents = (b"dictionary", b"file")
    files = tuple(
        FormFile(name=content.decode(), type="x", length_bytes=len(content), sha256=document_hash(content))
        for content in contents
    )
    server.files = {document_hash(content): content for content in contents}
    xform = b"<h:html/>"
    server.feed = [
        FormVersionPull(
            form_id="f",
            version="1",
            title="F",
            hash=document_hash(xform),
            xform=xform,
            files=files,
            dictionary=document_hash(b"dictionary"),
        )
    ]
    transport = CountingTransport(server)
    device.sync(transport, NOW)
    assert transport.asked == ["exchange", "blobs", "media", "blobs"]


def test_the_key_of_the_certificate_opens_what_names_no_key(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    certificate_key = server.receiving_keys[device.device_id]
    item = seal_assignments(HOUSEHOLDS, psu="P1", device_id=device.device_id, receiving_key=certificate_key)
    assert item.sealed_to == ""
    assert hpke.public_key(SUITE_X25519, device._receiving.seed(key_id(certificate_key))) == certificate_key
    server.feed = [item]
    device.sync(transport, NOW)
    assert device.assignments() == {"P1": HOUSEHOLDS}
