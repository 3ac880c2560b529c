"""How the files of entity lists are made: nobody waits, nothing older replaces them, one list stops no other."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from server.context import Context
from server.db.queries import entity_lists
from server.db.tables import Entity
from server.folding import entity_files
from server.folding.entity_files import EntityFiles
from server.services import change_entities
from tests.office import NOW
from tests.server.entities.kit import MEMBERS, REGISTER, entity_id, list_id, publish, registered
from tests.server.entities.test_folding import office
from tests.server.opening.doorway import Door
from tests.server.opening.kit import open_all


@pytest.fixture(autouse=True)
def lists(context: Context) -> None:
    """Two lists whose files are made."""
    publish(context, REGISTER, MEMBERS)
    open_all(context)
    add(context, 1)


def add(context: Context, number: int, name: str = "households") -> None:
    """Put an entity into a list, whose files are behind then."""
    content = f"name,label\n{entity_id(number)},House {number}\n".encode()
    with context.database.transaction() as session:
        change_entities.import_file(session, list_id(context, name), content, office=office(context))


def files(context: Context) -> EntityFiles:
    return EntityFiles(context.database, context.keystore)


def stored(context: Context, name: str = "households") -> tuple[int, bool]:
    """Return how many entities the file of a list has, and whether it is behind."""
    number = list_id(context, name)
    with context.database.read() as session:
        snapshot = entity_lists.snapshot(session, number)
        stale = entity_lists.stale_lists(session)
    assert snapshot is not None
    return snapshot.rows, number in {one.list_id for one in stale}


def meanwhile(monkeypatch: pytest.MonkeyPatch, doing: Callable[[], object]) -> list[int]:
    """Do something once, in the midst of making files; return how often files are made."""
    real, made = entity_files.entity_csv, list[int]()

    def making(properties: Any, rows: Any) -> bytes:
        made.append(len(rows))
        if len(made) == 1:
            doing()
        return real(properties, rows)

    monkeypatch.setattr(entity_files, "entity_csv", making)
    return made


def test_a_submission_that_comes_while_files_are_made_does_not_wait(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    door, waited = Door(context), list[bool]()

    def post() -> None:
        sending = threading.Thread(target=door.post, args=(registered(5),))
        sending.start()
        sending.join(timeout=5)
        waited.append(sending.is_alive())

    meanwhile(monkeypatch, post)
    files(context).make_stale(NOW)
    assert waited == [False]
    assert stored(context) == (1, False)


def test_what_changes_while_files_are_made_is_in_the_next_ones(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = meanwhile(monkeypatch, lambda: add(context, 2))
    files(context).make_stale(NOW)
    assert stored(context) == (1, True)
    files(context).make_stale(NOW)
    assert stored(context) == (2, False)
    assert made == [1, 2]


def test_files_that_took_longer_do_not_replace_newer_ones(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def another_worker() -> None:
        add(context, 2)
        files(context).make_stale(NOW)

    made = meanwhile(monkeypatch, another_worker)
    files(context).make_stale(NOW)
    assert made == [1, 2]
    assert stored(context) == (2, False)


def test_a_list_that_cannot_be_read_leaves_the_others_their_files_and_is_not_tried_for_ever(
    context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add(context, 7, "persons")
    with context.database.transaction() as session:
        session.execute(update(Entity).where(Entity.list_id == list_id(context)).values(sealed=b"altered"))
    one = files(context)
    one.make_stale(NOW)
    assert stored(context, "persons") == (1, False)
    assert stored(context) == (0, True)
    assert caplog.text.count("cannot be made: KeyStoreError") == 1
    one.make_stale(NOW)
    assert caplog.text.count("cannot be made") == 1
    with context.database.transaction() as session:
        entity_lists.mark_stale(session, [list_id(context)])
    one.make_stale(NOW)
    assert caplog.text.count("cannot be made") == 2


def test_after_a_long_making_there_is_a_rest_ten_times_as_long(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        at = 100.0

        def monotonic(self) -> float:
            return self.at

    clock = Clock()
    monkeypatch.setattr(entity_files, "time", clock)

    def wait() -> None:
        clock.at += 2

    made = meanwhile(monkeypatch, wait)
    one = files(context)
    one.make_rested(NOW)
    add(context, 2)
    for seconds, makings in ((19, 1), (1, 2)):
        clock.at += seconds
        one.make_rested(NOW)
        assert len(made) == makings
