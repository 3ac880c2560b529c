"""The published indicators as data, and how a sample becomes a table of estimates.

Each indicator names the unit of its rows, the module it rests on and the domains it may be shown by (catalogue of
indicators; rules of statistical practice 24 and 25). Households that answered the interview but not a module are
non-respondents of that module: it has weights of its own.
RCT-01 (SDG 10.7.1) is a mean, a median and a P80 of each worker's own ratio of costs to a month's earnings; it is not a
ratio of means. Nothing paid is a ratio of 0; an unpaid month is infinitely many months: in quantiles, not in the mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from server.statistics import estimators
from server.statistics.complete import (
    ItemNonresponse,
    complete,
    in_key_order,
    item_nonresponse,
    recruitment_costs,
)
from server.statistics.estimators import Figure, Rows
from server.statistics.intervals import korn_graubard
from server.statistics.quality import HIDDEN, flag_amount, flag_proportion
from server.statistics.sample import (
    MODULE_D,
    MODULE_E,
    MODULE_F,
    PAID,
    RESPONDENT,
    UNPAID,
    DesignTables,
    Estimate,
    Flags,
    Floats,
    Ints,
    Sample,
    Texts,
)
from server.statistics.weights import Weighting, index_of, weigh

NATIONAL: Final = "national"
HOUSEHOLD_DOMAINS: Final = (NATIONAL, "province", "area", "sex_head")
WORKER_DOMAINS: Final = (*HOUSEHOLD_DOMAINS, "sex_worker")
DOMAINS: Final = WORKER_DOMAINS

SHARE: Final = "share"
USD: Final = "USD"
MONTHS: Final = "months of earnings"

P80: Final = 0.8


@dataclass(frozen=True, slots=True)
class Indicator:
    """What a published figure is; ``statistic`` is the key of how it is computed."""

    code: str
    statistic: str
    unit: str
    row: str
    module: int
    domains: tuple[str, ...]


INDICATORS: Final = (
    Indicator("MIG-01", "proportion", SHARE, "household", MODULE_D, HOUSEHOLD_DOMAINS),
    Indicator("REM-01", "proportion", SHARE, "household", MODULE_F, HOUSEHOLD_DOMAINS),
    Indicator("REM-02", "mean", USD, "household", MODULE_F, HOUSEHOLD_DOMAINS),
    Indicator("REM-04", "total", USD, "household", MODULE_F, HOUSEHOLD_DOMAINS),
    Indicator("RCT-01", "mean", MONTHS, "worker", MODULE_E, WORKER_DOMAINS),
    Indicator("RCT-01", "median", MONTHS, "worker", MODULE_E, WORKER_DOMAINS),
    Indicator("RCT-01", "p80", MONTHS, "worker", MODULE_E, WORKER_DOMAINS),
    Indicator("RCT-01", "mean_with_interest", MONTHS, "worker", MODULE_E, (NATIONAL,)),
    Indicator("RCT-01", "share_unpaid", SHARE, "worker", MODULE_E, (NATIONAL,)),
    Indicator("RCT-01", "share_by_proxy", SHARE, "worker", MODULE_E, (NATIONAL,)),
)


@dataclass(frozen=True, slots=True)
class Estimation:
    """What one computation gives; ``sample`` is the completed one, ``weighting`` that of households."""

    estimates: tuple[Estimate, ...]
    sample: Sample
    weighting: Weighting
    item_nonresponse: tuple[ItemNonresponse, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows of one kind with the columns that indicators and domains read."""

    rows: Rows
    domains: Mapping[str, Texts]
    flags: Mapping[str, Flags]
    values: Mapping[str, Floats]


_Answer = tuple[Figure, tuple[float, float], Floats]


def estimate_all(sample: Sample, tables: DesignTables, domains: Sequence[str] = DOMAINS) -> tuple[Estimate, ...]:
    """Weigh a sample and estimate every indicator in the given domains."""
    return estimate(sample, tables, domains).estimates


