"""Interviews that are not sealed yet, on the device: their states as a table, and where they are kept.

Of a draft the file shows what an envelope would show, too: instanceID, parents, form version, and the state it is in.
The answers, the keys of its media and the office's note are under the device's data key, and with it under the PIN,
bound to the instanceID.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sync_protocol.client.database import DeviceDatabase
from sync_protocol.client.vault import LockedVault, PinVault
from sync_protocol.constants import INSTANCE_ID_BYTES
from sync_protocol.documents import canonical_json
from sync_protocol.errors import LocalError
from sync_protocol.plaintext import LENGTH, Medium
from sync_protocol.transitions import MediumEvent, MediumFate, following_medium


class DraftState(StrEnum):
    """Where an interview stands before it is an envelope; the last two are the end of its draft."""

    DRAFT = "draft"
    FINALISED = "finalised"
    SEALED = "sealed"
    DISCARDED = "discarded"


class DraftEvent(StrEnum):
    """What happens to it."""

    SAVED = "saved"
    FINALISED = "finalised"
    REOPENED = "reopened"
    SEALED = "sealed"
    DISCARDED = "discarded"


DRAFTS: Final[Mapping[tuple[DraftState, DraftEvent], DraftState]] = {
    (DraftState.DRAFT, DraftEvent.SAVED): DraftState.DRAFT,
    (DraftState.DRAFT, DraftEvent.FINALISED): DraftState.FINALISED,
    (DraftState.DRAFT, DraftEvent.DISCARDED): DraftState.DISCARDED,
    (DraftState.FINALISED, DraftEvent.REOPENED): DraftState.DRAFT,
    (DraftState.FINALISED, DraftEvent.SEALED): DraftState.SEALED,
}
"""What the table does not name is refused: what is finished is never discarded, it is re-opened first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What shows of an unsealed interview without the PIN.

    Attributes:
        parents: instanceIDs, (16,) each, of the revisions that it edits.
        psu: of its household, empty where there is none.
        is_changed: it has changed since it was last sealed as a draft for a replacement device.
        finalised_at: None while it is a draft.
    """

    instance_id: bytes
    state: DraftState
    form_version_hash: bytes
    mode: str
    psu: str
    parents: tuple[bytes, ...]
    is_changed: bool
    changed_at: datetime
    finalised_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftContent:
    """What is under the PIN: the instance, its media, and why the office gave it back, empty where it did not."""

    instance_xml: bytes
    media: tuple[Medium, ...] = field(default=())
    note: str = ""

    def encode(self) -> bytes:
        """Write it: `u32 length | JSON | instance XML`."""
        media = [[one.name, one.type, one.length_bytes, one.sha256, one.key] for one in self.media]
        members = canonical_json({"media": media, "note": self.note})
        return LENGTH.pack(len(members)) + members + self.instance_xml

    @classmethod
    def decode(cls, encoded: bytes) -> "DraftContent":
        """Read it; the vault has authenticated it."""
        start = LENGTH.size + LENGTH.unpack_from(encoded)[0]
        members = json.loads(encoded[LENGTH.size : start])
        media = tuple(
            Medium(name=name, type=kind, length_bytes=length, sha256=sha256, key=key)
            for name, kind, length, sha256, key in members["media"]
        )
        return cls(instance_xml=encoded[start:], media=media, note=members["note"])


def content_name(instance_id: bytes) -> str:
    """Return what the content of a draft is bound to under the PIN."""
    return f"draft {instance_id.hex()}"


class DraftStore:
    """The draft tables of a device's file. What changes them runs inside the caller's transaction."""

    def __init__(self, database: DeviceDatabase, vault: LockedVault | PinVault) -> None:
        """Take the open file and what wraps contents."""
        self._database = database
        self._vault = vault

    def all(self) -> tuple[Draft, ...]:
        """Return all drafts, the one that was changed first first."""
        return self._drafts(None)

    def find(self, instance_id: bytes) -> Draft | None:
        """Return the draft of an instanceID, None when there is none."""
        found = self._drafts(instance_id)
        return found[0] if found else None

    def get(self, instance_id: bytes) -> Draft:
        """Return the draft of an instanceID.

        Raises:
            LocalError: ``draft-unknown``.
        """
        found = self.find(instance_id)
        if found is None:
            raise LocalError("draft-unknown", f"there is no draft {instance_id.hex()} on this device")
        return found

    def content(self, instance_id: bytes) -> DraftContent:
        """Return what is under the PIN.

        Raises:
            LocalError: ``draft-unknown``, ``pin-needed``, ``pin-wrong``.
        """
        found = self._database.rows("SELECT content FROM draft WHERE instance_id = ?", instance_id)
        if not found:
            raise LocalError("draft-unknown", f"there is no draft {instance_id.hex()} on this device")
        return DraftContent.decode(self._vault.unwrap(bytes(found[0][0]), name=content_name(instance_id)))

    def put(self, draft: Draft, content: DraftContent) -> None:
        """Store a draft, in the place of the one that has its instanceID.

        Raises:
            LocalError: ``pin-needed``.
        """
        wrapped = self._vault.wrap(content.encode(), name=content_name(draft.instance_id))
        self._database.execute(
            "INSERT OR REPLACE INTO draft (instance_id, state, form_version_hash, mode, psu, parents, content,"
            " is_changed, changed_at, finalised_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(draft.instance_id, draft.state.value, draft.form_version_hash, draft.mode, draft.psu),
            *(b"".join(draft.parents), wrapped, int(draft.is_changed)),
            *(draft.changed_at.isoformat(), _text(draft.finalised_at)),
        )
        self._database.execute("DELETE FROM draft_medium WHERE instance_id = ?", draft.instance_id)
        for medium in content.media:
            self._database.execute(
                "INSERT OR IGNORE INTO draft_medium (instance_id, sha256) VALUES (?, ?)",
                *(draft.instance_id, bytes.fromhex(medium.sha256)),
            )

    def set_state(self, instance_id: bytes, state: DraftState, finalised_at: datetime | None) -> None:
        """Change the state of a draft."""
        self._database.execute(
            "UPDATE draft SET state = ?, finalised_at = ? WHERE instance_id = ?",
            *(state.value, _text(finalised_at), instance_id),
        )

    def sealed_as_draft(self, instance_id: bytes) -> None:
        """Note that an envelope holds a draft as it is now."""
        self._database.execute("UPDATE draft SET is_changed = 0 WHERE instance_id = ?", instance_id)

    def delete(self, instance_id: bytes) -> None:
        """Remove a draft; `secure_delete` overwrites it in the file."""
        self._database.execute("DELETE FROM draft WHERE instance_id = ?", instance_id)
        self._database.execute("DELETE FROM draft_medium WHERE instance_id = ?", instance_id)

    def sealed(self, instance_id: bytes) -> None:
        """Remove the draft of what is an envelope now, and the draft of a former device that it began from."""
        self.delete(instance_id)
        self._database.execute("DELETE FROM handover WHERE kind = 'draft' AND instance_id = ?", instance_id)

    def erase(self, instance_ids: Sequence[bytes]) -> None:
        """Remove what is unsealed of these instances and of revisions that edit them; also of a locked device."""
        erased = set(instance_ids)
        for draft in self.all():
            if draft.instance_id in erased or erased & set(draft.parents):
                self._discard_media(draft.instance_id)
                self.delete(draft.instance_id)
        for instance_id in instance_ids:
            self._database.execute("DELETE FROM taken_up WHERE ? IN (instance_id, taken_as)", instance_id)

    def _discard_media(self, instance_id: bytes) -> None:
        """Let go the media that only this draft names."""
        self._database.execute(
            "UPDATE medium SET fate = ?"
            " WHERE fate = ? AND sha256 IN (SELECT sha256 FROM draft_medium WHERE instance_id = ?)"
            " AND sha256 NOT IN (SELECT sha256 FROM draft_medium WHERE instance_id <> ?)",
            *(following_medium(MediumFate.UNNAMED, MediumEvent.ERASED).value, MediumFate.UNNAMED.value),
            *(instance_id, instance_id),
        )

    def close_psu(self, psu: str) -> None:
        """Note that fieldwork in a primary sampling unit is over."""
        self._database.execute("INSERT OR IGNORE INTO closed_psu (psu) VALUES (?)", psu)

    def closed_psus(self) -> frozenset[str]:
        """Return the units in which fieldwork is over, or of which the office has taken all households back."""
        query = "SELECT psu FROM closed_psu UNION SELECT psu FROM assignment WHERE households = '[]'"
        return frozenset(psu for (psu,) in self._database.rows(query))

    def _drafts(self, instance_id: bytes | None) -> tuple[Draft, ...]:
        query = (
            "SELECT instance_id, state, form_version_hash, mode, psu, parents, is_changed, changed_at, finalised_at"
            " FROM draft WHERE ?1 IS NULL OR instance_id = ?1 ORDER BY changed_at, instance_id"
        )
        return tuple(_draft(row) for row in self._database.rows(query, instance_id))


def _draft(row: tuple[Any, ...]) -> Draft:
    instance_id, state, form_version_hash, mode, psu, parents, is_changed, changed_at, finalised_at = row
    return Draft(
        instance_id=bytes(instance_id),
        state=DraftState(state),
        form_version_hash=bytes(form_version_hash),
        mode=mode,
        psu=psu,
        parents=tuple(
            bytes(parents[start : start + INSTANCE_ID_BYTES]) for start in range(0, len(parents), INSTANCE_ID_BYTES)
        ),
        is_changed=bool(is_changed),
        changed_at=datetime.fromisoformat(changed_at),
        finalised_at=None if finalised_at is None else datetime.fromisoformat(finalised_at),
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
