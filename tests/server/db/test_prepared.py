"""Statements that go to SQLite's driver as they are give what SQLAlchemy gives, on both databases."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, LargeBinary, bindparam, func, literal_column, select, update
from sqlalchemy.exc import StatementError

from server.db.engine import Database
from server.db.prepared import Prepared
from server.db.queries import devices
from server.db.queries.devices import StoredDevice
from server.db.tables import Device
from tests.office import NOW

DEVICE = Device.__table__.c
FIND = select(DEVICE.receiving_key, DEVICE.last_seen_at, DEVICE.backlog, DEVICE.revoked_at, DEVICE.counter).where(
    DEVICE.device_id == bindparam("of")
)
CHANGE = (
    update(Device.__table__)  # type: ignore[arg-type]
    .where(DEVICE.device_id == bindparam("of"))
    .values(
        last_seen_at=bindparam("seen"),
        backlog=bindparam("said"),
        counter=DEVICE.counter + bindparam("more") + 1,
        receiving_key=func.coalesce(bindparam("key", type_=LargeBinary), DEVICE.receiving_key),
    )
    .returning(DEVICE.receiving_key, DEVICE.last_seen_at, DEVICE.backlog, DEVICE.counter)
)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=ZONES)  # noqa: DTZ001 -- the zone is drawn


def add_device(database: Database, name: str) -> None:
    digest = name.encode().ljust(32, b"-")
    with database.transaction() as session:
        devices.keep_certificate(session, certificate_hash=digest, document=b"{}", device_id=name, now=NOW)
        devices.add_device(
            session,
            StoredDevice(
                device_id=name,
                certificate_hash=digest,
                signing_key=digest,
                receiving_key=b"old" + bytes(29),
                enumerator="0001",
                team="01",
                role="enumerator",
                counter=4,
                enrolled_at=NOW,
                revoked_at=None,
                last_seen_at=None,
            ),
        )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(
    seen=MOMENTS,
    said=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40),
    more=st.integers(0, 10**9),
    key=st.none() | st.binary(min_size=32, max_size=32),
)
def test_it_writes_and_reads_as_sqlalchemy_does(
    database: Database, seen: datetime, said: str, more: int, key: bytes | None
) -> None:
    with database.read() as session:
        is_there = Prepared(FIND).first(session, {"of": "one"}) is not None
    if not is_there:
        add_device(database, "one")
        add_device(database, "two")
    values = {"of": "one", "seen": seen, "said": said, "more": more, "key": key}
    with database.engine.connect() as connection, connection.begin() as begun:
        changed = Prepared(CHANGE).first(connection, values)
        found = Prepared(FIND).first(connection, {"of": "one"})
        assert found == tuple(connection.execute(FIND, {"of": "one"}).one())
        other = connection.execute(CHANGE, values | {"of": "two"}).one()
        begun.rollback()
    assert changed == tuple(other)
    assert changed is not None
    assert changed[1] == seen
    assert changed[1].tzinfo is UTC or changed[1].utcoffset() == timedelta(0)


def test_nothing_is_written_outside_of_a_transaction(sqlite_database: Database) -> None:
    add_device(sqlite_database, "one")
    values = {"of": "one", "seen": NOW, "said": "", "more": 0, "key": None}
    with sqlite_database.engine.connect() as connection, pytest.raises(RuntimeError, match="transaction"):
        Prepared(CHANGE).first(connection, values)

    def look(connection: Connection) -> None:
        connection.execute(FIND, {"of": "one"}).all()
        Prepared(CHANGE).first(connection, values)

    with pytest.raises(RuntimeError, match="transaction"):
        sqlite_database.glance(look)


def test_a_row_that_is_not_there_is_none_and_a_moment_without_a_zone_is_refused(database: Database) -> None:
    add_device(database, "one")
    with database.read() as session:
        assert Prepared(FIND).first(session, {"of": "nobody"}) is None
        assert Prepared(select(literal_column("1"))).first(session) == (1,)
    naive = {"of": "one", "seen": datetime(2026, 1, 1), "said": "", "more": 0, "key": None}  # noqa: DTZ001 -- the point
    with pytest.raises((ValueError, StatementError), match="time zone"), database.transaction() as session:
        Prepared(CHANGE).first(session, naive)
