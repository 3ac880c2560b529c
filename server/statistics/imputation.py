"""Hot deck: an amount that exists and is not known takes the value that someone alike reported.

A band keeps the donor within it; a refusal takes a donor of its class. Classes are tried from fine to coarse until one
holds enough donors. The donor is chosen by a hash of the row's own key, so the same answers give the same values on any
machine and in any order. Nothing is imputed with zero and nothing is dropped; every imputed value is flagged.
Source: rule of practice after Andridge and Little 2010, Int. Stat. Rev. 78(1), 40-64.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from server.statistics.sample import FROM_BAND, FROM_CLASS, REPORTED, Floats, Ints, Texts

#: With fewer donors one household's answer would be copied too often; the next coarser class is tried.
FEWEST_DONORS: Final = 5

#: A last resort for a band in which nobody at all reported an amount; an open band has no middle.
_OPEN_BAND: Final = 1.5


class ImputationError(Exception):
    """Amounts are missing and nobody reported any."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """A column of amounts, some of them ``nan``, and what is known about each row.

    Args:
        name: of the column; part of the hash, so that two columns of one row draw apart.
        key: unique key of each row.
        value: ``nan`` where missing.
        low, high: limits of the band, ``nan`` without one; a value belongs to a band if low <= value < high.
        classes: classes of each row, from fine to coarse.
    """

    name: str
    key: Texts
    value: Floats
    low: Floats
    high: Floats
    classes: Sequence[Texts]


def impute(amounts: Amounts) -> tuple[Floats, Ints]:
    """Return the amounts without gaps, and for each row how its amount came about.

    Raises:
        ImputationError: amounts are missing and none is reported.
    """
    value = amounts.value.copy()
    flag = np.full(value.size, REPORTED, dtype=np.int64)
    missing = np.flatnonzero(np.isnan(value))
    if not missing.size:
        return value, flag
    donors = np.flatnonzero(~np.isnan(amounts.value))
    donors = donors[np.argsort(amounts.key[donors], kind="stable")]
    levels = [_members(level, donors) for level in amounts.classes]
    for row in missing.tolist():
        has_band = not np.isnan(amounts.low[row])
        pool = _pool(amounts, row, donors, levels)
        if pool.size:
            value[row] = amounts.value[pool[_draw(amounts, row, pool.size)]]
        elif has_band:
            value[row] = _middle(float(amounts.low[row]), float(amounts.high[row]))
        else:
            raise ImputationError(f"no household reported an amount of {amounts.name}, so none can be imputed")
        flag[row] = FROM_BAND if has_band else FROM_CLASS
    return value, flag


def _members(level: Texts, donors: Ints) -> tuple[Texts, dict[str, Ints]]:
    """Return a level's classes and the donors of each, in the order of their keys."""
    names = level[donors]
    return level, {str(name): donors[names == name] for name in np.unique(names)}


def _pool(amounts: Amounts, row: int, donors: Ints, levels: Sequence[tuple[Texts, dict[str, Ints]]]) -> Ints:
    """Return the donors of a row: of the finest class with enough of them, else of the whole sample."""
    for level, members in levels:
        pool = _in_band(amounts, row, members.get(str(level[row]), donors[:0]))
        if pool.size >= FEWEST_DONORS:
            return pool
    return _in_band(amounts, row, donors)


def _in_band(amounts: Amounts, row: int, pool: Ints) -> Ints:
    low, high = amounts.low[row], amounts.high[row]
    if np.isnan(low):
        return pool
    values = amounts.value[pool]
    inside: Ints = pool[(values >= low) & (values < high)]
    return inside


def _draw(amounts: Amounts, row: int, count: int) -> int:
    digest = hashlib.sha256(f"passerelle/1 hot deck|{amounts.name}|{amounts.key[row]}".encode()).digest()
    return int.from_bytes(digest[:8]) % count


def _middle(low: float, high: float) -> float:
    return (low + high) / 2 if np.isfinite(high) else low * _OPEN_BAND
