"""What a database says about itself, as problems that clients can act on; and a disk that failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pysqlite3.dbapi2
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

from server.disk import end_process, is_nearly_full
from server.errors import Maintenance, Problem, StorageFull

SERIALIZATION_STATES: Final = frozenset({"40001", "40P01"})
CORRUPT: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
FULL_STATES: Final = frozenset({"53100", "53400"})


class Again(Maintenance):
    """PostgreSQL rolled a transaction back to break a deadlock."""


@contextmanager
def translated(written: Path | None = None) -> Iterator[None]:
    """Turn what the database says about itself into problems; what is said about data stays as it is.

    A disk that failed while `written`, the file of an SQLite database, was written ends the process.
    """
    try:
        yield
    except (DBAPIError, pysqlite3.dbapi2.Error) as error:
        if not _is_about_itself(error):
            raise
        if written is not None and _name(error).startswith("SQLITE_IOERR") and not is_nearly_full(written.parent):
            end_process("the database could not be put on disk")
        raise _problem(error) from error


def _is_about_itself(error: Exception) -> bool:
    """Tell the state of a database from a mistake of ours, such as wrong SQL."""
    if isinstance(error, (OperationalError, pysqlite3.dbapi2.OperationalError)):
        return _name(error) != "SQLITE_ERROR"
    of_its_own = (InterfaceError, InternalError, pysqlite3.dbapi2.InternalError)
    return isinstance(error, of_its_own) or _name(error).startswith(CORRUPT)


def _name(error: Exception) -> str:
    """Return SQLite's name of an error, whether it came through SQLAlchemy or from the driver itself."""
    return str(getattr(getattr(error, "orig", error), "sqlite_errorname", ""))


def _problem(error: Exception) -> Problem:
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    if state in SERIALIZATION_STATES:
        return Again("the database rolled the request back to break a deadlock")
    if state in FULL_STATES or _name(error) == "SQLITE_FULL":
        return StorageFull("the database could not grow; nothing of this request was stored")
    return Maintenance("the database cannot be reached or written; nothing of this request was stored")


def first_of(error: BaseException) -> BaseException:
    """Return what came first: an attempt to roll back to a savepoint that is gone hides why it is gone."""
    first = error
    while error.__context__ is not None:
        error = error.__context__
        if isinstance(error, (DBAPIError, pysqlite3.dbapi2.Error)):
            first = error
    return first
