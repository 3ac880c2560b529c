import numpy as np
import pytest

from server.demo.cases import Case, Fieldwork, make_cases
from server.demo.country import Country, make_country
from server.demo.design import assign, draw_survey
from server.demo.fieldwork import keep_silent, visit_households
from server.demo.reporting import make_reports

RECORDED_SEED = 148


@pytest.fixture(scope="session")
def lamaria() -> Country:
    return make_country(RECORDED_SEED)


@pytest.fixture(scope="session")
def fieldwork(lamaria: Country) -> Fieldwork:
    """A quarter survey of the recorded country: 80 PSUs, 1 120 households, 100 enumerators."""
    rng = np.random.default_rng([RECORDED_SEED, 20])
    survey = draw_survey(lamaria, rng, psus=80)
    outcomes = visit_households(lamaria, rng, survey)
    reports = make_reports(lamaria, RECORDED_SEED)
    silences = keep_silent(lamaria, rng, reports)
    assignment = assign(rng, survey, enumerators=100)
    return Fieldwork(lamaria, reports, silences, survey, assignment, outcomes, RECORDED_SEED)


@pytest.fixture(scope="session")
def cases(fieldwork: Fieldwork) -> tuple[Case, ...]:
    return make_cases(fieldwork)
