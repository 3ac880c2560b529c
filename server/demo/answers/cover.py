"""Modules A, B and J: the cover with its visits, consent, and the closing."""

from __future__ import annotations

import random
from datetime import timedelta

from server.demo.answers.values import Answers, pick
from server.demo.cases import Case
from server.demo.fieldwork import (
    BROKEN_OFF,
    COMPLETE,
    NOT_A_DWELLING,
    NOT_MET,
    PARTIAL,
    REFUSED,
    REPLACED,
    UNABLE,
    VACANT,
)
from server.demo.frame_files import enumerator_code, position

_LAST_OUTCOME = {
    COMPLETE: "10", PARTIAL: "10", BROKEN_OFF: "10", REFUSED: "20", NOT_MET: "30", UNABLE: "31",
    REPLACED: "80", NOT_A_DWELLING: "70", VACANT: "60",
}  # fmt: skip

_REFUSALS = (("1", 30.0), ("2", 30.0), ("3", 10.0), ("4", 15.0), ("5", 8.0), ("6", 7.0))


def stopped_at(case: Case) -> int:
    """Return the module in which the respondent stopped, 3 (C) to 8 (H); 9 if nowhere."""
    if case.disposition == PARTIAL:
        return 8
    if case.disposition == BROKEN_OFF:
        return 3 + case.number % 2
    return 9


def _opens_the_door(case: Case) -> bool:
    """Tell the refusals at the introduction from those before it: both happen."""
    return case.disposition in (COMPLETE, PARTIAL, BROKEN_OFF) or (case.disposition == REFUSED and case.number % 2 == 0)


def cover(case: Case, rng: random.Random, *, mode: str) -> Answers:
    """Answer modules A and B."""
    answers: Answers = {
        "a_mode": mode,
        "household_key": case.key,
        "a_replacement": "2",
        "enumerator_id": enumerator_code(case.enumerator),
        "int_date": case.day.isoformat(),
        "n_visits": str(case.visits),
        "visit": _visits(case, rng),
    }
    if not _opens_the_door(case):
        return answers
    answers["a_lang"] = pick(rng, (("l1", 60.0), ("l2", 20.0), ("fr", 15.0), ("en", 5.0)))
    if case.disposition == REFUSED:
        return answers | {"b_consent": "2", "b_refusal": pick(rng, _REFUSALS)}
    stop = stopped_at(case)
    recontact = "1" if _may_call_again(case) else "2"
    return answers | {"b_consent": "1", "b_recontact": recontact, "b_stop": "0" if stop == 9 else str(stop)}


def _may_call_again(case: Case) -> bool:
    return case.number % 10 < 8


def _visits(case: Case, rng: random.Random) -> list[Answers]:
    last = "10" if _opens_the_door(case) else _LAST_OUTCOME[case.disposition]
    visits: list[Answers] = []
    for back in range(case.visits - 1, -1, -1):
        outcome = pick(rng, (("30", 70.0), ("31", 15.0), ("32", 15.0))) if back else last
        visits.append({"v_date": (case.day - timedelta(days=back)).isoformat(), "v_outcome": outcome})
    return visits


def closing(case: Case, rng: random.Random) -> Answers:
    """Answer module J; the final result agrees with the visits and the consent."""
    answers: Answers = {"j_result": str(case.disposition)}
    stop = stopped_at(case)
    if _opens_the_door(case) or case.disposition in (NOT_A_DWELLING, VACANT):
        latitude, longitude = position(case.psu, case.number)
        answers["j_gps"] = f"{latitude} {longitude} 320.0 {rng.randint(3, 12)}.0"
    if case.disposition not in (COMPLETE, PARTIAL, BROKEN_OFF):
        return answers
    answers["j_coop"] = pick(rng, (("1", 70.0), ("2", 24.0), ("3", 6.0)))
    if stop > 3:
        answers["j_resp"] = "1"
    if stop > 5:
        answers["j_private"] = pick(rng, (("1", 35.0), ("2", 65.0)))
    if _may_call_again(case):
        answers["j_phone"] = f"0{rng.randint(500_000_000, 899_999_999)}"
    return answers
