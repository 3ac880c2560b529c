"""A Collect of the demonstration: its line breaks, it is killed now and then, and started again each time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

from server.demo.accidents import KILLED_APPS, LOST_ANSWERS, REPEATED_REQUESTS
from server.demo.collect import AppKilled, CollectError, Fault, ScriptedCollect, Settings, Tablet, TabletFile
from server.demo.patience import until_answered

T = TypeVar("T")

#: Faults after which the app asks again for what the server may have taken.
UNANSWERED: Final = (Fault.ANSWER_LOST, Fault.CUT, Fault.KILLED_AFTER)


class LastingCollect:
    """One project of the app on one tablet, through all its deaths; `counts` are those of all its runs."""

    def __init__(self, server_url: str, device_id: str, *, rng: random.Random) -> None:
        """Take the server's address with the token, and what chance decides with."""
        self._settings = Settings(server_url, deletes_sent=True)
        self._device_id = device_id
        self._rng = rng
        self._tablet = Tablet()
        self._app = self._started()
        self.counts: Counter[str] = Counter()

    @property
    def lost_answers(self) -> int:
        """How many POSTs the app never heard of again."""
        return sum(self.counts[f"POSTs: {fault}"] for fault in UNANSWERED)

    @property
    def repeated(self) -> int:
        """How many POSTs came twice, by the app or by the network."""
        return self.lost_answers + self.counts[f"POSTs: {Fault.REPEATED}"]

    def ask(self, request: Callable[[ScriptedCollect], T]) -> T:
        """Have the app ask for something until it is answered."""
        return until_answered(lambda: request(self._app))

    def deliver(self, xml: bytes, *, name: str, files: Sequence[TabletFile] = ()) -> None:
        """Finalise a form and have the app send until nothing waits."""
        self._app.finalise(xml, name=name, files=files)
        while self._tablet.waiting():
            try:
                until_answered(self._send_all)
            except AppKilled:
                self.close()
                self._app = self._started()

    def close(self) -> None:
        """End the app, and count what it did."""
        self.counts.update(self._app.counts)
        self._app.close()

    def _started(self) -> ScriptedCollect:
        return ScriptedCollect(
            self._settings,
            self._device_id,
            now=lambda: datetime.now(UTC),
            tablet=self._tablet,
            fault=self._fault,
            order=lambda files: self._rng.sample(list(files), len(files)),
        )

    def _send_all(self) -> None:
        failed = self._app.send_all()
        if failed:  # the app would try again in a minute
            raise CollectError(failed[0].shown)

    def _fault(self) -> Fault:
        """Choose what happens to a POST."""
        turn = self._rng.random()
        if turn < LOST_ANSWERS:
            return Fault.ANSWER_LOST if turn < 0.7 * LOST_ANSWERS else Fault.CUT
        if turn < LOST_ANSWERS + REPEATED_REQUESTS:
            return Fault.REPEATED
        if turn < LOST_ANSWERS + REPEATED_REQUESTS + KILLED_APPS:
            return self._rng.choice((Fault.KILLED_AFTER, Fault.KILLED_BEFORE))
        return Fault.NONE
