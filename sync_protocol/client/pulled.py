"""What a device does with what it pulls: every kind, inside the transaction of the answer that brought it.

Sealed items are stored as they came: a locked device cannot open them. `Reading` opens them once the device is
unlocked.
"""

import json
from collections.abc import Sequence
from typing import Final

from sync_protocol import assignments, entity_rows
from sync_protocol.assignments import Household
from sync_protocol.client.database import DeviceDatabase
from sync_protocol.client.receiving import LOCAL, ReceivingKeys
from sync_protocol.client.vault import LockedVault, PinVault
from sync_protocol.entity_rows import EntityRow
from sync_protocol.errors import ProtocolError
from sync_protocol.handover import Address, Handover, open_handover
from sync_protocol.handover import Kind as HandoverKind
from sync_protocol.pull_items import (
    AssignmentsPull,
    DraftPull,
    EntitiesPull,
    FormVersionPull,
    PullItem,
    ReturnedPull,
    RevocationPull,
    VerdictPull,
    WipePull,
)

REVOKED_AT: Final = "revoked_at"
WIPE_ORDER: Final = "wipe_order"
SEALED_TABLES: Final = ("assignment", "handover", "entity_delta")
DELETE_GONE: Final = "DELETE FROM {table} WHERE sealed_to <> ? AND sealed_to NOT IN (SELECT key_id FROM receiving_key)"


class Pulled:
    """Stores what was pulled."""

    def __init__(self, database: DeviceDatabase, certificate_key_id: str) -> None:
        """Take the open file, and the id of the key of the device's certificate: what `sealed_to` means when empty."""
        self._database = database
        self._certificate_key_id = certificate_key_id

    def store(self, item: PullItem) -> None:
        """Store one item; inside the caller's transaction. Erasures are not stored but obeyed, elsewhere."""
        if isinstance(item, FormVersionPull):
            self._form_version(item)
        elif isinstance(item, AssignmentsPull):
            self._assignments(item)
        elif isinstance(item, VerdictPull):
            self._database.execute(
                "INSERT OR REPLACE INTO verdict (envelope_id, instance_id, state, reason) VALUES (?, ?, ?, ?)",
                *(item.envelope_id, item.instance_id, item.state, item.reason),
            )
        elif isinstance(item, ReturnedPull | DraftPull):
            self._handover(item)
        elif isinstance(item, EntitiesPull):
            self._put("entity_delta", None, item.list_name, item.sealed, self._key(item.sealed_to))
        elif isinstance(item, RevocationPull):
            self._put("setting", REVOKED_AT, item.revoked_at.isoformat())
        elif isinstance(item, WipePull):
            self._put("setting", WIPE_ORDER, item.document)

    def _assignments(self, item: AssignmentsPull) -> None:
        self._put("assignment", item.psu, json.dumps(item.households), item.sealed, self._key(item.sealed_to))
        if item.closed:
            self._database.execute("INSERT OR IGNORE INTO closed_psu (psu) VALUES (?)", item.psu)
        else:
            self._database.execute("DELETE FROM closed_psu WHERE psu = ?", item.psu)

    def _form_version(self, item: FormVersionPull) -> None:
        self._database.execute(
            "INSERT INTO form_version (hash, form_id, version, title, state, xform) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (hash) DO UPDATE SET title = excluded.title, state = excluded.state,"
            " xform = coalesce(excluded.xform, form_version.xform)",
            *(item.hash, item.form_id, item.version, item.title, item.state, item.xform),
        )
        if item.xform is None and not item.files:
            return  # only withdrawn: what there is may still be needed to read an interview that is given back
        self._database.execute("DELETE FROM form_file WHERE form_version_hash = ?", item.hash)
        for file in item.files:
            is_dictionary = file.sha256 == item.dictionary
            self._put("form_file", item.hash, file.name, file.type, file.length_bytes, file.sha256, int(is_dictionary))

    def _handover(self, item: ReturnedPull | DraftPull) -> None:
        kind: HandoverKind = "draft" if isinstance(item, DraftPull) else "returned"
        if item.sealed is None:
            self._database.execute("DELETE FROM handover WHERE kind = ? AND instance_id = ?", kind, item.instance_id)
            return
        sealed_to = self._key(item.sealed_to)
        self._put("handover", kind, item.instance_id, item.form_version_hash, item.sealed, sealed_to)

    def _key(self, sealed_to: str) -> str:
        return sealed_to or self._certificate_key_id

    def _put(self, table: str, *values: str | int | bytes | None) -> None:
        places = ", ".join("?" * len(values))
        self._database.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", *values)  # noqa: S608


