"""A real device on disk under lost, torn and repeated messages and restarts: nothing is lost and nothing doubled."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sync_protocol.client.device import Device
from sync_protocol.client.transport import Fault, FaultyTransport
from sync_protocol.messages import ReceiptCode
from tests.client.model_transport import ModelTransport, no_wait, seal
from tests.sync_protocol.model_server import NOW, ModelServer


@settings(max_examples=15, deadline=None)
@given(
    days=st.lists(
        st.tuples(st.integers(0, 4), st.lists(st.sampled_from(Fault), max_size=6), st.booleans()),
        min_size=1,
        max_size=4,
    ),
    batch=st.integers(1, 500),
)
def test_a_device_ends_fully_synced_whatever_happened(days: list[tuple[int, list[Fault], bool]], batch: int) -> None:
    server = ModelServer(largest_batch=batch)
    reliable = ModelTransport(server)
    with tempfile.TemporaryDirectory() as directory:
        device = Device.create(Path(directory) / "d")
        device.enrol(server.link(), transport=reliable)
        made = 0
        for interviews, faults, is_restarted in days:
            with device.bulk():
                for _ in range(interviews):
                    seal(device, made)
                    made += 1
            bad = dict(enumerate(faults))
            device.sync(
                FaultyTransport(reliable, lambda number, bad=bad: bad.get(number, Fault.NONE)),
                NOW,
                pauses=1,
                wait=no_wait,
            )
            if is_restarted:
                device.close()
                device = Device.open(Path(directory) / "d")
        sealed = list(device.envelope_bodies())
        report = device.sync(reliable, NOW, pauses=20, wait=no_wait)
        assert (report.outcome, report.waiting) == ("synced", 0)
        assert sorted(server.bodies.values()) == sorted(sealed)
        assert list(device.envelope_bodies()) == sealed
        assert report.progress.safe == report.progress.interviews == made
        device.close()


def test_a_full_disk_at_the_office_costs_nothing_but_time() -> None:
    server = ModelServer(storage_code=ReceiptCode.STORAGE_FAULT)
    transport = ModelTransport(server)
    with tempfile.TemporaryDirectory() as directory, Device.create(Path(directory) / "d") as device:
        device.enrol(server.link(), transport=transport)
        seal(device, 1)
        report = device.sync(transport, NOW, wait=no_wait)
        assert (report.outcome, report.reason, report.waiting) == ("interrupted", "storage-full", 2)
        assert report.later == 2 * report.exchanges
        server.storage_code = None
        assert device.sync(transport, NOW, wait=no_wait).outcome == "synced"


def test_a_torn_answer_is_repaired_by_asking_and_not_by_sending() -> None:
    server = ModelServer()
    transport = ModelTransport(server)
    with tempfile.TemporaryDirectory() as directory, Device.create(Path(directory) / "d") as device:
        device.enrol(server.link(), transport=transport)
        seal(device, 1)
        torn = FaultyTransport(transport, lambda number: Fault.ANSWER_TORN if number == 0 else Fault.NONE)
        report = device.sync(torn, NOW, wait=no_wait)
        assert (report.outcome, report.exchanges, report.sent, report.duplicates) == ("synced", 2, 2, 2)
        assert torn.faults[Fault.ANSWER_TORN] == 1
