"""Expressions: their syntax, their functions, and comparisons that can never be equal."""

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint import vocabulary as words
from forms.workbook.lint.form import Form, Item
from forms.workbook.lint.formulas import MARK, Formula, constant, everything, is_own, reference
from forms.workbook.lint.functions import ARGUMENTS, MANY, NOT_IN_COLLECT
from forms.workbook.lint.nearest import hint
from forms.xpath.syntax import Binary, Call, Expression, Path, XPathError

_WHERE: Final = re.compile(r"\s*\(character \d+\)")
_SELECTED: Final = frozenset({"selected", "is-selected"})


def syntax(form: Form, formulas: tuple[Formula, ...]) -> Iterator[WorkbookFinding]:
    """Say where an expression breaks off, in the cell's own text."""
    for formula in formulas:
        if formula.error is not None:
            at, message, found = syntax_error(formula.text, formula.error)
            yield form.survey.find(
                "xpath-syntax", formula.item.row.number, formula.column, at=at, message=message, found=found
            )


def syntax_error(text: str, error: XPathError) -> tuple[int, str, str]:
    """Return the character (from 1), the English message, and what stands there."""
    message = _WHERE.sub("", error.message).replace(f"({MARK}", "${")
    rest = text[error.offset : error.offset + 12]
    return error.offset + 1, message, f"« {rest} »" if rest.strip() else "fin de l'expression"


def functions(form: Form, formulas: tuple[Formula, ...]) -> Iterator[WorkbookFinding]:
    """Find functions that there are not, and wrong numbers of arguments."""
    for formula in formulas:
        for code, values in wrong_calls(formula.tree) if formula.tree is not None else ():
            yield form.survey.find(code, formula.item.row.number, formula.column, blanks=values)


def wrong_calls(tree: Expression) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the code and the values of a finding for each call that cannot be."""
    for part in everything(tree):
        if not isinstance(part, Call):
            continue
        at, count = part.offset + 1, len(part.arguments)
        if part.name not in ARGUMENTS:
            if ":" not in part.name or part.name.startswith("jr:"):
                yield "function-unknown", {"name": part.name, "hint": hint(part.name, ARGUMENTS), "at": at}
            continue
        if part.name in NOT_IN_COLLECT:
            yield "function-not-in-collect", {"name": part.name, "at": at}
        least, most = ARGUMENTS[part.name]
        if not least <= count <= most:
            wanted = str(least) if least == most else f"{least}+" if most == MANY else f"{least}–{most}"
            yield "argument-count", {"name": part.name, "wanted": wanted, "count": count, "at": at}


def comparisons(form: Form, formulas: tuple[Formula, ...]) -> Iterator[WorkbookFinding]:
    """Find comparisons of a select with what is no choice, and of a number with words."""
    for formula in formulas:
        if formula.tree is None or formula.column == "choice_filter":
            continue
        said: set[tuple[str, str]] = set()
        for item, value in _compared(form, formula):
            key = (item.name, str(value))
            found = _never_equal(form, item, value)
            if found is not None and key not in said:
                said.add(key)
                code, values = found
                yield form.survey.find(code, formula.item.row.number, formula.column, name=item.name, blanks=values)


def _compared(form: Form, formula: Formula) -> Iterator[tuple[Item, str | float]]:
    for part in everything(formula.tree) if formula.tree is not None else ():
        if isinstance(part, Binary) and part.operator in ("=", "!="):
            pairs = [(part.left, part.right), (part.right, part.left)]
        elif isinstance(part, Call) and part.name in _SELECTED and len(part.arguments) == 2:
            pairs = [(part.arguments[0], part.arguments[1])]
        else:
            continue
        for left, right in pairs:
            item, value = item_of(form, formula.item, left), constant(right)
            if item is not None and value is not None:
                yield item, value


def item_of(form: Form, own: Item, tree: Expression) -> Item | None:
    """Return the question that a tree is the answer of; None where it is none, or not one."""
    if is_own(tree):
        return own
    name = reference(tree)
    meant = form.by_name.get(name, ()) if name is not None else ()
    return meant[0] if len(meant) == 1 else None


def _never_equal(form: Form, item: Item, value: str | float) -> tuple[str, dict[str, object]] | None:
    codes = form.codes_of(item)
    if codes is not None and not item.row.get("calculation"):
        if isinstance(value, float):
            is_possible = any(as_number(code) == value for code in codes)
        else:
            is_possible = value == "" or value in codes or (item.type != "select_one" and " " in value)
        if not is_possible:
            shown = f"{value:g}" if isinstance(value, float) else value
            return "comparison-not-a-choice", {"value": shown, "list": item.list_name}
    elif item.type in words.NUMBERS and isinstance(value, str) and value.strip() and as_number(value) is None:
        return "comparison-not-a-number", {"value": value}
    return None


def as_number(text: str) -> float | None:
    """Return the number that a text is; None where it is none."""
    try:
        return float(text)
    except ValueError:
        return None


def filters(form: Form, formulas: tuple[Formula, ...]) -> Iterator[WorkbookFinding]:
    """Find columns of choices that a choice_filter names and that there are not."""
    if form.choices is None:
        return
    known = {header.column for header in form.choices.headers} | {header.text for header in form.choices.headers}
    known |= {"name", "label", "itextId"}
    for formula in formulas:
        if formula.column != "choice_filter" or formula.tree is None or formula.item.list_name not in form.lists:
            continue
        if PurePath(formula.item.list_name).suffix or formula.item.type == "select_one_external":
            continue
        for name in dict.fromkeys(_columns(formula.tree)):
            if name not in known:
                near = hint(name, known - {"itextId"})
                yield form.survey.find(
                    "filter-column-unknown", formula.item.row.number, "choice_filter", name=name, hint=near
                )


def _columns(tree: Expression) -> Iterator[str]:
    for part in everything(tree):
        if isinstance(part, Path) and part.start == "" and len(part.steps) == 1:
            step = part.steps[0]
            if step.axis == "child" and not step.test.startswith(MARK) and step.test not in ("*", "node()", "text()"):
                yield step.test


RULES: Final = (syntax, functions, comparisons, filters)
