"""The database: connections, transactions, and the only commits of the product.

On SQLite every write begins with BEGIN IMMEDIATE under one lock of the process, so that nobody polls for the file's
lock; calls to `submit` that wait go into one transaction, each in a savepoint: see `group_commit`. Nothing returns
before COMMIT. On PostgreSQL each call is its own transaction. Engines are made when first used in a process: gunicorn
forks.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import pysqlite3.dbapi2
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.orm import Session

from server.db.faults import Again, translated
from server.db.group_commit import GroupCommit
from server.errors import Maintenance

T = TypeVar("T")

MINIMUM_SQLITE: Final = (3, 51, 3)
"""Older ones can lose committed writes in WAL mode with two connections (https://sqlite.org/wal.html, section 11)."""
BUSY_SECONDS: Final = 30
CHECKPOINT_PAGES: Final = 4000
"""16 MB of log between checkpoints: each costs two more fsyncs on the acknowledging path."""
WRITE_OPTION: Final = "passerelle_write"
ONE_SNAPSHOT: Final = "REPEATABLE READ"
"""For readers on PostgreSQL, whose default shows each statement what was committed meanwhile; SQLite has no other."""
RETRIES: Final = 5


class DatabaseUnusable(Exception):
    """The database cannot be opened safely; the message says why and what to do."""


class Database:
    """One database, for all threads of a process and its forks."""

    def __init__(self, url: str) -> None:
        """Take an SQLAlchemy URL; nothing is opened yet.

        Raises:
            DatabaseUnusable: when SQLite is too old.
        """
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._file = Path(make_url(url).database or "") if self.is_sqlite else None
        if self.is_sqlite:
            _refuse_old_sqlite()
        self._pid = 0
        self._guard = threading.Lock()
        self._engine: Engine | None = None
        self._glancing: Engine | None = None
        self._group_commit: GroupCommit | None = None
        self._write_lock: AbstractContextManager[object] = _NoLock()

    @property
    def engine(self) -> Engine:
        """The engine of this process."""
        if self._pid != os.getpid():
            self._adopt_process()
        if self._engine is None:
            with self._guard:
                if self._engine is None:
                    self._engine = _make_engine(self.url, is_sqlite=self.is_sqlite)
        return self._engine

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a session that is committed when the block ends, and rolled back when it raises.

        Raises:
            Maintenance, StorageFull: when the database cannot be written; nothing of the block is stored.
        """
        engine = self.engine.execution_options(**{WRITE_OPTION: True})
        written = translated(self._file)
        with self._write_lock, written, Session(engine, expire_on_commit=False) as session, session.begin():
            session.connection()  # take the lock now: what is read in here must not change before it is written
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session on one snapshot; whatever it does is rolled back."""
        engine = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level=ONE_SNAPSHOT)
        with translated(), Session(engine, expire_on_commit=False) as session:
            try:
                yield session
            finally:
                session.rollback()

    def glance(self, look: Callable[[Connection], T]) -> T:
        """Read with single statements, each on its own, without a transaction around them.

        Raises:
            Maintenance: when the database cannot be reached.
        """
        try:
            return self._glance(look)
        except Maintenance:  # the connection had died since its last use, which nobody checks before each glance
            return self._glance(look)

    def submit(self, work: Callable[[Session], T]) -> T:
        """Run one call in a transaction, with others that wait; return its result after COMMIT.

        Raises:
            Maintenance, StorageFull: when the commit fails; nothing of the call is stored.
            Exception: whatever the call raises; it alone is rolled back.
        """
        if not self.is_sqlite:
            return self._submit_alone(work, self.transaction)
        return self._queue().run(work, is_bare=False)

    def submit_bare(self, work: Callable[[Connection], T], *, is_one_statement: bool = False) -> T:
        """Do as `submit` does, without a session: for few statements whose time counts.

        One statement is a transaction by itself: on PostgreSQL without the journeys of BEGIN and COMMIT.
        """
        if not self.is_sqlite:
            return self._submit_alone(work, self._statement if is_one_statement else self.engine.begin)
        return self._queue().run(work, is_bare=True)

    def dispose(self) -> None:
        """Close all connections, after what is being written."""
        if self._pid != os.getpid():
            return
        if self._group_commit is not None:
            self._group_commit.close()
        for engine in (self._engine, self._glancing):
            if engine is not None:
                engine.dispose()
        self._forget()

    def _queue(self) -> GroupCommit:
        engine, queue = self.engine, self._group_commit
        if queue is None:
            with self._guard:
                queue = self._group_commit
                if queue is None:
                    writing = engine.execution_options(**{WRITE_OPTION: True})
                    queue = self._group_commit = GroupCommit(writing, self._write_lock, self._file)
        return queue

    def _glance(self, look: Callable[[Connection], T]) -> T:
        if self._pid != os.getpid():
            self._adopt_process()
        if self._glancing is None:
            with self._guard:
                if self._glancing is None:
                    self._glancing = _make_glancing(self.url, is_sqlite=self.is_sqlite)
        with translated(), self._glancing.connect() as connection:
            return look(connection)

    def _forget(self) -> None:
        self._engine = None
        self._glancing = None
        self._group_commit = None
        self._write_lock = threading.Lock() if self.is_sqlite else _NoLock()

    def _adopt_process(self) -> None:
        """Begin anew in this process; connections of a parent are left open, for they are the parent's."""
        with self._guard:
            if self._pid == os.getpid():
                return
            for engine in (self._engine, self._glancing):
                if engine is not None:
                    engine.dispose(close=False)
            self._forget()
            self._pid = os.getpid()

    def _statement(self) -> Connection:
        return self.engine.execution_options(isolation_level="AUTOCOMMIT").connect()

    def _submit_alone(self, work: Callable[..., T], begin: Callable[[], AbstractContextManager[Any]]) -> T:
        """Run a call in its own transaction; again when the database chose it to break a deadlock."""
        for _ in range(RETRIES):
            try:
                with translated(), begin() as opened:
                    return work(opened)
            except Again:
                continue
        raise Maintenance("the database is too busy to take the request")


