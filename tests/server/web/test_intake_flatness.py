"""That the intake costs the same whatever has arrived: steps of SQLite counted, plans of PostgreSQL read."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, text
from sqlalchemy.orm import Session

from server.db.engine import Database
from server.db.queries.intake import FILTERS, Wish
from server.db.scope import EVERYTHING, Scope
from server.db.tables import AppUser, Envelope, Form, FormVersion, Interview, MicrodataPart, Revision, WantedMedium
from server.services import list_arrivals
from tests.office import NOW

ROWS = 800
TIMES = 5
USERS = 20
WISHES = [
    *(Wish(state=state) for state in (None, *FILTERS)),
    Wish(form_id="rare"), Wish(form_id="common"), Wish(person="0007"),
    Wish(day=date(2026, 10, 25)), Wish(day=date(2020, 1, 1)), Wish(project=1), Wish(person="0007", state="opened"),
]  # fmt: skip
SCOPES = [
    EVERYTHING,
    Scope(team="03"),
    Scope(enumerator="0007"),
    Scope(projects=frozenset({1})),
    Scope(projects=frozenset()),
]
COMMON, RARE = b"c" * 32, b"r" * 32


def make_forms(session: Session) -> None:
    for digest, form_id in ((COMMON, "common"), (RARE, "rare")):
        session.execute(insert(Form), [{"form_id": form_id, "title": form_id}])
        version = {
            "hash": digest, "form_id": form_id, "version": "1", "title": "", "md5": "", "xform": b"", "note": "",
            "package_hash": digest, "state": "published", "submitted_at": NOW, "submitted_by": "a",
        }  # fmt: skip
        session.execute(insert(FormVersion), [version])
    people = [
        {
            "app_user_id": number, "token_hash": number.to_bytes(32), "name": f"user {number}", "project_id": 1,
            "enumerator": f"{number:04}", "team": f"{number % 10:02}", "mode": "survey", "language": "",
            "created_at": NOW,
        }
        for number in range(1, USERS + 1)
    ]  # fmt: skip
    session.execute(insert(AppUser), people)
    session.execute(
        insert(MicrodataPart),
        [
            {
                "part_id": 1, "form_version_hash": COMMON, "mode": "survey", "rows": 1, "analysis_path": "",
                "identifiers_path": "", "analysis_sha256": COMMON, "identifiers_sha256": COMMON, "created_at": NOW,
            }
        ],
    )  # fmt: skip


def add_arrivals(session: Session, first: int, last: int, *, is_troubled: bool) -> None:
    """Add interviews that are opened, of the days before; of the first ones some are troubled."""
    numbers = range(first, last)
    envelopes: list[dict[str, Any]] = [
        {
            "sequence": number, "envelope_id": number.to_bytes(32), "kind": 2, "body": bytes(900),
            "instance_id": number.to_bytes(16), "form_version_hash": RARE if number % 400 == 5 else COMMON,
            "carrier": "door", "received_at": NOW - timedelta(days=30) + timedelta(minutes=number), "reason": None,
            "state": "opened" if number % 100 or not is_troubled else "waiting-for-key",
            "app_user_id": 1 + number % USERS,
        }
        for number in numbers
    ]  # fmt: skip
    session.execute(insert(Envelope), envelopes)
    revisions: list[dict[str, Any]] = [
        {
            "revision_id": number, "instance_id": number.to_bytes(16), "answers_hash": COMMON, "mode": "survey",
            "envelope_sequence": number, "envelope_id": number.to_bytes(32), "interview_id": number.to_bytes(16),
            "form_version_hash": COMMON, "role": "door", "source": "u", "device_time": "", "received_at": NOW,
            "part_id": 1, "row": number, "sealed": b"",
        }
        for number in numbers
    ]  # fmt: skip
    session.execute(insert(Revision), revisions)
    interviews = [
        {
            "interview_id": number.to_bytes(16), "form_id": "common", "mode": "survey", "sealed": b"",
            "state": "conflict" if is_troubled and number % 100 == 3 else "current", "current_revision_id": number,
            "holds": "K2" if is_troubled and number % 100 == 7 else "", "updated_at": NOW,
        }
        for number in numbers
    ]  # fmt: skip
    session.execute(insert(Interview), interviews)
    wanted = [
        {
            "instance_id": number.to_bytes(16), "name_tag": COMMON, "sealed": b"",
            "is_here": not is_troubled or number % 100 != 9,
        }
        for number in numbers
    ]  # fmt: skip
    session.execute(insert(WantedMedium), wanted)


def looks(session: Session) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield everything that the page asks for each reader, by name."""
    for scope in SCOPES:
        for wish in WISHES:
            yield f"{scope} {wish}", lambda: list_arrivals.list_arrivals(session, scope, wish, limit=20)  # noqa: B023
        yield f"{scope} counts", lambda: list_arrivals.count_pending(session, scope, now=NOW)  # noqa: B023


@contextmanager
def steps_counted(session: Session) -> Iterator[list[int]]:
    """Count the steps of SQLite's machine, in hundreds."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    connection: Any = session.connection().connection.dbapi_connection
    connection.set_progress_handler(count, 100)
    yield counted
    connection.set_progress_handler(None, 0)


def costs(database: Database) -> dict[str, int]:
    with database.read() as session:
        found: dict[str, int] = {}
        for name, look in looks(session):
            with steps_counted(session) as counted:
                look()
            found[name] = counted[0]
        return found


def test_five_times_as_many_interviews_cost_the_page_no_more(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session:
        make_forms(session)
        add_arrivals(session, 1, ROWS, is_troubled=True)
    few = costs(sqlite_database)
    with sqlite_database.transaction() as session:
        add_arrivals(session, ROWS, TIMES * ROWS, is_troubled=False)
    many = costs(sqlite_database)
    # A person's own list grows with the person's own work, and a rare form is looked for in it.
    dearer = {name: (few[name], cost) for name, cost in many.items() if cost > 1.6 * few[name] + 60}
    assert dearer == {}


@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.postgresql
def test_no_list_and_no_count_of_the_page_walks_through_a_table(database: Database) -> None:
    with database.transaction() as session:
        make_forms(session)
        add_arrivals(session, 1, ROWS, is_troubled=True)
        session.execute(text("ANALYZE"))
    asked: list[tuple[str, Any]] = []
    with database.read() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        engine = session.get_bind()

        def note(*arguments: Any) -> None:
            asked.append(arguments[2:4])

        event.listen(engine, "before_cursor_execute", note)
        for _, look in looks(session):
            look()
        event.remove(engine, "before_cursor_execute", note)
        cursor: Any = session.connection().connection.cursor()
        walks = set()
        for statement, parameters in asked:
            cursor.execute(f"EXPLAIN {statement}", parameters)
            plan = "\n".join(row[0] for row in cursor.fetchall())
            walks |= set(re.findall(r"Seq Scan on (envelope|revision|interview|interview_check|wanted_medium)\b", plan))
        cursor.close()
    assert len(asked) > 200
    assert walks == set()
