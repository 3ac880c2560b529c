"""A snapshot of a live database: the copy and what is asked of it see the same moment, while the server goes on.

SQLite: the online backup of one connection that holds a read transaction. PostgreSQL: pg_dump on an exported snapshot,
taken only when nobody is left who had a number of an envelope before it and had not committed: a sequence gives
numbers out of the order of commits.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pysqlite3.dbapi2
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session

from server.backups.manifest import BackupError
from server.blobs import sync_to_disk
from server.db.engine import Database
from server.db.queries import backups

SQLITE_FILE: Final = "database.sqlite"
POSTGRESQL_FILE: Final = "database.dump"
PAGES: Final = 2000
"""Of SQLite at once, 8 MB: between them others get the processor."""
WRITERS_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.02
_VERSION: Final = re.compile(r"(\d+)(\.\d+)*")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a database.

    Attributes:
        session: to ask it; sees that moment only.
        complete: every envelope up to this number is in it.
        copy: writes the database into a file, and takes who wants to know how far it is, from 0 to 1.
        file: how that file is called in a backup.
    """

    session: Session
    complete: int
    copy: Callable[[Path, Callable[[float], None]], None]
    file: str


@contextmanager
def taken(database: Database) -> Iterator[Snapshot]:
    """Hold a snapshot of a database.

    Raises:
        BackupError: PostgreSQL is never without a writer, or there is no pg_dump that fits.
    """
    if database.is_sqlite:
        with database.read() as session:
            complete = backups.highest(session)  # the first statement: from here on the snapshot stands
            yield Snapshot(session, complete, lambda target, say: _copy_sqlite(session, target, say), SQLITE_FILE)
        return
    pg_dump = program("pg_dump", server_major(database))
    complete = _surely_complete(database)
    with database.read() as session:
        name = str(session.scalar(text("SELECT pg_export_snapshot()")))
        yield Snapshot(session, complete, lambda target, _: _dump(pg_dump, database.url, name, target), POSTGRESQL_FILE)


def put_back(database: Database, source: Path) -> None:
    """Load the copy of a database into a new one.

    Raises:
        BackupError: it cannot be loaded.
        OSError: the file cannot be written.
    """
    if not database.is_sqlite:
        restore = program("pg_restore", server_major(database))
        command = [restore, "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
        _run([*command, *_address(database.url)[0], str(source)], _address(database.url)[1])
        return
    target = sqlite_path(database.url)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = target.with_name(target.name + ".restoring")
    shutil.copyfile(source, made)
    made.chmod(0o600)
    sync_to_disk(made)
    made.replace(target)
    sync_to_disk(target.parent)


def sqlite_path(url: str) -> Path:
    """Return the file of an SQLite database."""
    return Path(make_url(url).database or "")


def server_major(database: Database) -> int:
    """Return the major version of a PostgreSQL server."""
    with database.read() as session:
        return int(session.execute(text("SHOW server_version_num")).scalar_one()) // 10_000


def program(name: str, major: int) -> str:
    """Return the path of one of PostgreSQL's programs that understands a server of this major version.

    Raises:
        BackupError: there is none.
    """
    found = shutil.which(name)
    candidates = [Path(found)] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    for path in candidates:
        version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - found above
        matched = _VERSION.search(version.stdout)
        if matched and int(matched.group(1)) >= major:
            return str(path)
    older = f" (what is here, {candidates[0]}, is older)" if candidates else ""
    raise BackupError(
        f"there is no {name} of PostgreSQL {major} or later in the PATH{older}: install it, on Debian with"
        f" `apt install postgresql-client-{major}`, and try again. Nothing was done."
    )


def _copy_sqlite(session: Session, target: Path, say: Callable[[float], None]) -> None:
    """Copy page by page on the connection that holds the snapshot, so that no commit starts it over."""
    source: Any = session.connection().connection.driver_connection
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    copy = pysqlite3.dbapi2.connect(str(target), isolation_level=None)
    try:
        copy.execute("PRAGMA synchronous=OFF")  # it is put on disk whole, below
        source.backup(copy, pages=PAGES, progress=lambda _, left, all_: say((all_ - left) / max(all_, 1)), sleep=0)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        (said,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except pysqlite3.dbapi2.Error as error:
        raise BackupError(f"the database could not be copied: {type(error).__name__}") from None
    finally:
        copy.close()
    if said != "ok":
        raise BackupError("the database is damaged: run `passerelle verify`, and keep the backups that are there")
    sync_to_disk(target)


def _surely_complete(database: Database) -> int:
    """Return a number up to which every envelope is committed, or never will be, once this returns.

    A number is taken under a lock of the table that lasts until the end of the transaction: whoever has none of the
    locks seen after `numbered` took its number later. Nobody is kept waiting.
    """
    complete = database.glance(backups.numbered)
    waited_for = database.glance(backups.writers)
    until = time.monotonic() + WRITERS_SECONDS
    while waited_for & database.glance(backups.writers):
        if time.monotonic() > until:
            raise BackupError("a transaction has been writing envelopes for a minute: try again, or look who that is")
        time.sleep(LOOK_SECONDS)
    return complete


def _dump(pg_dump: str, url: str, snapshot: str, target: Path) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    address, secrets = _address(url)
    command = [pg_dump, "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
    _run([*command, f"--file={target}", *address], secrets)
    sync_to_disk(target)


def _address(url: str) -> tuple[list[str], Mapping[str, str]]:
    """Return how PostgreSQL's programs are told where the database is; the password not where `ps` shows it."""
    parsed = make_url(url)
    shown = parsed.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    return [f"--dbname={shown}"], {"PGPASSWORD": str(parsed.password)} if parsed.password else {}


def _run(command: list[str], secrets: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program, with our arguments
        command, env={**os.environ, **secrets}, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        # Its words are kept back: they may quote rows.
        raise BackupError(f"{Path(command[0]).name} ended with status {done.returncode}: see PostgreSQL's own log")
