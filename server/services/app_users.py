"""App users: who may send with ODK Collect, in which project, and which of its forms each is given.

A token is shown once, and only its hash is kept. Revoking one holds at once; what the tablet has finished by then is
still taken.
"""

import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from server.db.queries import app_users, audit, devices, projects
from server.db.queries.devices import StoredAppUser
from server.db.scope import EVERYTHING, Scope
from server.db.tables.accounts import FIRST_PROJECT
from server.errors import BadRequest, Conflict, NotFound
from sync_protocol.constants import MODES
from sync_protocol.enrolment import token_hash

TOKEN_BYTES: Final = 48
"""64 characters in the path, as Collect's own servers have them."""
LONGEST_NAME: Final = 200
LANGUAGES: Final = ("", "en", "fr")


def create_app_user(
    session: Session,
    *,
    name: str,
    enumerator: str,
    user: str,
    now: datetime,
    mode: str = "survey",
    project_id: int = FIRST_PROJECT,
    team: str = "",
    language: str = "",
    randomness: Callable[[int], str] = secrets.token_urlsafe,
) -> str:
    """Make an app user for ODK Collect and return the token of the path.

    Raises:
        BadRequest: for an unknown mode or language, or names that are too long.
        Conflict: when there is an app user of this name, or the project is archived.
    """
    _check(mode=mode, language=language, name=name, enumerator=enumerator, team=team)
    if projects.is_archived(session, project_id):
        raise Conflict("the project is archived: nobody is let in")
    if not name.strip() or devices.app_user_by_name(session, name) is not None:
        raise Conflict(f"an app user needs a name that no other on this server has; {name!r} is empty or taken")
    token = randomness(TOKEN_BYTES)
    devices.add_app_user(
        session,
        token_hash=token_hash(token),
        name=name,
        project_id=project_id,
        enumerator=enumerator,
        team=team,
        mode=mode,
        language=language,
        now=now,
    )
    audit.write(session, at=now, actor=user, action="create-app-user", subject=name, detail=mode)
    return token


def list_app_users(session: Session, scope: Scope = EVERYTHING) -> Sequence[StoredAppUser]:
    """Return the app users that somebody sees, by name; revoked ones too."""
    return app_users.app_users(session, scope)


def find_app_user(session: Session, name: str) -> StoredAppUser:
    """Return an app user by its name.

    Raises:
        NotFound: there is none of this name.
    """
    found = devices.app_user_by_name(session, name)
    if found is None:
        raise NotFound(f"there is no app user {name!r}; `passerelle app-user list` shows who there is")
    return found


def show_app_user(session: Session, app_user_id: int, scope: Scope = EVERYTHING) -> StoredAppUser:
    """Return an app user by number.

    Raises:
        NotFound: there is none that this person sees.
    """
    found = app_users.app_user(session, app_user_id, scope)
    if found is None:
        raise NotFound(f"there is no app user number {app_user_id} in your projects")
    return found


def forms_given(session: Session, app_user_id: int) -> frozenset[str]:
    """Return the form_ids that are chosen for an app user that is not for every form."""
    return app_users.forms_given(session, app_user_id)


def choose_forms(
    session: Session, app_user: StoredAppUser, *, form_ids: Collection[str] | None, user: str, now: datetime
) -> None:
    """Set which forms an app user is given; None for every form of its project, those of later too.

    Raises:
        BadRequest: a form that is not of its project.
    """
    foreign = set(form_ids or ()) - app_users.forms_of_project(session, app_user.project_id)
    if foreign:
        raise BadRequest(f"the form {min(foreign)!r} is not in the project of this app user")
    app_users.set_forms(session, app_user.app_user_id, form_ids)
    detail = "every form" if form_ids is None else ", ".join(sorted(form_ids)) or "no form"
    audit.write(session, at=now, actor=user, action="choose-forms", subject=app_user.name, detail=detail)


def revoke_app_user(session: Session, *, name: str, user: str, now: datetime) -> None:
    """Revoke an app user at once: its token, and its password if it has one.

    Raises:
        NotFound: no app user of this name has a valid token.
    """
    if not devices.revoke_app_user(session, name=name, now=now):
        raise NotFound(f"no app user {name!r} has a valid token")
    audit.write(session, at=now, actor=user, action="revoke-app-user", subject=name)


def _check(*, mode: str, language: str, **texts: str) -> None:
    if mode not in MODES:
        raise BadRequest(f"a mode is one of {', '.join(MODES)}, not {mode}")
    if language not in LANGUAGES:
        raise BadRequest(f"a language is en or fr, or empty for both, not {language}")
    for what, text in texts.items():
        if len(text) > LONGEST_NAME or not text.isprintable():
            raise BadRequest(f"the {what} has at most {LONGEST_NAME} characters that can be printed")
