"""The two transition tables of an exchange, as data: one for the exchange itself, one for each envelope.

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


class FateEvent(StrEnum):
    """What happens to an envelope."""

    OFFERED = "offered"
    NOT_SENT = "surely not sent"
    NOT_THERE = "server has not got it"
    NOT_NOW = "server cannot keep it now"
    KEPT = "server keeps it"
    TOO_LARGE = "too large"
    FORGOTTEN = "server was restored"


FATES: Final[Mapping[tuple[Fate, FateEvent], Fate]] = {
    (Fate.WAITING, FateEvent.OFFERED): Fate.SENT,
    (Fate.SENT, FateEvent.OFFERED): Fate.SENT,
    (Fate.SENT, FateEvent.NOT_SENT): Fate.WAITING,
    (Fate.SENT, FateEvent.NOT_THERE): Fate.WAITING,
    (Fate.SENT, FateEvent.NOT_NOW): Fate.WAITING,
    (Fate.SENT, FateEvent.KEPT): Fate.RECEIPTED,
    (Fate.SENT, FateEvent.TOO_LARGE): Fate.REFUSED,
    (Fate.RECEIPTED, FateEvent.FORGOTTEN): Fate.SENT,
}


def following_fate(fate: Fate, event: FateEvent) -> Fate:
    """Return the state of an envelope after an event; an event that the table does not name changes nothing.

    A late or repeated word about a receipted envelope is such an event.
    """
    return FATES.get((fate, event), fate)


def diagram(table: Mapping[tuple[StrEnum, StrEnum], StrEnum]) -> str:
    """Draw a transition table as a Mermaid state diagram; the first state named is where it starts."""
    states = list(dict.fromkeys(state for state, _ in table))
    lines = ["stateDiagram-v2", f"    [*] --> {states[0]}"]
    lines += [f"    {state} --> {following}: {event}" for (state, event), following in table.items()]
    finals = dict.fromkeys(following for following in table.values() if following not in states)
    lines += [f"    {state} --> [*]" for state in finals]
    return "\n".join(lines)