class Reading:
    """Opens what was pulled, once the device is unlocked, and keeps it under the data key."""

    def __init__(
        self, database: DeviceDatabase, keys: ReceivingKeys, local: LockedVault | PinVault, device_id: str
    ) -> None:
        """Take the open file, the receiving keys, what seals under the data key, and whose device this is."""
        self._database = database
        self._keys = keys
        self._local = local
        self._device_id = device_id

    def take_in(self) -> None:
        """Seal again under the data key what is sealed to receiving keys, and let those go. Nothing while locked.

        What does not open stays as it came. What is sealed to a key that is gone will never open: a restored server may
        know an older key than this device, and a locked device names no newer one. It goes, and all is pulled anew.
        """
        if isinstance(self._local, LockedVault):
            return
        with self._database.transaction():
            query = "SELECT psu, sealed, sealed_to FROM assignment WHERE sealed_to <> ?"
            for psu, sealed, sealed_to in self._database.rows(query, LOCAL):
                try:
                    households = self._open_assignment(psu, bytes(sealed), sealed_to)
                except ProtocolError:
                    continue
                self._database.execute(
                    "UPDATE assignment SET sealed = ?, sealed_to = ? WHERE psu = ?",
                    *(self._wrap(_encode(households), f"assignment {psu}"), LOCAL, psu),
                )
            query = "SELECT position, list_name, sealed, sealed_to FROM entity_delta ORDER BY position"
            for position, list_name, sealed, sealed_to in self._database.rows(query):
                self._apply(position, list_name, bytes(sealed), sealed_to)
            self._keys.forget()
            if sum(self._database.execute(DELETE_GONE.format(table=table), LOCAL) for table in SEALED_TABLES):
                self._database.execute("DELETE FROM setting WHERE name = 'cursor'")

    def assignments(self) -> dict[str, tuple[Household, ...]]:
        """Return the drawn households of this device, by PSU.

        Raises:
            LocalError: ``pin-needed``, ``key-gone``.
            RemoteError: ``undecryptable``.
        """
        found: dict[str, tuple[Household, ...]] = {}
        for psu, sealed, sealed_to in self._database.rows("SELECT psu, sealed, sealed_to FROM assignment ORDER BY psu"):
            if sealed_to == LOCAL:
                plain = json.loads(self._local.unwrap(bytes(sealed), name=f"assignment {psu}"))
                found[psu] = tuple(Household(*members) for members in plain)
            else:
                found[psu] = self._open_assignment(psu, bytes(sealed), sealed_to)
        return found

    def entities(self, list_name: str) -> tuple[EntityRow, ...]:
        """Return the entities of a list by id.

        Raises:
            LocalError: ``pin-needed``.
        """
        query = "SELECT entity_id, version, sealed FROM entity WHERE list_name = ? ORDER BY entity_id"
        return tuple(
            self._entity(list_name, entity_id, version, bytes(sealed))
            for entity_id, version, sealed in self._database.rows(query, list_name)
        )

    def handover(self, kind: HandoverKind, instance_id: bytes) -> Handover | None:
        """Open what the office handed over, None when there is no such thing.

        Raises:
            LocalError: ``pin-needed``, ``key-gone``.
            RemoteError: ``undecryptable``, ``malformed``, ``too-large``.
        """
        query = "SELECT form_version_hash, frame, sealed_to FROM handover WHERE kind = ? AND instance_id = ?"
        for form_version_hash, frame, sealed_to in self._database.rows(query, kind, instance_id):
            address = Address(kind, self._device_id, instance_id, bytes(form_version_hash))
            return open_handover(bytes(frame), address, receiving_seed=self._keys.seed(sealed_to))
        return None

    def _apply(self, position: int, list_name: str, sealed: bytes, sealed_to: str) -> None:
        try:
            rows = entity_rows.open_rows(
                sealed, list_name=list_name, device_id=self._device_id, receiving_seed=self._keys.seed(sealed_to)
            )
        except ProtocolError:
            return
        for row in rows:
            self._put_entity(list_name, row)
        self._database.execute("DELETE FROM entity_delta WHERE position = ?", position)

    def _put_entity(self, list_name: str, row: EntityRow) -> None:
        if row.is_gone:
            self._database.execute("DELETE FROM entity WHERE list_name = ? AND entity_id = ?", list_name, row.entity_id)
            return
        plain = json.dumps([row.label, dict(row.values)], ensure_ascii=False).encode("utf-8")
        self._database.execute(
            "INSERT OR REPLACE INTO entity (list_name, entity_id, version, sealed) VALUES (?, ?, ?, ?)",
            *(list_name, row.entity_id, row.version, self._wrap(plain, _entity_name(list_name, row.entity_id))),
        )

    def _entity(self, list_name: str, entity_id: str, version: int, sealed: bytes) -> EntityRow:
        label, values = json.loads(self._local.unwrap(sealed, name=_entity_name(list_name, entity_id)))
        return EntityRow(entity_id=entity_id, version=version, label=label, values=values)

    def _open_assignment(self, psu: str, sealed: bytes, sealed_to: str) -> tuple[Household, ...]:
        seed = self._keys.seed(sealed_to)
        return assignments.open_assignments(sealed, psu=psu, device_id=self._device_id, receiving_seed=seed)

    def _wrap(self, plain: bytes, name: str) -> bytes:
        return self._local.wrap(plain, name=name)


def _encode(households: Sequence[Household]) -> bytes:
    members = [(one.household_key, one.head, one.position) for one in households]
    return json.dumps(members, ensure_ascii=False).encode("utf-8")


def _entity_name(list_name: str, entity_id: str) -> str:
    return f"entity {entity_id} of {list_name}"
