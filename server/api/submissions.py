"""Submissions read back: what arrived, its XML byte for byte, its files; for the office's own programs.

Statisticians have the microdata and need none of this. Every look at answers is written down before it is granted. What
an account may not see is not there.
"""

import re
from datetime import date
from itertools import chain
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from server.api.bodies import SANDBOX
from server.clock import utc_now
from server.context import caller, current, roles, rows
from server.db.queries.intake import Wish
from server.errors import BadRequest, KeyStoreLocked, NotFound
from server.file_names import disposition
from server.folding.media import StoredMedium
from server.folding.submission_members import (
    arrival_members,
    medium_members,
    missing_members,
)
from server.services import list_arrivals, read_submission
from server.services.read_submission import Submission
from sync_protocol.errors import EnvelopeError

PAGE: Final = 100
LONGEST_PAGE: Final = 1000
READERS: Final = ("supervisor", "manager")
SHOWN: Final = re.compile(r"(image/(jpeg|png|gif|webp)|audio/[\w.+-]+|video/[\w.+-]+)\Z")
"""What a browser may show; all else is saved, whatever the tablet says it is."""
SAFE_TYPE: Final = re.compile(r"(image|audio|video|application|text)/[\w.+-]{1,100}\Z")
FILTERS: Final = ("project", "form", "state", "person", "day")
OCTETS: Final = "application/octet-stream"

blueprint = Blueprint("submissions", __name__, url_prefix="/api/v1/submissions")


@blueprint.get("")
@roles(*READERS)
def list_all() -> dict[str, Any]:
    """List arrivals, newest first: ``?project= &form= &state= &person= &day= &before= &limit=``."""
    wish = _wish()
    limit = min(_number("limit") or PAGE, LONGEST_PAGE)
    with current().database.read() as session:
        page = list_arrivals.list_arrivals(session, rows(), wish, before=_number("before"), limit=limit)
    rest = {name: request.args[name] for name in FILTERS if name in request.args} | {"limit": limit}
    following = None if page.before is None else f"{blueprint.url_prefix}?{urlencode(rest | {'before': page.before})}"
    return {"submissions": [arrival_members(one) for one in page.arrivals], "next": following}


@blueprint.get("/<path:instance_id>")
@roles(*READERS)
def show(instance_id: str) -> dict[str, Any]:
    """Return what is known of one submission; names of files are null while the key store is locked."""
    found = find(instance_id)
    return read_submission.members_of(found) | {
        "attachments": None if current().keystore.is_locked else _attachments(found)
    }


@blueprint.get("/<path:instance_id>/xml")
@roles(*READERS)
def xml(instance_id: str) -> Response:
    """Return the instance XML as it was sent, byte for byte; of several under one id, ``?answers=`` says which."""
    found, context = find(instance_id), current()
    revision = found.revision(_answers())
    _note(read_submission.READ_ANSWERS, found)
    with context.database.read() as session:
        content = read_submission.read_xml(session, revision, keystore=context.keystore, blobs=context.blobs)
    return _saved(Response(content, mimetype="text/xml"), f"{revision.instance_id.hex()}.xml")


@blueprint.get("/<path:instance_id>/raw")
@roles("manager")
def raw(instance_id: str) -> Response:
    """Return what was sent where it could not be read, or not be let in."""
    found, context = find(instance_id), current()
    if not found.quarantined:
        raise NotFound("nothing of this submission is in quarantine: its XML is under /xml")
    _note(read_submission.READ_RAW, found)
    with context.database.read() as session:
        content = read_submission.read_raw(session, found.quarantined[-1], keystore=context.keystore)
    return _saved(Response(content, mimetype=OCTETS), f"{found.newest.name}.bin")


@blueprint.get("/<path:instance_id>/attachments")
@roles(*READERS)
def attachments(instance_id: str) -> dict[str, Any]:
    """List the files of a submission: those that are here, and those that have not come."""
    return {"attachments": _attachments(find(instance_id))}


@blueprint.get("/<path:instance_id>/attachments/<name>")
@roles(*READERS)
def attachment(instance_id: str, name: str) -> Response:
    """Stream one file; of two with one name, ``?sha256=`` of the stored bytes says which."""
    found, context = find(instance_id), current()
    _unlocked()
    with context.database.read() as session:
        media = read_submission.list_media(session, rows(), found, keystore=context.keystore)
    medium = read_submission.pick_medium(media, name, request.args.get("sha256"))
    _note(read_submission.READ_MEDIUM, found, detail=medium.blob_sha256.hex())
    return _streamed(medium)


def find(instance_id: str) -> Submission:
    """Return the submission of an address, if this account sees it.

    Raises:
        NotFound: there is none, or it is not for this account.
    """
    with current().database.read() as session:
        return read_submission.find(session, rows(), instance_id)


def _attachments(found: Submission) -> list[dict[str, Any]]:
    _unlocked()
    context = current()
    if found.instance_id is None:
        return []
    with context.database.read() as session:
        media = read_submission.list_media(session, rows(), found, keystore=context.keystore)
        missing = read_submission.missing_names(session, found, keystore=context.keystore)
    return [*map(medium_members, media), *map(missing_members, missing)]


def _streamed(medium: StoredMedium) -> Response:
    context = current()
    chunks = read_submission.medium_chunks(medium, keystore=context.keystore, blobs=context.blobs)
    try:
        first = next(chunks, b"")  # by now all of it has been compared with its hash
    except EnvelopeError:
        raise NotFound("this file is not in the blob store as it came: run passerelle verify") from None
    media_type = medium.media_type if SAFE_TYPE.match(medium.media_type) else OCTETS
    response = Response(chain((first,), chunks), mimetype=media_type)
    return _saved(response, medium.name, is_shown=bool(SHOWN.match(media_type)))


def _saved(response: Response, name: str, *, is_shown: bool = False) -> Response:
    """Let a browser save it, or show it where nothing in it can run; keep it out of every cache."""
    response.headers["Content-Disposition"] = disposition("inline" if is_shown else "attachment", name)
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


def _note(what: str, found: Submission, *, detail: str = "") -> None:
    """Write down who looks, before anything is shown; nobody looks while the key store is locked."""
    _unlocked()
    subject = found.instance_id or found.newest.envelope_id
    with current().database.transaction() as session:
        read_submission.note_look(session, what=what, subject=subject, user=caller().name, now=utc_now(), detail=detail)


def _unlocked() -> None:
    if current().keystore.is_locked:
        raise KeyStoreLocked("answers and names of files are sealed until the server is started with its passphrase")


def _wish() -> Wish:
    given = {name: request.args[name] for name in FILTERS if request.args.get(name)}
    try:
        day = date.fromisoformat(given["day"]) if "day" in given else None
    except ValueError:
        raise BadRequest("?day= is written 2026-11-24.") from None
    return Wish(
        project=_number("project"),
        form_id=given.get("form"),
        state=given.get("state"),
        person=given.get("person"),
        day=day,
    )


def _number(name: str) -> int | None:
    text = request.args.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise BadRequest(f"?{name}= is a whole number of at most fifteen digits.")
    return int(text)


def _answers() -> bytes | None:
    text = request.args.get("answers")
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise BadRequest("?answers= is the answers_hash of a revision, hexadecimal.") from None
