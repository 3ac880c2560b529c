"""Form versions that a device may fill, or no longer."""

from collections.abc import Iterator
from functools import partial

from sqlalchemy.orm import Session

from server.db.queries import forms
from server.db.queries.forms import PUBLISHED, StoredVersion
from server.db.queries.pull import FORM_VERSION, Place
from server.services.news.source import Asked, Entry
from sync_protocol.messages import FormVersionPull


def form_versions(asked: Asked) -> Iterator[Entry]:
    """Yield the versions of the device's project whose state changed."""
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
    )
