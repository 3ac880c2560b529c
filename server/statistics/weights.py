"""Weights of responding households: four factors, each a column of its own, and the log of every join.

1. base: 1 / inclusion probability, from frame, listing and draw (DHS Sampling and Household Listing Manual);
2. PSU: what lost PSUs stood for goes to the worked ones of their stratum;
3. non-response: what silent eligible households stood for goes to the respondents of their class;
4. calibration: to the known households of each province and area.

Persons, workers and senders carry the weight of their household: all of them are asked about, none is sub-sampled.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np

from server.statistics.design import Design, DesignError, collapse
from server.statistics.response import adjust_nonresponse
from server.statistics.sample import DesignTables, Flags, Floats, Households, Ints, Psus, Texts, Totals

#: Respondents that a calibration cell needs; smaller ones are joined within the province.
SMALLEST_CELL: Final = 10

#: A weight beyond this multiple of its stratum's median is reported (not trimmed).
LARGE_WEIGHT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Weighting:
    """Weights of one set of respondents, columns aligned with the households.

    ``final`` is the product of the four factors, 0 for everyone who is no respondent; ``rows`` are the respondents and
    ``design`` is theirs, in that order. ``kish`` is 1 + CV²(w). ``notes`` say what was joined or stands out.
    """

    base: Floats
    psu_factor: Floats
    nonresponse_factor: Floats
    calibration_factor: Floats
    final: Floats
    rows: Ints
    stratum: Texts
    design: Design
    kish: float
    notes: tuple[str, ...]


def weigh(households: Households, tables: DesignTables, responds: Flags) -> Weighting:
    """Weigh the households that respond so that they stand for all households of the country.

    Args:
        households: everyone drawn, in the order of their keys.
        tables: frame, listing, draw and totals.
        responds: who counts as a respondent: to the interview, or to one module of it.

    Raises:
        DesignError: ``unknown-psu``, ``not-listed``, ``no-total`` when the tables do not cover the sample;
            ``too-small`` when too little was worked to estimate anything.
    """
    psus = tables.psus
    place = index_of(psus.psu, households.psu, code="unknown-psu", what="PSU")
    base = base_weights(households, tables, place)
    lost, lost_notes = psu_factors(psus)
    first = base * lost[place]
    silent, silent_notes = adjust_nonresponse(
        households,
        weight=first,
        worked=psus.is_worked[place],
        responds=responds,
        province=psus.province[place],
        area=psus.area[place],
    )
    rows = np.flatnonzero(responds & psus.is_worked[place])
    cell, totals, cell_notes = _cells(tables.totals, psus.province[place[rows]], psus.area[place[rows]])
    calibration = post_stratify((first * silent)[rows], cell, totals)[cell]
    factor = np.zeros(responds.size)
    factor[rows] = calibration
    final = first * silent * factor
    weight = final[rows]
    stratum = psus.stratum[place]
    design, strata_notes = _design(psus, place[rows], weight=weight, cell=cell)
    return Weighting(
        base=base,
        psu_factor=lost[place],
        nonresponse_factor=silent,
        calibration_factor=factor,
        final=final,
        rows=rows,
        stratum=stratum,
        design=design,
        kish=float(weight.size * (weight**2).sum() / weight.sum() ** 2),
        notes=lost_notes + silent_notes + cell_notes + strata_notes + _large(weight, stratum[rows]),
    )


def base_weights(households: Households, tables: DesignTables, place: Ints) -> Floats:
    """Return 1 / inclusion probability: of the PSU by size, then of the household within its listing class.

    w0 = ΣF / (n F) · listed of the class / drawn of the class · segments. The listed number belongs here, not the
    frame's count: the frame only decided which PSUs were drawn.

    Raises:
        DesignError: ``not-listed`` when a household's class has no listing in its PSU.
    """
    psus, listings = tables.psus, tables.listings
    listed = np.char.add(np.char.add(listings.psu, "/"), listings.listing_class.astype(str))
    wanted = np.char.add(np.char.add(households.psu, "/"), households.listing_class.astype(str))
    line = index_of(listed, wanted, code="not-listed", what="listing class")
    if (listings.drawn[line] == 0).any():
        raise DesignError("not-listed", "a household is in the draw, but its listing class has none drawn")
    within = listings.listed[line] / listings.drawn[line]
    return _psu_weights(psus)[place] * within * psus.segments[place]


def _psu_weights(psus: Psus) -> Floats:
    by_size = psus.stratum_frame_households / (psus.drawn_in_stratum * psus.frame_households)
    return np.where(psus.is_certain, 1.0, by_size)


def psu_factors(psus: Psus) -> tuple[Floats, tuple[str, ...]]:
    """Return the factor of each PSU for the lost ones of its stratum: drawn / worked, 0 for the lost themselves.

    A stratum without any worked PSU is joined to its province's other stratum; both are then measured in households of
    the frame, so that each keeps its size.
    """
    key = _strata(psus)
    worked = Counter(key[psus.is_worked].tolist())
    joined = collapse(
        list(zip(key.tolist(), psus.province.tolist(), strict=True)), worked, minimum=1, what="worked PSUs"
    )
    group = np.unique([joined.group[stratum] for stratum in key], return_inverse=True)[1]
    stands_for = _psu_weights(psus) * psus.frame_households
    drawn = np.bincount(group, stands_for)
    kept = np.bincount(group, stands_for * psus.is_worked)
    return np.where(psus.is_worked, (drawn / kept)[group], 0.0), joined.notes


def post_stratify(weight: Floats, cell: Ints, totals: Floats) -> Floats:
    """Return the factor of each cell that brings its weights to the cell's total."""
    return totals / np.bincount(cell, weight, totals.size)


