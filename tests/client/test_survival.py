"""A real device beside an office whose disk dies and comes back from its backup: nothing that was made is ever gone."""

import io
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync_protocol.client.device import Device
from sync_protocol.client.transport import Fault, FaultyTransport
from sync_protocol.messages import ReceiptCode
from sync_protocol.orders import ErasureOrder
from sync_protocol.pull_items import ErasurePull, FormVersionPull, VerdictPull
from tests.client.model_transport import FORM, ModelTransport, instance_id, no_wait, seal
from tests.sync_protocol.model_server import NOW, ModelServer, raw_public

FAULTS = st.just([]) | st.lists(st.sampled_from([Fault.NONE, *Fault]), max_size=6)
STEPS = st.one_of(
    st.tuples(st.just("seal"), st.booleans()),
    st.tuples(st.just("sync"), FAULTS, st.integers(1, 2)),
    st.tuples(st.just("the_office_works"), st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    st.tuples(st.just("accident"), st.sampled_from(["restart", "full", "dead"])),
)


class Survival:
    """Interviews with pictures, a bad line, restarts, backups, dead disks, erasures, and the end of the round."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.server = ModelServer()
        self.transport = ModelTransport(self.server)
        self.device = Device.create(Path(self.folder.name) / "d")
        self.device.enrol(self.server.link(), transport=self.transport)
        self.made: dict[int, bytes] = {}
        self.pictures: dict[int, bytes] = {}
        self.erased: set[int] = set()
        self.saved: tuple[int, dict[bytes, bytes]] = (0, {})
        self.seal(has_picture=True)
        self.sync([], 1)

    def seal(self, has_picture: bool) -> None:
        number = len(self.made)
        self.made[number] = seal(self.device, number).envelope_id
        if has_picture:
            medium = self.device.media.add(io.BytesIO(b"%d" % number * 9_000), "x.jpg", "image/jpeg")
            with self.device._database.transaction():
                self.device.media.name_by(instance_id(number), [medium])
            self.pictures[number] = bytes.fromhex(medium.sha256)

    def sync(self, faults: list[Fault], times: int) -> None:
        bad = dict(enumerate(faults))
        for _ in range(times):
            self.device.sync(
                FaultyTransport(self.transport, lambda number: bad.get(number, Fault.NONE)), NOW, pauses=1, wait=no_wait
            )

    def the_office_works(self, is_closing: bool, is_backing_up: bool, is_erasing: bool, is_heard: bool) -> None:
        """Open what came; close the round or open it again; erase the oldest interview now and then; back up."""
        for number, envelope_id in self.made.items():
            if envelope_id in self.server.envelopes and number not in self.erased:
                verdict = VerdictPull(instance_id=instance_id(number), envelope_id=envelope_id, state="opened")
                if verdict not in self.server.feed:
                    self.server.feed.append(verdict)
        state = "withdrawn" if is_closing else "published"
        self.server.feed.append(
            FormVersionPull(form_id="f", version="1", title="F", hash=FORM, state=state, xform=None)  # type: ignore[arg-type]
        )
        alive = sorted(self.made.keys() - self.erased)
        if is_erasing and len(alive) > 3:
            self.erased.add(alive[0])
            self.server.erased.add(self.made[alive[0]])
            self.server.feed.append(self.server.erasure(instance_id(alive[0])))
        if is_backing_up:
            self.saved = (len(self.server.envelopes), dict(self.server.media))
            self.server.backed_up_sequence = max(self.server.envelopes.values(), default=None)
        if is_heard:
            self.sync([], 1)

    def accident(self, accident: str) -> None:
        if accident == "restart":
            self.device.close()
            self.device = Device.open(Path(self.folder.name) / "d")
        elif accident == "full":
            self.server.storage_code = None if self.server.storage_code else ReceiptCode.QUOTA
        else:
            self.the_disk_dies()

    def the_disk_dies(self) -> None:
        """The office comes back from its backup; numbers that it gave since then are given again."""
        kept, media = self.saved
        self.server.restore(kept)
        self.server.media, self.server.parts = dict(media), {}
        self.server.next_sequence = max(self.server.envelopes.values(), default=0) + 1
        self.server.backed_up_sequence = max(self.server.envelopes.values(), default=None)
        verdicts = [item for item in self.server.feed if isinstance(item, VerdictPull)]
        lost = [item for item in verdicts if item.envelope_id not in self.server.envelopes]
        self.server.feed = [item for item in self.server.feed if item not in lost]

    def end(self) -> None:
        self.server.storage_code = None
        self.the_disk_dies()
        for _ in range(3):
            report = self.device.sync(self.transport, NOW, pauses=20, wait=no_wait)
        assert (report.outcome, report.waiting, report.media_waiting) == ("synced", 0, 0)
        alive = self.made.keys() - self.erased
        assert {self.made[number] for number in alive} <= set(self.server.envelopes)
        assert {self.pictures[number] for number in alive & self.pictures.keys()} <= set(self.server.media)
        keys = [raw_public(self.server.decision)]
        orders = [item.document for item in self.server.feed if isinstance(item, ErasurePull)]
        told = {ErasureOrder.read(document, keys).instance_ids[0] for document in orders}
        on_disk = b"".join(path.read_bytes() for path in Path(self.folder.name).rglob("*") if path.is_file())
        assert not [number for number in self.erased if instance_id(number) in told and instance_id(number) in on_disk]
        assert report.progress.safe == report.progress.interviews >= len(alive)
        self.device.close()
        self.folder.cleanup()


@settings(max_examples=8, deadline=None)
@given(st.lists(STEPS, max_size=14))
@example(
    [  # the backup has the interview and not yet its picture
        ("seal", True),
        ("sync", [Fault.NONE, *[Fault.NOT_CONNECTED] * 4], 1),
        ("the_office_works", False, True, False, True),
    ]
)
@example([("the_office_works", True, False, False, True), ("accident", "dead"), ("sync", [], 2)])
def test_nothing_that_was_made_is_gone(steps: list[tuple[Any, ...]]) -> None:
    survive(steps)


def survive(steps: list[tuple[Any, ...]]) -> None:
    """Let these things happen, and then the disk of the office die once more.

    Raises:
        AssertionError: when something is gone.
    """
    world = Survival()
    for name, *arguments in steps:
        getattr(world, name)(*arguments)
    world.end()
