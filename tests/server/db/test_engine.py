"""One place commits: what is acknowledged together, what fails alone, and what the database refuses."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pysqlite3.dbapi2
import pytest
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from server.db.engine import Database, DatabaseUnusable
from server.db.tables import Audit, Form
from server.errors import StorageFull


def add_form(name: str) -> Callable[[Session], str]:
    def work(session: Session) -> str:
        session.add(Form(form_id=name, title=name))
        session.flush()
        return name

    return work


def names(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(Form.form_id)))


def test_of_what_is_deleted_on_sqlite_nothing_stays_in_the_file(sqlite_database: Database, tmp_path: Path) -> None:
    canary = "canary-that-was-deleted-" * 200
    with sqlite_database.transaction() as session:
        session.add(Form(form_id="deleted", title=canary))
    with sqlite_database.transaction() as session:
        session.execute(text("DELETE FROM form WHERE form_id = 'deleted'"))
    with sqlite_database.read() as session:
        session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    sqlite_database.dispose()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("passerelle.db*"))
    assert b"SQLite format" in content
    assert b"canary-that-was" not in content


def test_a_block_that_raises_stores_nothing(database: Database) -> None:
    with pytest.raises(KeyError), database.transaction() as session:
        add_form("one")(session)
        raise KeyError
    assert names(database) == set()


def test_a_reader_changes_nothing(database: Database) -> None:
    with database.read() as session:
        add_form("one")(session)
    assert names(database) == set()


def test_a_reader_sees_one_moment_whatever_is_committed_meanwhile(database: Database) -> None:
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Form)) == 0
        database.submit(add_form("meanwhile"))
        assert session.scalar(select(func.count()).select_from(Form)) == 0
    assert names(database) == {"meanwhile"}


def test_a_failing_call_of_a_group_fails_alone(database: Database) -> None:
    outcomes: dict[int, str] = {}

    def submit(number: int) -> None:
        def work(session: Session) -> str:
            add_form(str(number))(session)
            if number % 3 == 0:
                raise ValueError(number)
            return str(number)

        try:
            outcomes[number] = database.submit(work)
        except ValueError:
            outcomes[number] = "failed"

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(database) == {str(number) for number in range(40) if number % 3}
    assert outcomes == {number: str(number) if number % 3 else "failed" for number in range(40)}


def test_a_flush_that_breaks_a_constraint_rolls_back_only_its_own_call(database: Database) -> None:
    database.submit(add_form("one"))
    with pytest.raises(IntegrityError):
        database.submit(add_form("one"))
    database.submit(add_form("two"))
    assert names(database) == {"one", "two"}


def test_calls_that_wait_share_one_transaction(sqlite_database: Database) -> None:
    is_running, may_end = threading.Event(), threading.Event()
    ids: list[int] = []

    def hold(session: Session) -> None:
        is_running.set()
        may_end.wait(10)

    def note(session: Session) -> None:
        ids.append(session.connection().connection.dbapi_connection.total_changes)  # type: ignore[union-attr]
        session.add(Form(form_id=str(len(ids)), title=""))

    first = threading.Thread(target=sqlite_database.submit, args=(hold,))
    first.start()
    assert is_running.wait(10)
    waiting = [threading.Thread(target=sqlite_database.submit, args=(note,)) for _ in range(5)]
    for thread in waiting:
        thread.start()
    while len(sqlite_database._queue()) < 1 + len(waiting):
        pass
    groups: list[int] = []
    queue = sqlite_database._queue()
    commit = queue._commit
    queue._commit = lambda group: (groups.append(len(group)), commit(group))[1]  # type: ignore[method-assign]
    may_end.set()
    for thread in [first, *waiting]:
        thread.join()
    assert groups == [5]
    assert len(names(sqlite_database)) == 5


def test_a_failing_commit_fails_every_call_of_its_group(sqlite_database: Database) -> None:
    sqlite_database.submit(add_form("before"))

    def break_deferred_constraint(session: Session) -> None:
        session.execute(text("PRAGMA defer_foreign_keys=ON"))
        session.execute(
            text("INSERT INTO api_token (token_hash, user_id, created_at) VALUES (x'00', 77, '2026-01-01')")
        )

    errors: list[Exception] = []

    def submit(work: Callable[[Session], object]) -> None:
        try:
            sqlite_database.submit(work)
        except Exception as error:  # noqa: BLE001 -- what it is, is the point
            errors.append(error)

    hold, may_end = threading.Event(), threading.Event()
    threads = [threading.Thread(target=submit, args=(lambda _: (hold.set(), may_end.wait(10)),))]
    threads[0].start()
    assert hold.wait(10)
    threads += [threading.Thread(target=submit, args=(work,)) for work in (add_form("a"), break_deferred_constraint)]
    for thread in threads[1:]:
        thread.start()
    while len(sqlite_database._queue()) < 3:
        pass
    may_end.set()
    for thread in threads:
        thread.join()
    assert len(errors) == 2
    assert names(sqlite_database) == {"before"}
    sqlite_database.submit(add_form("after"))
    assert names(sqlite_database) == {"before", "after"}


def test_bare_calls_and_calls_with_a_session_share_a_commit_and_fail_alone(sqlite_database: Database) -> None:
    def add_bare(name: str, *, is_broken: bool = False) -> Callable[[Connection], str]:
        def work(connection: Connection) -> str:
            connection.exec_driver_sql("INSERT INTO form (form_id, title) VALUES (?, ?)", (name, name))
            if is_broken:
                raise KeyError(name)
            return name

        return work

    groups: list[int] = []
    queue = sqlite_database._queue()
    commit = queue._commit
    queue._commit = lambda group: (groups.append(len(group)), commit(group))[1]  # type: ignore[method-assign]
    hold, may_end = threading.Event(), threading.Event()
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(sqlite_database.submit_bare, lambda _: (hold.set(), may_end.wait(10)))
        assert hold.wait(10)
        waiting = [
            pool.submit(sqlite_database.submit_bare, add_bare("a")),
            pool.submit(sqlite_database.submit_bare, add_bare("b", is_broken=True)),
            pool.submit(sqlite_database.submit, add_form("c")),
            pool.submit(sqlite_database.submit_bare, add_bare("c")),
        ]
        while len(sqlite_database._queue()) < 1 + len(waiting):
            pass
        may_end.set()
    assert first.exception() is None
    kinds = [type(call.exception()) for call in waiting]
    assert kinds[:2] == [type(None), KeyError]
    assert sorted(kind.__name__ for kind in kinds[2:]) == ["IntegrityError", "NoneType"]
    assert groups == [1, 4]
    assert names(sqlite_database) == {"a", "c"}


def test_a_bare_call_is_stored_or_not_as_any(database: Database) -> None:
    def work(connection: Connection) -> str:
        connection.execute(insert(Form.__table__).values(form_id="a", title="A"))  # type: ignore[arg-type]
        return "done"

    assert database.submit_bare(work) == "done"
    with pytest.raises(IntegrityError):
        database.submit_bare(work)
    assert names(database) == {"a"}


def test_a_full_disk_ends_a_bare_call_and_nothing_is_stored_half(sqlite_database: Database) -> None:
    sqlite_database.submit(add_form("one"))

    def fill(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
        for number in range(100):
            connection.execute(insert(Form.__table__).values(form_id=f"{number}-{'x' * 4000}", title=""))  # type: ignore[arg-type]

    with pytest.raises(StorageFull):
        sqlite_database.submit_bare(fill)
    assert names(sqlite_database) == {"one"}


def test_a_full_disk_is_a_problem_and_nothing_is_stored_half(sqlite_database: Database) -> None:
    sqlite_database.submit(add_form("one"))

    def fill(session: Session) -> None:
        pages = session.execute(text("PRAGMA page_count")).scalar_one()
        session.execute(text(f"PRAGMA max_page_count={pages + 2}"))
        for number in range(100):
            add_form(f"{number}-{'x' * 4000}")(session)

    with pytest.raises(StorageFull):
        sqlite_database.submit(fill)
    assert names(sqlite_database) == {"one"}


def test_sqlite_writes_ahead_and_waits_for_the_disk(sqlite_database: Database) -> None:
    with sqlite_database.read() as session:
        pragmas = {
            name: session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "temp_store")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "temp_store": 2}


@pytest.mark.postgresql
def test_postgresql_waits_for_the_disk(database: Database) -> None:
    if database.is_sqlite:
        return
    with database.read() as session:
        assert session.execute(text("SHOW synchronous_commit")).scalar_one() == "on"


def test_an_sqlite_that_can_lose_writes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pysqlite3.dbapi2, "sqlite_version_info", (3, 40, 1))
    with pytest.raises(DatabaseUnusable, match=r"3\.51\.3"):
        Database("sqlite:///nowhere.db")


def test_times_come_back_aware_and_in_utc(database: Database) -> None:
    from datetime import UTC, datetime, timedelta, timezone

    local = datetime(2026, 11, 24, 9, 30, tzinfo=timezone(timedelta(hours=5)))
    with database.transaction() as session:
        session.add(Audit(at=local, actor="a", action="b", subject="c", detail=""))
    with database.read() as session:
        stored = session.scalars(select(Audit.at)).one()
    assert stored == local
    assert stored.tzinfo is UTC


def test_a_naive_time_is_refused(sqlite_database: Database) -> None:
    from datetime import datetime

    from sqlalchemy.exc import StatementError

    with pytest.raises(StatementError, match="time zone"), sqlite_database.transaction() as session:
        session.add(Audit(at=datetime(2026, 1, 1), actor="a", action="b", subject="c"))  # noqa: DTZ001


def test_a_fork_has_its_own_connections_and_writer(sqlite_database: Database, tmp_path: Path) -> None:
    program = f"""
