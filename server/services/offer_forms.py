"""What tablets with ODK Collect are offered: of each form its newest published version that Collect can use.

One form that cannot be listed would make Collect refuse the whole list, and one that vanishes from it is deleted on
tablets that match the list exactly. So each version is looked at before it is offered, an older sound one takes the
place of one that is not, and what is left out is told: in the log, and by `faults` to whoever lists the forms.
"""

import hashlib
import logging
import re
from collections.abc import Collection, Iterable, Mapping, MutableSet, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from forms.documents import DocumentError, parse_xml
from server.db.queries import entity_lists, form_media, forms
from server.db.queries.form_media import StoredMedium
from server.db.queries.forms import DRAFT, PUBLISHED, StoredVersion

XFORM_BYTES: Final = 64 << 20
NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped (section 2.2)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offered:
    """A version that tablets may know, with a title that XML can hold.

    Attributes:
        has_media: it has files or lists.
        has_lists: it reads or writes entity lists that are there.
    """

    hash: bytes
    form_id: str
    project_id: int
    version: str
    title: str
    md5: str
    has_media: bool
    has_lists: bool
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that tablets may know of the forms, while the mark of `server.db.queries.visitors` stays the same.

    Attributes:
        listed: one version a form, by form_id.
        known: every version that was ever published, by hash: it stays at its address.
        faults: why the newest version of a form is not the one that is listed, by its hash.
    """

    listed: Sequence[Offered]
    known: Mapping[bytes, Offered]
    faults: Mapping[bytes, str]

    @property
    def held_bytes(self) -> int:
        """About what it takes in memory."""
        return 1000 * (len(self.known) + 1)

    def listed_for(self, project_id: int, given: frozenset[str] | None) -> list[Offered]:
        """Return what is listed for an app user; `given` are its form_ids, None for every form of the project."""
        return [
            offered
            for offered in self.listed
            if offered.project_id == project_id and (given is None or offered.form_id in given)
        ]


def read_catalogue(session: Session, sound: MutableSet[bytes]) -> Catalogue:
    """Read what tablets may know.

    Args:
        session: on one snapshot.
        sound: versions whose content was found good, by hash: it never changes, and is looked at once.
    """
    projects, with_media = forms.projects(session), form_media.versions_with_media(session)
    with_lists = entity_lists.versions_with_lists(session)
    versions = [version for version in forms.versions(session) if version.state != DRAFT]
    known = {
        version.hash: _offered(
            version,
            projects[version.form_id],
            has_media=version.hash in with_media,
            has_lists=version.hash in with_lists,
        )
        for version in versions
    }
    listed: dict[str, Offered] = {}
    found: dict[bytes, str] = {}
    for version in reversed(versions):
        if version.state != PUBLISHED or version.form_id in listed:
            continue
        fault = _name_fault(version) or ("" if version.hash in sound else _content_fault(session, version))
        if fault:
            found[version.hash] = fault
            log.warning("not offered to ODK Collect: %r %r, for %s", version.form_id, version.version, fault)
        else:
            sound.add(version.hash)
            listed[version.form_id] = known[version.hash]
    return Catalogue(listed=[listed[form_id] for form_id in sorted(listed)], known=known, faults=found)


def faults(session: Session) -> Mapping[bytes, str]:
    """Return why published versions are not offered to tablets though they are the newest, by their hash."""
    return read_catalogue(session, set()).faults


def read_media(session: Session, form_version_hash: bytes) -> Sequence[StoredMedium]:
    """Return the files of a version, by name."""
    return form_media.media(session, form_version_hash)


def read_xform(session: Session, form_version_hash: bytes) -> bytes | None:
    """Return the XForm of a version, byte for byte."""
    return forms.xform(session, form_version_hash)


def read_medium(session: Session, form_version_hash: bytes, name: str) -> bytes | None:
    """Return a file of a version, byte for byte."""
    return form_media.content(session, form_version_hash, name)


def for_xml(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return NOT_IN_XML.sub("", text)


def _offered(version: StoredVersion, project_id: int, *, has_media: bool, has_lists: bool) -> Offered:
    return Offered(
        hash=version.hash,
        form_id=version.form_id,
        project_id=project_id,
        version=version.version,
        title=" ".join(for_xml(version.title).split()) or version.form_id,
        md5=version.md5,
        has_media=has_media or has_lists,
        has_lists=has_lists,
        changed_at=version.published_at,
    )


def _name_fault(version: StoredVersion) -> str:
    """Say why Collect could not tell a version from others; empty when it can."""
    names = (version.form_id, version.version)
    is_odd = not version.form_id.strip() or any(for_xml(name) != name for name in names)
    return "a form_id or version that XML cannot hold" if is_odd else ""


def _content_fault(session: Session, version: StoredVersion) -> str:
    """Say why Collect could not use a version; empty when it can."""
    xform = forms.xform(session, version.hash) or b""
    if hashlib.md5(xform, usedforsecurity=False).hexdigest() != version.md5:
        return "bytes that are not those which were published"
    try:
        parse_xml(xform, max_bytes=XFORM_BYTES)
    except DocumentError as error:
        return f"XML that cannot be read ({error.code})"
    return _media_fault(form_media.media(session, version.hash), form_media.absent(session, version.hash))


def _media_fault(media: Iterable[StoredMedium], absent: Collection[str]) -> str:
    if absent:
        return f"files whose content is missing: {', '.join(sorted(absent))}"
    odd = [medium.name for medium in media if not medium.name.strip() or for_xml(medium.name) != medium.name]
    return "a file name that XML cannot hold" if odd else ""
