"""A link in virtual time: it is cut at random, loses answers, and counts what a socket would have taken."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sync_protocol.answers import Request
from sync_protocol.exchange import ExchangeClient, body_pace
from sync_protocol.messages import PATH_MEDIA
from sync_protocol.pace import Pace, part_pace
from sync_protocol.storage import Identity
from sync_protocol.transitions import State, UploadState
from sync_protocol.upload import Upload
from tests.sync_protocol.memory_store import MemoryStore
from tests.sync_protocol.model_server import NOW, ModelServer, Response, private_key, raw_public

DEVICE_KEY = private_key("device")
FRAMING_BYTES = 90  # request line, Host, Accept-Encoding, Content-Length


@dataclass
class Link:
    """60 kbit/s up with cuts after exponential times, and answers that do not come.

    Attributes:
        keeps_torn: the server sees the beginning of a torn part; a buffering proxy shows it nothing.
        buffer_bytes: what the socket takes beyond what has left when the link is cut.
    """

    server: ModelServer
    seed: int
    keeps_torn: bool
    mean_seconds: float = 20.0
    lost_answers: float = 0.3
    bytes_per_second: float = 7_500.0
    rtt_seconds: float = 0.6
    buffer_bytes: int = 8 << 10
    written: int = 0
    seconds: float = 0.0
    cuts: int = 0
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.next_cut = self._cut_after()

    def carry(self, request: Request) -> tuple[Response | None, bool]:
        """Return the answer, if one comes, and whether the whole request has left."""
        head = FRAMING_BYTES + sum(len(name) + len(value) + 4 for name, value in request.headers.items())
        total = head + len(request.body)
        arrives = self.seconds + total / self.bytes_per_second
        if arrives > self.next_cut:
            left = max(0, int((self.next_cut - self.seconds) * self.bytes_per_second))
            self._cut()
            self.written += min(total, left + self.buffer_bytes)
            if self.keeps_torn and request.path.startswith(PATH_MEDIA) and request.method == "POST" and left > head:
                self.server.tear(request.path, request.headers, request.body[: left - head])
            return None, left + self.buffer_bytes >= total
        self.written += total
        self.seconds = arrives + self.rtt_seconds
        response = self.server.handle(request.method, request.path, request.headers, request.body)
        if self.seconds > self.next_cut:
            self._cut()
            return None, True
        return (None if self.dice.random() < self.lost_answers else response), True

    def wait_until(self, now: datetime, moment: datetime) -> datetime:
        """Let time pass without a request; cuts of an idle link cost nothing."""
        self.seconds += max(0.0, (moment - now).total_seconds())
        while self.next_cut <= self.seconds:
            self.next_cut = self.seconds + self._cut_after()
        return max(now, moment)

    def _cut(self) -> None:
        self.cuts += 1
        self.seconds = self.next_cut
        self.next_cut = self.seconds + self._cut_after()

    def _cut_after(self) -> float:
        return self.dice.expovariate(1 / self.mean_seconds)


class Trip:
    """A device that sends all it has over a link."""

    def __init__(self, link: Link) -> None:
        self.link = link
        link.server.devices["device-1"] = raw_public(DEVICE_KEY)
        self.store = MemoryStore(link.server.keyring(), link.server.root_key)
        self.identity = Identity(device_id="device-1", signer=DEVICE_KEY, root_key=link.server.root_key)
        self.bodies: Pace = body_pace()
        self.parts: Pace = part_pace()
        self.now = NOW

    def run(self) -> None:
        """Exchange and upload until everything is there."""
        for _ in range(50):
            client = ExchangeClient(
                identity=self.identity, store=self.store, jitter=self.link.dice.random, pace=self.bodies
            )
            self._drive(client)
            assert client.state is State.SYNCED
            if not self.store.waiting_media():
                return
            upload = Upload(
                identity=self.identity,
                store=self.store,
                jitter=self.link.dice.random,
                offsets=client.tally.wanted,
                pace=self.parts,
            )
            self._drive(upload)
            assert upload.state is UploadState.DONE
        raise AssertionError("it does not come to an end")

    def _drive(self, machine: ExchangeClient | Upload) -> None:
        for _ in range(5_000):
            request = machine.next_request(self.now)
            if request is None:
                if machine.retry_at is None:
                    return
                self.now = self.link.wait_until(self.now, machine.retry_at)
                continue
            before = self.link.seconds
            response, is_whole = self.link.carry(request)
            self.now += timedelta(seconds=self.link.seconds - before)
            if response is not None:
                machine.on_response(*response, now=self.now)
            elif isinstance(machine, ExchangeClient):
                torn = 0 if is_whole else len(request.body)
                machine.on_disconnect(was_sent=is_whole, now=self.now, torn_bytes=torn)
            else:
                machine.on_disconnect(was_sent=True, now=self.now)
        raise AssertionError("it does not come to an end")
