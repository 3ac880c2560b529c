import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from forms.definition import FormDefinition
from forms.filling import Filled, fill
from forms.library import workbook
from forms.model import ModelNode
from forms.xlsform import convert
from server.demo.answers import Answers, answers_of
from server.demo.cases import Case
from server.demo.fieldwork import COMPLETE, NOT_RECEIVED, PARTIAL
from server.demo.rates import Rates, make_rates

SOFT_CHECKS = ("h_ok", "f_total_ok", "e_rci_ok")


@pytest.fixture(scope="module")
def xform() -> bytes:
    return convert(workbook("hh_remit"), "hh_remit.xlsx").xform


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


def one_of_each(cases: tuple[Case, ...], count: int) -> list[Case]:
    """Return households of every outcome, then those with most to tell, so many in all."""
    reached = [case for case in cases if case.disposition != NOT_RECEIVED]
    kinds = {case.disposition: case for case in reached}
    rest = sorted(reached, key=lambda case: -len(case.people) - len(case.senders))
    return [*kinds.values(), *rest][:count]


def test_collect_finds_no_problem_in_the_answers(
    cases: tuple[Case, ...], xform: bytes, rates: Rates, collect: Any, tmp_path: Any
) -> None:
    form = tmp_path / "hh_remit.xml"
    form.write_bytes(xform)
    root = FormDefinition.parse(xform).root
    for case in one_of_each(cases, 40):
        answers = nested(root, answers_of(case, rates, seed=148))
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


def test_filling_asks_for_all_that_is_answered(cases: tuple[Case, ...], xform: bytes, rates: Rates) -> None:
    definition = FormDefinition.parse(xform)
    for case in one_of_each(cases, 60):
        filled = fill_case(definition, case, rates)
        assert [problem for problem in filled.problems if not problem.path.split(" ")[0].endswith(SOFT_CHECKS)] == []


def test_collect_finds_nothing_in_200_filled_interviews(
    cases: tuple[Case, ...], xform: bytes, rates: Rates, collect: Any, tmp_path: Any
) -> None:
    form = tmp_path / "hh_remit.xml"
    form.write_bytes(xform)
    definition = FormDefinition.parse(xform)
    for case in one_of_each(cases, 200):
        filled = fill_case(definition, case, rates)
        result = collect(op="check", form=str(form), instance_xml=filled.xml.decode())
        assert result["ok"]
        assert result["problems"] == [], case.disposition


def fill_case(definition: FormDefinition, case: Case, rates: Rates) -> Filled:
    return fill(
        definition,
        answers_of(case, rates, seed=148),
        now=datetime(2026, 10, 5, 12, tzinfo=UTC),
        new_uuid=lambda: str(uuid.uuid4()),
        device_id="demo:0001",
    )
