"""What a device tells the person who holds it: how a synchronisation went, and what is safe."""

import math
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
        "drafts": "{count} changed drafts are only on this tablet ({reasons})",
        "drafts_one": "1 changed draft is only on this tablet ({reasons})",
        "refused": "The office does not take {count} envelopes, they are too large ({reasons}): tell the office",
        "refused_one": "The office does not take 1 envelope, it is too large ({reasons}): tell the office",
        "media": "{media} photos to go",
        "media_one": "1 photo to go",
        "minutes": "{minutes} min",
        "unreadable": "{count} photos or recordings cannot be read on this tablet ({names}): tell the office",
        "unreadable_one": "1 photo or recording cannot be read on this tablet ({names}): tell the office",
    },
    "fr": {
        "progress": "{safe} entretiens sur {interviews} en sécurité",
        "progress_one": "{safe} entretien sur 1 en sécurité",
        "locked": "{count} entretiens finalisés ne sont ni scellés ni partis : synchronisez encore, avec le code PIN",
        "locked_one": "1 entretien finalisé n’est ni scellé ni parti : synchronisez encore, avec le code PIN",
        "unsealed": "{count} entretiens finalisés n’ont pas pu être scellés ({reasons}) ; ils sont gardés, "
        "prévenez le bureau",
        "unsealed_one": "1 entretien finalisé n’a pas pu être scellé ({reasons}) ; il est gardé, prévenez le bureau",
        "drafts": "{count} brouillons modifiés ne sont que sur cette tablette ({reasons})",
        "drafts_one": "1 brouillon modifié n’est que sur cette tablette ({reasons})",
        "refused": "Le bureau ne prend pas {count} enveloppes, trop grandes ({reasons}) : prévenez le bureau",
        "refused_one": "Le bureau ne prend pas 1 enveloppe, trop grande ({reasons}) : prévenez le bureau",
        "media": "encore {media} photos",
        "media_one": "encore 1 photo",
        "minutes": "{minutes} min",
        "unreadable": "{count} photos ou enregistrements ne se lisent plus sur cette tablette ({names}) : "
        "prévenez le bureau",
        "unreadable_one": "1 photo ou enregistrement ne se lit plus sur cette tablette ({names}) : prévenez le bureau",
    },
}
SECONDS: Final = 60
NAME_DIGITS: Final = 8
SHOWN: Final = 16  # hexadecimal digits of an envelope id that are enough for the office to know it by


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a device stands.

    Attributes:
        safe: interviews that the server has receipted.
        interviews: interviews that were sealed on the device.
        media: photos and recordings that are not whole on the server.
        bytes_left: of interviews and media that are not there.
        seconds_left: at the rate measured in this synchronisation; None before there is one, or with nothing left.
    """

    safe: int
    interviews: int
    media: int = 0
    bytes_left: int = 0
    seconds_left: float | None = None

    def sentence(self, language: str = "en") -> str:
        """Say it in words that an enumerator understands."""
        table = MESSAGES.get(language, MESSAGES["en"])
        one = "progress_one" if self.interviews == 1 else "progress"
        parts = [table[one].format(safe=self.safe, interviews=self.interviews)]
        if self.media:
            parts.append(table["media_one" if self.media == 1 else "media"].format(media=self.media))
        if self.seconds_left is not None and self.bytes_left:
            parts.append(table["minutes"].format(minutes=max(1, math.ceil(self.seconds_left / SECONDS))))
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Unsealed:
    """What should have been sealed, and the code of what stood in the way; nothing of it is lost.

    `is_finished` is False for a draft that was to go to the office for a replacement device.
    """

    instance_id: bytes
    reason: str
    is_finished: bool = True


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """How one synchronisation went.

    Attributes:
        outcome: ``synced``: nothing is left to do; ``interrupted``: try again, at `retry_at` if it is given;
            ``stopped``: the server refused for good, `reason` says why; ``wiped``: nothing was left to send, and the
            office had ordered a wipe: nothing is left on the device.
        exchanges: requests sent or tried.
        sent: envelopes sent, counting one that was sent twice twice.
        stored: receipts `stored`; `duplicates`, `erased`, `quarantined`, `too_large` likewise; `later` was not
            kept for want of room on the server and waits.
        refused: ids of envelopes that are set aside because the server said of each that it is too large; they are
            tried again on a later day.
        waiting: envelopes that no receipt covers yet.
        sealed: finalised interviews that were sealed at its beginning.
        unsealed: those that could not be, e.g. because the device was locked, and why.
        forms, assignments, verdicts, returned, drafts, entities, erasures: pulled items by kind; an assignment is a
            PSU, an item of entities is a piece of a list, one of erasures names several interviews.
        media: photos and recordings that became whole on the server; `media_waiting` are not.
        unreadable: names (hexadecimal SHA-256) of those whose file is gone or altered: nothing waits for them.
        parts: of media sent or tried.
        files: of forms that became whole on the device.
        pruned: interviews and media that the deletion rule let go.
        bytes_up, bytes_down: bodies, one that was cut counted as a whole; `HttpTransport.bytes_written` counts the
            bytes that left.
    """

    outcome: Literal["synced", "interrupted", "stopped", "wiped"]
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
    returned: int = 0
    drafts: int = 0
    entities: int = 0
    erasures: int = 0
    media: int = 0
    media_waiting: int = 0
    parts: int = 0
    files: int = 0
    pruned: int = 0
    bytes_up: int
    bytes_down: int
    progress: Progress
    sealed: int = 0
    unsealed: tuple[Unsealed, ...] = ()
    unreadable: tuple[str, ...] = ()
    refused: tuple[bytes, ...] = ()

    def warnings(self, language: str = "en") -> tuple[str, ...]:
        """Say what could not be sealed or read, and what is set aside, in words that an enumerator understands."""
        table = MESSAGES.get(language, MESSAGES["en"])
        said: list[str] = []
        finished = [one.reason for one in self.unsealed if one.is_finished]
        for message, reasons in (
            ("locked", [reason for reason in finished if reason == PIN_NEEDED]),
            ("unsealed", [reason for reason in finished if reason != PIN_NEEDED]),
            ("drafts", [one.reason for one in self.unsealed if not one.is_finished]),
            ("refused", [one.hex()[:SHOWN] for one in self.refused]),
        ):
            if reasons:
                text = table[message if len(reasons) > 1 else f"{message}_one"]
                said.append(text.format(count=len(reasons), reasons=", ".join(sorted(set(reasons)))))
        if self.unreadable:
            text = table["unreadable" if len(self.unreadable) > 1 else "unreadable_one"]
            names = ", ".join(name[:NAME_DIGITS] for name in self.unreadable)
            said.append(text.format(count=len(self.unreadable), names=names))
        return tuple(said)
