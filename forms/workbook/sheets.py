"""A workbook as its sheets: cells as texts, each with the row and column that the manager's program shows."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row that is not empty: its number (the header is row 1) and its cells by header, without the empty ones."""

    number: int
    cells: Mapping[str, str]

    def get(self, header: str) -> str:
        """Return a cell, empty where it is."""
        return self.cells.get(header, "")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet.

    Attributes:
        name: as written; ``header``: the headers by column from the left, empty where a column has none.
        header_row: where they stand: 1 in a spreadsheet, some line in a text file that holds several sheets.
    """

    name: str
    header: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    header_row: int = 1

    def cell(self, row: int, header: str) -> str:
        """Return the name of a cell such as ``F12``; empty where the sheet has no such column."""
        return "" if header not in self.header else f"{column_letters(self.header.index(header))}{row}"


@dataclass(frozen=True, slots=True)
class Workbook:
    """A whole workbook; ``sheets`` by name in lower case, in the order of the file."""

    sheets: Mapping[str, Sheet]
    suffix: str


def column_letters(index: int) -> str:
    """Return the letters of a column, 0 → A, 26 → AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
