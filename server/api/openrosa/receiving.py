"""What tablets send: an announcement, then submissions. 201 means sealed and on disk.

A body is read as it comes: each file is sealed piece by piece into the blob store, and nothing is kept of a body that
was cut. Only the instance is held in memory.
"""

import hashlib
import os
import re
from contextlib import ExitStack, suppress
from typing import Final

from flask import Response, g, request
from werkzeug.exceptions import ClientDisconnected

from server.api.openrosa import texts
from server.api.openrosa.answers import message
from server.api.openrosa.multipart import PIECE_BYTES, Part, Read, boundary_of, read_parts
from server.api.openrosa.visitors import Visitor, visited
from server.blobs import Blobs
from server.clock import utc_now
from server.context import Context, current
from server.errors import LengthRequired, Malformed, Problem, SubmissionUnreadable, TooLarge
from server.file_names import without_controls
from server.services.receive_openrosa import Arrival, ArrivedFile, OpenRosaIntake
from sync_protocol.constants import MEDIUM_CHARACTERS
from sync_protocol.media import MediumSealer
from sync_protocol.plaintext import Medium

XML_PART: Final = "xml_submission_file"
INCOMPLETE_PART: Final = "*isIncomplete*"
UNKNOWN_TYPE: Final = "application/octet-stream"
SEPARATOR: Final = re.compile(r"[/\\]")
KEY_BYTES: Final = 32


@visited
def announce(_visitor: Visitor) -> Response:
    """Tell Collect how much one POST may carry.

    There is no Location: with one, Collect asks once, and sends all later forms of its session by its own limit of
    10 MB (OpenRosaServerInstanceUploader: what it keeps is the address alone).
    """
    return Response(status=204)


@visited
def submit(visitor: Visitor) -> Response:
    """Seal and store a submission; the answer comes after the commit."""
    context = current()
    with ExitStack() as blobs:
        post = _Post(context.blobs, blobs)
        for part in read_parts(_body(), boundary_of(request.headers.get("Content-Type", ""))):
            post.take(part)
        arrival = post.arrival()
        file_count = _intake(context).receive(arrival, app_user=visitor.app_user, now=utc_now())
    text = texts.received(visitor.app_user.language, file_count=file_count, is_part=post.is_part)
    response = message(text, 201)
    response.headers["Location"] = f"{visitor.address}/submission"
    return response


def hear_out(response: Response) -> Response:
    """Read on when a submission is refused: a tablet that cannot finish speaking hears a broken line, and no reason.

    Only whom the door knows has a body that is read, and none is heard for longer than a submission may be: anybody
    can hold a line.
    """
    read: Read | None = g.pop("unheard", None)
    if read is not None and response.status_code >= 400:
        with suppress(Problem):
            for _ in range(texts.POST_BYTES // PIECE_BYTES):
                if not read(PIECE_BYTES):
                    break
    return response


class _Post:
    """What one POST has brought so far."""

    def __init__(self, blobs: Blobs, kept_open: ExitStack) -> None:
        self.is_part = False
        self._blobs = blobs
        self._kept_open = kept_open
        self._xml: bytes | None = None
        self._files: list[ArrivedFile] = []

    def take(self, part: Part) -> None:
        """Take the instance, a file, or the mark of a first part; leave any other field."""
        if part.name == XML_PART and self._xml is None:
            self._xml = _whole(part)
        elif part.name == INCOMPLETE_PART:
            self.is_part = True
        elif part.filename is not None or part.media_type not in ("", "text/plain"):
            self._files.append(self._seal(part))

    def arrival(self) -> Arrival:
        """Return all of it, at the end.

        Raises:
            SubmissionUnreadable: without an instance.
        """
        if self._xml is None:
            raise SubmissionUnreadable(f"a submission has a part {XML_PART}, this one has none")
        return Arrival(self._xml, tuple(self._files))

    def _seal(self, part: Part) -> ArrivedFile:
        """Seal a file as it comes, under a key of its own.

        Raises:
            TooLarge, StorageFull, Malformed: nothing is kept of it.
        """
        key, plain, length = os.urandom(KEY_BYTES), hashlib.sha256(), 0
        sealer, blob = MediumSealer(key), self._kept_open.enter_context(self._blobs.incoming())
        for piece in part.pieces():
            length += len(piece)
            if length > texts.FILE_BYTES:
                raise TooLarge(f"a file has more than {texts.FILE_BYTES} bytes")
            plain.update(piece)
            blob.write(sealer.update(piece))
        blob.write(sealer.finalize())
        blob.close()
        medium = Medium(
            name=_file_name(part),
            type=without_controls(part.media_type[:MEDIUM_CHARACTERS]) or UNKNOWN_TYPE,
            length_bytes=sealer.length_bytes,
            sha256=sealer.digest.hex(),
            key=key.hex(),
        )
        return ArrivedFile(medium, plain.digest(), blob)


def _intake(context: Context) -> OpenRosaIntake:
    return OpenRosaIntake(
        database=context.database,
        keystore=context.keystore,
        door=context.door,
        blobs=context.blobs,
        form_version_hash=context.form_version_hash,
    )


def _body() -> Read:
    """Return what reads the body, piece by piece, from the server itself: no copy is kept anywhere.

    Raises:
        LengthRequired: when nothing says where it ends.
        TooLarge: when it is longer than the limit.
    """
    stream = request.environ["wsgi.input"]
    length = request.content_length if request.environ.get("CONTENT_LENGTH") else None
    if length is None and "Transfer-Encoding" not in request.headers:
        raise LengthRequired("the request has neither a Content-Length nor chunks")
    left = texts.POST_BYTES + 1 if length is None else length

    def read(size: int) -> bytes:
        nonlocal left
        try:
            piece: bytes = stream.read(min(size, left))
        except (OSError, ClientDisconnected):
            g.pop("unheard", None)  # nothing more will come
            raise Malformed("the body was cut") from None
        left -= len(piece)
        if length is None and left <= 0:
            raise TooLarge(f"the body has more than {texts.POST_BYTES} bytes")
        return piece

    g.unheard = read
    if (length or 0) > texts.POST_BYTES:
        raise TooLarge(f"the body has {length} bytes, at most {texts.POST_BYTES} are accepted")
    return read


def _whole(part: Part) -> bytes:
    """Return the instance.

    Raises:
        TooLarge: when it is longer than any form's.
    """
    pieces, length = [], 0
    for piece in part.pieces():
        length += len(piece)
        if length > texts.FORM_BYTES:
            raise TooLarge(f"an instance has more than {texts.FORM_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _file_name(part: Part) -> str:
    """Return the base name, of a length that file systems have; the ending says what a file is, so it stays."""
    name = SEPARATOR.split(without_controls(part.filename or part.name))[-1] or "unnamed"
    if len(name) > MEDIUM_CHARACTERS:
        stem, dot, ending = name.rpartition(".")
        name = stem[: max(0, MEDIUM_CHARACTERS - len(dot + ending))] + dot + ending
    return name[:MEDIUM_CHARACTERS]
