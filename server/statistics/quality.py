"""Which figures may be shown, and with what warning: the default rules, in one place.

Means, totals, quantiles: CV to 16.5 % plain, to 33.3 % ``E`` (use with care), above ``F`` (too uncertain to rely on);
hidden below 30 cases. Proportions: the NCHS standards (Parker et al. 2017, Vital and Health Statistics 2(175)), with
Korn-Graubard intervals. A hidden figure goes with its standard error, interval and count.

One figure hidden alone among the values of a domain would be found by subtraction, so the smallest shown goes with it
(`indicators`). Complementary hiding over several tables, and its audit, come later.
"""

from __future__ import annotations

import math
from typing import Final

from server.statistics.intervals import korn_graubard

OK: Final = "ok"
CARE: Final = "E"
UNCERTAIN: Final = "F"
HIDDEN: Final = "hidden"

FEWEST_CASES: Final = 30
#: Disclosure: households on either side of a share.
FEWEST_CONTRIBUTORS: Final = 10
CV_PLAIN: Final = 0.165
CV_CARE: Final = 0.333

NARROW: Final = 0.05
WIDE: Final = 0.30
WIDE_RELATIVE: Final = 1.30
FEW_DEGREES: Final = 8


def flag_amount(value: float, cv: float, *, n: int, df: int, contributors: int) -> str:
    """Return the flag of a mean, total or quantile.

    Args:
        value: of the estimate.
        cv: its coefficient of variation; ``nan`` counts as too large.
        n: cases of the denominator.
        df: degrees of freedom.
        contributors: households with a non-zero part in the figure; a total rests on them, not on the zeros.
    """
    if min(n, contributors) < FEWEST_CASES or df < 1 or not math.isfinite(value):
        return HIDDEN
    if cv <= CV_PLAIN:
        return OK
    return CARE if cv <= CV_CARE else UNCERTAIN


def flag_proportion(share: float, se: float, *, n: int, df: int, has: int, has_not: int) -> str:
    """Return the flag of a proportion.

    A share of exactly 0 or 1 says something about every case and is hidden; so is one that rests on few households.

    Args:
        share: the estimate.
        se: its standard error.
        n: cases of the denominator.
        df: degrees of freedom.
        has: households with a case that has what is counted.
        has_not: households with a case that has it not.
    """
    if n < FEWEST_CASES or df < 1 or not 0 < share < 1 or not se > 0 or min(has, has_not) < FEWEST_CONTRIBUTORS:
        return HIDDEN
    effective = min(float(n), share * (1 - share) / se**2)
    low, high = korn_graubard(share, se**2, n, df)
    width = high - low
    if effective < FEWEST_CASES or width >= WIDE:
        return HIDDEN
    if width > NARROW and width / share > WIDE_RELATIVE:
        return HIDDEN
    return CARE if df < FEW_DEGREES else OK
