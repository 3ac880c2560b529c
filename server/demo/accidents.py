"""Accidents planted in the fieldwork, each of which must be found again in the account at the end of the run.

Counts are those of a full survey of 4 480 households, scaled, at least one of each. Which household they strike is
drawn once from the seed; no mark of them is in any envelope.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from server.demo.cases import Case
from server.demo.design import check_digits
from server.demo.fieldwork import COMPLETE, NOT_RECEIVED

FULL_SAMPLE: Final = 4480

_MENDED: Final = 160
_TRAINING: Final = 40
_MISTYPED: Final = 12
_OUTSIDE: Final = 6
_UNSENT: Final = 9
_CLOCKS: Final = 18
_FEWEST_TABLETS: Final = 4
#: Share of requests whose answer is lost on the way back; the device asks again, and nothing is doubled.
LOST_ANSWERS: Final = 0.15
REPEATED_REQUESTS: Final = 0.05
#: Share of the POSTs of a Collect at which the app is killed, before it or just after the answer.
KILLED_APPS: Final = 0.05


class Clock(StrEnum):
    """How a tablet's clock is wrong."""

    RIGHT = "right"
    RESET = "1970"
    AHEAD = "+ 1 year"
    ZONE = "- 8 hours"


CLOCK_OFFSETS: Final[Mapping[Clock, timedelta]] = {
    Clock.RIGHT: timedelta(0),
    Clock.RESET: timedelta(days=-20_700),
    Clock.AHEAD: timedelta(days=365),
    Clock.ZONE: timedelta(hours=-8),
}


@dataclass(frozen=True, slots=True)
class Job:
    """One interview an enumerator fills: the household, the key typed into the form, and what happens to it.

    Attributes:
        key: as typed; the drawn household's own unless mistyped.
        mode: ``survey`` or ``training``.
        is_mended: corrected the same evening, which makes a second revision.
        is_sent: False on a tablet that is lost before its next synchronisation.
    """

    case: Case
    key: str
    mode: str = "survey"
    is_mended: bool = False
    is_sent: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What will happen: jobs by enumerator, tablets with a wrong clock, and whose tablet is revoked and lost (or 0)."""

    jobs: Mapping[int, tuple[Job, ...]]
    clocks: Mapping[int, Clock]
    revoked: int
    lost: int

    def all_jobs(self) -> tuple[Job, ...]:
        """Return the jobs of everyone."""
        return tuple(job for jobs in self.jobs.values() for job in jobs)


def scaled(count: int, households: int) -> int:
    """Scale a count of the full survey to a sample, at least one."""
    return max(1, round(count * households / FULL_SAMPLE))


def plan(cases: Sequence[Case], *, seed: int, collects: frozenset[int]) -> Plan:
    """Plan the fieldwork of a survey with its accidents.

    Args:
        cases: all drawn households; those of lost PSUs have no job.
        seed: of the choice.
        collects: enumerators who work with ODK Collect; tablets that are lost, revoked or wrong are others.
    """
    rng = random.Random(f"accidents {seed}")  # noqa: S311 - made data, not a secret
    visited = [case for case in cases if case.disposition != NOT_RECEIVED]
    jobs = {case.key: Job(case, case.key) for case in visited}
    enumerators = sorted({case.enumerator for case in visited} - collects)
    rng.shuffle(enumerators)
    # A very small demo has too few tablets to lose any.
    lost, revoked, *others = enumerators if len(enumerators) > _FEWEST_TABLETS else (0, 0, *enumerators)
    wrong = others[: scaled(_CLOCKS, len(cases))]
    clocks = {one: (Clock.RESET, Clock.AHEAD, Clock.ZONE)[turn % 3] for turn, one in enumerate(wrong)}
    _lose(jobs, lost, scaled(_UNSENT, len(cases)))
    calm = [case for case in visited if case.enumerator not in (lost, revoked) and case.disposition == COMPLETE]
    rng.shuffle(calm)
    _mistype(jobs, calm, households=len(cases), keys={case.key for case in cases})
    for case in _draw(calm, scaled(_MENDED, len(cases))):
        jobs[case.key] = replace(jobs[case.key], is_mended=True)
    native = [case for case in calm if case.enumerator not in collects]
    training = [Job(case, case.key, mode="training") for case in native[: scaled(_TRAINING, len(cases))]]
    by_enumerator: dict[int, list[Job]] = {}
    for job in [*jobs.values(), *training]:
        by_enumerator.setdefault(job.case.enumerator, []).append(job)
    ordered = {one: tuple(sorted(mine, key=lambda job: (job.case.day, job.key))) for one, mine in by_enumerator.items()}
    return Plan(ordered, clocks, revoked, lost)


def _lose(jobs: dict[str, Job], enumerator: int, count: int) -> None:
    """Lose a tablet with its last interviews."""
    mine = sorted(
        (job for job in jobs.values() if job.case.enumerator == enumerator), key=lambda job: (job.case.day, job.key)
    )
    for job in mine[-min(count, len(mine) // 2) :]:
        jobs[job.key] = replace(job, is_sent=False)


def _mistype(jobs: dict[str, Job], calm: list[Case], *, households: int, keys: set[str]) -> None:
    """Type the key of another drawn household, or one that was never drawn; takes the cases out of ``calm``."""
    for _ in range(scaled(_MISTYPED, households)):
        wrong = calm.pop()
        hit = next(case for case in calm if case.psu != wrong.psu)
        calm.remove(hit)
        jobs[wrong.key] = replace(jobs[wrong.key], key=hit.key)
    for _ in range(scaled(_OUTSIDE, households)):
        wrong = calm.pop()
        jobs[wrong.key] = replace(jobs[wrong.key], key=_undrawn(wrong, keys))


def _undrawn(case: Case, keys: set[str]) -> str:
    for number in range(999, 0, -1):
        nine = f"{case.psu}{number:03d}"
        if nine + check_digits(nine) not in keys:
            return nine + check_digits(nine)
    raise ValueError("every key of the PSU is drawn")


def _draw(calm: list[Case], count: int) -> list[Case]:
    drawn = calm[:count]
    del calm[:count]
    return drawn


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One kind of accident: how many were planted, how many were found, and where the finding can be seen."""

    what: str
    planted: int
    found: int
    where: str

    @property
    def is_settled(self) -> bool:
        """Whether as many were found as planted."""
        return self.planted == self.found
