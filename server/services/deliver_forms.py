"""What readers get of the forms: lists, and the very bytes that were published. Tablets never get a draft."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from server.db.queries import devices, form_events, form_media, forms, projects
from server.db.queries.form_events import StoredEvent
from server.db.queries.form_media import StoredMedium
from server.db.queries.forms import DRAFT, StoredForm, StoredVersion, Workbook
from server.db.scope import EVERYTHING, Scope
from server.errors import DeviceRevoked, NotFound


@dataclass(frozen=True, slots=True)
class Package:
    """A version with its files."""

    version: StoredVersion
    media: Sequence[StoredMedium]


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that a device asks for by their hash."""

    content: bytes
    media_type: str


def list_forms(session: Session, scope: Scope = EVERYTHING) -> Sequence[StoredForm]:
    """Return the forms that somebody sees, by form_id."""
    return forms.all_forms(session, scope)


def list_versions(session: Session, form_id: str | None = None, scope: Scope = EVERYTHING) -> Sequence[StoredVersion]:
    """Return the versions that somebody sees, of one form or of all, in the order of publication; drafts come last."""
    return forms.versions(session, form_id, scope)


def find_version(session: Session, *, form_id: str, version: str) -> StoredVersion:
    """Return one version.

    Raises:
        NotFound: when there is none of this name.
    """
    found = forms.version(session, form_id=form_id, version=version)
    if found is None:
        raise NotFound(f"no version {version!r} of a form {form_id!r} is published here")
    return found


def find_package(session: Session, *, form_id: str, version: str) -> Package:
    """Return one version with its files.

    Raises:
        NotFound: when there is none of this name.
    """
    found = find_version(session, form_id=form_id, version=version)
    return Package(found, form_media.media(session, found.hash))


def list_events(session: Session, *, form_id: str, version: str) -> Sequence[StoredEvent]:
    """Return what people did to a version, oldest first.

    Raises:
        NotFound: when there is none of this name.
    """
    find_version(session, form_id=form_id, version=version)
    return form_events.events(session, form_id=form_id, version=version)


def read_xform(session: Session, form_version_hash: bytes) -> bytes:
    """Return the XForm of a version, byte for byte.

    Raises:
        NotFound: when no version has this hash.
    """
    xform = forms.xform(session, form_version_hash)
    if xform is None:
        raise NotFound("no published form version has this hash")
    return xform


def read_published(session: Session, form_version_hash: bytes) -> bytes:
    """Return the XForm of a version that tablets may know.

    Raises:
        NotFound: when no published version has this hash.
    """
    found = forms.version_of_hash(session, form_version_hash)
    if found is None or found.state == DRAFT:
        raise NotFound("no published form version has this hash")
    return read_xform(session, form_version_hash)


def read_medium(session: Session, form_version_hash: bytes, name: str) -> Blob:
    """Return a file of a version.

    Raises:
        NotFound: when the version has no file of this name.
    """
    content = form_media.content(session, form_version_hash, name)
    found = [medium for medium in form_media.media(session, form_version_hash) if medium.name == name]
    if content is None or not found:
        raise NotFound("the form version has no file of this name")
    return Blob(content, found[0].media_type)


def read_blob_for(session: Session, sha256: bytes, *, device_id: str) -> Blob:
    """Return an XForm or a file of a form to a device of its project, which gets nothing after its revocation.

    Raises:
        DeviceRevoked: it was revoked.
        NotFound: when nothing that is published in its project has this hash, or the project is archived.
    """
    device = devices.device(session, device_id)
    if device is None or device.revoked_at is not None:
        raise DeviceRevoked(f"device {device_id} is revoked: it may deliver, and gets no forms")
    if projects.is_archived(session, device.project_id):
        raise NotFound("the project of this device is archived: it may deliver, and gets no forms")
    medium = form_media.content_for_devices(session, sha256, project_id=device.project_id)
    if medium is not None:
        return Blob(medium, "application/octet-stream")
    version = forms.version_of_hash(session, sha256)
    if version is None or forms.project_of(session, version.form_id) != device.project_id:
        raise NotFound("no published form version has this hash")
    return Blob(read_published(session, sha256), "application/xml")


def read_workbook(session: Session, form_version_hash: bytes) -> Workbook:
    """Return the workbook that a version was made from.

    Raises:
        NotFound: when it was published as an XForm, or not at all.
    """
    workbook = forms.workbook(session, form_version_hash)
    if workbook is None:
        raise NotFound("there is no workbook of this version")
    return workbook
