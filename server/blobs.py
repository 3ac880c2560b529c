"""The blob store: sealed media by the SHA-256 of their ciphertext, each a file that is written once and never changed.

A blob is on disk, and its name too, before `Incoming.keep` returns. What was kept and then not named in a transaction
that committed is a stray, removed after a day. Only ciphertext ever comes here.
"""

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from server.disk import synced
from server.errors import StorageFull

INCOMING: Final = "incoming"
CHUNK_BYTES: Final = 1 << 18
STRAY_SECONDS: Final = 24 * 3600.0
_NAME: Final = re.compile("[0-9a-f]{64}")


class Incoming:
    """A blob that is being written: a context that removes it unless it was kept."""

    def __init__(self, directory: Path, folders_on_disk: set[Path]) -> None:
        self._directory = directory
        self._folders_on_disk = folders_on_disk
        self._path = directory / INCOMING / secrets.token_hex(16)
        with full_disk_said():
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._path.open("xb", buffering=0)

    def write(self, sealed: bytes) -> None:
        """Append ciphertext.

        Raises:
            StorageFull: when the disk is full.
        """
        rest = memoryview(sealed)
        with full_disk_said():
            while rest:
                rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        """Let go of the file, which may then wait to be kept: a submission can bring more than can be open at once."""
        self._file.close()

    def keep(self, sha256: bytes) -> None:
        """Put the blob on disk under its name; one that is there already is the same.

        Raises:
            StorageFull: when the disk is full.
        """
        with full_disk_said():
            self.close()
            sync_to_disk(self._path)
            _put(self._path, self._directory, sha256, self._folders_on_disk)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the file; what was not kept is removed."""
        with contextlib.suppress(OSError):
            self.close()
        self._path.unlink(missing_ok=True)


class Blobs:
    """A folder of blobs, for all threads and processes that share it."""

    def __init__(self, directory: Path) -> None:
        """Take the folder; it is made when the first blob comes."""
        self._directory = directory
        self._folders_on_disk: set[Path] = set()

    @property
    def directory(self) -> Path:
        """The folder."""
        return self._directory

    def incoming(self) -> Incoming:
        """Begin a blob.

        Raises:
            StorageFull: when the disk is full.
        """
        return Incoming(self._directory, self._folders_on_disk)

    def has(self, sha256: bytes) -> bool:
        """Say whether a blob is here."""
        return _path(self._directory, sha256).is_file()

    def chunks(self, sha256: bytes) -> Iterator[bytes]:
        """Yield the bytes of a blob, a few hundred kilobytes at a time.

        Raises:
            FileNotFoundError: when it is not here.
        """
        with _path(self._directory, sha256).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def adopt(self, path: Path, sha256: bytes) -> None:
        """Put a file, on disk already and of the same file system, under its name.

        Raises:
            StorageFull: when the disk is full.
        """
        with full_disk_said():
            _put(path, self._directory, sha256, self._folders_on_disk)

    def remove(self, sha256: bytes) -> None:
        """Remove a blob, if it is here."""
        _path(self._directory, sha256).unlink(missing_ok=True)

    def old(self, now: float | None = None) -> Iterator[bytes]:
        """Yield the blobs that have been here for a day: those of them that nothing names are strays.

        What others put there, a file system or an editor, is left alone.
        """
        for path in self._old_files("??/*", now):
            if _NAME.fullmatch(name := path.parent.name + path.name):
                yield bytes.fromhex(name)

    def remove_unfinished(self, now: float | None = None) -> None:
        """Remove what was begun a day ago and never kept: its writer was killed."""
        for path in self._old_files(f"{INCOMING}/*", now):
            path.unlink(missing_ok=True)

    def _old_files(self, pattern: str, now: float | None) -> Iterator[Path]:
        before = (time.time() if now is None else now) - STRAY_SECONDS
        for path in self._directory.glob(pattern):
            with contextlib.suppress(FileNotFoundError):  # another process sweeps too
                if path.stat().st_mtime < before:
                    yield path


def _path(directory: Path, sha256: bytes) -> Path:
    name = sha256.hex()
    return directory / name[:2] / name[2:]


def _put(path: Path, directory: Path, sha256: bytes, folders_on_disk: set[Path]) -> None:
    target = _path(directory, sha256)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    path.replace(target)
    sync_to_disk(target.parent)
    if target.parent not in folders_on_disk:
        sync_to_disk(directory)
        sync_to_disk(directory.parent)
        folders_on_disk.add(target.parent)


def sync_to_disk(path: Path) -> None:
    """Put a file, or the entries of a folder, on disk; a disk that fails at it ends the process."""
    handle = os.open(path, os.O_RDONLY)
    try:
        synced(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def full_disk_said() -> Iterator[None]:
    """Let no error of a file pass for anything but what it is: nothing was stored.

    Raises:
        StorageFull: for whatever the file system refused.
    """
    try:
        yield
    except OSError as error:
        raise StorageFull(f"a file could not be written: {error.strerror}") from error
