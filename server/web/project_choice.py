"""The project that a person looks at in the console, chosen where there are several and kept in the session."""

from dataclasses import replace
from typing import Final

from flask import g, session

from server.context import caller, current
from server.db.queries.projects import StoredProject
from server.db.scope import Scope
from server.errors import NotFound
from server.services import projects

MEMBER: Final = "project_id"


def visible_projects() -> tuple[StoredProject, ...]:
    """Return the projects that the person sees, archived ones too; read once a request."""
    found: tuple[StoredProject, ...] | None = g.get("visible_projects")
    if found is None:
        with current().database.read() as database_session:
            found = tuple(projects.list_projects(database_session, caller().scope))
        g.visible_projects = found
    return found


def open_projects() -> tuple[StoredProject, ...]:
    """Return the projects that the person sees and that still take something new."""
    return tuple(one for one in visible_projects() if one.archived_at is None)


def chosen_project() -> int | None:
    """Return the project that the console shows, None for all that the person sees."""
    chosen = session.get(MEMBER)
    return chosen if any(one.project_id == chosen for one in visible_projects()) else None


def choose_project(text: str) -> None:
    """Show one project from now on, or all again."""
    session[MEMBER] = _number(text)


def asked_project(text: str) -> int:
    """Return the project of something new: the one asked for, else the one that the console shows, else the only one.

    Raises:
        NotFound: the person is in no such project.
    """
    only = open_projects()[0].project_id if len(open_projects()) == 1 else None
    chosen = _number(text) or chosen_project() or only
    if chosen not in {one.project_id for one in visible_projects()}:
        raise NotFound("there is no such project among yours")
    return chosen


def page_scope() -> Scope:
    """Return the rows that a page shows: those that the person sees, of the chosen project."""
    chosen = chosen_project()
    return caller().scope if chosen is None else replace(caller().scope, projects=frozenset({chosen}))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
