"""Statements whose time counts: rendered once, and on SQLite handed to the driver as they are.

SQLAlchemy's way from a small statement to its row costs more than SQLite's part of it, and every exchange has some of
them. On PostgreSQL the journey to the server outweighs both, so that there they go the common way.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Executable
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

Converter = Callable[[Any], Any]
NOTHING: Final[Mapping[str, Any]] = {}


def connection_of(session: Session | Connection) -> Connection:
    """Return the connection of a session, or the connection that it is."""
    return session if isinstance(session, Connection) else session.connection()


def driver_of(connection: Connection) -> Any:
    """Return the connection of SQLite's driver.

    Raises:
        RuntimeError: no transaction has begun: what the driver writes then would be stored at once, and for ever.
    """
    driver: Any = connection.connection.driver_connection
    if not driver.in_transaction:
        raise RuntimeError("a statement was handed to the driver outside of any transaction")
    return driver


class Prepared:
    """A SELECT, or an UPDATE with RETURNING, of which one row is wanted."""

    def __init__(self, statement: Any) -> None:
        """Take a statement whose values are all given by name."""
        self._statement: Executable = statement
        self._columns: tuple[TypeEngine[Any], ...] = tuple(column.type for column in statement.exported_columns)
        self._rendered: _Rendered | None = None

    def first(self, session: Session | Connection, values: Mapping[str, Any] = NOTHING) -> tuple[Any, ...] | None:
        """Run it and return the first row, or None."""
        connection = connection_of(session)
        if connection.dialect.name != "sqlite":
            found = connection.execute(self._statement, values).first()
            return None if found is None else tuple(found)
        rendered = self._rendered or self._render(connection.dialect)
        row = driver_of(connection).execute(rendered.text, rendered.bound(values)).fetchone()
        return None if row is None else rendered.read(row)

    def _render(self, dialect: Dialect) -> "_Rendered":
        self._rendered = _Rendered(self._statement, self._columns, dialect)
        return self._rendered


class _Rendered:
    """The text of a statement in SQLite's words, and how its values are written and read."""

    def __init__(self, statement: Any, columns: tuple[TypeEngine[Any], ...], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self._fixed = compiled.params
        self._order: tuple[tuple[str, Converter | None], ...] = tuple(
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup
        )
        self._readers: tuple[Converter | None, ...] = tuple(
            one.dialect_impl(dialect).result_processor(dialect, None) for one in columns
        )

    def bound(self, values: Mapping[str, Any]) -> list[Any]:
        """Return values in the order of their marks; those that the statement holds itself need not be given."""
        given = {**self._fixed, **values}
        return [given[name] if write is None else write(given[name]) for name, write in self._order]

    def read(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a row as SQLAlchemy would."""
        return tuple(value if read is None else read(value) for value, read in zip(row, self._readers, strict=True))
