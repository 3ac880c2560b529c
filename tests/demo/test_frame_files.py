import numpy as np
import pytest

from server.demo.country import Country
from server.demo.design import Survey, assign, draw_survey
from server.demo.frame_files import FrameFiles, make_frame_files
from server.demo.rates import make_rates
from server.services.import_frame.agreement import check_draw, check_listing, check_strata, check_totals
from server.services.import_frame.reading import Tables, read_tables


@pytest.fixture(scope="module")
def survey(lamaria: Country) -> Survey:
    return draw_survey(lamaria, np.random.default_rng(11), psus=80)


@pytest.fixture(scope="module")
def files(lamaria: Country, survey: Survey) -> FrameFiles:
    assignment = assign(np.random.default_rng(12), survey, enumerators=100)
    return make_frame_files(lamaria, survey, assignment, make_rates())


@pytest.fixture(scope="module")
def tables(files: FrameFiles) -> Tables:
    return read_tables(
        {
            "frame": files.frame,
            "listing": files.listing,
            "draw": files.draw,
            "rates": files.rates,
            "totals": files.totals,
        }
    )


def test_the_office_reads_the_files_without_an_error(tables: Tables) -> None:
    assert tables.frame is not None
    assert tables.listing is not None
    assert tables.draw is not None
    assert tables.totals is not None
    frame = {key: row for key, (_, row) in tables.frame.items()}
    check_strata(tables.frame, tables.errors)
    check_listing(tables.listing, frame, tables.errors)
    check_draw(tables.draw, {key: row for key, (_, row) in tables.listing.items()}, tables.errors)
    check_totals(frozenset(tables.totals), frame, tables.errors)
    assert tables.errors.found == []


def test_the_files_hold_the_whole_frame_and_the_drawn_households(lamaria: Country, tables: Tables) -> None:
    assert tables.frame is not None
    assert tables.draw is not None
    assert tables.totals is not None
    assert tables.rates is not None
    assert len(tables.frame) == 2950
    assert sum(row.drawn for _, row in tables.frame.values()) == 80
    assert len(tables.draw) == 1120
    assert sum(row.households for _, row in tables.totals.values()) == lamaria.households.psu.size
    assert float(tables.rates["USD", "2026-11"][1].lcu_per_unit) == 125.5
    assert float(tables.rates["USD", "2024-12"][1].lcu_per_unit) == 114.0
    assert tables.rates["LBP", "2025-10"][1].lcu_per_unit / tables.rates["LBP", "2025-11"][1].lcu_per_unit > 1.9
