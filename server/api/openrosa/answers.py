"""What the door answers in: OpenRosa's XML, its headers, and messages that Collect shows to a person."""

from typing import Final
from xml.sax.saxutils import escape

from flask import Response, g

from server.api.bodies import if_changed
from server.api.openrosa import texts
from server.api.problems import problem_for

ACCEPT_BYTES: Final = 250_000
"""Told to Collect, which then sends every photo in a POST of its own: a cut costs one photo. It is no limit."""
VERSION_HEADER: Final = "X-OpenRosa-Version"
ACCEPT_HEADER: Final = "X-OpenRosa-Accept-Content-Length"
RESPONSE_NAMESPACE: Final = "http://openrosa.org/http/response"


def xml(text: str, status: int = 200) -> Response:
    """Return an XML document."""
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>{text}', status, content_type="text/xml; charset=utf-8")


def message(text: str, status: int) -> Response:
    """Return a message that Collect shows."""
    kind = "submit_success" if status < 400 else "error"
    content = f'<message nature="{kind}">{escape(text)}</message>'
    return xml(f'<OpenRosaResponse xmlns="{RESPONSE_NAMESPACE}">{content}</OpenRosaResponse>', status)


def conditional(response: Response) -> Response:
    """Return the response, or 304 when the tablet has this very content."""
    response.headers["Cache-Control"] = "private, no-cache"
    return if_changed(response)


def problem(error: Exception) -> Response:
    """Say what went wrong in the XML that Collect shows."""
    known = problem_for(error)
    response = message(texts.refusal(known, g.get("language", "")), known.status)
    response.headers["Link"] = f'</problems/{known.slug}>; rel="type"'
    return response


def mark(response: Response) -> Response:
    """Put the headers on that Collect looks for."""
    response.headers[VERSION_HEADER] = "1.0"
    response.headers[ACCEPT_HEADER] = str(ACCEPT_BYTES)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
