"""Analysis microdata as flat tables: one for households, one for each repeat, joined by a serial number.

Columns classified key, sensitive, direct, location or text never leave, nor does the household's number within its PSU,
from which its key could be put together. The serial number of an interview is its rank by interview id: random, and
without meaning outside one export.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from forms.columns import CLOSED, Column
from server.export.delimited import Cell
from server.microdata import PartTable

HOUSEHOLD: Final = "household"

_CLOSED_NAMES: Final = frozenset({"hh_no"})
_CHUNK_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class FlatTable:
    """A table ready to be written; ``rows`` can be read once."""

    header: tuple[str, ...]
    rows: Iterator[Sequence[Cell]]


def open_columns(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return the columns that may leave the office."""
    return tuple(column for column in columns if column.pii not in CLOSED and column.name not in _CLOSED_NAMES)


def table_names(parts: Iterable[Sequence[Column]]) -> tuple[str, ...]:
    """Return the tables of a form from the columns of its parts: households, and each repeat at any depth."""
    names = dict.fromkeys([HOUSEHOLD])
    for columns in parts:
        names |= dict.fromkeys(path[-1] for path in _repeats(columns, ()))
    return tuple(names)


def flat_table(
    parts: Sequence[tuple[PartTable, Sequence[Column]]],
    name: str,
    *,
    beside: Sequence[str],
    values_of: Callable[[str], Sequence[Cell] | None],
) -> FlatTable:
    """Return one table of all form versions; a column that a part lacks is empty for it.

    Args:
        parts: current rows of each form version, with the columns of the analysis store that they have.
        name: of the table, see :func:`table_names`.
        beside: names of the columns that come before the answers: weights, stratum, PSU …
        values_of: their values by household key; None leaves the interview out.
    """
    names: dict[str, None] = {}
    for _, columns in parts:
        names |= dict.fromkeys(column.name for column in _columns_of(columns, name) if column.name not in beside)
    return FlatTable(("household", "row", *beside, *names), _rows(parts, name, tuple(names), values_of))


def _rows(
    parts: Sequence[tuple[PartTable, Sequence[Column]]],
    name: str,
    names: Sequence[str],
    values_of: Callable[[str], Sequence[Cell] | None],
) -> Iterator[Sequence[Cell]]:
    ids = sorted(one for part, _ in parts for one in part.table.column("_interview_id").to_pylist())
    serial = {one: number for number, one in enumerate(ids, start=1)}
    for part, columns in parts:
        path = _path_to(columns, name)
        for interview in _interviews(part):
            values = values_of(interview["_household_key"]) if interview["_weighs"] else None
            if values is None or path is None:
                continue
            for number, row in enumerate(_descend(interview, path), start=1):
                yield (serial[interview["_interview_id"]], number, *values, *(row.get(one) for one in names))


def _interviews(part: PartTable) -> Iterator[Mapping[str, Any]]:
    for start in range(0, part.table.num_rows, _CHUNK_ROWS):
        yield from part.table.slice(start, _CHUNK_ROWS).to_pylist()


def _descend(row: Mapping[str, Any], path: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    if not path:
        yield row
        return
    for child in row.get(path[0]) or ():
        yield from _descend(child, path[1:])


def _repeats(columns: Iterable[Column], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for column in columns:
        if column.type == "repeat":
            yield (*above, column.name)
            yield from _repeats(column.children, (*above, column.name))


def _path_to(columns: Sequence[Column], name: str) -> tuple[str, ...] | None:
    if name == HOUSEHOLD:
        return ()
    found = (path for path in _repeats(columns, ()) if path[-1] == name)
    return next(found, None)


def _columns_of(columns: Sequence[Column], name: str) -> tuple[Column, ...]:
    path = _path_to(columns, name)
    if path is None:
        return ()
    for step in path:
        columns = next(column.children for column in columns if column.name == step)
    return tuple(column for column in open_columns(columns) if column.type != "repeat")
