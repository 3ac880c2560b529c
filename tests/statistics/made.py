"""Simulated surveys of the made country, and small samples with round numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from server.demo.country import Country
from server.demo.design import draw_survey
from server.demo.fieldwork import visit_households
from server.demo.reporting import true_reports
from server.demo.sampled import sample_of, tables_of
from server.statistics.sample import (
    Costs,
    DesignTables,
    Households,
    Listings,
    Psus,
    Sample,
    Senders,
    Totals,
    Workers,
)

RECORDED_SEED = 148


@dataclass(frozen=True)
class SimulatedSurvey:
    sample: Sample
    tables: DesignTables


def simulated(country: Country, number: int, *, psus: int = 320) -> SimulatedSurvey:
    rng = np.random.default_rng([RECORDED_SEED, 77, number])
    survey = draw_survey(country, rng, psus=psus)
    outcomes = visit_households(country, rng, survey)
    reports = true_reports(country)
    return SimulatedSurvey(sample_of(country, reports, survey, outcomes), tables_of(country, survey, outcomes))


def make_senders(count: int, **columns: Any) -> Senders:
    nothing = np.full(count, np.nan)
    values: dict[str, Any] = {
        "household": np.arange(count),
        "line": np.ones(count, dtype=np.int64),
        "country": np.full(count, "SAU"),
        "sex": np.ones(count, dtype=np.int64),
        "kind_of_sender": np.ones(count, dtype=np.int64),
        "nonresident": np.ones(count, dtype=bool),
        "months": np.full(count, 6),
        "cash_usd": np.full(count, 100.0),
        "cash_low_usd": nothing,
        "cash_high_usd": nothing,
        "cash_imputed": np.zeros(count, dtype=np.int64),
        "goods_usd": np.zeros(count),
    }
    return Senders(**(values | columns))


def make_workers(count: int, **columns: Any) -> Workers:
    nothing = np.full(count, np.nan)
    values: dict[str, Any] = {
        "household": np.arange(count),
        "line": np.full(count, 201),
        "country": np.full(count, "SAU"),
        "sex": np.ones(count, dtype=np.int64),
        "is_proxy": np.zeros(count, dtype=bool),
        "has_borrowed": np.zeros(count, dtype=bool),
        "earnings_state": np.ones(count, dtype=np.int64),
        "earnings_usd": np.full(count, 400.0),
        "earnings_low_usd": nothing,
        "earnings_high_usd": nothing,
        "earnings_imputed": np.zeros(count, dtype=np.int64),
    }
    return Workers(**(values | columns))


def make_costs(worker: Sequence[int], usd: Sequence[float], **columns: Any) -> Costs:
    nothing = np.full(len(worker), np.nan)
    values: dict[str, Any] = {
        "worker": np.array(worker, dtype=np.int64),
        "item": np.zeros(len(worker), dtype=np.int64),
        "usd": np.array(usd, dtype=np.float64),
        "low_usd": nothing,
        "high_usd": nothing,
        "imputed": np.zeros(len(worker), dtype=np.int64),
    }
    return Costs(**(values | columns))


def make_tables(*, worked: Sequence[bool] = (True, True, True, True), **columns: Any) -> DesignTables:
    """Two provinces; the first has strata of two areas; F, listing and draw are round numbers."""
    values: dict[str, Any] = {
        "psu": np.array(["p1", "p2", "p3", "p4"]),
        "stratum": np.array(["s1", "s1", "s2", "s2"]),
        "province": np.array(["01"] * 4),
        "area": np.array(["1", "1", "2", "2"]),
        "frame_households": np.array([100, 50, 80, 40]),
        "stratum_frame_households": np.array([1000, 1000, 800, 800]),
        "drawn_in_stratum": np.array([2, 2, 2, 2]),
        "is_certain": np.zeros(4, dtype=bool),
        "segments": np.ones(4, dtype=np.int64),
        "is_worked": np.array(worked),
    }
    psus = Psus(**(values | columns))
    listings = Listings(
        psu=np.repeat(psus.psu, 2),
        listing_class=np.tile([1, 2], psus.psu.size),
        listed=np.tile([20, 90], psus.psu.size),
        drawn=np.tile([8, 6], psus.psu.size),
    )
    totals = Totals(province=np.array(["01", "01"]), area=np.array(["1", "2"]), households=np.array([1100, 900]))
    return DesignTables(psus, listings, totals)


def make_households(tables: DesignTables, **columns: Any) -> Households:
    """Eight of class 1 and six of class 2 in each PSU, all of them complete."""
    psu = np.repeat(tables.psus.psu, 14)
    count = psu.size
    values: dict[str, Any] = {
        "key": np.array([f"{one}-{number:03d}" for number, one in enumerate(psu)]),
        "psu": psu,
        "listing_class": np.tile(np.repeat([1, 2], [8, 6]), tables.psus.psu.size),
        "disposition": np.full(count, 110),
        "sex_head": np.ones(count, dtype=np.int64),
        "is_migrant": np.zeros(count, dtype=bool),
        "last_module": np.full(count, 9),
    }
    return Households(**(values | columns))
