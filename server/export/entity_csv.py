"""A list of entities as ODK reads it: `name`, `label`, `__version`, then the properties.

Collect gives up a whole list, silently, at one row without these three. Rows and columns are always in the same order,
so that the same entities give the same bytes. Source: https://getodk.github.io/xforms-spec/entities.
"""

import csv
import hashlib
import io
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LABEL: Final = "label"
COLUMNS: Final = ("name", LABEL, "__version")


@dataclass(frozen=True, slots=True)
class EntityRow:
    """One entity; `values` holds its label too."""

    entity_id: bytes
    version: int
    values: Mapping[str, str]


def entity_csv(properties: Sequence[str], rows: Iterable[EntityRow]) -> bytes:
    """Return the file, UTF-8 without byte order mark; an entity without a label is shown by its id."""
    file = io.StringIO(newline="")
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow((*COLUMNS, *properties))
    for row in sorted(rows, key=lambda row: row.entity_id):
        name = str(uuid.UUID(bytes=row.entity_id))
        values = (row.values.get(one, "") for one in properties)
        lines.writerow((name, row.values.get(LABEL) or name, row.version, *values))
    return file.getvalue().encode("utf-8")


def md5_of(content: bytes) -> str:
    """Return the MD5 in hexadecimal, as manifests carry it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
