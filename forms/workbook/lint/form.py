"""A workbook as the linter sees it: columns by their meaning, questions in their groups, lists with their choices."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from forms.findings import Severity
from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint import vocabulary as words
from forms.workbook.lint.catalogue import finding
from forms.workbook.lint.headers import Header, read_headers
from forms.workbook.sheets import Sheet, SheetRow, Workbook

HEADER: Final = 0
"""The row of a finding about a header, wherever that stands."""
_SPACES: Final = re.compile(r" +")
_CURLY: Final = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"'})
_BEGIN: Final = re.compile(rf"^begin[\s_](?P<kind>{'|'.join(words.CONTROLS)})(?: (?:over )?(?P<list>\S+))?$")
_END: Final = re.compile(rf"^end[\s_](?P<kind>{'|'.join(words.CONTROLS)})$")
_SELECT: Final = re.compile(
    rf"^(?P<command>{'|'.join(words.SELECTS)}) (?P<list>\S+)(?P<other> (?:or specify other|or_other|or other))?$"
)
_OSM: Final = re.compile(r"osm (?P<list>\S+)")


@dataclass(frozen=True, slots=True)
class Row:
    """A row with its cells by meaning.

    Attributes:
        cells: text by column; of columns with languages the first that is filled.
        texts: (column, language) → text; the language ``""`` is that of a column without one.
    """

    number: int
    cells: Mapping[str, str]
    texts: Mapping[tuple[str, str], str]

    def get(self, column: str) -> str:
        """Return a cell, empty where it is."""
        return self.cells.get(column, "")


@dataclass(frozen=True, slots=True)
class Page:
    """A sheet with its columns by meaning."""

    sheet: Sheet
    headers: tuple[Header, ...]
    rows: tuple[Row, ...]

    def header_of(self, column: str, language: str | None = None) -> str | None:
        """Return how the sheet writes a column; None where it has none."""
        for header in self.headers:
            if header.column == column and (language is None or header.language == language):
                return header.text
        return None

    def has(self, column: str) -> bool:
        """Say whether the sheet has a column."""
        return self.header_of(column) is not None

    def languages(self, column: str) -> tuple[str, ...]:
        """Return the languages that a column is written in, ``""`` for a column without one."""
        return tuple(dict.fromkeys(header.language for header in self.headers if header.column == column))

    def find(
        self,
        code: str,
        row: int | None = None,
        column: str | None = None,
        *,
        language: str | None = None,
        severity: Severity | None = None,
        blanks: Mapping[str, object] = MappingProxyType({}),
        **values: object,
    ) -> WorkbookFinding:
        """Make a finding about a cell, a row or the sheet."""
        text = self.header_of(column, language) if column else None
        row = self.sheet.header_row if row == HEADER else row
        cell = self.sheet.cell(row, text) if row is not None and text else ""
        return finding(
            code,
            sheet=self.sheet.name,
            row=row,
            column=text or column,
            cell=cell,
            severity=severity,
            blanks=blanks,
            **values,
        )


@dataclass(slots=True, eq=False)
class Item:
    """A question, group or repeat of the survey.

    Attributes:
        type: as the converter understands it: ``select_one``, ``photo``, ``group``; ``written`` as it stands there.
        list_name: of a select, a loop or osm.
    """

    row: Row
    type: str
    written: str
    name: str
    parent: "Item | None" = None
    list_name: str = ""
    has_other: bool = False
    children: list["Item"] = field(default_factory=list)
    end: int = 0

    @property
    def is_container(self) -> bool:
        """Say whether it is a group, repeat or loop."""
        return self.type in ("group", "repeat", "loop")

    @property
    def ancestors(self) -> Iterator["Item"]:
        """Yield the groups and repeats around it, the nearest first."""
        around = self.parent
        while around is not None:
            yield around
            around = around.parent

    @property
    def repeats(self) -> tuple["Item", ...]:
        """Return the repeats around it, the nearest first."""
        return tuple(item for item in self.ancestors if item.type == "repeat")


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """A choice of a list."""

    row: Row
    name: str


@dataclass(frozen=True, slots=True)
class Form:
    """The whole workbook.

    Attributes:
        items: all rows of the survey that mean something, in order; ``roots`` those in no group.
        by_name: the items of a name.
        lists: choices by list; ``external`` those of the sheet external_choices.
        codes: the codes of each list, with that which or_other adds.
        ends: rows that close nothing: (row, kind, the group that is open there).
        settings: the first row of settings by its columns in lower case.
    """

    workbook: Workbook
    survey: Page
    choices: Page | None
    external: Page | None
    entities: Page | None
    settings_sheet: Sheet | None
    settings: Mapping[str, str]
    items: tuple[Item, ...]
    by_name: Mapping[str, tuple[Item, ...]]
    lists: Mapping[str, tuple[ChoiceRow, ...]]
    external_lists: frozenset[str]
    ends: tuple[tuple[Row, str, Item | None], ...]
    ignored: tuple[Row, ...]
    typeless: tuple[Row, ...]
    codes: Mapping[str, frozenset[str]]

    @property
    def root_name(self) -> str:
        """Return the name of the outermost element."""
        return self.settings.get("name") or "data"

    def find_setting(self, code: str, setting: str, **values: object) -> WorkbookFinding:
        """Make a finding about a setting that is given."""
        sheet = self.settings_sheet
        if sheet is None or not sheet.rows:
            return finding(code, blanks=values)
        row = sheet.rows[0]
        text = next((text for text in row.cells if "_".join(text.split()).lower() == setting), setting)
        cell = sheet.cell(row.number, text)
        return finding(code, sheet=sheet.name, row=row.number, column=text, cell=cell, blanks=values)

    def codes_of(self, item: Item) -> frozenset[str] | None:
        """Return every code that a select can ever have; None where nobody here knows."""
        if item.list_name not in self.lists or item.type not in ("select_one", "select_multiple", "rank"):
            return None
        if self.has_hidden_choices(item):
            return None
        return self.codes[item.list_name]

    def has_hidden_choices(self, item: Item) -> bool:
        """Say whether a select takes choices from elsewhere: a file by search(), or an option that settings add."""
        return "search(" in item.row.get("appearance") or self.settings.get("add_none_option", "") in words.YES


def read_form(workbook: Workbook) -> Form:
    """Read a workbook that has a sheet survey."""
    survey = read_page(workbook.sheets["survey"], words.SURVEY_ALIASES, words.SURVEY_COLUMNS)
    pages = {
        name: read_page(workbook.sheets[name], words.LIST_ALIASES, words.LIST_COLUMNS)
        for name in ("choices", "external_choices", "entities")
        if name in workbook.sheets and workbook.sheets[name].header
    }
    tree = _Tree()
    for row in survey.rows:
        tree.add(row)
    settings_sheet = workbook.sheets.get("settings")
    by_name: dict[str, list[Item]] = {}
    for item in tree.items:
        by_name.setdefault(item.name, []).append(item)
    lists = _lists(pages.get("choices"))
    return Form(
        workbook=workbook,
        survey=survey,
        choices=pages.get("choices"),
        external=pages.get("external_choices"),
        entities=pages.get("entities"),
        settings_sheet=settings_sheet,
        settings=_settings(settings_sheet),
        items=tuple(tree.items),
        by_name={name: tuple(items) for name, items in by_name.items()},
        lists=lists,
        external_lists=frozenset(_lists(pages.get("external_choices"))),
        ends=tuple(tree.ends),
        ignored=tuple(tree.ignored),
        typeless=tuple(tree.typeless),
        codes=_codes(lists, {item.list_name for item in tree.items if item.has_other}),
    )


def read_page(sheet: Sheet, aliases: Mapping[str, str], known: frozenset[str]) -> Page:
    """Read a sheet's columns by their meaning."""
    headers = read_headers(sheet.header, aliases, known)
    meaning = {header.text: header for header in headers}
    return Page(sheet, headers, tuple(_row(row, meaning) for row in sheet.rows))


