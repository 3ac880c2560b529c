"""Estimates against R 4.2.2, package survey 4.1.1, on its public data of Californian schools, to 1e-9 relative.

``tests/vectors/oracle/README.md`` says which cases of the oracle are here, which are not, and why.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.statistics import estimators
from server.statistics.design import Design, DesignError, variance
from server.statistics.estimators import Figure, Rows
from server.statistics.intervals import korn_graubard, t_interval
from server.statistics.weights import post_stratify

VECTORS = Path(__file__).parents[1] / "vectors" / "oracle"
CASES = json.loads((VECTORS / "cases.json").read_text())
BY_ID = {case["id"]: case for case in CASES}
TOTALS = {"E": 4421.0, "H": 755.0, "M": 1018.0}

#: Column of strata, of PSUs, of the stratum's or the country's number of units (None: with replacement).
DESIGNS: dict[str, tuple[str, str | None, str | None, str | None]] = {
    "strat": ("apistrat", "stype", None, "fpc"),
    "strat_nofpc": ("apistrat", "stype", None, None),
    "clus1": ("apiclus1", None, "dnum", "fpc"),
    "clus1_nofpc": ("apiclus1", None, "dnum", None),
    "clus2": ("apiclus2", None, "dnum", "fpc1"),
    "clus2_wr": ("apiclus2", None, "dnum", None),
    "srs": ("apisrs", None, None, "fpc"),
    "lonely": ("lonely", "str2", None, None),
    "lonelydom": ("apistrat", "stype", None, None),
}


@cache
def table(name: str) -> dict[str, list[str]]:
    with (VECTORS / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {column: [row[column] for row in rows] for column in rows[0]}


class Survey:
    """One of the oracle's designs over one of its tables."""

    def __init__(self, name: str) -> None:
        dataset, stratum, psu, population = DESIGNS[name]
        self.columns = table(dataset)
        self.size = len(self.columns["cds"])
        strata = self.codes(stratum) if stratum else np.zeros(self.size, dtype=np.int64)
        units = self.codes(psu) if psu else np.arange(self.size)
        psu_stratum = np.zeros(units.max() + 1, dtype=np.int64)
        psu_stratum[units] = strata
        fraction = None
        if population is not None:
            drawn = np.bincount(psu_stratum)
            whole = np.zeros(drawn.size)
            whole[strata] = self.numbers(population)
            fraction = drawn / whole
        weight = self._weights(name)
        self.design = Design(weight=weight, psu=units, psu_stratum=psu_stratum, fraction=fraction)
        self.rows = Rows.of_households(self.design)

    def _weights(self, name: str) -> Any:
        if name != "clus2":
            return self.numbers("pw")
        units = self.codes("dnum")
        return self.numbers("fpc1") / (units.max() + 1) * self.numbers("fpc2") / np.bincount(units)[units]

    def text(self, column: str) -> Any:
        return np.array(self.columns[column])

    def codes(self, column: str) -> Any:
        return np.unique(self.text(column), return_inverse=True)[1]

    def numbers(self, column: str) -> Any:
        return np.array([float(value) if value not in {"", "NA"} else np.nan for value in self.columns[column]])

    def known(self, *columns: str) -> Any:
        return ~np.isnan(np.array([self.numbers(column) for column in columns])).any(axis=0)


def survey_of(case: dict[str, Any]) -> Survey:
    return Survey(case["id"].split(".")[0])


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def near(expected: float) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-9)


def chosen(*kinds: str) -> Any:
    cases = [case for case in CASES if case["what"] in kinds and not case["id"].startswith("lonely")]
    assert cases
    return pytest.mark.parametrize("case", cases, ids=[case["id"] for case in cases])


def compare(figures: Sequence[Figure], value: dict[str, Any], full_df: int) -> None:
    for index, figure in enumerate(figures):
        assert figure.value == near(listed(value["estimate"])[index])
        assert figure.se == near(listed(value["se"])[index])
        if "cv" in value and figure.se > 0:
            assert figure.cv == near(listed(value["cv"])[index])
        for name, level in (("ci95_t", 0.95), ("ci90_t", 0.90)):
            if name in value:
                assert list(figure.interval(level, df=full_df)) == near(value[name][index])


