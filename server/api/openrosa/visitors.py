"""Who is at the door, and under which address: an app user by the token in the path, or by HTTP authentication.

Whatever address a tablet came by, every address that it is given leads back through the same one. The app user is
looked up at every request, so that a revocation holds at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

from flask import Response, g, request

from server.api.openrosa import credentials
from server.api.openrosa.credentials import Asked, Verdict
from server.clock import utc_now
from server.context import current, own_auth
from server.db.queries.devices import StoredAppUser
from server.db.queries.visitors import Mark, StoredVisitor
from server.errors import Forbidden, NotAuthenticated, NotFound, RateLimited
from server.networks import network_of
from server.services import admit_tablet
from sync_protocol.enrolment import token_hash

PREFIXES: Final = {
    "openrosa": "/key/<token>",
    "openrosa_in_project": "/v1/key/<token>/projects/<int:project_id>",  # as ODK Central writes it
    "openrosa_by_password": "/projects/<int:project_id>",
}
"""Name of the blueprint → where its routes begin."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """An app user, and the address that it came by, without a slash at its end.

    Attributes:
        stored: as it is in the database at this moment.
        token_hash: by which it was found; None when it came by a password.
    """

    stored: StoredVisitor
    address: str
    token_hash: bytes | None

    @property
    def app_user(self) -> StoredAppUser:
        """Who it is."""
        return self.stored.app_user

    @property
    def mark(self) -> Mark:
        """The mark of the forms: while it stays the same, so does all that there is to know of them."""
        return self.stored.mark

    @property
    def is_revoked(self) -> bool:
        """What it has finished is still taken; nothing is given out to it."""
        return self.app_user.revoked_at is not None and self.app_user.revoked_at <= utc_now()


DoorView = Callable[..., Response]
"""A view of the door: it takes the visitor, and by name what the address says beside."""


def visited(view: DoorView) -> Any:
    """Find out who asks, whatever part of the request says it, and call the view with the visitor."""

    @own_auth
    @wraps(view)
    def answer(*, token: str | None = None, project_id: int | None = None, **arguments: Any) -> Response:
        return view(_by_password(project_id) if token is None else _by_token(token, project_id), **arguments)

    return answer


def served(view: DoorView) -> Any:
    """Do as `visited` does, for what a revoked app user is not given."""

    @wraps(view)
    def answer(visitor: Visitor, /, **arguments: Any) -> Response:
        if visitor.is_revoked:
            raise Forbidden(
                "This access has been revoked: finished forms can still be sent, new ones are not given out."
            )
        return view(visitor, **arguments)

    return visited(answer)


def _by_token(token: str, project_id: int | None) -> Visitor:
    digest = token_hash(token)
    found = current().database.glance(lambda connection: admit_tablet.by_token(connection, digest))
    if project_id is None:
        return _visitor(found, f"/key/{token}", digest)
    if found.app_user.project_id != project_id:
        raise NotFound("this token is of another project: check the server's address in the settings")
    return _visitor(found, f"/v1/key/{token}/projects/{project_id}", digest)


def _by_password(project_id: int | None) -> Visitor:
    """Hold the Authorization header against what is kept of the password that it claims to know.

    Raises:
        NotAuthenticated: with challenges, when there is none or it is not right.
        RateLimited: after too many wrong ones, of this name or of any, from this address.
        NotFound: when the app user is of another project.
    """
    context, now = current(), utc_now()
    given = request.authorization
    username = credentials.username_of(given, is_encrypted=request.is_secure)
    if given is None or username is None:
        raise _challenge("This address needs the user name and the password of an app user.")
    network = network_of(request.remote_addr or "")
    attempt_key = context.tablets.attempt_key(username, network)
    if context.blocked.holds(attempt_key):
        raise _too_often()
    found = context.database.glance(lambda connection: admit_tablet.by_username(connection, username))
    secret = context.tablets.nobody
    if found is not None and found.secret is not None:
        secret = context.tablets.open(username, found.secret)
    asked = Asked(request.method, request.path, request.query_string)
    verdict = credentials.verdict(given, secret, asked=asked, secrets=context.tablets, now=int(now.timestamp()))
    if found is None or verdict is Verdict.WRONG:
        raise _refused(attempt_key, context.tablets.attempt_key("", network))
    if verdict is Verdict.STALE:
        raise _challenge("The server asks for the password once more.", is_stale=True)
    if found.app_user.project_id != project_id:
        raise NotFound("this app user is of another project: check the server's address in the settings")
    return _visitor(found, f"/projects/{project_id}")


def _visitor(found: StoredVisitor, prefix: str, digest: bytes | None = None) -> Visitor:
    g.language = found.app_user.language
    base_url = current().config.base_url or f"{request.scheme}://{request.host}"
    return Visitor(found, f"{base_url}{prefix}", digest)


def _refused(attempt_key: bytes, address_key: bytes) -> NotAuthenticated | RateLimited:
    context, now = current(), utc_now()
    if context.blocked.holds(address_key):
        return _too_often()
    limits = {attempt_key: admit_tablet.FAILURES, address_key: admit_tablet.FAILURES_OF_AN_ADDRESS}
    reached = context.database.submit(lambda session: admit_tablet.note_failure(session, limits, now=now))
    for key in reached:
        context.blocked.add(key)
    return _too_often() if reached else _challenge("User name and password do not belong together.")


def _challenge(detail: str, *, is_stale: bool = False) -> NotAuthenticated:
    now = int(utc_now().timestamp())
    offered = credentials.challenges(current().tablets, now=now, is_encrypted=request.is_secure, is_stale=is_stale)
    return NotAuthenticated(detail, challenges=offered)


def _too_often() -> RateLimited:
    seconds = int(admit_tablet.WINDOW.total_seconds())
    return RateLimited(f"Too many wrong passwords: wait {seconds} seconds.", retry_after=seconds)
