"""Media on the device: sealed while they are read, in a folder beside its file, never in clear.

A medium is one file, named by the SHA-256 of its ciphertext. Its key is in the manifest of the interview that names it
and nowhere else: a medium that no interview or draft names any more cannot be read by anybody.
"""

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from sync_protocol.client.database import DeviceDatabase
from sync_protocol.client.vault import Randomness
from sync_protocol.constants import MEDIUM_BYTES
from sync_protocol.errors import LocalError, RemoteError
from sync_protocol.keyring import Keyring
from sync_protocol.media import MediumSealer
from sync_protocol.messages import MediumOffer
from sync_protocol.plaintext import Medium
from sync_protocol.storage import SealedMedium
from sync_protocol.transitions import MediumEvent, MediumFate, following_medium

FOLDER: Final = "media"
UNFINISHED: Final = ".unfinished"
KEY_BYTES: Final = 32
CHUNK_BYTES: Final = 64 << 10
UNNAMED_SECONDS: Final = 3600
"""For how long a file of no row may be one that is just being added."""


class DeviceMedia:
    """The sealed media of a device."""

    def __init__(self, database: DeviceDatabase, randomness: Randomness = secrets.token_bytes) -> None:
        """Take the open file of a device, and a source of random bytes for keys."""
        self._database = database
        self._randomness = randomness
        self._folder = database.directory / FOLDER
        self._compared: set[bytes] = set()

    def add(self, source: Path | BinaryIO, name: str, media_type: str) -> Medium:
        """Seal a picture or recording while reading it; on disk when this returns.

        It waits until a sealed interview names it: see `name_by`.

        Args:
            source: a path, or a stream open for reading bytes.
            name: the file name as the form has it.
            media_type: e.g. ``image/jpeg``.

        Returns:
            What the manifest of the interview has to say of it.

        Raises:
            LocalError: ``too-large``.
            OSError: when it cannot be read or written.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        key = self._randomness(KEY_BYTES)
        sealer = MediumSealer(key)
        unfinished = self._folder / f"{secrets.token_hex(8)}{UNFINISHED}"
        try:
            if isinstance(source, Path):
                with source.open("rb") as stream:
                    _seal(stream, sealer, unfinished)
            else:
                _seal(source, sealer, unfinished)
            unfinished.replace(self._path(sealer.digest))
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        _sync_folder(self._folder)
        with self._database.transaction():
            self._database.execute(
                "INSERT OR IGNORE INTO medium (sha256, length_bytes, at_server, fate) VALUES (?, ?, 0, ?)",
                *(sealer.digest, sealer.length_bytes, MediumFate.UNNAMED.value),
            )
        return Medium(
            name=name, type=media_type, length_bytes=sealer.length_bytes, sha256=sealer.digest.hex(), key=key.hex()
        )

    def carry(self, sha256: bytes, length_bytes: int, chunks: Iterable[bytes]) -> None:
        """Take a sealed medium of another device, to deliver it.

        Raises:
            RemoteError: ``altered`` when its bytes are not what its hash says; nothing of it is kept.
            OSError: when it cannot be written.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        unfinished = self._folder / f"{secrets.token_hex(8)}{UNFINISHED}"
        try:
            with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as stream:
                _copy(chunks, stream, sha256, length_bytes)
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(self._path(sha256))
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        _sync_folder(self._folder)
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO medium (sha256, length_bytes, at_server, fate) VALUES (?, ?, 0, ?)",
                *(sha256, length_bytes, MediumFate.WAITING.value),
            )
            self._database.execute("INSERT OR IGNORE INTO carried_medium (sha256) VALUES (?)", sha256)

    def name_by(self, instance_id: bytes, media: Iterable[Medium]) -> None:
        """Note that a sealed interview names these media, inside the transaction that seals it.

        Media that are not on this device, e.g. of an interview that was given back, are the server's already.
        """
        for medium in media:
            sha256 = bytes.fromhex(medium.sha256)
            self._database.execute(
                "INSERT OR IGNORE INTO medium_use (instance_id, sha256) VALUES (?, ?)", instance_id, sha256
            )
            self.happen(sha256, MediumEvent.NAMED)

    def discard(self, instance_id: bytes, media: Iterable[Medium]) -> None:
        """Forget media of a draft that was thrown away, or that have left it; inside the caller's transaction.

        Those that went into a sealed copy of the draft go too, unless something else that is sealed names them.
        """
        for medium in media:
            sha256 = bytes.fromhex(medium.sha256)
            if self._database.rows(
                "SELECT 1 FROM medium WHERE sha256 = ? AND fate = ?", sha256, MediumFate.UNNAMED.value
            ):
                self.happen(sha256, MediumEvent.ERASED)
            named = "DELETE FROM medium_use WHERE instance_id = ? AND sha256 = ?"
            if self._database.execute(named, instance_id, sha256):
                self._release(sha256)

    def offers(self, limit: int) -> tuple[MediumOffer, ...]:
        """Return media that wait, small ones first."""
        return tuple(MediumOffer(one.sha256, one.length_bytes) for one in self.waiting_media()[:limit])

    def waiting_media(self) -> tuple[SealedMedium, ...]:
        """Return media that wait and can be read, small ones first."""
        query = (
            "SELECT sha256, length_bytes, at_server FROM medium WHERE fate = ? AND is_unreadable = 0"
            " ORDER BY length_bytes, sha256"
        )
        rows = self._database.rows(query, MediumFate.WAITING.value)
        return tuple(SealedMedium(bytes(sha256), length_bytes, offset) for sha256, length_bytes, offset in rows)

    def keyring(self) -> Keyring:
        """Return the newest keyring."""
        rows = self._database.rows(
            "SELECT body, value FROM document, setting WHERE kind = 'keyring' AND name = 'root_key'"
        )
        return Keyring.read(bytes(rows[0][0]), bytes(rows[0][1]))

    def read_medium(self, sha256: bytes, *, offset: int, length: int) -> bytes:
        """Return so many bytes of a ciphertext from an offset; before the first of them all are compared with the hash.

        Raises:
            LocalError: ``medium-missing`` when the file is gone or altered: from now on the medium is unreadable.
        """
        if sha256 not in self._compared and self._is_whole(sha256):
            self._compared.add(sha256)
        try:
            with self._path(sha256).open("rb") as stream:
                stream.seek(offset)
                content = stream.read(length)
        except OSError:
            content = b""
        if len(content) != length or sha256 not in self._compared:
            self._compared.discard(sha256)
            with self._database.transaction():
                self._mark(sha256, is_unreadable=True)
            raise LocalError("medium-missing", f"the sealed medium {sha256.hex()} is not whole on this device")
        return content

    def look_over(self) -> None:
        """See, before a synchronisation, which media that wait can be read; those that could not may be back."""
        query = "SELECT sha256, length_bytes, is_unreadable FROM medium WHERE fate = ?"
        found = {
            bytes(sha256): (bool(was), not (self._is_whole(sha256) if was else self._size(sha256) == length_bytes))
            for sha256, length_bytes, was in self._database.rows(query, MediumFate.WAITING.value)
        }
        changed = {sha256: is_now for sha256, (was, is_now) in found.items() if was != is_now}
        if changed:
            with self._database.transaction():
                for sha256, is_now in changed.items():
                    self._mark(sha256, is_unreadable=is_now)

    def unreadable(self) -> tuple[str, ...]:
        """Return the names (hexadecimal SHA-256) of media that wait and cannot be read."""
        query = "SELECT sha256 FROM medium WHERE fate = ? AND is_unreadable = 1 ORDER BY sha256"
        return tuple(bytes(row[0]).hex() for row in self._database.rows(query, MediumFate.WAITING.value))

    def medium_at(self, sha256: bytes, offset: int) -> None:
        """Keep how much of a medium the server has; in a transaction of its own."""
        if offset == 0:
            self._compared.discard(sha256)  # all of it went, and was not the medium: the file may have changed
        with self._database.transaction():
            self.at_server(sha256, offset)

    def at_server(self, sha256: bytes, offset: int) -> None:
        """Keep how much of a medium the server has, by its signed word; inside the caller's transaction."""
        self._database.execute("UPDATE medium SET at_server = ? WHERE sha256 = ?", offset, sha256)
        if self._database.rows("SELECT 1 FROM medium WHERE sha256 = ? AND length_bytes = ?", sha256, offset):
            self.happen(sha256, MediumEvent.WHOLE)

    def refuse_medium(self, sha256: bytes) -> None:
        """Set a medium aside that is longer than any server takes."""
        with self._database.transaction():
            self.happen(sha256, MediumEvent.REFUSED)

    def retry(self) -> None:
        """Let media that were set aside wait again; inside the caller's transaction."""
        for (sha256,) in self._database.rows("SELECT sha256 FROM medium WHERE fate = ?", MediumFate.REFUSED.value):
            self.happen(bytes(sha256), MediumEvent.RETRIED)

    def followed_by(self, server_sequence: int) -> None:
        """Note, inside the caller's transaction, a number that the server has given since these media are whole."""
        self._database.execute(
            "UPDATE medium SET followed_by = ? WHERE fate = ? AND followed_by IS NULL",
            *(server_sequence, MediumFate.WHOLE.value),
        )

    def forgotten(self) -> None:
        """Let every whole medium wait again, inside the caller's transaction: the server was restored."""
        for (sha256,) in self._database.rows("SELECT sha256 FROM medium WHERE fate = ?", MediumFate.WHOLE.value):
            self.happen(bytes(sha256), MediumEvent.FORGOTTEN)
        self._database.execute("UPDATE medium SET at_server = 0, followed_by = NULL")

    def erase(self, instance_ids: Sequence[bytes]) -> None:
        """Let go, inside the caller's transaction, what only these interviews name."""
        for instance_id in instance_ids:
            named = self._database.rows("SELECT sha256 FROM medium_use WHERE instance_id = ?", instance_id)
            self._database.execute("DELETE FROM medium_use WHERE instance_id = ?", instance_id)
            for (sha256,) in named:
                self._release(bytes(sha256))

    def _release(self, sha256: bytes) -> None:
        if not self._database.rows("SELECT 1 FROM medium_use WHERE sha256 = ?", sha256):
            self.happen(sha256, MediumEvent.ERASED)

    def happen(self, sha256: bytes, event: MediumEvent) -> None:
        """Let something happen to a medium; inside the caller's transaction."""
        for (fate,) in self._database.rows("SELECT fate FROM medium WHERE sha256 = ?", sha256):
            following = following_medium(MediumFate(fate), event)
            self._database.execute("UPDATE medium SET fate = ? WHERE sha256 = ?", following.value, sha256)

    def sweep(self) -> int:
        """Delete files that are to go, and those of no row that are older than an hour; return how many.

        After a transaction, never in one. A younger file may be one that is just being added.
        """
        if not self._folder.is_dir():
            return 0
        rows = self._database.rows("SELECT sha256, fate FROM medium")
        fates = {bytes(sha256).hex(): fate for sha256, fate in rows}
        oldest = time.time() - UNNAMED_SECONDS
        gone = 0
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # what was being written has its name now
                is_stray = path.name not in fates and path.stat().st_mtime < oldest
                if is_stray or fates.get(path.name) == MediumFate.DELETED:
                    path.unlink()
                    gone += 1
        return gone

    def _mark(self, sha256: bytes, *, is_unreadable: bool) -> None:
        self._database.execute("UPDATE medium SET is_unreadable = ? WHERE sha256 = ?", int(is_unreadable), sha256)

    def _size(self, sha256: bytes) -> int | None:
        try:
            return self._path(sha256).stat().st_size
        except OSError:
            return None

    def _is_whole(self, sha256: bytes) -> bool:
        try:
            with self._path(sha256).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").digest() == sha256
        except OSError:
            return False

    def _path(self, sha256: bytes) -> Path:
        return self._folder / sha256.hex()


def _seal(stream: BinaryIO, sealer: MediumSealer, target: Path) -> None:
    """Write the ciphertext of a stream to a new file and to disk."""
    with os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as sealed:
        while plain := stream.read(CHUNK_BYTES):
            sealed.write(sealer.update(plain))
            if sealer.length_bytes > MEDIUM_BYTES:
                break
        sealed.write(sealer.finalize())
        if sealer.length_bytes > MEDIUM_BYTES:
            raise LocalError("too-large", f"a sealed medium has at most {MEDIUM_BYTES} bytes")
        sealed.flush()
        os.fsync(sealed.fileno())


def _copy(chunks: Iterable[bytes], stream: BinaryIO, sha256: bytes, length_bytes: int) -> None:
    """Write a ciphertext and compare what was written with its hash and length."""
    found, length = hashlib.sha256(), 0
    for chunk in chunks:
        found.update(chunk)
        length += len(chunk)
        stream.write(chunk)
    if (found.digest(), length) != (sha256, length_bytes):
        raise RemoteError("altered", "the sealed medium is not what its hash says")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
