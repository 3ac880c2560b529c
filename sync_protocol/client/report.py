"""What a device tells the person who holds it: how a synchronisation went, and what is safe."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

PIN_NEEDED: Final = "pin-needed"
MESSAGES: Final = {
    "en": {
        "progress": "{safe} of {interviews} interviews safe",
        "progress_one": "{safe} of 1 interview safe",
        "locked": "{count} finished interviews are not sealed and did not go out: sync again with the PIN",
        "locked_one": "1 finished interview is not sealed and did not go out: sync again with the PIN",
        "unsealed": "{count} finished interviews could not be sealed ({reasons}); they are kept, tell the office",
        "unsealed_one": "1 finished interview could not be sealed ({reasons}); it is kept, tell the office",
    },
    "fr": {
        "progress": "{safe} entretiens sur {interviews} en sécurité",
        "progress_one": "{safe} entretien sur 1 en sécurité",
        "locked": "{count} entretiens finalisés ne sont ni scellés ni partis : synchronisez encore, avec le code PIN",
        "locked_one": "1 entretien finalisé n’est ni scellé ni parti : synchronisez encore, avec le code PIN",
        "unsealed": "{count} entretiens finalisés n’ont pas pu être scellés ({reasons}) ; ils sont gardés, "
        "prévenez le bureau",
        "unsealed_one": "1 entretien finalisé n’a pas pu être scellé ({reasons}) ; il est gardé, prévenez le bureau",
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

    def warnings(self, language: str = "en") -> tuple[str, ...]:
        """Say what could not be sealed, in words that an enumerator understands; nothing when all was."""
        table = MESSAGES.get(language, MESSAGES["en"])
        said: list[str] = []
        locked = sum(one.reason == PIN_NEEDED for one in self.unsealed)
        others = [one.reason for one in self.unsealed if one.reason != PIN_NEEDED]
        for message, count in (("locked", locked), ("unsealed", len(others))):
            if count:
                text = table[message if count > 1 else f"{message}_one"]
                said.append(text.format(count=count, reasons=", ".join(sorted(set(others)))))
        return tuple(said)