def _row(row: SheetRow, meaning: Mapping[str, Header]) -> Row:
    cells: dict[str, str] = {}
    texts: dict[tuple[str, str], str] = {}
    for text, cell in row.cells.items():
        header = meaning[text]
        value = cell.translate(_CURLY)
        cells.setdefault(header.column, value)
        texts[header.column, header.language] = value
    return Row(row.number, cells, texts)


class _Tree:
    """The rows of the survey as they open and close groups."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.open: list[Item] = []
        self.ends: list[tuple[Row, str, Item | None]] = []
        self.ignored: list[Row] = []
        self.typeless: list[Row] = []

    def add(self, row: Row) -> None:
        if row.get("disabled") in words.YES:
            return
        written = _SPACES.sub(" ", row.get("type"))
        if not written:
            (self.typeless if row.get("name") or row.get("label") else self.ignored).append(row)
            return
        end = _END.match(written)
        if end:
            self._close(row, words.CONTROLS[end["kind"]])
            return
        if written in words.SETTINGS_AS_TYPES:
            return
        item = _item(row, written)
        item.parent = self.open[-1] if self.open else None
        if item.parent is not None:
            item.parent.children.append(item)
        self.items.append(item)
        if item.is_container:
            self.open.append(item)

    def _close(self, row: Row, kind: str) -> None:
        if self.open and self.open[-1].type == kind:
            self.open.pop().end = row.number
            return
        self.ends.append((row, kind, self.open[-1] if self.open else None))
        # Where an outer one of the kind is open, its end is what the manager meant: what follows is judged better.
        if any(item.type == kind for item in self.open):
            meant = self.open.pop()
            while meant.type != kind:
                meant = self.open.pop()
            meant.end = row.number


def _item(row: Row, written: str) -> Item:
    name = row.get("name")
    begin = _BEGIN.match(written)
    if begin:
        return Item(row, words.CONTROLS[begin["kind"]], written, name, list_name=begin["list"] or "")
    select = _SELECT.match(written)
    if select:
        kind = words.SELECTS[select["command"]]
        return Item(row, kind, written, name, list_name=select["list"], has_other=select["other"] is not None)
    osm = _OSM.search(written)
    if osm:
        return Item(row, "osm", written, name, list_name=osm["list"])
    kind = words.TYPE_ALIASES.get(written, written)
    if kind in words.NOTES and not name:
        name = f"generated_note_name_{row.number}"
    return Item(row, kind, written, "audit" if kind == "audit" else name)


def _lists(page: Page | None) -> dict[str, tuple[ChoiceRow, ...]]:
    found: dict[str, list[ChoiceRow]] = {}
    for row in page.rows if page else ():
        if row.get("list_name"):
            found.setdefault(row.get("list_name"), []).append(ChoiceRow(row, row.get("name")))
    return {name: tuple(rows) for name, rows in found.items()}


def _codes(lists: Mapping[str, tuple[ChoiceRow, ...]], with_other: set[str]) -> dict[str, frozenset[str]]:
    other = frozenset({"other"})
    return {
        name: frozenset(choice.name for choice in choices) | (other if name in with_other else frozenset())
        for name, choices in lists.items()
    }


def _settings(sheet: Sheet | None) -> dict[str, str]:
    if sheet is None or not sheet.rows:
        return {}
    return {"_".join(header.split()).lower(): cell for header, cell in sheet.rows[0].cells.items()}
