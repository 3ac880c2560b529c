"""Confidence intervals of an estimate: by Student's t, and Korn and Graubard's for proportions."""

from __future__ import annotations

import math


def critical_value(df: float, level: float = 0.95) -> float:
    """Return the two-sided critical value of Student's t; ``nan`` without degrees of freedom."""
    from scipy import special  # 14 MB, which a process that only serves need not hold

    return float(special.stdtrit(df, 0.5 + level / 2)) if df > 0 else math.nan


def t_interval(value: float, se: float, df: float, level: float = 0.95) -> tuple[float, float]:
    """Return value ± t·se."""
    reach = critical_value(df, level) * se
    return value - reach, value + reach


def korn_graubard(share: float, variance: float, n: int, df: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the exact binomial interval of a proportion with the effective sample size of the design.

    Source: Korn and Graubard 1998, Survey Methodology 24(2), 193-201; as R ``svyciprop(method="beta")``.

    Args:
        share: the estimate, 0 to 1.
        variance: of the estimate.
        n: cases of the denominator.
        df: degrees of freedom of the design.
        level: of confidence.
    """
    from scipy import special

    if not 0 < share < 1 or not variance > 0 or df <= 0 or n < 2:
        effective = float(n)
    else:
        ratio = critical_value(n - 1, level) / critical_value(df, level)
        effective = share * (1 - share) / variance * ratio**2
    tail = (1 - level) / 2
    hits, misses = effective * share, effective * (1 - share)
    low = float(special.betaincinv(hits, misses + 1, tail)) if hits > 0 else 0.0
    high = float(special.betaincinv(hits + 1, misses, 1 - tail)) if misses > 0 else 1.0
    return low, high
