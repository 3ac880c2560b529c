"""Holds every request to what its view declared: `roles`, `public` or `own_auth` of `server.context`.

An account comes by a bearer token, of which only the hash is stored; over https by name and password; or by the
console's session cookie. What a browser sends by itself, cookie and password, changes nothing from another site's page.
A form of a project that the account does not see is not there: said here once, for every address that names a form.
"""

import hashlib
from typing import Final
from urllib.parse import quote, urlsplit

from flask import Flask, current_app, g, redirect, request, session
from werkzeug.wrappers import Response

from server.api.bodies import is_storable
from server.api.problems import MACHINES
from server.clock import utc_now
from server.context import Caller, access_of, current
from server.context.login import caller_of, is_proof, log_in
from server.db.queries import accounts, forms
from server.db.queries.accounts import StoredUser
from server.db.scope import Scope
from server.errors import BadRequest, Forbidden, Internal, LoginInvalid, NotAuthenticated, NotFound

SESSION_USER: Final = "user_id"
SESSION_PROOF: Final = "proof"
SESSION_BEGUN: Final = "begun_at"
LOGIN_PATH: Final = "/login"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
BEARER: Final = "bearer"
BASIC: Final = "basic"
HIGHEST: Final = 2**31 - 1
"""Number that a row can have; PostgreSQL does not look for higher ones but fails."""


def register(app: Flask) -> None:
    """Check every request of an app, and keep what somebody sees who is logged in out of every cache."""
    app.before_request(check)
    app.after_request(keep_out_of_caches)


def keep_out_of_caches(response: Response) -> Response:
    """Say that what only some may see is not to be stored on the way, whichever way they came in."""
    if g.get("caller") is not None:
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def check() -> Response | None:
    """Let a request through, send a person to the login page, or refuse.

    Raises:
        NotAuthenticated, Forbidden: as the view declared.
        Internal: when the view declared nothing; it stays closed.
        NotFound, BadRequest: the address has what no name has.
    """
    if not is_storable(request.path) or any(
        isinstance(value, int) and value > HIGHEST for value in (request.view_args or {}).values()
    ):
        raise NotFound
    endpoint = request.endpoint
    if endpoint is None or endpoint.rpartition(".")[2] == "static":
        return None
    access = access_of(current_app.view_functions[endpoint])
    if access is None:
        raise Internal("this address says not who may use it, so nobody may")
    if access.kind == "own":
        return None
    _refuse_unstorable()
    g.caller = caller = _caller()
    if access.kind == "public":
        return None
    if caller is None:
        if _is_page():
            return redirect(f"{LOGIN_PATH}?next={quote(request.full_path.rstrip('?'))}")
        raise NotAuthenticated("this address needs an account: send a bearer token, or log in")
    if not access.admits(caller.role):
        raise Forbidden(f"this needs one of the roles {', '.join(sorted(access.roles))}; yours is {caller.role}")
    _refuse_other_projects(caller.scope)
    return None


def _caller() -> Caller | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == BEARER:
        return caller_by_token(credentials.strip())
    if scheme.lower() == BASIC:
        _refuse_other_sites()
        return _by_password()
    user_id = session.get(SESSION_USER)
    if not isinstance(user_id, int):
        return None
    _refuse_other_sites()
    return _by_session(user_id)


def caller_by_token(token: str) -> Caller:
    """Return whose API token it is.

    Raises:
        NotAuthenticated: nobody's, or not any more.
    """
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    with current().database.read() as database_session:
        caller = caller_of(accounts.user_by_token(database_session, digest, now=utc_now()))
    if caller is None:
        raise NotAuthenticated("this token is not valid, or not any more")
    return caller


def _by_session(user_id: int) -> Caller | None:
    """Return who began the session, None when it has ended: with the password, the role or the account."""
    context = current()
    with context.database.read() as database_session:
        user = accounts.user_by_id(database_session, user_id)
    if user is None or not is_proof(context, user, session.get(SESSION_PROOF), begun_at=session.get(SESSION_BEGUN)):
        return None
    return caller_of(user)


def _by_password() -> Caller:
    """Return who sends name and password with every request, as tools of statisticians do.

    Raises:
        NotAuthenticated: in clear, or they do not belong together.
        RateLimited: too many wrong ones lately.
    """
    if not request.is_secure:
        raise NotAuthenticated("a password is taken over https only; behind a proxy, set PASSERELLE_PROXIES")
    sent = request.authorization
    name, password = ("", "") if sent is None else (sent.username or "", sent.password or "")
    user = _verified(name, password)
    if user is None:
        with current().verified.turn(name):
            user = _verified(name, password) or _log_in(name, password)
    caller = caller_of(user)
    if caller is None:
        raise NotAuthenticated("name or password is wrong")
    return caller


def _verified(name: str, password: str) -> StoredUser | None:
    """Return whose password this is, if it was found right lately."""
    context = current()
    with context.database.read() as database_session:
        user = accounts.user_by_name(database_session, name.strip()) if name.isprintable() else None
    if user is None or user.password_hash is None:
        return None
    return user if context.verified.is_known(user.user_id, password, user.password_hash) else None


def _log_in(name: str, password: str) -> StoredUser:
    context = current()
    try:
        user = log_in(context, name=name, password=password, address=request.remote_addr or "")
    except LoginInvalid:
        raise NotAuthenticated("name or password is wrong") from None
    context.verified.keep(user.user_id, password, user.password_hash or "")
    return user


def _refuse_other_sites() -> None:
    origin = request.headers.get("Origin")
    if request.method not in SAFE and origin is not None and urlsplit(origin).netloc != request.host:
        raise Forbidden("a page of another site asked for this")


def _refuse_other_projects(scope: Scope) -> None:
    """Refuse a form of a project that the account does not see as if it were not there.

    Raises:
        NotFound: with what explains a form_id that is taken elsewhere, and does not tell whether it is.
    """
    form_id = (request.view_args or {}).get("form_id")
    if form_id is None or scope.projects is None:
        return
    with current().database.read() as database_session:
        project_id = forms.project_of(database_session, form_id)
    is_new = project_id is None and request.method not in SAFE
    if not is_new and project_id not in scope.projects:
        raise NotFound(
            f"no form {form_id!r} is in your projects; a form_id is unique on a server, so another project may have it"
        )


def _refuse_unstorable() -> None:
    """Refuse what no database stores behind the question mark: NUL, and halves of surrogate pairs.

    Raises:
        BadRequest: correct the address.
    """
    if not all(is_storable(text) for pair in request.args.items(multi=True) for text in pair):
        raise BadRequest("the address has a character that no name has")


def _is_page() -> bool:
    """Say whether a person's browser asks for a page, not a program for data."""
    is_data = request.path.startswith(MACHINES)
    return request.method == "GET" and not is_data and request.accept_mimetypes["text/html"] > 0
