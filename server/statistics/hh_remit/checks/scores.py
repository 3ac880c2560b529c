"""Q2b to Q5: interviews beside each other, and the work of one enumerator beside that of others.

Scores point people to where a look is worth while; none of them proves anything, and none touches a weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations
from typing import Final

import numpy as np

from server.statistics.hh_remit.answers import Answers, code, number, rows
from server.statistics.hh_remit.checks.finding import CheckFinding, Point
from server.statistics.hh_remit.checks.visit import metres_between

CLOSE_METRES: Final = 30
EQUAL_SHARE: Final = 0.9
FEWEST_ANSWERS: Final = 20
"""Below this two interviews are alike because there is little in them."""
ROUND_TO: Final = 1000
FEWEST_AMOUNTS: Final = 20
FEWEST_COLLEAGUES: Final = 5
"""Below this a 95th percentile of a team says nothing, and the whole office is the team."""
PERCENTILE: Final = 95
FAR_Z: Final = 2.5
_METRES_PER_DEGREE: Final = 111_000
_COMPLETE: Final = frozenset({"110", "120"})
_COMPARED: Final = ("d_n", "c_n", "e_items_n")
#: Amounts of money by the repeat they stand in, outermost first.
_AMOUNTS: Final = (
    ((), ("h_food7", "h_own7", "h_rent", "h_util", "h_other", "h_educ", "h_health", "f_other_amt")),
    (("worker",), ("e_lump_amt", "e_recov_amt", "e_loan", "e_earn", "e_promised")),
    (("worker", "cost"), ("k_amt",)),
    (("sender",), ("f_amt", "f_kind_val")),
)
#: Names, ages, keys and what the form calculates or the visit decides: equal or not, they say nothing of Q4.
_LEFT_OUT: Final = frozenset(
    {
        "household_key", "province", "area", "psu", "hh_no", "enumerator_id", "int_date", "start_time", "end_time",
        "b_code", "c_age", "d_age", "c_line", "d_line", "f_line", "v_no", "e_key", "e_keys", "e_row", "c_ekey",
        "d_ekey", "ref12", "ref36", "k_label", "visit", "a_mode", "a_replacement", "n_visits", "last_outcome",
        "contact_ok", "go", "last_module", "j_result",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Interviewed:
    """One current interview that counts.

    Attributes:
        interview_id: names it in the result.
        household: its key after decisions; two interviews of one household are never compared.
        enumerator, team: who made it; a team may be unknown, then it is empty.
        psu: its unit by the draw, empty outside it.
        answers: of the analysis store.
        point: where the enumerator stood.
    """

    interview_id: bytes
    household: str
    enumerator: str
    team: str = ""
    psu: str = ""
    answers: Answers = field(default_factory=dict)
    point: Point | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """Findings by interview id, and by enumerator."""

    interviews: Mapping[bytes, tuple[CheckFinding, ...]]
    enumerators: Mapping[str, tuple[CheckFinding, ...]]


def score(interviews: Iterable[Interviewed]) -> Scores:
    """Compare all interviews; neither their order nor their arrival matters."""
    ordered = sorted(interviews, key=lambda one: one.interview_id)
    of_interviews: dict[bytes, list[CheckFinding]] = {}
    of_enumerators: dict[str, list[CheckFinding]] = {}
    for interview_id, finding in (*_neighbours(ordered), *_copies(ordered)):
        of_interviews.setdefault(interview_id, []).append(finding)
    for enumerator, finding in (*_round_amounts(ordered), *_means(ordered)):
        of_enumerators.setdefault(enumerator, []).append(finding)
    return Scores(
        {name: tuple(sorted(found, key=_order)) for name, found in sorted(of_interviews.items())},
        {name: tuple(sorted(found, key=_order)) for name, found in sorted(of_enumerators.items())},
    )


def _order(finding: CheckFinding) -> tuple[str, str]:
    return finding.code, finding.path


def _neighbours(interviews: Sequence[Interviewed]) -> Iterator[tuple[bytes, CheckFinding]]:
    """Yield Q2b: sorted by latitude, only those within 30 m north or south are looked at."""
    placed = sorted(
        ((one.point, one) for one in interviews if one.point is not None), key=lambda pair: (pair[0], pair[1].household)
    )
    nearest: dict[bytes, float] = {}
    window = CLOSE_METRES / _METRES_PER_DEGREE
    for place, (point, one) in enumerate(placed):
        for other_point, other in placed[place + 1 :]:
            if other_point[0] - point[0] > window:
                break
            metres = metres_between(point, other_point)
            if one.household != other.household and metres < CLOSE_METRES:
                for who in (one.interview_id, other.interview_id):
                    nearest[who] = min(metres, nearest.get(who, math.inf))
    for interview_id, metres in nearest.items():
        yield interview_id, CheckFinding("Q2b", "score", "j_gps", float(round(metres)))


def _copies(interviews: Sequence[Interviewed]) -> Iterator[tuple[bytes, CheckFinding]]:
    """Yield Q4: the share of equal answers among all that either of two interviews has."""
    by_enumerator: dict[str, list[tuple[Interviewed, frozenset[tuple[str, str]]]]] = {}
    for one in interviews:
        if code(one.answers, "j_result") in _COMPLETE:
            leaves = frozenset(_leaves(one.answers, ""))
            if len(leaves) >= FEWEST_ANSWERS:
                by_enumerator.setdefault(one.enumerator, []).append((one, leaves))
    closest: dict[bytes, float] = {}
    for group in by_enumerator.values():
        for (one, leaves), (other, others) in combinations(group, 2):
            shorter, longer = sorted((len(leaves), len(others)))
            if one.household == other.household or shorter < EQUAL_SHARE * longer:
                continue
            share = len(leaves & others) / len({path for path, _ in leaves | others})
            if share >= EQUAL_SHARE:
                for who in (one.interview_id, other.interview_id):
                    closest[who] = max(share, closest.get(who, 0.0))
    for interview_id, share in closest.items():
        yield interview_id, CheckFinding("Q4", "score", "", round(share, 2))


def _leaves(answers: Answers, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in answers.items():
        if name in _LEFT_OUT or name.startswith("_") or value is None:
            continue
        if isinstance(value, list | tuple):
            for place, row in enumerate(value, 1):
                yield from _leaves(row, f"{prefix}{name}[{place}]/")
        else:
            yield f"{prefix}{name}", str(value)


def _round_amounts(interviews: Sequence[Interviewed]) -> Iterator[tuple[str, CheckFinding]]:
    """Yield Q3: amounts below a thousand cannot be round thousands, and are left out."""
    amounts: dict[str, list[Decimal]] = {}
    teams: dict[str, str] = {}
    for one in interviews:
        found = [amount for amount in _amounts(one.answers) if amount >= ROUND_TO]
        amounts.setdefault(one.enumerator, []).extend(found)
        teams[one.enumerator] = one.team
    shares = {
        enumerator: sum(amount % ROUND_TO == 0 for amount in found) / len(found)
        for enumerator, found in amounts.items()
        if len(found) >= FEWEST_AMOUNTS
    }
    for enumerator, share in shares.items():
        team = [one for name, one in shares.items() if teams[name] and teams[name] == teams[enumerator]]
        compared = team if len(team) >= FEWEST_COLLEAGUES else list(shares.values())
        if len(compared) >= FEWEST_COLLEAGUES and share > float(np.percentile(compared, PERCENTILE)):
            yield enumerator, CheckFinding("Q3", "score", "", round(share, 2))


def _amounts(answers: Answers) -> Iterator[Decimal]:
    for repeats, names in _AMOUNTS:
        scopes: list[Answers] = [answers]
        for repeat in repeats:
            scopes = [row for scope in scopes for row in rows(scope, repeat)]
        for scope in scopes:
            yield from (amount for name in names if (amount := number(scope, name)) is not None)


def _means(interviews: Sequence[Interviewed]) -> Iterator[tuple[str, CheckFinding]]:
    """Yield Q5 for each variable: within the units that an enumerator shares with others."""
    for variable in _COMPARED:
        values: dict[str, dict[str, list[float]]] = {}
        for one in interviews:
            if one.psu and code(one.answers, "j_result") in _COMPLETE:
                found = values.setdefault(one.psu, {}).setdefault(one.enumerator, [])
                found.extend(_values(one.answers, variable))
        for enumerator, z in z_scores(values).items():
            if abs(z) > FAR_Z:
                yield enumerator, CheckFinding("Q5", "score", variable, round(z, 1))


def _values(answers: Answers, variable: str) -> list[float]:
    scopes = rows(answers, "worker") if variable == "e_items_n" else [answers]
    return [float(found) for scope in scopes if (found := number(scope, variable)) is not None]


def z_scores(values: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, float]:
    """Return how far each enumerator's mean is from that of the others in the same units, in standard errors.

    In unit p let d be the difference of the enumerator's mean and the others', from n and m values, and w = nm/(n + m).
    With s² the variance within enumerators and units, pooled, z = Σ w d / √(s² Σ w): the weighted mean of the
    differences over its standard error, for the variance of each d is s²/w.

    Args:
        values: by unit, then by enumerator. Units with one enumerator say nothing and are left out.
    """
    shared = {psu: _answered(by_enumerator) for psu, by_enumerator in values.items()}
    shared = {psu: groups for psu, groups in shared.items() if len(groups) > 1}
    squares, freedom = 0.0, 0
    sums: dict[str, tuple[float, float]] = {}
    for _, groups in sorted(shared.items()):
        for enumerator, own in sorted(groups.items()):
            others = [one for name, group in sorted(groups.items()) if name != enumerator for one in group]
            weight = len(own) * len(others) / (len(own) + len(others))
            difference = math.fsum(own) / len(own) - math.fsum(others) / len(others)
            top, bottom = sums.get(enumerator, (0.0, 0.0))
            sums[enumerator] = (top + weight * difference, bottom + weight)
            mean = math.fsum(own) / len(own)
            squares += math.fsum((one - mean) ** 2 for one in own)
            freedom += len(own) - 1
    if freedom == 0 or squares <= 0:
        return {}
    spread = math.sqrt(squares / freedom)
    return {name: top / (spread * math.sqrt(bottom)) for name, (top, bottom) in sums.items()}


def _answered(by_enumerator: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    return {name: group for name, group in by_enumerator.items() if group}
