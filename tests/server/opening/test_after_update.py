"""What a former release opened: after an update its media and entities come by themselves."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import column, func, inspect, select
from sqlalchemy import table as bare_table

from server.context import Context
from server.db.engine import Database
from server.db.queries import schedule
from server.db.tables import Base, Entity, WantedMedium
from server.folding import after_update, media
from server.jobs import scheduled
from server.microdata import Microdata
from server.migrations import upgrade
from server.services import rebuild, verify_store
from tests.office import NOW
from tests.server.entities.kit import REGISTER, registered, shown
from tests.server.entities.kit import publish as publish_forms
from tests.server.opening.doorway import Door, Photos, photo_form
from tests.server.opening.kit import open_all, publish_xform, raw_id, worker

JOB = tuple(job for job in scheduled.JOBS if job.name == schedule.AFTER_UPDATE)
LATER = datetime.now(UTC) + timedelta(hours=1)


def updated(sqlite_context: Context, database: Database) -> Context:
    """Return an instance whose database a former release filled, and this one has brought to its schema."""
    upgrade(database, to="0003")
    with sqlite_context.database.read() as session, database.transaction() as former:
        there = inspect(former.connection())
        for table in Base.metadata.sorted_tables:
            if table.name in there.get_table_names():
                known = [table.c[one["name"]] for one in there.get_columns(table.name)]
                bare = bare_table(
                    table.name, *(column(one.name, one.type) for one in known)
                )  # without today's defaults
                former.execute(bare.delete())
                for row in session.execute(select(*known)).mappings():
                    former.execute(bare.insert().values(**row))
                number = table.autoincrement_column
                if not database.is_sqlite and number is not None and number.name in bare.c:
                    of = func.pg_get_serial_sequence(f'"{table.name}"', number.name)
                    former.execute(select(func.setval(of, select(func.max(number)).scalar_subquery())))
    upgrade(database)
    microdata = Microdata(sqlite_context.config.microdata_dir, sqlite_context.keystore, database)
    keystore, config = sqlite_context.keystore, sqlite_context.config
    return Context(config=config, database=database, keystore=keystore, microdata=microdata)


@pytest.fixture
def other_database(empty_database: Database, tmp_path: Path) -> Iterator[Database]:
    """A database without tables beside that of the office: on SQLite another file."""
    made = Database(f"sqlite:///{tmp_path / 'updated.db'}") if empty_database.is_sqlite else empty_database
    yield made
    made.dispose()


@pytest.fixture
def context(sqlite_context: Context, other_database: Database) -> Context:
    """After the update: interviews with photos of which none has come, an edit among them, and a register."""
    publish_xform(sqlite_context, photo_form())
    publish_forms(sqlite_context, REGISTER)
    door = Door(sqlite_context)
    for number in range(1, 6):
        door.post(Photos(number=number, house=f"{number}.jpg", voices=("voice.m4a",)).xml())
        door.post(registered(number))
    door.post(Photos(number=9, house="1.jpg", edits=1).xml())
    open_all(sqlite_context)
    return updated(sqlite_context, other_database)


def verified(context: Context) -> verify_store.VerifyReport:
    return verify_store.verify(
        context.database, keystore=context.keystore, microdata=context.microdata, blobs=context.blobs
    )


def counts(context: Context) -> tuple[int, int]:
    with context.database.read() as session:
        tables = (WantedMedium, Entity)
        wanted, entities = (session.scalar(select(func.count()).select_from(table)) for table in tables)
    return wanted or 0, entities or 0


def catch_up(context: Context) -> tuple[str, ...]:
    return scheduled.run_due(context, holder="one", clock=lambda: LATER, jobs=JOB)


def test_the_worker_derives_media_and_entities_of_former_interviews_once(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(after_update, "SLICE", 4)
    assert counts(context) == (0, 0)
    report = verified(context)
    assert report.is_sound
    assert "interviews from before the update are not compared" in str(report)
    scheduled.prepare(context, now=NOW)
    assert catch_up(context) == (schedule.AFTER_UPDATE,)
    assert counts(context) == (11, 5)
    with context.database.read() as session:
        assert media.missing_names(session, raw_id(2), keystore=context.keystore) == ("2.jpg", "voice.m4a")
    assert len(shown(context)) == 5
    worker(context).run_until_idle()
    report = verified(context)
    assert report.is_sound, report
    assert "update" not in str(report)
    assert catch_up(context) == ()
    scheduled.prepare(context, now=NOW)
    assert catch_up(context) == ()


def test_a_photo_that_comes_after_the_update_ends_what_is_missing_in_either_order(context: Context) -> None:
    door = Door(context, name="another")
    door.post(Photos(number=1, house="1.jpg", voices=("voice.m4a",)).xml(), {"1.jpg": b"house"})
    open_all(context)
    assert catch_up(context)
    door.post(Photos(number=2, house="2.jpg", voices=("voice.m4a",)).xml(), {"2.jpg": b"house"})
    open_all(context)
    with context.database.read() as session:
        named = [media.missing_names(session, raw_id(number), keystore=context.keystore) for number in (1, 2, 9)]
    assert named == [("voice.m4a",), ("voice.m4a",), ()]
    assert verified(context).is_sound


def test_who_was_killed_while_deriving_begins_anew(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(after_update, "SLICE", 3)
    real, left = media.settle, [2]

    def dying(*rest: object, **named: object) -> None:
        left[0] -= 1
        if not left[0]:
            raise MemoryError
        real(*rest, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(media, "settle", dying)
        assert catch_up(context) == ()
    assert 0 < counts(context)[0] < 11
    with context.database.transaction() as session:
        schedule.make_due(session, name=schedule.AFTER_UPDATE, now=NOW)
    assert catch_up(context)
    assert counts(context) == (11, 5)
    assert verified(context).is_sound


def test_a_rebuild_after_an_update_says_that_it_was_due_and_frightens_nobody(context: Context) -> None:
    def rebuilt() -> rebuild.RebuildReport:
        return rebuild.rebuild(
            database=context.database,
            keystore=context.keystore,
            microdata=context.microdata,
            now=NOW,
            blobs=context.blobs,
        )

    report = rebuilt()
    assert (report.was_due, report.is_same) == (True, False)
    assert "from before the update are there now" in str(report)
    assert counts(context) == (11, 5)
    assert catch_up(context) == ()
    assert verified(context).is_sound
    again = rebuilt()
    assert (again.was_due, again.is_same) == (False, True)


def test_without_the_key_it_waits(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(context.keystore, "_vault", None)
        assert catch_up(context) == ()
    with context.database.transaction() as session:
        schedule.make_due(session, name=schedule.AFTER_UPDATE, now=NOW)
    assert catch_up(context)


def test_an_update_of_a_server_that_has_opened_nothing_leaves_nothing_to_do(
    sqlite_context: Context, other_database: Database
) -> None:
    fresh = updated(sqlite_context, other_database)
    with fresh.database.read() as session:
        assert not schedule.has(session, schedule.AFTER_UPDATE)
