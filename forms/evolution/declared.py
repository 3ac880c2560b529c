"""The migration map: what the manager says about a change, as rows of a small file or of a sheet named ``map``.

A map leads from the version published before to the version that it is stored with. It is data: canonical bytes, a
hash, and rows that remember where in the manager's file they stand.
"""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from forms.workbook.findings import WorkbookError, WorkbookFinding
from forms.workbook.sheets import Sheet, SheetRow

SHEET: Final = "map"
MAX_MAP_BYTES: Final = 4 << 20
"""The largest classification that a survey recodes has a few thousand codes."""
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


_BLANK: Final = MapRow(question="", change="")


@dataclass(frozen=True, slots=True)
class MigrationMap:
    """The declarations from one version to the next."""

    rows: tuple[MapRow, ...] = ()

    @property
    def document(self) -> bytes:
        """The canonical CSV (UTF-8, LF, columns ``COLUMNS``): equal maps, equal bytes."""
        target = io.StringIO(newline="")
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((row.question, row.change, row.old, row.new, row.rule, row.note) for row in self.rows)
        return target.getvalue().encode()

    @property
    def hash(self) -> bytes:
        """SHA-256 of the document."""
        return hashlib.sha256(self.document).digest()

    def of(self, change: str) -> tuple[MapRow, ...]:
        """Return the rows of one kind of change."""
        return tuple(row for row in self.rows if row.change == change)


EMPTY_MAP: Final = MigrationMap()


def read_map(content: bytes, filename: str = "map.csv") -> MigrationMap:
    """Read a map from a CSV file; empty content is the empty map.

    The separator is a comma, or a semicolon where the header has those, as a spreadsheet set to French writes.

    Raises:
        WorkbookError: the file is no CSV of these columns; says where.
    """
    if len(content) > MAX_MAP_BYTES:
        raise _refused(
            "too-large",
            {
                "en": f"The map {filename} has {len(content)} bytes; at most {MAX_MAP_BYTES} are read.",
                "fr": f"La table de passage {filename} a {len(content)} octets ; {MAX_MAP_BYTES} au plus sont lus.",
            },
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused(
            "not-utf-8",
            {
                "en": f"The map {filename} is not UTF-8 text. Save it as “CSV UTF-8”.",
                "fr": f"La table de passage {filename} n'est pas du texte UTF-8. Enregistrez-la en « CSV UTF-8 ».",
            },
        ) from None
    header = text.partition("\n")[0]
    separator = ";" if header.count(";") > header.count(",") else ","
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        raise _refused(
            "not-csv",
            {
                "en": f'The map {filename} is not CSV: a quotation mark is not closed. Look for a single “"”.',
                "fr": f"La table de passage {filename} n'est pas du CSV : un guillemet n'est pas fermé. Cherchez-le.",
            },
        ) from None
    return EMPTY_MAP if not lines else map_of_sheet(_sheet(lines))


def _sheet(lines: Sequence[Sequence[str]]) -> Sheet:
    header = tuple(name.strip() for name in lines[0])
    rows = tuple(
        SheetRow(number, {name: cell for name, cell in zip(header, line, strict=False) if name and cell})
        for number, line in enumerate(lines[1:], start=2)
        if any(cell.strip() for cell in line)
    )
    return Sheet(SHEET, header, rows)


def map_of_sheet(sheet: Sheet) -> MigrationMap:
    """Read a map from the sheet ``map`` of a workbook.

    Raises:
        WorkbookError: the sheet lacks a column, or has one that a map does not have.
    """
    headers = {name.strip().lower(): name for name in sheet.header if name.strip()}
    findings = [_no_column(name) for name in ("question", "change") if name not in headers]
    findings += [_odd_column(written) for name, written in headers.items() if name not in COLUMNS]
    if findings:
        raise WorkbookError(tuple(findings))
    return map_of_rows([_row(row, headers) for row in sheet.rows])


def _row(row: SheetRow, headers: Mapping[str, str]) -> MapRow:
    question, change, old, new, rule, note = (row.get(headers.get(name, "")) for name in COLUMNS)
    return MapRow(question=question, change=change, old=old, new=new, rule=rule, note=note, row=row.number)


def map_of_rows(rows: Sequence[MapRow]) -> MigrationMap:
    """Return the map of rows, their cells trimmed and on one line; rows without any cell are left out."""
    trimmed = (
        MapRow(
            question=_line(row.question),
            change=_line(row.change).lower(),
            old=_line(row.old),
            new=_line(row.new),
            rule=_line(row.rule),
            note=_line(row.note),
            row=row.row,
        )
        for row in rows
    )
    return MigrationMap(tuple(row for row in trimmed if row != _BLANK))


def joined_maps(maps: Sequence[MigrationMap]) -> MigrationMap:
    """Return what several maps in a row say of the first and the last version, as far as one map can say it.

    Names and codes are followed through later renames and recodings. It serves to compare two versions that are not
    neighbours; answers are upgraded step by step instead.
    """
    rows: list[MapRow] = []
    for one in maps:
        names = {row.old: row.question for row in one.of(RENAMED)}
        codes = {(row.question, row.old): row.new for row in one.of(RECODED)}
        rows = [_followed(row, names, codes) for row in rows]
        followed = {row.question for row in rows if row.change == RENAMED}
        rows += [row for row in one.rows if not (row.change == RENAMED and row.question in followed)]
    return map_of_rows(rows)


def _followed(row: MapRow, names: Mapping[str, str], codes: Mapping[tuple[str, str], str]) -> MapRow:
    question = names.get(row.question, row.question)
    new = codes.get((question, row.new), row.new) if row.change == RECODED else row.new
    return replace(row, question=question, new=new)


def _line(cell: str) -> str:
    return " ".join(cell.split())


def _refused(code: str, what: Mapping[str, str]) -> WorkbookError:
    finding = WorkbookFinding(code=code, severity="error", sheet=SHEET, what=what, mend={"en": "", "fr": ""})
    return WorkbookError((finding,))


def _no_column(name: str) -> WorkbookFinding:
    return WorkbookFinding(
        code="missing-column",
        severity="error",
        sheet=SHEET,
        row=1,
        column=name,
        what={"en": f"The map has no column “{name}”.", "fr": f"La table de passage n'a pas de colonne « {name} »."},
        mend={
            "en": f"Its columns are: {', '.join(COLUMNS)}.",
            "fr": f"Ses colonnes sont : {', '.join(COLUMNS)}.",
        },
    )


def _odd_column(name: str) -> WorkbookFinding:
    return WorkbookFinding(
        code="unknown-column",
        severity="error",
        sheet=SHEET,
        row=1,
        column=name,
        what={
            "en": f"A map has no column “{name}”.",
            "fr": f"Une table de passage n'a pas de colonne « {name} ».",
        },
        mend={
            "en": f"Its columns are: {', '.join(COLUMNS)}; put remarks into “note”.",
            "fr": f"Ses colonnes sont : {', '.join(COLUMNS)} ; mettez les remarques dans « note ».",
        },
    )
