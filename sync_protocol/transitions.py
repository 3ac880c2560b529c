"""The transition tables of a device, as data: of an exchange and each envelope, of an upload and each medium.

What a table does not name does not happen. The diagrams of `docs/reference/protocol.md` are drawn from them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where an exchange stands."""

    READY = "ready"
    AWAITING = "awaiting"
    PAUSED = "paused"
    SYNCED = "synced"
    STOPPED = "stopped"


class Event(StrEnum):
    """What happens to an exchange."""

    REQUESTED = "requested"
    SETTLED_MORE = "settled, more to do"
    SETTLED = "settled, nothing left"
    SETTLED_LATER = "settled, asked to wait"
    CORRECTED = "refused, corrected"
    UNANSWERED = "no answer that verifies"
    REFUSED_LATER = "refused for now"
    REFUSED = "refused for good"
    WOKEN = "pause is over"


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.READY, Event.REQUESTED): State.AWAITING,
    (State.AWAITING, Event.SETTLED_MORE): State.READY,
    (State.AWAITING, Event.SETTLED): State.SYNCED,
    (State.AWAITING, Event.SETTLED_LATER): State.PAUSED,
    (State.AWAITING, Event.CORRECTED): State.READY,
    (State.AWAITING, Event.UNANSWERED): State.PAUSED,
    (State.AWAITING, Event.REFUSED_LATER): State.PAUSED,
    (State.AWAITING, Event.REFUSED): State.STOPPED,
    (State.PAUSED, Event.WOKEN): State.READY,
}


class Fate(StrEnum):
    """Where an envelope stands on its device."""

    WAITING = "waiting"
    SENT = "sent"
    RECEIPTED = "receipted"
    REFUSED = "refused"
    DELETED = "deleted"
    ERASED = "erased"


class FateEvent(StrEnum):
    """What happens to an envelope."""

    OFFERED = "offered"
    NOT_SENT = "surely not sent"
    NOT_THERE = "server has not got it"
    NOT_NOW = "server cannot keep it now"
    KEPT = "server keeps it"
    TOO_LARGE = "too large"
    RETRIED = "tried again on a later day"
    FORGOTTEN = "server was restored"
    MAY_GO = "the deletion rule lets it go"
    ERASED = "consent was withdrawn"


FATES: Final[Mapping[tuple[Fate, FateEvent], Fate]] = {
    (Fate.WAITING, FateEvent.OFFERED): Fate.SENT,
    (Fate.SENT, FateEvent.OFFERED): Fate.SENT,
    (Fate.SENT, FateEvent.NOT_SENT): Fate.WAITING,
    (Fate.SENT, FateEvent.NOT_THERE): Fate.WAITING,
    (Fate.SENT, FateEvent.NOT_NOW): Fate.WAITING,
    (Fate.SENT, FateEvent.KEPT): Fate.RECEIPTED,
    (Fate.SENT, FateEvent.TOO_LARGE): Fate.REFUSED,
    (Fate.REFUSED, FateEvent.RETRIED): Fate.WAITING,
    (Fate.RECEIPTED, FateEvent.FORGOTTEN): Fate.SENT,
    (Fate.RECEIPTED, FateEvent.MAY_GO): Fate.DELETED,
    (Fate.WAITING, FateEvent.ERASED): Fate.ERASED,
    (Fate.SENT, FateEvent.ERASED): Fate.ERASED,
    (Fate.RECEIPTED, FateEvent.ERASED): Fate.ERASED,
    (Fate.REFUSED, FateEvent.ERASED): Fate.ERASED,
    (Fate.DELETED, FateEvent.ERASED): Fate.ERASED,
}


class UploadState(StrEnum):
    """Where an upload of media stands."""

    READY = "ready"
    SENDING = "sending"
    ASKING = "asking"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"


class UploadEvent(StrEnum):
    """What happens to an upload."""

    SENT = "part sent"
    ASKED = "offset asked for"
    NOTHING_LEFT = "nothing left"
    TOLD = "offset told"
    CORRECTED = "refused, corrected"
    PUT_OFF = "medium put off"
    UNANSWERED = "no answer that verifies"
    REFUSED_LATER = "refused for now"
    REFUSED = "refused for good"
    WOKEN = "pause is over"


