"""App users for the programs of managers: list, create, choose forms, revoke. A token is in one answer, never again.

Settings codes for a tablet are made beside: `tablet_settings`.
"""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, request

from server.api.bodies import json_object, text_member
from server.clock import utc_now
from server.context import caller, current, roles
from server.db.queries.devices import StoredAppUser
from server.errors import BadRequest, NotFound
from server.services import app_users

BY_ID: Final = "/<int:app_user_id>"

blueprint = Blueprint("app_users", __name__, url_prefix="/api/v1/app-users")


@blueprint.get("")
@roles("supervisor", "manager")
def list_all() -> dict[str, Any]:
    """List the app users that the caller sees."""
    with current().database.read() as session:
        return {"app_users": [_members(one) for one in app_users.list_app_users(session, caller().scope)]}


@blueprint.post("")
@roles("manager")
def create() -> tuple[dict[str, Any], int]:
    """Make an app user: `{"name", "project_id", "enumerator", "team", "mode", "language"}`; answers its address."""
    members, context = _asked(json_object()), current()
    with context.database.transaction() as session:
        token = app_users.create_app_user(session, **members, user=caller().name, now=utc_now())
        made = app_users.find_app_user(session, members["name"])
    base_url = context.config.base_url or request.host_url.rstrip("/")
    return _members(made) | {"url": f"{base_url}/key/{token}"}, 201


@blueprint.get(BY_ID)
@roles("supervisor", "manager")
def show(app_user_id: int) -> dict[str, Any]:
    """Describe one app user, with the forms that it is given; null for every form of its project."""
    with current().database.read() as session:
        found = app_users.show_app_user(session, app_user_id, caller().scope)
        forms = None if found.is_for_every_form else sorted(app_users.forms_given(session, app_user_id))
    return _members(found) | {"forms": forms}


@blueprint.put(f"{BY_ID}/forms")
@roles("manager")
def choose_forms(app_user_id: int) -> dict[str, Any]:
    """Set which forms an app user is given: `{"forms": [form_id, …]}`, null for every form of its project."""
    asked = json_object()
    forms = asked.get("forms", ())
    if forms is not None and not (isinstance(forms, list) and all(isinstance(one, str) for one in forms)):
        raise BadRequest("`forms` is a list of form_ids, or null for every form of the project")
    with current().database.transaction() as session:
        found = app_users.show_app_user(session, app_user_id, caller().scope)
        app_users.choose_forms(session, found, form_ids=forms, user=caller().name, now=utc_now())
    return {"app_user_id": app_user_id, "forms": forms}


@blueprint.delete(BY_ID)
@roles("manager")
def revoke(app_user_id: int) -> tuple[str, int]:
    """Revoke an app user at once; what its tablet has finished is still taken."""
    with current().database.transaction() as session:
        found = app_users.show_app_user(session, app_user_id, caller().scope)
        app_users.revoke_app_user(session, name=found.name, user=caller().name, now=utc_now())
    return "", 204


def _asked(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a new app user shall be.

    Raises:
        BadRequest: a member is missing or of another kind.
        NotFound: the caller is not in the project, which is then not there.
    """
    project_id, seen = asked.get("project_id"), caller().scope.projects
    if type(project_id) is not int:
        raise BadRequest("`project_id` is the number of a project")
    if seen is not None and project_id not in seen:
        raise NotFound(f"there is no project number {project_id} among yours")
    texts = {name: text_member(asked, name, default="") for name in ("name", "enumerator", "team", "language")}
    return {**texts, "mode": text_member(asked, "mode", default="survey"), "project_id": project_id}


def _members(app_user: StoredAppUser) -> dict[str, Any]:
    moments = {"created_at": app_user.created_at, "revoked_at": app_user.revoked_at}
    return {
        "app_user_id": app_user.app_user_id,
        "name": app_user.name,
        "project_id": app_user.project_id,
        "enumerator": app_user.enumerator,
        "team": app_user.team,
        "mode": app_user.mode,
        "language": app_user.language,
        "username": app_user.username,
        **{name: None if moment is None else moment.isoformat() for name, moment in moments.items()},
    }
