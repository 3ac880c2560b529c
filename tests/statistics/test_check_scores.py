"""Scores: interviews beside each other, worked out by hand."""

import math
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.statistics.hh_remit.checks.scores import FEWEST_AMOUNTS, Interviewed, score, z_scores


def one(number: int, **members: Any) -> Interviewed:
    known = {"household": f"household {number}", "enumerator": "0001"}
    return Interviewed(interview_id=number.to_bytes(16, "big"), **known | members)


def of_interviews(*interviews: Interviewed) -> dict[int, list[tuple[str, float | None]]]:
    found = score(interviews).interviews
    return {int.from_bytes(name, "big"): [(item.code, item.measure) for item in items] for name, items in found.items()}


def of_enumerators(*interviews: Interviewed) -> dict[str, list[tuple[str, str, float | None]]]:
    found = score(interviews).enumerators
    return {name: [(item.code, item.path, item.measure) for item in items] for name, items in found.items()}


# --- Q2b


def north(metres: float) -> tuple[float, float]:
    return 14.6 + metres / 111_195, -17.4


def test_q2b_two_households_within_thirty_metres() -> None:
    found = of_interviews(one(1, point=north(0)), one(2, point=north(29)), one(3, point=north(70)))
    assert found == {1: [("Q2b", 29.0)], 2: [("Q2b", 29.0)]}


def test_q2b_the_nearest_neighbour_counts_and_the_own_household_does_not() -> None:
    found = of_interviews(
        one(1, point=north(0)),
        one(2, point=north(20)),
        one(3, point=north(25)),
        one(4, point=north(200)),
        one(5, point=north(200), household="household 4"),
        one(6),
    )
    assert found == {1: [("Q2b", 20.0)], 2: [("Q2b", 5.0)], 3: [("Q2b", 5.0)]}


# --- Q3


def spending(*amounts: int) -> dict[str, Any]:
    names = ("h_food7", "h_own7", "h_rent", "h_util", "h_other", "h_educ", "h_health")
    return {name: Decimal(amount) for name, amount in zip(names, amounts, strict=False)}


def work(enumerator: str, round_share: float, first: int, **more: Any) -> list[Interviewed]:
    """Return interviews with 28 amounts, a share of them round thousands."""
    amounts = [5000 if place < round_share * 28 else 5100 + place for place in range(28)]
    return [
        one(first + place, enumerator=enumerator, answers=spending(*amounts[place * 7 : place * 7 + 7]), **more)
        for place in range(4)
    ]


def test_q3_the_enumerator_with_the_most_round_amounts_of_his_team() -> None:
    interviews = [
        item
        for number, share in enumerate((0.25, 0.25, 0.25, 0.5, 0.25))
        for item in work(f"000{number}", share, number * 10)
    ]
    assert of_enumerators(*interviews) == {"0003": [("Q3", "", 0.5)]}


def test_q3_teams_of_five_or_more_are_compared_among_themselves() -> None:
    interviews = [
        item
        for team, shares in (("01", (0.5,) * 5), ("02", (0.25, 0.25, 0.25, 0.25, 0.5)))
        for number, share in enumerate(shares)
        for item in work(f"{team}{number}", share, int(team) * 1000 + number * 10, team=team)
    ]
    assert of_enumerators(*interviews) == {"024": [("Q3", "", 0.5)]}


