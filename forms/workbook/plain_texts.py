"""The sheets of .csv and Markdown files: pyxform's layouts, the name of the sheet in the first column.

Row numbers are those of the file: of the line where a row begins, from 1.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from forms.workbook.findings import WorkbookError
from forms.workbook.lint.catalogue import finding
from forms.workbook.sheets import Sheet, SheetRow

_LEAST: Final = {",": 4, "|": 5}
"""How many separators the smallest form has; a text with fewer is something else."""
_LOOKED_AT: Final = 5000

_COMMENT: Final = re.compile(r"^\s*#")
_COMMENT_AFTER: Final = re.compile(r"^(.*)(#[^|]+)$")
_TABLE_ROW: Final = re.compile(r"\s*\|(.*)\|\s*")
_RULE: Final = re.compile(r"^[|-]+$")
_PIPE: Final = re.compile(r"(?<!\\)\|")

Line = tuple[int, str, list[str]]
"""Line number, first column, the further columns."""


def read_csv(content: bytes, is_wanted: Callable[[str], bool]) -> tuple[Sheet, ...]:
    """Read the sheets of a .csv file.

    Raises:
        WorkbookError: ``not-a-workbook`` or ``not-utf-8``.
    """
    try:
        return _sheets(_csv_lines(_text(content, ",", ".csv")), is_wanted)
    except csv.Error:
        raise WorkbookError((finding("not-a-workbook", kind=".csv"),)) from None


def read_markdown(content: bytes, is_wanted: Callable[[str], bool]) -> tuple[Sheet, ...]:
    """Read the sheets of a Markdown file.

    Raises:
        WorkbookError: ``not-a-workbook`` or ``not-utf-8``.
    """
    return _sheets(_markdown_lines(_text(content, "|", ".md")), is_wanted)


def _text(content: bytes, separator: str, kind: str) -> str:
    try:
        text = content.decode("utf-8-sig")  # Excel begins its CSV files with a byte order mark
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise WorkbookError((finding("not-utf-8", row=line, line=line, kind=kind),)) from None
    if text[:_LOOKED_AT].count(separator) < _LEAST[separator]:
        raise WorkbookError((finding("not-a-workbook", kind=kind),))
    return text


def _csv_lines(text: str) -> Iterator[Line]:
    reader = csv.reader(io.StringIO(text, newline=""))
    number = 1
    for row in reader:
        if row:
            yield number, row[0].strip(), [cell.strip() for cell in row[1:]]
        number = reader.line_num + 1


def _markdown_lines(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), start=1):
        if _COMMENT.match(line):
            continue
        after = _COMMENT_AFTER.match(line)
        row = _TABLE_ROW.match(after.group(1) if after else line)
        if row is None or _RULE.match(row.group(1)):
            continue
        first, *others = (cell.strip().replace(r"\|", "|") for cell in _PIPE.split(row.group(1)))
        yield number, first, others


@dataclass(slots=True)
class _Growing:
    """A sheet while its lines are read; a second table of one name goes on where the first ended."""

    name: str
    header: tuple[str, ...] = ()
    rows: list[SheetRow] = field(default_factory=list)
    awaits_header: bool = True
    header_row: int = 1

    def add(self, number: int, cells: list[str]) -> None:
        if self.awaits_header:
            self.header, self.awaits_header, self.header_row = tuple(cells), False, number
            return
        filled = {name: cell for name, cell in zip(self.header, cells, strict=False) if name and cell}
        if filled:
            self.rows.append(SheetRow(number, filled))


def _sheets(lines: Iterator[Line], is_wanted: Callable[[str], bool]) -> tuple[Sheet, ...]:
    found: dict[str, _Growing] = {}
    open_sheet: _Growing | None = None
    for number, first, cells in lines:
        if first:
            open_sheet = found.setdefault(first.lower(), _Growing(first))
            open_sheet.awaits_header = True
        if open_sheet is not None and any(cells) and is_wanted(open_sheet.name):
            open_sheet.add(number, cells)
    return tuple(Sheet(sheet.name, sheet.header, tuple(sheet.rows), sheet.header_row) for sheet in found.values())