def columns_of(case: dict[str, Any], survey: Survey) -> list[Any]:
    """Return the columns that a call names: numbers, or one indicator a level."""
    names = listed(case["value"]["names"])
    if names[0].startswith("interaction("):
        pairs = np.array([f"{a}.{b}" for a, b in zip(survey.text("stype"), survey.text("comp.imp"), strict=True)])
        return [(pairs == name.split(")")[1]).astype(float) for name in names]
    if names[0].startswith("stype"):
        return [(survey.text("stype") == name.removeprefix("stype")).astype(float) for name in names]
    return [np.nan_to_num(survey.numbers(name)) for name in names]


def known_in(case: dict[str, Any], survey: Survey) -> Any:
    names = [name for name in listed(case["value"]["names"]) if name in survey.columns]
    return survey.known(*names) if names else np.ones(survey.size, dtype=bool)


@chosen("mean", "prop", "total")
def test_means_proportions_and_totals_equal_those_of_r(case: dict[str, Any]) -> None:
    survey = survey_of(case)
    estimate: Callable[..., Figure] = estimators.total if case["what"] == "total" else estimators.mean
    domain = known_in(case, survey)
    figures = [estimate(survey.rows, column, domain) for column in columns_of(case, survey)]
    compare(figures, case["value"], survey.design.degrees_of_freedom)
    is_with_replacement = "deff='replace'" in case["call"]
    for figure, deff in zip(figures, listed(case["value"].get("deff", [])), strict=False):
        if deff is None or figure.n < survey.size:
            continue  # R takes the full size of the sample for a variable that it then drops cases of
        without = figure.deff / (1 - figure.n / float(survey.design.weight.sum()))
        assert (figure.deff if is_with_replacement else without) == near(deff)


@chosen("ratio")
def test_ratios_equal_those_of_r(case: dict[str, Any]) -> None:
    survey = survey_of(case)
    domain = survey.known("enroll")
    figure = estimators.ratio(survey.rows, survey.numbers("api.stu"), np.nan_to_num(survey.numbers("enroll")), domain)
    compare([figure], case["value"], case["value"].get("df", survey.design.degrees_of_freedom))


@chosen("by_mean", "by_total", "by_ratio", "by_prop")
def test_domains_by_one_and_two_keys_equal_those_of_r(case: dict[str, Any]) -> None:
    survey, value = survey_of(case), case["value"]
    for index, name in enumerate(value["by"]):
        school, _, target = name.partition("|")
        domain = survey.text("stype") == school
        if target:
            domain &= survey.text("comp.imp") == target
        if case["what"] == "by_prop":
            for level, expected, se in zip(value["names"], value["estimate"][index], value["se"][index], strict=True):
                has = survey.text("comp.imp") == level.removeprefix("comp.imp")
                figure = estimators.proportion(survey.rows, has, domain)
                assert (figure.value, figure.se) == (near(expected), near(se))
            continue
        enroll = np.nan_to_num(survey.numbers("enroll"))
        if case["what"] == "by_mean":
            figure = estimators.mean(survey.rows, survey.numbers("api00"), domain)
        elif case["what"] == "by_total":
            figure = estimators.total(survey.rows, enroll, domain)
        else:
            figure = estimators.ratio(survey.rows, survey.numbers("api.stu"), enroll, domain & survey.known("enroll"))
        assert (figure.value, figure.se) == (near(value["estimate"][index]), near(value["se"][index]))


@chosen("domain_mean")
def test_domain_means_and_their_degrees_of_freedom_equal_those_of_r(case: dict[str, Any]) -> None:
    survey = survey_of(case)
    domain = (survey.text("comp.imp") == "Yes") & survey.known("enroll")
    figure = estimators.mean(survey.rows, np.nan_to_num(survey.numbers("enroll")), domain)
    compare([figure], case["value"], case["value"]["df"])
    assert figure.df == case["value"]["df"]


@chosen("quantile")
def test_quantiles_and_their_woodruff_intervals_equal_those_of_r(case: dict[str, Any]) -> None:
    survey, value = survey_of(case), case["value"]
    ties = "lower" if case["id"].endswith(("math", "hf1")) else "midpoint"
    for index, share in enumerate(value["quantiles"]):
        if case["id"].startswith("srs.") and share in {0.1, 0.9}:
            continue  # see test_a_share_on_an_exact_step_is_not_moved_by_floating_point
        figure, interval = estimators.quantile(
            survey.rows, survey.numbers("api00"), share, ties=ties, df=survey.design.degrees_of_freedom
        )
        assert figure.value == near(value["estimate"][index])
        assert figure.se == near(value["se"][index])
        assert list(interval) == near(value["ci"][index])