import os
from server.db.engine import Database
from server.db.tables import Form
database = Database({sqlite_database.url!r})
def add(name):
    database.submit(lambda session: session.add(Form(form_id=name, title="")))
add("parent")
child = os.fork()
add("child" if child == 0 else "parent again")
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
add("parent at last")
database.dispose()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, cwd=Path(__file__).parents[3])
    assert names(sqlite_database) == {"parent", "child", "parent again", "parent at last"}
    with sqlite_database.read() as session:
        assert session.scalar(select(func.count()).select_from(Form)) == 4


def test_a_glance_sees_what_is_committed(database: Database) -> None:
    def count(connection: Connection) -> int:
        return int(connection.execute(text("SELECT count(*) FROM project")).scalar_one())

    before = database.glance(count)
    with database.transaction() as session:
        session.execute(text("INSERT INTO project (name, created_at) VALUES ('Another', '2026-11-24 08:00:00')"))
    assert database.glance(count) == before + 1


@pytest.mark.postgresql
def test_a_glance_opens_a_connection_that_died_anew(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has no connection that another could end")
    number = database.glance(lambda connection: connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    with database.transaction() as session:
        session.execute(text("SELECT pg_terminate_backend(:number)"), {"number": number})
    assert database.glance(lambda connection: connection.execute(text("SELECT 1")).scalar_one()) == 1
