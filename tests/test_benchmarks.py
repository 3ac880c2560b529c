"""What the benchmarks of the OpenRosa door stand on: the form, the load, the stores that are multiplied."""

import socket
import threading
from contextlib import closing

import pysqlite3.dbapi2 as sqlite
import pytest

from benchmarks import _openrosa_form as made
from benchmarks._openrosa_load import answer_bytes, drive
from benchmarks._openrosa_stores import _multiply_sqlite
from forms.instance import parse_instance
from server.clock import utc_now
from server.context import Context
from server.db.queries import checks
from server.folding.checking import CHECKER_VERSION, CheckingWorker
from server.folding.surroundings import basis_of
from server.services import publish_form
from tests.server.opening.kit import Answers, Tablet, deliver, household, open_all, publish

CREATED = b"HTTP/1.1 201 CREATED\r\nContent-Length: 6\r\n\r\nstored"


def test_the_made_form_has_sixty_questions_and_interviews_of_its_size() -> None:
    definition = publish_form.prepare(made.made_workbook(), made.WORKBOOK).definition
    assert len(definition.questions) == made.QUESTIONS
    documents = made.filled(definition, 100, seed=1)
    assert 2200 < sum(map(len, documents)) / len(documents) < 2400
    assert len({parse_instance(document).instance_id for document in documents}) == 100


@pytest.mark.parametrize("cut", range(0, len(CREATED), 7))
def test_an_answer_is_known_to_be_whole_by_its_head(cut: int) -> None:
    head = CREATED.index(b"\r\n\r\n") + 4
    assert answer_bytes(CREATED[:cut]) == (len(CREATED) if cut >= head else 0)


def test_an_answer_without_a_body_ends_with_its_head() -> None:
    unchanged = b"HTTP/1.1 304 NOT MODIFIED\r\nETag: x\r\n\r\n"
    assert answer_bytes(unchanged) == len(unchanged)


def _answer(listening: socket.socket, status: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        while connection.recv(1000):
            connection.sendall(CREATED.replace(b"201", status))


@pytest.mark.parametrize(("status", "is_expected"), [(b"201", True), (b"500", False)])
def test_a_load_counts_its_answers_and_fails_for_one_that_was_not_expected(status: bytes, is_expected: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_answer, args=(listening, status))
        thread.start()
        port = listening.getsockname()[1]
        if is_expected:
            driven = drive(port, [[b"one", b"two", b"three"]], statuses=frozenset({201}))
            assert len(driven.answers) == len(driven.latencies_ms) == 3
            assert (driven.bytes_sent, driven.bytes_received) == (11, 3 * len(CREATED))
        else:
            with pytest.raises(RuntimeError, match="not expected"):
                drive(port, [[b"one"]], statuses=frozenset({201}))
        thread.join(10)


def test_a_multiplied_store_has_rows_of_its_own_in_every_table(sqlite_context: Context) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    interviews = [tablet.seal(Answers(number=number, key=household(number))) for number in range(3)]
    deliver(sqlite_context, [tablet.epoch(), *interviews])
    open_all(sqlite_context)
    checker = CheckingWorker(sqlite_context.database, sqlite_context.keystore, utc_now, sqlite_context.blobs)
    checker.run_until_idle()
    path = sqlite_context.database.url.removeprefix("sqlite:///")
    sqlite_context.database.dispose()
    _multiply_sqlite(path, 1200)
    with closing(sqlite.connect(path)) as connection:
        counts = [
            connection.execute(f"SELECT count(DISTINCT {column}) FROM {table}").fetchone()[0]
            for table, column in (
                ("envelope WHERE kind = 2", "envelope_id"),
                ("revision", "envelope_id"),
                ("revision", "envelope_sequence"),
                ("interview", "household_tag"),
                ("interview_check", "revision_id"),
            )
        ]
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    assert counts == [1200] * 5
    assert not broken
    with sqlite_context.database.read() as session:
        assert checks.count_pending(session, basis_of(session, CHECKER_VERSION)) == 0
