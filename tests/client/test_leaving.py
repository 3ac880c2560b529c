"""What leaves a device: interviews by the rule, by an erasure, and everything by a wipe."""

from datetime import timedelta
from pathlib import Path

import pytest

from sync_protocol.client.device import Device
from sync_protocol.client.erasing import WIPED
from sync_protocol.client.report import Progress
from sync_protocol.errors import LocalError
from sync_protocol.messages import ReceiptCode
from sync_protocol.orders import WipeOrder
from sync_protocol.pull_items import (
    WipePull,
)
from sync_protocol.transitions import Fate
from tests.client.model_transport import ModelTransport, instance_id, no_wait, seal
from tests.client.told import WITHDRAWN, everything_on_disk, handed, name_by, photograph, reading, revise, verdict_of
from tests.sync_protocol.model_server import NOW, ModelServer, private_key


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
