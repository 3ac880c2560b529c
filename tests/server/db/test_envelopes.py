"""The acknowledging path: what is stored reads back the same, and every envelope is named by one number."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import DataError

from server.db.engine import Database
from server.db.queries import envelopes
from server.db.queries.envelopes import NewEnvelope
from server.db.tables import Envelope
from tests.office import NOW, envelope


@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_the_moment_of_arrival_reads_back_the_same(database: Database, microsecond: int) -> None:
    moment = datetime(2026, 11, 24, 4, 5, 6, microsecond, tzinfo=timezone(timedelta(hours=5)))
    with database.transaction() as session:
        envelopes.store(session, [NewEnvelope.read(envelope(1))], carrier="d", received_at=moment)
    with database.read() as session:
        found = session.scalars(select(Envelope)).one()
        assert found.received_at == moment
        assert found.received_at.tzinfo is UTC
        earlier = select(Envelope.sequence).where(Envelope.received_at < moment)
        later = select(Envelope.sequence).where(Envelope.received_at <= moment)
        assert (session.scalars(earlier).all(), session.scalars(later).all()) == ([], [found.sequence])


def test_every_column_reads_back_as_it_was_shown(database: Database) -> None:
    new = NewEnvelope.read(envelope(7))
    with database.transaction() as session:
        kept = envelopes.store(session, [new], carrier="device", received_at=NOW)
    with database.read() as session:
        found = session.scalars(select(Envelope)).one()
        session.expunge(found)
    assert kept[new.envelope_id].sequence == found.sequence
    for name in ("envelope_id", "kind", "body", "epoch_hash", "instance_id", "certificate_hash", "form_version_hash"):
        assert getattr(found, name) == getattr(new, name)
    assert (found.carrier, found.state, found.reason, found.door_tag) == ("device", "received", None, None)


def test_many_at_once_are_numbered_in_their_order_and_keep_what_only_some_have(database: Database) -> None:
    """More than go into one statement on SQLite; on PostgreSQL each column is an array, with holes."""
    some = {"reason": "após, 'após', {\"x\\\\\"}", "form_named": "a,b 1", "door_tag": b"\\x'{,}\x00".ljust(32, b"\xff")}
    new = [NewEnvelope.read(envelope(number)) for number in range(101)]
    new[50] = replace(new[50], state="quarantined", app_user_id=7, blob_sha256=b"s" * 32, **some)
    with database.transaction() as session:
        kept = envelopes.store(session, new, carrier="device", received_at=NOW)
    with database.read() as session:
        found = list(session.scalars(select(Envelope).order_by(Envelope.sequence)))
        assert [row.envelope_id for row in found] == [one.envelope_id for one in new]
        assert [row.sequence for row in found] == [kept[one.envelope_id].sequence for one in new]
        for row, one in zip(found, new, strict=True):
            assert all(getattr(row, name) == getattr(one, name) for name in NewEnvelope.__slots__)


@pytest.mark.postgresql
def test_a_text_that_is_too_long_is_refused_and_not_cut(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has no longest text")
    with pytest.raises(DataError), database.transaction() as session:
        envelopes.store(session, [NewEnvelope.read(envelope(1))], carrier="d" * 65, received_at=NOW)


@given(batches=st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=8))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_envelope_is_new_once_and_keeps_its_number_for_ever(database: Database, batches: list[list[int]]) -> None:
    with database.read() as session:
        start = {
            row.envelope_id: row.sequence for row in session.execute(select(Envelope.envelope_id, Envelope.sequence))
        }
    numbers = dict(start)
    for batch in batches:
        new = [NewEnvelope.read(envelope(number)) for number in batch]
        with database.transaction() as session:
            kept = envelopes.store(session, new, carrier="d", received_at=NOW)
        assert set(kept) == {one.envelope_id for one in new}
        for envelope_id, one in kept.items():
            assert one.is_new == (envelope_id not in numbers)
            assert numbers.setdefault(envelope_id, one.sequence) == one.sequence
    assert len(set(numbers.values())) == len(numbers)


def test_a_number_that_was_given_is_never_given_again(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session:
        first = envelopes.store(session, [NewEnvelope.read(envelope(1))], carrier="d", received_at=NOW)
        session.query(Envelope).delete()
    with sqlite_database.transaction() as session:
        second = envelopes.store(session, [NewEnvelope.read(envelope(2))], carrier="d", received_at=NOW)
    assert next(iter(second.values())).sequence > next(iter(first.values())).sequence


@given(prefixes=st.lists(st.integers(0, 40), max_size=150))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_prefixes_find_what_is_there_and_nothing_else(sqlite_database: Database, prefixes: list[int]) -> None:
    new = [NewEnvelope.read(envelope(number)) for number in range(41)]
    with sqlite_database.transaction() as session:
        kept = envelopes.store(session, new[:20], carrier="d", received_at=NOW)
    with sqlite_database.read() as session:
        found = envelopes.sequences_by_prefix(session, [new[number].envelope_id[:16] for number in prefixes])
    expected = {new[n].envelope_id[:16]: kept[new[n].envelope_id].sequence for n in prefixes if n < 20}
    assert {prefix: recalled.sequence for prefix, recalled in found.items()} == expected
    assert not any(recalled.is_erased for recalled in found.values())
