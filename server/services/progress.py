"""How far fieldwork is: what came of every drawn household, counted by unit, enumerator and province.

Every drawn household sends one interview whatever came of the visits, so that whatever is missing is pending, not
forgotten. Outcomes are AAPOR codes and lie sealed with each interview; while the key store is locked only arrivals
are counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy.orm import Session

from server.db.queries import checks, fieldwork
from server.db.queries.fieldwork import AssignedHousehold, FoldedInterview
from server.db.scope import EVERYTHING, Scope
from server.keystore import KeyStore
from server.microdata import Standing

COMPLETE: Final = "complete"
PARTIAL: Final = "partial"
REFUSED: Final = "refused"
NOT_MET: Final = "not_met"
NOT_ELIGIBLE: Final = "not_eligible"
PENDING: Final = "pending"
OTHER: Final = "other"

OUTCOMES: Final = {
    "110": COMPLETE,
    "120": PARTIAL,
    "211": REFUSED,
    "212": REFUSED,  # broken off before the end of module D
    "220": NOT_MET,
    "230": NOT_MET,  # present but not able
    "318": NOT_MET,  # not reached
    "410": NOT_ELIGIBLE,
    "450": NOT_ELIGIBLE,
    "460": NOT_ELIGIBLE,
}
"""Result codes of the questionnaire (AAPOR Standard Definitions) by column of the progress table."""

_BEST_FIRST: Final = (COMPLETE, PARTIAL, REFUSED, NOT_MET, NOT_ELIGIBLE, OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Drawn households by what came of them; a household with two interviews counts once, with the better outcome.

    drawn = received + pending; received = complete + partial + refused + not_met + not_eligible + other. `not_met`
    has those not met, not able and not reached; `other` has outcomes unknown here, all of them while the key store is
    locked. `held` are received households with an interview that waits for a decision.
    """

    drawn: int = 0
    complete: int = 0
    partial: int = 0
    refused: int = 0
    not_met: int = 0
    not_eligible: int = 0
    other: int = 0
    pending: int = 0
    received: int = 0
    held: int = 0

    def __add__(self, more: "Counts") -> "Counts":
        return Counts(**{field.name: getattr(self, field.name) + getattr(more, field.name) for field in fields(self)})


@dataclass(frozen=True, slots=True)
class PsuProgress:
    """Progress in one drawn unit; status is open, closed or lost."""

    psu: str
    province: str
    area: str
    status: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class EnumeratorProgress:
    """Progress of the households that are assigned to one enumerator."""

    enumerator: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class ProvinceProgress:
    """Progress in one province."""

    province: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class Visit:
    """A drawn household and what came of it."""

    household: AssignedHousehold
    outcome: str
    is_held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """All counts of a survey, by unit, by enumerator, by province, and over all.

    `outcomes_known` is False while the key store is locked; `is_sealed` says that interviews are opened on another
    machine, and counted there; `outside_the_draw` counts interviews whose household key
    is not in the draw.
    """

    total: Counts
    psus: tuple[PsuProgress, ...]
    enumerators: tuple[EnumeratorProgress, ...]
    provinces: tuple[ProvinceProgress, ...]
    outcomes_known: bool
    is_sealed: bool
    outside_the_draw: int


def measure(session: Session, keystore: KeyStore, scope: Scope = EVERYTHING) -> Progress:
    """Count what came of every drawn household that somebody sees; units without one are left out."""
    households = fieldwork.assigned_households(session, scope)
    interviews = fieldwork.survey_interviews(session, scope)
    known = checks.drawn_psus(session)
    visits = _visits(households, interviews, keystore)
    units = dict(_count(visits, lambda visit: visit.household.psu))
    enumerators = _count(visits, lambda visit: visit.household.enumerator)
    provinces = _count(visits, lambda visit: visit.household.province)
    return Progress(
        total=sum((counts for _, counts in provinces), Counts()),
        psus=tuple(
            PsuProgress(unit.psu, unit.province, unit.area, unit.status, units.get(unit.psu, Counts()))
            for unit in fieldwork.psu_statuses(session)
            if scope == EVERYTHING or unit.psu in units
        ),
        enumerators=tuple(EnumeratorProgress(code, counts) for code, counts in enumerators),
        provinces=tuple(ProvinceProgress(code, counts) for code, counts in provinces),
        outcomes_known=not keystore.is_locked,
        is_sealed=keystore.is_sealed,
        outside_the_draw=sum(interview.tag not in known for interview in interviews),
    )


def by_psu(session: Session, keystore: KeyStore) -> tuple[PsuProgress, ...]:
    """Return the progress in each drawn unit, by code."""
    return measure(session, keystore).psus


def by_enumerator(session: Session, keystore: KeyStore) -> tuple[EnumeratorProgress, ...]:
    """Return the progress of each enumerator, by code."""
    return measure(session, keystore).enumerators


def summary(session: Session, keystore: KeyStore) -> tuple[ProvinceProgress, ...]:
    """Return the progress in each province, by code: counts only, fit for a public page."""
    return measure(session, keystore).provinces


def _visits(
    households: Sequence[AssignedHousehold], interviews: Sequence[FoldedInterview], keystore: KeyStore
) -> tuple[Visit, ...]:
    by_tag: dict[bytes, list[FoldedInterview]] = {}
    for interview in interviews:
        by_tag.setdefault(interview.tag, []).append(interview)
    visits = []
    for household in households:
        found = by_tag.get(household.tag, [])
        outcomes = {_outcome(interview, keystore) for interview in found}
        outcome = next((kind for kind in _BEST_FIRST if kind in outcomes), PENDING)
        visits.append(Visit(household, outcome, any(interview.is_held for interview in found)))
    return tuple(visits)


def _outcome(interview: FoldedInterview, keystore: KeyStore) -> str:
    if keystore.is_locked:
        return OTHER
    standing = Standing.open(interview.sealed, interview.interview_id, keystore)
    return OUTCOMES.get(standing.outcome or "", OTHER)


def _count(visits: Sequence[Visit], code_of: Callable[[Visit], str]) -> list[tuple[str, Counts]]:
    """Return the counts of each group of visits, by its code."""
    tallies: dict[str, dict[str, int]] = {}
    for visit in visits:
        tally = tallies.setdefault(code_of(visit), {})
        is_received = visit.outcome != PENDING
        for column in (
            "drawn",
            visit.outcome,
            *(["received"] if is_received else []),
            *(["held"] if visit.is_held else []),
        ):
            tally[column] = tally.get(column, 0) + 1
    return [(code, Counts(**tallies[code])) for code in sorted(tallies)]
