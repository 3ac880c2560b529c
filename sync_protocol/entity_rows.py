"""Rows of an entity list on their way to one device: what is new, changed or gone, sealed to its receiving key."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sync_protocol import frames, hpke
from sync_protocol.constants import EXCHANGE_BYTES, LABEL_ENTITIES, SUITE_X25519
from sync_protocol.documents import canonical_json
from sync_protocol.errors import ProtocolError, RemoteError


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRow:
    """One entity as a device has it; `is_gone` when it is no longer this device's to see.

    Attributes:
        entity_id: a version 4 UUID, as text.
        version: grows with what changes in it.
        values: its properties by name.
    """

    entity_id: str
    version: int = 0
    label: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    is_gone: bool = False


def seal_rows(rows: Sequence[EntityRow], *, list_name: str, device_id: str, receiving_key: bytes) -> bytes:
    """Seal rows of a list to a device; return the frame."""
    members = [
        {"id": row.entity_id, "gone": True}
        if row.is_gone
        else {"id": row.entity_id, "version": row.version, "label": row.label, "values": dict(row.values)}
        for row in rows
    ]
    plain = frames.deflate(canonical_json(members))
    return hpke.seal(SUITE_X25519, receiving_key, plain, _info(list_name, device_id))


def open_rows(sealed: bytes, *, list_name: str, device_id: str, receiving_seed: bytes) -> tuple[EntityRow, ...]:
    """Open the rows of a frame.

    Raises:
        RemoteError: ``undecryptable``, ``malformed``, ``too-large``.
    """
    try:
        opened = hpke.open_(SUITE_X25519, receiving_seed, sealed, _info(list_name, device_id))
        return tuple(map(_row, json.loads(frames.inflate(opened, EXCHANGE_BYTES))))
    except ProtocolError as error:
        raise RemoteError(error.code, error.detail) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise RemoteError("malformed", "the sealed rows are not entities") from None


def _row(members: Mapping[str, object]) -> EntityRow:
    if members.get("gone") is True:
        return EntityRow(entity_id=str(members["id"]), is_gone=True)
    version, values = members["version"], members["values"]
    if type(version) is not int or not isinstance(values, dict):
        raise TypeError("not an entity")
    return EntityRow(
        entity_id=str(members["id"]),
        version=version,
        label=str(members["label"]),
        values={str(name): str(value) for name, value in values.items()},
    )


def _info(list_name: str, device_id: str) -> bytes:
    """Bind the seal to device and list; device ids hold no zero byte."""
    return b"\x00".join((LABEL_ENTITIES, device_id.encode("utf-8"), list_name.encode("utf-8")))
