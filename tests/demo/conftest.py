import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.demo.cases import Case, Fieldwork, make_cases
from server.demo.country import Country, make_country
from server.demo.design import assign, draw_survey
from server.demo.fieldwork import keep_silent, visit_households
from server.demo.reporting import make_reports

RECORDED_SEED = 148
SHARED = Path(__file__).parents[2].parent / "shared"


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


@pytest.fixture(scope="session")
def collect_engine() -> Iterator[Any]:
    """ODK Collect's form engine, where Java and its harness are present."""
    source = SHARED / "collect-engine" / "engine.py"
    if not source.exists():
        pytest.skip("../shared/collect-engine is not here")
    if shutil.which("java") is None or shutil.which("javac") is None:
        pytest.skip("Collect's engine needs Java 17")
    spec = importlib.util.spec_from_file_location("collect_engine", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.Engine() as engine:
        yield engine
    engine.process.stdout.close()
