"""Projects: surveys side by side, each with its own forms, app users, tablets and people."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from server.db.queries import audit, projects
from server.db.queries.projects import StoredProject
from server.db.scope import EVERYTHING, Scope
from server.errors import BadRequest, Conflict, NotFound

LONGEST_NAME: Final = 200


def add_project(session: Session, *, name: str, user: str, now: datetime) -> StoredProject:
    """Add a project.

    Raises:
        BadRequest: an empty name.
        Conflict: when the name is taken.
    """
    project_id = projects.add(session, name=_free(session, name), now=now)
    audit.write(session, at=now, actor=user, action="add-project", subject=name.strip(), detail=str(project_id))
    return show_project(session, project_id)


def list_projects(session: Session, scope: Scope = EVERYTHING) -> Sequence[StoredProject]:
    """Return the projects that somebody sees, by number; archived ones too."""
    return projects.projects(session, scope)


def find_project(session: Session, name: str) -> StoredProject:
    """Return a project by its name.

    Raises:
        NotFound: there is none of this name.
    """
    found = projects.project_by_name(session, name)
    if found is None:
        raise NotFound(f"There is no project “{name}”; `passerelle project list` shows them.")
    return found


def show_project(session: Session, project_id: int) -> StoredProject:
    """Return a project by its number.

    Raises:
        NotFound: there is none of this number.
    """
    found = projects.project(session, project_id)
    if found is None:
        raise NotFound(f"There is no project number {project_id}; `passerelle project list` shows them.")
    return found


def rename_project(session: Session, *, project_id: int, name: str, user: str, now: datetime) -> StoredProject:
    """Give a project another name.

    Raises:
        NotFound: no such project.
        BadRequest: an empty name.
        Conflict: when the name is taken.
    """
    before = show_project(session, project_id)
    if name.strip() != before.name:
        projects.change(session, project_id, name=_free(session, name))
        audit.write(session, at=now, actor=user, action="rename-project", subject=before.name, detail=name.strip())
    return show_project(session, project_id)


def archive_project(session: Session, *, project_id: int, user: str, now: datetime) -> StoredProject:
    """Archive a project: nothing is published nor given out any more; what tablets still send is taken.

    Raises:
        NotFound: no such project.
        Conflict: it was archived before.
    """
    before = show_project(session, project_id)
    if before.archived_at is not None:
        raise Conflict(f"The project “{before.name}” is archived already.")
    projects.change(session, project_id, archived_at=now)
    audit.write(session, at=now, actor=user, action="archive-project", subject=before.name)
    return show_project(session, project_id)


def reopen_project(session: Session, *, project_id: int, user: str, now: datetime) -> StoredProject:
    """Take a project out of the archive: tablets go on where they were.

    Raises:
        NotFound: no such project.
        Conflict: it is not archived.
    """
    before = show_project(session, project_id)
    if before.archived_at is None:
        raise Conflict(f"The project “{before.name}” is not archived.")
    projects.change(session, project_id, archived_at=None)
    audit.write(session, at=now, actor=user, action="reopen-project", subject=before.name)
    return show_project(session, project_id)


def _free(session: Session, name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise BadRequest(f"A project's name has 1 to {LONGEST_NAME} characters.")
    if projects.project_by_name(session, name) is not None:
        raise Conflict(f"There is a project “{name}” already; choose another name.")
    return name
