"""What sends: prepared bytes over raw sockets that stay open, in one thread, answers looked at after the clock.

It shares the machine's cores with the server, so it says what it cost itself. Each connection sends its next request
when the answer to the last one is whole, as an upload of Collect does.
"""

import gc
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

CHUNK: Final = 1 << 18
SILENCE_SECONDS: Final = 60.0
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Driven:
    """What a load took; `answers` are whole HTTP answers in the order in which they came."""

    seconds: float
    latencies_ms: Sequence[float]
    bytes_sent: int
    bytes_received: int
    generator_seconds: float
    answers: Sequence[bytes]

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.seconds

    def quantile_ms(self, share: float) -> float:
        """Return the time within which this share of the answers had come."""
        ordered = sorted(self.latencies_ms)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    waiting: list[bytes]
    answer: bytearray = field(default_factory=bytearray)
    expected: int = 0
    sent_at: float = 0.0

    def send_next(self) -> bool:
        """Send the next request; say whether there was one."""
        if not self.waiting:
            return False
        self.sent_at = time.perf_counter()
        self.socket.sendall(self.waiting.pop())
        return True

    def receive(self) -> bool:
        """Take what has come; say whether the answer is whole.

        Raises:
            ConnectionError: the server hung up.
        """
        came = self.socket.recv(CHUNK)
        if not came:
            raise ConnectionError("the server closed a connection in the midst of the load")
        self.answer += came
        if not self.expected:
            self.expected = answer_bytes(self.answer)
        return 0 < self.expected <= len(self.answer)


def answer_bytes(begun: bytes | bytearray) -> int:
    """Return how long an answer that has begun is in all, 0 while its head is not whole."""
    end = begun.find(_END)
    if end < 0:
        return 0
    head = bytes(begun[:end]).lower()
    if head.split(b" ", 2)[1] in (b"204", b"304"):
        return end + len(_END)
    _, found, rest = head.partition(b"\r\ncontent-length:")
    if not found:
        raise RuntimeError("an answer that does not say how long it is")
    return end + len(_END) + int(rest.split(b"\r\n", 1)[0])


def drive(port: int, load: Sequence[Sequence[bytes]], *, statuses: frozenset[int]) -> Driven:
    """Send each share of the load over a connection of its own, all at once.

    Raises:
        RuntimeError: when an answer has another status.
    """
    connections = [_Connection(_connected(port), list(reversed(share))) for share in load]
    poller, by_number = select.epoll(), {one.socket.fileno(): one for one in connections}
    for number in by_number:
        poller.register(number, select.EPOLLIN)
    gc.collect()
    gc.disable()
    try:
        start, processor = time.perf_counter(), time.process_time()
        answers, latencies = _exchange(poller, by_number)
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
    finally:
        gc.enable()
        poller.close()
        for one in connections:
            one.socket.close()
    for answer in answers:
        if int(answer[9:12]) not in statuses:
            raise RuntimeError(f"an answer that was not expected: {bytes(answer[:1000])!r}")
    sent = sum(len(request) for share in load for request in share)
    return Driven(seconds, latencies, sent, sum(map(len, answers)), processor, answers)


def _exchange(poller: select.epoll, by_number: dict[int, _Connection]) -> tuple[list[bytes], list[float]]:
    answers: list[bytes] = []
    latencies: list[float] = []
    open_ones = sum(one.send_next() for one in by_number.values())
    while open_ones:
        ready = poller.poll(SILENCE_SECONDS)
        if not ready:
            raise RuntimeError(f"no answer within {SILENCE_SECONDS} seconds")
        for number, _ in ready:
            one = by_number[number]
            if one.receive():
                latencies.append((time.perf_counter() - one.sent_at) * 1000)
                answers.append(bytes(one.answer))
                one.answer, one.expected = bytearray(), 0
                open_ones -= not one.send_next()
    return answers, latencies


def _connected(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=SILENCE_SECONDS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
