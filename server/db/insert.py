"""INSERT … ON CONFLICT, in the dialect of the session's database."""

from typing import Any

from sqlalchemy import Connection, Insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from server.db.tables import Base


def insert_new(session: Session | Connection, table: type[Base]) -> Insert:
    """Return an INSERT that leaves rows alone whose unique key is there already."""
    made: Insert = upsert(session, table).on_conflict_do_nothing()
    return made


def upsert(session: Session | Connection, table: type[Base]) -> Any:
    """Return an INSERT to which `on_conflict_do_update` is added; both databases spell it the same way."""
    bind = session if isinstance(session, Connection) else session.get_bind()
    dialect: Any = sqlite if bind.dialect.name == "sqlite" else postgresql
    return dialect.insert(table)
