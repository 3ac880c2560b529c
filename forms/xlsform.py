"""From a workbook to an XForm: the only module that knows pyxform.

The workbook is read once; the linter says everything that is wrong with it; what has no error goes to pyxform as the
sheets that were read. What pyxform still refuses, and every failure of its own, becomes a finding too: whatever
happens leaves this module as a conversion or as one ``WorkbookError``.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from forms.definition import FormDefinition
from forms.workbook.findings import WorkbookError, WorkbookFinding
from forms.workbook.lint import in_order, lint
from forms.workbook.lint.catalogue import finding
from forms.workbook.lint.catalogue.files import XFORM_CODES
from forms.workbook.lint.xform import lint_definition
from forms.workbook.reading import MAX_WORKBOOK_BYTES, read_workbook
from forms.workbook.sheets import Sheet, Workbook
from forms.xform import XFormError

_CONVERTED: Final = ("survey", "choices", "settings", "external_choices", "osm", "entities")
_PADDED: Final = (".xlsx", ".xlsm", ".xls")
_ROW: Final = re.compile(r"\[?\brow\s*:?\s*(\d+)\]?[:.]?\s*", re.IGNORECASE)
_SHEET: Final = re.compile(r"['‘](survey|choices|settings|entities|external_choices)['’]?", re.IGNORECASE)
_COLUMN: Final = re.compile(r"the ['‘]([\w: ]+)['’] value", re.IGNORECASE)
# What pyxform remarks and the linter says better: in which cell, and in French.
_SAID_ALREADY: Final = re.compile(
    r"has no label|max-pixels|Language '|valid machine-readable codes|Row without name, text, or label|'disabled'"
    r"|similar names were found|Choices should have a label|case-insensitive match|must not contain spaces|or_other"
)


@dataclass(frozen=True, slots=True)
class Conversion:
    """The XForm of a workbook, as it is to be stored and served for ever.

    Attributes:
        map_sheet: the sheet ``map`` of the workbook, which declares how answers of the version before are read.
    """

    xform: bytes
    form_id: str
    version: str
    title: str
    findings: tuple[WorkbookFinding, ...]
    map_sheet: Sheet | None = None


def convert(workbook: bytes, filename: str, *, media: Mapping[str, bytes] = MappingProxyType({})) -> Conversion:
    """Convert a workbook (.xlsx, .xls, .csv, .md) to an XForm; an XForm (.xml) passes through unchanged.

    Args:
        media: the files that come with the form, by name.

    Raises:
        WorkbookError: the workbook is malformed or is not a valid form; its findings say everything that is wrong.
    """
    if PurePath(filename).suffix.lower() == ".xml":
        return _pass_through(workbook)
    book = read_workbook(workbook, filename)
    findings = lint(book, given=media)
    if any(found.severity == "error" for found in findings):
        raise WorkbookError(findings)
    xform, remarks = _run_pyxform(book, PurePath(filename).stem, findings)
    findings = in_order((*findings, *(_remark(text, book) for text in remarks if not _SAID_ALREADY.search(text))))
    return _conversion(xform, findings, book.sheets.get("map"))


def _pass_through(xform: bytes) -> Conversion:
    if len(xform) > MAX_WORKBOOK_BYTES:
        raise WorkbookError((finding("too-large", size=len(xform), limit=MAX_WORKBOOK_BYTES),))
    definition = _definition(xform, ())
    findings = in_order(lint_definition(definition))
    if any(found.severity == "error" for found in findings):
        raise WorkbookError(findings)
    return Conversion(xform, definition.form_id, definition.version, definition.title, findings)


def _run_pyxform(book: Workbook, stem: str, findings: tuple[WorkbookFinding, ...]) -> tuple[bytes, list[str]]:
    from pyxform.errors import PyXFormError  # 10 MB, which a process that only serves need not hold
    from pyxform.xls2xform import convert as pyxform_convert

    remarks: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            xform = str(pyxform_convert(xlsform=converter_sheets(book, stem), warnings=remarks).xform).encode()
    except PyXFormError as error:
        raise WorkbookError((_placed("converter", str(error), book), *findings)) from None
    except Exception as error:  # noqa: BLE001 - pyxform fails with any type on odd workbooks; none may reach a manager
        message = f"The workbook cannot be converted ({type(error).__name__})."
        raise WorkbookError((finding("converter", message=message), *findings)) from None
    return xform, remarks


def converter_sheets(book: Workbook, stem: str) -> dict[str, object]:
    """Return the sheets as pyxform wants them: each row of a spreadsheet at its own place, for its numbers."""
    sheets: dict[str, object] = {
        "sheet_names": [sheet.name for sheet in book.sheets.values()],
        "fallback_form_name": stem,
    }
    for key in _CONVERTED:
        sheet = book.sheets.get(key)
        if sheet is None:
            continue
        sheets[f"{key}_header"] = [dict.fromkeys(text for text in sheet.header if text)]
        if book.suffix in _PADDED:
            rows: list[dict[str, str]] = [{} for _ in range(sheet.rows[-1].number - 1 if sheet.rows else 0)]
            for row in sheet.rows:
                rows[row.number - 2] = dict(row.cells)
            sheets[key] = rows
        else:
            sheets[key] = [dict(row.cells) for row in sheet.rows]
    return sheets


def _remark(text: str, book: Workbook) -> WorkbookFinding:
    return _placed("converter-warning", text, book)


def _placed(code: str, text: str, book: Workbook) -> WorkbookFinding:
    """Make a finding of a message of pyxform, with the sheet and the row that it names."""
    said = " ".join(text.split())
    row, sheet, column = _ROW.search(said), _SHEET.search(said), _COLUMN.search(said)
    message = _ROW.sub("", said, count=1)
    key = sheet.group(1).lower() if sheet else "survey" if row else None
    number = int(row.group(1)) if row else None
    if key is None or key not in book.sheets:
        return finding(code, row=number, message=message)
    page = book.sheets[key]
    if number is not None and book.suffix not in _PADDED and 2 <= number < len(page.rows) + 2:
        number = page.rows[number - 2].number
    header = column.group(1) if column and column.group(1) in page.header else None
    cell = page.cell(number, header) if number is not None and header else ""
    return finding(code, sheet=page.name, row=number, column=header, cell=cell, message=message)


def _definition(xform: bytes, findings: tuple[WorkbookFinding, ...]) -> FormDefinition:
    try:
        return FormDefinition.parse(xform)
    except XFormError as error:
        code = error.code if error.code in XFORM_CODES or error.code == "doctype" else "not-an-xform"
        raise WorkbookError((finding(code, message=error.message), *findings)) from None


def _conversion(xform: bytes, findings: tuple[WorkbookFinding, ...], map_sheet: Sheet | None) -> Conversion:
    definition = _definition(xform, findings)
    return Conversion(xform, definition.form_id, definition.version, definition.title, findings, map_sheet)
