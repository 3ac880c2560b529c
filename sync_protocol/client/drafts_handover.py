"""What the office hands to this device: interviews to be corrected, and drafts of the enumerator's former device.

An interview that is given back is opened as a draft of its own: a new instanceID, the former one its parent and, in
the XML, its `deprecatedID`. Its media are named again and not sent again. A draft of a former device goes on under its
own instanceID. What was handed over stays until the office settles it, so that a draft thrown away can be begun anew.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from sync_protocol.client import drafts_instance
from sync_protocol.client.database import DeviceDatabase
from sync_protocol.client.drafts import Drafts
from sync_protocol.client.drafts_store import Draft, DraftContent
from sync_protocol.client.vault import Randomness
from sync_protocol.constants import INSTANCE_ID_BYTES
from sync_protocol.errors import LocalError
from sync_protocol.handover import Handover, Kind

Standing = Literal["new", "draft", "finalised", "sealed"]
RETURNED: Final = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """What shows of a handed over interview without the PIN.

    Attributes:
        kind: ``returned``, to be corrected, or ``draft``, of a former device.
        instance_id: (16,) of the interview that was handed over.
        standing: ``new``, or where the interview stands that was begun from it.
        taken_as: (16,) instanceID of that one, None while it is new.
    """

    kind: Kind
    instance_id: bytes
    form_version_hash: bytes
    standing: Standing
    taken_as: bytes | None


class Handovers:
    """What the office has handed to a device."""

    def __init__(
        self,
        database: DeviceDatabase,
        *,
        drafts: Drafts,
        read: Callable[[Kind, bytes], Handover | None],
        randomness: Randomness,
    ) -> None:
        """Take the open file, the drafts, what opens a handover, and a source of random bytes."""
        self._database = database
        self._drafts = drafts
        self._read = read
        self._randomness = randomness

    def list(self) -> tuple[HandedOver, ...]:
        """Return all that was handed over and not settled; needs no PIN."""
        query = "SELECT kind, instance_id, form_version_hash FROM handover ORDER BY kind DESC, instance_id"
        return tuple(
            self._handed_over(kind, bytes(instance_id), bytes(form_version_hash))
            for kind, instance_id, form_version_hash in self._database.rows(query)
        )

    def read(self, kind: Kind, instance_id: bytes) -> Handover:
        """Open one: its answers, its media, and the office's note.

        Raises:
            LocalError: ``handover-unknown``, ``pin-needed``.
            RemoteError: ``undecryptable``, ``malformed``, ``too-large``.
        """
        found = self._read(kind, instance_id)
        if found is None:
            raise LocalError("handover-unknown", f"the office has not handed over {instance_id.hex()}")
        return found

    def take_up(self, kind: Kind, instance_id: bytes, *, now: datetime) -> Draft:
        """Make a handed over interview a draft of this device, to go on with.

        Args:
            kind: ``returned`` or ``draft``.
            instance_id: (16,) of the interview that was handed over.
            now: the device's clock, UTC.

        Raises:
            LocalError: ``handover-unknown``, ``taken-up`` when it was before, ``pin-needed``.
            RemoteError: ``undecryptable``, ``malformed``, ``too-large``.
        """
        handover = self.read(kind, instance_id)
        ((form_version_hash,),) = self._database.rows(
            "SELECT form_version_hash FROM handover WHERE kind = ? AND instance_id = ?", kind, instance_id
        )
        if self._handed_over(kind, instance_id, form_version_hash).standing != "new":
            raise LocalError("taken-up", f"{instance_id.hex()} is a draft, or sealed, on this device already")
        xml, parents = self._beginning(kind, instance_id, handover.instance_xml)
        content = DraftContent(instance_xml=xml, media=handover.media, note=handover.note)
        with self._database.transaction():
            draft = self._drafts.save_within(
                content,
                form_version_hash=bytes(form_version_hash),
                now=now,
                mode=handover.mode,
                psu=self._psu(handover.household_key),
                parents=parents,
            )
            self._database.execute(
                "INSERT OR REPLACE INTO taken_up (kind, instance_id, taken_as) VALUES (?, ?, ?)",
                *(kind, instance_id, draft.instance_id),
            )
        return draft

    def _beginning(self, kind: Kind, instance_id: bytes, xml: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        """Return with which XML a draft begins, and its parents."""
        if kind == RETURNED:
            new_id = UUID(bytes=self._randomness(INSTANCE_ID_BYTES), version=4)
            return drafts_instance.as_edit(xml, new_id=f"{drafts_instance.PREFIX}{new_id}"), (instance_id,)
        deprecated = drafts_instance.read_names(xml).deprecated_id
        return xml, () if deprecated is None else (drafts_instance.id_bytes(deprecated),)

    def _handed_over(self, kind: Kind, instance_id: bytes, form_version_hash: bytes) -> HandedOver:
        query = "SELECT taken_as FROM taken_up WHERE kind = ? AND instance_id = ?"
        taken_as = next((bytes(row[0]) for row in self._database.rows(query, kind, instance_id)), None)
        standing = "new" if taken_as is None else self._drafts.standing(taken_as)
        return HandedOver(
            kind=kind,
            instance_id=instance_id,
            form_version_hash=form_version_hash,
            standing=standing,
            taken_as=None if standing == "new" else taken_as,
        )

    def _psu(self, household_key: str) -> str:
        """Return the unit that holds a drawn household, empty when it is not among the assignments."""
        for psu, households in self._database.rows("SELECT psu, households FROM assignment"):
            if household_key and household_key in json.loads(households):
                return str(psu)
        return ""
