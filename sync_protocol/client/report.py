"""What a device tells the person who holds it: how a synchronisation went, and what is safe."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

MESSAGES: Final = {
    "en": {
        "progress": "{safe} of {interviews} interviews safe",
        "progress_one": "{safe} of 1 interview safe",
    },
    "fr": {
        "progress": "{safe} entretiens sur {interviews} en sécurité",
        "progress_one": "{safe} entretien sur 1 en sécurité",
    },
}


@dataclass(frozen=True, slots=True)
class Progress:
    """Interviews on the device, and those of them that the server has receipted."""

    safe: int
    interviews: int

    def sentence(self, language: str = "en") -> str:
        """Say it in words that an enumerator understands."""
        table = MESSAGES.get(language, MESSAGES["en"])
        return table["progress_one" if self.interviews == 1 else "progress"].format(
            safe=self.safe, interviews=self.interviews
        )


@dataclass(frozen=True, slots=True)
class Unsealed:
    """An interview that should have been sealed, and the code of what stood in the way; nothing of it is lost."""

    instance_id: bytes
    reason: str


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """How one synchronisation went.

    Attributes:
        outcome: ``synced``: nothing is left to do; ``interrupted``: try again, at `retry_at` if it is given;
            ``stopped``: the server refused for good, `reason` says why. Whatever it is, nothing was deleted.
        exchanges: requests sent or tried.
        sent: envelopes sent, counting one that was sent twice twice.
        stored: receipts `stored`; `duplicates`, `erased`, `quarantined`, `too_large` likewise; `later` was not
            kept for want of room on the server and waits.
        waiting: envelopes that no receipt covers yet.
        forms, assignments, verdicts: pulled items by kind; an assignment is a PSU.
        sealed: finalised interviews that were sealed at its beginning.
        unsealed: those that could not be, e.g. because the device was locked, and why.
    """

    outcome: Literal["synced", "interrupted", "stopped"]
    reason: str | None
    retry_at: datetime | None
    exchanges: int
    sent: int
    stored: int
    duplicates: int
    erased: int
    quarantined: int
    too_large: int
    later: int
    waiting: int
    forms: int
    assignments: int
    verdicts: int
    bytes_up: int
    bytes_down: int
    progress: Progress
    sealed: int = 0
    unsealed: tuple[Unsealed, ...] = ()
