"""The checks of the questionnaire: each on the smallest interview that trips it, and on one that does not."""

import copy
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forms.definition import FormDefinition
from forms.filling import fill
from forms.instance import parse_instance
from forms.library import workbook
from forms.structure import OpenedAnswers, read_answers
from forms.xlsform import convert
from server.statistics.hh_remit import Rates
from server.statistics.hh_remit.checks import RULES, SEVERITIES, Place, Surroundings, check_interview
from server.statistics.hh_remit.checks.visit import metres_between
from tests.forms import interviews
from tests.forms.interviews import COMPLETE, SENDER, VACANT, VARIED, WORKER, Answers

RECEIVED = datetime(2026, 11, 20, 18, tzinfo=UTC)
Change = Callable[[Answers], object]


@cache
def definition() -> FormDefinition:
    return FormDefinition.parse(convert(workbook("hh_remit@1"), "hh_remit.xlsx").xform)


def filled(answers: Answers) -> OpenedAnswers:
    """Fill the form, as a tablet would; what the form refuses is a mistake of the test."""
    made = fill(definition(), answers, now=RECEIVED, new_uuid=lambda: str(uuid.uuid4()), device_id="tablet")
    assert made.problems == ()
    return read_answers(definition(), parse_instance(made.xml))


@cache
def rates() -> Rates:
    months = [f"{year}-{month:02d}" for year in range(2015, 2027) for month in range(1, 13)]
    local = {"USD": 120, "SAR": 32, "EUR": 130}
    return Rates({(currency, month): Decimal(rate) for currency, rate in local.items() for month in months})


def around(**changes: Any) -> Surroundings:
    known: dict[str, Any] = {
        "received_at": RECEIVED,
        "place": Place(listing_class=1, is_rural=True, persons=3, point=(14.6, -17.4)),
        "assigned_on": date(2026, 11, 2),
        "device_time": RECEIVED - timedelta(hours=2),
        "seconds": 45 * 60.0,
        "point": (14.6, -17.4),
        "rates": rates(),
    }
    return Surroundings(**known | changes)


def found(change: Change = lambda _: None, base: Answers = COMPLETE, **known: Any) -> list[tuple[str, str]]:
    answers = copy.deepcopy(base)
    change(answers)
    return [(one.code, one.path) for one in check_interview(filled(answers).analysis, around(**known))]


def test_a_good_interview_has_no_finding() -> None:
    assert found() == []


def put(*path: Any, value: Any) -> Change:
    """Return a change that puts a value at a place such as ("member", 1, "c_age")."""

    def change(answers: Answers) -> None:
        scope: Any = answers
        for step in path[:-1]:
            scope = scope[step]
        scope[path[-1]] = value

    return change


def several(*changes: Change) -> Change:
    def change(answers: Answers) -> None:
        for one in changes:
            one(answers)

    return change


# --- K4, R1, R2: the household and the listing


def test_k4_a_listed_household_is_said_to_be_vacant() -> None:
    vacant = VACANT | {"j_result": "460"}
    assert ("K4", "j_result") in found(base=vacant)
    assert found(base=vacant, place=None) == []
    assert found(base=VACANT) == []  # another household has replaced it: 4.1


def test_r1_nobody_of_fifteen_and_a_child_as_head() -> None:
    def children(*ages: int) -> dict[str, Any]:
        rows = [{"c_line": str(line), "c_age": age, "c_rel": "8"} for line, age in enumerate(ages, 1)]
        return {"int_date": date(2026, 11, 20), "member": rows}

    def codes(*ages: int) -> list[tuple[str, str]]:
        return [(one.code, one.path) for one in check_interview(children(*ages), around(place=None))]

    assert codes(14, 12) == [("R1", "member"), ("R1", "member[1]/c_age")]
    assert codes(14, 15) == [("R1", "member[1]/c_age")]
    assert codes(15, 3) == []


def test_r1b_a_child_older_than_its_parent() -> None:
    def child(age: int, relation: str = "3") -> Change:
        return put("member", 2, value=interviews.member("X", "1", age, c_rel=relation))

    assert found(child(44)) == [("R1b", "member[3]/c_age")]
    assert found(child(43)) == []
    assert found(child(44, "6")) == [("R1b", "member[3]/c_age")]
    assert found(child(45, "6")) == []


