"""The list of a backup: every file of it with its length and SHA-256, and what is known about the whole."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final, Self

from server.blobs import sync_to_disk

MANIFEST: Final = "manifest.json"
SEAL: Final = "manifest.sha256"
FORMAT: Final = 1
CHUNK_BYTES: Final = 1 << 20
OWNER_ONLY: Final = 0o600

Progress = Callable[[int], None]
"""Takes how many bytes are done."""


class BackupError(Exception):
    """A backup cannot be made, read or restored; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class BackupFile:
    """One file: its path below the backup with slashes, its length, its SHA-256 in hexadecimal."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds.

    Attributes:
        made_at: of the snapshot, UTC, ISO 8601.
        schema: revision of the database's schema.
        database: sqlite | postgresql.
        sequence: envelopes up to this number, and their media, are in it; None where it was made of an older schema.
        feed_epoch: the life of the database that it is of.
        has_keys: whether the key store is in it, wrapped as it lies.
        missing: media and microdata that the database names and that were not there, or damaged, by their paths.
    """

    server_id: str
    made_at: str
    schema: str
    database: str
    sequence: int | None
    feed_epoch: str
    has_keys: bool
    missing: Sequence[str]
    files: Sequence[BackupFile]

    @property
    def total_bytes(self) -> int:
        """How much the files take."""
        return sum(file.bytes for file in self.files)

    @property
    def made(self) -> datetime:
        """When the snapshot was taken."""
        return datetime.fromisoformat(self.made_at)

    def write(self, folder: Path) -> None:
        """Write the list and its own hash; on disk when this returns."""
        content = json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode()
        write_file(folder / MANIFEST, content)
        write_file(folder / SEAL, hashlib.sha256(content).hexdigest().encode() + b"\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the list of a backup.

        Raises:
            BackupError: it is none, it is damaged, or a newer program made it.
        """
        try:
            content = (folder / MANIFEST).read_bytes()
            seal = (folder / SEAL).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise BackupError(f"{folder} is no backup: it has no {MANIFEST}") from None
        except (OSError, ValueError) as error:
            raise BackupError(f"the list of {folder} cannot be read: {type(error).__name__}") from None
        if hashlib.sha256(content).hexdigest() != seal:
            raise BackupError(f"the list of {folder} is damaged: use another backup")
        return cls._of(json.loads(content), folder)

    @classmethod
    def _of(cls, members: dict[str, Any], folder: Path) -> Self:
        if members.pop("format") != FORMAT:
            raise BackupError(f"{folder} was made by a newer Passerelle: restore it with that one")
        files = tuple(BackupFile(**file) for file in members.pop("files"))
        if any(not is_inside(file.path) for file in files):
            raise BackupError(f"{folder} names files outside of itself: it was not made here")
        return cls(files=files, **members)


def is_inside(path: str) -> bool:
    """Say whether a path stays below the folder that it is put on."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts


def write_file(path: Path, content: bytes) -> None:
    """Write a file for its owner only, on disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sha256_of(path: Path) -> tuple[int, str]:
    """Return length and SHA-256 of a file as the disk has it, not as the machine remembers it."""
    digest, length = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            length += len(chunk)
    return length, digest.hexdigest()


def copy_file(source: Path, target: Path) -> BackupFile:
    """Copy a file for its owner only, on disk when this returns; its path in the result is only its name.

    Raises:
        OSError: it cannot be read or written.
    """
    digest, length = hashlib.sha256(), 0
    make_folder(target.parent)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "wb", buffering=0) as written, source.open("rb", buffering=0) as read:
        while chunk := read.read(CHUNK_BYTES):
            rest = memoryview(chunk)
            while rest:
                rest = rest[written.write(rest) :]
            digest.update(chunk)
            length += len(chunk)
        os.fsync(written.fileno())
    return BackupFile(target.name, length, digest.hexdigest())


def make_folder(folder: Path) -> None:
    """Make a folder for its owner only, and those above it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def sync_folders(folder: Path) -> None:
    """Put the entries of a folder, and of all below it, on disk."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_to_disk(path)
    sync_to_disk(folder)


def verify(folder: Path, progress: Progress = lambda _: None) -> tuple[Manifest, tuple[str, ...]]:
    """Read a backup back; return its list, and the paths of files that are missing or altered.

    Raises:
        BackupError: the list itself cannot be read.
    """
    manifest = Manifest.read(folder)
    damaged: list[str] = []
    done = 0
    for file in manifest.files:
        try:
            is_whole = sha256_of(folder / file.path) == (file.bytes, file.sha256)
        except OSError:
            is_whole = False
        if not is_whole:
            damaged.append(file.path)
        done += file.bytes
        progress(done)
    return manifest, tuple(damaged)
