"""Who may call a route: each view declares it with one decorator, and `server.api.auth` holds it to that.

A view that declares nothing is closed to everybody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from flask import g

from server.db.scope import EVERYTHING, NOTHING, Scope

ROLES: Final = ("enumerator", "supervisor", "manager", "statistician", "administrator")
ADMINISTRATOR: Final = "administrator"

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Access:
    """What a view declared: open to all, to some roles, or to those whom the view itself checks."""

    kind: str
    roles: frozenset[str] = frozenset()

    def admits(self, role: str) -> bool:
        """Say whether a role gets in."""
        return self.kind != "roles" or role in self.roles


@dataclass(frozen=True, slots=True)
class Caller:
    """The account that asks, and the rows that it may see."""

    user_id: int
    name: str
    role: str
    scope: Scope = EVERYTHING


def roles(*names: str) -> Callable[[View], View]:
    """Let accounts of these roles in; administrators get in everywhere."""
    unknown = set(names) - set(ROLES)
    if unknown or not names:
        raise ValueError(f"these are not roles: {sorted(unknown)}")
    return _declare(Access("roles", frozenset(names) | {ADMINISTRATOR}))


def public(view: View) -> View:
    """Let everybody in, logged in or not."""
    return _declare(Access("public"))(view)


def own_auth(view: View) -> View:
    """Let the request through to a door that checks it itself: a device's signature, or the token in the path."""
    return _declare(Access("own"))(view)


def access_of(view: Callable[..., Any]) -> Access | None:
    """Return what a view declared, None when it forgot."""
    found: Access | None = getattr(view, "passerelle_access", None)
    return found


def caller() -> Caller:
    """Return the account that asks; only in a view of `roles`, where there is one."""
    found: Caller = g.caller
    return found


def rows() -> Scope:
    """Return the rows that the account that asks may see: an enumerator's account without a code sees none."""
    asking = caller()
    if asking.role == "enumerator" and not asking.scope.enumerator:
        return NOTHING
    return asking.scope


def anonymous() -> bool:
    """Say whether nobody is logged in."""
    return g.get("caller") is None


def _declare(access: Access) -> Callable[[View], View]:
    def mark(view: View) -> View:
        view.passerelle_access = access  # type: ignore[attr-defined]
        return view

    return mark
