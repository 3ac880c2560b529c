"""What readers get of the published forms: lists, and the very bytes that were published."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from server.db.queries import devices, forms
from server.db.queries.forms import PUBLISHED, StoredVersion, Workbook
from server.errors import DeviceRevoked, NotFound


def list_versions(session: Session, form_id: str | None = None) -> Sequence[StoredVersion]:
    """Return all versions of a form, or of all forms, in the order of publication."""
    return forms.versions(session, form_id)


def current_versions(session: Session) -> Sequence[StoredVersion]:
    """Return the last published version of each form: what a tablet should fill in today."""
    latest = {version.form_id: version for version in forms.versions(session) if version.state == PUBLISHED}
    return sorted(latest.values(), key=lambda version: version.form_id)


def find_version(session: Session, *, form_id: str, version: str) -> StoredVersion:
    """Return one version.

    Raises:
        NotFound: when there is none of this name.
    """
    found = forms.version(session, form_id=form_id, version=version)
    if found is None:
        raise NotFound(f"no version {version!r} of a form {form_id!r} is published here")
    return found


def read_xform(session: Session, form_version_hash: bytes) -> bytes:
    """Return the XForm of a version, byte for byte.

    Raises:
        NotFound: when no published version has this hash.
    """
    xform = forms.xform(session, form_version_hash)
    if xform is None:
        raise NotFound("no published form version has this hash")
    return xform


def read_xform_for(session: Session, form_version_hash: bytes, *, device_id: str) -> bytes:
    """Return the XForm of a version to a device, which gets nothing after its revocation.

    Raises:
        DeviceRevoked: it was revoked.
        NotFound: when no published version has this hash.
    """
    device = devices.device(session, device_id)
    if device is None or device.revoked_at is not None:
        raise DeviceRevoked(f"device {device_id} is revoked: it may deliver, and gets no forms")
    return read_xform(session, form_version_hash)


def read_workbook(session: Session, form_version_hash: bytes) -> Workbook:
    """Return the workbook that a version was made from.

    Raises:
        NotFound: when it was published as an XForm, or not at all.
    """
    workbook = forms.workbook(session, form_version_hash)
    if workbook is None:
        raise NotFound("there is no workbook of this version")
    return workbook
