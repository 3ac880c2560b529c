"""The rules of the questionnaire, one by one, on answers as they are stored; amounts worked out by hand."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from server.statistics.complete import recruitment_costs
from server.statistics.design import DesignError
from server.statistics.hh_remit import Derived, Drawn, Rates, choose, derive
from server.statistics.hh_remit.answers import whole
from server.statistics.hh_remit.rates import last_occurrences
from server.statistics.hh_remit.senders import is_nonresident
from server.statistics.sample import (
    EARNINGS_UNKNOWN,
    INTEREST,
    LUMP_SUM,
    NO_FULL_MONTH_YET,
    NOT_RECEIVED,
    PAID,
    RECOVERED_FROM_WAGES,
    UNPAID,
)

KEY = "07203111264"


def rates() -> Rates:
    """A dollar of 100 in 2025 and 125 in 2026; a riyal is a quarter of a dollar; the pound halves in 2026."""
    table = {}
    for year, dollar in ((2024, 100), (2025, 100), (2026, 125)):
        for month in range(1, 13):
            name = f"{year}-{month:02d}"
            table["USD", name] = Decimal(dollar)
            table["SAR", name] = Decimal(dollar) / 4
            table["LBP", name] = Decimal("0.002") if year < 2026 else Decimal("0.001")
    return Rates(table)


def interview(**changes: Any) -> dict[str, Any]:
    """A complete interview of a household with one member abroad, in the universe of 10.7.1."""
    answers: dict[str, Any] = {
        "int_date": date(2026, 11, 15),
        "j_result": "110",
        "last_module": "9",
        "d_n": 1,
        "member": [{"c_line": "1", "c_sex": "2", "c_age": 50}],
        "abroad": [
            {
                "d_line": "1",
                "d_sex": "1",
                "d_age": 30,
                "d_country": "SAU",
                "d_left": date(2025, 6, 1),
                "d_12": "1",
                "d_start": date(2025, 7, 1),
            }
        ],
        "worker": [],
        "sender": [],
    }
    return answers | changes


def derived(answers: dict[str, Any] | None, table: Rates | None = None) -> Derived:
    drawn = Drawn(np.array([KEY]), np.array(["072031"]), np.array([1]))
    return derive({} if answers is None else {KEY: answers}, drawn, table or rates())


def sender(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"f_line": "1", "f_type": "1", "f_mig": 1, "f_country": "SAU", "f_months": "1 12"}
    return row | changes


def worker(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "e_key": "201",
        "e_source": "3",
        "e_lump": "2",
        "e_items": "0",
        "e_fullmonth": "1",
        "e_earn_st": "1",
        "e_earn_cur": "SAR",
        "e_earn": Decimal(1600),
        "cost": [],
    }
    return row | changes


def test_a_drawn_household_without_an_interview_is_not_received() -> None:
    found = derived(None)
    assert found.sample.households.disposition.tolist() == [NOT_RECEIVED]
    assert found.not_received == 1


@pytest.mark.parametrize("result", ["211", "220", "460"])
def test_an_interview_that_ends_at_the_cover_has_its_outcome_and_nothing_else(result: str) -> None:
    found = derived({"j_result": result, "last_module": "0", "int_date": date(2026, 11, 15)})
    assert found.sample.households.disposition.tolist() == [int(result)]
    assert found.sample.households.sex_head.tolist() == [0]
    assert found.sample.senders.line.size == found.sample.workers.line.size == 0
    assert found.not_received == 0


def test_a_household_has_the_sex_of_its_first_member_and_is_migrant_by_module_d() -> None:
    households = derived(interview()).sample.households
    assert (households.sex_head.tolist(), households.is_migrant.tolist()) == ([2], [True])
    assert derived(interview(abroad=[], d_n=0)).sample.households.is_migrant.tolist() == [False]


def test_months_on_the_card_are_those_of_the_year_before_the_interview() -> None:
    assert last_occurrences([10, 11, 12], date(2026, 11, 15)) == ("2026-10", "2025-11", "2025-12")
    assert last_occurrences([1, 12], date(2026, 1, 3)) == ("2025-01", "2025-12")


def test_money_is_converted_at_the_mean_of_its_own_months() -> None:
    """January is of 2026 and December of 2025: a riyal was 28.125 on average, a dollar 112.5."""
    senders = derived(interview(sender=[sender(f_basis="1", f_cur="SAR", f_amt=Decimal(2000))])).sample.senders
    assert senders.cash_usd.tolist() == [500.0]
    local = derived(interview(sender=[sender(f_basis="1", f_cur="XTS", f_amt=Decimal(90_000))])).sample.senders
    assert local.cash_usd.tolist() == [800.0]
    # Of the pound the mean is of the rates, not of what each month's pounds were worth in dollars.
    pounds = derived(interview(sender=[sender(f_basis="1", f_cur="LBP", f_amt=Decimal(750_000))])).sample.senders
    assert pounds.cash_usd.tolist() == [10.0]


def test_a_usual_amount_counts_as_often_as_it_came() -> None:
    row = sender(f_basis="2", f_cur="XTS", f_amt=Decimal(9_000), f_times=10)
    assert derived(interview(sender=[row])).sample.senders.cash_usd.tolist() == [800.0]


def test_unknown_money_is_a_gap_with_the_band_it_was_given() -> None:
    senders = derived(
        interview(sender=[sender(f_basis="3", f_band="2"), sender(f_basis="3", f_band="6")])
    ).sample.senders
    assert np.isnan(senders.cash_usd).all()
    assert senders.cash_low_usd == pytest.approx([30_000 / 112.5, 600_000 / 112.5])
    assert senders.cash_high_usd == pytest.approx([80_000 / 112.5, math.inf])
    for row in (sender(f_basis="4"), sender(f_basis="3", f_band="97")):
        refused = derived(interview(sender=[row])).sample.senders
        assert np.isnan(refused.cash_usd).all()
        assert np.isnan(refused.cash_low_usd).all()


def test_goods_are_valued_at_the_rate_of_the_interview() -> None:
    row = sender(f_months="0", f_kind="1", f_kind_val=Decimal(2500))
    senders = derived(interview(sender=[row])).sample.senders
    assert (senders.cash_usd.tolist(), senders.goods_usd.tolist(), senders.months.tolist()) == ([0.0], [20.0], [0])


def test_a_sender_of_nothing_is_no_sender() -> None:
    assert derived(interview(sender=[sender(f_months="0", f_kind="2")])).sample.senders.line.size == 0


def test_a_sender_of_module_d_has_its_sex_and_residence() -> None:
    senders = derived(interview(sender=[sender(f_basis="1", f_cur="XTS", f_amt=Decimal(1))])).sample.senders
    assert (senders.sex.tolist(), senders.nonresident.tolist()) == ([1], [True])
    row = sender(f_type="3", f_mig=None, f_sex="2", f_basis="1", f_cur="XTS", f_amt=Decimal(1))
    other = derived(interview(sender=[row])).sample.senders
    assert (other.sex.tolist(), other.nonresident.tolist(), other.kind_of_sender.tolist()) == ([2], [True], [3])


@pytest.mark.parametrize(
    ("intended", "left", "expected"),
    [
        ("1", date(2026, 10, 1), True),  # meant to stay a year
        ("2", date(2025, 11, 15), True),  # has stayed a year to the day
        ("2", date(2025, 11, 16), False),
        (None, date(2024, 1, 1), True),  # not asked of those who did not leave for work
        (None, None, False),
    ],
)
def test_residence_changes_by_intention_or_by_a_year(intended: str | None, left: date | None, expected: bool) -> None:
    assert is_nonresident({"d_12": intended, "d_left": left}, date(2026, 11, 15)) is expected


def test_module_f_counts_only_where_it_was_reached() -> None:
    row = sender(f_basis="1", f_cur="XTS", f_amt=Decimal(90_000))
    found = derived(interview(j_result="120", last_module="5", sender=[row], worker=[worker()])).sample
    assert (found.senders.line.size, found.workers.line.size) == (0, 1)
    assert derived(interview(j_result="120", last_module="4", worker=[worker()])).sample.workers.line.size == 0


@pytest.mark.parametrize("question", ["f_any", "f_anykind"])
@pytest.mark.parametrize("answer", ["97", "98"])
def test_who_does_not_say_whether_money_came_has_not_answered_module_f(question: str, answer: str) -> None:
    told = interview(last_module="9", **({"f_any": "2", "f_anykind": "2"} | {question: answer}))
    assert derived(told).sample.households.last_module.tolist() == [5]
    said = interview(last_module="9", f_any="2", f_anykind="2")
    assert derived(said).sample.households.last_module.tolist() == [9]


def test_wages_are_those_of_the_first_month_with_what_was_held_back_added() -> None:
    """The job began in July 2025: four riyals a dollar, whatever the rate is today."""
    row = worker(e_recov="1", e_recov_amt=Decimal(800), e_earn_ded=Decimal(400))
    found = derived(interview(worker=[row])).sample
    assert found.workers.earnings_usd.tolist() == [500.0]
    assert found.workers.is_proxy.tolist() == [True]
    assert found.costs.item.tolist() == [RECOVERED_FROM_WAGES]
    assert recruitment_costs(found.costs, 1).tolist() == [200.0]


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ({"e_earn_st": "1"}, PAID),
        ({"e_earn_st": "5", "e_earn": None}, UNPAID),
        ({"e_fullmonth": "2", "e_earn_st": None, "e_earn": None}, NO_FULL_MONTH_YET),
        ({"e_fullmonth": "97", "e_earn_st": None, "e_earn": None}, EARNINGS_UNKNOWN),
        ({"e_earn_st": "3", "e_earn": None, "e_earn_band": "3"}, EARNINGS_UNKNOWN),
        ({"e_earn_st": "4", "e_earn": None}, EARNINGS_UNKNOWN),
    ],
)
def test_earnings_have_four_states(answers: dict[str, Any], state: int) -> None:
    workers = derived(interview(worker=[worker(**answers)])).sample.workers
    assert workers.earnings_state.tolist() == [state]
    assert bool(np.isnan(workers.earnings_usd[0])) == (state != PAID)
    if answers.get("e_earn_band"):
        assert (workers.earnings_low_usd[0], workers.earnings_high_usd[0]) == (350.0, 500.0)


def test_costs_are_the_lump_sum_and_what_was_paid_apart_from_it_at_the_month_of_payment() -> None:
    items = [
        {"k_item": "2", "k_st": "1", "k_cur": "USD", "k_amt": Decimal(30)},
        {"k_item": "13", "k_st": "2", "k_cur": "XTS", "k_amt": Decimal(5_000)},
        {"k_item": "15", "k_st": "1", "k_cur": "XTS", "k_amt": Decimal(1_000)},
        {"k_item": "3", "k_st": "3", "k_cur": None, "k_amt": None},
    ]
    row = worker(
        e_lump="1", e_lump_st="2", e_lump_cur="XTS", e_lump_amt=Decimal(100_000), e_paid=date(2025, 5, 1), cost=items
    )
    costs = derived(interview(worker=[row])).sample.costs
    assert costs.item.tolist() == [LUMP_SUM, 2, 13, INTEREST, 3]
    assert costs.usd[:4].tolist() == [1000.0, 30.0, 50.0, 10.0]
    assert np.isnan(costs.usd[4])


def test_an_unknown_lump_sum_keeps_its_band() -> None:
    row = worker(e_lump="1", e_lump_st="3", e_lump_band="4", e_paid=date(2025, 5, 1))
    costs = derived(interview(worker=[row])).sample.costs
    assert (costs.low_usd.tolist(), costs.high_usd.tolist()) == ([2000.0], [4000.0])


def test_interest_of_a_loan_is_worked_out_if_it_is_no_item() -> None:
    row = worker(e_lump="1", e_lump_st="1", e_lump_cur="XTS", e_lump_amt=Decimal(100_000), e_paid=date(2026, 8, 1))
    row |= {"e_fin": "1 3", "e_loan": Decimal(50_000), "e_loan_int": Decimal(2)}
    found = derived(interview(worker=[row])).sample
    assert found.workers.has_borrowed.tolist() == [True]
    assert found.costs.item.tolist() == [LUMP_SUM, INTEREST]
    assert found.costs.usd[1] == pytest.approx(50_000 * 0.02 * 3 / 125)


def test_who_paid_nothing_stays_with_costs_of_zero() -> None:
    found = derived(interview(worker=[worker()])).sample
    assert recruitment_costs(found.costs, found.workers.line.size).tolist() == [0.0]


def test_a_returnee_is_found_in_module_c() -> None:
    member = {"c_line": "1", "c_sex": "2", "c_age": 41, "c_ret_country": "ITA", "c_ret_start": date(2026, 1, 1)}
    found = derived(interview(member=[member], worker=[worker(e_key="101")])).sample.workers
    assert (found.country.tolist(), found.sex.tolist(), found.line.tolist()) == (["ITA"], [2], [101])
    assert found.earnings_usd.tolist() == [400.0]


def test_a_child_is_no_worker_of_the_universe() -> None:
    abroad = interview()["abroad"][0] | {"d_age": 14}
    assert derived(interview(abroad=[abroad], worker=[worker()])).sample.workers.line.size == 0


def test_a_month_outside_the_table_takes_the_nearest_and_is_reported() -> None:
    row = worker(e_lump="1", e_lump_st="1", e_lump_cur="XTS", e_lump_amt=Decimal(10_000), e_paid=date(2019, 5, 1))
    found = derived(interview(worker=[row]))
    assert found.sample.costs.usd.tolist() == [100.0]
    assert "outside the table" in found.notes[0]


def test_a_currency_without_rates_makes_an_unknown_amount() -> None:
    senders = derived(interview(sender=[sender(f_basis="1", f_cur="CAD", f_amt=Decimal(500))])).sample.senders
    assert np.isnan(senders.cash_usd).all()


def test_a_table_without_dollars_is_refused() -> None:
    with pytest.raises(DesignError) as refusal:
        Rates({("EUR", "2026-01"): Decimal(132)})
    assert refusal.value.code == "no-rates"


def stored(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "_interview_id": f"{number:032x}",
        "_household_key": f"key{number}",
        "_answers_hash": f"{number:064x}",
        "_weighs": True,
        "_holds": "",
    }
    return row | changes


def test_held_and_late_interviews_do_not_weigh_and_provisional_ones_are_counted() -> None:
    rows = [
        stored(1),
        stored(2, _weighs=False, _holds="K1"),
        stored(3, _holds="K2"),
        stored(4),
        stored(5, _household_key=None),
    ]
    early, late = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    received = {row["_interview_id"]: late if row is rows[3] else early for row in rows}
    chosen = choose(rows, received, datetime(2026, 11, 30, tzinfo=UTC))
    assert set(chosen.answers) == {"key1", "key3"}
    assert (chosen.provisional, chosen.held, chosen.late) == (1, 2, 1)


def test_inputs_are_named_by_interviews_and_answers_in_any_order() -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    rows = [stored(number) for number in range(4)]
    received = {row["_interview_id"]: now for row in rows}
    first = choose(rows, received, now).fingerprint
    assert choose(rows[::-1], received, now).fingerprint == first
    rows[2]["_answers_hash"] = "other"
    assert choose(rows, received, now).fingerprint != first


def test_a_code_of_thirty_digits_counts_as_not_asked() -> None:
    assert whole({"j_result": "9" * 30, "c_sex": "2"}, "j_result", 318) == 318
    assert whole({"c_sex": "2"}, "c_sex") == 2
