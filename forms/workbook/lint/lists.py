"""Choice lists: named, filled, used, and their choices told apart."""

from collections.abc import Collection, Iterator
from pathlib import PurePath
from typing import Final

from forms.findings import Severity
from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint import vocabulary as words
from forms.workbook.lint.form import ChoiceRow, Form, Item
from forms.workbook.lint.nearest import hint

_FROM_FILE: Final = ("select_one_from_file", "select_multiple_from_file")


def lists_of_questions(form: Form) -> Iterator[WorkbookFinding]:
    """Find selects whose list does not exist."""
    for item in form.items:
        number = item.row.number
        if item.type in _FROM_FILE:
            path = PurePath(item.list_name)
            if len(path.suffixes) != 1 or path.suffix not in words.LIST_FILE_SUFFIXES:
                yield form.survey.find("list-file-type", number, "type", name=item.list_name)
        elif item.type == "select_one_external":
            if item.list_name not in form.external_lists:
                yield _unknown(form, item, "external_choices", form.external_lists)
        elif item.list_name not in form.lists and _needs_list(item):
            yield _unknown(form, item, "choices", form.lists)
        if item.has_other and item.row.get("choice_filter"):
            yield form.survey.find("or-other-filter", number, "choice_filter")


def _needs_list(item: Item) -> bool:
    """Say whether a list must stand in choices: it is neither a repeat of the form nor a file."""
    name = item.list_name
    is_elsewhere = "${" in name or PurePath(name).suffix in words.LIST_FILE_SUFFIXES
    return bool(name) and item.type != "osm" and not is_elsewhere


def _unknown(form: Form, item: Item, sheet: str, known: Collection[str]) -> WorkbookFinding:
    number = item.row.number
    if not known:
        near = hint(sheet, form.workbook.sheets) if sheet not in form.workbook.sheets else ""
        return form.survey.find("choices-sheet-missing", number, "type", name=sheet, list=item.list_name, hint=near)
    return form.survey.find("list-unknown", number, "type", name=item.list_name, hint=hint(item.list_name, known))


def unused_lists(form: Form) -> Iterator[WorkbookFinding]:
    """Find lists that no question uses."""
    used = {item.list_name for item in form.items}
    mentions = " ".join(
        cell for row in form.survey.rows for cell in row.cells.values() if "instance(" in cell or "=" in cell
    )
    for name, choices in form.lists.items():
        if form.choices and name not in used and name not in mentions:
            yield form.choices.find("list-unused", choices[0].row.number, "list_name", name=name)


def choices(form: Form) -> Iterator[WorkbookFinding]:
    """Judge every choice: named, labelled, once."""
    page = form.choices
    if page is None:
        return
    for row in page.rows:
        if not row.get("list_name") and (row.get("name") or row.get("label")) and page.has("list_name"):
            yield page.find("choice-without-list", row.number, "list_name")
    may_repeat = form.settings.get("allow_choice_duplicates", "") in words.YES
    for name, rows in form.lists.items():
        yield from _one_list(form, name, rows, may_repeat=may_repeat)


def _one_list(form: Form, name: str, rows: tuple[ChoiceRow, ...], *, may_repeat: bool) -> Iterator[WorkbookFinding]:
    page = form.choices
    if page is None or not page.has("name"):
        return
    shown = {item.list_name for item in form.items if item.type in ("select_one", "select_multiple", "rank")}
    seen: dict[str, int] = {}
    labels: dict[tuple[tuple[str, str], ...], str] = {}
    for choice in rows:
        number = choice.row.number
        if not choice.name:
            yield page.find("choice-without-name", number, "name", list=name)
            continue
        if choice.name in seen:
            if not may_repeat:
                yield page.find(
                    "choice-duplicate", number, "name", name=choice.name, list=name, other=seen[choice.name]
                )
            continue
        seen[choice.name] = number
        if not any(choice.row.get(column) for column in ("label", *words.MEDIA)):
            severity: Severity = "error" if name in shown else "warning"
            yield page.find("choice-without-label", number, "label", severity=severity, name=choice.name, list=name)
            continue
        said = tuple(
            sorted(
                (f"{column}::{language}", text)
                for (column, language), text in choice.row.texts.items()
                if column in ("label", *words.MEDIA)
            )
        )
        if said in labels and not _has_further_columns(form):
            yield page.find("choice-same-label", number, "label", name=labels[said], other=choice.name, list=name)
        labels.setdefault(said, choice.name)


def _has_further_columns(form: Form) -> bool:
    """Say whether filters may tell choices of one label apart (two towns of one name in two districts)."""
    return form.choices is not None and any(not header.is_known for header in form.choices.headers)


def spaces(form: Form) -> Iterator[WorkbookFinding]:
    """Find codes with a blank in lists of which several may be chosen."""
    said: set[tuple[str, int]] = set()
    for item in form.items:
        if item.type not in ("select_multiple", "rank") or form.choices is None:
            continue
        for choice in form.lists.get(item.list_name, ()):
            key = (item.list_name, choice.row.number)
            if " " in choice.name and key not in said:
                said.add(key)
                severity: Severity = "error" if item.type == "select_multiple" else "warning"
                yield form.choices.find(
                    "choice-with-space",
                    choice.row.number,
                    "name",
                    severity=severity,
                    name=choice.name,
                    list=item.list_name,
                )


RULES: Final = (lists_of_questions, unused_lists, choices, spaces)
