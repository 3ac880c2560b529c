"""Holds: interviews that a person must look at, found without looking at their arrival.

K1: the household key is not in the draw, or was drawn for another enumerator's unit. K2: two interviews of one mode
under one key; both are held, and the provisional primary weighs, because a mistyped key is likelier than a second
visit. K3: the answers say another mode than the key they were sealed to. Source: rules 2, 3 and 6 of survey practice
in docs/how-to/intake.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from server.db.queries.interviews import DrawnPlace
from server.folding.profile import OUTCOME_ORDER, Summary
from server.microdata import Standing

NOT_DRAWN: Final = "K1"
SAME_KEY: Final = "K2"
OTHER_MODE: Final = "K3"
KEEP: Final = "keep"
REASSIGN: Final = "reassign"
EXCLUDE: Final = "exclude"
VERDICTS: Final = (KEEP, REASSIGN, EXCLUDE)
SURVEY: Final = "survey"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The last decision about an interview."""

    verdict: str
    household_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An interview with its standing and the holds that are open."""

    interview_id: bytes
    standing: Standing
    holds: tuple[str, ...]


def household_key_of(summary: Summary, settlement: Settlement | None) -> str | None:
    """Return the household key that counts: the decided one before the one in the answers."""
    if settlement is not None and settlement.verdict == REASSIGN:
        return settlement.household_key
    return summary.household_key


def stand_alone(
    interview_id: bytes,
    summary: Summary,
    settlement: Settlement | None,
    *,
    mode: str,
    place: DrawnPlace | None,
    has_draw: bool,
) -> Held:
    """Say how an interview stands by itself, whatever others there are.

    Args:
        interview_id: of the interview.
        summary: of its current revision.
        settlement: the last decision about it.
        mode: of the survey key it was sealed to.
        place: where its household is in the draw, None when it is not there.
        has_draw: a draw has been imported.
    """
    verdict = None if settlement is None else settlement.verdict
    holds: list[str] = []
    key = household_key_of(summary, settlement)
    if key is not None and mode == SURVEY and has_draw and verdict not in (KEEP, EXCLUDE):
        is_decided = verdict == REASSIGN
        if place is None or not (is_decided or summary.enumerator in place.enumerators):
            holds.append(NOT_DRAWN)
    if summary.mode is not None and summary.mode != mode and verdict is None:
        holds.append(OTHER_MODE)
    standing = Standing(
        household_key=key,
        weighs=verdict != EXCLUDE and not holds,
        is_primary=True,
        outcome=summary.outcome,
        decided=verdict,
        enumerator=summary.enumerator,
        findings=summary.findings,
    )
    return Held(interview_id=interview_id, standing=standing, holds=tuple(holds))


def stand_together(group: Sequence[Held]) -> tuple[Held, ...]:
    """Say how the interviews of one mode under one household key stand; sorted by id."""
    alone = [_alone(held) for held in sorted(group, key=lambda held: held.interview_id)]
    rivals = [held for held in alone if held.standing.decided != EXCLUDE]
    if len(rivals) < 2:
        return tuple(alone)
    primary = min(rivals, key=_precedence)
    return tuple(_in_pair(held, primary) if held in rivals else held for held in alone)


def _alone(held: Held) -> Held:
    if SAME_KEY not in held.holds and held.standing.is_primary:
        return held  # as nearly all are
    holds = tuple(hold for hold in held.holds if hold != SAME_KEY)
    weighs = held.standing.decided != EXCLUDE and not holds
    return replace(held, holds=holds, standing=replace(held.standing, is_primary=True, weighs=weighs))


def _in_pair(held: Held, primary: Held) -> Held:
    is_primary = held.interview_id == primary.interview_id
    is_settled = held.standing.decided is not None
    holds = held.holds if is_settled and is_primary else tuple(sorted({*held.holds, SAME_KEY}))
    standing = replace(held.standing, is_primary=is_primary, weighs=is_primary and held.standing.weighs)
    return replace(held, holds=holds, standing=standing)


def _precedence(held: Held) -> tuple[bool, bool, int, bytes]:
    outcome = held.standing.outcome
    rank = OUTCOME_ORDER.index(outcome) if outcome in OUTCOME_ORDER else len(OUTCOME_ORDER)
    return (not held.standing.weighs, held.standing.decided is None, rank, held.interview_id)
