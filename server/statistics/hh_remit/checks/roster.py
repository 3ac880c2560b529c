"""K4, R1 and R2: who lives in the household, against itself and against the listing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from server.statistics.hh_remit.answers import Answers, code, number, rows
from server.statistics.hh_remit.checks.finding import CheckFinding, Place, Surroundings

ADULT: Final = 15
SMALLEST_SHARE: Final = Decimal("0.6")
MIGRANT_CLASS: Final = 1
_CHILD: Final = "3"
_PARENT: Final = "6"
_NO_HOUSEHOLD: Final = frozenset({"450", "460"})


def check_roster(answers: Answers, around: Surroundings) -> Iterator[CheckFinding]:
    """Yield K4, R1, R1b, R2 and R2b."""
    members = rows(answers, "member")
    yield from _members(members)
    if around.place is not None:
        yield from _listed(answers, members, around.place)


def _members(members: Sequence[Answers]) -> Iterator[CheckFinding]:
    ages = [number(person, "c_age") for person in members]
    if members and all(age is not None and age < ADULT for age in ages):
        yield CheckFinding("R1", "error", "member")
    head = ages[0] if ages else None
    if head is None:
        return
    if head < ADULT:
        yield CheckFinding("R1", "error", "member[1]/c_age")
    for place, (person, age) in enumerate(zip(members, ages, strict=True), 1):
        relation = code(person, "c_rel")
        is_odd = age is not None and ((relation == _CHILD and age >= head) or (relation == _PARENT and age <= head))
        if place > 1 and is_odd:
            yield CheckFinding("R1b", "note", f"member[{place}]/c_age")


def _listed(answers: Answers, members: Sequence[Answers], place: Place) -> Iterator[CheckFinding]:
    if code(answers, "j_result") in _NO_HOUSEHOLD:
        yield CheckFinding("K4", "supervisor", "j_result")
    size = number(answers, "c_n")
    if size is not None and place.persons and size < SMALLEST_SHARE * place.persons:
        yield CheckFinding("R2", "supervisor", "c_n")
    has_returned = any(code(person, "c_ret") == "1" for person in members)
    if place.listing_class == MIGRANT_CLASS and number(answers, "d_n") == 0 and not has_returned:
        yield CheckFinding("R2b", "supervisor", "d_n")
