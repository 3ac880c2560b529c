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
    findings = [finding for medium in given for finding in _check_medium(medium)]
    seen: dict[str, str] = {}
    for medium in given:
        key = unicodedata.normalize("NFC", medium.name).casefold()
        if key in seen:
            findings.append(
                _error(
                    "media-name-twice",
                    f"Two media files are called “{seen[key]}” and “{medium.name}”, which a tablet takes for one.",
                    f"Deux fichiers s’appellent « {seen[key]} » et « {medium.name} » : une tablette les confond.",
                    "Rename one of them, here and in the workbook.",
                    "Renommez l’un des deux, ici et dans le classeur.",
                )
            )
        seen.setdefault(key, medium.name)
    return (*findings, *_check_size(given))


def _check_size(given: list[Medium]) -> list[WorkbookFinding]:
    total = sum(len(medium.content) for medium in given)
    if total <= PACKAGE_BYTES and len(given) <= PACKAGE_FILES:
        return []
    most = PACKAGE_BYTES >> 20
    return [
        _error(
            "media-too-large",
            f"There are {len(given)} media files of {total:,} bytes; at most {PACKAGE_FILES} of {most} MiB fit.",
            f"Il y a {len(given)} fichiers médias, {total:,} octets en tout ; au plus {PACKAGE_FILES} et {most} Mio.",
            "Make pictures and recordings smaller, or leave some out.",
            "Réduisez les images et les enregistrements, ou retirez-en.",
        )
    ]


def _check_medium(medium: Medium) -> list[WorkbookFinding]:
    findings = []
    shown = "".join(character if character.isprintable() else "·" for character in medium.name)[:80]
    if not is_plain_name(medium.name):
        findings.append(
            _error(
                "media-name",
                f"“{shown}” cannot be the name of a media file: it has a path, a control character or no letter.",
                f"« {shown} » ne peut pas nommer un fichier média : chemin, caractère de contrôle ou nom vide.",
                f"Use a plain file name of at most {NAME_LENGTH} characters, as the workbook writes it.",
                f"Utilisez un simple nom de fichier de {NAME_LENGTH} caractères au plus, celui du classeur.",
            )
        )
    elif _suffix(medium.name) not in MEDIA_TYPES:
        findings.append(
            _error(
                "media-type",
                f"“{shown}” is of no type that a form can show or read.",
                f"« {shown} » n’est d’aucun type qu’un formulaire sache montrer ou lire.",
                f"Use one of {', '.join(MEDIA_TYPES)}.",
                f"Utilisez l’un de {', '.join(MEDIA_TYPES)}.",
            )
        )
    if len(medium.content) > MEDIUM_BYTES:
        findings.append(
            _error(
                "media-too-large",
                f"“{shown}” has {len(medium.content):,} bytes; at most {MEDIUM_BYTES >> 20} MiB reach a tablet.",
                f"« {shown} » fait {len(medium.content):,} octets ; au plus {MEDIUM_BYTES >> 20} Mio.",
                "Make it smaller.",
                "Réduisez-le.",
            )
        )
    return findings


def is_plain_name(name: str) -> bool:
    """Say whether a name is a file name and nothing else, on every file system that a tablet may have."""
    if not 0 < len(name) <= NAME_LENGTH or name != name.strip(" ."):
        return False
    return all(character.isprintable() and character not in '/\\:*?"<>|' for character in name)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _error(code: str, what: str, quoi: str, mend: str, comment: str) -> WorkbookFinding:
    return WorkbookFinding(code=code, severity="error", what={"en": what, "fr": quoi}, mend={"en": mend, "fr": comment})