def test_q3_says_nothing_of_few_amounts_or_few_enumerators() -> None:
    few = [item for number in range(4) for item in work(f"000{number}", number / 4, number * 10)]
    assert of_enumerators(*few) == {}
    short = work("0009", 1, 90)[: (FEWEST_AMOUNTS - 1) // 7]
    rest = [item for number in range(5) for item in work(f"000{number}", 0.25, number * 10)]
    assert of_enumerators(*rest, *short) == {}


# --- Q4


def answered(*, different: int, of: int = 40, **more: Any) -> dict[str, Any]:
    answers: dict[str, Any] = {"j_result": "110"} | more
    return answers | {f"question_{place}": "x" if place < different else "same" for place in range(of)}


def test_q4_two_interviews_of_one_enumerator_with_equal_answers() -> None:
    first, second = one(1, answers=answered(different=0)), one(2, answers=answered(different=4))
    assert of_interviews(first, second) == {1: [("Q4", 0.9)], 2: [("Q4", 0.9)]}
    assert of_interviews(first, one(2, answers=answered(different=5))) == {}
    assert of_interviews(first, one(2, answers=answered(different=4), enumerator="0002")) == {}
    assert of_interviews(first, one(2, answers=answered(different=4), household="household 1")) == {}


def test_q4_leaves_out_names_ages_and_ids_and_looks_into_repeats() -> None:
    def household(age: int, educ: str) -> dict[str, Any]:
        members = [{"c_age": age + place, "c_educ": educ, "c_sex": "1"} for place in range(20)]
        return {"j_result": "110", "household_key": str(age), "start_time": str(age), "member": members}

    def pair(educ: str) -> dict[int, list[tuple[str, float | None]]]:
        return of_interviews(one(1, answers=household(20, "3")), one(2, answers=household(40, educ)))

    assert pair("3") == {1: [("Q4", 1.0)], 2: [("Q4", 1.0)]}
    assert pair("4") == {}


def test_q4_says_nothing_of_interviews_with_little_in_them() -> None:
    refusals = [one(number, answers=answered(different=0, of=10)) for number in (1, 2)]
    assert of_interviews(*refusals) == {}
    not_met = [one(number, answers=answered(different=0) | {"j_result": "211"}) for number in (1, 2)]
    assert of_interviews(*not_met) == {}


# --- Q5


def test_q5_is_the_weighted_mean_difference_over_its_standard_error() -> None:
    # Unit p: a has 1, 3 (mean 2), b has 4, 6 (mean 5): d = -3, w = 1. Unit q: a has 0, 2 (mean 1), b has 5 (mean 5):
    # d = -4, w = 2/3. Squares within: 2 + 2 + 2 + 0 = 6 with 3 degrees of freedom, so s² = 2.
    # z = (-3 - 8/3) / √(2 × 5/3) = -3.1037
    z = z_scores({"p": {"a": [1, 3], "b": [4, 6]}, "q": {"a": [0, 2], "b": [5]}})
    assert z["a"] == pytest.approx(-17 / 3 / math.sqrt(10 / 3))
    assert z["b"] == pytest.approx(-z["a"])


def test_q5_units_of_one_enumerator_say_nothing() -> None:
    assert z_scores({"p": {"a": [1, 3]}, "q": {"b": [1, 9]}, "r": {"a": [2, 4], "c": []}}) == {}
    assert z_scores({"p": {"a": [1, 1], "b": [1]}}) == {}


def test_q5_an_enumerator_who_finds_fewer_migrants_than_others_in_the_same_units() -> None:
    interviews = [
        one(
            unit * 100 + place,
            psu=f"unit {unit}",
            enumerator="0001" if place < 10 else "0002",
            answers={"j_result": "110", "d_n": place % 2 if place < 10 else 1 + place % 2, "c_n": 4 + place % 2},
        )
        for unit in range(3)
        for place in range(20)
    ]
    found = of_enumerators(*interviews)
    assert {name: [item[:2] for item in items] for name, items in found.items()} == {
        "0001": [("Q5", "d_n")],
        "0002": [("Q5", "d_n")],
    }
    # s² = 60 × 0.25 / 54, Σw = 3 × 5, every difference is -1: z = -15 / √(15 × 15 / 54) = -7.35
    assert found["0001"][0][2] == -7.3
    elsewhere = [one(int.from_bytes(item.interview_id, "big"), answers=item.answers) for item in interviews]
    assert of_enumerators(*elsewhere) == {}


# --- all of them


@given(
    values=st.dictionaries(
        st.sampled_from("pqr"), st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(0, 9), max_size=4))
    )
)
def test_z_scores_of_two_enumerators_are_opposite_and_none_is_infinite(
    values: dict[str, dict[str, list[float]]],
) -> None:
    z = z_scores(values)
    assert all(math.isfinite(one) for one in z.values())
    if set(z) == {"a", "b"}:
        assert z["a"] == pytest.approx(-z["b"])


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_interviews_changes_no_score(seed: int) -> None:
    rng = random.Random(seed)
    interviews = [
        one(
            number,
            enumerator=f"000{number % 3}",
            psu=f"unit {number % 2}",
            point=north(rng.randint(0, 2000)),
            answers=answered(different=rng.randint(0, 6), d_n=rng.randint(0, 3), c_n=rng.randint(1, 9)),
        )
        for number in range(40)
    ]
    expected = score(interviews)
    assert expected.interviews
    rng.shuffle(interviews)
    assert score(interviews) == expected
