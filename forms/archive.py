"""A form in one file: a .zip of the workbook and its media.

Folders inside mean nothing; a name counts once. What operating systems add by themselves is passed over.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from forms.package import MEDIUM_BYTES, PACKAGE_BYTES, PACKAGE_FILES, Medium, too_large
from forms.workbook.findings import WorkbookError
from forms.workbook.lint.catalogue import finding
from forms.workbook.spreadsheets import PLAIN_COMPRESSION

SUFFIX: Final = ".zip"
WORKBOOKS: Final = (".xlsx", ".xlsm", ".xls", ".md")
"""A .csv or .xml inside is a list that the form reads, so it cannot be the workbook."""
WORKBOOK_BYTES: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a package holds."""

    filename: str
    workbook: bytes
    media: tuple[Medium, ...]


def unpack(content: bytes) -> Unpacked:
    """Unpack a package.

    Raises:
        WorkbookError: it is damaged, too large, or has not exactly one workbook.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _unpack(archive)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, ValueError, zlib.error):
        raise WorkbookError((finding("not-a-package"),)) from None


def _unpack(archive: zipfile.ZipFile) -> Unpacked:
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_debris(entry.filename)]
    largest, size = MEDIUM_BYTES + WORKBOOK_BYTES, sum(entry.file_size for entry in entries)
    if len(entries) > PACKAGE_FILES + 1 or size > PACKAGE_BYTES + WORKBOOK_BYTES:
        raise WorkbookError((too_large(len(entries), size),))
    workbooks = [entry for entry in entries if PurePosixPath(entry.filename).suffix.lower() in WORKBOOKS]
    if len(workbooks) != 1:
        raise WorkbookError((finding("package-workbooks", count=len(workbooks), suffixes=", ".join(WORKBOOKS)),))
    media = [
        Medium(name=_base_name(entry.filename), content=_read(archive, entry, largest))
        for entry in entries
        if entry is not workbooks[0]
    ]
    name = _base_name(workbooks[0].filename)
    return Unpacked(name, _read(archive, workbooks[0], largest), tuple(media))


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, at_most: int) -> bytes:
    """Read no more than an entry says it has: a header may lie."""
    if entry.compress_type not in PLAIN_COMPRESSION:
        raise zipfile.BadZipFile
    with archive.open(entry) as file:
        return file.read(min(entry.file_size, at_most) + 1)


def _is_debris(filename: str) -> bool:
    parts = PurePosixPath(filename.replace("\\", "/")).parts
    return not parts or "__MACOSX" in parts or parts[-1].startswith(".") or parts[-1] in ("Thumbs.db", "desktop.ini")


def _base_name(filename: str) -> str:
    return PurePosixPath(filename.replace("\\", "/")).name
