"""Request bodies: read once, in memory, within a limit. Nothing that arrives is ever spooled to a file."""

import io
from typing import Any, Final

from flask import Request, Response, g, request
from werkzeug.datastructures import Authorization
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from server.errors import Malformed, TooLarge, UnsupportedMedia

DEFAULT_BYTES: Final = 1 << 20


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
