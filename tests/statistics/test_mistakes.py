"""Each usual mistake with weights moves a figure beyond what the right system leaves open, and so fails here.

Thirty surveys of the made country: the mean of a right figure is within a percent or two of the truth, so that a
product that makes one of the mistakes cannot pass ``test_right_figures_are_near_the_truth``, and the others show that
each mistake is as large as it was measured to be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from server.demo.country import Country
from server.demo.truth import Figures
from server.statistics import estimators
from server.statistics.complete import in_key_order, recruitment_costs
from server.statistics.estimators import Rows
from server.statistics.indicators import estimate, estimate_all
from server.statistics.sample import PAID, RESPONDENT, DesignTables, Estimate, Floats, Sample, take
from server.statistics.weights import Weighting, index_of, weigh
from tests.statistics.made import SimulatedSurvey, simulated

SURVEYS = 30
NAMES = {
    ("MIG-01", "proportion"): "mig_01",
    ("REM-01", "proportion"): "rem_01",
    ("REM-02", "mean"): "rem_02",
    ("REM-04", "total"): "rem_04",
    ("RCT-01", "mean"): "rct_01_mean",
    ("RCT-01", "median"): "rct_01_median",
    ("RCT-01", "p80"): "rct_01_p80",
}

#: Of the mean of thirty right estimates: their CV is 4 to 6 %, a seventh of that is left, and three of these are held.
BOUND = 0.035


@dataclass(frozen=True)
class Worked:
    """One survey with its right weights and the household columns that mistakes are made with."""

    survey: SimulatedSurvey
    ordered: Sample
    weighting: Weighting
    transfers: Floats
    national: dict[tuple[str, str], Estimate]


@pytest.fixture(scope="module")
def surveys(country: Country) -> list[Worked]:
    return list(_worked(country))


def _worked(country: Country) -> Iterator[Worked]:
    for number in range(SURVEYS):
        survey = simulated(country, number)
        ordered = in_key_order(survey.sample)
        households, senders = ordered.households, ordered.senders
        weighting = weigh(households, survey.tables, np.isin(households.disposition, RESPONDENT))
        amount = (senders.cash_usd + senders.goods_usd) * senders.nonresident
        transfers = np.bincount(senders.household, amount, households.key.size)
        national = national_of(survey.sample, survey.tables)
        yield Worked(survey, ordered, weighting, transfers, national)


def national_of(sample: Sample, tables: DesignTables) -> dict[tuple[str, str], Estimate]:
    return {(one.indicator, one.statistic): one for one in estimate_all(sample, tables, ("national",))}


def bias(values: list[float], truth: float) -> float:
    return float(np.mean(values)) / truth - 1


def test_right_figures_are_near_the_truth(surveys: list[Worked], truth: Figures) -> None:
    for key, name in NAMES.items():
        found = bias([one.national[key].value for one in surveys], getattr(truth, name))
        assert abs(found) < BOUND, (key, found)


def test_right_intervals_hold_the_truth(surveys: list[Worked], truth: Figures) -> None:
    """Of 210 intervals 95 % hold it; fewer than 88 % would be five standard errors away."""
    held = [
        one.national[key].low <= getattr(truth, name) <= one.national[key].high
        for one in surveys
        for key, name in NAMES.items()
    ]
    assert np.mean(held) > 0.88


def test_ignoring_the_listing_class_more_than_doubles_migration(surveys: list[Worked], truth: Figures) -> None:
    found: dict[str, list[float]] = {"MIG-01": [], "REM-01": [], "REM-04": []}
    for one in surveys[:10]:
        listings = one.survey.tables.listings
        unit = np.unique(listings.psu, return_inverse=True)[1]
        listed, drawn = np.bincount(unit, listings.listed), np.bincount(unit, listings.drawn)
        merged = replace(listings, listed=listed[unit].astype(np.int64), drawn=drawn[unit].astype(np.int64))
        national = national_of(one.survey.sample, replace(one.survey.tables, listings=merged))
        for code, values in found.items():
            values.append(next(line.value for (name, _), line in national.items() if name == code))
    assert bias(found["MIG-01"], truth.mig_01) > 1.0
    assert bias(found["REM-01"], truth.rem_01) > 0.75
    assert bias(found["REM-04"], truth.rem_04) > 0.9


def test_leaving_out_the_weights_more_than_doubles_migration(surveys: list[Worked], truth: Figures) -> None:
    shares = [float(one.ordered.households.is_migrant[one.weighting.rows].mean()) for one in surveys]
    assert bias(shares, truth.mig_01) > 1.0


def test_the_frame_size_in_the_place_of_the_listed_one_lowers_money(surveys: list[Worked], truth: Figures) -> None:
    right, wrong = [], []
    for one in surveys:
        psus, listings = one.survey.tables.psus, one.survey.tables.listings
        place = index_of(psus.psu, one.ordered.households.psu, code="unknown-psu", what="PSU")
        unit = index_of(psus.psu, listings.psu, code="unknown-psu", what="PSU")
        listed = np.bincount(unit, listings.listed)
        weights = one.weighting.base * one.weighting.psu_factor * one.weighting.nonresponse_factor
        right.append(float((weights * one.transfers).sum()))
        wrong.append(float((weights * (psus.frame_households / listed)[place] * one.transfers).sum()))
    assert bias(wrong, truth.rem_04) < -0.085
    assert bias(right, truth.rem_04) > -0.065  # listing finds 97 % of households; calibration repairs that


def test_lost_units_and_silent_households_as_zeros_lower_money(surveys: list[Worked], truth: Figures) -> None:
    wrong = [float((one.weighting.base * one.transfers)[one.weighting.rows].sum()) for one in surveys]
    assert bias(wrong, truth.rem_04) < -0.11


def test_without_calibration_what_listing_missed_is_missing(surveys: list[Worked], truth: Figures) -> None:
    wrong, gap = [], []
    for one in surveys:
        weighting = one.weighting
        weights = weighting.base * weighting.psu_factor * weighting.nonresponse_factor
        wrong.append(float((weights * one.transfers).sum()))
        gap.append(float(weights.sum()) / truth.households)
    assert float(np.mean(gap)) < 0.985
    assert np.mean(wrong) / np.mean([one.national["REM-04", "total"].value for one in surveys]) < 0.985


def test_ignoring_clusters_makes_standard_errors_too_small(surveys: list[Worked]) -> None:
    ratios = []
    for one in surveys:
        design = one.weighting.design
        alone = replace(design, psu=np.arange(design.psu.size), psu_stratum=design.psu_stratum[design.psu])
        migrant = one.ordered.households.is_migrant[one.weighting.rows]
        wrong = estimators.proportion(Rows.of_households(alone), migrant).se
        ratios.append(wrong / one.national["MIG-01", "proportion"].se)
    assert np.mean(ratios) < 0.9


def test_a_ratio_of_means_is_not_the_mean_of_ratios(surveys: list[Worked], truth: Figures) -> None:
    wrong = []
    for one in surveys:
        workers = one.ordered.workers
        paid = workers.earnings_state == PAID
        cost = recruitment_costs(one.ordered.costs, workers.line.size)
        weight = one.weighting.final[workers.household]
        wrong.append(float((weight * cost)[paid].sum() / (weight[paid] * workers.earnings_usd[paid]).sum()))
    assert bias(wrong, truth.rct_01_mean) < -0.07


def test_leaving_out_who_paid_nothing_raises_costs(surveys: list[Worked], truth: Figures) -> None:
    wrong = []
    for one in surveys:
        sample = one.ordered
        payers = np.unique(sample.costs.worker)
        fewer = replace(
            sample,
            workers=take(sample.workers, payers),
            costs=replace(sample.costs, worker=np.searchsorted(payers, sample.costs.worker)),
        )
        wrong.append(national_of(fewer, one.survey.tables)["RCT-01", "mean"].value)
    assert bias(wrong, truth.rct_01_mean) > 0.045


def test_unknown_amounts_as_zero_lower_money_and_imputed_ones_do_not(surveys: list[Worked], truth: Figures) -> None:
    """An eighth of amounts are not known, the large ones more often; seven in ten of these come with a band."""
    imputed, zero = [], []
    for number, one in enumerate(surveys[:15]):
        rng = np.random.default_rng([9, number])
        senders = one.ordered.senders
        size = np.log(np.maximum(senders.cash_usd, 1.0))
        unknown = (senders.cash_usd > 0) & (rng.random(size.size) < 0.13 + 0.04 * (size - size.mean()) / size.std())
        edges = np.array([0, 250, 650, 1250, 2500, 5000, np.inf])
        band = np.searchsorted(edges, senders.cash_usd, side="right") - 1
        has_band = unknown & (rng.random(size.size) < 0.7)
        gaps = replace(
            senders,
            cash_usd=np.where(unknown, np.nan, senders.cash_usd),
            cash_low_usd=np.where(has_band, edges[band], np.nan),
            cash_high_usd=np.where(has_band, edges[band + 1], np.nan),
        )
        found = estimate(replace(one.ordered, senders=gaps), one.survey.tables, ("national",))
        imputed.append(_total(found.estimates))
        nothing = replace(senders, cash_usd=np.where(unknown, 0.0, senders.cash_usd))
        zero.append(national_of(replace(one.ordered, senders=nothing), one.survey.tables)["REM-04", "total"].value)
        asked = next(item for item in found.item_nonresponse if item.variable == "money received")
        assert asked.from_band + asked.from_class == unknown.sum()
    known = [one.national["REM-04", "total"].value for one in surveys[:15]]
    assert np.mean(zero) / np.mean(known) - 1 < -0.12
    assert abs(np.mean(imputed) / np.mean(known) - 1) < 0.02


def _total(estimates: tuple[Estimate, ...]) -> float:
    return next(one.value for one in estimates if one.indicator == "REM-04")
