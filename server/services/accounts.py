"""The people of the office: one role each, the rows that each sees, passwords, and being shut out at once.

Whatever narrows what somebody may do ends all of their sessions: another password, another role, being disabled.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from server import passwords
from server.db.queries import accounts, audit, projects
from server.db.queries.accounts import StoredUser
from server.db.scope import EVERYTHING, Scope
from server.errors import BadRequest, Conflict, LoginInvalid, NotFound

ADMINISTRATOR: Final = "administrator"
ENUMERATOR: Final = "enumerator"
SUPERVISOR: Final = "supervisor"
ROLES: Final = (ENUMERATOR, SUPERVISOR, "manager", "statistician", ADMINISTRATOR)
LONGEST_NAME: Final = 200
ENDING: Final = frozenset({"role", "password_hash", "disabled_at"})
"""What a change of ends every session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person, as the edges see one.

    Attributes:
        projects: by number; None for every project.
    """

    user_id: int
    name: str
    role: str
    created_at: datetime
    has_password: bool
    tokens: int
    team: str
    enumerator: str
    projects: tuple[int, ...] | None
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanges:
    """What shall be otherwise about a person; None for what stays.

    Attributes:
        projects: by number; with `is_in_every_project` they say nothing.
    """

    role: str | None = None
    team: str | None = None
    enumerator: str | None = None
    is_in_every_project: bool | None = None
    projects: Collection[int] | None = None


def add_user(
    session: Session,
    *,
    name: str,
    role: str,
    password: str | None,
    actor: str,
    now: datetime,
    team: str = "",
    enumerator: str = "",
    in_projects: Collection[int] | None = None,
) -> Account:
    """Add a person; without a password, one that only uses tokens, without projects, one that is in every project.

    Raises:
        BadRequest: an empty name, an unknown role, a short password, no such project.
        Conflict: when the name is taken.
    """
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise BadRequest(f"A user's name has 1 to {LONGEST_NAME} characters.")
    _check(session, role=role, team=team, enumerator=enumerator, in_projects=in_projects or ())
    if accounts.user_by_name(session, name) is not None:
        raise Conflict(f"There is a user “{name}” already; choose another name.")
    user_id = accounts.add_user(
        session,
        name=name,
        role=role,
        password_hash=None if password is None else passwords.hash_password(password),
        now=now,
        team=team,
        enumerator=enumerator,
        is_in_every_project=in_projects is None,
    )
    accounts.set_projects(session, user_id, in_projects or ())
    audit.write(session, at=now, actor=actor, action="add-user", subject=name, detail=role)
    return account(session, user_id)


def list_users(session: Session, *, now: datetime) -> tuple[Account, ...]:
    """Return everybody by name."""
    return tuple(_account(user) for user in accounts.users(session, now=now))


def account(session: Session, user_id: int) -> Account:
    """Return a person by id.

    Raises:
        NotFound: there is nobody of this id.
    """
    user = accounts.user_by_id(session, user_id)
    if user is None:
        raise NotFound(f"There is no user number {user_id}.")
    return _account(user)


def change_user(session: Session, *, name: str, changes: AccountChanges, actor: str, now: datetime) -> Account:
    """Give a person another role, team, enumerator's code or other projects.

    Raises:
        NotFound: no such user.
        BadRequest: an unknown role, no such project, a text that is too long.
        Conflict: nobody would be left who can administer.
    """
    user = _known(session, name)
    _check(
        session,
        role=changes.role or user.role,
        team=changes.team or "",
        enumerator=changes.enumerator or "",
        in_projects=changes.projects or (),
    )
    asked = {
        name: getattr(changes, name)
        for name in ("role", "team", "enumerator", "is_in_every_project")
        if getattr(changes, name) is not None
    }
    members = {name: value for name, value in asked.items() if value != getattr(user, name)}
    if "role" in members:
        _keep_an_administrator(session, user)
    _change(session, user, members)
    if changes.projects is not None:
        accounts.set_projects(session, user.user_id, changes.projects)
    detail = " ".join(f"{name}={value}" for name, value in sorted(members.items()))
    if changes.projects is not None:
        detail += f" projects={','.join(map(str, sorted(changes.projects)))}"
    audit.write(session, at=now, actor=actor, action="change-user", subject=name, detail=detail.strip())
    return account(session, user.user_id)


def disable_user(session: Session, *, name: str, actor: str, now: datetime) -> None:
    """Shut a person out at once: password, tokens and sessions.

    Raises:
        NotFound: no such user.
        Conflict: it was before, or nobody would be left who can administer.
    """
    user = _known(session, name)
    if user.disabled_at is not None:
        raise Conflict(f"“{name}” is disabled already.")
    _keep_an_administrator(session, user)
    _change(session, user, {"disabled_at": now})
    audit.write(session, at=now, actor=actor, action="disable-user", subject=name)


def enable_user(session: Session, *, name: str, actor: str, now: datetime) -> None:
    """Let a person in again, with the password and the tokens from before; sessions stay ended.

    Raises:
        NotFound: no such user.
        Conflict: nobody shut it out.
    """
    user = _known(session, name)
    if user.disabled_at is None:
        raise Conflict(f"“{name}” is not disabled.")
    _change(session, user, {"disabled_at": None})
    audit.write(session, at=now, actor=actor, action="enable-user", subject=name)


def set_password(session: Session, *, name: str, password: str, actor: str, now: datetime) -> None:
    """Give a person another password.

    Raises:
        NotFound: no such user.
        BadRequest: a short password.
    """
    _change(session, _known(session, name), {"password_hash": passwords.hash_password(password)})
    audit.write(session, at=now, actor=actor, action="set-password", subject=name)


def log_in(session: Session, *, name: str, password: str) -> StoredUser:
    """Return the person to whom name and password belong.

    Raises:
        LoginInvalid: they do not belong together, or no longer; which of these it is is not said.
    """
    user = accounts.user_by_name(session, name.strip()) if name.isprintable() else None
    expected = None if user is None or user.disabled_at is not None else user.password_hash
    if not passwords.is_right(expected, password) or user is None:
        raise LoginInvalid("Name or password is wrong.")
    return user


def renew_password_hash(session: Session, user: StoredUser, *, password: str) -> StoredUser:
    """Hash a password anew that was just found right, when its hash is made as was usual years ago."""
    if user.password_hash is None or not passwords.is_outdated(user.password_hash):
        return user
    accounts.change_user(
        session, user.user_id, {"password_hash": passwords.hash_password(password)}, ends_sessions=False
    )
    return accounts.user_by_id(session, user.user_id) or user


def end_sessions(session: Session, user_id: int) -> None:
    """End every session that a person has begun."""
    accounts.change_user(session, user_id, {}, ends_sessions=True)


def scope_of(user: StoredUser) -> Scope:
    """Return the rows that a person sees; an administrator, who could see to it anyway, sees all."""
    if user.role == ADMINISTRATOR:
        return EVERYTHING
    return Scope(
        projects=None if user.is_in_every_project else user.projects,
        team=user.team or None if user.role == SUPERVISOR else None,
        enumerator=user.enumerator if user.role == ENUMERATOR else None,
    )


def generated_password() -> str:
    """Return a password that nobody can guess, to be shown once."""
    return passwords.generate()


def _known(session: Session, name: str) -> StoredUser:
    user = accounts.user_by_name(session, name)
    if user is None:
        raise NotFound(f"There is no user “{name}”; `passerelle user list` shows who there is.")
    return user


def _change(session: Session, user: StoredUser, members: dict[str, Any]) -> None:
    accounts.change_user(session, user.user_id, members, ends_sessions=not ENDING.isdisjoint(members))


def _check(session: Session, *, role: str, team: str, enumerator: str, in_projects: Collection[int]) -> None:
    if role not in ROLES:
        raise BadRequest(f"“{role}” is not a role; choose one of {', '.join(ROLES)}.")
    for what, text in (("team", team), ("enumerator", enumerator)):
        if len(text) > LONGEST_NAME or not text.isprintable():
            raise BadRequest(f"The {what} has at most {LONGEST_NAME} characters.")
    unknown = set(in_projects) - {project.project_id for project in projects.projects(session)}
    if unknown:
        raise BadRequest(f"There is no project number {min(unknown)}; `passerelle project list` shows them.")


def _keep_an_administrator(session: Session, user: StoredUser) -> None:
    if user.role == ADMINISTRATOR and not accounts.count_administrators(session, ADMINISTRATOR, beside=user.user_id):
        raise Conflict(f"“{user.name}” is the last administrator: name another one first.")


def _account(user: StoredUser) -> Account:
    return Account(
        user_id=user.user_id,
        name=user.name,
        role=user.role,
        created_at=user.created_at,
        has_password=user.password_hash is not None,
        tokens=user.tokens,
        team=user.team,
        enumerator=user.enumerator,
        projects=None if user.is_in_every_project else tuple(sorted(user.projects)),
        disabled_at=user.disabled_at,
    )