@pytest.mark.parametrize(("persons", "codes"), [(5, []), (6, [("R2", "c_n")]), (None, [])])
def test_r2_the_household_is_much_smaller_than_listed(persons: int | None, codes: list[tuple[str, str]]) -> None:
    assert found(place=Place(listing_class=1, is_rural=True, persons=persons)) == codes


def test_r2b_the_listing_saw_a_migrant_and_the_interview_none() -> None:
    base = VARIED["no migrants"]
    assert found(base=base) == [("R2b", "d_n")]
    assert found(base=base, place=Place(listing_class=2, is_rural=True, persons=3)) == []
    returned = put("member", 1, "c_ret", value="1")
    back = {**interviews.RETURNED, "c_ret_reason": "2"}
    for name in ("c_ret_12", "c_ret_job", "c_ret_start"):
        del back[name]
    assert found(several(returned, lambda answers: answers["member"][1].update(back)), base=base) == []


# --- T1, T2: dates


@pytest.mark.parametrize(
    ("known", "is_found"),
    [
        ({"assigned_on": date(2026, 11, 21)}, True),
        ({"assigned_on": date(2026, 11, 20)}, False),
        ({"received_at": datetime(2026, 11, 19, 9, tzinfo=UTC)}, True),
        ({"received_at": datetime(2026, 11, 19, 11, tzinfo=UTC)}, False),  # the 20th already, far enough in the east
        ({"device_time": datetime(2026, 11, 17, 23, tzinfo=UTC)}, True),
        ({"device_time": datetime(2026, 11, 18, tzinfo=UTC)}, False),
        ({"device_time": datetime(2031, 1, 1, tzinfo=UTC)}, False),  # a clock ahead is no later than the receipt
        ({"device_time": None, "assigned_on": None}, False),
    ],
)
def test_t1_the_date_of_the_interview_cannot_be(known: dict[str, Any], is_found: bool) -> None:
    assert found(**known) == ([("T1", "int_date")] if is_found else [])


def test_t2_a_job_that_began_before_the_departure() -> None:
    assert found(put("abroad", 0, "d_start", value="2025-01-01")) == [("T2", "abroad[1]/d_start")]
    assert found(put("abroad", 0, "d_start", value="2025-02-01")) == []


def test_t2_a_return_before_the_job_began() -> None:
    late = put("member", 1, "c_ret_start", value="2026-07-01")
    assert found(late) == [("T2", "member[2]/c_ret_back")]
    assert found(put("member", 1, "c_ret_start", value="2026-06-01")) == []


def test_t2_a_worker_under_thirteen() -> None:
    def young(age: int) -> Change:
        return several(put("abroad", 0, "d_age", value=age), put("abroad", 0, "d_start", value="2025-03-01"))

    def codes(age: int) -> list[str]:
        row = {"d_age": age, "d_start": date(2024, 3, 1), "d_left": date(2024, 3, 1), "d_country": "SAU"}
        return [one.code for one in check_interview({"int_date": date(2026, 11, 20), "abroad": [row]}, around())]

    assert found(young(15)) == []
    assert codes(14) == ["T2"]
    assert codes(15) == []


# --- M1 to M4: money


def test_m1_money_from_another_country_than_the_sender_lives_in() -> None:
    assert found(put("sender", 0, "f_country", value="QAT")) == [("M1", "sender[1]/f_country")]


def test_m2_money_before_the_sender_left() -> None:
    def gone(month: str) -> Change:
        return several(put("abroad", 0, "d_left", value=month), put("abroad", 0, "d_start", value="2026-05-01"))

    assert ("M2", "sender[1]/f_months") in found(gone("2026-02-01"))
    assert found(gone("2026-01-01")) == []
    this_month = put("sender", 0, "f_months", value="10 11")
    assert found(several(gone("2026-10-01"), this_month, put("abroad", 0, "d_start", value="2026-10-01"))) == []


def test_m3_money_that_nobody_sent() -> None:
    nothing = {"f_type": "1", "f_mig": 1, "f_country": "SAU", "f_months": "0", "f_kind": "1", "f_kind_val": 3000}
    assert found(put("sender", value=[nothing])) == [("M3", "f_any")]
    assert found(several(put("f_n", value=2), put("sender", value=[nothing, SENDER]))) == []


def test_m3_goods_that_nobody_sent() -> None:
    def sent(row: Answers) -> None:
        row["f_kind"] = "2"
        del row["f_kind_val"]

    assert found(lambda answers: sent(answers["sender"][0])) == [("M3", "f_anykind")]


