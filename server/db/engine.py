"""The database: connections, the writer thread with group commit, and the only commits of the product.

On SQLite every write begins with BEGIN IMMEDIATE under one lock of the process, so that nobody polls for the file's
lock; `submit` runs on one writer thread, which takes all calls that wait (up to 64) into one transaction, each in a
savepoint: one fsync for all of them, and a failing call rolls back alone. Nothing returns before COMMIT. On PostgreSQL
each call is its own transaction. Engine and thread are made when first used in a process: gunicorn forks.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import pysqlite3.dbapi2
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.orm import Session

from server.db.faults import Again, first_of, translated
from server.errors import Maintenance

T = TypeVar("T")

MINIMUM_SQLITE: Final = (3, 51, 3)
"""Older ones can lose committed writes in WAL mode with two connections (https://sqlite.org/wal.html, section 11)."""
GROUP: Final = 64
BUSY_SECONDS: Final = 30
CHECKPOINT_PAGES: Final = 4000
"""16 MB of log between checkpoints: each costs two more fsyncs on the acknowledging path."""
WRITE_OPTION: Final = "passerelle_write"
ONE_SNAPSHOT: Final = "REPEATABLE READ"
"""For readers on PostgreSQL, whose default shows each statement what was committed meanwhile; SQLite has no other."""
RETRIES: Final = 5


class DatabaseUnusable(Exception):
    """The database cannot be opened safely; the message says why and what to do."""


class _Call:
    """One queued call, on a session or on the bare connection, and the promise of its result."""

    __slots__ = ("future", "is_bare", "result", "work")

    def __init__(self, work: Callable[..., Any], *, is_bare: bool) -> None:
        self.work = work
        self.is_bare = is_bare
        self.future: Future[Any] = Future()
        self.result: Any = None


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
        self._writer: threading.Thread | None = None
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._write_lock: threading.Lock | _NoLock = _NoLock()

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
        return self._submit(work, is_bare=False)

    def submit_bare(self, work: Callable[[Connection], T], *, is_one_statement: bool = False) -> T:
        """Do as `submit` does, without a session: for few statements whose time counts.

        One statement is a transaction by itself: on PostgreSQL without the journeys of BEGIN and COMMIT.
        """
        if not self.is_sqlite:
            return self._submit_alone(work, self._statement if is_one_statement else self.engine.begin)
        return self._submit(work, is_bare=True)

    def _submit(self, work: Callable[..., T], *, is_bare: bool) -> T:
        engine = self.engine
        call = _Call(work, is_bare=is_bare)
        self._calls.put(call)
        if self._writer is None:
            self._start_writer(engine)
        with translated():  # a full disk may end one call and leave the transaction of its group alone
            result: T = call.future.result()
        return result

    def dispose(self) -> None:
        """Stop the writer thread after what it has, and close all connections."""
        if self._pid != os.getpid():
            return
        if self._writer is not None:
            self._calls.put(None)
            self._writer.join()
        for engine in (self._engine, self._glancing):
            if engine is not None:
                engine.dispose()
        self._forget()

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
        self._writer = None
        self._calls = queue.SimpleQueue()
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

    def _start_writer(self, engine: Engine) -> None:
        with self._guard:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, args=(engine,), name="writer", daemon=True)
                self._writer.start()

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

    def _write(self, engine: Engine) -> None:
        """Be the writer thread: take what waits, run it, commit, and only then let the callers go on."""
        writing = _Writing(engine.execution_options(**{WRITE_OPTION: True}))
        while True:
            group, is_last = self._next_group()
            if group:
                self._commit_group(writing, group)
            if is_last:
                writing.close()
                return

    def _next_group(self) -> tuple[list[_Call], bool]:
        """Wait for one call and take those that wait behind it."""
        group: list[_Call] = []
        while len(group) < GROUP:
            try:
                call = self._calls.get(block=not group)
            except queue.Empty:
                break
            if call is None:
                return group, True
            group.append(call)
        return group, False

    def _commit_group(self, writing: "_Writing", group: list[_Call]) -> None:
        try:
            with self._write_lock, translated(self._file), writing.begin() as connection:
                for call in group:
                    (_run_bare if call.is_bare else _run_in_savepoint)(connection, call)
        except BaseException as error:  # noqa: BLE001 -- every caller must hear of it; the thread lives on
            for call in group:
                if not call.future.done():
                    call.future.set_exception(error)
            return
        for call in group:
            if not call.future.done():
                call.future.set_result(call.result)


class _Writing:
    """The connection of the writer thread: kept from one group to the next, and made anew after trouble."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a transaction that is committed when the block ends, and rolled back when it raises."""
        connection = self._connection or self._engine.connect()
        self._connection = None
        try:
            with connection.begin():
                yield connection
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()


class _NoLock:
    """PostgreSQL orders its writers itself."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def _run_in_savepoint(connection: Connection, call: _Call) -> None:
    """Run one call of a group; its own failure is its own.

    Raises:
        Exception: when the database ended the whole transaction, as SQLite does when the disk is full.
    """
    session = Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
    try:
        call.result = call.work(session)
        session.commit()  # of the savepoint
    except Exception as error:  # noqa: BLE001 -- it is the caller's, who gets it from the promise
        if not _is_in_transaction(connection):
            raise first_of(error) from None
        session.rollback()
        call.future.set_exception(error)
    session.close()


def _run_bare(connection: Connection, call: _Call) -> None:
    """Do as `_run_in_savepoint` does, on the connection itself; the savepoint's words go straight to the driver."""
    driver: Any = connection.connection.driver_connection
    driver.execute("SAVEPOINT bare")
    try:
        call.result = call.work(connection)
    except Exception as error:
        if not _is_in_transaction(connection):
            raise
        driver.execute("ROLLBACK TO bare")
        call.future.set_exception(error)
    driver.execute("RELEASE bare")


def _is_in_transaction(connection: Connection) -> bool:
    return bool(getattr(connection.connection.dbapi_connection, "in_transaction", True))


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
