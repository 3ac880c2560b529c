"""What a form version is made of besides its XForm: files by name, their hashes, and one hash over all of it.

The names are those by which questions ask for a file; tablets store them side by side in one folder, some of them on
file systems that know no case, so two names that differ only in case are one name too many.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint.catalogue import finding

MEDIUM_BYTES: Final = 10 << 20
"""One file: a minute of video or a list of some 100 000 villages; a tablet on a mobile line fetches it in minutes."""
PACKAGE_BYTES: Final = 50 << 20
"""All files of a version; what an enumerator can be expected to fetch on a field connection in an evening."""
PACKAGE_FILES: Final = 1000
NAME_LENGTH: Final = 200

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".csv": "text/csv",
    ".xml": "application/xml",
    ".geojson": "application/geo+json",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".amr": "audio/amr",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".mp4": "video/mp4",
    ".3gp": "video/3gpp",
    ".webm": "video/webm",
}
"""What a questionnaire may bring, by ending; Collect shows or reads each of them."""
LISTS: Final = (".csv", ".xml", ".geojson")
"""Files that the form itself reads: choices and look-ups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """A file of a form version."""

    name: str
    content: bytes

    @property
    def media_type(self) -> str:
        """The media type that its ending says."""
        return MEDIA_TYPES.get(_suffix(self.name), "application/octet-stream")

    @property
    def sha256(self) -> bytes:
        """SHA-256 of its bytes."""
        return hashlib.sha256(self.content).digest()

    @property
    def md5(self) -> str:
        """MD5 of its bytes in hex, for that is what OpenRosa manifests carry."""
        return hashlib.md5(self.content, usedforsecurity=False).hexdigest()


def lists_of(media: Iterable[Medium]) -> dict[str, bytes]:
    """Return the files that the form itself reads, by name."""
    return {medium.name: medium.content for medium in media if _suffix(medium.name) in LISTS}


def package_hash(xform_hash: bytes, media: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the SHA-256 over the canonical manifest of a version.

    Args:
        xform_hash: (32,) of the XForm.
        media: name and SHA-256 (32,) of each file.
    """
    manifest = {
        "xform": xform_hash.hex(),
        "media": [{"name": name, "sha256": digest.hex()} for name, digest in sorted(media)],
    }
    return hashlib.sha256(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode("ascii")).digest()


def check_media(media: Iterable[Medium]) -> tuple[WorkbookFinding, ...]:
    """Return what keeps files from being part of a version."""
    given = list(media)
    findings = [found for medium in given for found in _check_medium(medium)]
    seen: dict[str, str] = {}
    for medium in given:
        key = unicodedata.normalize("NFC", medium.name).casefold()
        if key in seen:
            findings.append(finding("media-name-twice", first=_shown(seen[key]), name=_shown(medium.name)))
        seen.setdefault(key, medium.name)
    total = sum(len(medium.content) for medium in given)
    if total > PACKAGE_BYTES or len(given) > PACKAGE_FILES:
        findings.append(too_large(len(given), total))
    return tuple(findings)


def too_large(count: int, size: int) -> WorkbookFinding:
    """Return the finding of too many files, or files that are too large together."""
    return finding("package-too-large", count=count, size=f"{size:,}", most=PACKAGE_FILES, limit=PACKAGE_BYTES >> 20)


def _check_medium(medium: Medium) -> list[WorkbookFinding]:
    findings = []
    name = _shown(medium.name)
    if not is_plain_name(medium.name):
        findings.append(finding("media-name", name=name, longest=NAME_LENGTH))
    elif _suffix(medium.name) not in MEDIA_TYPES:
        findings.append(finding("media-type", name=name, types=", ".join(MEDIA_TYPES)))
    if len(medium.content) > MEDIUM_BYTES:
        size = f"{len(medium.content):,}"
        findings.append(finding("media-too-large", name=name, size=size, limit=MEDIUM_BYTES >> 20))
    return findings


def _shown(name: str) -> str:
    return "".join(character if character.isprintable() else "·" for character in name)[:80]


def is_plain_name(name: str) -> bool:
    """Say whether a name is a file name and nothing else, on every file system that a tablet may have."""
    if not 0 < len(name) <= NAME_LENGTH or name != name.strip(" ."):
        return False
    return all(character.isprintable() and character not in '/\\:*?"<>|' for character in name)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
