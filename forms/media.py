"""Files beside a form: CSV, XML and GeoJSON as secondary instances, and CSV as tables of ``pulldata()``.

A file that is not here, or cannot be read, stays unknown: nobody is found at fault for an answer that it would have
decided. What a file becomes follows JavaRosa: ``root/item/<column>`` of CSV and GeoJSON, the document itself of XML.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Final

from lxml import etree

from forms.documents import DocumentError, parse_xml
from forms.model import SecondaryInstance

MAX_FILE_BYTES: Final = 32 << 20
MAX_ROWS: Final = 200_000
MAX_CELLS: Final = 2_000_000
LAST_SAVED: Final = "jr://instance/last-saved"
"""The previous interview on the same tablet, which no server has."""

_NAME: Final = re.compile(r"[^\W\d][\w.-]*\Z").match
_LITERAL: Final = r"""(?:'([^']*)'|"([^"]*)")"""
_SEARCH: Final = re.compile(rf"(?<![\w-])search\s*\(\s*{_LITERAL}").search
_NUMERIC: Final = re.compile(r"-?\d+(?:\.\d+)?\Z").match

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The rows of a CSV file by column name."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


class _Unreadable(Exception):
    """A file cannot be read, or is larger than anybody needs."""


def media_name(source: str) -> str:
    """Return the name of the file that a ``jr://`` reference means."""
    return PurePosixPath(source).name


def with_media(instances: Mapping[str, SecondaryInstance], media: Mapping[str, bytes]) -> dict[str, SecondaryInstance]:
    """Return the secondary instances with those that stand in files read from the media, where they are there."""
    return {name: _filled(instance, media) for name, instance in instances.items()}


def _filled(instance: SecondaryInstance, media: Mapping[str, bytes]) -> SecondaryInstance:
    if not instance.source:
        return instance
    name = media_name(instance.source)
    content = None if instance.source == LAST_SAVED else media.get(name)
    return SecondaryInstance(instance.id, instance.source, None if content is None else _root(name, content))


def _root(name: str, content: bytes) -> etree._Element | None:
    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix == ".xml":
            return parse_xml(content, max_bytes=MAX_FILE_BYTES)
        if suffix == ".csv":
            return _listed(read_csv(content).rows)
        return _listed(_features(content)) if suffix == ".geojson" else None
    except (_Unreadable, DocumentError):
        return None


def table_of(media: Mapping[str, bytes], name: str) -> Table | None:
    """Return the table that ``pulldata()`` or ``search()`` names, without suffix; None where it is not here."""
    content = media.get(name if name.endswith(".csv") else f"{name}.csv")
    try:
        return None if content is None else read_csv(content)
    except _Unreadable:
        return None


@lru_cache(maxsize=32)
def read_csv(content: bytes) -> Table:
    """Read a CSV file: UTF-8 with or without byte order mark, separated by commas or semicolons.

    Raises:
        _Unreadable: not such a file, or too large.
    """
    if len(content) > MAX_FILE_BYTES:
        raise _Unreadable
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _Unreadable from None
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    try:
        columns = tuple(name.strip() for name in next(lines, ()))
        rows = tuple(_rows(lines, columns))
    except csv.Error:
        raise _Unreadable from None
    return Table(columns, rows)


def _rows(lines: Iterator[list[str]], columns: tuple[str, ...]) -> Iterator[Row]:
    cells = 0
    for place, line in enumerate(lines):
        cells += len(line)
        if place >= MAX_ROWS or cells > MAX_CELLS:
            raise _Unreadable
        if line:
            yield dict(zip(columns, [*line, *[""] * (len(columns) - len(line))], strict=False))


def _listed(rows: tuple[Row, ...]) -> etree._Element:
    root = etree.Element("root")
    for row in rows:
        item = etree.SubElement(root, "item")
        for name, text in row.items():
            # A column whose name no element can have cannot be named by a path either.
            if _NAME(name):
                etree.SubElement(item, name).text = _clean(text)
    return root


def _clean(text: str) -> str:
    return "".join(character for character in text if character.isprintable() or character in "\t\n\r")


def _features(content: bytes) -> tuple[Row, ...]:
    if len(content) > MAX_FILE_BYTES:
        raise _Unreadable
    try:
        document = json.loads(content)
        features = document["features"]
        if len(features) > MAX_ROWS:
            raise _Unreadable
        return tuple(_feature(feature) for feature in features)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise _Unreadable from None


def _feature(feature: Mapping[str, Any]) -> Row:
    properties = feature.get("properties") or {}
    row = {str(name): _json_text(value) for name, value in properties.items()}
    if feature.get("id") is not None:
        row["id"] = _json_text(feature["id"])
    return {"geometry": _geometry(feature["geometry"]), **row}


def _json_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _geometry(geometry: Mapping[str, Any]) -> str:
    """Write a Point, LineString or Polygon as ODK does: latitude, longitude, altitude, accuracy; points by ``;``."""
    kind, coordinates = geometry["type"], geometry["coordinates"]
    points = [coordinates] if kind == "Point" else coordinates if kind == "LineString" else coordinates[0]
    return "; ".join(f"{point[1]} {point[0]} 0 0" for point in points)


def search_file(appearance: str) -> str | None:
    """Return the name of the file that the appearance ``search('file', …)`` takes choices from, None without it."""
    match = _SEARCH(appearance)
    return None if match is None else match.group(1) or match.group(2)


def searched_codes(table: Table, written: tuple[str, ...]) -> tuple[Row, ...]:
    """Return the rows that a ``search()`` offers, each with its code under ``""``.

    Args:
        written: the values of the items in the form: a number is a choice of its own, else it names the column.

    A filter is not applied: it can only take choices away, and what it says about this interview is Collect's to know.
    """
    found: list[Row] = []
    for value in written:
        if _NUMERIC(value):
            found.append({"": value})
        elif value in table.columns:
            found.extend({"": row[value], **row} for row in table.rows)
    return tuple(found)
