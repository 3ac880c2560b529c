"""What tablets are given: the list of forms, each form byte for byte, its manifest and its files.

Bodies are made once and kept: form versions never change, and a list or manifest stands under the mark of all that it
is made of. Each request costs one statement of the database, which says who asks and whether the mark is the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from flask import Response, request

from server.api.bodies import SANDBOX, if_changed
from server.api.openrosa.answers import XML_TYPE, Body, conditional, document, is_known
from server.api.openrosa.unchanged import tell_again
from server.api.openrosa.visitors import Visitor, served
from server.context import current
from server.db.queries.form_media import StoredMedium
from server.errors import NotFound
from server.services import deliver_entities, offer_forms
from server.services.deliver_entities import OfferedList
from server.services.offer_forms import Catalogue, Offered

LIST_NAMESPACE: Final = "http://openrosa.org/xforms/xformsList"
MANIFEST_NAMESPACE: Final = "http://openrosa.org/xforms/xformsManifest"
SHRINKING: Final = ("text/", "application/json", "application/xml", "application/geo+json", "image/svg+xml")
"""Media types that gzip makes smaller; pictures and recordings are compressed already."""
KEPT_MEDIUM_BYTES: Final = 4 << 20
"""Larger files are read from the database each time, and sent as they are."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a form version."""

    media: Sequence[StoredMedium]

    @property
    def held_bytes(self) -> int:
        """About what they take in memory."""
        return 500 * (len(self.media) + 1)


@served
def form_list(visitor: Visitor) -> Response:
    """List the forms that are given out to the app user."""
    stored = visitor.stored
    key = ("list", stored.mark, stored.app_user.project_id, stored.given, stored.is_archived, visitor.address)
    return tell_again(visitor, conditional(current().shelf.get(key, lambda: _list(visitor))))


@served
def form(visitor: Visitor, *, digest: str) -> Response:
    """Return an XForm, byte for byte: its MD5 is in the list, its SHA-256 in the address."""
    offered = known(visitor, digest)
    return tell_again(visitor, conditional(current().shelf.get(("form", offered.hash), lambda: _form(offered))))


@served
def manifest(visitor: Visitor, *, digest: str) -> Response:
    """List the files of a form, each with its MD5: Collect fetches those that it has not."""
    offered = known(visitor, digest)
    base = f"{visitor.address}/forms/{digest}"
    lists = _lists(visitor, offered)
    key = ("manifest", offered.hash, base, lists)

    def make() -> Body:
        return _manifest((*_media_files(_files(offered).media, base), *_list_files(lists, base)))

    response = conditional(current().shelf.get(key, make))
    return response if lists else tell_again(visitor, response)


@served
def medium(visitor: Visitor, *, digest: str, name: str) -> Response:
    """Return a file of a form, byte for byte."""
    offered = known(visitor, digest)
    found = next((medium for medium in _files(offered).media if medium.name == name), None)
    if found is None:
        raise NotFound("the form version has no file of this name")
    response = _medium(offered, found)
    response.headers["Content-Security-Policy"] = SANDBOX
    return response


def known(visitor: Visitor, digest: str) -> Offered:
    """Return a version that the app user may have.

    Raises:
        NotFound: when there is none of this hash in its project and among the forms that it is given, or when the
            project is over.
    """
    if visitor.stored.is_archived:
        raise NotFound("the project is archived: finished forms can still be sent, new ones are not given out")
    try:
        offered = _catalogue(visitor).known.get(bytes.fromhex(digest))
    except ValueError:
        raise NotFound("a form is named by the 64 hexadecimal digits of its SHA-256") from None
    given = visitor.stored.given
    is_given = given is None or (offered is not None and offered.form_id in given)
    if offered is None or offered.project_id != visitor.app_user.project_id or not is_given:
        raise NotFound("no published form version has this hash, or it is not given out to this app user")
    return offered


def _catalogue(visitor: Visitor) -> Catalogue:
    def read() -> Catalogue:
        with current().database.read() as session:
            return offer_forms.read_catalogue(session, current().sound_versions)

    found: Catalogue = current().shelf.get(("catalogue", visitor.mark), read)
    return found


