"""What leaves a device for good: interviews whose people withdrew consent, what the deletion rule lets go, everything.

`secure_delete` overwrites rows in the file, and the log is truncated afterwards. On flash memory that is best effort:
a wear-levelling controller keeps old blocks. What is left of media and envelopes there is ciphertext.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sync_protocol.client.database import FILE_NAME, DeviceDatabase
from sync_protocol.client.media import DeviceMedia
from sync_protocol.constants import Kind
from sync_protocol.deletion import Backup, SealedInterview, SealedMedium, interview_may_go, medium_may_go
from sync_protocol.envelope import Header, peek
from sync_protocol.errors import LocalError, ProtocolError
from sync_protocol.transitions import Fate, FateEvent, MediumEvent, MediumFate, following_fate

WIPED: Final = "wiped"
"""A file of this name is all that is left in the folder of a device that was wiped."""
Eraser = Callable[[Sequence[bytes]], None]


class Erasing:
    """Erases and prunes the envelopes of a device."""

    def __init__(self, database: DeviceDatabase, media: DeviceMedia) -> None:
        """Take the open file of a device and its media."""
        self._database = database
        self._media = media
        self.erasers: list[Eraser] = []
        """Called inside the transaction with the instanceIDs to erase, e.g. by the store of drafts."""

    def erase(self, instance_ids: Sequence[bytes]) -> None:
        """Erase every trace of these instances and of later revisions of them; inside the caller's transaction.

        Of an envelope there stays its id: the next one of the chain names it.
        """
        erased = set(instance_ids)
        envelopes = self._interviews()
        own = [(sequence, head) for sequence, head in envelopes if sequence > 0]
        erased |= _later(own, erased)
        for sequence, head in own:
            if head.instance_id in erased:
                self._empty(sequence, FateEvent.ERASED)
        self._erase_carried([(sequence, head) for sequence, head in envelopes if sequence < 0], erased)
        for instance_id in erased:
            self._database.execute("INSERT OR IGNORE INTO erased_instance (hash) VALUES (?)", _hash(instance_id))
            for table in ("verdict", "handover"):
                self._database.execute(f"DELETE FROM {table} WHERE instance_id = ?", instance_id)  # noqa: S608
            for (sequence,) in self._database.rows("SELECT sequence FROM envelope WHERE instance_id = ?", instance_id):
                self._empty(sequence, FateEvent.ERASED)  # also what was deleted before: it is no longer counted
            self._database.execute("UPDATE envelope SET instance_id = NULL WHERE instance_id = ?", instance_id)
        self._media.erase(sorted(erased))
        for eraser in self.erasers:
            eraser(sorted(erased))

    def erase_late(self, envelope_ids: Sequence[bytes]) -> None:
        """Erase envelopes that the server calls erased, where an order that was obeyed before covers them.

        Without such an order the word of the server erases nothing.
        """
        for envelope_id in envelope_ids:
            for (body,) in self._database.rows("SELECT body FROM envelope WHERE envelope_id = ?", envelope_id):
                head = _head(bytes(body))
                if head is not None and any(map(self._is_erased, (head.instance_id, *head.parents))):
                    self.erase([head.instance_id])

    def _is_erased(self, instance_id: bytes) -> bool:
        return bool(self._database.rows("SELECT 1 FROM erased_instance WHERE hash = ?", _hash(instance_id)))

    def _erase_carried(self, carried: Sequence[tuple[int, Header]], erased: set[bytes]) -> None:
        """Erase what is carried of these instances and of later revisions.

        Nobody here has checked who sealed it, so it says nothing of what this device has made.
        """
        gone = erased | _later(carried, erased)
        for sequence, head in carried:
            if head.instance_id in gone:
                self._empty(sequence, FateEvent.ERASED)

    def prune(self, backup: Backup) -> int:
        """Delete what the deletion rule lets go, in one transaction; return how many interviews and media that were."""
        with self._database.transaction():
            gone = self._prune_media(backup) + self._prune_interviews(backup) + self._prune_drafts(backup)
        self._media.sweep()
        return gone

    def _prune_interviews(self, backup: Backup) -> int:
        withdrawn = {
            bytes(row[0]) for row in self._database.rows("SELECT hash FROM form_version WHERE state = 'withdrawn'")
        }
        if not withdrawn:
            return 0
        query = (
            "SELECT envelope.sequence, body, fate, server_sequence, verdict.state FROM envelope"
            " JOIN verdict USING (envelope_id) WHERE kind = ? AND length(body) > 0"
        )
        gone = 0
        for sequence, body, fate, server_sequence, verdict in self._database.rows(query, int(Kind.INTERVIEW)):
            head = _head(bytes(body))
            is_withdrawn = head is not None and head.form_version_hash in withdrawn
            if interview_may_go(SealedInterview(Fate(fate), server_sequence, verdict, is_withdrawn), backup):
                self._empty(sequence, FateEvent.MAY_GO)
                gone += 1
        if gone:
            self._prune_epochs(backup)
        return gone

    def _prune_drafts(self, backup: Backup) -> int:
        """Delete sealed drafts that the office has in a backup: what they hold is a draft here, or sealed by now."""
        query = (
            "SELECT sequence, server_sequence FROM envelope WHERE kind = ? AND fate = ? AND length(body) > 0"
            " AND sequence > 0"
        )
        gone = 0
        for sequence, server_sequence in self._database.rows(query, int(Kind.DRAFT), Fate.RECEIPTED.value):
            if backup.covers(server_sequence):
                self._empty(sequence, FateEvent.MAY_GO)
                gone += 1
        return gone

    def _prune_epochs(self, backup: Backup) -> None:
        """Delete epochs that are closed, backed up and needed by nothing that is left."""
        needed = {head.epoch_hash for _, head in self._interviews()}
        query = (
            "SELECT sequence, envelope_id, fate, server_sequence FROM envelope WHERE kind = ? AND length(body) > 0"
            " AND envelope_id NOT IN (SELECT hash FROM epoch WHERE ratchet IS NOT NULL)"
        )
        for sequence, envelope_id, fate, server_sequence in self._database.rows(query, int(Kind.EPOCH)):
            if bytes(envelope_id) not in needed and fate == Fate.RECEIPTED and backup.covers(server_sequence):
                self._empty(sequence, FateEvent.MAY_GO)

    def _prune_media(self, backup: Backup) -> int:
        gone = 0
        query = "SELECT sha256, followed_by FROM medium WHERE fate = ?"
        for sha256, followed_by in self._database.rows(query, MediumFate.WHOLE.value):
            rows = self._database.rows(
                "SELECT fate, server_sequence FROM medium_use JOIN envelope USING (instance_id) WHERE sha256 = ?",
                bytes(sha256),
            )
            named_by = tuple((Fate(fate), server_sequence) for fate, server_sequence in rows)
            if medium_may_go(SealedMedium(MediumFate.WHOLE, named_by, followed_by), backup):
                self._media.happen(bytes(sha256), MediumEvent.MAY_GO)
                gone += 1
        return gone

    def _empty(self, sequence: int, event: FateEvent) -> None:
        ((fate,),) = self._database.rows("SELECT fate FROM envelope WHERE sequence = ?", sequence)
        following = following_fate(Fate(fate), event)
        if following in (Fate.DELETED, Fate.ERASED):
            self._database.execute(
                "UPDATE envelope SET fate = ?, body = x'' WHERE sequence = ?", following.value, sequence
            )

    def _interviews(self) -> list[tuple[int, Header]]:
        """Read the clear headers of all envelopes that have one."""
        query = "SELECT sequence, body FROM envelope WHERE kind <> ? AND length(body) > 0"
        heads = [(sequence, _head(bytes(body))) for sequence, body in self._database.rows(query, int(Kind.EPOCH))]
        return [(sequence, head) for sequence, head in heads if head is not None]


def _head(body: bytes) -> Header | None:
    """Read the clear header of an envelope; None where there is none to be read."""
    try:
        head = peek(body)
    except ProtocolError:
        return None
    return head if isinstance(head, Header) else None


def _hash(instance_id: bytes) -> bytes:
    return hashlib.sha256(instance_id).digest()


def _later(envelopes: Sequence[tuple[int, Header]], erased: set[bytes]) -> set[bytes]:
    """Return the instances that are later revisions of these."""
    found: set[bytes] = set()
    while later := {head.instance_id for _, head in envelopes if (erased | found) & set(head.parents)} - erased - found:
        found |= later
    return found


def refuse_wiped(directory: Path) -> None:
    """Finish a wipe that was interrupted, and refuse to open what was wiped.

    Raises:
        LocalError: ``device-wiped``.
    """
    if (directory / WIPED).is_file():
        wipe(directory)
        raise LocalError("device-wiped", "this device was wiped on the order of the office: nothing is left on it")


def wipe(directory: Path) -> None:
    """Delete everything in a device's folder, keys first; what is interrupted is finished at the next opening."""
    marker = directory / WIPED
    with marker.open("ab") as stream:
        os.fsync(stream.fileno())
    paths = sorted(directory.iterdir(), key=lambda path: not path.name.startswith(FILE_NAME))
    for path in paths:
        if path == marker:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            _overwrite(path)
            path.unlink()


def _overwrite(path: Path) -> None:
    """Write zeros over a file before it goes: it holds keys."""
    with path.open("r+b") as stream:
        stream.write(bytes(path.stat().st_size))
        stream.flush()
        os.fsync(stream.fileno())
