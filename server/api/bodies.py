"""Request bodies: read once, in memory, within a limit. Nothing that arrives is ever spooled to a file."""

import io
import json
from collections.abc import Mapping
from typing import Any, Final

from flask import Request, Response, g, request
from werkzeug.datastructures import Authorization
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from server.errors import BadRequest, Malformed, TooLarge, UnsupportedMedia

DEFAULT_BYTES: Final = 1 << 20
OBJECT_BYTES: Final = 64 << 10
PIECE_BYTES: Final = 2 << 10
"""Of a body whose beginning counts: gunicorn gives all of a piece or nothing, so a cut costs less than this."""
SANDBOX: Final = "sandbox; default-src 'none'"
"""Policy of a file that came from anywhere: a picture may be a document, and nothing in it may run."""


class MemoryRequest(Request):
    """A request whose multipart files stay in memory: werkzeug's own spools those over 500 kB to a clear file."""

    max_content_length = DEFAULT_BYTES
    max_form_memory_size = None  # bounded by the content length already

    @property
    def authorization(self) -> Authorization | None:
        """What the Authorization header gives; None when there is none, or nothing to be read."""
        try:
            return Authorization.from_header(self.environ.get("HTTP_AUTHORIZATION"))
        except ValueError:  # werkzeug's, for Basic with letters that base64 has not
            return None

    def _get_file_stream(self, *_: Any, **__: Any) -> io.BytesIO:
        return io.BytesIO()


def read_body(*, at_most: int, media_type: str | None = None) -> bytes:
    """Return the whole body.

    Raises:
        TooLarge: when it is longer than the limit, without reading it.
        UnsupportedMedia: when it is not of the media type.
        Malformed: when the line was cut inside it.
    """
    limit(at_most)
    if media_type is not None and request.mimetype != media_type:
        raise UnsupportedMedia(f"the Content-Type must be {media_type}")
    try:
        body = request.get_data(cache=True)
    except RequestEntityTooLarge:
        raise TooLarge(f"the body has more than {at_most} bytes") from None
    except (ClientDisconnected, OSError):
        raise Malformed("the body was cut") from None
    if request.content_length is not None and len(body) != request.content_length:
        raise Malformed(f"the body has {len(body)} of {request.content_length} bytes")
    g.body = body
    return body


def read_prefix(*, at_most: int) -> tuple[bytes, bool]:
    """Return as much of the body as came, and whether the line was cut inside it.

    Raises:
        TooLarge: when it is longer than the limit, without reading it.
    """
    limit(at_most)
    length = request.content_length or 0
    came = bytearray()
    try:
        while len(came) < length and (piece := request.stream.read(min(PIECE_BYTES, length - len(came)))):
            came += piece
    except (ClientDisconnected, OSError):
        pass  # what came before the cut is as good as any other bytes
    return bytes(came), len(came) < length


def json_object() -> dict[str, Any]:
    """Return the JSON object of the body, empty without a body.

    Raises:
        BadRequest: when it is something else.
    """
    body = read_body(at_most=OBJECT_BYTES)
    try:
        document = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise BadRequest("the body must be a JSON object")
    return document


def text_member(document: Mapping[str, Any], name: str, *, default: str | None = None) -> str:
    """Return a text of a JSON object.

    Raises:
        BadRequest: when it is missing, something else, or holds what no database stores.
    """
    value = document.get(name, default)
    if not isinstance(value, str):
        raise BadRequest(f"`{name}` is a text")
    if not is_storable(value):
        raise BadRequest(f"`{name}` has a character that cannot be stored")
    return value


def is_storable(text: str) -> bool:
    """Say whether a database stores a text: PostgreSQL takes neither NUL nor halves of surrogate pairs."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text))


def limit(at_most: int) -> None:
    """Accept no body longer than this.

    Raises:
        TooLarge: when the request says that it is longer.
    """
    request.max_content_length = at_most
    if (request.content_length or 0) > at_most:
        raise TooLarge(f"the body has {request.content_length} bytes, at most {at_most} are accepted")


def if_changed(response: Response) -> Response:
    """Return the response, or 304 when the client has this very content; ranges of it too when it is large."""
    if response.get_etag() == (None, None):
        response.add_etag()
    length = len(response.get_data())
    response.make_conditional(request, accept_ranges=True, complete_length=length)
    return response
