"""Queries that run again and again touch what is to be done, however much has been done already."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from server.db.engine import Database
from server.db.queries import (
    attachments,
    checks,
    erasures,
    handovers,
    holders,
    intake,
    intake_rows,
    opening,
    reopening,
    uploads,
    watch,
)
from server.db.queries.intake import Wish
from server.db.queries.pull import ENTITIES, Place
from server.db.scope import EVERYTHING
from tests.office import NOW

PLACE = Place(7, ENTITIES, b"k" * 24)
Query = Callable[[Session], object]


@contextmanager
def _statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """Give the statements that are executed meanwhile, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)


def _plans(database: Database, query: Query) -> list[str]:
    with database.transaction() as session, _statements(database) as statements:
        query(session)
        return [
            line[3]
            for statement, parameters in list(statements)
            for line in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


@pytest.mark.parametrize(
    "query",
    [
        lambda session: opening.openable(session, limit=500, is_locked=False, is_sealed=False),
        opening.quarantined,
        lambda session: list(erasures.loose_bodies(session)),
        opening.last_decision,
        lambda session: reopening.retry_unknown_forms(session, form_id="visit", version="1"),
        reopening.retry_odk_keys,
        lambda session: reopening.retry_encrypted(session, [bytes(16)]),
        lambda session: checks.pending_ids(session, bytes(32), limit=1000),
        lambda session: checks.count_pending(session, bytes(32)),
        lambda session: uploads.unsettled(session, limit=500),
        lambda session: uploads.stale(session, before=NOW),
        lambda session: uploads.find(session.connection(), bytes(32), carrier="d"),
        lambda session: uploads.settled(session, [bytes(32)]),
        lambda session: attachments.attachments_of(session, [bytes(16)]),
        lambda session: handovers.returned_since(session, project_id=1, enumerator="1", after=PLACE, limit=9),
        lambda session: holders.held_since(session, 1, own=bytes(32), former=[b"f" * 32], after=PLACE, limit=9),
    ],
    ids=lambda query: getattr(query, "__name__", "query"),
)
def test_what_is_to_be_done_is_found_by_an_index(sqlite_database: Database, query: Query) -> None:
    plans = _plans(sqlite_database, query)
    assert plans
    scans = [line for line in plans if line.startswith("SCAN") and "USING" not in line]
    assert not scans


@pytest.mark.parametrize(
    "query",
    [
        lambda session: intake_rows.media_counts(session, [bytes(16)]),
        lambda session: intake.page(session, EVERYTHING, Wish(state=intake.MEDIA), limit=9),
    ],
    ids=["some", "page"],
)
def test_media_that_are_missing_are_found_by_the_index_of_those(sqlite_database: Database, query: Query) -> None:
    assert any("ix_wanted_medium_missing" in line for line in _plans(sqlite_database, query))


def test_the_bytes_of_media_are_counted_by_an_index(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session, _statements(sqlite_database) as statements:
        watch.figures(session, now=NOW)
        plans = [
            line[3]
            for statement, parameters in list(statements)
            if "FROM upload" in statement and "attachment" in statement
            for line in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert any("attachment" in line and line.startswith("SEARCH") for line in plans)
