"""The queue before SQLite: nobody is told before the commit, and nobody is forgotten, whoever dies."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pysqlite3.dbapi2 as sqlite
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from server.db import group_commit
from server.db.engine import Database
from server.db.prepared import driver_of
from server.errors import Maintenance


class Died(BaseException):
    """More than an error of one call."""


def put(name: str) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        connection.exec_driver_sql("INSERT INTO form (form_id, title) VALUES (?, '')", (name,))
        return name

    return work


def fail(name: str, error: BaseException) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        put(name)(connection)
        raise error

    return work


def committed(database: Database) -> set[str]:
    """Look from outside, on a connection of another program."""
    connection = sqlite.connect(database.url.removeprefix("sqlite:///"))
    try:
        return {name for (name,) in connection.execute("SELECT form_id FROM form")}
    finally:
        connection.close()


@contextmanager
def behind_one_that_waits(database: Database) -> Iterator[Callable[..., Future[str]]]:
    """Give what submits calls to the queue while one is being written; they go on when the block ends."""
    writing, may_end = threading.Event(), threading.Event()
    queue = database._queue()
    with ThreadPoolExecutor(20) as pool:
        pool.submit(database.submit_bare, lambda _: (writing.set(), may_end.wait(20)))
        assert writing.wait(10)

        def submit(work: Callable[[Connection], str]) -> Future[str]:
            before = len(queue)
            future = pool.submit(database.submit_bare, work)
            while len(queue) == before:
                pass
            return future

        yield submit
        may_end.set()


def test_no_call_goes_on_before_its_commit(sqlite_database: Database) -> None:
    def submit(number: int) -> bool:
        name = sqlite_database.submit_bare(put(str(number)))
        return name in committed(sqlite_database)

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(submit, range(150)))
    assert len(committed(sqlite_database)) == 150


def test_a_death_ends_its_group_and_the_next_in_the_queue_goes_on(sqlite_database: Database) -> None:
    with behind_one_that_waits(sqlite_database) as submit:
        first, second = submit(put("a")), submit(fail("b", Died()))
    assert isinstance(first.exception(), Died)
    assert isinstance(second.exception(), Died)
    assert committed(sqlite_database) == set()
    assert sqlite_database.submit_bare(put("c")) == "c"
    assert committed(sqlite_database) == {"c"}


def test_a_group_is_no_larger_than_it_may_be(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.db.group_commit.GROUP", 3)
    groups: list[int] = []
    queue = sqlite_database._queue()
    commit = queue._commit
    queue._commit = lambda group: (groups.append(len(group)), commit(group))[1]  # type: ignore[method-assign]
    with behind_one_that_waits(sqlite_database) as submit:
        waiting = [submit(put(str(number))) for number in range(8)]
    assert [future.result() for future in waiting] == [str(number) for number in range(8)]
    assert groups == [1, 3, 3, 2]
    assert len(queue) == 0


def test_a_database_that_cannot_be_written_now_can_be_later(sqlite_database: Database) -> None:
    sqlite_database.submit_bare(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=50"))
    other = sqlite.connect(sqlite_database.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Maintenance):
        sqlite_database.submit_bare(put("a"))
    other.execute("ROLLBACK")
    other.close()
    assert sqlite_database.submit_bare(put("b")) == "b"
    assert committed(sqlite_database) == {"b"}


def test_what_waits_is_written_before_all_is_closed(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.db.group_commit.GROUP", 2)
    there: list[set[str]] = []
    with behind_one_that_waits(sqlite_database) as submit:
        waiting = [submit(put(str(number))) for number in range(7)]
        queue = sqlite_database._queue()
        closing = threading.Thread(target=lambda: (sqlite_database.dispose(), there.append(committed(sqlite_database))))
        closing.start()
        while len(queue) < 9:
            pass
    closing.join()
    assert {future.result() for future in waiting} == there[0]
    assert queue._kept is None


def test_a_call_that_fails_before_it_has_read_all_holds_up_nobody(sqlite_database: Database) -> None:
    """An open read on the kept connection would be of an old moment as soon as another connection commits."""
    held: list[Exception] = []

    def read_a_little(connection: Connection) -> None:
        rows = driver_of(connection).execute("SELECT form_id FROM form")
        rows.fetchone()
        raise KeyError

    for name in "abc":
        sqlite_database.submit_bare(put(name))
    try:
        sqlite_database.submit_bare(read_a_little)
    except KeyError as error:
        held.append(error)  # as whoever logs it might
    with sqlite_database.transaction() as session:
        put("d")(session.connection())
    assert sqlite_database.submit_bare(put("e")) == "e"
    assert committed(sqlite_database) == set("abcde")


def test_who_is_interrupted_while_waiting_leaves_the_queue_to_the_others(sqlite_database: Database) -> None:
    queue = sqlite_database._queue()
    interrupted = group_commit._Call(put("never"), is_bare=True)

    class Interrupting:
        """The main thread's wait, into which Ctrl-C comes once it is first."""

        def acquire(self) -> None:
            turn.acquire()
            raise KeyboardInterrupt

        def release(self) -> None:
            turn.release()

    turn, interrupted.turn = interrupted.turn, Interrupting()  # type: ignore[assignment]
    with ThreadPoolExecutor(1) as pool, behind_one_that_waits(sqlite_database) as submit:
        with queue._guard:
            queue._waiting.append(interrupted)
        left = pool.submit(queue._wait, interrupted)
        last = submit(put("last"))
        # The others come to an end only if somebody goes first after it.
    assert isinstance(left.exception(), KeyboardInterrupt)
    assert last.result(10) == "last"
    assert committed(sqlite_database) == {"last"}


FATES = st.sampled_from(["stored", "refused", "dies"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(fates=st.lists(st.tuples(FATES, st.booleans()), max_size=16))
def test_everybody_hears_what_became_of_their_call(sqlite_database: Database, fates: list[tuple[str, bool]]) -> None:
    """`with_session` calls and bare ones share groups; who was told that it is stored finds it, and nobody else."""
    start = len(committed(sqlite_database))

    def submit(number: int, fate: str, *, with_session: bool) -> str:
        name = f"{start}-{number}"
        work = put(name)
        if fate != "stored":
            work = fail(name, KeyError(name) if fate == "refused" else Died())
        try:
            if with_session:
                return sqlite_database.submit(lambda session: work(session.connection()))
            return sqlite_database.submit_bare(work)
        except KeyError:
            assert fate == "refused"
        except Died:
            pass  # its own, or that of its group
        return ""

    with ThreadPoolExecutor(16) as pool:
        told = [
            pool.submit(submit, number, fate, with_session=with_session)
            for number, (fate, with_session) in enumerate(fates)
        ]
        stored = {future.result() for future in told} - {""}
    there = {name for name in committed(sqlite_database) if name.startswith(f"{start}-")}
    assert there == stored
    if not any(fate == "dies" for fate, _ in fates):
        assert len(stored) == sum(fate == "stored" for fate, _ in fates)
    assert len(sqlite_database._queue()) == 0
