"""Says "you have it" again before Flask is set in motion: most of what tablets ask is asked every hour and unchanged.

What was answered 304 once is answered so again while the same question comes and the visitor, who is looked up each
time, is the same in every member, the mark of the forms among them. So a revocation holds at once here too.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from flask import Response, request

from server.context import Context
from server.db.queries import visitors
from server.db.queries.visitors import StoredVisitor

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
        """Any trouble is the application's to tell."""
        found = self._context.database.glance(lambda connection: visitors.by_token(connection, told.token_hash))
        return found == told.visitor


def tell_again(response: Response, visitor: StoredVisitor, token_hash: bytes, context: Context) -> None:
    """Keep a 304 whose content depends on the visitor and the mark alone; not of those who are given some forms only.

    Which forms these are stands in a table that the visitor says nothing of.
    """
    if response.status_code == 304 and visitor.app_user.is_for_every_form and visitor.app_user.revoked_at is None:
        told = Told(visitor, token_hash, list(response.headers))
        context.shelf.get(_question(request.environ), lambda: told)


def _question(environ: dict[str, Any]) -> tuple[Any, ...]:
    return ("unchanged", *(environ.get(name) for name in QUESTION))
