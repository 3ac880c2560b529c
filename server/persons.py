"""Who is one person: what takes two people takes two of these."""

from typing import Final

CONSOLE: Final = "console:"
"""Before the name of whoever works at the machine itself."""


def is_same_person(one: str, other: str) -> bool:
    """Say whether two names are of one person, who may be at the console of the machine and have an account."""
    return one.removeprefix(CONSOLE).casefold() == other.removeprefix(CONSOLE).casefold()
