"""The loop around the protocol's machines: send, listen, wait, until there is nothing left or no more patience.

The order: interviews with all else of an exchange; dictionaries, which make the next interviews small; media, small
ones first; the other files of forms.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Literal, Protocol

from sync_protocol.answers import Request
from sync_protocol.client.files import FormFiles
from sync_protocol.client.report import Progress, ProgressCallback, SyncReport
from sync_protocol.client.store import DeviceStore
from sync_protocol.client.transport import Transport, TransportError
from sync_protocol.exchange import ExchangeClient, Tally, body_pace
from sync_protocol.fetch import Fetch, FetchState, range_pace
from sync_protocol.messages import ReceiptCode
from sync_protocol.pace import Pace, part_pace
from sync_protocol.pull_items import (
    AssignmentsPull,
    DraftPull,
    EntitiesPull,
    ErasurePull,
    FormVersionPull,
    PullItem,
    ReturnedPull,
    VerdictPull,
)
from sync_protocol.storage import Identity
from sync_protocol.transitions import State, UploadState
from sync_protocol.upload import Upload, UploadTally

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)  # until the synchronisation begins
Outcome = Literal["synced", "interrupted", "stopped", "wiped"]
FINISHED: Final = frozenset({State.SYNCED, UploadState.DONE, FetchState.DONE})
STOPPED: Final = frozenset({State.STOPPED, UploadState.STOPPED})
MEASURED_BYTES: Final = 4 << 10  # what is smaller measures the delay of the link and not its rate
NEWEST: Final = 0.3  # weight of the newest measurement of the rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one synchronisation goes on when it is interrupted.

    Attributes:
        pauses: how often in a row, without any progress, it waits before it gives up; nothing is lost by giving up.
        longest_seconds: a pause longer than this is left to the next synchronisation.
        wait: how it waits, e.g. `time.sleep`.
    """

    pauses: int
    longest_seconds: float
    wait: Callable[[float], None]


@dataclass(slots=True)
class Paces:
    """What a device has learnt of its link: how much of each goes at once."""

    bodies: Pace = field(default_factory=body_pace)
    parts: Pace = field(default_factory=part_pace)
    ranges: Pace = field(default_factory=range_pace)


