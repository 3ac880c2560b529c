"""Laws that hold for every sample: domains add up, weights scale, order does not matter."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.statistics import estimators
from server.statistics.complete import in_key_order
from server.statistics.design import Design, DesignError
from server.statistics.estimators import Rows
from server.statistics.indicators import estimate, estimate_all
from server.statistics.intervals import korn_graubard
from server.statistics.quantiles import quantile_of
from server.statistics.sample import Sample, take
from tests.statistics.made import SimulatedSurvey


@st.composite
def designs(draw: st.DrawFn) -> tuple[Design, np.ndarray, np.ndarray]:
    """A small stratified cluster design with values and a domain code for each row."""
    strata = draw(st.integers(1, 4))
    psus = [draw(st.integers(2, 4)) for _ in range(strata)]
    psu_stratum = np.repeat(np.arange(strata), psus)
    count = draw(st.integers(3, 40))
    number = st.integers(0, psu_stratum.size - 1)
    psu = np.array(draw(st.lists(number, min_size=count, max_size=count)))
    weight = np.array(draw(st.lists(st.integers(1, 500), min_size=count, max_size=count))) / 4
    y = np.array(draw(st.lists(st.integers(-1000, 1000), min_size=count, max_size=count))) / 8
    domain = np.array(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    return Design(weight=weight, psu=psu, psu_stratum=psu_stratum), y, domain


@given(designs())
def test_totals_of_domains_add_up_to_the_total(made: tuple[Design, np.ndarray, np.ndarray]) -> None:
    design, y, domain = made
    rows = Rows.of_households(design)
    parts = [estimators.total(rows, y, domain == code) for code in range(3)]
    whole = estimators.total(rows, y)
    assert sum(part.value for part in parts) == pytest.approx(whole.value, rel=1e-12, abs=1e-9)
    assert sum(part.n for part in parts) == whole.n


@given(designs(), st.integers(1, 40))
def test_scaling_all_weights_scales_totals_and_leaves_means(
    made: tuple[Design, np.ndarray, np.ndarray], factor: int
) -> None:
    design, y, domain = made
    scaled = Rows.of_households(replace(design, weight=design.weight * factor))
    rows = Rows.of_households(design)
    total, larger = estimators.total(rows, y, domain == 0), estimators.total(scaled, y, domain == 0)
    assert larger.value == pytest.approx(factor * total.value, rel=1e-12, abs=1e-9)
    assert larger.se == pytest.approx(factor * total.se, rel=1e-9, abs=1e-9)
    mean, same = estimators.mean(rows, y, domain == 0), estimators.mean(scaled, y, domain == 0)
    assert same.value == pytest.approx(mean.value, rel=1e-12, abs=1e-9, nan_ok=True)
    assert same.se == pytest.approx(mean.se, rel=1e-9, abs=1e-9, nan_ok=True)
    median, _ = estimators.quantile(rows, y, 0.5, domain == 0, df=10)
    again, _ = estimators.quantile(scaled, y, 0.5, domain == 0, df=10)
    assert again.value == median.value or math.isnan(median.value)


@given(designs())
def test_a_mean_is_a_ratio_and_a_constant_has_no_variance(made: tuple[Design, np.ndarray, np.ndarray]) -> None:
    design, y, domain = made
    rows = Rows.of_households(design)
    mean = estimators.mean(rows, y, domain == 1)
    ratio = estimators.ratio(rows, y, np.ones(y.size), domain == 1)
    assert mean == ratio or math.isnan(mean.value)
    if (domain == 1).any():
        assert estimators.mean(rows, np.full(y.size, 3.0), domain == 1).se == pytest.approx(0, abs=1e-9)


@given(designs(), st.integers(0, 3))
def test_the_variance_is_the_textbook_one_with_zeros_for_units_without_cases(
    made: tuple[Design, np.ndarray, np.ndarray], empty_units: int
) -> None:
    design, y, _ = made
    strata = np.append(design.psu_stratum, np.zeros(empty_units, dtype=np.int64))
    figure = estimators.total(Rows.of_households(replace(design, psu_stratum=strata)), y)
    expected = 0.0
    for stratum in range(strata.max() + 1):
        totals = [float((design.weight * y)[design.psu == unit].sum()) for unit in np.flatnonzero(strata == stratum)]
        expected += len(totals) * float(np.var(totals, ddof=1))
    assert figure.se**2 == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert figure.df == np.unique(design.psu).size - np.unique(strata[np.unique(design.psu)]).size


@given(designs())
def test_calibration_cells_take_away_the_variance_of_their_own_totals(
    made: tuple[Design, np.ndarray, np.ndarray],
) -> None:
    design, _, domain = made
    rows = Rows.of_households(replace(design, post_stratum=domain))
    for code in range(3):
        assert estimators.total(rows, (domain == code).astype(float)).se == pytest.approx(0, abs=1e-6)


def test_rows_of_workers_give_what_sums_by_household_give(full_survey: SimulatedSurvey) -> None:
    result = estimate(full_survey.sample, full_survey.tables, ("national",))
    design, senders = result.weighting.design, result.sample.senders
    place = np.full(result.sample.households.key.size, -1)
    place[result.weighting.rows] = np.arange(result.weighting.rows.size)
    amount = (senders.cash_usd + senders.goods_usd) * senders.nonresident
    by_sender = estimators.total(Rows(design, place[senders.household]), amount)
    by_household = next(one for one in result.estimates if one.indicator == "REM-04")
    assert by_sender.value == pytest.approx(by_household.value, rel=1e-12)
    assert by_sender.se == pytest.approx(by_household.se, rel=1e-12)


def shuffled(sample: Sample, seed: int) -> Sample:
    """Return the same sample with the rows of every table in another order."""
    rng = np.random.default_rng(seed)
    households, workers = (
        rng.permutation(sample.households.key.size),
        rng.permutation(sample.workers.line.size),
    )
    back, worker_back = np.argsort(households), np.argsort(workers)
    senders, costs = rng.permutation(sample.senders.line.size), rng.permutation(sample.costs.item.size)
    return Sample(
        households=take(sample.households, households),
        senders=take(replace(sample.senders, household=back[sample.senders.household]), senders),
        workers=take(replace(sample.workers, household=back[sample.workers.household]), workers),
        costs=take(replace(sample.costs, worker=worker_back[sample.costs.worker]), costs),
    )


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_arrival_changes_no_bit_of_any_estimate(quarter_survey: SimulatedSurvey, seed: int) -> None:
    sample, tables = quarter_survey.sample, quarter_survey.tables
    gaps = np.where(np.arange(sample.senders.line.size) % 7 == 0, np.nan, sample.senders.cash_usd)
    sample = replace(sample, senders=replace(sample.senders, cash_usd=gaps))
    psus = np.random.default_rng(seed).permutation(tables.psus.psu.size)
    same = replace(tables, psus=take(tables.psus, psus))
    first, second = estimate_all(sample, tables), estimate_all(shuffled(sample, seed), same)
    if not np.array_equal(psus, np.arange(psus.size)):
        same = tables
    assert repr(estimate_all(shuffled(sample, seed), same)) == repr(first)
    assert [one.value for one in second] == pytest.approx([one.value for one in first], rel=1e-12, nan_ok=True)


def test_two_rows_with_one_household_key_are_refused(quarter_survey: SimulatedSurvey) -> None:
    sample = quarter_survey.sample
    twice = replace(sample.households, key=np.full(sample.households.key.size, "same"))
    with pytest.raises(DesignError) as refusal:
        in_key_order(replace(sample, households=twice))
    assert refusal.value.code == "duplicate-household"


def test_unpaid_months_are_above_all_others_in_quantiles() -> None:
    values, weight = np.array([1.0, 2.0, np.inf]), np.ones(3)
    assert quantile_of(values, weight, 0.5, "lower") == 2.0
    assert quantile_of(values, weight, 0.8, "lower") == np.inf


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 30)), min_size=1, max_size=30),
    st.sampled_from([0.1, 0.2, 0.5, 0.8, 0.9]),
)
def test_a_quantile_is_the_least_value_that_reaches_its_share(pairs: list[tuple[int, int]], share: float) -> None:
    values = np.array([value for value, _ in pairs], dtype=float)
    weight = np.array([parts for _, parts in pairs]) * 0.1
    found = quantile_of(values, weight, share, "lower")
    whole = sum(parts for _, parts in pairs)
    reached = [
        value
        for value in sorted(set(values))
        if 10 * sum(parts for one, parts in pairs if one <= value) >= round(10 * share) * whole
    ]
    assert found == reached[0]


def test_the_interval_of_a_share_of_nothing_or_everything_ends_there() -> None:
    assert korn_graubard(0.0, 0.0, 40, 10) == (0.0, pytest.approx(0.0881, abs=1e-4))
    assert korn_graubard(1.0, 0.0, 40, 10) == (pytest.approx(0.9119, abs=1e-4), 1.0)


def test_an_empty_domain_has_no_figure() -> None:
    design = Design(weight=np.ones(4), psu=np.arange(4), psu_stratum=np.zeros(4, dtype=np.int64))
    nobody = np.zeros(4, dtype=bool)
    rows = Rows.of_households(design)
    assert math.isnan(estimators.mean(rows, np.ones(4), nobody).value)
    assert math.isnan(estimators.quantile(rows, np.ones(4), 0.5, nobody)[0].value)
    assert estimators.total(rows, np.ones(4), nobody).value == 0
