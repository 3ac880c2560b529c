"""The migrations make what the models say, on both databases."""

import pytest
from sqlalchemy import text

from server.db.engine import Database
from server.db.queries import feed
from server.migrations import differences, upgrade


def test_the_newest_schema_equals_the_models(empty_database: Database) -> None:
    upgrade(empty_database)
    assert differences(empty_database) == []


def test_a_difference_would_be_seen(empty_database: Database) -> None:
    upgrade(empty_database)
    with empty_database.transaction() as session:
        session.execute(text("DROP TABLE audit"))
    assert differences(empty_database) != []


def test_upgrading_again_changes_nothing(empty_database: Database) -> None:
    upgrade(empty_database)
    with empty_database.read() as session:
        before = feed.head(session)
    upgrade(empty_database)
    with empty_database.read() as session:
        assert feed.head(session) == before


def test_a_failed_upgrade_leaves_no_table(empty_database: Database) -> None:
    with empty_database.transaction() as session:
        session.execute(text("CREATE TABLE release (something int)"))
    with pytest.raises(Exception, match="release"):
        upgrade(empty_database)
    with empty_database.transaction() as session:
        session.execute(text("CREATE TABLE form (is_still_free int)"))
