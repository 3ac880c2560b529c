"""From a workbook to an XForm: the only module that knows pyxform.

pyxform stops at the first error and says it in one sentence, sometimes with a row; now and then it fails with an
error of its own. Whatever happens leaves this module as a conversion or as one ``WorkbookError``.
"""

import io
import re
import warnings
import zipfile
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import Final

from pyxform.errors import PyXFormError
from pyxform.xls2json_backends import get_xlsform
from pyxform.xls2xform import convert as pyxform_convert

from forms.definition import FormDefinition
from forms.findings import Severity
from forms.workbook.findings import WorkbookError, WorkbookFinding
from forms.xform import XFormError

MAX_WORKBOOK_BYTES: Final = 16 << 20
MAX_UNPACKED_BYTES: Final = 128 << 20
SUFFIXES: Final = (".xlsx", ".xlsm", ".xls", ".csv", ".md")

_ROW: Final = re.compile(r"\[?\brow\s*:?\s*(\d+)\]?[:.]?\s*", re.IGNORECASE)
_SHEET: Final = re.compile(r"['‘](survey|choices|settings|entities|external_choices)['’]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Conversion:
    """The XForm of a workbook, as it is to be stored and served for ever."""

    xform: bytes
    form_id: str
    version: str
    title: str
    findings: tuple[WorkbookFinding, ...]


def convert(workbook: bytes, filename: str) -> Conversion:
    """Convert a workbook (.xlsx, .xls, .csv, .md) to an XForm; an XForm (.xml) passes through unchanged.

    Raises:
        WorkbookError: the workbook is malformed or is not a valid form; says what and, where known, the sheet and row.
    """
    suffix = PurePath(filename).suffix.lower()
    if len(workbook) > MAX_WORKBOOK_BYTES:
        raise _refused("too-large", f"The file has {len(workbook)} bytes; at most {MAX_WORKBOOK_BYTES} are read.")
    if suffix == ".xml":
        return _conversion(workbook, ())
    if suffix not in SUFFIXES:
        raise _refused("unknown-type", f"“{PurePath(filename).name}” is not .xlsx, .xls, .csv, .md or .xml.")
    if suffix in (".xlsx", ".xlsm"):
        _check_archive(workbook)
    xform, remarks = _run_pyxform(workbook, suffix, PurePath(filename).stem)
    return _conversion(xform, tuple(_warning(text) for text in remarks))


def _run_pyxform(workbook: bytes, suffix: str, stem: str) -> tuple[bytes, list[str]]:
    remarks: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns about extensions of Excel that do not matter to a form
            result = _convert_sheets(workbook, suffix, stem, remarks)
    except PyXFormError as error:
        raise _refusal(str(error)) from None
    except Exception as error:  # noqa: BLE001 - pyxform fails with any type on odd workbooks; none may reach a manager
        raise _unforeseen(error) from None
    return result, remarks


def _convert_sheets(workbook: bytes, suffix: str, stem: str, remarks: list[str]) -> bytes:
    data = get_xlsform(xlsform=io.BytesIO(workbook), file_type=suffix)
    data.fallback_form_name = stem
    sheets = {field.name: getattr(data, field.name) for field in fields(data)}
    return str(pyxform_convert(xlsform=sheets, warnings=remarks).xform).encode()


def _refusal(text: str) -> WorkbookError:
    message = " ".join(text.split())
    row = _ROW.search(message)
    sheet = _SHEET.search(message)
    code = "not-a-workbook" if "supported type" in message else "invalid-form"
    if code == "not-a-workbook":
        message = "The file cannot be read as the kind of workbook that its name says. Save it again and retry."
    return _refused(
        code, message, sheet=sheet.group(1).lower() if sheet else None, row=int(row.group(1)) if row else None
    )


def _unforeseen(error: Exception) -> WorkbookError:
    kind = type(error).__name__
    return _refused(
        "invalid-form",
        f"The workbook cannot be converted ({kind}). Look for a sheet, column or row that an XLSForm does not have.",
    )


def _warning(text: str) -> WorkbookFinding:
    message = " ".join(text.split())
    row = _ROW.search(message)
    sheet = _SHEET.search(message)
    return _finding(
        "workbook-warning",
        "warning",
        message,
        sheet=sheet.group(1).lower() if sheet else None,
        row=int(row.group(1)) if row else None,
    )


def _refused(code: str, message: str, *, sheet: str | None = None, row: int | None = None) -> WorkbookError:
    return WorkbookError((_finding(code, "error", message, sheet=sheet, row=row),))


def _finding(
    code: str, severity: Severity, message: str, *, sheet: str | None = None, row: int | None = None
) -> WorkbookFinding:
    return WorkbookFinding(code=code, severity=severity, sheet=sheet, row=row, what={"en": message}, mend={"en": ""})


def _conversion(xform: bytes, findings: tuple[WorkbookFinding, ...]) -> Conversion:
    try:
        definition = FormDefinition.parse(xform)
    except XFormError as error:
        raise _refused(error.code, error.message) from None
    return Conversion(xform, definition.form_id, definition.version, definition.title, findings)


def _check_archive(workbook: bytes) -> None:
    """Refuse an archive that would unpack to very much, or whose XML declares entities."""
    try:
        with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
                raise _refused("too-large", "The workbook unpacks to more than 128 MiB.")
            for entry in entries:
                if entry.filename.endswith((".xml", ".rels")) and b"<!DOCTYPE" in archive.read(entry):
                    raise _refused("doctype", "The workbook declares a document type (DOCTYPE); none is allowed.")
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError):
        raise _refused("not-a-workbook", "The file is not a readable .xlsx workbook: its archive is damaged.") from None