def index_of(known: Texts, wanted: Texts, *, code: str, what: str) -> Ints:
    """Return the row in ``known`` of each wanted text.

    Raises:
        DesignError: with the given code, when one is not there.
    """
    order = np.argsort(known, kind="stable")
    spot = np.minimum(np.searchsorted(known, wanted, sorter=order), known.size - 1)
    found: Ints = order[spot] if known.size else np.zeros(wanted.size, dtype=np.int64)
    missing = known[found] != wanted if known.size else np.ones(wanted.size, dtype=bool)
    if missing.any():
        raise DesignError(code, f"{what} {wanted[missing][0]} of the sample is not in the design tables")
    return found


def _strata(psus: Psus) -> Texts:
    """Return each PSU's stratum; a certainty PSU is one of its own."""
    return np.where(psus.is_certain, np.char.add("certain ", psus.psu), psus.stratum)


def _cells(totals: Totals, province: Texts, area: Texts) -> tuple[Ints, Floats, tuple[str, ...]]:
    """Return the calibration cell of each respondent, the cells' totals, and the joins."""
    known = np.char.add(np.char.add(totals.province, "/"), totals.area)
    mine = np.char.add(np.char.add(province, "/"), area)
    index_of(known, mine, code="no-total", what="province/area")
    joined = collapse(
        list(zip(known.tolist(), totals.province.tolist(), strict=True)),
        Counter(mine.tolist()),
        minimum=SMALLEST_CELL,
        what="respondents",
    )
    names = sorted(set(joined.group.values()))
    of_total = np.array([names.index(joined.group[cell]) for cell in known.tolist()])
    lookup = dict(zip(known.tolist(), of_total.tolist(), strict=True))
    cell = np.array([lookup[name] for name in mine.tolist()], dtype=np.int64)
    return cell, np.bincount(of_total, totals.households).astype(np.float64), joined.notes


def _design(psus: Psus, place: Ints, *, weight: Floats, cell: Ints) -> tuple[Design, tuple[str, ...]]:
    """Return the respondents' design: worked PSUs in their strata, and households as PSUs where a PSU was certain."""
    key = _strata(psus)
    regular = np.flatnonzero(psus.is_worked & ~psus.is_certain)
    number = np.full(psus.psu.size, -1, dtype=np.int64)
    number[regular] = np.arange(regular.size)
    cluster = number[place]
    alone = np.flatnonzero(cluster < 0)
    cluster[alone] = regular.size + np.arange(alone.size)
    strata = np.concatenate([key[regular], key[place[alone]]])
    province = np.concatenate([psus.province[regular], psus.province[place[alone]]])
    joined = collapse(
        list(zip(strata.tolist(), province.tolist(), strict=True)),
        Counter(strata.tolist()),
        minimum=2,
        what="worked PSUs",
    )
    codes = np.unique([joined.group[stratum] for stratum in strata], return_inverse=True)[1]
    notes = tuple(f"variance: {note}" for note in joined.notes)
    return Design(weight=weight, psu=cluster, psu_stratum=codes, post_stratum=cell), notes


def _large(weight: Floats, stratum: Texts) -> tuple[str, ...]:
    """Report how many weights of a stratum exceed a multiple of its median."""
    notes = []
    for name in np.unique(stratum).tolist():
        inside = weight[stratum == name]
        count = int((inside > LARGE_WEIGHT * np.median(inside)).sum())
        if count:
            notes.append(f"stratum {name}: {count} weights above {LARGE_WEIGHT:g} x the median")
    return tuple(notes)
