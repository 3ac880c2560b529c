"""Rows of the survey: types, names, groups and what each type needs."""

import re
from collections.abc import Iterator
from typing import Final

from forms.findings import Severity
from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint import vocabulary as words
from forms.workbook.lint.form import Form, Item
from forms.workbook.lint.nearest import hint, nearest

# The letters that the converter takes, which are those of XML names but for a few.
_START: Final = (
    "A-Z_a-z\xd8-\xf6\xf8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff"
    "\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NCNAME: Final = rf"[{_START}][{_START}\-.0-9\xb7\u0300-\u036f\u203f-\u2040]*"
_NAME: Final = re.compile(rf"{_NCNAME}(?::{_NCNAME})?")
_BARE_SELECT: Final = re.compile(rf"(?:{'|'.join(words.SELECTS)}|select)")
_SPACED_SELECT: Final = re.compile(rf"(?:{'|'.join(words.SELECTS)}) (?P<list>.+)")
_DYNAMIC: Final = re.compile(r"\$\{|[\w:.-]+\(|[+*|]|\s-|\bdiv\b|\bmod\b|^-?\d+\s*-")
_WHOLE: Final = re.compile(r"\d+")


def no_questions(form: Form) -> Iterator[WorkbookFinding]:
    """Say that there is nothing to ask."""
    if not form.items and not form.typeless:
        yield form.survey.find("no-questions")


def rows_without_type(form: Form) -> Iterator[WorkbookFinding]:
    """Find rows that are not questions, by mistake or as remarks."""
    for row in form.typeless:
        yield form.survey.find("type-missing", row.number, "type")
    for row in form.ignored:
        yield form.survey.find("row-ignored", row.number)


def types(form: Form) -> Iterator[WorkbookFinding]:
    """Find types that do not exist."""
    for item in form.items:
        if item.is_container or item.list_name or (item.type in words.TYPES and not _BARE_SELECT.fullmatch(item.type)):
            continue
        spaced = _SPACED_SELECT.fullmatch(item.written)
        if _BARE_SELECT.fullmatch(item.written):
            yield form.survey.find("list-not-named", item.row.number, "type", name=item.written)
        elif spaced:
            yield form.survey.find("list-name-with-space", item.row.number, "type", name=spaced["list"])
        else:
            near = hint(item.written, words.USUAL_TYPES)
            yield form.survey.find("question-type-unknown", item.row.number, "type", name=item.written, hint=near)


def groups(form: Form) -> Iterator[WorkbookFinding]:
    """Find groups that do not close, ends that close nothing, and groups with nothing in them."""
    for row, kind, inner in form.ends:
        around = f" (“{inner.name}”, {inner.row.number})" if inner else ""
        yield form.survey.find("end-without-begin", row.number, "type", kind=kind, open=around)
    for item in form.items:
        if not item.is_container:
            continue
        if not item.end:
            yield form.survey.find("begin-without-end", item.row.number, "type", kind=item.type, name=item.name)
        elif _is_empty(item):
            severity: Severity = "error" if item.type == "group" else "warning"
            yield form.survey.find(
                "group-empty", item.row.number, "type", severity=severity, kind=item.type, name=item.name
            )


def _is_empty(item: Item) -> bool:
    if item.type == "group":
        return not any(_has_control(child) for child in item.children)
    return not item.children


def _has_control(item: Item) -> bool:
    """Say whether something of a row is on the screen; a group without such a row does not load."""
    if item.is_container or item.list_name:
        return True
    if item.type in words.SILENT:
        return False
    return bool(item.row.get("label") or item.row.get("hint") or not item.row.get("calculation"))


def names(form: Form) -> Iterator[WorkbookFinding]:
    """Find names that are missing, malformed, taken or reserved."""
    taken: dict[int, dict[str, Item]] = {}
    for item in form.items:
        number = item.row.number
        if item.type == "audit":
            if item.row.get("name") not in ("", "audit"):
                yield form.survey.find("audit-named", number, "name", name=item.row.get("name"))
            continue
        if not item.name:
            yield form.survey.find("name-missing", number, "name")
            continue
        if not _NAME.fullmatch(item.name):
            yield form.survey.find("name-invalid", number, "name", name=item.name)
        siblings = taken.setdefault(id(item.parent), {})
        yield from _taken(form, item, siblings)
        siblings.setdefault(item.name, item)


def _taken(form: Form, item: Item, siblings: dict[str, Item]) -> Iterator[WorkbookFinding]:
    number = item.row.number
    if item.name == "meta":
        yield form.survey.find("name-reserved", number, "name", name=item.name)
    elif item.name in siblings:
        other = siblings[item.name].row.number
        yield form.survey.find("name-duplicate", number, "name", name=item.name, other=other)
    else:
        alike = next((other for other in siblings if other.lower() == item.name.lower()), None)
        if alike is not None:
            yield form.survey.find("name-case", number, "name", name=item.name, other=alike)


def repeat_names(form: Form) -> Iterator[WorkbookFinding]:
    """Find repeats that share a name with another one, or with the form itself."""
    seen: dict[str, Item] = {}
    for item in form.items:
        if item.type != "repeat" or not item.name:
            continue
        if item.name == form.root_name:
            yield form.survey.find("name-reserved", item.row.number, "name", name=item.name)
        elif item.name in seen and seen[item.name].parent is not item.parent:
            other = seen[item.name].row.number
            yield form.survey.find("repeat-name-taken", item.row.number, "name", name=item.name, other=other)
        seen.setdefault(item.name, item)


def labels(form: Form) -> Iterator[WorkbookFinding]:
    """Find questions that say nothing to the enumerator."""
    for item in form.items:
        said = any(item.row.get(column) for column in ("label", "hint", *words.MEDIA))
        if said or not item.name:
            continue
        if item.type == "repeat":
            yield form.survey.find("repeat-label-missing", item.row.number, "label", name=item.name)
        elif not item.is_container and _is_shown(item):
            yield form.survey.find("label-missing", item.row.number, "label", name=item.name)


def _is_shown(item: Item) -> bool:
    if item.type in words.SILENT or (item.type not in words.TYPES and not item.list_name):
        return False
    if item.row.get("calculation") or is_dynamic(item.row.get("default"), item.type):
        return False
    # The header row of a table-list has its labels from the choices.
    return item.type != "osm"


def calculations(form: Form) -> Iterator[WorkbookFinding]:
    """Find calculates without an expression."""
    for item in form.items:
        is_calculated = item.row.get("calculation") or is_dynamic(item.row.get("default"), item.type)
        if item.type == "calculate" and not is_calculated:
            yield form.survey.find("calculation-missing", item.row.number, "calculation", name=item.name)


def is_dynamic(default: str, kind: str) -> bool:
    """Say whether a default is an expression rather than a value."""
    if not default or (kind in words.DATES | words.POINTS | {"dateTime", "time"} and "(" not in default):
        return "${" in default
    return bool(_DYNAMIC.search(default))


def counts(form: Form) -> Iterator[WorkbookFinding]:
    """Judge repeat_count."""
    for item in form.items:
        count = item.row.get("repeat_count")
        if not count:
            continue
        number = item.row.number
        if item.type != "repeat":
            yield form.survey.find("repeat-count-misplaced", number, "repeat_count")
            continue
        is_value = re.fullmatch(r"-?[\w.]+", count) is not None
        if is_value and not (_WHOLE.fullmatch(count) and int(count[:9]) > 0):
            yield form.survey.find("repeat-count-value", number, "repeat_count", value=count)
        for name in re.findall(r"\$\{([^}]+)\}", count):
            if any(item in inner.ancestors for inner in form.by_name.get(name, ())):
                yield form.survey.find("repeat-count-inside", number, "repeat_count", name=name)


def requirements(form: Form) -> Iterator[WorkbookFinding]:
    """Find ``required`` cells with a word that means nothing there."""
    for item in form.items:
        value = item.row.get("required")
        if value and value not in words.YES | words.NO and re.fullmatch(r"[^\W\d]\w*", value):
            yield form.survey.find("required-not-understood", item.row.number, "required", value=value)


def appearances(form: Form) -> Iterator[WorkbookFinding]:
    """Find appearances that are nearly one that exists."""
    for item in form.items:
        appearance = item.row.get("appearance")
        if "(" in appearance or "${" in appearance:
            continue
        for word in appearance.split():
            near = nearest(word, words.APPEARANCES, 0.87)
            if near and near != word.lower() and not re.search(r"\d", word):
                yield form.survey.find("appearance-misspelled", item.row.number, "appearance", name=word, near=near)


def defaults(form: Form) -> Iterator[WorkbookFinding]:
    """Find defaults that are no choice, or no number where one is needed."""
    for item in form.items:
        default = item.row.get("default")
        if not default or is_dynamic(default, item.type):
            continue
        codes = form.codes_of(item)
        if codes is not None:
            chosen = default.split() if item.type in ("select_multiple", "rank") else [default]
            for value in chosen:
                if value not in codes:
                    yield form.survey.find(
                        "default-not-a-choice", item.row.number, "default", value=value, list=item.list_name
                    )
        elif item.type in words.NUMBERS and not _is_number(default):
            yield form.survey.find("default-not-a-number", item.row.number, "default", value=default)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def photos(form: Form) -> Iterator[WorkbookFinding]:
    """Find images that are sent in full size."""
    for item in form.items:
        if item.type == "photo" and "max-pixels" not in item.row.get("parameters"):
            yield form.survey.find("photo-without-limit", item.row.number, "parameters", name=item.name)


RULES: Final = (
    no_questions,
    rows_without_type,
    types,
    groups,
    names,
    repeat_names,
    labels,
    calculations,
    counts,
    requirements,
    appearances,
    defaults,
    photos,
)