def estimate(sample: Sample, tables: DesignTables, domains: Sequence[str] = DOMAINS) -> Estimation:
    """Weigh a sample and estimate every indicator; equal input in any order gives equal bits.

    Raises:
        DesignError: the tables do not carry the sample.
        ImputationError: an amount is missing everywhere.
    """
    ordered = in_key_order(sample)
    place = index_of(tables.psus.psu, ordered.households.psu, code="unknown-psu", what="PSU")
    full = complete(ordered, tables.psus.area[place])
    weightings = _weightings(full, tables)
    made = {
        (module, row): _table(full, tables, weightings[module], place, of_workers=row == "worker")
        for module, row in {(one.module, one.row) for one in INDICATORS}
    }
    estimates = tuple(
        line for indicator in INDICATORS for line in _lines(indicator, made[indicator.module, indicator.row], domains)
    )
    weighting = weightings[MODULE_D]
    return Estimation(estimates, full, weighting, item_nonresponse(full), weighting.notes)


def _weightings(sample: Sample, tables: DesignTables) -> Mapping[int, Weighting]:
    """Return the weights of each module's respondents, computed once where they are the same households."""
    households = sample.households
    responds = np.isin(households.disposition, RESPONDENT)
    known: dict[bytes, Weighting] = {}
    found: dict[int, Weighting] = {}
    for module in (MODULE_D, MODULE_E, MODULE_F):
        mask = responds & (households.last_module >= module)
        key = mask.tobytes()
        if key not in known:
            known[key] = weigh(households, tables, mask)
        found[module] = known[key]
    return found


def _table(sample: Sample, tables: DesignTables, weighting: Weighting, place: Ints, *, of_workers: bool) -> _Table:
    households = sample.households
    row = np.full(households.key.size, -1, dtype=np.int64)
    row[weighting.rows] = np.arange(weighting.rows.size)
    if of_workers:
        mine = np.flatnonzero(row[sample.workers.household] >= 0)
        owner = sample.workers.household[mine]
    else:
        mine, owner = weighting.rows, weighting.rows
    domains = {
        NATIONAL: np.full(owner.size, ""),
        "province": tables.psus.province[place[owner]],
        "area": tables.psus.area[place[owner]],
        "sex_head": households.sex_head[owner].astype(str),
    }
    rows = Rows(weighting.design, row[owner])
    if of_workers:
        domains["sex_worker"] = sample.workers.sex[mine].astype(str)
        return _Table(rows, domains, *_of_workers(sample, mine))
    return _Table(rows, domains, *_of_households(sample, mine))


def _of_households(sample: Sample, mine: Ints) -> tuple[Mapping[str, Flags], Mapping[str, Floats]]:
    senders, size = sample.senders, sample.households.key.size
    amount = senders.cash_usd + senders.goods_usd
    personal = np.where(senders.nonresident, amount, 0.0)
    received: Floats = np.bincount(senders.household, amount, size).astype(np.float64)[mine]
    transfers: Floats = np.bincount(senders.household, personal, size).astype(np.float64)[mine]
    flags = {"is_migrant": sample.households.is_migrant[mine], "receives": received > 0}
    return flags, {"received": received, "transfers": transfers}


def _of_workers(sample: Sample, mine: Ints) -> tuple[Mapping[str, Flags], Mapping[str, Floats]]:
    workers = sample.workers
    state = workers.earnings_state[mine]
    paid, unpaid = state == PAID, state == UNPAID
    earnings = np.where(paid, workers.earnings_usd[mine], np.nan)
    cost = recruitment_costs(sample.costs, workers.line.size)[mine]
    with_interest = recruitment_costs(sample.costs, workers.line.size, with_interest=True)[mine]
    flags = {"paid": paid, "unpaid": unpaid, "by_proxy": workers.is_proxy[mine]}
    values = {
        "months": np.where(unpaid, np.inf, cost / earnings),
        "months_with_interest": with_interest / earnings,
    }
    return flags, values


def _lines(indicator: Indicator, table: _Table, domains: Sequence[str]) -> Iterator[Estimate]:
    compute = _COMPUTE[indicator.code, indicator.statistic]
    for domain in indicator.domains:
        if domain not in domains:
            continue
        column = table.domains[domain]
        values = [""] if domain == NATIONAL else np.unique(column).tolist()
        lines = [_line(indicator, table, compute, column == value, (domain, value)) for value in values]
        yield from _complemented(lines)


