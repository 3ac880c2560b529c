"""When a device may delete what it has sealed: never on a receipt alone.

The server's word is enough only when it says, under signature, that the bytes survive the loss of its disk, and, for
an interview, that they could be opened; and an interview stays until its round is closed. An office without backups
has to say that receipts are enough.
"""

from dataclasses import dataclass
from typing import Final

from sync_protocol.transitions import Fate, MediumFate

OPENABLE: Final = frozenset({"opened", "held", "listed"})
"""Verdicts that say that an envelope was opened, or, where the server cannot open any, that it is listed."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What the last answer said: envelopes up to this number are in a backup; receipts are enough."""

    backed_up_sequence: int | None
    deletes_without_backup: bool

    def covers(self, server_sequence: int | None) -> bool:
        """The envelope of this number outlives the server's disk, or the office has waived that."""
        if server_sequence is None:
            return False
        if self.deletes_without_backup:
            return True
        return self.backed_up_sequence is not None and self.backed_up_sequence >= server_sequence


@dataclass(frozen=True, slots=True)
class SealedInterview:
    """An interview on a device, as far as the rule asks."""

    fate: Fate
    server_sequence: int | None
    verdict: str | None
    is_withdrawn: bool


def interview_may_go(interview: SealedInterview, backup: Backup) -> bool:
    """Say whether a sealed interview may be deleted from the device."""
    return (
        interview.fate is Fate.RECEIPTED
        and interview.is_withdrawn
        and interview.verdict in OPENABLE
        and backup.covers(interview.server_sequence)
    )


@dataclass(frozen=True, slots=True)
class SealedMedium:
    """A medium on a device, as far as the rule asks.

    Attributes:
        named_by: fate and number at the server of each interview on the device that names it.
        followed_by: a number that the server gave after it had all of the medium, None when it has given none yet.
    """

    fate: MediumFate
    named_by: tuple[tuple[Fate, int | None], ...]
    followed_by: int | None


def medium_may_go(medium: SealedMedium, backup: Backup) -> bool:
    """Say whether a sealed medium may be deleted from the device.

    The interview that names it may have been in a backup that was made before the medium was whole; so a backup must
    also cover a number that was given afterwards.
    """
    return (
        medium.fate is MediumFate.WHOLE
        and bool(medium.named_by)
        and all(_is_safe(fate, number, backup) for fate, number in medium.named_by)
        and (backup.deletes_without_backup or backup.covers(medium.followed_by))
    )


def _is_safe(fate: Fate, server_sequence: int | None, backup: Backup) -> bool:
    return fate in (Fate.RECEIPTED, Fate.DELETED) and backup.covers(server_sequence)
