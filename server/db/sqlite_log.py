"""SQLite's write-ahead log, which keeps former pages until it is emptied."""

from contextlib import suppress
from typing import Any, Final

import pysqlite3.dbapi2

from server.db.engine import BUSY_SECONDS, Database

WAIT_SECONDS: Final = 5
"""How long emptying waits for readers on an old snapshot, while nobody can write."""


def truncate_log(database: Database) -> bool:
    """Put SQLite's log into the file and empty it; say whether that was done.

    What is not done now, since somebody reads, is done at a later checkpoint: of former pages in the log nothing is
    left then either, for a log is written from its beginning again. PostgreSQL keeps its log in its own way.
    """
    if not database.is_sqlite:
        return True
    with database.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA busy_timeout={WAIT_SECONDS * 1000}")
        is_busy = 1
        with suppress(pysqlite3.dbapi2.OperationalError):  # somebody else empties it
            is_busy, *_ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        driver.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    return not is_busy
