"""Weighted quantiles of a list of values, with ties decided on exact sums.

A share that falls exactly on a step of the distribution function is common: equal weights and a median are enough. In
floating point a sum of a hundred equal weights may fall on either side of half the total, and the answer jumps to the
next value. So weights are counted in whole millionths and the share is compared as a fraction.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final, Literal, TypeAlias

import numpy as np

from server.statistics.sample import Floats

#: On an exact step: the lower value (R ``qrule="math"``), or the middle between it and the next (``qrule="school"``).
TieRule: TypeAlias = Literal["lower", "midpoint"]

_PARTS: Final = 1_000_000

#: Shares are given as short decimals (0.5, 0.8) and are meant as such.
_LARGEST_DENOMINATOR: Final = 1_000


def quantile_of(values: Floats, weight: Floats, share: float, ties: TieRule) -> float:
    """Return the least value at which the weighted distribution function reaches the share.

    Args:
        values: (m,) at least one; ``inf`` is allowed.
        weight: (m,) positive.
        share: 0 to 1.
        ties: what to return when the function equals the share on a whole step.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    reached = np.cumsum(np.rint(weight[order] * _PARTS).astype(np.int64))
    whole = int(reached[-1])
    wanted = Fraction(share).limit_denominator(_LARGEST_DENOMINATOR)
    if math.isclose(float(wanted), share, rel_tol=0, abs_tol=1e-15):
        threshold = wanted * whole
    else:
        threshold = Fraction(share) * whole
    least = math.ceil(threshold)
    place = min(int(np.searchsorted(reached, least, side="left")), ordered.size - 1)
    if ties == "midpoint" and threshold == int(reached[place]) and place + 1 < ordered.size:
        return float((ordered[place] + ordered[place + 1]) / 2)
    return float(ordered[place])