def test_m4_more_than_three_years_consumption() -> None:
    # Three years' consumption is 36 × 16 440 = 591 840; received are 4 × 32 × the amount and 3 000 of goods.
    assert found(put("sender", 0, "f_amt", value=4600.31)) == []
    assert found(put("sender", 0, "f_amt", value=4600.32)) == [("M4", "sender")]


# --- E1 to E4: costs


def worker(**changes: Any) -> Change:
    return lambda answers: answers["worker"][0].update(changes)


def test_e1_costs_out_of_proportion_that_nobody_confirmed() -> None:
    dear = worker(e_lump_amt=3_000_000)
    assert found(several(dear, worker(e_rci_ok="2"))) == [("E1", "worker[1]/e_rci_ok")]
    assert found(several(dear, worker(e_rci_ok="1"))) == []
    cheap = worker(e_lump="2", e_items="3", cost=[{"k_st": "1", "k_cur": "XTS", "k_amt": 500, "k_payee": "3"}])

    def without_lump(answers: Answers) -> None:
        for name in ("e_lump_for", "e_lump_st", "e_lump_cur", "e_lump_amt"):
            del answers["worker"][0][name]

    assert found(several(cheap, without_lump, worker(e_rci_ok="2"))) == [("E1", "worker[1]/e_rci_ok")]
    nothing = several(
        cheap,
        without_lump,
        worker(e_items="0", cost=[]),
        lambda answers: [answers["worker"][0].pop(name) for name in ("e_paid", "e_fin", "e_loan", "e_loan_int")],
    )
    assert found(nothing) == []  # who paid nothing has costs of 0: kept, and no finding


def test_e1_needs_earnings_and_rates() -> None:
    assert found(base=VARIED["unpaid worker"]) == []
    assert found(several(worker(e_lump_amt=3_000_000), worker(e_rci_ok="2")), rates=None) == []


def test_e2_the_employer_hired_directly_and_a_lump_sum_paid_for_the_visa() -> None:
    assert found(worker(e_path="4")) == [("E2", "worker[1]/e_path")]
    assert found(several(worker(e_path="4"), worker(e_lump_for=["1"]))) == []


def test_e2_an_agencys_fee_without_an_agency() -> None:
    fee = worker(e_items="8", cost=[WORKER["cost"][0]])
    assert found(several(fee, worker(e_path="3"))) == [("E2", "worker[1]/e_path")]
    assert found(several(fee, worker(e_path="2"))) == []


def test_e3_earnings_in_local_currency_or_out_of_reach() -> None:
    assert found(worker(e_earn_cur="XTS", e_earn=57_600)) == [("E3", "worker[1]/e_earn_cur")]
    # 1 000 000 and 3 000 in local currency are 31 250 and 93.75 riyals at 32.
    assert found(worker(e_earn=31_251, e_lump_amt=200_000)) == [("E3", "worker[1]/e_earn")]
    assert found(worker(e_earn=31_249, e_lump_amt=200_000)) == []
    assert found(worker(e_earn=93, e_lump_amt=10_000)) == [("E3", "worker[1]/e_earn")]
    assert found(worker(e_earn=94, e_lump_amt=10_000)) == []


def test_e4_most_costs_are_not_known() -> None:
    unknown = {"k_st": "3", "k_payee": "3"}
    assert found(worker(cost=[unknown, unknown])) == [("E4", "worker[1]/cost")]
    assert found(worker(cost=[unknown, WORKER["cost"][1]])) == []


# --- Q1, Q2: the visit


@pytest.mark.parametrize(("minutes", "is_found"), [(21.9, True), (22, False), (0, False), (-5, False)])
def test_q1_a_short_interview_with_a_worker(minutes: float, is_found: bool) -> None:
    assert found(seconds=minutes * 60) == ([("Q1", "")] if is_found else [])


@pytest.mark.parametrize(("minutes", "is_found"), [(11.9, True), (12, False)])
def test_q1_a_short_interview_without_migrants(minutes: float, is_found: bool) -> None:
    listed = Place(listing_class=2, is_rural=True)
    assert found(base=VARIED["no migrants"], place=listed, seconds=minutes * 60) == ([("Q1", "")] if is_found else [])


def test_q1_says_nothing_of_what_is_not_complete_or_not_measured() -> None:
    assert found(base=interviews.REFUSAL, seconds=60.0) == []
    assert found(seconds=None) == []


