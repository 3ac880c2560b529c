import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from forms.definition import FormDefinition
from forms.filling import Filled, fill
from forms.library import workbook
from forms.model import ModelNode
from forms.xlsform import convert
from server.demo.answers import VERSIONS, Answers, answers_of
from server.demo.cases import Case
from server.demo.fieldwork import COMPLETE, NOT_RECEIVED, PARTIAL
from server.demo.rates import Rates, make_rates

SOFT_CHECKS = ("h_ok", "f_total_ok", "e_rci_ok")


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def xform(version: int) -> bytes:
    return convert(workbook(f"hh_remit@{version}"), "hh_remit.xlsx").xform


@pytest.fixture(scope="module")
def rates() -> Rates:
    return make_rates()


def nested(node: ModelNode, flat: Answers) -> dict[str, Any]:
    """Put flat answers into the groups of the form."""
    found: dict[str, Any] = {}
    for child in node.children:
        value = flat.get(child.name)
        if child.kind == "group":
            found |= {child.name: inner} if (inner := nested(child, flat)) else {}
        elif isinstance(value, list):
            found[child.name] = [nested(child, row) for row in value]
        elif value is not None:
            found[child.name] = value
    return found


def reached(cases: tuple[Case, ...]) -> list[Case]:
    return [case for case in cases if case.disposition != NOT_RECEIVED]


def one_of_each(cases: tuple[Case, ...], count: int) -> list[Case]:
    """Return households of every outcome, then those with most to tell, so many in all."""
    kinds = {case.disposition: case for case in reached(cases)}
    rest = sorted(reached(cases), key=lambda case: -len(case.people) - len(case.senders))
    return [*kinds.values(), *rest][:count]


def test_collect_finds_no_problem_in_the_answers(
    cases: tuple[Case, ...], version: int, xform: bytes, rates: Rates, collect: Any, tmp_path: Any
) -> None:
    form = tmp_path / "hh_remit.xml"
    form.write_bytes(xform)
    root = FormDefinition.parse(xform).root
    for case in one_of_each(cases, 25):
        answers = nested(root, answers_of(case, rates, seed=148, version=version))
        result = collect(op="fill", form=str(form), answers=answers)
        problems = [
            problem for problem in result["problems"] if not str(problem.get("path", problem)).endswith(SOFT_CHECKS)
        ]
        assert problems == [], case.disposition


def test_answers_of_a_household_are_the_same_every_time(cases: tuple[Case, ...], rates: Rates) -> None:
    assert answers_of(cases[5], rates, seed=148) == answers_of(cases[5], rates, seed=148)


def test_what_no_one_answers_ends_after_the_cover(cases: tuple[Case, ...], rates: Rates) -> None:
    for case in cases:
        if case.disposition in (COMPLETE, PARTIAL, NOT_RECEIVED):
            continue
        answers = answers_of(case, rates, seed=148)
        assert answers["j_result"] == str(case.disposition)
        assert not {"d_n", "f_any", "h_food7"} & set(answers)


def test_a_partial_interview_lacks_module_h_alone(cases: tuple[Case, ...], rates: Rates) -> None:
    partial = next(case for case in cases if case.disposition == PARTIAL)
    answers = answers_of(partial, rates, seed=148)
    assert answers["b_stop"] == "8"
    assert {"g_wall", "f_any", "d_n"} <= set(answers)
    assert "h_food7" not in answers


def test_two_in_five_people_are_children(cases: tuple[Case, ...], rates: Rates) -> None:
    ages = [
        int(str(member["c_age"]))
        for case in cases
        if case.disposition == COMPLETE
        for member in answers_of(case, rates, seed=148)["member"]
        if not isinstance(member, str)
    ]
    assert 0.33 < sum(age < 15 for age in ages) / len(ages) < 0.43


def test_filling_asks_for_all_that_is_answered(
    cases: tuple[Case, ...], version: int, xform: bytes, rates: Rates
) -> None:
    definition = FormDefinition.parse(xform)
    for case in one_of_each(cases, 60):
        filled = fill_case(definition, case, rates, version)
        assert [problem for problem in filled.problems if not problem.path.split(" ")[0].endswith(SOFT_CHECKS)] == []


def test_collect_finds_nothing_in_100_filled_interviews(
    cases: tuple[Case, ...], version: int, xform: bytes, rates: Rates, collect: Any, tmp_path: Any
) -> None:
    form = tmp_path / "hh_remit.xml"
    form.write_bytes(xform)
    definition = FormDefinition.parse(xform)
    for case in one_of_each(cases, 100):
        filled = fill_case(definition, case, rates, version)
        result = collect(op="check", form=str(form), instance_xml=filled.xml.decode())
        assert result["ok"]
        assert result["problems"] == [], case.disposition


def fill_case(definition: FormDefinition, case: Case, rates: Rates, version: int) -> Filled:
    return fill(
        definition,
        answers_of(case, rates, seed=148, version=version),
        now=datetime(2026, 10, 5, 12, tzinfo=UTC),
        new_uuid=lambda: str(uuid.uuid4()),
        device_id="demo:0001",
    )


def flat(answers: Answers) -> dict[str, Any]:
    """Return answers by place, rows numbered."""
    found: dict[str, Any] = {}
    for name, value in answers.items():
        if isinstance(value, str):
            found[name] = value
        else:
            for number, row in enumerate(value):
                found |= {f"{name}[{number}]/{place}": inner for place, inner in flat(row).items()}
    return found


def changed(cases: tuple[Case, ...], rates: Rates, *, before: int, after: int) -> set[str]:
    """Return the names of questions whose answers differ between two versions, over many households."""
    names = set()
    for case in reached(cases):
        old, new = (flat(answers_of(case, rates, seed=148, version=one)) for one in (before, after))
        names |= {place.rpartition("/")[2] for place, _ in old.items() ^ new.items()}
    return names


def test_a_version_changes_the_answers_that_its_changes_are_about_and_no_other(
    cases: tuple[Case, ...], rates: Rates
) -> None:
    assert changed(cases, rates, before=1, after=2) == {"f_chan1", "f_chan2", "h_other", "h_transport", "h_small"}
    returns = {"c_ret", "c_ret_country", "c_ret_back", "c_ret_reason", "c_ret_12", "c_ret_job", "c_ret_start"}
    renamed = {"e_path", "e_found", "g_land", "g_land_lu"}
    assert changed(cases, rates, before=2, after=3) == returns | renamed | {"c_educ"}


def test_a_split_amount_adds_up_and_land_is_exact(cases: tuple[Case, ...], rates: Rates) -> None:
    for case in reached(cases):
        first, newest = (answers_of(case, rates, seed=148, version=one) for one in (1, 3))
        if "h_other" in first:
            split = Decimal(str(newest["h_transport"])) + Decimal(str(newest["h_small"]))
            assert split == Decimal(str(first["h_other"]))
        if "g_land" in first:
            assert Decimal(str(newest["g_land_lu"])) == 4 * Decimal(str(first["g_land"]))
