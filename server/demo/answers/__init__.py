"""What a drawn household answers to the questionnaire ``hh_remit``, module by module, nested by question names.

Derived by the server, the answers give back the reported amounts of :mod:`server.demo.cases`, up to the rounding of
money and to whole months. Whatever no indicator hangs on is drawn to be plausible. Answers exist in memory only.
"""

from __future__ import annotations

import random

from server.demo.answers.cover import closing, cover, stopped_at
from server.demo.answers.home import home, spending
from server.demo.answers.members import abroad, members
from server.demo.answers.money import money
from server.demo.answers.values import Answers
from server.demo.answers.versions import NEWEST, VERSIONS, told_in
from server.demo.answers.work import work
from server.demo.cases import Case
from server.demo.fieldwork import BROKEN_OFF, COMPLETE, PARTIAL
from server.demo.rates import Rates

__all__ = ["NEWEST", "VERSIONS", "Answers", "answers_of"]


def answers_of(case: Case, rates: Rates, *, seed: int, mode: str = "survey", version: int = NEWEST) -> Answers:
    """Return the answers of one drawn household; refusals and empty dwellings end after the cover.

    Args:
        case: the household and what it would report.
        rates: the dated table by which amounts in foreign currency are told.
        seed: of everything that is plausible only.
        mode: training, pilot or survey.
        version: of the questionnaire that is filled, 1 to 3.
    """
    rng = random.Random(f"{seed} {case.key}")  # noqa: S311 - made data, not a secret
    answers = cover(case, rng, mode=mode)
    stop = stopped_at(case)
    if case.disposition in (COMPLETE, PARTIAL, BROKEN_OFF):
        answers |= _modules(case, rates, rng, stop=stop)
    answers |= closing(case, rng)
    return told_in(version, answers, seed=f"{seed} {case.key}")


def _modules(case: Case, rates: Rates, rng: random.Random, *, stop: int) -> Answers:
    """Answer modules C to H up to the one in which the respondent stopped (9: none)."""
    answers: Answers = {}
    if stop > 3:
        answers |= members(case, rng)
    if stop > 4:
        answers |= abroad(case, rng)
    if stop > 5:
        answers |= work(case, rates, rng)
    if stop > 6:
        answers |= money(case, rates, rng)
    if stop > 7:
        answers |= home(case, rng)
    if stop > 8:
        answers |= spending(case, rng)
    return answers