@pytest.mark.parametrize(
    ("metres", "is_rural", "is_found"),
    [(490, False, False), (510, False, True), (990, True, False), (1010, True, True)],
)
def test_q2_far_from_the_listings_point(metres: float, is_rural: bool, is_found: bool) -> None:
    point = (14.6 + metres / 111_195, -17.4)
    place = Place(listing_class=1, is_rural=is_rural, persons=3, point=(14.6, -17.4))
    assert found(point=point, place=place) == ([("Q2", "j_gps")] if is_found else [])
    assert found(point=point, place=Place(listing_class=1, is_rural=is_rural)) == []
    assert found(point=None, place=place) == []


def test_a_degree_of_latitude_is_111_km_and_distance_has_no_direction() -> None:
    assert metres_between((0.0, 0.0), (1.0, 0.0)) == pytest.approx(111_195, abs=1)
    assert metres_between((0.0, 0.0), (0.0, 180.0)) == pytest.approx(20_015_115, abs=10)
    assert metres_between((60.0, 10.0), (60.0, 11.0)) == metres_between((60.0, 11.0), (60.0, 10.0))


# --- all of them


def test_every_code_has_a_text_in_both_languages_and_a_known_severity() -> None:
    for code, rule in RULES.items():
        assert code == rule.code
        assert rule.severity in SEVERITIES
        assert len(rule.en) > 20
        assert len(rule.fr) > 20
        assert rule.en != rule.fr
        assert rule.text("fr") == rule.fr
        assert rule.text("xx") == rule.en


@pytest.mark.parametrize("name", VARIED)
def test_a_finding_has_the_severity_of_its_rule_and_measures_only_scores(name: str) -> None:
    far = around(point=(15.0, -17.4), seconds=60.0, assigned_on=date(2027, 1, 1))
    for finding in check_interview(filled(VARIED[name]).analysis, far):
        assert finding.severity == RULES[finding.code].severity
        assert (finding.measure is not None) == (finding.severity == "score")


NAMES = sorted({column.name for column in definition().columns("analysis")})
REPEATS = ("member", "abroad", "worker", "sender", "visit")
VALUES = st.one_of(
    st.none(),
    st.integers(-(10**18), 10**18),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=9),
    st.sampled_from([Decimal("1e30"), Decimal("1e-30"), Decimal("-1e30"), Decimal(0)]),
    st.dates(),
    st.text(max_size=12),
    st.sampled_from(
        ["0", "1", "2", "3", "4", "1 2 12", "0 1", "110", "XTS", "SAR", "USD", "1E999999999", "NaN", "9" * 5000]
    ),
)


def _row(name: str) -> st.SearchStrategy[dict[str, Any]]:
    (column,) = [column for column in definition().columns("analysis") if column.name == name]
    inner = {child.name: VALUES for child in column.children if child.type != "repeat"}
    nested = {child.name: st.lists(_inner(child), max_size=2) for child in column.children if child.type == "repeat"}
    return st.fixed_dictionaries({}, optional=inner | nested)


def _inner(column: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={child.name: VALUES for child in column.children})


ROWS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={name: VALUES for name in NAMES if name not in REPEATS}
    | {name: st.lists(_row(name), max_size=3) for name in REPEATS},
)  # fmt: skip


@settings(max_examples=200)
@given(answers=ROWS, moment=st.datetimes(timezones=st.just(UTC)), seconds=st.none() | st.floats(-1e12, 1e12))
def test_no_check_raises_on_any_answers(answers: dict[str, Any], moment: datetime, seconds: float | None) -> None:
    check_interview(answers, around(device_time=moment, seconds=seconds))


@settings(max_examples=150)
@given(
    name=st.sampled_from(sorted(VARIED)),
    places=st.lists(st.tuples(st.integers(0, 400), st.text(alphabet="0123456789.-eE XTS", max_size=20)), max_size=6),
)
def test_no_check_raises_on_what_a_damaged_interview_reads_as(name: str, places: list[tuple[int, str]]) -> None:
    instance = parse_instance(_xml(name))
    leaves = [element for element in instance.root.iter() if len(element) == 0]
    for place, text in places:
        leaves[place % len(leaves)].text = text
    check_interview(read_answers(definition(), instance).analysis, around())


@cache
def _xml(name: str) -> bytes:
    return fill(definition(), VARIED[name], now=RECEIVED, new_uuid=lambda: str(uuid.uuid4()), device_id="x").xml
