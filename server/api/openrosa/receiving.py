"""What tablets send: an announcement, then submissions. 201 means sealed and on disk."""

from typing import Final

from flask import Response, request

from server.api.bodies import limit
from server.api.openrosa.answers import message
from server.api.openrosa.visitors import Visitor, visited
from server.clock import utc_now
from server.context import current
from server.errors import MediaNotAccepted, SubmissionUnreadable
from server.services import receive_openrosa

LIMIT_BYTES: Final = 12_000_000
XML_PART: Final = "xml_submission_file"
RECEIVED: Final = "Received and safe. Reçu et en sûreté."


@visited
def announce(visitor: Visitor) -> Response:
    """Tell Collect how much one POST may carry; with a Location it asks once and not for each form."""
    response = Response(status=204)
    response.headers["Location"] = f"{visitor.address}/submission"
    return response


@visited
def submit(visitor: Visitor) -> Response:
    """Seal and store a submission; the answer comes after the commit."""
    context, now = current(), utc_now()
    xml = _submitted_xml()  # minutes, on 2G: no connection of the database waits for it
    with context.database.read() as session:
        prepared = receive_openrosa.prepare(
            session, xml=xml, app_user=visitor.app_user, door_tag=context.keystore.door_tag
        )
    if not prepared.is_known:
        sealed = context.door.seal(prepared.submission, now=now)
        door = context.keystore.door
        context.database.submit(lambda session: receive_openrosa.store(session, prepared, sealed, door=door, now=now))
    response = message(RECEIVED, 201)
    response.headers["Location"] = f"{visitor.address}/submission"
    return response


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
