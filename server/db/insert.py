"""INSERT … ON CONFLICT DO NOTHING, in the dialect of the session's database."""

from typing import Any

from sqlalchemy import Insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from server.db.tables import Base


def insert_new(session: Session, table: type[Base]) -> Insert:
    """Return an INSERT that leaves rows alone whose unique key is there already."""
    dialect: Any = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    made: Insert = dialect.insert(table).on_conflict_do_nothing()
    return made
