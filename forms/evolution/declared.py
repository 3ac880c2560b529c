"""The migration map: what the manager says about a change, as rows of a small file or of a sheet named ``map``.

A map leads from the version published before to the version that it is stored with. It is data: canonical bytes, a
hash, and rows that remember where in the manager's file they stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from forms.workbook.sheets import Sheet

SHEET: Final = "map"
COLUMNS: Final = ("question", "change", "from", "to", "rule", "note")
RENAMED: Final = "renamed"
RECODED: Final = "recoded"
RETYPED: Final = "retyped"
CONVERTED: Final = "converted"
KEPT: Final = "kept"
DROPPED: Final = "dropped"
RECOMPUTED: Final = "recomputed"
SAME_MEANING: Final = "same-meaning"
NOT_COMPARABLE: Final = "not-comparable"
CHANGES: Final = (
    RENAMED, RECODED, RETYPED, CONVERTED, KEPT, DROPPED, RECOMPUTED, SAME_MEANING, NOT_COMPARABLE,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRow:
    """One declaration.

    Attributes:
        question: name in the new version; the old name for ``kept`` and ``dropped`` questions.
        change: one of ``CHANGES``, or whatever stands there (``check_map`` says so).
        old, new: the cells ``from`` and ``to``: names or codes.
        row: of the manager's sheet, the header being row 1; not part of what the map says.
    """

    question: str
    change: str
    old: str = ""
    new: str = ""
    rule: str = ""
    note: str = ""
    row: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class MigrationMap:
    """The declarations from one version to the next."""

    rows: tuple[MapRow, ...] = ()

    @property
    def document(self) -> bytes:
        """The canonical CSV (UTF-8, LF, columns ``COLUMNS``): equal maps, equal bytes."""
        raise NotImplementedError

    @property
    def hash(self) -> bytes:
        """SHA-256 of the document."""
        raise NotImplementedError


EMPTY_MAP: Final = MigrationMap()


def read_map(content: bytes, filename: str = "map.csv") -> MigrationMap:
    """Read a map from a CSV file; empty content is the empty map.

    Raises:
        WorkbookError: the file is no CSV of these columns; says where.
    """
    raise NotImplementedError


def map_of_sheet(sheet: Sheet) -> MigrationMap:
    """Read a map from the sheet ``map`` of a workbook.

    Raises:
        WorkbookError: the sheet lacks a column, or has one that a map does not have.
    """
    raise NotImplementedError


def map_of_rows(rows: Sequence[MapRow]) -> MigrationMap:
    """Return the map of rows, their cells trimmed."""
    raise NotImplementedError
