"""Sheets, columns and settings: what is missing, misspelled or not read."""

import re
from collections.abc import Iterator
from typing import Final

from forms.findings import Severity
from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint import vocabulary as words
from forms.workbook.lint.catalogue import finding
from forms.workbook.lint.form import HEADER, Form, Page
from forms.workbook.lint.nearest import hint, nearest
from forms.workbook.sheets import Sheet, Workbook

_SHEETS: Final = ("survey", "choices", "settings", "entities", "external_choices")
_FORM_ID: Final = re.compile(r"[\w.\-:]+", re.ASCII)
_NAMESPACE: Final = re.compile(r"([\w.\-]+)\s*=")
_USUAL: Final = {
    **{name: name for name in words.SURVEY_COLUMNS},
    "relevance": "relevance",
    "calculate": "calculation",
    "constraint_msg": "constraint_message",
    "required_msg": "required_message",
}
"""What a header may have been meant to be."""
_EXCEL_ERRORS: Final = frozenset({"#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#N/A", "#NULL!", "#NUM!"})


def missing_survey(workbook: Workbook) -> Iterator[WorkbookFinding]:
    """Say that there is nothing to convert."""
    survey = workbook.sheets.get("survey")
    if survey is None:
        yield finding("sheet-missing", name="survey", hint=hint("survey", workbook.sheets))
    elif "type" not in {"_".join(text.split()).lower() for text in survey.header} | _types_under_other_names(survey):
        yield finding("column-missing", sheet=survey.name, row=survey.header_row, name="type")


def _types_under_other_names(survey: Sheet) -> set[str]:
    return {"type" for text in survey.header if text.strip().lower() == "command"}


def misspelled_sheets(form: Form) -> Iterator[WorkbookFinding]:
    """Compare the names of sheets that are not read with those that would be."""
    for key, sheet in form.workbook.sheets.items():
        is_read = key in (*_SHEETS, "map", "osm") or key.startswith("_")
        near = "" if is_read else nearest(key, _SHEETS, 0.8)
        if near and near not in form.workbook.sheets:
            yield finding("sheet-misspelled", sheet=sheet.name, name=sheet.name, near=near)


def doubled_headers(form: Form) -> Iterator[WorkbookFinding]:
    """Find headers that stand twice, or under two names."""
    for key in ("survey", "choices", "settings", "external_choices", "entities"):
        sheet = form.workbook.sheets.get(key)
        if sheet is None:
            continue
        twice = dict.fromkeys(text for text in sheet.header if text and sheet.header.count(text) > 1)
        severity: Severity = "error" if form.workbook.suffix in (".xlsx", ".xlsm", ".xls") else "warning"
        for text in twice:
            row = sheet.header_row
            place = sheet.cell(row, text)
            yield finding(
                "header-duplicate", sheet=sheet.name, row=row, column=text, cell=place, severity=severity, name=text
            )
    for page in (form.survey, form.choices):
        yield from _same_meaning(page) if page else ()


def _same_meaning(page: Page) -> Iterator[WorkbookFinding]:
    seen: dict[tuple[str, str], str] = {}
    for header in page.headers:
        meaning = (header.column, header.language)
        if header.is_known and meaning in seen:
            yield page.find("header-twice", HEADER, header.column, name=seen[meaning], other=header.text)
        seen.setdefault(meaning, header.text)


def unknown_columns(form: Form) -> Iterator[WorkbookFinding]:
    """Find columns of the survey and the choices that nothing reads."""
    for header in form.survey.headers:
        if header.column == "disabled":
            yield form.survey.find("column-disabled", HEADER, "disabled")
        if header.is_known:
            continue
        near = nearest(re.sub(r"[\s-]+", "_", header.column).lower(), _USUAL, 0.8)
        near = _USUAL.get(near, near)
        code = "column-misspelled" if near else "column-unknown"
        yield form.survey.find(code, HEADER, header.column, name=header.text, near=near)
    if form.choices is None:
        return
    for header in form.choices.headers:
        near = nearest("_".join(header.column.split()).lower(), ("list_name", "name", "label"))
        if not header.is_known and near and not form.choices.has(near):
            yield form.choices.find("column-misspelled", HEADER, header.column, name=header.text, near=near)
        elif not header.is_known and " " in header.column:
            yield form.choices.find("choice-column-invalid", HEADER, header.column, name=header.text)


def missing_choice_columns(form: Form) -> Iterator[WorkbookFinding]:
    """Say that choices have no names, or that no list has a name."""
    for column in ("name", "list_name"):
        if form.choices and form.choices.rows and not form.choices.has(column):
            severity: Severity = "error" if column == "name" else "warning"
            yield form.choices.find("column-missing", HEADER, severity=severity, name=column)


def undeclared_prefixes(form: Form) -> Iterator[WorkbookFinding]:
    """Find ``bind::acme:rank`` whose prefix the setting ``namespaces`` does not declare."""
    declared = words.NAMESPACES | set(_NAMESPACE.findall(form.settings.get("namespaces", "")))
    for header in form.survey.headers:
        name = "passerelle:pii" if header.column == "pii" else header.column.rpartition("::")[2]
        prefix, colon, _ = name.partition(":")
        is_used = any(row.get(header.column) for row in form.survey.rows)
        if header.group in ("bind", "body", "instance") and colon and prefix not in declared and is_used:
            yield form.survey.find("namespace-undeclared", HEADER, header.column, prefix=prefix)


def excel_errors(form: Form) -> Iterator[WorkbookFinding]:
    """Find cells in which a formula failed."""
    for key in ("survey", "choices", "settings"):
        sheet = form.workbook.sheets.get(key)
        for row in sheet.rows if sheet else ():
            for column, cell in row.cells.items():
                if sheet is not None and cell in _EXCEL_ERRORS:
                    place = sheet.cell(row.number, column)
                    yield finding(
                        "excel-error", sheet=sheet.name, row=row.number, column=column, cell=place, value=cell
                    )


def settings(form: Form) -> Iterator[WorkbookFinding]:
    """Judge the settings: identity, version, and what is not read."""
    sheet = form.settings_sheet
    name = sheet.name if sheet else None
    as_types = {item.get("type") for item in form.survey.rows}
    if not {"form_id", "id_string", "set_form_id"} & (set(form.settings) | as_types):
        yield finding("form-id-missing", sheet=name)
    if not form.settings.get("version"):
        yield finding("version-missing", sheet=name)
    if not {"form_title", "title", "set_form_title"} & (set(form.settings) | as_types):
        yield finding("title-missing", sheet=name)
    form_id = form.settings.get("form_id", "x")
    if not _FORM_ID.fullmatch(form_id):
        yield form.find_setting("form-id-invalid", "form_id", value=form_id)
    yield from _unknown_settings(sheet) if sheet else ()


def _unknown_settings(sheet: Sheet) -> Iterator[WorkbookFinding]:
    for text in sheet.header:
        key = "_".join(text.split()).lower()
        if not text or key in words.SETTINGS or "::" in text or ":" in text:
            continue
        near = nearest(key, words.SETTINGS, 0.8)
        code = "setting-misspelled" if near else "setting-unknown"
        yield finding(
            code,
            sheet=sheet.name,
            row=sheet.header_row,
            column=text,
            cell=sheet.cell(sheet.header_row, text),
            name=text,
            near=near,
        )
    for row in sheet.rows[1:]:
        yield finding("settings-rows", sheet=sheet.name, row=row.number)
