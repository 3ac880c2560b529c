import dataclasses
import json

import numpy as np
import pytest

from server.demo.country import Country
from server.demo.design import draw_survey
from server.demo.fieldwork import visit_households
from server.demo.reporting import true_reports
from server.demo.sampled import sample_of, tables_of
from server.demo.simulate import FIGURES, Performance, main, performance, product_estimates, simulate
from server.demo.truth import true_figures


def test_the_products_estimates_are_near_the_truth_over_sixty_surveys(lamaria: Country) -> None:
    # Sixty surveys see a bias to about CV / √60: 0.5 to 0.8 %. Four of these are allowed; coverage needs a thousand.
    for figure in simulate(lamaria, 60, 1, product_estimates):
        assert abs(figure.bias) < 4 * figure.cv / np.sqrt(60), figure
        assert 0.75 < figure.se_ratio < 1.45, figure
        assert figure.coverage >= 0.85, figure


def test_a_sample_has_every_drawn_household_and_only_what_respondents_said(lamaria: Country) -> None:
    rng = np.random.default_rng(9)
    survey = draw_survey(lamaria, rng)
    outcomes = visit_households(lamaria, rng, survey)
    sample = sample_of(lamaria, true_reports(lamaria), survey, outcomes)
    households = sample.households
    assert households.key.size == 4480
    assert np.unique(households.key).size == 4480
    assert outcomes.responded[sample.senders.household].all()
    assert outcomes.responded[sample.workers.household].all()
    assert (sample.senders.cash_usd + sample.senders.goods_usd > 0).all()
    assert (np.diff(sample.senders.household) >= 0).all()
    one_a_worker = list(zip(sample.workers.household, sample.workers.line, strict=True))
    assert len(set(one_a_worker)) == len(one_a_worker)
    tables = tables_of(lamaria, survey, outcomes)
    assert tables.totals.households.sum() == lamaria.households.psu.size
    assert (~tables.psus.is_worked).sum() == 4


def test_figures_outside_their_limits_are_not_accepted() -> None:
    good = Performance("MIG-01", "proportion", truth=0.15, bias=0.005, cv=0.04, se_ratio=1.0, coverage=0.95)
    assert good.is_within_limits
    for wrong in ({"bias": 0.02}, {"bias": -0.02}, {"se_ratio": 0.8}, {"coverage": 0.90}, {"coverage": 0.99}):
        assert not dataclasses.replace(good, **wrong).is_within_limits


def test_performance_counts_intervals_that_hold_the_truth(lamaria: Country) -> None:
    truth = true_figures(lamaria)
    values = np.array([getattr(truth, name) for name in FIGURES.values()])
    results = np.stack(
        [np.stack((values * f, values * 0.1, values * low, values * 2), axis=1) for f, low in ((1, 0.5), (1.2, 1.1))]
    )
    found = performance(truth, results)
    assert [one.coverage for one in found] == [0.5] * len(FIGURES)
    assert found[0].bias == pytest.approx(0.1)


def test_the_command_prints_json_and_its_status_is_the_verdict(capfd: pytest.CaptureFixture[str]) -> None:
    status = main(["--surveys", "4", "--jobs", "1", "--json"])
    document = json.loads(capfd.readouterr().out)
    assert document["surveys"] == 4
    assert len(document["figures"]) == len(FIGURES)
    assert status in (0, 1)
