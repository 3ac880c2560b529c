"""How a device's requests travel: HTTP, and a wrapper that loses what it is told to lose.

A transport carries bytes and reports one of two outcomes: an answer, whatever its status, or `TransportError`. What an
answer means is for the protocol's core.
"""

import http.client
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from sync_protocol.constants import EXCHANGE_BYTES

ANSWER_BYTES: Final = EXCHANGE_BYTES
TIMEOUT_SECONDS: Final = 60.0  # of silence: on 2G an answer may be held up by a handover for half a minute
SMALLEST_BUFFER_BYTES: Final = 4 << 10
LARGEST_BUFFER_BYTES: Final = 1 << 20
BUFFERED_SECONDS: Final = 0.5  # of what the line carries: on 2G that is the least, on a good line it is never empty
BUFFERS_MEASURED: Final = 4  # so many of them tell how fast the line is; what fits into one tells nothing
CHUNK_BYTES: Final = 16 << 10
NOT_SENT: Final[int | None] = getattr(socket, "TCP_NOTSENT_LOWAT", None)
"""Where the system has it: how much may wait that was not sent at all, beside what is on its way."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TransportError(Exception):
    """No answer came.

    Attributes:
        was_sent: False only when surely not one byte of the request has left.
        was_whole: False when surely not all of it has left, so that a server cannot have the whole body.
    """

    def __init__(self, reason: str, *, was_sent: bool, was_whole: bool | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.was_sent = was_sent
        self.was_whole = was_sent if was_whole is None else was_whole


class Transport(Protocol):
    """Carries one request at a time."""

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and return its answer.

        Raises:
            TransportError: when no whole answer came.
        """
        ...

    def close(self) -> None:
        """Let go of the connection; the next request makes a new one."""
        ...


class HttpTransport:
    """HTTP/1.1 to one server, one connection, no redirects: an answer from elsewhere would not verify anyhow.

    Attributes:
        bytes_written: what the socket took, headers too; with HTTPS, before encryption.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take `http://host[:port]` or `https://host[:port]`, and what measures the line; nothing is opened yet."""
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(f"a base URL is http:// or https:// and a host, not {base_url!r}")
        self.base_url = base_url
        self.bytes_written = 0
        self._clock = clock
        self._buffer_bytes = SMALLEST_BUFFER_BYTES
        self._connection = _connection(parts.scheme, parts.hostname, parts.port, timeout_seconds)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and return its answer.

        Raises:
            TransportError: when no whole answer came within the time limits.
        """
        self._connect()
        before = self._connection.written
        is_whole = False
        try:
            begun = self._clock()
            self._connection.request(method, path, body=body or None, headers=dict(headers))
            is_whole = True
            self._learn(len(body), self._clock() - begun)
            response = self._connection.getresponse()
            content = response.read(ANSWER_BYTES + 1)
            if response.length and len(content) <= ANSWER_BYTES:  # a read with a limit does not complain by itself
                raise http.client.IncompleteRead(content, response.length)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            was_sent = self._connection.written > before
            raise TransportError(type(error).__name__, was_sent=was_sent, was_whole=is_whole) from error
        finally:
            self.bytes_written += self._connection.written - before
        if len(content) > ANSWER_BYTES:
            self.close()
            raise TransportError(f"the answer has more than {ANSWER_BYTES} bytes", was_sent=True)
        return Answer(response.status, dict(response.getheaders()), content)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _learn(self, sent_bytes: int, seconds: float) -> None:
        """Let the socket hold half a second of what the line carries."""
        if sent_bytes >= BUFFERS_MEASURED * self._buffer_bytes:
            size = int(BUFFERED_SECONDS * sent_bytes / max(seconds, 0.001))
            self._buffer_bytes = min(max(size, SMALLEST_BUFFER_BYTES), LARGEST_BUFFER_BYTES)

    def _connect(self) -> None:
        """Connect apart from sending: only here is it certain that nothing has left.

        What waits in the socket's buffer when a link is cut was written for nothing; so the buffer is as small as the
        line is slow, and of it little may be waiting to be sent.
        """
        if self._connection.sock is not None and _is_hung_up(self._connection.sock):
            self.close()
        try:
            if self._connection.sock is None:
                self._connection.connect()
            self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._buffer_bytes)
            if NOT_SENT is not None:
                self._connection.sock.setsockopt(socket.IPPROTO_TCP, NOT_SENT, self._buffer_bytes // 2)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise TransportError(type(error).__name__, was_sent=False) from error


class _Counting:
    """Writes piece by piece, so that the time limit is of silence and not of the whole body, and counts what left."""

    sock: Any
    written = 0

    def send(self, data: Any) -> None:
        """Write bytes to the socket."""
        if self.sock is None:
            raise http.client.NotConnected
        view = memoryview(data)
        while view:
            sent = self.sock.send(view[:CHUNK_BYTES])
            self.written += sent
            view = view[sent:]


class _HttpConnection(_Counting, http.client.HTTPConnection):
    """HTTP, counted."""


class _HttpsConnection(_Counting, http.client.HTTPSConnection):
    """HTTPS, counted."""


class Fault(StrEnum):
    """What may happen to one request."""

    NONE = "none"
    NOT_CONNECTED = "not connected"
    REQUEST_LOST = "request lost"
    ANSWER_LOST = "answer lost"
    ANSWER_TORN = "answer torn"
    REPEATED = "request repeated"


class FaultyTransport:
    """Wraps a transport and does to each request what `choose` says: for tests, and to show that nothing is lost."""

    def __init__(self, inner: Transport, choose: Callable[[int], Fault]) -> None:
        """Take the transport to wrap and the fault of each request, by its number from 0."""
        self._inner = inner
        self._choose = choose
        self.requests = 0
        self.faults: dict[Fault, int] = dict.fromkeys(Fault, 0)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request, or lose it, its answer, or half of that.

        Raises:
            TransportError: when the fault or the wrapped transport says so.
        """
        fault = self._choose(self.requests)
        self.requests += 1
        self.faults[fault] += 1
        if fault in (Fault.NOT_CONNECTED, Fault.REQUEST_LOST):
            raise TransportError(fault.value, was_sent=fault is Fault.REQUEST_LOST)
        answer = self._inner.send(method, path, headers, body)
        if fault is Fault.REPEATED:
            return self._inner.send(method, path, headers, body)
        if fault is Fault.ANSWER_LOST:
            raise TransportError(fault.value, was_sent=True)
        if fault is Fault.ANSWER_TORN:
            return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
        return answer

    def close(self) -> None:
        """Close the wrapped transport."""
        self._inner.close()


def _connection(scheme: str, host: str, port: int | None, timeout_seconds: float) -> _HttpConnection | _HttpsConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return _HttpsConnection(host, port, timeout=timeout_seconds, context=context)
    return _HttpConnection(host, port, timeout=timeout_seconds)


def _is_hung_up(sock: socket.socket) -> bool:
    """The other side has closed a connection that was kept: between answers there is nothing to read."""
    with suppress(OSError, ValueError), selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(0))
    return True
