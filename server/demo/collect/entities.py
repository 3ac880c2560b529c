"""The app's entity lists: taken from the server's CSV, changed offline by forms, each version compared."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

ID: Final = "name"
LABEL: Final = "label"
VERSION: Final = "__version"


@dataclass(frozen=True, slots=True)
class TabletEntity:
    """One entity on the tablet; ``trunk`` is the version that its offline branch grew from, None if it never came."""

    entity_id: str
    label: str
    version: int
    properties: Mapping[str, str]
    is_offline: bool
    trunk: int | None
    branch: str

    @property
    def is_dirty(self) -> bool:
        """Whether it holds changes that the server has not sent back."""
        return self.is_offline or self.version != self.trunk


@dataclass(slots=True)
class EntityList:
    """One list: its entities by id, the hash of the CSV that it was last taken from."""

    hash: str = ""
    needs_approval: bool = False
    entities: dict[str, TabletEntity] = field(default_factory=dict)

    def create(self, label: str, properties: Mapping[str, str], *, entity_id: str) -> TabletEntity | None:
        """Note what a form creates; None where the app would not: in a list that needs approval, or without label."""
        if self.needs_approval or not label.strip() or not _is_random_uuid(entity_id):
            return None
        branch = str(uuid.uuid4())
        self.entities[entity_id] = TabletEntity(entity_id, label, 1, dict(properties), True, None, branch)  # noqa: FBT003
        return self.entities[entity_id]

    def update(self, entity_id: str, label: str, properties: Mapping[str, str]) -> TabletEntity | None:
        """Note what a form changes; return the entity as it was, whose version the form's is based on."""
        before = self.entities.get(entity_id)
        if before is not None:
            self.entities[entity_id] = replace(
                before,
                label=label or before.label,
                properties={**before.properties, **properties},
                version=before.version + 1,
            )
        return before

    def take(self, content: bytes, *, hash: str, needs_approval: bool) -> bool:
        """Take over the server's list; False where a row lacks what the app needs, and nothing is taken."""
        rows = []
        for row in csv.DictReader(io.StringIO(content.decode())):
            if any(row.get(column) is None for column in (ID, LABEL, VERSION)):
                return False
            rows.append(row)
        changed = dict(self._changed(rows))
        listed = {row[ID] for row in rows}
        kept = {name: one for name, one in self.entities.items() if one.is_offline or name in listed}
        self.entities = {**kept, **changed}
        self.hash, self.needs_approval = hash, needs_approval
        return True

    def _changed(self, rows: list[dict[str, str]]) -> Iterator[tuple[str, TabletEntity]]:
        for row in rows:
            mine, version = self.entities.get(row[ID]), int(row[VERSION])
            if mine is None or mine.version < version or (mine.version == version and mine.is_dirty):
                told = {key: text for key, text in row.items() if key not in (ID, LABEL) and not key.startswith("__")}
                branch = str(uuid.uuid4())
                yield row[ID], TabletEntity(row[ID], row[LABEL], version, told, False, version, branch)  # noqa: FBT003
            elif mine.version > version and mine.is_offline:
                yield row[ID], replace(mine, is_offline=False)


def _is_random_uuid(text: str) -> bool:
    try:
        return uuid.UUID(text).version == 4
    except ValueError:
        return False
