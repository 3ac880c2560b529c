"""What JSON shows of forms, versions, their files and events."""

from dataclasses import asdict
from typing import Any

from server.db.queries.form_events import StoredEvent
from server.db.queries.form_media import StoredMedium
from server.db.queries.forms import StoredForm, StoredVersion
from server.services.deliver_forms import Package
from server.services.publish_form.members import plain


def form_members(form: StoredForm) -> dict[str, Any]:
    """Return the members of a form."""
    return asdict(form)


def version_members(version: StoredVersion) -> dict[str, Any]:
    """Return the members of a version; hashes in hexadecimal, times as ISO 8601."""
    return {name: plain(value) for name, value in asdict(version).items()}


def event_members(event: StoredEvent) -> dict[str, Any]:
    """Return the members of an event."""
    return {name: plain(value) for name, value in asdict(event).items()}


def manifest_members(package: Package) -> dict[str, Any]:
    """Return the manifest of a version: its XForm and every file, by name and hash."""
    version = package.version
    return {
        "form_id": version.form_id,
        "version": version.version,
        "package_hash": version.package_hash.hex(),
        "xform": {"sha256": version.hash.hex(), "md5": version.md5},
        "media": [_medium(medium) for medium in package.media],
    }


def _medium(medium: StoredMedium) -> dict[str, Any]:
    return {
        "name": medium.name,
        "media_type": medium.media_type,
        "sha256": medium.sha256.hex(),
        "md5": medium.md5,
        "bytes": medium.length_bytes,
    }
