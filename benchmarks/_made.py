"""Interviews of the made country, of a fixed seed: as they come from the field, or the complete ones only."""

import importlib.util
import random
import shutil
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from forms.definition import FormDefinition
from forms.filling import Filled, fill
from server.demo.answers import answers_of
from server.demo.cases import Case, Fieldwork, make_cases
from server.demo.country import make_country
from server.demo.design import assign, draw_survey
from server.demo.fieldwork import NOT_RECEIVED, keep_silent, visit_households
from server.demo.rates import make_rates
from server.demo.reporting import make_reports

SEED: Final = 148
NOW: Final = datetime(2026, 11, 24, 8, tzinfo=UTC)
ENGINE: Final = Path(__file__).parents[1].parent / "shared" / "collect-engine" / "engine.py"


def cases() -> tuple[Case, ...]:
    """Return the cases of a survey of the made country in the order in which enumerators have them."""
    country, rng = make_country(SEED), np.random.default_rng([SEED, 20])
    survey = draw_survey(country, rng, psus=80)
    outcomes = visit_households(country, rng, survey)
    reports = make_reports(country, SEED)
    silences = keep_silent(country, rng, reports)
    work = Fieldwork(country, reports, silences, survey, assign(rng, survey, enumerators=100), outcomes, SEED)
    return tuple(make_cases(work))


def interviews(definition: FormDefinition, chosen: Sequence[Case]) -> list[Filled]:
    """Fill the questionnaire for these cases; the same bytes in every run."""
    rates, chance = make_rates(), random.Random(SEED)
    return [
        fill(
            definition,
            answers_of(case, rates, seed=SEED),
            now=NOW,
            new_uuid=lambda: str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            device_id="bench:0001",
        )
        for case in chosen
    ]


def forty(definition: FormDefinition) -> list[Filled]:
    """Return the first forty interviews of one enumerator after another, whatever became of them."""
    return interviews(definition, [case for case in cases() if case.disposition != NOT_RECEIVED][:40])


def checked_by_collect(xform: bytes, filled: Sequence[Filled], folder: Path) -> int | None:
    """Let ODK Collect's engine load each interview; return how many it takes as they are, None where it is not here."""
    if not ENGINE.exists() or shutil.which("java") is None or shutil.which("javac") is None:
        return None
    spec = importlib.util.spec_from_file_location("collect_engine", ENGINE)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules["collect_engine"] = module
    spec.loader.exec_module(module)
    form = folder / "form.xml"
    form.write_bytes(xform)
    with module.Engine() as engine:
        results = [engine(op="check", form=str(form), instance_xml=one.xml.decode()) for one in filled]
        engine.process.stdout.close()
    return sum(bool(result["ok"]) and not result["problems"] for result in results)
