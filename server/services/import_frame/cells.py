"""Reads a CSV file into lines of named cells, and cells into values; errors are collected, none stops the reading."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

from server.services.import_frame.columns import HEADERS, Kind
from server.services.import_frame.findings import RowError

LONGEST_CELL: Final = 200
_INTEGER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_DECIMAL: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)


@dataclass(slots=True)
class Errors:
    """The errors of an import so far."""

    found: list[RowError] = field(default_factory=list)

    def add(self, file: Kind, line: int | None, column: str | None, message: str) -> None:
        """Note an error."""
        self.found.append(RowError(file, line, column, message))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file: its number (1 = header) and its cells, stripped, by column; missing columns are empty."""

    file: Kind
    number: int
    cells: dict[str, str]
    errors: Errors

    def refuse(self, column: str | None, message: str) -> None:
        """Note an error of this line."""
        self.errors.add(self.file, self.number, column, message)

    def text(self, column: str, *, longest: int = 32, may_be_empty: bool = False) -> str:
        """Read a text of at most so many characters."""
        value = self.cells.get(column, "")
        if not value and not may_be_empty:
            self.refuse(column, "is empty")
        if len(value) > longest:
            self.refuse(column, f"has more than {longest} characters")
        return value

    def integer(self, column: str, *, least: int = 0, most: int = 10**12, default: int | None = None) -> int:
        """Read a whole number; an empty cell is the default when there is one."""
        value = self.cells.get(column, "")
        if not value and default is not None:
            return default
        if not _INTEGER.fullmatch(value) or not least <= int(value) <= most:
            self.refuse(column, f"must be a whole number from {least}" + (f" to {most}" if most < 10**12 else ""))
            return least
        return int(value)

    def optional_integer(self, column: str, *, least: int = 0) -> int | None:
        """Read a whole number, or nothing from an empty cell."""
        return self.integer(column, least=least) if self.cells.get(column) else None

    def truth(self, column: str, *, default: bool | None = None) -> bool:
        """Read 1 or 0."""
        value = self.cells.get(column, "")
        if not value and default is not None:
            return default
        if value not in ("0", "1"):
            self.refuse(column, "must be 1 or 0")
        return value == "1"

    def decimal(self, column: str, *, least: Decimal, most: Decimal) -> Decimal:
        """Read a decimal number with a point."""
        value = self.cells.get(column, "")
        try:
            number = Decimal(value) if _DECIMAL.fullmatch(value) else None
        except InvalidOperation:  # pragma: no cover - the pattern admits decimals only
            number = None
        if number is None or not least <= number <= most:
            self.refuse(column, f"must be a number from {least} to {most} with a decimal point")
            return least
        return number


def read_lines(file: Kind, content: bytes, errors: Errors) -> Iterator[Line]:
    """Yield the lines of a CSV file; an unreadable file or header is one error and yields nothing."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        errors.add(file, content[: error.start].count(b"\n") + 1, None, "is not UTF-8: save the file as “CSV UTF-8”")
        return
    first, _, _ = text.partition("\n")
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=";" if ";" in first and "," not in first else ",", strict=True
    )
    try:
        names = [name.strip() for name in next(reader, [])]
        if _header_is_wrong(file, names, errors):
            return
        for cells in reader:
            if cells and any(cells):
                yield from _line(file, reader.line_num, names, cells, errors)
    except csv.Error as error:
        errors.add(file, reader.line_num, None, f"is not CSV: {error}")


def _header_is_wrong(file: Kind, names: list[str], errors: Errors) -> bool:
    header = HEADERS[file]
    missing = [name for name in header.required if name not in names]
    unknown = [name for name in names if name not in header.names]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if missing:
        errors.add(file, 1, None, f"misses the columns {', '.join(missing)}")
    if unknown:
        errors.add(file, 1, None, f"has columns that are not known: {', '.join(name[:40] for name in unknown)}")
    if doubled:
        errors.add(file, 1, None, f"has columns twice: {', '.join(doubled)}")
    return bool(missing or unknown or doubled)


def _line(file: Kind, number: int, names: list[str], cells: list[str], errors: Errors) -> Iterator[Line]:
    if len(cells) != len(names):
        errors.add(file, number, None, f"has {len(cells)} cells where the header has {len(names)}")
    elif any(len(cell) > LONGEST_CELL for cell in cells):
        errors.add(file, number, None, f"has a cell of more than {LONGEST_CELL} characters")
    else:
        yield Line(file, number, {name: cell.strip() for name, cell in zip(names, cells, strict=True)}, errors)
