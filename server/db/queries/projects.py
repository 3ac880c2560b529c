"""SQL of projects: surveys side by side."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from server.db.prepared import Prepared
from server.db.queries.scoped import visible_projects
from server.db.scope import EVERYTHING, Scope
from server.db.tables import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProject:
    """A project; nothing is published nor given out in one that is archived."""

    project_id: int
    name: str
    created_at: datetime
    archived_at: datetime | None


_ARCHIVED: Final = Prepared(
    select(Project.__table__.c.project_id).where(
        Project.__table__.c.project_id == bindparam("project"), Project.__table__.c.archived_at.is_not(None)
    )
)
_COLUMNS: Final = tuple(getattr(Project, name) for name in StoredProject.__dataclass_fields__)


def add(session: Session, *, name: str, now: datetime) -> int:
    """Store a project and return its number."""
    added = Project(name=name, created_at=now, archived_at=None)
    session.add(added)
    session.flush()
    return added.project_id


def projects(session: Session, scope: Scope = EVERYTHING) -> list[StoredProject]:
    """Return the projects of a scope by number."""
    query = select(*_COLUMNS).where(visible_projects(scope)).order_by(Project.project_id)
    return [StoredProject(**row) for row in session.execute(query).mappings()]


def project(session: Session, project_id: int) -> StoredProject | None:
    """Return a project by its number."""
    return _one(session, Project.project_id == project_id)


def project_by_name(session: Session, name: str) -> StoredProject | None:
    """Return a project by its name."""
    return _one(session, Project.name == name)


def is_archived(session: Session, project_id: int) -> bool:
    """Say whether a project is archived."""
    return _ARCHIVED.first(session, {"project": project_id}) is not None


def change(session: Session, project_id: int, **members: Any) -> None:
    """Write what changed of a project."""
    session.execute(update(Project).where(Project.project_id == project_id).values(**members))


def _one(session: Session, condition: Any) -> StoredProject | None:
    row = session.execute(select(*_COLUMNS).where(condition)).mappings().one_or_none()
    return None if row is None else StoredProject(**row)
