"""The same households asked on version 1, 2 or 3, or on all three at once, give the same figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forms import library
from server.demo.answers import VERSIONS
from server.demo.cases import Case
from server.demo.country import Country
from server.services import estimate, publish_form
from server.services.estimate import PreparedRelease
from server.statistics.hh_remit import RESTS_ON
from server.statistics.indicators import INDICATORS
from tests.statistics.office import NOW, Made, Office, make_survey

MIXED = "mixed"


def asked_on(version: int) -> Callable[[Case], int]:
    return lambda case: version


def mixed(case: Case) -> int:
    return VERSIONS[int(case.key) % len(VERSIONS)]


@pytest.fixture(scope="module")
def surveys(country: Country) -> dict[Any, Made]:
    return {version: make_survey(country, asked_on(version)) for version in VERSIONS} | {
        MIXED: make_survey(country, mixed)
    }


def finished(made: Made, versions: tuple[int, ...], folder: Path, keys_dir: Path) -> Office:
    office = Office.found(folder, keys_dir, made, versions)
    office.store(made.interviews)
    office.finish_fieldwork()
    return office


def prepared_by(office: Office) -> PreparedRelease:
    with office.context.database.read() as session:
        return estimate.prepare(session, microdata=office.context.microdata, now=NOW)


@pytest.fixture(scope="module")
def releases(
    surveys: dict[Any, Made], keys_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, PreparedRelease]:
    found = {}
    for name, made, versions in (
        ("on 1 alone", surveys[1], (1,)),
        ("on 1, with 2 and 3 published", surveys[1], (1, 2, 3)),
        ("on 2", surveys[2], (1, 2, 3)),
        ("on 3", surveys[3], (1, 2, 3)),
        ("on all at once", surveys[MIXED], (1, 2, 3)),
    ):
        office = finished(made, versions, tmp_path_factory.mktemp("office"), keys_dir)
        found[name] = prepared_by(office)
        office.close()
    return found


def but_inputs(release: PreparedRelease) -> dict[str, Any]:
    return {name: value for name, value in json.loads(release.content).items() if name != "inputs_hash"}


def test_every_version_gives_the_same_release_but_for_its_inputs(releases: dict[str, PreparedRelease]) -> None:
    first = but_inputs(releases["on 1 alone"])
    assert first["counts"]["respondents"] > 900
    for name, release in releases.items():
        assert but_inputs(release) == first, name


def test_versions_and_their_maps_are_inputs(releases: dict[str, PreparedRelease]) -> None:
    assert len({release.inputs_hash for release in releases.values()}) == len(releases)


def test_another_map_is_another_input(
    surveys: dict[Any, Made], keys_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    hashes = set()
    workbook = library.workbook("hh_remit@2", leave_out=(library.MAP,))
    declared = library.map_file("hh_remit@2") or b""
    for content in (declared, declared.replace(b"Mobile money, not split", b"Mobile money of any kind")):
        office = finished(surveys[1], (1,), tmp_path_factory.mktemp("map"), keys_dir)
        prepared = publish_form.prepare(workbook, "hh_remit.xlsx", map_content=content)
        with office.context.database.transaction() as session:
            publish_form.publish(session, prepared, note="", user="manager", now=NOW)
        hashes.add(prepared_by(office).inputs_hash)
        office.close()
    assert len(hashes) == 2


def test_figures_rest_on_questions_that_the_form_has_and_every_figure_rests_on_some() -> None:
    asked = {row[1] for number in VERSIONS for row in library.sheet(f"hh_remit@{number}", "survey")}
    assert set(RESTS_ON) <= asked
    assert {figure for figures in RESTS_ON.values() for figure in figures} == {one.code for one in INDICATORS} | {
        "MIG-02"
    }