def _list(visitor: Visitor) -> Body:
    stored, listed = visitor.stored, list[Offered]()
    if not stored.is_archived:
        listed = _catalogue(visitor).listed_for(stored.app_user.project_id, stored.given)
    base = escape(f"{visitor.address}/forms")
    entries = "".join(_entry(offered, base) for offered in listed)
    return Body.of(document(f'<xforms xmlns="{LIST_NAMESPACE}">{entries}</xforms>'), content_type=XML_TYPE)


def _entry(offered: Offered, base: str) -> str:
    """Write an entry of the list; only a form with files has a manifest, for Collect asks for each at every refresh."""
    address = f"{base}/{offered.hash.hex()}"
    manifest_url = f"<manifestUrl>{address}/manifest</manifestUrl>" if offered.has_media else ""
    return (
        f"<xform><formID>{escape(offered.form_id)}</formID><name>{escape(offered.title)}</name>"
        f"<version>{escape(offered.version)}</version><hash>md5:{offered.md5}</hash>"
        f"<downloadUrl>{address}.xml</downloadUrl>{manifest_url}</xform>"
    )


def _form(offered: Offered) -> Body:
    with current().database.read() as session:
        content = offer_forms.read_xform(session, offered.hash)
    return Body.of(content or b"", content_type=XML_TYPE, changed_at=offered.changed_at, tag=offered.hash.hex())


def _files(offered: Offered) -> Files:
    def read() -> Files:
        with current().database.read() as session:
            return Files(offer_forms.read_media(session, offered.hash))

    found: Files = current().shelf.get(("files", offered.hash), read)
    return found


def _manifest(files: Iterable[str]) -> Body:
    """Put a manifest together from its `mediaFile` elements."""
    content = document(f'<manifest xmlns="{MANIFEST_NAMESPACE}">{"".join(files)}</manifest>')
    return Body.of(content, content_type=XML_TYPE)


def _media_files(media: Iterable[StoredMedium], base: str) -> Iterable[str]:
    for found in media:
        address = escape(f"{base}/media/{quote(found.name)}")
        yield (
            f"<mediaFile><filename>{escape(found.name)}</filename><hash>md5:{found.md5}</hash>"
            f"<downloadUrl>{address}</downloadUrl></mediaFile>"
        )


def _lists(visitor: Visitor, offered: Offered) -> tuple[OfferedList, ...]:
    """Return the entity lists of a form as they are now: they change between two versions of it."""
    if not offered.has_lists:
        return ()
    context = current()
    with context.database.read() as session:
        return deliver_entities.offered_lists(session, offered.hash, tablet=visitor.app_user, keystore=context.keystore)


def _list_files(lists: Iterable[OfferedList], base: str) -> Iterable[str]:
    """Write entity lists as files; Collect needs `type` and `integrityUrl` to know one from a file."""
    for found in lists:
        address = escape(f"{base}/entities/{quote(found.name)}")
        kind = "approvalEntityList" if found.needs_approval else "entityList"
        yield (
            f'<mediaFile type="{kind}"><filename>{escape(found.name)}.csv</filename><hash>md5:{found.md5}</hash>'
            f"<downloadUrl>{address}.csv</downloadUrl><integrityUrl>{address}/integrity</integrityUrl></mediaFile>"
        )


def _medium(offered: Offered, found: StoredMedium) -> Response:
    """Answer from the shelf, or as it is when it is large or only a part of it is wanted."""
    tag, is_whole = found.sha256.hex(), "HTTP_RANGE" not in request.environ
    may_shrink = found.media_type.startswith(SHRINKING)

    def make() -> Body:
        content = _content(offered, found)
        return Body.of(
            content, content_type=found.media_type, changed_at=offered.changed_at, tag=tag, may_shrink=may_shrink
        )

    if is_whole and found.length_bytes <= KEPT_MEDIUM_BYTES:
        return conditional(current().shelf.get(("medium", found.sha256, found.media_type, offered.changed_at), make))
    is_read = not (is_whole and is_known(f'"{tag}"'))
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
    response = Response(_content(offered, found) if is_read else b"", headers=headers, content_type=found.media_type)
    return if_changed(response)


def _content(offered: Offered, found: StoredMedium) -> bytes:
    with current().database.read() as session:
        return offer_forms.read_medium(session, offered.hash, found.name) or b""
