"""What tablets are given: the list of forms, each form byte for byte, its manifest and its files."""

from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from flask import Response

from server.api.openrosa import entities
from server.api.openrosa.answers import conditional, xml
from server.api.openrosa.visitors import Visitor, served
from server.context import current
from server.errors import NotFound
from server.services import deliver_entities, deliver_forms
from server.services.deliver_forms import Offered

LIST_NAMESPACE: Final = "http://openrosa.org/xforms/xformsList"
MANIFEST_NAMESPACE: Final = "http://openrosa.org/xforms/xformsManifest"


@served
def form_list(visitor: Visitor) -> Response:
    """List the current version of every form."""
    with current().database.read() as session:
        versions = deliver_forms.current_versions(session)
    base = escape(f"{visitor.address}/forms")
    entries = "".join(_listed(offered, base) for offered in versions)
    return conditional(xml(f'<xforms xmlns="{LIST_NAMESPACE}">{entries}</xforms>'))


@served
def form(_visitor: Visitor, *, digest: str) -> Response:
    """Return an XForm, byte for byte: its MD5 is in the list, its SHA-256 in the address."""
    with current().database.read() as session:
        content = deliver_forms.read_published(session, _hash(digest))
    return conditional(Response(content, mimetype="text/xml"))


@served
def manifest(visitor: Visitor, *, digest: str) -> Response:
    """List the files of a form, each with its MD5: Collect fetches those that it has not."""
    context, form = current(), _hash(digest)
    with context.database.read() as session:
        media = deliver_forms.media_for_tablets(session, form)
        lists = deliver_entities.offered_lists(session, form, tablet=visitor.app_user, keystore=context.keystore)
    base = escape(f"{visitor.address}/forms/{digest}/media")
    files = "".join(
        f"<mediaFile><filename>{escape(medium.name)}</filename><hash>md5:{medium.md5}</hash>"
        f"<downloadUrl>{base}/{quote(medium.name)}</downloadUrl></mediaFile>"
        for medium in media
    )
    files += entities.entries(lists, f"{visitor.address}/forms/{digest}")
    return conditional(xml(f'<manifest xmlns="{MANIFEST_NAMESPACE}">{files}</manifest>'))


@served
def medium(_visitor: Visitor, *, digest: str, name: str) -> Response:
    """Return a file of a form, byte for byte."""
    with current().database.read() as session:
        deliver_forms.media_for_tablets(session, _hash(digest))
        found = deliver_forms.read_medium(session, _hash(digest), name)
    response = Response(found.content, mimetype=found.media_type)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"  # a picture may be a document
    return conditional(response)


def _listed(offered: Offered, base: str) -> str:
    """Write an entry of the list; only a form with files has a manifest, for Collect asks for each at every refresh."""
    version = offered.version
    address = f"{base}/{version.hash.hex()}"
    manifest_url = f"<manifestUrl>{address}/manifest</manifestUrl>" if offered.has_media else ""
    return (
        f"<xform><formID>{escape(version.form_id)}</formID><name>{escape(version.title)}</name>"
        f"<version>{escape(version.version)}</version><hash>md5:{version.md5}</hash>"
        f"<downloadUrl>{address}.xml</downloadUrl>{manifest_url}</xform>"
    )


def _hash(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest)
    except ValueError:
        raise NotFound("a form is named by the 64 hexadecimal digits of its SHA-256") from None
