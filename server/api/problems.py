"""How errors leave the server: RFC 9457 JSON, a page for people, and never a traceback or an answer.

OpenRosa's door turns the same problems into its own XML. An error that nobody foresaw is logged by its type and the
lines it passed, without its message: that could quote what was being stored.
"""

import json
import logging
import traceback
from html import escape
from typing import Final

from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from server.context import current, public
from server.errors import (
    BadRequest,
    Internal,
    MethodNotAllowed,
    NotFound,
    Problem,
    TooLarge,
    UnsupportedMedia,
    all_problems,
    from_protocol,
)
from sync_protocol import messages
from sync_protocol.documents import encode_bytes
from sync_protocol.errors import ProtocolError

MEDIA_TYPE: Final = "application/problem+json"
TOKENS: Final = ("/key/", "/v1/key/")
"""Paths that hold a token, which no answer repeats."""
MACHINES: Final = ("/api/", "/sync/", *TOKENS)
"""Paths whose callers are programs: they get JSON whatever they say they accept."""

blueprint = Blueprint("problems", __name__)
log = logging.getLogger(__name__)

_BY_STATUS: Final[dict[int, type[Problem]]] = {
    400: BadRequest,
    404: NotFound,
    405: MethodNotAllowed,
    413: TooLarge,
    415: UnsupportedMedia,
}


@blueprint.get("/problems/")
@public
def index() -> str:
    """List every problem."""
    lines = (f'<li><a href="/problems/{made.slug}">{escape(made.title)}</a></li>' for made in all_problems())
    return _page("Problems", f"<ul>{''.join(lines)}</ul>")


@blueprint.get("/problems/<slug>")
@public
def page(slug: str) -> str:
    """Explain one problem: the page that its `type` leads to."""
    for made in all_problems():
        if made.slug == slug:
            what = escape((made.__doc__ or "").strip())
            return _page(made.title, f"<p>{what}</p><p>{escape(made.remedy)}</p><p>Status {made.status}.</p>")
    raise NotFound(f"no problem is called {slug!r}")


def register(app: Flask) -> None:
    """Let every error of an app leave as a problem."""
    app.register_error_handler(Exception, respond)


def respond(error: Exception) -> Response | HTTPException:
    """Return the answer for any error."""
    if isinstance(error, HTTPException) and error.code is not None and error.code < 400:
        return error
    return render(problem_for(error))


def problem_for(error: Exception) -> Problem:
    """Return the problem that an error is; log the unforeseen."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ProtocolError):
        return from_protocol(error)
    if isinstance(error, HTTPException):
        return _http_problem(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
    log.error("unforeseen %s at %s", type(error).__name__, where)
    return Internal("the request met an error that nobody foresaw; it is in the server's log")


def render(problem: Problem) -> Response:
    """Write a problem as JSON, or as a page to a person's browser."""
    g.problem = problem.slug
    if _is_person():
        body = f"<p>{escape(problem.detail)}</p><p>{escape(problem.remedy)}</p>"
        response = Response(_page(problem.title, body), problem.status, mimetype="text/html")
    else:
        response = Response(json.dumps(members(problem)), problem.status, mimetype=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    if problem.status == 401:
        # A password in clear is not taken, so it is not asked for either.
        basic = ', Basic realm="passerelle", charset="UTF-8"' if request.is_secure else ""
        response.headers["WWW-Authenticate"] = f'Bearer realm="passerelle"{basic}'
    if "retry_after_seconds" in problem.members:
        response.headers["Retry-After"] = str(problem.members["retry_after_seconds"])
    if "allow" in problem.members:
        response.headers["Allow"] = ", ".join(problem.members["allow"])
    return response


def members(problem: Problem) -> dict[str, object]:
    """Return the members of the JSON document."""
    document: dict[str, object] = {
        "type": f"/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.path if not request.path.startswith(TOKENS) else "/key/",
    }
    if problem.retry is not None:
        document["retry"] = problem.retry
    if request.path == messages.PATH_EXCHANGE:  # a device that missed a rotation can verify no refusal without it
        document["keyring"] = encode_bytes(current().keystore.keyring_document)
    return document | problem.members


def _http_problem(error: HTTPException) -> Problem:
    made = _BY_STATUS.get(error.code or 500)
    if made is MethodNotAllowed:
        return MethodNotAllowed(allow=sorted(getattr(error, "valid_methods", None) or ()))
    if made is not None:
        return made()
    return Internal() if (error.code or 500) >= 500 else BadRequest(error.name)


def _is_person() -> bool:
    if request.path.startswith(MACHINES):
        return False
    accepted = request.accept_mimetypes
    return accepted["text/html"] > accepted["application/json"]


def _page(title: str, body: str) -> str:
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)} · Passerelle</title>'
    style = '<meta name="viewport" content="width=device-width"><style>body{font:1rem/1.5 system-ui;margin:2rem auto;'
    style += "max-width:40rem;padding:0 1rem}</style>"
    return f'{head}{style}<h1>{escape(title)}</h1>{body}<p><a href="/">Passerelle</a></p></html>'