def test_a_share_on_an_exact_step_is_not_moved_by_floating_point() -> None:
    """Of 200 equal weights a tenth is exactly 20; the floating sum of R misses this step and that of nine tenths."""
    survey = Survey("srs")
    ordered = np.sort(survey.numbers("api00"))
    for share, place in ((0.1, 20), (0.9, 180)):
        lower, upper = ordered[place - 1], ordered[place]
        for ties, expected in (("lower", lower), ("midpoint", (lower + upper) / 2)):
            assert estimators.quantile(survey.rows, survey.numbers("api00"), share, ties=ties)[0].value == expected
        given = BY_ID["srs.quantile.math"]["value"]
        assert given["estimate"][given["quantiles"].index(share)] == upper


@chosen("ciprop")
def test_intervals_of_proportions_equal_those_of_r(case: dict[str, Any]) -> None:
    survey, value = survey_of(case), case["value"]
    figure = estimators.proportion(survey.rows, survey.text("comp.imp") == "Yes")
    df = survey.design.degrees_of_freedom
    interval = (
        korn_graubard(figure.value, figure.se**2, survey.size, df)
        if case["id"].endswith("beta")
        else t_interval(figure.value, figure.se, df)
    )
    assert list(interval) == near(value["ci"])


@chosen("weights", "cal_mean", "cal_total", "cal_by_mean", "cal_ratio")
def test_post_stratified_weights_and_estimates_equal_those_of_r(case: dict[str, Any]) -> None:
    survey, value = survey_of(case), case["value"]
    cell = survey.codes("stype")
    weight = survey.design.weight * post_stratify(survey.design.weight, cell, np.array(list(TOTALS.values())))[cell]
    rows = Rows.of_households(replace(survey.design, weight=weight, post_stratum=cell))
    api, enroll = survey.numbers("api00"), np.nan_to_num(survey.numbers("enroll"))
    if case["what"] == "weights":
        assert weight == pytest.approx(value["weights"], rel=1e-9)
        return
    if case["what"] == "cal_by_mean":
        figures = [estimators.mean(rows, api, survey.text("stype") == name) for name in value["by"]]
    elif case["what"] == "cal_mean":
        figures = [estimators.mean(rows, api)]
    elif case["what"] == "cal_total":
        figures = [estimators.total(rows, enroll)]
    else:
        figures = [estimators.ratio(rows, survey.numbers("api.stu"), enroll)]
    compare(figures, value, survey.design.degrees_of_freedom)


LONELY = [case for case in CASES if case["id"].startswith("lonely.") and case["what"] != "error"]
LONELY_DOMAIN = [case for case in CASES if case["id"].startswith("lonelydom.")]


@pytest.mark.parametrize("case", LONELY, ids=[case["id"] for case in LONELY])
def test_strata_of_one_psu_are_treated_as_r_treats_them(case: dict[str, Any]) -> None:
    survey = survey_of(case)
    rule = case["id"].split(".")[1]
    rows = Rows.of_households(replace(survey.design, lonely="remove" if rule == "certainty" else rule))
    if case["what"] == "mean":
        figure = estimators.mean(rows, survey.numbers("api00"))
    else:
        figure = estimators.total(rows, survey.numbers("enroll"))
    compare([figure], case["value"], rows.design.degrees_of_freedom)


@pytest.mark.parametrize("case", LONELY_DOMAIN, ids=[case["id"] for case in LONELY_DOMAIN])
def test_a_domain_with_one_psu_of_a_stratum_keeps_the_zeros_of_the_others(case: dict[str, Any]) -> None:
    survey = survey_of(case)
    domain = (survey.text("stype") != "H") | (survey.numbers("api00") > 820)
    figure = estimators.mean(survey.rows, survey.numbers("api00"), domain)
    compare([figure], case["value"], survey.design.degrees_of_freedom)


def test_a_stratum_of_one_psu_is_refused_as_in_r() -> None:
    assert BY_ID["lonely.fail"]["what"] == "error"
    survey = Survey("lonely")
    with pytest.raises(DesignError) as refusal:
        variance(survey.design, survey.numbers("api00"))
    assert refusal.value.code == "lonely-psu"
