"""The OpenRosa door for ODK Collect: form list, XForm, media, submission; the app user's token is in the path.

201 means sealed and on disk. Media of a submission are refused with a message that Collect shows, and stay on the
tablet with their form: nothing is dropped silently. Query arguments and the Date header are ignored, as Collect writes
wrong ones.
"""

from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from flask import Blueprint, Response, request

from server.api.bodies import if_changed, limit
from server.api.problems import problem_for
from server.clock import utc_now
from server.context import Context, current, own_auth
from server.db.queries.devices import StoredAppUser
from server.errors import Forbidden, MediaNotAccepted, NotFound, SubmissionUnreadable
from server.services import deliver_forms, receive_openrosa
from server.services.deliver_forms import Offered

ACCEPT_BYTES: Final = 2_000_000
"""Told to Collect, which splits its media by it; the limit itself is higher, so that a refusal can be read."""
LIMIT_BYTES: Final = 12_000_000
XML_PART: Final = "xml_submission_file"
VERSION_HEADER: Final = "X-OpenRosa-Version"
LIST_NAMESPACE: Final = "http://openrosa.org/xforms/xformsList"
MANIFEST_NAMESPACE: Final = "http://openrosa.org/xforms/xformsManifest"
RESPONSE_NAMESPACE: Final = "http://openrosa.org/http/response"
RECEIVED: Final = "Received and safe. Reçu et en sûreté."

blueprint = Blueprint("openrosa", __name__, url_prefix="/key/<token>")


@blueprint.get("/formList")
@own_auth
def form_list(token: str) -> Response:
    """List the current version of every form."""
    context = current()
    with context.database.read() as session:
        _refuse_revoked(receive_openrosa.find_app_user(session, token))
        versions = deliver_forms.current_versions(session)
    base = escape(f"{_base_url(context)}/key/{token}/forms")
    entries = "".join(_listed(offered, base) for offered in versions)
    return _conditional(_xml(f'<xforms xmlns="{LIST_NAMESPACE}">{entries}</xforms>'))


@blueprint.get("/forms/<digest>.xml")
@own_auth
def form(token: str, digest: str) -> Response:
    """Return an XForm, byte for byte: its MD5 is in the list, its SHA-256 in the address."""
    with current().database.read() as session:
        _refuse_revoked(receive_openrosa.find_app_user(session, token))
        content = deliver_forms.read_published(session, _hash(digest))
    return _conditional(Response(content, mimetype="text/xml"))


@blueprint.get("/forms/<digest>/manifest")
@own_auth
def manifest(token: str, digest: str) -> Response:
    """List the files of a form, each with its MD5: Collect fetches those that it has not."""
    context = current()
    with context.database.read() as session:
        _refuse_revoked(receive_openrosa.find_app_user(session, token))
        media = deliver_forms.media_for_tablets(session, _hash(digest))
    base = escape(f"{_base_url(context)}/key/{token}/forms/{digest}/media")
    files = "".join(
        f"<mediaFile><filename>{escape(medium.name)}</filename><hash>md5:{medium.md5}</hash>"
        f"<downloadUrl>{base}/{quote(medium.name)}</downloadUrl></mediaFile>"
        for medium in media
    )
    return _conditional(_xml(f'<manifest xmlns="{MANIFEST_NAMESPACE}">{files}</manifest>'))


@blueprint.get("/forms/<digest>/media/<name>")
@own_auth
def medium(token: str, digest: str, name: str) -> Response:
    """Return a file of a form, byte for byte."""
    with current().database.read() as session:
        _refuse_revoked(receive_openrosa.find_app_user(session, token))
        deliver_forms.media_for_tablets(session, _hash(digest))
        found = deliver_forms.read_medium(session, _hash(digest), name)
    response = Response(found.content, mimetype=found.media_type)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"  # a picture may be a document
    return _conditional(response)


@blueprint.route("/submission", methods=["HEAD"])
@own_auth
def announce(token: str) -> Response:
    """Tell Collect how much one POST may carry."""
    with current().database.read() as session:
        receive_openrosa.find_app_user(session, token)
    return Response(status=204)


@blueprint.post("/submission")
@own_auth
def submit(token: str) -> Response:
    """Seal and store a submission; the answer comes after the commit."""
    context, now = current(), utc_now()
    with context.database.read() as session:
        app_user = receive_openrosa.find_app_user(session, token)
    xml = _submitted_xml()  # minutes, on 2G: no connection of the database waits for it
    with context.database.read() as session:
        prepared = receive_openrosa.prepare(session, xml=xml, app_user=app_user, door_tag=context.keystore.door_tag)
    if not prepared.is_known:
        sealed = context.door.seal(prepared.submission, now=now)
        door = context.keystore.door
        context.database.submit(lambda session: receive_openrosa.store(session, prepared, sealed, door=door, now=now))
    response = _message(RECEIVED, 201)
    response.headers["Location"] = f"{_base_url(context)}/key/{token}/submission"
    return response


@blueprint.errorhandler(Exception)
def respond(error: Exception) -> Response:
    """Say what went wrong in the XML that Collect shows."""
    problem = problem_for(error)
    response = _message(problem.detail, problem.status)
    response.headers["Link"] = f'</problems/{problem.slug}>; rel="type"'
    return response


@blueprint.after_request
def mark(response: Response) -> Response:
    """Put the headers on that Collect looks for."""
    response.headers[VERSION_HEADER] = "1.0"
    response.headers["X-OpenRosa-Accept-Content-Length"] = str(ACCEPT_BYTES)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


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


def _submitted_xml() -> bytes:
    """Return the XML part.

    Raises:
        MediaNotAccepted: when there are other files.
        SubmissionUnreadable: when there is no XML part.
    """
    limit(LIMIT_BYTES)
    files = [(name, file) for name, file in request.files.items(multi=True)]
    others = [name for name, _ in files if name != XML_PART]
    if others or "*isIncomplete*" in request.form:
        raise MediaNotAccepted(
            "This server does not take photos, audio or other files yet. The form stays on this device, complete."
        )
    parts: list[bytes] = [file.read() for _, file in files]
    parts += [text.encode("utf-8") for text in request.form.getlist(XML_PART)]
    if len(parts) != 1:
        raise SubmissionUnreadable(f"a submission has one part {XML_PART}, this one has {len(parts)}")
    return parts[0]


def _refuse_revoked(app_user: StoredAppUser) -> None:
    if app_user.revoked_at is not None:
        raise Forbidden("This access has been revoked: finished forms can still be sent, new ones are not given out.")


def _hash(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest)
    except ValueError:
        raise NotFound("a form is named by the 64 hexadecimal digits of its SHA-256") from None


def _base_url(context: Context) -> str:
    """Return the address as the client wrote it, unless the office has named one (behind a proxy with TLS)."""
    return context.config.base_url or request.host_url.rstrip("/")


def _conditional(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, no-cache"
    return if_changed(response)


def _message(text: str, status: int) -> Response:
    kind = "submit_success" if status < 400 else "error"
    content = f'<message nature="{kind}">{escape(text)}</message>'
    return _xml(f'<OpenRosaResponse xmlns="{RESPONSE_NAMESPACE}">{content}</OpenRosaResponse>', status)


def _xml(text: str, status: int = 200) -> Response:
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>{text}', status, content_type="text/xml; charset=utf-8")
