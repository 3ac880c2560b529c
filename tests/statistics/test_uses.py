"""The table of what rests on which question is that of the rules that read them."""

import ast
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from forms import library
from server.statistics import hh_remit
from server.statistics.hh_remit import COLUMNS
from server.statistics.hh_remit.uses import USES
from server.statistics.indicators import INDICATORS
from tests.statistics.test_derive import derived, interview, sender, worker

FOLDER = Path(hh_remit.__file__).parent


class Noted(dict[str, Any]):
    """Answers that note which of them are looked for."""

    def __init__(self, answers: dict[str, Any], looked_for: set[str]) -> None:
        super().__init__(
            {
                name: [Noted(row, looked_for) for row in value] if isinstance(value, list) else value
                for name, value in answers.items()
            }
        )
        self.looked_for = looked_for

    def get(self, name: str, default: Any = None) -> Any:
        self.looked_for.add(name)
        return super().get(name, default)


def interviews() -> Iterator[dict[str, Any]]:
    for basis in ("1", "2", "3"):
        for kind in ("1", "2"):
            yield interview(
                sender=[sender(f_basis=basis, f_type=kind, f_amt="5", f_cur="USD", f_kind="1", f_kind_val="1")],
            )
    for changes in (
        {"e_earn": None, "e_earn_band": "1"},
        {"e_fullmonth": "2"},
        {"e_earn_st": "5"},
        {"e_lump": "1", "e_lump_st": "1", "e_lump_amt": "5", "e_lump_cur": "USD"},
        {"e_lump": "1", "e_lump_st": "3", "e_lump_band": "1"},
        {"e_recov": "1", "e_recov_amt": "5", "e_earn_cur": "USD"},
        {"cost": [{"k_item": 1, "k_st": "1", "k_amt": "3", "k_cur": "USD"}]},
        {"e_loan": "100", "e_loan_int": "10"},
    ):
        yield interview(worker=[worker(**changes)])
        member = {"c_line": "1", "c_age": 40, "c_ret_start": date(2025, 1, 1)}
        yield interview(member=[member], worker=[worker(**({"e_key": 101} | changes))])
    yield interview(f_any="97")


def test_every_answer_that_the_rules_look_for_is_in_the_table() -> None:
    looked_for: set[str] = set()
    for answers in interviews():
        derived(Noted(answers, looked_for))
    assert len(looked_for) > 40
    assert looked_for - set(USES) == set()


def test_every_question_named_in_the_rules_is_in_the_table() -> None:
    header, *rows = library.sheet("hh_remit", "survey")
    questions = {row[header.index("name")] for row in rows}
    questions -= {"", "c", "d"}  # groups, and the modules that workers come from
    for module in ("derive", "senders", "workers"):
        tree = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))
        named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert {name for name in named if isinstance(name, str)} & questions - set(USES) == set()
    assert set(COLUMNS) <= set(USES)


def test_the_table_names_questions_and_figures_that_there_are() -> None:
    header, *rows = library.sheet("hh_remit", "survey")
    questions = {row[header.index("name")] for row in rows}
    assert set(USES) - questions == set()
    figures = {figure for used in USES.values() for figure in used}
    assert figures == {indicator.code for indicator in INDICATORS} | {"MIG-02"}
