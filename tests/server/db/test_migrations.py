"""The migrations make what the models say, on both databases."""

import pytest
from sqlalchemy import text

from forms.package import package_hash
from server.db.engine import Database
from server.db.queries import feed, form_events, forms
from server.db.queries.forms import StoredForm
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


def test_what_the_first_release_published_reads_on(empty_database: Database) -> None:
    upgrade(empty_database, to="0001")
    rows = [("visit", "1", b"a" * 32, 3), ("visit", "2", b"b" * 32, 5), ("other", "1", b"c" * 32, 4)]
    with empty_database.transaction() as session:
        session.execute(text("INSERT INTO form (form_id, title) VALUES ('visit', 'Visit'), ('other', 'Other')"))
        for form_id, version, digest, position in rows:
            session.execute(
                text(
                    "INSERT INTO form_version (hash, form_id, version, title, md5, xform, state, note, published_at,"
                    " published_by, feed_position) VALUES (:hash, :form_id, :version, 'T', 'm', :xform, 'published',"
                    " 'why', '2026-11-01 08:00:00+00:00', 'amina', :position)"
                ),
                {"hash": digest, "form_id": form_id, "version": version, "xform": b"<x/>", "position": position},
            )
    upgrade(empty_database)
    with empty_database.read() as session:
        chain = forms.chain(session, "visit")
        first, _other, second = forms.versions(session)
        acts = form_events.events(session, form_id="visit")
        assert forms.form(session, "visit") == StoredForm(
            form_id="visit", title="Visit", needs_approval=False, project_id=1
        )
        assert forms.xform(session, b"a" * 32) == b"<x/>"
    assert [(link.version, link.previous_hash, link.map_document, link.state) for link in chain] == [
        ("1", None, None, "published"),
        ("2", b"a" * 32, None, "published"),
    ]
    assert (first.published_position, first.feed_position, second.published_position) == (3, 3, 5)
    assert (first.submitted_by, first.submitted_at, first.retired_at) == ("amina", first.published_at, None)
    assert first.package_hash == package_hash(b"a" * 32, ())
    assert [(act.version, act.action, act.actor, act.note) for act in acts] == [
        ("1", "published", "amina", "why"),
        ("2", "published", "amina", "why"),
    ]


def test_what_came_to_the_door_before_is_of_its_app_user_again_once_it_is_opened(empty_database: Database) -> None:
    upgrade(empty_database, to="0003")
    at = "2026-11-01 08:00:00+00:00"
    with empty_database.transaction() as session:
        for number, name in enumerate(("Ama", "Yaw")):
            session.execute(
                text(
                    "INSERT INTO app_user (token_hash, name, enumerator, mode, created_at)"
                    " VALUES (:token_hash, :name, '0012', 'survey', :at)"
                ),
                {"token_hash": bytes([number]) * 32, "name": name, "at": f"2026-11-0{2 - number} 08:00:00+00:00"},
            )
        session.execute(
            text(
                "INSERT INTO microdata_part (part_id, form_version_hash, mode, rows, analysis_path, identifiers_path,"
                " analysis_sha256, identifiers_sha256, created_at)"
                " VALUES (1, :hash, 'survey', 1, 'a', 'i', :hash, :hash, :at)"
            ),
            {"hash": bytes(32), "at": at},
        )
        sent = (("door", "Ama"), ("door", "Yaw"), ("door", None), ("tablet-1", "Ama"))  # a device that is called so
        for number, (carrier, source) in enumerate(sent, 1):
            members = {"number": number, "id": bytes([number]) * 32, "carrier": carrier, "source": source, "at": at}
            members["instance_id"] = bytes([number]) * 16
            session.execute(
                text(
                    "INSERT INTO envelope (envelope_id, kind, body, carrier, received_at, state)"
                    " VALUES (:id, 2, :id, :carrier, :at, 'opened')"
                ),
                members,
            )
            if source is not None:
                session.execute(
                    text(
                        "INSERT INTO revision (instance_id, answers_hash, envelope_sequence, envelope_id, interview_id,"
                        " form_version_hash, mode, role, source, device_time, received_at, part_id, row, sealed)"
                        " VALUES (:instance_id, :id, :number, :id, :instance_id, :id, 'survey', 'door', :source, '',"
                        " :at, 1, 0, :id)"
                    ),
                    members,
                )
    upgrade(empty_database)
    with empty_database.read() as session:
        query = "SELECT app_user.name FROM envelope LEFT JOIN app_user USING (app_user_id) ORDER BY envelope.sequence"
        assert list(session.scalars(text(query))) == ["Ama", "Yaw", None, None]
