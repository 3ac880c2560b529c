from datetime import date

from server.demo.accidents import AccountLine
from server.demo.cases import Case, working_day
from server.demo.frame_files import position
from server.demo.names import first_name
from server.demo.rates import make_rates, month_name, months_back


def test_fieldwork_has_six_days_a_week() -> None:
    assert [working_day(number).isoformat() for number in (0, 5, 6, 33)] == [
        "2026-10-05",
        "2026-10-10",
        "2026-10-12",
        "2026-11-12",
    ]
    assert all(working_day(number).weekday() < 6 for number in range(40))


def test_visits_of_a_household_lie_within_fieldwork(cases: tuple[Case, ...]) -> None:
    assert min(case.day for case in cases) >= working_day(0)
    assert max(case.day for case in cases) <= working_day(33)
    assert all((case.day - working_day(0)).days >= case.visits - 1 for case in cases)


def test_empty_addresses_have_nobody_to_tell(cases: tuple[Case, ...]) -> None:
    empty = [case for case in cases if case.household < 0]
    assert empty
    assert all(not case.people and not case.senders for case in empty)


def test_months_are_counted_back_over_the_turn_of_the_year() -> None:
    assert months_back(date(2026, 1, 31), 1) == "2025-12"
    assert months_back(date(2026, 10, 5), 12) == "2025-10"
    assert month_name(date(2026, 3, 9)) == "2026-03"


def test_rates_follow_the_dollar_and_the_pegs() -> None:
    rates = make_rates()
    assert rates.of("USD", "2026-11") == 125.5
    assert rates.of("XTS", "2026-11") == 1.0
    assert abs(rates.of("USD", "2025-06") / rates.of("SAR", "2025-06") - 3.75) < 1e-6
    assert rates.mean("USD", ("2026-11", "2026-10")) == 125.25


def test_names_and_places_are_made_from_their_seed() -> None:
    assert first_name("head 5", female=True) == first_name("head 5", female=True)
    assert position("072031", 112) == position("072031", 112)
    assert position("072031", 112) != position("072031", 113)


def test_an_accident_is_settled_when_as_many_are_found_as_were_planted() -> None:
    assert AccountLine("edits", 3, 3, "").is_settled
    assert not AccountLine("edits", 3, 2, "").is_settled
