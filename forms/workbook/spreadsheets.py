"""The sheets of .xlsx and .xls files.

Before openpyxl sees an archive, its size unpacked and its XML are checked: no bomb, no document type.
"""

import datetime
import io
import math
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import openpyxl
import xlrd

from forms.workbook.findings import WorkbookError, WorkbookFinding
from forms.workbook.lint.catalogue import finding
from forms.workbook.sheets import Sheet, SheetRow, column_letters

MAX_UNPACKED_BYTES: Final = 128 << 20
PLAIN_COMPRESSION: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What spreadsheet programs and zip tools write; the other ways to compress cannot be read a little at a time."""
EMPTY_COLUMNS: Final = 20
EMPTY_ROWS: Final = 60

_SPACES: Final = re.compile(r" +")
_DOCTYPES: Final = (b"<!DOCTYPE", "<!DOCTYPE".encode("utf-16-le"))
_EXCEL_ERRORS: Final = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}


def read_xlsx(content: bytes, is_wanted: Callable[[str], bool]) -> tuple[Sheet, ...]:
    """Read the wanted sheets of an .xlsx or .xlsm file; the others keep their names only.

    Raises:
        WorkbookError: ``not-a-workbook``, ``too-large`` or ``doctype``.
    """
    _check_archive(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns about extensions of Excel that do not matter to a form
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            try:
                return tuple(
                    _sheet(title, book[title].iter_rows(values_only=True)) if is_wanted(title) else Sheet(title, (), ())
                    for title in book.sheetnames
                )
            finally:
                book.close()
    except Exception:  # noqa: BLE001 - openpyxl fails with any type on damaged files; none may reach a manager
        raise _damaged(".xlsx") from None


def read_xls(content: bytes, is_wanted: Callable[[str], bool]) -> tuple[Sheet, ...]:
    """Read the wanted sheets of an .xls file; the others keep their names only.

    Raises:
        WorkbookError: ``not-a-workbook`` or ``impossible-date``.
    """
    try:
        book = xlrd.open_workbook(file_contents=content, logfile=io.StringIO(), on_demand=True, ragged_rows=True)
        bad_dates: list[WorkbookFinding] = []
        sheets = []
        for title in book.sheet_names():
            if is_wanted(title):
                sheets.append(_sheet(title, _xls_rows(book, title, bad_dates)))
            else:
                sheets.append(Sheet(title, (), ()))
    except Exception:  # noqa: BLE001 - xlrd fails with any type on damaged files; none may reach a manager
        raise _damaged(".xls") from None
    if bad_dates:
        raise WorkbookError(tuple(bad_dates))
    return tuple(sheets)


def _sheet(title: str, rows: Iterable[Sequence[Any]]) -> Sheet:
    waiting = iter(rows)
    header = _header(next(waiting, ()))
    columns = [(index, name) for index, name in enumerate(header) if name]
    found: list[SheetRow] = []
    empty = 0
    for number, row in enumerate(waiting, start=2):
        cells = {name: text for index, name in columns if index < len(row) and (text := cell_text(row[index]))}
        empty = 0 if cells else empty + 1
        if cells:
            found.append(SheetRow(number, cells))
        if empty > EMPTY_ROWS:
            break
    return Sheet(title, header, tuple(found))


def _header(row: Sequence[Any]) -> tuple[str, ...]:
    names: list[str] = []
    empty = 0
    for value in row:
        text = _SPACES.sub(" ", cell_text(value))
        empty = 0 if text else empty + 1
        names.append(text)
        if empty > EMPTY_COLUMNS:
            break
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def cell_text(value: object) -> str:
    """Return the text of a cell as pyxform reads it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip().replace("\xa0", " ")
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return str(int(value))
    return str(value)


def _xls_rows(book: xlrd.Book, title: str, bad_dates: list[WorkbookFinding]) -> Iterator[list[object]]:
    sheet = book.sheet_by_name(title)
    for number in range(sheet.nrows):
        row: list[object] = []
        for column, cell in enumerate(sheet.row(number)):
            try:
                row.append(_xls_value(cell, book.datemode))
            except (xlrd.xldate.XLDateError, ValueError, OverflowError):
                row.append(None)
                place = f"{column_letters(column)}{number + 1}"
                bad_dates.append(finding("impossible-date", sheet=title, row=number + 1, cell=place))
        yield row


def _xls_value(cell: Any, datemode: int) -> object:
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return bool(cell.value)
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return _EXCEL_ERRORS.get(cell.value, "#N/A")
    if cell.ctype == xlrd.XL_CELL_DATE:
        parts = xlrd.xldate_as_tuple(cell.value, datemode)
        return datetime.time(*parts[3:]) if parts[:3] == (0, 0, 0) else datetime.datetime(*parts)  # noqa: DTZ001 - a spreadsheet's dates have no zone
    return cell.value


def _check_archive(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
                raise WorkbookError((finding("unpacks-too-large", limit=MAX_UNPACKED_BYTES >> 20),))
            for entry in entries:
                text = _read_entry(archive, entry)
                if entry.filename.lower().endswith((".xml", ".rels")) and any(mark in text for mark in _DOCTYPES):
                    raise WorkbookError((finding("doctype"),))
    except WorkbookError:
        raise
    except Exception:  # noqa: BLE001 - zipfile and its decompressors fail with many types on damaged archives
        raise _damaged(".xlsx") from None


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Read an entry, never more than it says it has: a header may lie, and only deflate can be held to it."""
    if entry.compress_type not in PLAIN_COMPRESSION:
        raise zipfile.BadZipFile
    with archive.open(entry) as file:
        return file.read(entry.file_size + 1)


def _damaged(kind: str) -> WorkbookError:
    return WorkbookError((finding("not-a-workbook", kind=kind),))
