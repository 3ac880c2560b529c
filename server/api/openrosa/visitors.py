"""Who is at the door, and under which address: an app user by the token in the path.

Whatever address a tablet came by, every address that it is given leads back through the same one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

from flask import Response, g, request

from server.clock import utc_now
from server.context import current, own_auth
from server.db.queries.devices import StoredAppUser
from server.errors import Forbidden
from server.services import receive_openrosa

PREFIXES: Final = {"openrosa": "/key/<token>"}
"""Name of the blueprint → where its routes begin."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """An app user, and the address that it came by, without a slash at its end."""

    app_user: StoredAppUser
    address: str

    @property
    def is_revoked(self) -> bool:
        """What it has finished is still taken; nothing is given out to it."""
        return self.app_user.revoked_at is not None and self.app_user.revoked_at <= utc_now()


DoorView = Callable[..., Response]
"""A view of the door: it takes the visitor, and by name what the address says beside."""


def visited(view: DoorView) -> Any:
    """Find out who asks, whatever part of the address says it, and call the view with the visitor."""

    @own_auth
    @wraps(view)
    def answer(*, token: str, **arguments: Any) -> Response:
        app_user = current().database.glance(lambda connection: receive_openrosa.find_app_user(connection, token))
        g.language = app_user.language
        return view(Visitor(app_user, f"{_base_url()}/key/{token}"), **arguments)

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


def _base_url() -> str:
    """Return the address as the client wrote it, unless the office has named one (behind a proxy with TLS)."""
    return current().config.base_url or request.host_url.rstrip("/")
