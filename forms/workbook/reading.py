"""Reading a workbook once: what the linter judges is what the converter converts.

Cells become texts as pyxform 4.5 makes them (numbers without a needless ``.0``, dates in ISO form, TRUE and FALSE, no
blanks at the ends), and reading stops where it stops: after 20 columns without a header or 60 rows without a cell.
Whatever the bytes, the outcome is a workbook or a ``WorkbookError``.
"""

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Final

from forms.workbook.findings import WorkbookError
from forms.workbook.lint.catalogue import finding
from forms.workbook.plain_texts import read_csv, read_markdown
from forms.workbook.sheets import Sheet, Workbook
from forms.workbook.spreadsheets import read_xls, read_xlsx

MAX_WORKBOOK_BYTES: Final = 16 << 20
KNOWN_SHEETS: Final = ("survey", "choices", "settings", "external_choices", "osm", "entities", "map")
"""The sheets of an XLSForm and our map of changes; others are remembered by name only."""

_READERS: Final[Mapping[str, Callable[[bytes, Callable[[str], bool]], tuple[Sheet, ...]]]] = {
    ".xlsx": read_xlsx,
    ".xlsm": read_xlsx,
    ".xls": read_xls,
    ".csv": read_csv,
    ".md": read_markdown,
}
SUFFIXES: Final = tuple(_READERS)


def read_workbook(content: bytes, filename: str) -> Workbook:
    """Read the sheets of a workbook; its name says of which kind it is.

    A workbook of one sheet may call that sheet anything: it is the survey.

    Raises:
        WorkbookError: ``too-large``, ``unknown-type``, ``not-a-workbook``, ``doctype``, ``not-utf-8``,
            ``impossible-date``.
    """
    name = PurePath(filename).name
    suffix = PurePath(filename).suffix.lower()
    if len(content) > MAX_WORKBOOK_BYTES:
        raise WorkbookError((finding("too-large", size=len(content), limit=MAX_WORKBOOK_BYTES),))
    if suffix not in _READERS:
        raise WorkbookError((finding("unknown-type", name=name),))
    sheets = _READERS[suffix](content, lambda title: title.lower() in KNOWN_SHEETS)
    if len(sheets) == 1 and sheets[0].name.lower() not in KNOWN_SHEETS:
        sheets = _READERS[suffix](content, lambda _title: True)
        return Workbook({"survey": sheets[0]}, suffix)
    found: dict[str, Sheet] = {}
    for sheet in sheets:
        found.setdefault(sheet.name.lower(), sheet)
    return Workbook(found, suffix)