class _NoLock:
    """PostgreSQL orders its writers itself."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def _refuse_old_sqlite() -> None:
    found = pysqlite3.dbapi2.sqlite_version_info
    if found < MINIMUM_SQLITE:
        needed = ".".join(map(str, MINIMUM_SQLITE))
        raise DatabaseUnusable(
            f"SQLite {pysqlite3.dbapi2.sqlite_version} can lose committed writes; {needed} or later is needed:"
            " install the pinned pysqlite3 wheel"
        )


_SQLITE: Final[dict[str, Any]] = {
    "module": pysqlite3.dbapi2,
    "pool_size": 16,
    "max_overflow": 64,
    "hide_parameters": True,  # an error message must not carry what was being stored
    "connect_args": {"timeout": BUSY_SECONDS, "check_same_thread": False},
}


def _make_glancing(url: str, *, is_sqlite: bool) -> Engine:
    """Make an engine without transactions: no BEGIN, no ROLLBACK and no ping around a statement."""
    if is_sqlite:
        engine = create_engine(url, pool_reset_on_return=None, **_SQLITE)
        event.listen(engine, "connect", _set_pragmas)
        return engine
    return create_engine(
        url,
        pool_size=8,
        max_overflow=24,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        connect_args={"options": "-c timezone=UTC -c default_transaction_read_only=on"},
    )


def _make_engine(url: str, *, is_sqlite: bool) -> Engine:
    if not is_sqlite:
        return create_engine(
            url,
            pool_size=16,
            max_overflow=16,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"options": "-c synchronous_commit=on -c timezone=UTC"},
        )
    engine = create_engine(url, **_SQLITE)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: Any, _: object) -> None:
    connection.isolation_level = None  # BEGIN is ours to write
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "trusted_schema=OFF",
        "secure_delete=ON",  # what is wiped is overwritten; costs a submission nothing, which deletes nothing
        f"busy_timeout={BUSY_SECONDS * 1000}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
        "cache_size=-16000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    is_write = connection.get_execution_options().get(WRITE_OPTION, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")
