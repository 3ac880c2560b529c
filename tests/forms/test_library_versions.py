"""The three versions of the household survey: each whole in itself, each told the same interviews in its own words."""

import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from forms.definition import FormDefinition
from forms.filling import fill
from forms.instance import canonical_leaves, parse_instance
from forms.library import sheet, workbook
from forms.structure import read_answers
from forms.validation import check
from forms.xlsform import convert
from tests.forms.conftest import NOW, Collect
from tests.forms.interviews import COMPLETE, VARIED, Answers
from tests.forms.test_validation import nested, without_the_incomparable

VERSIONS = ("hh_remit@1", "hh_remit@2", "hh_remit@3")

#: What tablets fill in and offices have stored: a change of these bytes would be another version.
FIRST_VERSION_SHA256 = "318ac872f386f7ddd92038cbd2d60277665630e18c156117ac431c75267e1f88"


@pytest.fixture(scope="module", params=VERSIONS)
def name(request: pytest.FixtureRequest) -> str:
    text: str = request.param
    return text


@pytest.fixture(scope="module")
def form(name: str) -> FormDefinition:
    return FormDefinition.parse(convert(workbook(name), f"{name}.xlsx").xform)


@pytest.fixture(scope="module")
def path(name: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("versions") / f"{name}.xml"
    file.write_bytes(convert(workbook(name), f"{name}.xlsx").xform)
    return str(file)


def told_in(name: str, answers: Answers) -> Answers:
    """Return an interview of version 1 as another version asks for it."""
    told = copy.deepcopy(answers)
    if name >= "hh_remit@2":
        for sender in told.get("sender", []):
            sender |= {key: "42" for key in ("f_chan1", "f_chan2") if sender.get(key) == "4"}
        if "h_other" in told:
            told |= {"h_transport": 500, "h_small": told.pop("h_other") - 500}
    if name >= "hh_remit@3":
        for worker in told.get("worker", []):
            worker["e_found"] = worker.pop("e_path")
        if "g_land" in told:
            told["g_land_lu"] = 4 * told.pop("g_land")
    return told


def mobile_money() -> Answers:
    answers = copy.deepcopy(COMPLETE)
    answers["sender"][0] |= {"f_chan1": "4", "f_chan2": "4"}
    return answers


INTERVIEWS = VARIED | {"mobile money": mobile_money()}


def test_the_first_version_never_changes() -> None:
    assert hashlib.sha256(convert(workbook("hh_remit@1"), "a.xlsx").xform).hexdigest() == FIRST_VERSION_SHA256


def test_a_version_converts_without_a_finding_and_has_its_own_name(name: str) -> None:
    conversion = convert(workbook(name), f"{name}.xlsx")
    assert conversion.findings == ()
    assert (conversion.form_id, conversion.version) == ("hh_remit", f"202611240{name[-1]}")


def test_odk_validate_finds_nothing_in_any_version(path: str, collect: Collect) -> None:
    outcome = collect(op="validate", form=path)
    assert (outcome["valid"], outcome["errors"]) == (True, "")


def test_every_text_of_a_version_is_there_in_both_languages(name: str) -> None:
    for title in ("survey", "choices"):
        header, *rows = sheet(name, title)
        for kind in ("label", "hint", "constraint_message"):
            pair = [number for number, column in enumerate(header) if column.startswith(f"{kind}::")]
            for row in rows:
                assert len({bool(row[number]) for number in pair}) <= 1, row


def named(expression: str) -> Iterator[str]:
    for piece in expression.split("${")[1:]:
        yield piece.partition("}")[0]


def test_expressions_and_filters_name_what_the_version_has(name: str) -> None:
    _, *rows = sheet(name, "survey")
    questions = {row[1] for row in rows}
    for row in rows:
        for cell in row:
            assert set(named(cell)) <= questions, row
    lists = {row[0] for row in sheet(name, "choices")[1:]}
    assert {row[0].split()[1] for row in rows if row[0].startswith("select_")} == lists


@pytest.mark.parametrize("kind", INTERVIEWS)
def test_collect_and_we_fill_the_same_interview_and_find_nothing(
    kind: str, name: str, form: FormDefinition, path: str, collect: Collect, new_uuid: Callable[[], str]
) -> None:
    answers = told_in(name, INTERVIEWS[kind])
    ours = fill(form, answers, now=NOW, new_uuid=new_uuid, device_id="")
    assert ours.problems == ()
    theirs = collect(op="fill", form=path, answers=json.loads(json.dumps(nested(form, answers))))
    assert (theirs["problems"], theirs["validate"]) == ([], {"ok": True})
    leaves = [canonical_leaves(parse_instance(xml)) for xml in (ours.xml, theirs["xml"].encode())]
    assert without_the_incomparable(leaves[0]) == without_the_incomparable(leaves[1])
    instance = parse_instance(ours.xml)
    assert (read_answers(form, instance).findings, check(form, instance, now=NOW)) == ((), ())
    assert collect(op="check", form=path, instance_xml=ours.xml.decode())["problems"] == []


def test_the_month_of_spending_is_the_same_in_every_version(new_uuid: Callable[[], str]) -> None:
    months = set()
    for name in VERSIONS:
        form = FormDefinition.parse(convert(workbook(name), f"{name}.xlsx").xform)
        filled = fill(form, told_in(name, COMPLETE), now=NOW, new_uuid=new_uuid, device_id="")
        months.add(read_answers(form, parse_instance(filled.xml)).analysis["h_month"])
    assert len(months) == 1


@pytest.mark.parametrize(
    ("name", "answers", "place"),
    [
        ("hh_remit@1", {"f_n": 11}, "/data/f/f_n"),
        ("hh_remit@2", {"f_n": 16}, "/data/f/f_n"),
        ("hh_remit@3", {"g_land_lu": 2001}, "/data/g/g_land_lu"),
    ],
)
def test_limits_follow_the_version(name: str, answers: dict[str, Any], place: str, new_uuid: Callable[[], str]) -> None:
    form = FormDefinition.parse(convert(workbook(name), f"{name}.xlsx").xform)
    filled = fill(form, told_in(name, COMPLETE) | answers, now=NOW, new_uuid=new_uuid, device_id="")
    assert ("constraint", place) in {(one.code, one.path) for one in filled.problems}


def test_whoever_came_back_four_years_ago_is_no_returnee_of_version_3(new_uuid: Callable[[], str]) -> None:
    early = copy.deepcopy(COMPLETE)
    early["member"][1] |= {"c_ret_back": "2022-11-01", "c_ret_start": "2021-03-01"}
    found = {}
    for name in VERSIONS:
        form = FormDefinition.parse(convert(workbook(name), f"{name}.xlsx").xform)
        filled = fill(form, told_in(name, early), now=NOW, new_uuid=new_uuid, device_id="")
        found[name] = ("constraint", "/data/c/member[2]/c_ret_back") in {
            (one.code, one.path) for one in filled.problems
        }
    assert found == {"hh_remit@1": False, "hh_remit@2": False, "hh_remit@3": True}
