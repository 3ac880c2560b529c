"""Files of form versions on their way to the device, in ranges, without IO.

Answers to a GET carry no signature and need none: the office said under its signature which SHA-256 a file has, and
what has another one is thrown away. A cut costs one range.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from sync_protocol import signatures
from sync_protocol.answers import Request
from sync_protocol.constants import FIRST_PART_BYTES, PART_BYTES
from sync_protocol.errors import LocalError
from sync_protocol.messages import PATH_BLOBS
from sync_protocol.pace import Pace
from sync_protocol.storage import Identity
from sync_protocol.waiting import Backoff

OK: Final = 200
PARTIAL: Final = 206
PASSED_OVER: Final = frozenset({401, 403, 404, 410, 416})
RANGE: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)")
SMALLEST_RANGE_BYTES: Final = 8 << 10


class FetchState(StrEnum):
    """Where a fetch stands."""

    READY = "ready"
    AWAITING = "awaiting"
    PAUSED = "paused"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file that is not whole on the device: its SHA-256, its length, and how much is there."""

    sha256: bytes
    length_bytes: int
    offset: int


class FileStore(Protocol):
    """Where fetched bytes go."""

    def append(self, file: WantedFile, content: bytes) -> int:
        """Add bytes at the end of what is there of a file; return how much is there now.

        When that is its length, it is compared with its hash: what differs is thrown away, and 0 is returned.
        """
        ...


def range_pace() -> Pace:
    """Return the pace of ranges."""
    return Pace(size=4 * FIRST_PART_BYTES, smallest=SMALLEST_RANGE_BYTES, largest=PART_BYTES)


class Fetch:
    """One fetch of files: `next_request`, then `on_response` or `on_disconnect`, until it is done.

    Attributes:
        state: where it stands; `done` is final.
        retry_at: the end of the pause while `paused`.
        fetched: files that became whole.
        passed_over: files that the server does not give, or gives with another content.
    """

    def __init__(
        self,
        files: Sequence[WantedFile],
        *,
        identity: Identity,
        store: FileStore,
        jitter: Callable[[], float],
        pace: Pace | None = None,
    ) -> None:
        """Start ready; files are fetched in this order."""
        self.state = FetchState.READY
        self.retry_at: datetime | None = None
        self.reason: str | None = None
        self.fetched = 0
        self.passed_over = 0
        self.progress = 0
        self._queue = deque(files)
        self._identity = identity
        self._store = store
        self._backoff = Backoff(jitter)
        self._pace = pace if pace is not None else range_pace()
        self._length = 0

    def next_request(self, now: datetime) -> Request | None:
        """Return what to send now, None when there is nothing to fetch (yet): see `state` and `retry_at`."""
        if self.state is FetchState.PAUSED and self.retry_at is not None and now >= self.retry_at:
            self.retry_at = None
            self.state = FetchState.READY
        if self.state is not FetchState.READY:
            return None
        if not self._queue:
            self.state = FetchState.DONE
            return None
        file = self._queue[0]
        if file.length_bytes == 0:
            self._add(file, b"")
            return self.next_request(now)
        self._length = min(self._pace.size, file.length_bytes - file.offset)
        path = PATH_BLOBS + file.sha256.hex()
        signed = signatures.sign_request(
            "GET", path, b"", device_id=self._identity.device_id, key=self._identity.signer
        )
        self.state = FetchState.AWAITING
        return Request("GET", path, {**signed, "Range": f"bytes={file.offset}-{file.offset + self._length - 1}"}, b"")

    def on_response(self, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        """Take the answer to the request under way."""
        self._expect_answer()
        file = self._queue[0]
        if status == PARTIAL and _begins_at(headers, file.offset) and 0 < len(body) <= self._length:
            self._pace.whole(len(body))
            self._add(file, body)
        elif status == OK and len(body) == file.length_bytes:
            self._add(file, body[file.offset :])
        elif status in PASSED_OVER:
            self._pass_over()
        else:
            self.on_disconnect(now=now, reason=f"status-{status}")

    def on_disconnect(self, *, now: datetime, was_sent: bool = True, reason: str = "disconnected") -> None:
        """Take the loss of the request under way."""
        self._expect_answer()
        if was_sent:
            self._pace.cut(self._length)
        self.reason = reason
        self.retry_at = self._backoff.until(now)
        self.state = FetchState.PAUSED

    def _add(self, file: WantedFile, content: bytes) -> None:
        there = self._store.append(file, content)
        self._backoff.reset()
        self.progress += len(content)
        self.reason = None
        self.state = FetchState.READY
        if there == file.length_bytes:
            self.fetched += 1
            self._queue.popleft()
        elif there == 0:
            self._pass_over()
        else:
            self._queue[0] = WantedFile(file.sha256, file.length_bytes, there)

    def _pass_over(self) -> None:
        """Leave a file to the next synchronisation: it delays no other."""
        self.passed_over += 1
        self._queue.popleft()
        self.state = FetchState.READY

    def _expect_answer(self) -> None:
        if self.state is not FetchState.AWAITING:
            raise LocalError("no-request", "there is no request under way to answer")


def _begins_at(headers: Mapping[str, str], offset: int) -> bool:
    value = next((value for name, value in headers.items() if name.lower() == "content-range"), "")
    found = RANGE.fullmatch(value.strip())
    return found is not None and int(found.group(1)) == offset