UPLOADS: Final[Mapping[tuple[UploadState, UploadEvent], UploadState]] = {
    (UploadState.READY, UploadEvent.SENT): UploadState.SENDING,
    (UploadState.READY, UploadEvent.ASKED): UploadState.ASKING,
    (UploadState.READY, UploadEvent.NOTHING_LEFT): UploadState.DONE,
    (UploadState.SENDING, UploadEvent.TOLD): UploadState.READY,
    (UploadState.SENDING, UploadEvent.CORRECTED): UploadState.READY,
    (UploadState.SENDING, UploadEvent.PUT_OFF): UploadState.READY,
    (UploadState.SENDING, UploadEvent.UNANSWERED): UploadState.PAUSED,
    (UploadState.SENDING, UploadEvent.REFUSED_LATER): UploadState.PAUSED,
    (UploadState.SENDING, UploadEvent.REFUSED): UploadState.STOPPED,
    (UploadState.ASKING, UploadEvent.TOLD): UploadState.READY,
    (UploadState.ASKING, UploadEvent.UNANSWERED): UploadState.PAUSED,
    (UploadState.PAUSED, UploadEvent.WOKEN): UploadState.READY,
}


class MediumFate(StrEnum):
    """Where a sealed medium stands on its device."""

    UNNAMED = "unnamed"
    WAITING = "waiting"
    WHOLE = "whole"
    REFUSED = "refused"
    DELETED = "deleted"


class MediumEvent(StrEnum):
    """What happens to a medium."""

    NAMED = "a sealed interview names it"
    WHOLE = "server has all of it"
    REFUSED = "too large"
    RETRIED = "tried again on a later day"
    FORGOTTEN = "server was restored"
    MAY_GO = "the deletion rule lets it go"
    ERASED = "consent was withdrawn"


MEDIA: Final[Mapping[tuple[MediumFate, MediumEvent], MediumFate]] = {
    (MediumFate.UNNAMED, MediumEvent.NAMED): MediumFate.WAITING,
    (MediumFate.WAITING, MediumEvent.WHOLE): MediumFate.WHOLE,
    (MediumFate.WAITING, MediumEvent.REFUSED): MediumFate.REFUSED,
    (MediumFate.REFUSED, MediumEvent.RETRIED): MediumFate.WAITING,
    (MediumFate.WHOLE, MediumEvent.FORGOTTEN): MediumFate.WAITING,
    (MediumFate.WHOLE, MediumEvent.MAY_GO): MediumFate.DELETED,
    (MediumFate.UNNAMED, MediumEvent.ERASED): MediumFate.DELETED,
    (MediumFate.WAITING, MediumEvent.ERASED): MediumFate.DELETED,
    (MediumFate.WHOLE, MediumEvent.ERASED): MediumFate.DELETED,
    (MediumFate.REFUSED, MediumEvent.ERASED): MediumFate.DELETED,
}


def following_fate(fate: Fate, event: FateEvent) -> Fate:
    """Return the state of an envelope after an event; an event that the table does not name changes nothing.

    A late or repeated word about a receipted envelope is such an event.
    """
    return FATES.get((fate, event), fate)


def following_medium(fate: MediumFate, event: MediumEvent) -> MediumFate:
    """Return the state of a medium after an event; an event that the table does not name changes nothing."""
    return MEDIA.get((fate, event), fate)


def diagram(table: Mapping[tuple[StrEnum, StrEnum], StrEnum]) -> str:
    """Draw a transition table as a Mermaid state diagram; the first state named is where it starts."""
    states = list(dict.fromkeys(state for state, _ in table))
    lines = ["stateDiagram-v2", f"    [*] --> {states[0]}"]
    lines += [f"    {state} --> {following}: {event}" for (state, event), following in table.items()]
    finals = dict.fromkeys(following for following in table.values() if following not in states)
    lines += [f"    {state} --> [*]" for state in finals]
    return "\n".join(lines)
