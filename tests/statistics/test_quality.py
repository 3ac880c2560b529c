from __future__ import annotations

import math

import pytest

from server.statistics.quality import flag_amount, flag_proportion


@pytest.mark.parametrize(
    ("cv", "n", "contributors", "flag"),
    [
        (0.165, 30, 30, "ok"),
        (0.166, 30, 30, "E"),
        (0.333, 30, 30, "E"),
        (0.334, 30, 30, "F"),
        (math.nan, 30, 30, "F"),
        (0.01, 29, 29, "hidden"),
        (0.01, 300, 9, "hidden"),
    ],
)
def test_amounts_are_flagged_by_their_cv_and_hidden_below_thirty_cases(
    cv: float, n: int, contributors: int, flag: str
) -> None:
    assert flag_amount(100.0, cv, n=n, df=20, contributors=contributors) == flag


def test_an_infinite_or_absent_amount_is_hidden() -> None:
    assert flag_amount(math.inf, 0.1, n=50, df=20, contributors=50) == "hidden"
    assert flag_amount(math.nan, math.nan, n=50, df=20, contributors=50) == "hidden"


@pytest.mark.parametrize(
    ("share", "se", "n", "df", "flag"),
    [
        (0.148, 0.006, 3900, 280, "ok"),
        (0.148, 0.006, 3900, 7, "E"),  # few degrees of freedom
        (0.148, 0.006, 29, 280, "hidden"),
        (0.30, 0.09, 60, 20, "hidden"),  # effective sample below 30, interval too wide
        (0.01, 0.006, 900, 40, "ok"),  # an interval of 5 points or less is shown, however large beside the share
        (0.05, 0.02, 300, 40, "hidden"),  # wider, and more than 130 % of the share
        (0.0, 0.0, 900, 40, "hidden"),  # says something about everyone
        (1.0, 0.0, 900, 40, "hidden"),
    ],
)
def test_proportions_follow_the_standards_of_nchs(share: float, se: float, n: int, df: int, flag: str) -> None:
    assert flag_proportion(share, se, n=n, df=df, has=20, has_not=20) == flag


@pytest.mark.parametrize("contributors", [9, 29])
def test_a_total_rests_on_those_who_have_some_of_it(contributors: int) -> None:
    assert flag_amount(100.0, 0.1, n=900, df=20, contributors=contributors) == "hidden"


@pytest.mark.parametrize(("has", "has_not"), [(9, 900), (900, 9)])
def test_a_share_of_few_households_on_either_side_is_hidden(has: int, has_not: int) -> None:
    assert flag_proportion(0.01, 0.003, n=909, df=40, has=has, has_not=has_not) == "hidden"


def test_a_figure_without_degrees_of_freedom_is_hidden() -> None:
    assert flag_amount(100.0, 0.1, n=90, df=0, contributors=90) == "hidden"
    assert flag_proportion(0.3, 0.02, n=900, df=0, has=300, has_not=600) == "hidden"