def _complemented(lines: list[Estimate]) -> list[Estimate]:
    """Hide the smallest shown figure beside one that is hidden alone: the national figure would give it away."""
    shown = [line for line in lines if line.flag != HIDDEN]
    if len(lines) - len(shown) != 1 or not shown:
        return lines
    smallest = min(shown, key=lambda line: (line.n, line.domain_value))
    return [replace(line, flag=HIDDEN) if line is smallest else line for line in lines]


def _line(
    indicator: Indicator,
    table: _Table,
    compute: Callable[[_Table, Flags], _Answer],
    inside: Flags,
    cell: tuple[str, str],
) -> Estimate:
    figure, (low, high), part = compute(table, inside)
    contributors = int(np.unique(table.rows.household[part != 0]).size)
    if indicator.unit == SHARE:
        flag = flag_proportion(
            figure.value, figure.se, n=figure.n, df=figure.df, has=contributors, has_not=figure.n - contributors
        )
    else:
        flag = flag_amount(figure.value, figure.cv, n=figure.n, df=figure.df, contributors=contributors)
    return Estimate(
        indicator=indicator.code,
        statistic=indicator.statistic,
        unit=indicator.unit,
        row=indicator.row,
        domain=cell[0],
        domain_value=cell[1],
        value=figure.value,
        se=figure.se,
        cv=figure.cv,
        low=low,
        high=high,
        df=figure.df,
        n=figure.n,
        contributors=contributors,
        sum_weights=figure.sum_weights,
        deff=figure.deff,
        flag=flag,
    )


def _share(name: str, universe: Sequence[str] = ()) -> Callable[[_Table, Flags], _Answer]:
    def compute(table: _Table, inside: Flags) -> _Answer:
        cases = inside & np.any([table.flags[one] for one in universe], axis=0) if universe else inside
        has = table.flags[name]
        figure = estimators.proportion(table.rows, has, cases)
        interval = (math.nan, math.nan)
        if 0 < figure.value < 1 and figure.df > 0:
            interval = korn_graubard(figure.value, figure.se**2, figure.n, figure.df)
        return figure, interval, np.where(cases & has, 1.0, 0.0)

    return compute


def _received_by_receivers(table: _Table, inside: Flags) -> _Answer:
    amount, receives = table.values["received"], table.flags["receives"]
    figure = estimators.ratio(table.rows, amount, receives.astype(np.float64), inside)
    return figure, figure.interval(), np.where(inside, amount, 0.0)


def _transfers(table: _Table, inside: Flags) -> _Answer:
    amount = table.values["transfers"]
    figure = estimators.total(table.rows, amount, inside)
    return figure, figure.interval(), np.where(inside, amount, 0.0)


def _mean_of_months(name: str) -> Callable[[_Table, Flags], _Answer]:
    def compute(table: _Table, inside: Flags) -> _Answer:
        cases = inside & table.flags["paid"]
        figure = estimators.mean(table.rows, table.values[name], cases)
        return figure, figure.interval(), cases.astype(np.float64)

    return compute


def _quantile_of_months(share: float) -> Callable[[_Table, Flags], _Answer]:
    def compute(table: _Table, inside: Flags) -> _Answer:
        cases = inside & (table.flags["paid"] | table.flags["unpaid"])
        figure, interval = estimators.quantile(table.rows, table.values["months"], share, cases)
        return figure, interval, cases.astype(np.float64)

    return compute


_COMPUTE: Final[Mapping[tuple[str, str], Callable[[_Table, Flags], _Answer]]] = {
    ("MIG-01", "proportion"): _share("is_migrant"),
    ("REM-01", "proportion"): _share("receives"),
    ("REM-02", "mean"): _received_by_receivers,
    ("REM-04", "total"): _transfers,
    ("RCT-01", "mean"): _mean_of_months("months"),
    ("RCT-01", "median"): _quantile_of_months(0.5),
    ("RCT-01", "p80"): _quantile_of_months(P80),
    ("RCT-01", "mean_with_interest"): _mean_of_months("months_with_interest"),
    ("RCT-01", "share_unpaid"): _share("unpaid", ("paid", "unpaid")),
    ("RCT-01", "share_by_proxy"): _share("by_proxy", ("paid", "unpaid")),
}
