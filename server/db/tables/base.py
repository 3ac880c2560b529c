"""What every table shares: the declarative base, and types that read the same from both databases."""
# ruff: noqa: ARG002 -- SQLAlchemy fixes what a type's methods are handed

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Index, Integer, MetaData, TypeDecorator, text
from sqlalchemy.orm import DeclarativeBase

# Names are fixed so that a migration can name what it changes, on both databases.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

Sequence = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit key; on SQLite only INTEGER is the row id, which is 64 bits wide there."""


class Instant(TypeDecorator[datetime]):
    """A moment, always aware and in UTC; SQLite keeps no offset, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time and store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return UTC."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING)


def partial_index(name: str, *columns: str, where: str) -> Index:
    """Return an index over the rows of a condition only, the same on both databases."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))
