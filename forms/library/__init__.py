"""The survey instruments that come with the product, kept as CSV sheets: a change reads as a difference."""

import csv
import datetime
import io
import zipfile
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.writer.excel import ExcelWriter

SHEETS: Final = ("survey", "choices", "settings")
# The first date a zip archive can hold: the bytes of a workbook must not depend on when it was built.
_EPOCH: Final = datetime.datetime(1980, 1, 1)  # noqa: DTZ001 - OOXML and zip dates have no zone
_MAX_WIDTH: Final = 60


def names() -> tuple[str, ...]:
    """Return the names of the instruments."""
    return tuple(
        sorted(entry.name for entry in resources.files(__name__).iterdir() if entry.joinpath("survey.csv").is_file())
    )


def sheet(name: str, title: str) -> list[list[str]]:
    """Return the rows of one sheet of an instrument, header first.

    Raises:
        KeyError: there is no such instrument or sheet.
    """
    if name not in names() or title not in SHEETS:
        raise KeyError(f"{name}/{title}")
    text = _folder(name).joinpath(f"{title}.csv").read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text, newline="")))


def workbook(name: str) -> bytes:
    """Build the .xlsx workbook of an instrument; the same sheets always give the same bytes.

    Raises:
        KeyError: there is no such instrument.
    """
    book = Workbook(write_only=False)
    for page in book.worksheets:
        book.remove(page)
    for title in SHEETS:
        page = book.create_sheet(title)
        rows = sheet(name, title)
        for row in rows:
            page.append([cell or None for cell in row])
        for cells in page.iter_cols(min_row=1, max_row=1):
            cells[0].font = Font(bold=True)
            width = max(len(row[cells[0].column - 1]) for row in rows)
            page.column_dimensions[cells[0].column_letter].width = min(width + 2, _MAX_WIDTH)
        for cells in page.iter_rows(min_row=2):
            for cell in cells:
                cell.alignment = Alignment(vertical="top", wrap_text=True)
        page.freeze_panes = "C2"
    return _deterministic_bytes(book)


def _folder(name: str) -> Traversable:
    return resources.files(__name__).joinpath(name)


def _deterministic_bytes(book: Workbook) -> bytes:
    book.properties.created = book.properties.modified = _EPOCH
    book.properties.creator = "Passerelle"
    draft = io.BytesIO()
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
        ExcelWriter(book, archive).save()
    result = io.BytesIO()
    with zipfile.ZipFile(draft) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in sorted(source.namelist()):
            target.writestr(
                zipfile.ZipInfo(entry, date_time=(1980, 1, 1, 0, 0, 0)), source.read(entry), zipfile.ZIP_DEFLATED
            )
    return result.getvalue()
