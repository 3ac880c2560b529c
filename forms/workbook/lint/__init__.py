"""The linter: everything that is wrong with a workbook at once, each in its sheet, row and column.

Rules are small functions from the form to findings, one family a module; what they say is in ``catalogue``. A rule
that is not sure says nothing, and only what keeps a form from being published is an error.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint import (
    cycles,
    expressions,
    languages,
    lists,
    media,
    parameters,
    possible,
    references,
    sheets,
    structure,
    variables,
)
from forms.workbook.lint.catalogue import finding
from forms.workbook.lint.form import Form, read_form
from forms.workbook.lint.formulas import Formula, read_formulas
from forms.workbook.sheets import Workbook

__all__ = ["in_order", "lint"]

MAX_OF_A_RULE: Final = 500
_SEVERITIES: Final = {"error": 0, "warning": 1, "note": 2}


def lint(workbook: Workbook, *, given: Mapping[str, bytes] | None = None) -> tuple[WorkbookFinding, ...]:
    """Return everything that is wrong or noteworthy, errors first.

    Args:
        given: the files that came with the form, by name; what is missing is said only where some came.
    """
    absent = tuple(sheets.missing_survey(workbook))
    if absent:
        return absent
    return in_order(_all(read_form(workbook), given or {}))


def in_order(findings: Iterable[WorkbookFinding]) -> tuple[WorkbookFinding, ...]:
    """Order findings by severity; within one by sheet, then row, as they were found."""
    known = ("settings", "survey", "choices")

    def place(found: WorkbookFinding) -> tuple[int, int, int]:
        sheet = (found.sheet or "").lower()
        return (_SEVERITIES[found.severity], known.index(sheet) if sheet in known else 3, found.row or 0)

    return tuple(sorted(findings, key=place))


def _all(form: Form, given: Mapping[str, bytes]) -> Iterator[WorkbookFinding]:
    for rule in _OF_THE_FORM:
        yield from _limited(rule(form))
    formulas = read_formulas(form)
    for judge in _OF_FORMULAS:
        yield from _limited(judge(form, formulas))
    yield from _limited(media.media(form, given))


def _limited(findings: Iterator[WorkbookFinding]) -> Iterator[WorkbookFinding]:
    """Stop a rule that finds no end: a thousand findings of a kind help nobody, and take their time."""
    yield from islice(findings, MAX_OF_A_RULE)
    if next(findings, None) is not None:
        yield finding("and-more", limit=MAX_OF_A_RULE)


_OF_THE_FORM: Final[tuple[Callable[[Form], Iterator[WorkbookFinding]], ...]] = (
    sheets.misspelled_sheets,
    sheets.doubled_headers,
    sheets.unknown_columns,
    sheets.missing_choice_columns,
    sheets.undeclared_prefixes,
    sheets.excel_errors,
    sheets.settings,
    *structure.RULES,
    parameters.parameters,
    *lists.RULES,
    *languages.RULES,
    *variables.RULES,
    references.references,
    references.triggers,
)
_OF_FORMULAS: Final[tuple[Callable[[Form, tuple[Formula, ...]], Iterator[WorkbookFinding]], ...]] = (
    *expressions.RULES,
    references.into_repeats,
    references.without_braces,
    cycles.cycles,
    *possible.RULES,
)
