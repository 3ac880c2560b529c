"""Projects for programs of the office: everybody sees their own, administrators make and change them."""

from typing import Any

from flask import Blueprint

from server.api.bodies import json_object, text_member
from server.clock import utc_now
from server.context import caller, current, roles
from server.context.access import ROLES
from server.db.queries.projects import StoredProject
from server.errors import BadRequest
from server.services import projects

blueprint = Blueprint("projects", __name__, url_prefix="/api/v1/projects")


@blueprint.get("")
@roles(*ROLES)
def list_all() -> dict[str, Any]:
    """List the projects that the caller is in, archived ones too."""
    with current().database.read() as session:
        found = projects.list_projects(session, caller().scope)
    return {"projects": [_members(one) for one in found]}


@blueprint.post("")
@roles("administrator")
def add() -> tuple[dict[str, Any], int]:
    """Add a project: `{"name": …}`."""
    name = text_member(json_object(), "name")
    with current().database.transaction() as session:
        added = projects.add_project(session, name=name, user=caller().name, now=utc_now())
    return _members(added), 201


@blueprint.patch("/<int:project_id>")
@roles("administrator")
def change(project_id: int) -> dict[str, Any]:
    """Rename, archive or reopen a project: `{"name": …}`, `{"is_archived": true}`."""
    asked = json_object()
    is_archived = asked.get("is_archived")
    if not isinstance(is_archived, bool | None):
        raise BadRequest("`is_archived` is true or false")
    by: dict[str, Any] = {"project_id": project_id, "user": caller().name, "now": utc_now()}
    with current().database.transaction() as session:
        if "name" in asked:
            projects.rename_project(session, name=text_member(asked, "name"), **by)
        if is_archived is not None:
            (projects.archive_project if is_archived else projects.reopen_project)(session, **by)
        return _members(projects.show_project(session, project_id))


def _members(project: StoredProject) -> dict[str, Any]:
    return {
        "project_id": project.project_id,
        "name": project.name,
        "created_at": project.created_at.isoformat(),
        "archived_at": None if project.archived_at is None else project.archived_at.isoformat(),
    }
