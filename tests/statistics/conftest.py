"""The made country and two surveys of it."""

from __future__ import annotations

import pytest

from server.demo.country import Country, make_country
from server.demo.truth import Figures, true_figures
from tests.statistics.made import RECORDED_SEED, SimulatedSurvey, simulated


@pytest.fixture(scope="session")
def country() -> Country:
    return make_country(RECORDED_SEED)


@pytest.fixture(scope="session")
def truth(country: Country) -> Figures:
    return true_figures(country)


@pytest.fixture(scope="session")
def full_survey(country: Country) -> SimulatedSurvey:
    return simulated(country, 0)


@pytest.fixture(scope="session")
def quarter_survey(country: Country) -> SimulatedSurvey:
    return simulated(country, 0, psus=80)
