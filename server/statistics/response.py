"""Unit non-response: what eligible households that did not answer stood for goes to the respondents of their class.

Classes are province x area x listing class where they can be. A class with too few respondents, or whose factor would
be too large, is given up and its households are pooled with the other failing ones of the next coarser level; classes
that hold stay as they are. Households of lost PSUs are no part of this: their PSU's factor stands for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from server.statistics.design import DesignError
from server.statistics.sample import (
    ELIGIBLE_NONRESPONDENT,
    NOT_ELIGIBLE,
    RESPONDENT,
    UNKNOWN_ELIGIBILITY,
    Flags,
    Floats,
    Households,
    Texts,
)

SMALLEST_CLASS: Final = 30
LARGEST_FACTOR: Final = 2.0


def eligibility_rate(disposition: Sequence[int] | np.ndarray, weight: Floats) -> float:
    """Return e of AAPOR: the weighted share of eligible households among those whose eligibility is known."""
    eligible = np.isin(disposition, RESPONDENT + ELIGIBLE_NONRESPONDENT)
    known = eligible | np.isin(disposition, NOT_ELIGIBLE)
    size = float(weight[known].sum())
    return float(weight[eligible].sum()) / size if size > 0 else 1.0


def adjust_nonresponse(
    households: Households, *, weight: Floats, worked: Flags, responds: Flags, province: Texts, area: Texts
) -> tuple[Floats, tuple[str, ...]]:
    """Return the non-response factor of each household, 0 for those that do not respond, and the log of pooled classes.

    The factor of a class is (weights of eligible households + e · weights of those of unknown eligibility) / weights of
    respondents (AAPOR Standard Definitions, response rate 3).

    Args:
        households: everyone drawn.
        weight: after the PSU factor.
        worked: whether the household's PSU was worked.
        responds: who is a respondent; an eligible household that is none is a non-respondent.
        province, area: of each household.

    Raises:
        DesignError: ``too-small`` when nobody responds.
    """
    disposition = households.disposition
    eligible = worked & np.isin(disposition, RESPONDENT + ELIGIBLE_NONRESPONDENT)
    unknown = worked & np.isin(disposition, UNKNOWN_ELIGIBILITY)
    respondents = worked & responds
    if not respondents.any():
        raise DesignError("too-small", "no household has responded")
    rate = eligibility_rate(disposition[worked], weight[worked])
    need = weight * (eligible + rate * unknown)
    have = weight * respondents
    listing_class = np.char.add("class ", households.listing_class.astype(str))
    levels = (
        _joined("province", province, "area", area, listing_class),
        _joined("province", province, "area", area),
        _joined("area", area, listing_class),
        _joined("area", area),
        np.full(area.size, "all"),
    )
    return _factors(levels, need=need, have=have, respondents=respondents)


def _joined(*parts: str | Texts) -> Texts:
    text: Texts = np.asarray(parts[0])
    for part in parts[1:]:
        text = np.char.add(np.char.add(text, " "), part)
    return text


def _factors(
    levels: Sequence[Texts], *, need: Floats, have: Floats, respondents: Flags
) -> tuple[Floats, tuple[str, ...]]:
    factor = np.zeros(need.size)
    left = np.ones(need.size, dtype=bool)
    notes = []
    for depth, level in enumerate(levels):
        names, group = np.unique(level, return_inverse=True)
        count = np.bincount(group[left & respondents], minlength=names.size)
        needed = np.bincount(group[left], need[left], names.size)
        had = np.bincount(group[left], have[left], names.size)
        value = np.divide(needed, had, out=np.full(names.size, np.inf), where=had > 0)
        holds = (count >= SMALLEST_CLASS) & (value <= LARGEST_FACTOR)
        if depth == len(levels) - 1:
            holds[:] = had > 0
        done = left & holds[group]
        factor[done] = value[group[done]]
        left &= ~done
        pooled = np.bincount(group[left], minlength=names.size) > 0
        if depth == 0 and pooled.any():
            notes.append(f"non-response: {int(pooled.sum())} of {names.size} classes pooled with coarser ones")
        elif depth > 0:
            used = np.unique(level[done & respondents]).tolist()
            notes.extend(f"non-response: pooled class {name}" for name in used)
        if (value[holds] > LARGEST_FACTOR).any():
            notes.append(f"non-response: a factor above {LARGEST_FACTOR:g} could not be avoided")
    if (left & (need > 0)).any():
        # Only when the last pool has no respondent: its households are too few to have a class of their own.
        notes.append("non-response: silent households without any respondent like them are left to calibration")
    return np.where(respondents, factor, 0.0), tuple(notes)
