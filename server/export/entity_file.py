"""Reading a CSV file of entities, as an office has one or as it exports one."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from forms.entities import entity_id_bytes, is_value
from server.errors import EntitiesInvalid
from server.export.entity_csv import LABEL

IDS: Final = ("name", "__id")
MOST_ROWS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedEntity:
    """An entity as somebody asks for it.

    Attributes:
        place: for messages: a line, or an id.
        entity_id: (16,), empty where none is given.
        values: label and properties that are given.
        occurrence: how many rows before it in the file say the same.
    """

    place: str
    values: Mapping[str, str]
    entity_id: bytes = b""
    occurrence: int = 0


def read_entity_file(content: bytes) -> tuple[Sequence[str], Sequence[AskedEntity]]:
    """Read a file: UTF-8, commas or semicolons; return its properties and its rows.

    Columns that begin with two underscores are the server's own and are left out.

    Raises:
        EntitiesInvalid: with `errors`, each with its line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise EntitiesInvalid("the file is not UTF-8: save it as “CSV UTF-8”") from None
    head = text.partition("\n")[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [name.strip() for name in next(lines, [])]
        _check_columns(columns)
        return [name for name in columns if _is_property(name)], _rows(lines, columns)
    except csv.Error as error:
        raise EntitiesInvalid(f"line {lines.line_num}: {error}") from None


def _check_columns(columns: Sequence[str]) -> None:
    twice = sorted(name for name, count in Counter(name.casefold() for name in columns).items() if count > 1)
    if twice:
        raise EntitiesInvalid(f"line 1: the column {twice[0]} is there twice")
    if LABEL not in columns:
        raise EntitiesInvalid("line 1: there is no column label")


def _is_property(name: str) -> bool:
    return bool(name) and name not in (LABEL, *IDS) and not name.startswith("__")


def _rows(lines: "csv._reader", columns: Sequence[str]) -> Sequence[AskedEntity]:  # type: ignore[name-defined]
    found: list[AskedEntity] = []
    errors: list[str] = []
    seen: Counter[tuple[tuple[str, str], ...]] = Counter()
    for line in lines:
        if not any(cell.strip() for cell in line):
            continue
        place = f"line {lines.line_num}"
        cells = dict(zip(columns, [*line, *[""] * len(columns)], strict=False))
        given = next((cells[name].strip() for name in IDS if cells.get(name, "").strip()), "")
        entity_id = entity_id_bytes(given) if given else b""
        if entity_id is None:
            errors.append(f"{place}: the id is no version 4 UUID")
        if len(line) > len(columns) or not all(map(is_value, line)):
            errors.append(f"{place}: more cells than columns, or a cell that cannot be stored")
        values = {name: cells[name] for name in columns if name == LABEL or _is_property(name)}
        key = tuple(sorted(values.items()))
        found.append(AskedEntity(place=place, entity_id=entity_id or b"", values=values, occurrence=seen[key]))
        seen[key] += 1
        if len(found) > MOST_ROWS:
            raise EntitiesInvalid(f"{place}: a file has at most {MOST_ROWS} entities")
    if errors:
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        raise EntitiesInvalid(errors[0] + more, errors=errors[:100])
    return found
