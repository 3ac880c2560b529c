"""Totals, means, ratios, proportions and quantiles of a sample, with linearised standard errors.

Rows are what is counted (households, senders, workers); ``Rows.household`` says to which household of the design each
belongs. A domain is never a filtered sample: rows outside contribute zero and their PSUs stay in the variance.
Sums run in the order of the rows, so equal sorted input gives equal bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from server.statistics.design import Design, variance
from server.statistics.intervals import t_interval
from server.statistics.quantiles import TieRule, quantile_of
from server.statistics.sample import Flags, Floats, Ints


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one kind in a design; ``household`` is the row of the design that each belongs to."""

    design: Design
    household: Ints

    @classmethod
    def of_households(cls, design: Design) -> Rows:
        """Take the households of the design themselves as rows."""
        return cls(design, np.arange(design.weight.size, dtype=np.int64))

    @property
    def weight(self) -> Floats:
        """Weight of each row: that of its household."""
        return self.design.weight[self.household]

    def variance(self, score: Floats) -> float:
        """Estimate the variance of the weighted sum of a score of the rows."""
        by_household: Floats = np.bincount(self.household, score, self.design.weight.size).astype(np.float64)
        return variance(self.design, by_household)


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its precision; ``nan`` where the domain has no case.

    ``n`` and ``sum_weights`` are those of the cases of the denominator, ``df`` the PSUs less strata that hold them.
    ``deff`` is against a simple random sample *with* replacement of as many such cases.
    """

    value: float
    se: float
    df: int
    n: int
    sum_weights: float
    deff: float

    @property
    def cv(self) -> float:
        """Standard error over the value."""
        return self.se / abs(self.value) if self.value else math.nan

    def interval(self, level: float = 0.95, *, df: float | None = None) -> tuple[float, float]:
        """Return the interval by Student's t, by default with the domain's degrees of freedom."""
        return t_interval(self.value, self.se, self.df if df is None else df, level)


def total(rows: Rows, y: Floats, domain: Flags | None = None) -> Figure:
    """Estimate the sum of ``y`` over the domain.

    The design effect compares with a simple random sample of all rows, ``y`` being 0 outside the domain.
    """
    inside = _inside(rows, domain)
    values = np.where(inside, y, 0.0)
    weight = rows.weight
    estimate = _sum(weight * values)
    spread = rows.variance(values)
    everyone = _sum(weight)
    simple = everyone**2 * _variance_between(values, weight) / max(values.size, 1)
    return Figure(
        value=estimate,
        se=math.sqrt(spread),
        df=rows.design.degrees_of_freedom_of(rows.household[inside]),
        n=int(inside.sum()),
        sum_weights=_sum(weight * inside),
        deff=spread / simple if simple > 0 else math.nan,
    )


def ratio(rows: Rows, y: Floats, x: Floats, domain: Flags | None = None) -> Figure:
    """Estimate the sum of ``y`` over the sum of ``x`` in the domain.

    Cases of the denominator are the domain's rows with ``x`` other than 0.
    Source: Särndal, Swensson and Wretman 1992, §5.6.
    """
    inside = _inside(rows, domain)
    above, below = np.where(inside, y, 0.0), np.where(inside, x, 0.0)
    weight = rows.weight
    size = _sum(weight * below)
    cases = inside & (x != 0)
    if size == 0:
        return Figure(math.nan, math.nan, 0, int(cases.sum()), 0.0, math.nan)
    estimate = _sum(weight * above) / size
    score = (above - estimate * below) / size
    spread = rows.variance(score)
    count = int(cases.sum())
    sum_weights = _sum(weight[cases])
    simple = sum_weights**2 * _variance_between(score[cases], weight[cases]) / count
    return Figure(
        value=estimate,
        se=math.sqrt(spread),
        df=rows.design.degrees_of_freedom_of(rows.household[cases]),
        n=count,
        sum_weights=sum_weights,
        deff=spread / simple if simple > 0 else math.nan,
    )


def mean(rows: Rows, y: Floats, domain: Flags | None = None) -> Figure:
    """Estimate the mean of ``y`` over the rows of the domain."""
    return ratio(rows, y, np.ones(y.size), domain)


def proportion(rows: Rows, has: Flags, domain: Flags | None = None) -> Figure:
    """Estimate the share of the domain's rows that have a property, 0 to 1."""
    return mean(rows, has.astype(np.float64), domain)


def quantile(
    rows: Rows,
    y: Floats,
    share: float,
    domain: Flags | None = None,
    *,
    ties: TieRule = "lower",
    df: float | None = None,
) -> tuple[Figure, tuple[float, float]]:
    """Estimate a quantile and its interval by Woodruff's method: the interval of the share, read back as values.

    Args:
        rows: of the sample.
        y: (m,) values; ``inf`` is a value above all others.
        share: 0.5 for the median, 0.8 for the fourth quintile.
        domain: rows that count.
        ties: what lies between two values when the share falls exactly on the step.
        df: degrees of freedom of the interval; by default those of the domain.

    Returns:
        The figure, whose ``se`` is the interval's length over 2 t and whose ``deff`` is ``nan``, and the interval.
        A limit is ``nan`` if the share's interval leaves 0 to 1.

    Source: Woodruff 1952, JASA 47, 635-646.
    """
    inside = _inside(rows, domain)
    count = int(inside.sum())
    if count == 0:
        return Figure(math.nan, math.nan, 0, 0, 0.0, math.nan), (math.nan, math.nan)
    values, weight = y[inside], rows.weight[inside]
    value = quantile_of(values, weight, share, ties)
    below = proportion(rows, y <= value, domain)
    freedom = float(below.df) if df is None else df
    low, high = (
        quantile_of(values, weight, limit, ties) if 0 <= limit <= 1 else math.nan
        for limit in t_interval(below.value, below.se, freedom)
    )
    reach, _ = t_interval(0.0, 1.0, freedom)
    return Figure(value, (high - low) / (-2 * reach), below.df, count, below.sum_weights, math.nan), (low, high)


def _inside(rows: Rows, domain: Flags | None) -> Flags:
    return np.ones(rows.household.size, dtype=bool) if domain is None else domain


def _sum(values: Floats) -> float:
    """Add one by one in the order of the rows: numpy's own sum groups terms by the processor's vector width."""
    return float(np.cumsum(values)[-1]) if values.size else 0.0


def _variance_between(values: Floats, weight: Floats) -> float:
    """Estimate the variance of one value between units of the population (R ``svyvar``)."""
    count, size = values.size, _sum(weight)
    if count < 2 or size == 0:
        return math.nan
    center = _sum(weight * values) / size
    return _sum(weight * (values - center) ** 2) / size * count / (count - 1)
