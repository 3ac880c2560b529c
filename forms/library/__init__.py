"""The survey instruments that come with the product, kept as CSV sheets: a change reads as a difference.

A folder an instrument, a folder a version in it, named 1, 2, 3 …; a version never changes once it is published, and the
sheet ``map`` of a later one says how answers to the version before it are read. ``hh_remit`` is the newest version,
``hh_remit@1`` the first.
"""

import csv
import datetime
import io
import zipfile
from collections.abc import Collection
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.writer.excel import ExcelWriter

MAP: Final = "map"
SHEETS: Final = ("survey", "choices", "settings", MAP)
_REQUIRED: Final = ("survey", "choices", "settings")
# The first date a zip archive can hold: the bytes of a workbook must not depend on when it was built.
_EPOCH: Final = datetime.datetime(1980, 1, 1)  # noqa: DTZ001 - OOXML and zip dates have no zone
_MAX_WIDTH: Final = 60


def names() -> tuple[str, ...]:
    """Return every name an instrument can be asked for: its own, which is its newest version, and each version's."""
    found = []
    for name in instruments():
        found += [name, *(f"{name}@{version}" for version in versions(name))]
    return tuple(found)


def instruments() -> tuple[str, ...]:
    """Return the names of the instruments."""
    return tuple(sorted(entry.name for entry in resources.files(__name__).iterdir() if _numbers(entry)))


def versions(name: str) -> tuple[int, ...]:
    """Return the numbers of an instrument's versions, the first one first.

    Raises:
        KeyError: there is no such instrument.
    """
    if name not in instruments():
        raise KeyError(name)
    return _numbers(resources.files(__name__).joinpath(name))


def sheets(name: str) -> tuple[str, ...]:
    """Return the titles of the sheets that a version has; the first version has no map.

    Raises:
        KeyError: there is no such instrument or version.
    """
    folder = _folder(name)
    return tuple(title for title in SHEETS if folder.joinpath(f"{title}.csv").is_file())


def sheet(name: str, title: str) -> list[list[str]]:
    """Return the rows of one sheet of an instrument, header first.

    Raises:
        KeyError: there is no such instrument, version or sheet.
    """
    if title not in sheets(name):
        raise KeyError(f"{name}/{title}")
    text = _folder(name).joinpath(f"{title}.csv").read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text, newline="")))


def map_file(name: str) -> bytes | None:
    """Return the migration map that leads to a version, as a CSV file of its own; None for the first version.

    Raises:
        KeyError: there is no such instrument or version.
    """
    return _folder(name).joinpath(f"{MAP}.csv").read_bytes() if MAP in sheets(name) else None


def workbook(name: str, *, leave_out: Collection[str] = ()) -> bytes:
    """Build the .xlsx workbook of an instrument; the same sheets always give the same bytes.

    Args:
        name: of the instrument or of a version of it.
        leave_out: titles of sheets that the workbook does without.

    Raises:
        KeyError: there is no such instrument or version.
    """
    book = Workbook(write_only=False)
    for page in book.worksheets:
        book.remove(page)
    for title in sheets(name):
        if title in leave_out:
            continue
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
    if name not in names():
        raise KeyError(name)
    instrument, _, version = name.partition("@")
    return resources.files(__name__).joinpath(instrument, version or str(versions(instrument)[-1]))


def _numbers(folder: Traversable) -> tuple[int, ...]:
    if not folder.is_dir():
        return ()
    return tuple(
        sorted(
            int(entry.name)
            for entry in folder.iterdir()
            if entry.name.isdecimal() and all(entry.joinpath(f"{title}.csv").is_file() for title in _REQUIRED)
        )
    )


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
