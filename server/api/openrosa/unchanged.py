"""Says "you have it" again before Flask is set in motion: most of what tablets ask is asked every hour and unchanged.

What was answered 304 once is answered so again while the same question comes and the visitor, who is looked up each
time, is the same in every member, the mark of the forms among them. So a revocation holds at once here too.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from flask import Response, request

from server.api.openrosa.answers import mark
from server.api.openrosa.visitors import Visitor
from server.context import Context, current
from server.db.queries import visitors
from server.db.queries.visitors import StoredVisitor
from server.errors import Problem

QUESTION: Final = ("PATH_INFO", "wsgi.url_scheme", "HTTP_HOST", "HTTP_ACCEPT_ENCODING", "HTTP_IF_NONE_MATCH")
"""What an answer depends on; Collect's own arguments are ignored everywhere."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Told:
    """A 304 that was given: to whom, by which token, and its headers."""

    visitor: StoredVisitor
    token_hash: bytes
    headers: list[tuple[str, str]]

    @property
    def held_bytes(self) -> int:
        """About what it takes in memory."""
        return 2000


class Unchanged:
    """Stands before the application."""

    def __init__(self, application: Application, context: Context) -> None:
        self._application = application
        self._context = context

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer, or let the application do it."""
        if "HTTP_IF_NONE_MATCH" in environ and environ["REQUEST_METHOD"] == "GET":
            told = self._context.shelf.peek(_question(environ))
            if told is not None and self._is_same_visitor(told):
                start_response("304 NOT MODIFIED", list(told.headers))
                return ()
        return self._application(environ, start_response)

    def _is_same_visitor(self, told: Told) -> bool:
        try:
            found = self._context.database.glance(lambda connection: visitors.by_token(connection, told.token_hash))
        except Problem:  # the door's to say, in its own words
            return False
        return found == told.visitor


def tell_again(visitor: Visitor, response: Response) -> Response:
    """Keep a 304 whose content depends on the address and on what is stored of the visitor alone; return it."""
    environ = request.environ
    is_settled = visitor.app_user.revoked_at is None  # and not at some time to come
    if response.status_code == 304 and visitor.token_hash is not None and is_settled:
        told = Told(visitor.stored, visitor.token_hash, list(mark(response).get_wsgi_headers(environ)))
        current().shelf.put(_question(environ), told)  # in the place of what the visitor was before
    return response


def _question(environ: dict[str, Any]) -> tuple[Any, ...]:
    return ("unchanged", *(environ.get(name) for name in QUESTION))
