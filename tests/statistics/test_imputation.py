from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.statistics.complete import complete, item_nonresponse, recruitment_costs
from server.statistics.imputation import Amounts, ImputationError, impute
from server.statistics.sample import (
    EARNINGS_UNKNOWN,
    FROM_BAND,
    FROM_CLASS,
    INTEREST,
    PAID,
    REPORTED,
    UNPAID,
    Sample,
)
from tests.statistics.made import make_costs, make_households, make_senders, make_tables, make_workers

NAN = math.nan


def amounts(value: list[float], *, low: list[float] | None = None, high: list[float] | None = None) -> Amounts:
    count = len(value)
    return Amounts(
        name="cash",
        key=np.array([f"k{number:03d}" for number in range(count)]),
        value=np.array(value),
        low=np.array([NAN] * count if low is None else low),
        high=np.array([NAN] * count if high is None else high),
        classes=(np.array(["SAU"] * count),),
    )


def test_a_band_takes_a_value_within_it_and_a_refusal_one_of_its_class() -> None:
    made = amounts(
        [10, 20, 30, 40, 50, 110, 120, 130, 140, 150, NAN, NAN],
        low=[NAN] * 10 + [100, NAN],
        high=[NAN] * 10 + [200, NAN],
    )
    value, flag = impute(made)
    assert 100 <= value[10] < 200
    assert value[11] in made.value[:10]
    assert flag.tolist() == [REPORTED] * 10 + [FROM_BAND, FROM_CLASS]


def test_few_donors_in_a_class_send_to_the_coarser_one() -> None:
    made = amounts([1.0] * 4 + [100.0] * 20 + [NAN])
    fine = np.array(["a"] * 4 + ["b"] * 20 + ["a"])
    value, _ = impute(replace(made, classes=(fine, np.array(["all"] * 25))))
    assert value[24] in (1.0, 100.0)
    five = replace(made, value=np.array([1.0] * 5 + [100.0] * 19 + [NAN]))
    value, _ = impute(replace(five, classes=(np.array(["a"] * 5 + ["b"] * 19 + ["a"]),)))
    assert value[24] == 1.0


def test_a_band_that_nobody_else_is_in_takes_its_middle() -> None:
    value, flag = impute(amounts([1.0, NAN, NAN], low=[NAN, 100, 800], high=[NAN, 200, math.inf]))
    assert value.tolist() == [1.0, 150.0, 1200.0]
    assert flag.tolist() == [REPORTED, FROM_BAND, FROM_BAND]


def test_nothing_is_invented_where_nobody_reports() -> None:
    with pytest.raises(ImputationError, match="no household reported an amount of cash"):
        impute(amounts([NAN, NAN]))


@given(st.lists(st.one_of(st.none(), st.integers(1, 10_000)), min_size=2, max_size=60), st.randoms())
def test_imputing_keeps_what_is_reported_fills_the_rest_and_knows_no_order(
    given_values: list[int | None], random: object
) -> None:
    reported = [float(value) for value in given_values if value is not None]
    if not reported:
        return
    made = amounts([NAN if value is None else float(value) for value in given_values])
    value, flag = impute(made)
    missing = np.isnan(made.value)
    assert (value[~missing] == made.value[~missing]).all()
    assert set(value[missing]) <= set(reported)
    assert (flag == np.where(missing, FROM_CLASS, REPORTED)).all()
    order = np.arange(value.size)
    random.shuffle(order)  # type: ignore[attr-defined]
    moved, _ = impute(replace(made, key=made.key[order], value=made.value[order], classes=(made.classes[0][order],)))
    assert (moved == value[order]).all()


def sample() -> Sample:
    households = make_households(make_tables())
    return Sample(households, make_senders(14), make_workers(14), make_costs([0, 1, 2], [900.0, 500.0, 700.0]))


AREA = np.repeat(["1", "2"], 28)


def test_goods_alone_are_no_unknown_money_and_lend_nothing() -> None:
    cash = np.array([0.0] * 7 + [80.0] * 6 + [NAN])
    full = complete(replace(sample(), senders=make_senders(14, cash_usd=cash, goods_usd=np.full(14, 20.0))), AREA)
    assert full.senders.cash_usd.tolist() == [0.0] * 7 + [80.0] * 7
    assert full.senders.cash_imputed.tolist() == [0] * 13 + [FROM_CLASS]


def test_unknown_earnings_become_paid_ones_and_unpaid_stay_unpaid() -> None:
    state = np.array([PAID] * 12 + [EARNINGS_UNKNOWN, UNPAID])
    earnings = np.array([400.0] * 12 + [NAN, NAN])
    full = complete(replace(sample(), workers=make_workers(14, earnings_state=state, earnings_usd=earnings)), AREA)
    assert full.workers.earnings_state.tolist() == [PAID] * 13 + [UNPAID]
    assert full.workers.earnings_usd[12] == 400.0
    assert np.isnan(full.workers.earnings_usd[13])


def test_who_paid_nothing_has_costs_of_zero_and_interest_is_a_variant() -> None:
    costs = make_costs([0, 0, 2], [900.0, 50.0, 700.0], item=np.array([0, INTEREST, 2]))
    assert recruitment_costs(costs, 4).tolist() == [900.0, 0.0, 700.0, 0.0]
    assert recruitment_costs(costs, 4, with_interest=True).tolist() == [950.0, 0.0, 700.0, 0.0]


def test_item_nonresponse_is_counted_by_variable() -> None:
    cash = np.array([80.0] * 10 + [NAN] * 2 + [0.0] * 2)
    low = np.array([NAN] * 10 + [50.0] + [NAN] * 3)
    senders = make_senders(14, cash_usd=cash, cash_low_usd=low, cash_high_usd=low * 2)
    counted = {one.variable: one for one in item_nonresponse(complete(replace(sample(), senders=senders), AREA))}
    money = counted["money received"]
    assert (money.asked, money.from_band, money.from_class) == (12, 1, 1)
    assert counted["lump sum of recruitment"].asked == 3
    assert counted["earnings of the first month"].asked == 14
