"""A drawn survey as the tables that estimates are made from, without forms, envelopes or a server.

The same estimators run on these tables and on real interviews; here a thousand surveys take a minute.
"""

from __future__ import annotations

import numpy as np

from server.demo import parameters as p
from server.demo.country import Country, Ints
from server.demo.design import Survey
from server.demo.fieldwork import COMPLETE, PARTIAL, Outcomes
from server.demo.frame_files import stratum_code
from server.demo.reporting import Reports
from server.statistics import sample as columns
from server.statistics.sample import (
    Costs,
    DesignTables,
    Households,
    Listings,
    Psus,
    Sample,
    Senders,
    Totals,
    Workers,
)

#: Module H is missing in a partial interview: the last complete one is G.
_MODULE_G = 7

_STRATA = np.array([stratum_code(number) for number in range(2 * len(p.PROVINCES))])
_PROVINCES = np.array([province.code for province in p.PROVINCES])
_AREAS = np.array(p.AREA_CODES)


def sample_of(country: Country, reports: Reports, survey: Survey, outcomes: Outcomes) -> Sample:
    """Return what a survey found, every answer given."""
    drawn = survey.households
    responded = outcomes.responded
    truth = country.households
    codes = country.psus.code[survey.psus.psu]
    households = Households(
        key=np.char.add(codes[drawn.place], np.char.zfill(drawn.number.astype(str), 3)),
        psu=codes[drawn.place],
        listing_class=drawn.listing_class,
        disposition=outcomes.disposition,
        sex_head=np.where(responded, np.where(truth.female_head[drawn.household], 2, 1), 0),
        is_migrant=responded & truth.is_migrant[drawn.household],
        last_module=np.select(
            [outcomes.disposition == COMPLETE, outcomes.disposition == PARTIAL], [columns.ALL_MODULES, _MODULE_G], 0
        ),
    )
    row = np.full(truth.psu.size, -1)
    row[drawn.household[responded]] = np.flatnonzero(responded)
    workers, costs = _workers(country, reports, row)
    return Sample(households, _senders(country, reports, row), workers, costs)


def _senders(country: Country, reports: Reports, row: Ints) -> Senders:
    senders = country.senders
    mine = np.flatnonzero((row[senders.household] >= 0) & (reports.cash + reports.kind > 0))
    mine = mine[np.argsort(row[senders.household[mine]], kind="stable")]
    nothing = np.full(mine.size, np.nan)
    months = sum((senders.months[mine] >> bit) & 1 for bit in range(12))
    return Senders(
        household=row[senders.household[mine]],
        line=_lines(row[senders.household[mine]]),
        country=senders.country[mine],
        sex=np.where(senders.female[mine], 2, 1),
        kind_of_sender=np.where(senders.person[mine] >= 0, 1, 3),
        nonresident=senders.nonresident[mine],
        months=np.where(reports.cash[mine] > 0, months, 0),
        cash_usd=reports.cash[mine],
        cash_low_usd=nothing,
        cash_high_usd=nothing,
        cash_imputed=np.zeros(mine.size, dtype=np.int64),
        goods_usd=reports.kind[mine],
    )


def _workers(country: Country, reports: Reports, row: Ints) -> tuple[Workers, Costs]:
    people = country.people
    mine = np.flatnonzero((row[people.household] >= 0) & reports.in_universe(people))
    paid = reports.earnings[mine] > 0
    full = reports.has_full_month()[mine]
    nothing = np.full(mine.size, np.nan)
    workers = Workers(
        household=row[people.household[mine]],
        line=np.where(people.is_returnee[mine], 100, 200) + people.line[mine],
        country=people.country[mine],
        sex=np.where(people.female[mine], 2, 1),
        is_proxy=reports.proxy[mine],
        has_borrowed=reports.borrowed[mine],
        earnings_state=np.select([~full, paid], [columns.NO_FULL_MONTH_YET, columns.PAID], columns.UNPAID),
        earnings_usd=np.where(full & paid, reports.earnings[mine], np.nan),
        earnings_low_usd=nothing,
        earnings_high_usd=nothing,
        earnings_imputed=np.zeros(mine.size, dtype=np.int64),
    )
    payers = np.flatnonzero(reports.cost[mine] > 0)
    none = np.full(payers.size, np.nan)
    costs = Costs(
        worker=payers,
        item=np.full(payers.size, columns.LUMP_SUM),
        usd=reports.cost[mine][payers],
        low_usd=none,
        high_usd=none,
        imputed=np.zeros(payers.size, dtype=np.int64),
    )
    return workers, costs


def _lines(household: Ints) -> Ints:
    first = np.searchsorted(household, household)
    return np.arange(household.size) - first + 1


def tables_of(country: Country, survey: Survey, outcomes: Outcomes) -> DesignTables:
    """Return the frame, draw and totals that go with a survey."""
    psus, drawn = country.psus, survey.psus
    chosen = drawn.psu
    frame = np.bincount(psus.stratum, psus.frame, _STRATA.size).astype(np.int64)
    size = chosen.size
    households = np.bincount(psus.stratum, psus.households, _STRATA.size).astype(np.int64)
    strata = np.arange(_STRATA.size)
    return DesignTables(
        psus=Psus(
            psu=psus.code[chosen],
            stratum=_STRATA[drawn.stratum],
            province=_PROVINCES[psus.province[chosen]],
            area=_AREAS[psus.area[chosen]],
            frame_households=psus.frame[chosen],
            stratum_frame_households=frame[drawn.stratum],
            drawn_in_stratum=drawn.drawn_in_stratum,
            is_certain=np.zeros(size, dtype=bool),
            segments=np.ones(size, dtype=np.int64),
            is_worked=~outcomes.lost,
        ),
        listings=Listings(
            psu=np.repeat(psus.code[chosen], 2),
            listing_class=np.tile([1, 2], size),
            listed=survey.listed.reshape(-1),
            drawn=survey.drawn.reshape(-1),
        ),
        totals=Totals(province=_PROVINCES[strata // 2], area=_AREAS[strata % 2], households=households),
    )
