"""From answers to a complete sample: rows in the order of their keys, amounts that are not known imputed.

Which classes an amount is imputed in is decided here; how, in :mod:`server.statistics.imputation`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from server.statistics.design import DesignError
from server.statistics.imputation import Amounts, impute
from server.statistics.sample import (
    EARNINGS_UNKNOWN,
    FROM_BAND,
    FROM_CLASS,
    INTEREST,
    LUMP_SUM,
    PAID,
    RECOVERED_FROM_WAGES,
    UNPAID,
    Costs,
    Floats,
    Ints,
    Sample,
    Senders,
    Texts,
    Workers,
    take,
)

Column = TypeVar("Column", Floats, Ints)


@dataclass(frozen=True, slots=True)
class ItemNonresponse:
    """How often an amount was asked and not given (QLT-02), in cases."""

    variable: str
    asked: int
    from_band: int
    from_class: int


def in_key_order(sample: Sample) -> Sample:
    """Return the sample with households in the order of their keys, and what belongs to them in the same order.

    Every sum then runs in one order, whatever the order of arrival was.

    Raises:
        DesignError: ``duplicate-household`` when two rows have one key.
    """
    households = sample.households
    order = np.argsort(households.key, kind="stable")
    keys = households.key[order]
    if (keys[1:] == keys[:-1]).any():
        raise DesignError("duplicate-household", "two households of the sample have the same key")
    place = _inverse(order)
    senders = replace(sample.senders, household=place[sample.senders.household])
    workers = replace(sample.workers, household=place[sample.workers.household])
    worker_order = np.lexsort((workers.line, workers.household))
    costs = replace(sample.costs, worker=_inverse(worker_order)[sample.costs.worker])
    return Sample(
        households=take(households, order),
        senders=take(senders, np.lexsort((senders.line, senders.household))),
        workers=take(workers, worker_order),
        costs=take(costs, np.lexsort((costs.item, costs.worker))),
    )


def _inverse(order: Ints) -> Ints:
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    return place


def complete(sample: Sample, area: Texts) -> Sample:
    """Return the sample with every unknown amount imputed and flagged.

    Args:
        sample: in the order of its keys.
        area: of each household; money from abroad differs between town and country.

    Raises:
        ImputationError: amounts are missing and none is reported.
    """
    costs = _complete_costs(sample)
    return Sample(
        households=sample.households,
        senders=_complete_senders(sample, area),
        workers=_complete_workers(sample, costs),
        costs=costs,
    )


def _complete_senders(sample: Sample, area: Texts) -> Senders:
    senders = sample.senders
    # Those who sent goods only have no amount to give to anyone.
    rows = np.flatnonzero(senders.cash_usd != 0)
    mine = take(senders, rows)
    key = _text(sample.households.key[mine.household], mine.line)
    amounts = Amounts(
        name="cash",
        key=key,
        value=mine.cash_usd,
        low=mine.cash_low_usd,
        high=mine.cash_high_usd,
        classes=(
            _text(mine.country, mine.kind_of_sender, mine.months),
            _text(mine.country, area[mine.household]),
            mine.country,
        ),
    )
    value, flag = impute(amounts)
    return replace(
        senders,
        cash_usd=_put(senders.cash_usd, rows, value),
        cash_imputed=_put(senders.cash_imputed, rows, flag),
    )


def _complete_costs(sample: Sample) -> Costs:
    costs, workers = sample.costs, sample.workers
    household = workers.household[costs.worker]
    country = workers.country[costs.worker]
    value, flag = impute(
        Amounts(
            name="cost",
            key=_text(sample.households.key[household], workers.line[costs.worker], costs.item),
            value=costs.usd,
            low=costs.low_usd,
            high=costs.high_usd,
            classes=(
                _text(costs.item, country, workers.sex[costs.worker]),
                _text(costs.item, country),
                _text(costs.item),
            ),
        )
    )
    return replace(costs, usd=value, imputed=flag)


def _complete_workers(sample: Sample, costs: Costs) -> Workers:
    workers = sample.workers
    rows = np.flatnonzero(np.isin(workers.earnings_state, (PAID, EARNINGS_UNKNOWN)))
    mine = take(workers, rows)
    # Who paid much tends to earn much: a class by costs keeps the two together, and so their ratio.
    cost = recruitment_costs(costs, workers.line.size)[rows]
    pays_much = np.where(cost > _median_by(mine.country, cost), "more", "less")
    value, flag = impute(
        Amounts(
            name="earnings",
            key=_text(sample.households.key[mine.household], mine.line),
            value=mine.earnings_usd,
            low=mine.earnings_low_usd,
            high=mine.earnings_high_usd,
            classes=(
                _text(mine.country, mine.sex, pays_much),
                _text(mine.country, mine.sex),
                mine.country,
            ),
        )
    )
    return replace(
        workers,
        earnings_state=_put(workers.earnings_state, rows, np.full(rows.size, PAID, dtype=np.int64)),
        earnings_usd=_put(workers.earnings_usd, rows, value),
        earnings_imputed=_put(workers.earnings_imputed, rows, flag),
    )


def recruitment_costs(costs: Costs, workers: int, *, with_interest: bool = False) -> Floats:
    """Return C of each worker in USD, 0 for who paid nothing: lump sum, items, and what wages were cut for.

    Interest on loans stays out unless asked for: it is a variant until the Guidelines' list is confirmed.
    """
    counted = costs.usd if with_interest else np.where(costs.item == INTEREST, 0.0, costs.usd)
    return np.bincount(costs.worker, counted, workers).astype(np.float64)


def item_nonresponse(sample: Sample) -> tuple[ItemNonresponse, ...]:
    """Count imputed amounts of a completed sample, by variable."""
    senders, workers, costs = sample.senders, sample.workers, sample.costs
    has_cash = senders.cash_usd != 0
    has_earnings = np.isin(workers.earnings_state, (PAID, UNPAID))
    is_lump = costs.item == LUMP_SUM
    is_item = ~is_lump & (costs.item != RECOVERED_FROM_WAGES)
    return (
        _count("money received", senders.cash_imputed[has_cash]),
        _count("lump sum of recruitment", costs.imputed[is_lump]),
        _count("single recruitment costs", costs.imputed[is_item]),
        _count("earnings of the first month", workers.earnings_imputed[has_earnings]),
    )


def _count(variable: str, flag: Ints) -> ItemNonresponse:
    return ItemNonresponse(variable, flag.size, int((flag == FROM_BAND).sum()), int((flag == FROM_CLASS).sum()))


def _median_by(name: Texts, value: Floats) -> Floats:
    medians = {one: np.median(value[name == one]) for one in np.unique(name)}
    return np.array([medians[one] for one in name], dtype=np.float64)


def _text(first: Texts | Ints, *more: Texts | Ints) -> Texts:
    text = first.astype(str)
    for part in more:
        text = np.char.add(np.char.add(text, "|"), part.astype(str))
    return text


def _put(column: Column, rows: Ints, values: Column) -> Column:
    changed = column.copy()
    changed[rows] = values
    return changed