class Machine(Protocol):
    """What is common to an exchange, an upload and a fetch."""

    retry_at: datetime | None
    reason: str | None

    def next_request(self, now: datetime) -> Request | None:
        """Return what to send now."""
        ...

    def on_response(self, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        """Take an answer."""
        ...


class Sync:
    """One synchronisation over one transport."""

    def __init__(
        self,
        *,
        identity: Identity,
        store: DeviceStore,
        transport: Transport,
        jitter: Callable[[], float],
        paces: Paces,
        progress: Callable[[], Progress],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the device, what carries its requests, what is known of the link, and how to count what is safe.

        Args:
            clock: seconds, of which only differences count: it measures the rate.
        """
        self._identity = identity
        self._store = store
        self._transport = transport
        self._jitter = jitter
        self._paces = paces
        self._count_progress = progress
        self._clock = clock
        self._files = FormFiles(store.database)
        self._tally = Tally()
        self._uploads = UploadTally()
        self._put_off: dict[bytes, str] = {}
        self._fetched = 0
        self._bytes_up = 0
        self._bytes_down = 0
        self._rate: float | None = None
        self._now = EPOCH
        self._outcome: Outcome = "interrupted"
        self._reason: str | None = None
        self._retry_at: datetime | None = None

    def run(self, now: datetime, patience: Patience, on_progress: ProgressCallback | None) -> None:
        """Go through everything until it is done, stopped or out of patience.

        Args:
            now: the device's clock at the start, UTC; pauses and the time of requests are added to it.
            patience: when to give up.
            on_progress: called after each answer.
        """
        self._now = now
        self._store.media.look_over()
        is_done = self._exchange(patience, on_progress)
        is_done = is_done and self._fetch(patience, on_progress, dictionaries=True)
        is_done = is_done and self._upload_all(patience, on_progress)
        is_done = is_done and self._fetch(patience, on_progress, dictionaries=False)
        if is_done and self._put_off:
            self._outcome, self._reason, self._retry_at = "interrupted", next(iter(self._put_off.values())), None
        elif is_done:
            self._outcome, self._reason, self._retry_at = "synced", None, None

    @property
    def is_forgotten(self) -> bool:
        """The office has answered that it does not know this device."""
        return self._outcome == "stopped" and self._reason == "device-unknown"

    def progress(self) -> Progress:
        """Count what is safe, and estimate what is left."""
        counted = self._count_progress()
        if self._rate is None or counted.bytes_left == 0:
            return counted
        seconds = counted.bytes_left / self._rate
        return Progress(counted.safe, counted.interviews, counted.media, counted.bytes_left, seconds)

    def report(self, *, pruned: int = 0, is_wiped: bool = False) -> SyncReport:
        """Sum up."""
        tally = self._tally
        backlog = self._store.backlog()
        return SyncReport(
            outcome="wiped" if is_wiped else self._outcome,
            reason=self._reason,
            retry_at=self._retry_at,
            exchanges=tally.exchanges,
            sent=tally.sent,
            stored=_count(tally, ReceiptCode.STORED),
            duplicates=_count(tally, ReceiptCode.DUPLICATE),
            erased=_count(tally, ReceiptCode.ERASED),
            quarantined=_count(tally, ReceiptCode.QUARANTINED),
            too_large=_count(tally, ReceiptCode.TOO_LARGE),
            refused=self._store.refused(),
            later=_count(tally, ReceiptCode.QUOTA) + _count(tally, ReceiptCode.STORAGE_FAULT),
            waiting=backlog.envelopes,
            forms=_pulled(tally, FormVersionPull),
            assignments=_pulled(tally, AssignmentsPull),
            verdicts=_pulled(tally, VerdictPull),
            returned=_pulled(tally, ReturnedPull),
            drafts=_pulled(tally, DraftPull),
            entities=_pulled(tally, EntitiesPull),
            erasures=_pulled(tally, ErasurePull),
            media=self._uploads.whole,
            media_waiting=backlog.media,
            unreadable=self._store.media.unreadable(),
            parts=self._uploads.parts,
            files=self._fetched,
            pruned=pruned,
            bytes_up=self._bytes_up,
            bytes_down=self._bytes_down,
            progress=self.progress(),
        )

    def _exchange(self, patience: Patience, on_progress: ProgressCallback | None) -> bool:
        client = ExchangeClient(
            identity=self._identity,
            store=self._store,
            jitter=self._jitter,
            pace=self._paces.bodies,
            tally=self._tally,
        )
        self._tally.wanted.clear()
        self._drive(client, patience, on_progress, measure=lambda: self._tally.answered)
        return self._is_finished(client, client.state)

    def _upload_all(self, patience: Patience, on_progress: ProgressCallback | None) -> bool:
        """Send what the server wants; ask again while there is more, or while a whole medium is not confirmed."""
        while self._tally.wanted:
            before = self._uploads.whole + self._uploads.refused
            upload = Upload(
                identity=self._identity,
                store=self._store.media,
                jitter=self._jitter,
                offsets={one: told for one, told in self._tally.wanted.items() if one not in self._put_off},
                pace=self._paces.parts,
                tally=self._uploads,
            )
            self._drive(upload, patience, on_progress, measure=partial(getattr, upload, "progress"))
            self._put_off |= upload.put_off
            if not self._is_finished(upload, upload.state):
                return False
            is_ahead = (
                bool(upload.unconfirmed or upload.missing) or self._uploads.whole + self._uploads.refused > before
            )
            if not is_ahead or not self._store.media.offers(1):
                return True
            if not self._exchange(patience, on_progress):
                return False
            confirmed = upload.unconfirmed.items() & self._tally.wanted.items()
            self._uploads.whole += len(confirmed)
        return True

    def _fetch(self, patience: Patience, on_progress: ProgressCallback | None, *, dictionaries: bool) -> bool:
        wanted = self._files.wanted(dictionaries=dictionaries)
        if not wanted:
            return True
        fetch = Fetch(wanted, identity=self._identity, store=self._files, jitter=self._jitter, pace=self._paces.ranges)
        self._drive(fetch, patience, on_progress, measure=lambda: fetch.progress)
        self._fetched += fetch.fetched
        return self._is_finished(fetch, fetch.state)

    def _is_finished(self, machine: Machine, state: State | UploadState | FetchState) -> bool:
        if state in FINISHED:
            return True
        self._outcome = "stopped" if state in STOPPED else "interrupted"
        self._reason, self._retry_at = machine.reason, machine.retry_at
        return False

    def _drive(
        self,
        machine: ExchangeClient | Upload | Fetch,
        patience: Patience,
        on_progress: ProgressCallback | None,
        *,
        measure: Callable[[], int],
    ) -> None:
        """Run one machine until it is done, stopped or out of patience; progress gives new patience."""
        pauses_left, reached = patience.pauses, measure()
        while True:
            request = machine.next_request(self._now)
            if request is not None:
                self._send(machine, request)
                if on_progress is not None:
                    on_progress(self.progress())
                continue
            retry_at = machine.retry_at
            if retry_at is None:
                return
            if measure() > reached:
                pauses_left, reached = patience.pauses, measure()
            seconds = (retry_at - self._now).total_seconds()
            if pauses_left == 0 or seconds > patience.longest_seconds:
                return
            self._transport.close()  # a connection left idle is one that a mobile network drops unseen
            patience.wait(seconds)
            self._now, pauses_left = retry_at, pauses_left - 1

    def _send(self, machine: ExchangeClient | Upload | Fetch, request: Request) -> None:
        begun = self._clock()
        try:
            answer = self._transport.send(request.method, request.path, request.headers, request.body)
        except TransportError as error:
            self._passed(begun)
            self._bytes_up += len(request.body) if error.was_sent else 0
            if isinstance(machine, ExchangeClient):
                torn_bytes = len(request.body) if error.was_sent and not error.was_whole else 0
                machine.on_disconnect(was_sent=error.was_whole, now=self._now, torn_bytes=torn_bytes)
            else:
                machine.on_disconnect(was_sent=error.was_sent, now=self._now)
            return
        seconds = self._passed(begun)
        self._bytes_up += len(request.body)
        self._bytes_down += len(answer.body)
        if len(request.body) >= MEASURED_BYTES and seconds > 0:
            rate = len(request.body) / seconds
            self._rate = rate if self._rate is None else NEWEST * rate + (1 - NEWEST) * self._rate
        machine.on_response(answer.status, answer.headers, answer.body, now=self._now)

    def _passed(self, begun: float) -> float:
        """Let the device's clock pass with what is measured; return the seconds."""
        seconds = max(0.0, self._clock() - begun)
        self._now += timedelta(seconds=seconds)
        return seconds


def _count(tally: Tally, code: ReceiptCode) -> int:
    return tally.codes.get(code, 0)


def _pulled(tally: Tally, kind: type[PullItem]) -> int:
    return sum(isinstance(item, kind) for item in tally.pulled)
