"""The same households asked on version 1, 2 or 3, or on all three at once, give the same figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from forms import library
from forms.definition import FormDefinition
from server.app import create_app
from server.demo.answers import VERSIONS
from server.demo.cases import Case
from server.demo.country import Country
from server.demo.rollout import version_name
from server.services import estimate, publish_form
from server.services.estimate import PreparedRelease
from tests.office import bearer
from tests.statistics.office import NOW, Made, Office, Opened, make_survey, prepared_version

MIXED = "mixed"
Door: TypeAlias = Callable[..., list[dict[str, str]]]


def asked_on(version: int) -> Callable[[Case], int]:
    return lambda case: version


def mixed(case: Case) -> int:
    """Return the place of a version; two checking digits of a key are as good as drawn."""
    return int(case.key[-2:]) % len(VERSIONS)


@pytest.fixture(scope="module")
def surveys(country: Country) -> dict[Any, Made]:
    made: dict[Any, Made] = {version: make_survey(country, asked_on(version)) for version in VERSIONS}
    alike = zip(*(made[version].interviews for version in VERSIONS), strict=True)
    return made | {MIXED: Made(made[1].fieldwork, tuple(told[mixed(told[0].case)] for told in alike))}


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


@pytest.fixture(scope="module")
def door(surveys: dict[Any, Made], keys_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The microdata of an office with interviews on all versions, as a statistician fetches them."""
    office = finished(surveys[MIXED], VERSIONS, tmp_path_factory.mktemp("door"), keys_dir)
    client = create_app(office.context.config, office.context).test_client()
    headers = bearer(office.context, "statistician")

    def fetch(**options: str) -> list[dict[str, str]]:
        answer = client.get("/api/v1/microdata.csv", query_string=options, headers=headers)
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.text)))

    yield fetch
    assert client.get("/api/v1/microdata.csv?as_of=none", headers=headers).status_code == 404
    office.close()


def but_inputs(release: PreparedRelease) -> dict[str, Any]:
    return {name: value for name, value in json.loads(release.content).items() if name != "inputs_hash"}


def test_every_version_gives_the_same_release_but_for_its_inputs(releases: dict[str, PreparedRelease]) -> None:
    first = but_inputs(releases["on 1 alone"])
    assert first["counts"]["respondents"] > 900
    for name, release in releases.items():
        assert but_inputs(release) == first, name


def under_an_older_name(one: Opened, definition: FormDefinition) -> Opened:
    """Return an interview on a form that calls ``f_amt`` by another name."""
    row = dict(one.answers.analysis)
    if row.get("sender"):
        row["sender"] = [
            {"f_told" if name == "f_amt" else name: value for name, value in sender.items()} for sender in row["sender"]
        ]
    return replace(one, definition=definition, answers=replace(one.answers, analysis=row))


def test_amounts_under_another_name_are_read_through_the_map(
    surveys: dict[Any, Made],
    releases: dict[str, PreparedRelease],
    keys_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    newest = prepared_version(3)
    xform = newest.conversion.xform.replace(b"f_amt", b"f_told").replace(b"2026112403", b"2026112400")
    older = publish_form.prepare(xform, "older.xml")
    made = Made(
        surveys[3].fieldwork, tuple(under_an_older_name(one, older.definition) for one in surveys[3].interviews)
    )
    office = Office.found(tmp_path_factory.mktemp("older"), keys_dir, made, ())
    renamed = publish_form.prepare(
        newest.workbook, newest.filename, map_content=b"question,change,from,to,rule,note\nf_amt,renamed,f_told,,,\n"
    )
    with office.context.database.transaction() as session:
        for version in (older, renamed):
            publish_form.publish(session, version, note="", user="manager", now=NOW)
    office.store(made.interviews)
    office.finish_fieldwork()
    assert but_inputs(prepared_by(office)) == but_inputs(releases["on 3"])
    office.close()


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


def count(rows: list[dict[str, str]], name: str, *codes: str) -> int:
    return sum(row.get(name) in codes for row in rows)


def test_microdata_come_harmonised_as_of_the_newest_version(door: Door) -> None:
    households, senders = door(), door(table="sender")
    assert {"h_transport", "h_small", "h_other", "g_land_lu"} <= set(households[0])
    assert "g_land" not in households[0]
    # Nobody invents a split: what was asked as one stays one.
    split = [row for row in households if row["h_month"] and row["h_other"]]
    assert split
    assert {row["h_transport"] or row["h_small"] for row in split} == {""}
    assert {code: count(senders, "f_chan1", code) > 0 for code in ("4", "4x", "41", "42")} == {
        "4": False,
        "4x": True,
        "41": True,
        "42": True,
    }
    assert set(door(table="worker")[0]) & {"e_path", "e_found"} == {"e_found"}


def test_microdata_as_collected_have_the_columns_of_every_version(door: Door) -> None:
    households, senders = door(as_of="collected"), door(as_of="collected", table="sender")
    assert {"g_land", "g_land_lu", "h_other", "h_transport"} <= set(households[0])
    assert count(senders, "f_chan1", "4") == count(door(table="sender"), "f_chan1", "4x")
    hectares = sum(Decimal(row["g_land"] or 0) + Decimal(row["g_land_lu"] or 0) / 4 for row in households)
    assert hectares == sum(Decimal(row["g_land_lu"] or 0) / 4 for row in door())


def test_microdata_as_of_another_version_keep_their_weights(door: Door) -> None:
    second = door(as_of=version_name(2))
    assert {"g_land", "h_other", "h_transport"} <= set(second[0])
    assert [row["weight"] for row in second] == [row["weight"] for row in door()]


def test_who_came_back_long_ago_is_no_returnee_as_of_version_3_whatever_was_asked(door: Door) -> None:
    members, collected = door(table="member"), door(table="member", as_of="collected")
    assert count(collected, "c_ret", "1") > count(members, "c_ret", "1") > 0
    assert all(row["c_ret_country"] == "" for row in members if row["c_ret"] != "1")
