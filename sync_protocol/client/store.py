"""What a device keeps between exchanges, on SQLite: the `ExchangeStore` of the protocol's core, and its settings.

The counter is taken, and envelopes are marked `sent`, before a request leaves; so a
device that is switched off in the middle asks for them afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sync_protocol.client.database import DeviceDatabase
from sync_protocol.client.erasing import Erasing
from sync_protocol.client.media import DeviceMedia
from sync_protocol.client.pulled import Pulled
from sync_protocol.client.receiving import ReceivingKeys
from sync_protocol.client.vault import PinCost, PinSettings
from sync_protocol.constants import Kind
from sync_protocol.deletion import Backup
from sync_protocol.documents import key_id
from sync_protocol.errors import LocalError
from sync_protocol.keyring import Keyring
from sync_protocol.messages import Backlog, MediumOffer, ReceiptCode
from sync_protocol.orders import ErasureOrder
from sync_protocol.pull_items import ErasurePull, PullItem
from sync_protocol.storage import Sealed, Settlement
from sync_protocol.transitions import Fate, FateEvent, MediumFate, following_fate

PIN_SETTINGS: Final = ("pin_salt", "pin_device_secret", "pin_check", "pin_memory_kib", "pin_passes")
RETRIED_ON: Final = "retried_on"


class DeviceStore:
    """A device's state on SQLite."""

    def __init__(self, database: DeviceDatabase) -> None:
        """Work on an open file."""
        self.database = database
        self.media = DeviceMedia(database)
        self.erasing = Erasing(database, self.media)
        self.receiving: ReceivingKeys | None = None
        self.count_unsealed: Callable[[], int] = int
        """Counts finished interviews that are not sealed yet."""
        self._keyring: tuple[bytes, Keyring] | None = None

    def setting(self, name: str) -> Any:
        """Return a setting, None when it was never set."""
        found = self.database.rows("SELECT value FROM setting WHERE name = ?", name)
        return found[0][0] if found else None

    def put_setting(self, name: str, value: str | int | bytes) -> None:
        """Set a setting; inside the caller's transaction."""
        self.database.execute("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", name, value)

    def secret(self, name: str) -> bytes | None:
        """Return a stored secret as it is stored, wrapped or not."""
        found = self.database.rows("SELECT value FROM secret WHERE name = ?", name)
        return bytes(found[0][0]) if found else None

    def put_secret(self, name: str, value: bytes) -> None:
        """Store a secret; inside the caller's transaction."""
        self.database.execute("INSERT OR REPLACE INTO secret (name, value) VALUES (?, ?)", name, value)

    def pin(self) -> PinSettings | None:
        """Return what is stored of the PIN, None when none was chosen."""
        salt, device_secret, check, memory_kib, passes = (self.setting(name) for name in PIN_SETTINGS)
        return None if salt is None else PinSettings(salt, device_secret, check, PinCost(memory_kib, passes))

    def put_pin(self, settings: PinSettings | None) -> None:
        """Store what recognises a PIN, None for no PIN; inside the caller's transaction."""
        if settings is None:
            self.database.execute("DELETE FROM setting WHERE name LIKE 'pin!_%' ESCAPE '!'")
            return
        cost = settings.cost
        parts: tuple[bytes | int, ...] = (
            settings.salt,
            settings.device_secret,
            settings.check,
            cost.memory_kib,
            cost.passes,
        )
        for name, value in zip(PIN_SETTINGS, parts, strict=True):
            self.put_setting(name, value)

    def document(self, kind: str) -> bytes:
        """Return the signed document of a kind, ``certificate`` or ``keyring``.

        Raises:
            LocalError: ``not-enrolled``.
        """
        found = self.database.rows("SELECT body FROM document WHERE kind = ?", kind)
        if not found:
            raise LocalError("not-enrolled", "this device is not enrolled: scan an enrolment code first")
        return bytes(found[0][0])

    def put_document(self, kind: str, body: bytes, *, serial: int = 0) -> None:
        """Store a signed document unless a newer one is there; inside the caller's transaction."""
        self.database.execute(
            "INSERT INTO document (kind, serial, body) VALUES (?, ?, ?) ON CONFLICT (kind) DO UPDATE"
            " SET serial = excluded.serial, body = excluded.body WHERE excluded.serial >= document.serial",
            kind,
            serial,
            body,
        )

    def keyring(self) -> Keyring:
        """Return the newest keyring; its signature is checked when it is first read and when it changes."""
        document = self.document("keyring")
        if self._keyring is None or self._keyring[0] != document:
            self._keyring = (document, Keyring.read(document, bytes(self.setting("root_key"))))
        return self._keyring[1]

    def cursor(self) -> str | None:
        """Return the cursor of the last answer."""
        cursor: str | None = self.setting("cursor")
        return cursor

    def backlog(self) -> Backlog:
        """Count the envelopes that no receipt covers."""
        ((envelopes, interviews, body_bytes),) = self.database.rows(
            "SELECT count(*), coalesce(sum(kind = ?), 0), coalesce(sum(length(body)), 0) FROM envelope"
            " WHERE fate IN ('waiting', 'sent')",
            int(Kind.INTERVIEW),
        )
        ((media, media_bytes),) = self.database.rows(
            "SELECT count(*), coalesce(sum(length_bytes - at_server), 0) FROM medium WHERE fate = ?",
            MediumFate.WAITING.value,
        )
        return Backlog(
            envelopes=envelopes,
            interviews=interviews,
            body_bytes=body_bytes,
            media=media,
            media_bytes=media_bytes,
            unsealed=self.count_unsealed(),
        )

    def is_all_receipted(self) -> bool:
        """The server answers for all that is sealed here and can be sent, and nothing is unsealed or set aside."""
        ((media,),) = self.database.rows("SELECT count(*) FROM medium WHERE fate = 'refused'")
        return self.is_all_answered() and not self.refused() and not media

    def is_all_answered(self) -> bool:
        """Nothing is unsealed or left to send: what is set aside, the server has said it will not take."""
        ((envelopes,),) = self.database.rows("SELECT count(*) FROM envelope WHERE fate IN ('waiting', 'sent')")
        ((media,),) = self.database.rows("SELECT count(*) FROM medium WHERE fate = 'waiting' AND NOT is_unreadable")
        return int(envelopes) + int(media) + self.count_unsealed() == 0

    def refused(self) -> tuple[bytes, ...]:
        """Return ids of envelopes that are set aside, oldest first."""
        rows = self.database.rows("SELECT envelope_id FROM envelope WHERE fate = 'refused' ORDER BY sequence")
        return tuple(bytes(row[0]) for row in rows)

    def retry_refused(self, today: str) -> None:
        """Once a day, let what was set aside wait again: what the server does not take may have changed."""
        if self.setting(RETRIED_ON) == today:
            return
        with self.database.transaction():
            self.happen(dict.fromkeys(self.refused(), (FateEvent.RETRIED, None)))
            self.media.retry()
            self.put_setting(RETRIED_ON, today)

    def backup(self) -> Backup:
        """Return what the last answer said of backups."""
        return Backup(self.setting("backed_up_sequence"), bool(self.setting("deletes_without_backup")))

    def unsettled(self, limit: int) -> tuple[bytes, ...]:
        """Return ids of envelopes in the state `sent`, oldest first."""
        query = "SELECT envelope_id FROM envelope WHERE fate = 'sent' ORDER BY sequence LIMIT ?"
        return tuple(bytes(row[0]) for row in self.database.rows(query, limit))

    def waiting(self, *, envelopes: int, body_bytes: int) -> tuple[Sealed, ...]:
        """Return envelopes in the state `waiting`, oldest first: at least one if there is one, then within limits."""
        sealed: list[Sealed] = []
        query = (
            "SELECT envelope_id, body FROM envelope WHERE fate = 'waiting'"
            " ORDER BY sequence < 0, abs(sequence) LIMIT ?"  # its own chain first, then what it carries for others
        )
        for envelope_id, body in self.database.each(query, envelopes):
            body_bytes -= len(body)
            if sealed and body_bytes < 0:
                break
            sealed.append(Sealed(bytes(envelope_id), bytes(body)))
        return tuple(sealed)

    def media_offers(self, limit: int) -> tuple[MediumOffer, ...]:
        """Return media that wait, small ones first."""
        return self.media.offers(limit)

    def next_receiving_key(self) -> bytes | None:
        """Make a receiving key and return its public half; None while the device is locked."""
        if self.receiving is None:
            return None
        with self.database.transaction():
            return self.receiving.renew()

    def begin(self, envelope_ids: Sequence[bytes]) -> int:
        """Take the next counter and set these envelopes to `sent`, in one transaction; return the counter."""
        with self.database.transaction():
            counter = int(self.setting("counter") or 0) + 1
            self.put_setting("counter", counter)
            self.happen(dict.fromkeys(envelope_ids, (FateEvent.OFFERED, None)), {})
        return counter

    def withdraw(self, envelope_ids: Sequence[bytes]) -> None:
        """Set envelopes that surely did not reach the server back to `waiting`."""
        with self.database.transaction():
            self.happen(dict.fromkeys(envelope_ids, (FateEvent.NOT_SENT, None)), {})

    def settle(self, settlement: Settlement) -> None:
        """Apply one verified answer in one transaction."""
        with self.database.transaction():
            self.happen(settlement.fates, settlement.codes)
            if settlement.keyring is not None:
                serial = Keyring.read(settlement.keyring, bytes(self.setting("root_key"))).serial
                self.put_document("keyring", settlement.keyring, serial=serial)
            if settlement.is_answer:
                self._settle_answer(settlement)

    def _settle_answer(self, settlement: Settlement) -> None:
        stored = [
            settlement.fates[envelope_id][1]
            for envelope_id, code in settlement.codes.items()
            if code is ReceiptCode.STORED
        ]
        if stored:  # before the offsets of this answer: they may have been reached after these numbers were given
            self.media.followed_by(max(number for number in stored if number is not None))
        for sha256, offset in settlement.media.items():
            self.media.at_server(sha256, offset)
        self._pull(settlement.pull)
        erased = [envelope_id for envelope_id, code in settlement.codes.items() if code is ReceiptCode.ERASED]
        self.erasing.erase_late(erased)
        if settlement.cursor is not None:
            self.put_setting("cursor", settlement.cursor)
        self._put_or_forget("backed_up_sequence", settlement.backed_up_sequence)
        self._put_or_forget("deletes_without_backup", int(settlement.deletes_without_backup) or None)
        if self.receiving is not None:
            self.receiving.answered(settlement.named_key)

    def _put_or_forget(self, name: str, value: int | None) -> None:
        if value is None:
            self.database.execute("DELETE FROM setting WHERE name = ?", name)
        else:
            self.put_setting(name, value)

    def _pull(self, items: Sequence[PullItem]) -> None:
        pulled = Pulled(self.database, key_id(bytes(self.setting("receiving_key")))) if items else None
        for item in items:
            if isinstance(item, ErasurePull):
                self.erasing.erase(ErasureOrder.read(item.document, self.keyring().decision_keys).instance_ids)
            elif pulled is not None:
                pulled.store(item)

    def adopt_counter(self, next_counter: int) -> None:
        """Let the next counter be at least this one."""
        with self.database.transaction():
            self.put_setting("counter", max(int(self.setting("counter") or 0), next_counter - 1))

    def restart_feed(self) -> None:
        """Offer again by its hash all that was receipted, and forget what the server said before it was restored."""
        with self.database.transaction():
            for name in ("cursor", "backed_up_sequence", "deletes_without_backup"):
                self._put_or_forget(name, None)
            rows = self.database.rows("SELECT envelope_id FROM envelope WHERE fate = 'receipted'")
            self.happen({bytes(row[0]): (FateEvent.FORGOTTEN, None) for row in rows}, {})
            self.database.execute("UPDATE envelope SET server_sequence = NULL")
            self.database.execute("DELETE FROM verdict")
            self.media.forgotten()

    def happen(
        self,
        events: Mapping[bytes, tuple[FateEvent, int | None]],
        codes: Mapping[bytes, ReceiptCode] = MappingProxyType({}),
    ) -> None:
        """Let something happen to envelopes that are here; inside the caller's transaction."""
        for envelope_id, (event, server_sequence) in events.items():
            ((fate,),) = self.database.rows("SELECT fate FROM envelope WHERE envelope_id = ?", envelope_id)
            following = following_fate(Fate(fate), event)
            self.database.execute(
                "UPDATE envelope SET fate = ?, code = coalesce(?, code), server_sequence = coalesce(?, server_sequence)"
                " WHERE envelope_id = ?",
                following.value,
                _code(codes.get(envelope_id)),
                server_sequence,
                envelope_id,
            )


def _code(code: ReceiptCode | None) -> int | None:
    return None if code is None else int(code)
