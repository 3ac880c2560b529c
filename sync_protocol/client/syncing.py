"""The loop around the protocol's core: send, listen, wait, until there is nothing left or no more patience."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sync_protocol.client.report import Progress, ProgressCallback, SyncReport
from sync_protocol.client.transport import Transport, TransportError
from sync_protocol.exchange import ExchangeClient, Request, Tally
from sync_protocol.messages import AssignmentsPull, FormVersionPull, PullItem, ReceiptCode, VerdictPull
from sync_protocol.transitions import State

OUTCOMES: Final[dict[State, Literal["synced", "interrupted", "stopped"]]] = {
    State.SYNCED: "synced",
    State.STOPPED: "stopped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one synchronisation goes on when it is interrupted.

    Attributes:
        pauses: how often it waits before it gives up; nothing is lost by giving up.
        longest_seconds: a pause longer than this is left to the next synchronisation.
        wait: how it waits, e.g. `time.sleep`.
    """

    pauses: int
    longest_seconds: float
    wait: Callable[[float], None]


class Sync:
    """One synchronisation over one transport."""

    def __init__(self, client: ExchangeClient, transport: Transport, progress: Callable[[], Progress]) -> None:
        """Take the core, what carries its requests, and how to count what is safe."""
        self._client = client
        self._transport = transport
        self._progress = progress
        self._bytes_up = 0
        self._bytes_down = 0

    def run(self, now: datetime, patience: Patience, on_progress: ProgressCallback | None) -> None:
        """Exchange until synced, stopped or out of patience.

        Args:
            now: the device's clock at the start, UTC; pauses are added to it.
            patience: when to give up.
            on_progress: called after each answer.
        """
        pauses_left = patience.pauses
        while True:
            request = self._client.next_request(now)
            if request is not None:
                self._send(request, now)
                if on_progress is not None:
                    on_progress(self._progress())
                continue
            retry_at = self._client.retry_at
            if self._client.state is not State.PAUSED or retry_at is None:
                return
            seconds = (retry_at - now).total_seconds()
            if pauses_left == 0 or seconds > patience.longest_seconds:
                return
            self._transport.close()  # a connection left idle is one that a mobile network drops unseen
            patience.wait(seconds)
            now, pauses_left = retry_at, pauses_left - 1

    def report(self, waiting: int) -> SyncReport:
        """Sum up."""
        tally = self._client.tally
        return SyncReport(
            outcome=OUTCOMES.get(self._client.state, "interrupted"),
            reason=self._client.reason,
            retry_at=self._client.retry_at,
            exchanges=tally.exchanges,
            sent=tally.sent,
            stored=_count(tally, ReceiptCode.STORED),
            duplicates=_count(tally, ReceiptCode.DUPLICATE),
            erased=_count(tally, ReceiptCode.ERASED),
            quarantined=_count(tally, ReceiptCode.QUARANTINED),
            too_large=_count(tally, ReceiptCode.TOO_LARGE),
            later=_count(tally, ReceiptCode.QUOTA) + _count(tally, ReceiptCode.STORAGE_FAULT),
            waiting=waiting,
            forms=_pulled(tally, FormVersionPull),
            assignments=_pulled(tally, AssignmentsPull),
            verdicts=_pulled(tally, VerdictPull),
            bytes_up=self._bytes_up,
            bytes_down=self._bytes_down,
            progress=self._progress(),
        )

    def _send(self, request: Request, now: datetime) -> None:
        try:
            answer = self._transport.send(request.method, request.path, request.headers, request.body)
        except TransportError as error:
            self._bytes_up += len(request.body) if error.was_sent else 0
            self._client.on_disconnect(was_sent=error.was_sent, now=now)
            return
        self._bytes_up += len(request.body)
        self._bytes_down += len(answer.body)
        self._client.on_response(answer.status, answer.headers, answer.body, now=now)


def _count(tally: Tally, code: ReceiptCode) -> int:
    return tally.codes.get(code, 0)


def _pulled(tally: Tally, kind: type[PullItem]) -> int:
    return sum(isinstance(item, kind) for item in tally.pulled)
