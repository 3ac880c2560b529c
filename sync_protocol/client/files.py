"""Files of form versions on the device: pictures, lists, dictionaries. They hold no answers, so they lie as they are.

A file is named by its SHA-256, and is under that name only once it has been compared with it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sync_protocol.client.database import DeviceDatabase
from sync_protocol.fetch import WantedFile

FOLDER: Final = "files"
UNFINISHED: Final = ".unfinished"


@dataclass(frozen=True, slots=True)
class FileOfForm:
    """A file of a form version; `path` is None until it has been fetched."""

    name: str
    type: str
    length_bytes: int
    sha256: bytes
    is_dictionary: bool
    path: Path | None


class FormFiles:
    """The files of a device's form versions."""

    def __init__(self, database: DeviceDatabase) -> None:
        """Take the open file of a device."""
        self._database = database
        self._folder = database.directory / FOLDER

    def of(self, form_version_hash: bytes) -> tuple[FileOfForm, ...]:
        """Return the files of a form version by name."""
        query = (
            "SELECT name, type, length_bytes, sha256, is_dictionary FROM form_file"
            " WHERE form_version_hash = ? ORDER BY name"
        )
        return tuple(
            FileOfForm(name, media_type, length_bytes, bytes(sha256), bool(is_one), self.path(bytes(sha256)))
            for name, media_type, length_bytes, sha256, is_one in self._database.rows(query, form_version_hash)
        )

    def path(self, sha256: bytes) -> Path | None:
        """Return where a file is, None when it is not whole here."""
        path = self._folder / sha256.hex()
        return path if path.is_file() else None

    def dictionary(self, form_version_hash: bytes) -> bytes | None:
        """Return the dictionary with which interviews on a form version are deflated, None without one (yet)."""
        for file in self.of(form_version_hash):
            if file.is_dictionary and file.path is not None:
                return file.path.read_bytes()
        return None

    def wanted(self, *, dictionaries: bool) -> tuple[WantedFile, ...]:
        """Return what is not whole here: dictionaries, or the other files, of published form versions, small first."""
        query = (
            "SELECT DISTINCT sha256, form_file.length_bytes FROM form_file JOIN form_version ON hash ="
            " form_version_hash WHERE is_dictionary = ? AND state = 'published' ORDER BY form_file.length_bytes, sha256"
        )
        return tuple(
            WantedFile(bytes(sha256), length_bytes, self._there(bytes(sha256)))
            for sha256, length_bytes in self._database.rows(query, int(dictionaries))
            if self.path(bytes(sha256)) is None
        )

    def append(self, file: WantedFile, content: bytes) -> int:
        """Add bytes at the end of what is there of a file; compare the whole with its hash.

        Returns:
            How many bytes are there now; 0 when the whole was another file and has been thrown away.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        unfinished = self._unfinished(file.sha256)
        with unfinished.open("ab") as stream:
            stream.truncate(file.offset)
            stream.seek(file.offset)
            stream.write(content)
        there = file.offset + len(content)
        if there < file.length_bytes:
            return there
        with unfinished.open("rb") as stream:
            is_right = hashlib.file_digest(stream, "sha256").digest() == file.sha256
        if not is_right:
            unfinished.unlink()
            return 0
        unfinished.replace(self._folder / file.sha256.hex())
        return there

    def _there(self, sha256: bytes) -> int:
        unfinished = self._unfinished(sha256)
        return unfinished.stat().st_size if unfinished.is_file() else 0

    def _unfinished(self, sha256: bytes) -> Path:
        return self._folder / f"{sha256.hex()}{UNFINISHED}"
