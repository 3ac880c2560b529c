"""How a device's requests travel: HTTP, and a wrapper that loses what it is told to lose.

A transport carries bytes and reports one of two outcomes: an answer, whatever its status, or `TransportError`. What an
answer means is for the protocol's core.
"""

import http.client
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol
from urllib.parse import urlsplit

from sync_protocol.constants import EXCHANGE_BYTES

ANSWER_BYTES: Final = EXCHANGE_BYTES
TIMEOUT_SECONDS: Final = 60.0  # of silence: a 64 KiB envelope takes nine seconds on a 60 kbit/s link


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
    """

    def __init__(self, reason: str, *, was_sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.was_sent = was_sent


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
    """HTTP/1.1 to one server, one connection, no redirects: an answer from elsewhere would not verify anyhow."""

    def __init__(self, base_url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Take `http://host[:port]` or `https://host[:port]`; nothing is opened yet."""
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(f"a base URL is http:// or https:// and a host, not {base_url!r}")
        self.base_url = base_url
        self._connection = _connection(parts.scheme, parts.hostname, parts.port, timeout_seconds)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and return its answer.

        Raises:
            TransportError: when no whole answer came within the time limits.
        """
        self._connect()
        try:
            self._connection.request(method, path, body=body or None, headers=dict(headers))
            response = self._connection.getresponse()
            content = response.read(ANSWER_BYTES + 1)
            if response.length and len(content) <= ANSWER_BYTES:  # a read with a limit does not complain by itself
                raise http.client.IncompleteRead(content, response.length)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise TransportError(type(error).__name__, was_sent=True) from error
        if len(content) > ANSWER_BYTES:
            self.close()
            raise TransportError(f"the answer has more than {ANSWER_BYTES} bytes", was_sent=True)
        return Answer(response.status, dict(response.getheaders()), content)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _connect(self) -> None:
        """Connect apart from sending: only here is it certain that nothing has left."""
        if self._connection.sock is not None:
            return
        try:
            self._connection.connect()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise TransportError(type(error).__name__, was_sent=False) from error


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


def _connection(scheme: str, host: str, port: int | None, timeout_seconds: float) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout_seconds, context=context)
    return http.client.HTTPConnection(host, port, timeout=timeout_seconds)
