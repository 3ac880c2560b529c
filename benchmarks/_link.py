"""A bad link: a TCP proxy that carries bytes at a rate, delays them, cuts connections and drops answers.

Time may be scaled: at scale 10 a minute of the link passes in six seconds, and every figure is of link time. What the
proxy has not carried when the link is cut is lost, on both sides, as with a radio. It takes bytes from a sender no
faster than it carries them, and holds little of what waits, so that a sender that writes more than the link carries
blocks as it would on a tablet with small buffers.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

PIECE: Final = 512
LATE_PIECES: Final = 2
RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link is like.

    Attributes:
        up, down: bytes a second.
        rtt: seconds there and back.
        cut_every: seconds of link time between cuts; None for never.
        is_random: the times between cuts are exponential with that mean.
        drop_answers: share of answers that are lost: the line dies when their first byte comes back.
        scale: how much faster than real time.
        seed: of what is random.
    """

    up: float
    down: float
    rtt: float
    cut_every: float | None = None
    is_random: bool = False
    drop_answers: float = 0.0
    scale: float = 1.0
    seed: int = 1


EDGE: Final = Link(up=7_500, down=25_000, rtt=0.6, cut_every=60)
"""60 kbit/s up, 200 kbit/s down, 0.6 s there and back, cut every minute."""
GPRS: Final = Link(up=2_500, down=5_000, rtt=0.9, cut_every=60)
"""20 kbit/s up, 40 kbit/s down."""


@dataclass(slots=True)
class Carried:
    """What a link has carried so far: bytes up and down, connections, cuts, answers that were dropped."""

    up: int = 0
    down: int = 0
    connections: int = 0
    cuts: int = 0
    dropped: int = 0


@dataclass(slots=True)
class _Lines:
    open: set[asyncio.StreamWriter] = field(default_factory=set)


class LinkProxy:
    """A proxy in a thread of its own: a context that gives the port to connect to."""

    def __init__(self, link: Link, upstream: int) -> None:
        """Take what the link is like, and the port of the server at its other end."""
        self._link = link
        self._upstream = upstream
        self._random = random.Random(link.seed)
        self._lines = _Lines()
        self._free_at = {"up": 0.0, "down": 0.0}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stop: Callable[[], None] = lambda: None
        self.port = 0
        self.carried = Carried()
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Link time since it began."""
        return (time.monotonic() - self._started) * self._link.scale

    def restart_clock(self) -> None:
        """Begin counting link time, cuts and bytes anew."""
        self._started = time.monotonic()
        self.carried = Carried()

    def __enter__(self) -> "LinkProxy":
        """Begin to carry."""
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _serve(self) -> None:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        listening.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(self._accept, sock=listening, limit=PIECE)
        self.port = listening.getsockname()[1]
        stopped = asyncio.Event()
        self._stop = stopped.set
        cutting = asyncio.create_task(self._cut_now_and_then())
        self._ready.set()
        await stopped.wait()
        cutting.cancel()
        server.close()
        self._cut()

    async def _sleep(self, link_seconds: float) -> None:
        await asyncio.sleep(link_seconds / self._link.scale)

    async def _cut_now_and_then(self) -> None:
        mean = self._link.cut_every
        while mean is not None:
            await self._sleep(self._random.expovariate(1 / mean) if self._link.is_random else mean)
            self.carried.cuts += 1
            self._cut()

    def _cut(self) -> None:
        for writer in list(self._lines.open):
            _reset(writer)
        self._lines.open.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # the proxy ends
            await self._connect(reader, writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.carried.connections += 1
        self._lines.open.add(writer)
        try:
            await self._sleep(self._link.rtt)  # SYN and its answer
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._upstream, limit=PIECE)
        except OSError:
            _reset(writer)
            return
        self._lines.open.add(server_writer)
        asked = asyncio.Event()  # and not answered yet
        up = asyncio.create_task(self._carry(reader, server_writer, "up", self._link.up, asked))
        down = asyncio.create_task(self._carry(server_reader, writer, "down", self._link.down, asked))
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        await self._sleep(self._link.rtt)
        for task in (up, down):
            task.cancel()
        for one in (writer, server_writer):
            self._lines.open.discard(one)
            one.close()

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        way: str,
        rate: float,
        asked: asyncio.Event,
    ) -> None:
        """Carry bytes one way: the radio is busy with one piece at a time, and each arrives half a round trip later."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivering = asyncio.create_task(self._deliver(waiting, writer))
        try:
            while piece := await reader.read(PIECE):
                if way == "up":
                    asked.set()
                elif asked.is_set():
                    asked.clear()
                    if self._random.random() < self._link.drop_answers:
                        self.carried.dropped += 1
                        self._cut_line(writer)
                        return
                now = self.seconds
                # A sleep that took too long is no time in which the radio was silent: bytes were waiting.
                begin = max(now - LATE_PIECES * PIECE / rate, self._free_at[way])
                self._free_at[way] = begin + len(piece) / rate
                await self._sleep(max(0.0, self._free_at[way] - now))
                setattr(self.carried, way, getattr(self.carried, way) + len(piece))
                waiting.put_nowait((self._free_at[way] + self._link.rtt / 2, piece))
            waiting.put_nowait((self.seconds + self._link.rtt / 2, b""))
            await delivering
        except OSError:
            return
        finally:
            delivering.cancel()

    async def _deliver(self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, piece = await waiting.get()
            await self._sleep(max(0.0, due - self.seconds))
            if not piece:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(piece)
            await writer.drain()

    def _cut_line(self, writer: asyncio.StreamWriter) -> None:
        _reset(writer)
        self._lines.open.discard(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection as a dead line does: with nothing of what waits."""
    found = writer.get_extra_info("socket")
    if found is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
