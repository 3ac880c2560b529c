"""The line between tablets and office: it loses, cuts, alters, repeats and delays, in virtual time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sync_protocol.exchange import Request
from tests.simulator.faults import Chance, Fault
from tests.simulator.office import Answer, Ill, Office, ServerDied
from tests.simulator.tablet import flipped

TIMEOUT_SECONDS = 60.0
ILLS: Mapping[Fault, Ill] = {
    Fault.SERVER_DIED_BEFORE_COMMIT: Ill.DIES_BEFORE_COMMIT,
    Fault.SERVER_DIED_AFTER_COMMIT: Ill.DIES_AFTER_COMMIT,
    Fault.SERVER_DISK_FULL: Ill.DISK_FULL,
}
NO_ANSWER = frozenset({Fault.ANSWER_LOST, Fault.REQUEST_LOST, Fault.REQUEST_TORN, Fault.REQUEST_LATE})
Schedule = Callable[[float, Callable[[], None]], None]


class Lost(Protocol):
    """Takes the loss of the line."""

    def __call__(self, *, was_sent: bool) -> None:
        """Say whether a byte may have left."""
        ...


@dataclass(frozen=True)
class Ends:
    """What a tablet hears: an answer and in which life of the office it was given, or the loss of the line."""

    answered: Callable[[Answer, int], None]
    lost: Lost


class Network:
    """Carries requests; each meets at most one fault of the line, and the server may die under it."""

    def __init__(self, office: Office, chance: Chance, after: Schedule, died: Callable[[], None]) -> None:
        """Take the office, the draws, what schedules, and whom to tell that the server died."""
        self._office = office
        self._chance = chance
        self._after = after
        self._died = died
        self._former: Answer | None = None
        self.requests = 0

    def send(self, request: Request, ends: Ends) -> None:
        """Carry a request."""
        fault = None if self._chance.is_calm else self._chance.on_the_way()
        travel = self._chance.seconds(0.3, 3.0)
        if fault is Fault.NOT_CONNECTED:
            self._after(travel, lambda: ends.lost(was_sent=False))
        elif fault is Fault.REQUEST_LOST:
            self._after(TIMEOUT_SECONDS, lambda: ends.lost(was_sent=True))
        elif fault is Fault.REQUEST_LATE:
            self._after(self._chance.seconds(TIMEOUT_SECONDS, 6_000), lambda: self._deliver(request, None))
            self._after(TIMEOUT_SECONDS, lambda: ends.lost(was_sent=True))
        else:
            self._after(travel, lambda: self._carry(request, fault, ends))

    def _carry(self, request: Request, fault: Fault | None, ends: Ends) -> None:
        answer = self._deliver(request, fault)
        if fault is Fault.REQUEST_REPEATED:
            again = self._chance.seconds(0.0, 4.0)
            if self._chance.rng.random() < 0.5:  # the tablet hears the answer to the second one
                self._after(again, lambda: self._hear(self._deliver(request, None), None, ends))
                return
            self._after(again, lambda: self._deliver(request, None))
        self._hear(answer, fault, ends)

    def _deliver(self, request: Request, fault: Fault | None) -> Answer | None:
        """Hand a request to the office."""
        self.requests += 1
        body, declared = request.body, len(request.body)
        if fault is Fault.REQUEST_TORN:
            body = body[: self._chance.place(len(body))]
        elif fault is Fault.REQUEST_ALTERED:
            body = flipped(body, self._chance.place(len(body)), self._chance.place(8))
        self._office.database.next_ill = ILLS.get(fault) if fault is not None else None
        try:
            return self._office.call(request.method, request.path, request.headers, body, declared=declared)
        except ServerDied:
            self._died()
            return None
        finally:
            self._office.database.next_ill = None

    def _hear(self, answer: Answer | None, fault: Fault | None, ends: Ends) -> None:
        travel = self._chance.seconds(0.3, 3.0)
        if answer is None or fault in NO_ANSWER:
            self._after(travel, lambda: ends.lost(was_sent=True))
            return
        status, headers, body = answer
        former, self._former = self._former, answer
        if fault is Fault.ANSWER_TORN:
            answer = status, headers, body[: self._chance.place(len(body))]
        elif fault is Fault.ANSWER_ALTERED:
            answer = status, headers, flipped(body, self._chance.place(len(body)), self._chance.place(8))
        elif fault is Fault.ANSWER_OF_ANOTHER and former is not None:
            answer = former
        elif fault is Fault.PROXY_PAGE:
            answer = 502, {"Content-Type": "text/html"}, b"<html><h1>502 Bad Gateway</h1></html>"
        elif fault is Fault.ANSWER_LATE:
            self._after(TIMEOUT_SECONDS, lambda: ends.lost(was_sent=True))
            travel += 2 * TIMEOUT_SECONDS
        heard, life = answer, self._office.restores
        self._after(travel, lambda: ends.answered(heard, life))
