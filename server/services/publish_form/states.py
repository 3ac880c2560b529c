"""The states of a form version and the ways between them, as data.

Only published versions are offered to tablets. Interviews on a closed version are opened as ever, for tablets may have
started them; those that arrive after it was retired wait for a person. Retired is the end, and two steps away from
published, so that no slip of the hand leads there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from server.db.queries.forms import CLOSED, DRAFT, PUBLISHED, RETIRED

SUBMITTED: Final = "submitted"
APPROVED: Final = "approved"
STATES: Final = (DRAFT, PUBLISHED, CLOSED, RETIRED)


@dataclass(frozen=True, slots=True)
class Transition:
    """A way from one state to another; `action` is what its event is called."""

    action: str
    needs_note: bool = False


TRANSITIONS: Final[Mapping[tuple[str, str], Transition]] = {
    (DRAFT, PUBLISHED): Transition("published"),
    (PUBLISHED, CLOSED): Transition("closed", needs_note=True),
    (CLOSED, PUBLISHED): Transition("reopened"),
    (CLOSED, RETIRED): Transition("retired", needs_note=True),
}


def ways_from(state: str) -> tuple[str, ...]:
    """Return the states that a state leads to."""
    return tuple(target for source, target in TRANSITIONS if source == state)
