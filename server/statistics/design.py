"""A sampling design as arrays: which weight, primary sampling unit, stratum and calibration cell each household has.

Variances are those of the ultimate cluster (Hansen, Hurwitz and Madow 1953; Särndal, Swensson and Wretman 1992, §4.6):
PSUs as if drawn with replacement, whatever happened below them. A PSU that was worked and holds no case of interest is
still a row here, with contributions of zero: the number of PSUs in a stratum is that of the design, not of the answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from server.statistics.sample import Flags, Floats, Ints

#: What to do with a stratum of one PSU: refuse; count it as 0; give it the mean of the other strata; measure its total
#: from 0, which R calls ``adjust``. The product collapses strata before it comes to this and refuses what is left.
LonelyRule: TypeAlias = Literal["fail", "remove", "average", "adjust"]


class DesignError(Exception):
    """A design that carries no estimate; ``code`` is stable, the message says what and where."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Design:
    """Households with their place in a design.

    Args:
        weight: (n,) final weights, sum ≈ households of the country.
        psu: (n,) index in ``psu_stratum``.
        psu_stratum: (P,) stratum index of every worked PSU, with or without rows.
        post_stratum: (n,) calibration cell, or None if weights are not calibrated to cell totals.
        fraction: (H,) part of a stratum's PSUs that was drawn, for designs of equal probabilities without replacement;
            None = with replacement, as for systematic PPS.
        lonely: rule for strata of one PSU.
    """

    weight: Floats
    psu: Ints
    psu_stratum: Ints
    post_stratum: Ints | None = None
    fraction: Floats | None = None
    lonely: LonelyRule = "fail"

    @property
    def degrees_of_freedom(self) -> int:
        """PSUs less strata of the whole design."""
        return int(self.psu_stratum.size - np.unique(self.psu_stratum).size)

    def degrees_of_freedom_of(self, rows: Ints | Flags) -> int:
        """Count PSUs less strata among those that hold the given rows (CDC NHANES tutorial; R ``degf(subset)``)."""
        psus = np.unique(self.psu[rows])
        return int(psus.size - np.unique(self.psu_stratum[psus]).size)


def variance(design: Design, score: Floats) -> float:
    """Estimate the variance of the weighted sum of a score.

    With calibration cells the score is replaced by its residual from the cell's weighted mean: the variance of a GREG
    estimate with one dummy a cell (Deville and Särndal 1992, eq. 3.4).

    Args:
        design: of the households.
        score: (n,) linearised contribution of each household, unweighted.

    Raises:
        DesignError: ``lonely-psu`` when a stratum has one PSU and the rule is ``fail``.
    """
    if design.post_stratum is not None:
        cell = design.post_stratum
        weights = np.bincount(cell, design.weight)
        means = np.bincount(cell, design.weight * score) / np.where(weights > 0, weights, 1.0)
        score = score - means[cell]
    psu_total: Floats = np.bincount(design.psu, design.weight * score, design.psu_stratum.size).astype(np.float64)
    return _between_psus(design, psu_total)


def _between_psus(design: Design, psu_total: Floats) -> float:
    stratum = design.psu_stratum
    count = np.bincount(stratum)
    present = count > 0
    lonely = count == 1
    if lonely.any() and design.lonely == "fail":
        raise DesignError("lonely-psu", f"{int(lonely.sum())} strata have one PSU; collapse them or choose a rule")
    center = np.bincount(stratum, psu_total) / np.maximum(count, 1)
    if design.lonely == "adjust":
        center = np.where(lonely, 0.0, center)
    squares = np.bincount(stratum, (psu_total - center[stratum]) ** 2)
    scale = count / np.maximum(count - 1, 1)
    fraction = np.zeros(count.size) if design.fraction is None else design.fraction
    by_stratum = squares * scale * (1.0 - fraction)
    result = float(np.cumsum(by_stratum)[-1])
    if design.lonely == "average" and lonely.any():
        result *= present.sum() / (present & ~lonely).sum()
    return result


@dataclass(frozen=True, slots=True)
class Collapsed:
    """Strata joined into groups: ``group`` by stratum, and the joins in words."""

    group: Mapping[str, str]
    notes: tuple[str, ...]


def collapse(strata: Sequence[tuple[str, str]], count: Mapping[str, int], *, minimum: int, what: str) -> Collapsed:
    """Join strata until each group holds enough: within the province first, then with the next province.

    Args:
        strata: (stratum, province) pairs of the whole design.
        count: of what a stratum holds; absent = 0.
        minimum: that a group needs.
        what: is counted, for messages.

    Raises:
        DesignError: ``too-small`` when the whole design holds less.
    """
    if sum(count.values()) < minimum:
        raise DesignError("too-small", f"the survey has fewer than {minimum} {what}: nothing can be estimated from it")
    ordered = sorted(set(strata), key=lambda pair: (pair[1], pair[0]))
    groups: list[list[tuple[str, str]]] = [[pair] for pair in ordered]
    short = _first_short(groups, count, minimum)
    while short is not None:
        other = _partner(groups, short)
        low, high = sorted((short, other))
        groups[low] = groups[low] + groups.pop(high)
        short = _first_short(groups, count, minimum)
    group = {stratum: members[0][0] for members in groups for stratum, _ in members}
    notes = tuple(
        "strata " + " + ".join(stratum for stratum, _ in members) + f" are one: {minimum} {what} are needed"
        for members in groups
        if len(members) > 1
    )
    return Collapsed(group, notes)


def _first_short(groups: list[list[tuple[str, str]]], count: Mapping[str, int], minimum: int) -> int | None:
    for index, members in enumerate(groups):
        if sum(count.get(stratum, 0) for stratum, _ in members) < minimum:
            return index
    return None


def _partner(groups: list[list[tuple[str, str]]], short: int) -> int:
    """Return the group to join: of the same province if there is one, else the next by code, else the last."""
    provinces = {province for _, province in groups[short]}
    for index, members in enumerate(groups):
        if index != short and provinces & {province for _, province in members}:
            return index
    return short + 1 if short + 1 < len(groups) else short - 1
