"""Which rows an account sees: the projects, the team or the enumerator that it is bound to."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What somebody may see; None is no bound.

    Attributes:
        projects: by number.
        team: of devices and app users.
        enumerator: code of devices and app users.
    """

    projects: frozenset[int] | None = None
    team: str | None = None
    enumerator: str | None = None


EVERYTHING: Final = Scope()
NOTHING: Final = Scope(projects=frozenset())
