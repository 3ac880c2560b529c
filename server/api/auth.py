"""Holds every request to what its view declared: `roles`, `public` or `own_auth` of `server.context`.

An account comes by a bearer token, of which only the hash is stored, or by the console's session cookie. The cookie
alone never changes anything from another site's page.
"""

import hashlib
from typing import Final
from urllib.parse import quote, urlsplit

from flask import Flask, current_app, g, redirect, request, session
from werkzeug.wrappers import Response

from server.context import Caller, access_of, current
from server.db.queries import accounts
from server.db.queries.accounts import StoredUser
from server.errors import Forbidden, Internal, NotAuthenticated

SESSION_USER: Final = "user_id"
LOGIN_PATH: Final = "/login"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
BEARER: Final = "Bearer "


def register(app: Flask) -> None:
    """Check every request of an app."""
    app.before_request(check)


def check() -> Response | None:
    """Let a request through, send a person to the login page, or refuse.

    Raises:
        NotAuthenticated, Forbidden: as the view declared.
        Internal: when the view declared nothing; it stays closed.
    """
    endpoint = request.endpoint
    if endpoint is None or endpoint.rpartition(".")[2] == "static":
        return None
    access = access_of(current_app.view_functions[endpoint])
    if access is None:
        raise Internal("this address says not who may use it, so nobody may")
    if access.kind == "own":
        return None
    g.caller = caller = _caller()
    if access.kind == "public":
        return None
    if caller is None:
        if _is_page():
            return redirect(f"{LOGIN_PATH}?next={quote(request.full_path.rstrip('?'))}")
        raise NotAuthenticated("this address needs an account: send a bearer token, or log in")
    if not access.admits(caller.role):
        raise Forbidden(f"this needs one of the roles {', '.join(sorted(access.roles))}; yours is {caller.role}")
    return None


def _caller() -> Caller | None:
    authorization = request.headers.get("Authorization", "")
    if authorization.startswith(BEARER):
        return _by_token(authorization.removeprefix(BEARER).strip())
    user_id = session.get(SESSION_USER)
    if not isinstance(user_id, int):
        return None
    _refuse_other_sites()
    with current().database.read() as database_session:
        return _named(accounts.user_by_id(database_session, user_id))


def _by_token(token: str) -> Caller:
    digest = hashlib.sha256(token.encode("utf-8")).digest()
    with current().database.read() as database_session:
        caller = _named(accounts.user_by_token(database_session, digest))
    if caller is None:
        raise NotAuthenticated("this token is not valid, or not any more")
    return caller


def _named(user: StoredUser | None) -> Caller | None:
    return None if user is None else Caller(user_id=user.user_id, name=user.name, role=user.role)


def _refuse_other_sites() -> None:
    origin = request.headers.get("Origin")
    if request.method not in SAFE and origin is not None and urlsplit(origin).netloc != request.host:
        raise Forbidden("a page of another site asked for this")


def _is_page() -> bool:
    """Say whether a person's browser asks for a page, not a program for data."""
    is_data = request.path.startswith(("/api/", "/sync/", "/key/"))
    return request.method == "GET" and not is_data and request.accept_mimetypes["text/html"] > 0
