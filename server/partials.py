"""Media that come in parts: a file for each and each device, by the SHA-256 of the whole, until all of it is there.

What `Partial.append` has taken is on disk when it returns. Whoever works on a medium holds its lock, across threads and
processes, for as long as files are written and never while a tablet is waited for. Only ciphertext ever comes here.
"""

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from server.blobs import CHUNK_BYTES, Blobs, full_disk_said, sync_to_disk
from server.disk import synced

PARTIAL: Final = "partial"
LOCKS: Final = "locks"


class Partial:
    """What has come of one medium; only while its lock is held."""

    def __init__(self, path: Path, sha256: bytes, blobs: Blobs) -> None:
        self._path = path
        self._sha256 = sha256
        self._blobs = blobs

    @property
    def size(self) -> int:
        """How many bytes the file has, 0 when there is none."""
        return _size(self._path)

    def idle_seconds(self) -> float:
        """Return for how long nothing has come; for ever when there is no file."""
        return _idle_seconds(self._path)

    def append(self, offset: int, sealed: bytes) -> None:
        """Cut the file to `offset` bytes, and put these behind them on disk.

        Raises:
            StorageFull: the disk is full; the file is as short as it was.
        """
        is_new = not self._path.exists()
        with full_disk_said():
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(handle, offset)
                _write(handle, offset, sealed)
            finally:
                os.close(handle)
            if is_new:
                sync_to_disk(self._path.parent)

    def drop_others(self) -> None:
        """Remove what other devices have sent of this medium."""
        for path in self._path.parent.glob(f"{self._sha256.hex()}.*"):
            if path != self._path:
                path.unlink(missing_ok=True)

    def is_whole(self) -> bool:
        """Say whether the file is the medium that its name says."""
        found = hashlib.sha256()
        with self._path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                found.update(chunk)
        return found.digest() == self._sha256

    def keep(self) -> None:
        """Let the file become a blob.

        Raises:
            StorageFull: the disk is full.
        """
        self._blobs.adopt(self._path, self._sha256)

    def drop(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


class Partials:
    """The media that are under way, for all threads and processes that share the folder of blobs."""

    def __init__(self, blobs: Blobs) -> None:
        """Take the blobs, beside which they are; nothing is made before the first part comes."""
        self._directory = blobs.directory / PARTIAL
        self._blobs = blobs

    @contextlib.contextmanager
    def hold(self, sha256: bytes, carrier: str) -> Iterator[Partial]:
        """Hold a medium: nobody else works on it meanwhile; what is given is the file of a device.

        The lock is on a file of its own, one for all media that begin with the same byte: the medium's file may be
        renamed or removed under who waits for it.

        Raises:
            StorageFull: the disk is full.
        """
        locks = self._directory / LOCKS
        with full_disk_said():
            locks.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(locks / f"{sha256[0]:02x}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield Partial(self._path(sha256, carrier), sha256, self._blobs)
        finally:
            os.close(handle)

    def size(self, sha256: bytes, carrier: str) -> int:
        """Return how many bytes of a medium a device has brought, on disk or about to be; 0 for none."""
        return _size(self._path(sha256, carrier))

    def remove_idle(self, seconds: float) -> None:
        """Remove files to which nothing has come for so long."""
        for path in self._directory.glob(f"{'[0-9a-f]' * 64}.*"):
            with self.hold(bytes.fromhex(path.stem), ""):
                if _idle_seconds(path) > seconds:
                    path.unlink(missing_ok=True)

    def _path(self, sha256: bytes, carrier: str) -> Path:
        return self._directory / f"{sha256.hex()}.{hashlib.sha256(carrier.encode()).hexdigest()[:16]}"


def _idle_seconds(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _write(handle: int, offset: int, sealed: bytes) -> None:
    """Write all, on disk; what did not fit is taken back, so that a full disk is not kept full by halves."""
    rest = memoryview(sealed)
    try:
        at = offset
        while rest:
            written = os.pwrite(handle, rest, at)
            rest, at = rest[written:], at + written
        synced(handle)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(handle, offset)
        raise
