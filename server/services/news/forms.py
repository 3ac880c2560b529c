"""Form versions that a device may fill, or no longer."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from server.db.queries import form_media, forms
from server.db.queries.forms import PUBLISHED, StoredVersion
from server.db.queries.pull import FORM_VERSION, Place
from server.services.news.source import Asked, Entry
from sync_protocol.messages import MEDIA_TYPE_DICTIONARY
from sync_protocol.pull_items import FormFile, FormVersionPull

DICTIONARY: Final = "dictionary"
"""Its name among the files of a version; tablets know it by its hash, whatever a picture may be called."""


def form_versions(asked: Asked) -> Iterator[Entry]:
    """Yield the versions of the device's project whose state changed."""
    if FORM_VERSION not in asked.kinds:
        return
    project_id = asked.carrier.project_id
    for version in forms.versions_since(asked.session, asked.after.position, project_id=project_id):
        place = Place(version.feed_position or 0, FORM_VERSION, version.hash)
        if place > asked.after:
            yield place, partial(_item, asked.session, version)


def _item(session: Session, version: StoredVersion) -> FormVersionPull:
    is_published = version.state == PUBLISHED
    return FormVersionPull(
        form_id=version.form_id,
        version=version.version,
        title=version.title,
        hash=version.hash,
        state="published" if is_published else "withdrawn",
        xform=forms.xform(session, version.hash) if is_published else None,
        files=_files(session, version) if is_published else (),
        dictionary=version.dictionary_hash if is_published else None,
    )


def _files(session: Session, version: StoredVersion) -> tuple[FormFile, ...]:
    """Return what belongs to a version beside its XForm, the dictionary last."""
    files = [
        FormFile(name=medium.name, type=medium.media_type, length_bytes=medium.length_bytes, sha256=medium.sha256)
        for medium in form_media.media(session, version.hash)
    ]
    digest = version.dictionary_hash
    length_bytes = None if digest is None else form_media.dictionary_length(session, digest)
    if digest is not None and length_bytes is not None:
        files.append(FormFile(name=DICTIONARY, type=MEDIA_TYPE_DICTIONARY, length_bytes=length_bytes, sha256=digest))
    return tuple(files)
