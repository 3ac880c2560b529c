"""References: ``${name}`` must be the name of one question, wherever a cell may hold one."""

import re
from collections.abc import Iterator
from typing import Final

from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint import vocabulary as words
from forms.workbook.lint.catalogue import finding
from forms.workbook.lint.form import Form, Item, Page
from forms.workbook.lint.formulas import MARK, Formula, children, reference
from forms.workbook.lint.nearest import hint
from forms.xpath.syntax import Call, Expression, Path

_OUTER: Final = re.compile(r"\$\{(?P<inner>[^}]+)\}|\$\{[^}]*$|\$\{\}")
_INNER: Final = re.compile(r"(?P<saved>last-saved#)?(?P<name>[^\W\d][\w.\-]*)")
_NO_REFERENCES: Final = frozenset({"type", "name", "trigger"})
_SPOKEN: Final = ("label", "hint", "guidance_hint", "constraint_message", "required_message")
_OF_MANY: Final = frozenset(
    {
        "sum",
        "count",
        "max",
        "min",
        "join",
        "concat",
        "count-non-empty",
        "position",
        "indexed-repeat",
        "randomize",
        "area",
    }
    | {
        "distance",
        "once",
        "checklist",
        "weighted-checklist",
        "pulldata",
        "id",
        "coalesce",
        "count-selected",
        "geofence",
    }
)
_GENERATED: Final = frozenset({"instanceID"})


def references(form: Form) -> Iterator[WorkbookFinding]:
    """Judge every reference of the workbook."""
    for row in form.survey.rows:
        for header in form.survey.headers:
            text = row.texts.get((header.column, header.language), "")
            if "${" in text and header.column not in _NO_REFERENCES:
                yield from _in_cell(form, form.survey, row.number, header.column, header.language, text)
    if form.choices is not None:
        for row in form.choices.rows:
            for (column, language), text in row.texts.items():
                if "${" in text and column in ("label", *words.MEDIA):
                    yield from _in_cell(form, form.choices, row.number, column, language, text)
    yield from _in_settings(form)


def _in_cell(form: Form, page: Page, row: int, column: str, language: str, text: str) -> Iterator[WorkbookFinding]:
    for code, values in _judge(form, text):
        yield page.find(code, row, column, language=language, blanks=values)


def _in_settings(form: Form) -> Iterator[WorkbookFinding]:
    for sheet in (form.settings_sheet, form.entities.sheet if form.entities else None):
        for row in sheet.rows[:1] if sheet else ():
            for column, text in row.cells.items():
                if "${" not in text or sheet is None or column in ("list_name", "list name", "repeat"):
                    continue
                for code, values in _judge(form, text):
                    place = sheet.cell(row.number, column)
                    yield finding(code, sheet=sheet.name, row=row.number, column=column, cell=place, blanks=values)


def _judge(form: Form, text: str) -> Iterator[tuple[str, dict[str, object]]]:
    for match in _OUTER.finditer(text):
        inner = _INNER.fullmatch(match["inner"] or "")
        if inner is None:
            yield "reference-malformed", {"text": match.group(0)}
            continue
        name = inner["name"]
        meant = [item for item in form.by_name.get(name, ()) if item.type != "audit"]
        if not meant and name not in _GENERATED:
            yield "reference-unknown", {"name": name, "hint": hint(name, form.by_name)}
        elif len(meant) > 1:
            yield "reference-ambiguous", {"name": name, "rows": ", ".join(str(item.row.number) for item in meant)}


def triggers(form: Form) -> Iterator[WorkbookFinding]:
    """Judge the column trigger."""
    questions = {item.name for item in form.items if not item.is_container}
    for item in form.items:
        text = item.row.get("trigger")
        if not text:
            continue
        if "${" not in text:
            yield form.survey.find("trigger-malformed", item.row.number, "trigger")
            continue
        for part in text.split(","):
            inner = _INNER.fullmatch(part.strip()[2:-1])
            if inner is None:
                yield form.survey.find("trigger-malformed", item.row.number, "trigger")
            elif inner["name"] not in questions:
                near = hint(inner["name"], questions)
                yield form.survey.find("trigger-unknown", item.row.number, "trigger", name=inner["name"], hint=near)


def into_repeats(form: Form, formulas: tuple[Formula, ...]) -> Iterator[WorkbookFinding]:
    """Find references to one answer of many: from outside a repeat to a question in it."""
    for item in form.items:
        for (column, language), text in item.row.texts.items():
            if column not in _SPOKEN or "${" not in text:
                continue
            for name in dict.fromkeys(re.findall(r"\$\{([^}#]+)\}", text)):
                repeat = _foreign_repeat(form, item, name)
                if repeat:
                    yield form.survey.find(
                        "reference-into-repeat",
                        item.row.number,
                        column,
                        language=language,
                        name=name,
                        repeat=repeat.name,
                    )
    for formula in formulas:
        names = dict.fromkeys(_alone(formula.tree)) if formula.tree is not None else ()
        for name in names if formula.column != "choice_filter" else ():
            repeat = _foreign_repeat(form, formula.item, name)
            if repeat:
                yield form.survey.find(
                    "reference-into-repeat", formula.item.row.number, formula.column, name=name, repeat=repeat.name
                )


def _foreign_repeat(form: Form, item: Item, name: str) -> Item | None:
    meant = form.by_name.get(name, ())
    if len(meant) != 1 or meant[0].is_container:
        return None
    around = {id(one) for one in item.ancestors} | {id(item)}
    return next((repeat for repeat in meant[0].repeats if id(repeat) not in around), None)


def _alone(tree: Expression) -> Iterator[str]:
    """Yield the references whose one answer is meant: not what stands in a function of many, or in a path."""
    name = reference(tree)
    if name is not None:
        yield name
    if isinstance(tree, Call) and tree.name in _OF_MANY:
        return
    for child in () if isinstance(tree, Path) else children(tree):
        yield from _alone(child)


def without_braces(form: Form, formulas: tuple[Formula, ...]) -> Iterator[WorkbookFinding]:
    """Find names of questions that somebody forgot to put between ``${`` and ``}``."""
    for formula in formulas:
        if formula.tree is None or formula.column in ("choice_filter", "required", "default"):
            continue
        for name in dict.fromkeys(_bare(formula.tree)):
            if name in form.by_name:
                yield form.survey.find("reference-without-braces", formula.item.row.number, formula.column, name=name)


def _bare(tree: Expression) -> Iterator[str]:
    if isinstance(tree, Path):
        if tree.start == "" and len(tree.steps) == 1 and not tree.predicates:
            step = tree.steps[0]
            if step.axis == "child" and not step.test.startswith(MARK) and not step.predicates:
                yield step.test
        return
    for child in children(tree):
        yield from _bare(child)
