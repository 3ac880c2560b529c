"""Decisions of the office about entities (action `entities`): one list, and a row for each change.

Whoever decided is gone when a decision is folded: a row that cannot be meant is left out.
"""

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from forms.entities import entity_id_bytes, is_list_name, is_property_name
from sync_protocol.documents import canonical_json
from sync_protocol.entities import LABEL, OFFICE_RANK, Action, EntityChange

ENTITIES: Final = "entities"
_LABEL: Final = "passerelle/1 entity change"
_ACTIONS: Final = frozenset(Action) - {Action.UPSERT}


@dataclass(frozen=True, slots=True)
class EntityDecision:
    """What a decision changes: the list by project and name, and by entity id (16,) each change."""

    project_id: int
    name: str
    changes: Sequence[tuple[bytes, EntityChange]]


def change_id_of(*members: str | int) -> bytes:
    """Return the id of a change, (16,), made of what makes it the same change wherever it comes from."""
    return hashlib.sha256(canonical_json([_LABEL, *members])).digest()[:16]


def office_row(
    entity_id: bytes, action: Action, values: Mapping[str, str], parents: Iterable[bytes] = ()
) -> dict[str, Any]:
    """Return a row of a decision as `read_decision` reads it."""
    row: dict[str, Any] = {"id": str(uuid.UUID(bytes=entity_id)), "do": action.value}
    if values:
        row["values"] = dict(values)
    heads = [parent.hex() for parent in parents]
    return row | {"parents": heads} if heads else row


def read_decision(envelope_id: bytes, decision: Mapping[str, Any]) -> EntityDecision | None:
    """Return what a decision changes, None when it changes no entities."""
    name, project_id, rows = decision.get("list"), decision.get("project"), decision.get("rows")
    if decision.get("action") != ENTITIES or not isinstance(name, str) or not is_list_name(name):
        return None
    if not isinstance(project_id, int) or not isinstance(rows, list):
        return None
    read = [_row(envelope_id, number, row) for number, row in enumerate(rows)]
    return EntityDecision(project_id, name, [row for row in read if row is not None])


def _row(envelope_id: bytes, number: int, row: Any) -> tuple[bytes, EntityChange] | None:
    try:
        entity_id, action = entity_id_bytes(row["id"]), Action(row["do"])
        parents = tuple(bytes.fromhex(parent) for parent in row.get("parents", ()))
        values = {
            name: value
            for name, value in row.get("values", {}).items()
            if isinstance(value, str) and (name == LABEL or is_property_name(name))
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if entity_id is None or action not in _ACTIONS:
        return None
    change_id = change_id_of(envelope_id.hex(), number)
    return entity_id, EntityChange(
        change_id=change_id, action=action, values=values, rank=OFFICE_RANK, row=number, parents=parents
    )
