"""Group commit for SQLite: whoever is first in the queue writes for all that wait behind it.

A call that finds the queue empty runs at once, in its own thread. The others wait; when the first has committed, those
of its group have their results, and the next in the queue goes first. So there is one fsync for all that came in the
meantime, no thread that everything has to pass through, and no call goes on before its COMMIT. LevelDB's writers queue
like this.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from pathlib import Path
from traceback import clear_frames
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from server.db.faults import first_of, translated
from server.db.prepared import driver_of

T = TypeVar("T")

GROUP: Final = 64


class _Call:
    """One call, on a session or on the bare connection, and what became of it."""

    __slots__ = ("error", "is_bare", "is_done", "is_taken", "result", "turn", "work")

    def __init__(self, work: Callable[..., Any], *, is_bare: bool) -> None:
        self.work = work
        self.is_bare = is_bare
        self.is_taken = False
        self.is_done = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.turn = threading.Lock()  # held until the call is done, or first
        self.turn.acquire()


class GroupCommit:
    """The queue of what is to be written to one SQLite database, for all threads of a process."""

    def __init__(self, engine: Engine, write_lock: AbstractContextManager[object], file: Path | None) -> None:
        """Take an engine whose transactions begin as writers, and the lock under which this process writes.

        A disk that fails while `file` is written ends the process.
        """
        self._engine = engine
        self._write_lock = write_lock
        self._file = file
        self._waiting: deque[_Call] = deque()
        self._guard = threading.Lock()
        self._kept: Connection | None = None

    def __len__(self) -> int:
        """How many calls are in the queue, those that are being written among them."""
        return len(self._waiting)

    def run(self, work: Callable[..., T], *, is_bare: bool) -> T:
        """Run a call in a transaction, with others that wait; return its result after COMMIT.

        Args:
            is_bare: the call takes a `Connection`; else a `Session`.

        Raises:
            Maintenance, StorageFull: when the commit fails; nothing of the call is stored.
            Exception: whatever the call raises; it alone is rolled back.
        """
        call = _Call(work, is_bare=is_bare)
        with self._guard:
            self._waiting.append(call)
            is_first = len(self._waiting) == 1
        if not is_first:
            self._wait(call)
        if not call.is_done:
            self._lead()
        error, call.error = call.error, None
        if error is not None:
            try:
                with translated():  # a full disk may end one call and leave the transaction of its group alone
                    raise error
            finally:
                del error  # it names this frame, and the frame would name it
        result: T = call.result
        return result

    def close(self) -> None:
        """Give the connection back, after all that waits."""
        if self._waiting:
            with suppress(Exception):
                self.run(lambda _: None, is_bare=True)
        with self._write_lock:
            if self._kept is not None:
                self._kept.close()
            self._kept = None

    def _wait(self, call: _Call) -> None:
        """Wait until a call is done, or first; who is interrupted meanwhile leaves the queue to the others."""
        try:
            call.turn.acquire()
        except BaseException:
            with self._guard:
                if not call.is_taken:
                    was_first = self._waiting[0] is call
                    self._waiting.remove(call)
                    if was_first and self._waiting:
                        self._waiting[0].turn.release()
            raise

    def _lead(self) -> None:
        """Write the first of the queue and what waits behind it, and wake whoever waits for that."""
        with self._guard:
            group = list(islice(self._waiting, GROUP))
            for call in group:
                call.is_taken = True
        try:
            self._commit(group)
        finally:
            with self._guard:
                for _ in group:
                    self._waiting.popleft()
                following = self._waiting[0] if self._waiting else None
            for call in group:
                call.is_done = True
                call.turn.release()
            if following is not None:
                following.turn.release()

    def _commit(self, group: list[_Call]) -> None:
        try:
            with self._write_lock, translated(self._file), self._transaction() as connection:
                for call in group:
                    (_run_bare if call.is_bare else _run_in_savepoint)(connection, call)
        except BaseException as error:  # noqa: BLE001 -- every caller must hear of it
            for call in group:
                call.error = call.error or error

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Open a transaction on a connection that is kept from one group to the next, and made anew after trouble."""
        connection, self._kept = self._kept or self._engine.connect(), None
        try:
            with connection.begin():
                yield connection
        except BaseException:
            connection.close()
            raise
        self._kept = connection


def _run_in_savepoint(connection: Connection, call: _Call) -> None:
    """Run one call of a group; its own failure is its own.

    The frames of one that failed are cleared: a cursor that it did not read to its end would hold a read open on the
    kept connection, and SQLite lets nobody write who reads what is no longer the newest.

    Raises:
        Exception: when the database ended the whole transaction, as SQLite does when the disk is full.
    """
    session = Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
    try:
        call.result = call.work(session)
        session.commit()  # of the savepoint
    except Exception as error:  # noqa: BLE001 -- it is the caller's, who gets it
        if not _is_in_transaction(connection):
            raise first_of(error) from None
        clear_frames(error.__traceback__)
        session.rollback()
        call.error = error
    session.close()


def _run_bare(connection: Connection, call: _Call) -> None:
    """Do as `_run_in_savepoint` does, on the connection itself; the savepoint's words go straight to the driver."""
    driver = driver_of(connection)
    driver.execute("SAVEPOINT bare")
    try:
        call.result = call.work(connection)
    except Exception as error:
        if not _is_in_transaction(connection):
            raise
        clear_frames(error.__traceback__)
        driver.execute("ROLLBACK TO bare")
        call.error = error
    driver.execute("RELEASE bare")


def _is_in_transaction(connection: Connection) -> bool:
    return bool(getattr(connection.connection.dbapi_connection, "in_transaction", True))
