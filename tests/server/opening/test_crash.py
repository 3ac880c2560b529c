"""A worker that is killed, or that meets another one, leaves nothing half done."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from server.context import Context
from server.db.queries import opening
from server.db.tables import Envelope, MicrodataPart, Revision
from server.folding.opener import Outcome
from server.services import verify_store
from server.services.open_items import OpenedBatch
from tests.office import NOW
from tests.server.opening.kit import FORM_ID, Answers, Tablet, deliver, household, open_all, publish, worker

INTERVIEWS = 12

CHILD = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from server.db.engine import Database
from server.folding import batches, telling
from server.keystore import KeyStore
from server.microdata import Microdata

place, url, keys, folder = sys.argv[1:]
keystore, database = KeyStore.open(Path(keys), None), Database(url)

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def dying_after(count, function):
    left = [count]
    def wrapped(*arguments, **named):
        result = function(*arguments, **named)
        left[0] -= 1
        if not left[0]:
            die()
        return result
    return wrapped

if place.startswith("fsync"):
    os.fsync = dying_after(int(place[5:]), os.fsync)
elif place == "commit":
    telling.tell_devices = die
worker = batches.OpeningWorker(
    database=database, keystore=keystore, microdata=Microdata(Path(folder), keystore, database),
    clock=lambda: datetime.now(UTC),
)
worker.run_once()
die()
"""


@pytest.mark.parametrize("place", ["fsync1", "fsync2", "fsync4", "commit", "afterwards"])
def test_a_killed_worker_leaves_an_orphan_at_most_and_the_next_one_does_its_work(
    sqlite_context: Context, keys_dir: Path, place: str
) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    numbers = range(1, INTERVIEWS + 1)
    deliver(
        sqlite_context,
        [tablet.epoch(), *(tablet.seal(Answers(number=number, key=household(number))) for number in numbers)],
    )
    folder = sqlite_context.config.microdata_dir
    command = [sys.executable, "-c", CHILD, place, sqlite_context.database.url, str(keys_dir), str(folder)]
    assert subprocess.run(command, cwd=Path(__file__).parents[3], check=False).returncode == -9
    is_done = place == "afterwards"
    assert counts(sqlite_context) == ((INTERVIEWS, 1, INTERVIEWS + 1) if is_done else (0, 0, 0))
    files = len(list(folder.glob("*/*.parquet")))
    assert files == {"fsync1": 1, "fsync2": 2}.get(place, 2)
    orphans = 0 if is_done else files
    later = datetime.now(UTC) + timedelta(hours=1)
    assert sqlite_context.microdata.remove_orphans(older_than=later - timedelta(days=1)) == 0
    assert sqlite_context.microdata.remove_orphans(older_than=later) == orphans
    open_all(sqlite_context)
    assert counts(sqlite_context) == (INTERVIEWS, 1, INTERVIEWS + 1)
    assert verify(sqlite_context)
    assert len(sqlite_context.microdata.read("analysis", form_id=FORM_ID)[0].table) == INTERVIEWS


def counts(context: Context) -> tuple[int, int, int]:
    """Return how many revisions, parts and opened envelopes there are."""
    with context.database.read() as session:
        revisions = session.execute(select(func.count()).select_from(Revision)).scalar_one()
        parts = session.execute(select(func.count()).select_from(MicrodataPart)).scalar_one()
        opened = session.execute(select(func.count()).where(Envelope.state == "opened")).scalar_one()
    return revisions, parts, opened


def verify(context: Context) -> bool:
    return verify_store.verify(context.database, keystore=context.keystore, microdata=context.microdata).is_sound


def test_two_workers_at_once_open_each_envelope_once(context: Context) -> None:
    publish(context)
    tablet = Tablet(context.keystore).enrol(context)
    numbers = range(1, 41)
    deliver(
        context,
        [tablet.epoch(), *(tablet.seal(Answers(number=number, key=household(number % 7))) for number in numbers)],
    )
    failures: list[BaseException] = []
    start = threading.Barrier(2)

    def work() -> None:
        try:
            start.wait()
            while worker(context).run_once(limit=7).total:
                pass
        except BaseException as error:  # noqa: BLE001 -- told to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert counts(context)[0] == 40
    assert counts(context)[2] == 41
    assert verify(context)


def test_a_worker_that_comes_second_stores_nothing_again(context: Context) -> None:
    publish(context)
    tablet = Tablet(context.keystore).enrol(context)
    deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1))])
    slow = worker(context)
    keep = slow._keep

    def late(outcomes: Sequence[Outcome]) -> OpenedBatch:
        open_all(context)
        return keep(outcomes)

    slow._keep = late  # type: ignore[method-assign]
    assert slow.run_once() == OpenedBatch(0, 0, 0)
    assert counts(context) == (1, 1, 2)
    assert verify(context)


def test_verify_names_what_was_altered_behind_the_servers_back(sqlite_context: Context) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    deliver(sqlite_context, [tablet.epoch(), tablet.seal(Answers(number=1)), tablet.seal(Answers(number=2))])
    open_all(sqlite_context)
    assert verify(sqlite_context)
    with sqlite_context.database.transaction() as session:
        run = session.connection().exec_driver_sql
        run("UPDATE envelope SET body = CAST(substr(body, 1, length(body) - 1) || 'x' AS BLOB) WHERE sequence = 2")
        run("DELETE FROM interview WHERE interview_id = (SELECT max(interview_id) FROM interview)")
    part = next(sqlite_context.config.microdata_dir.glob("*/*.analysis.parquet"))
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    report = verify_store.verify(
        sqlite_context.database, keystore=sqlite_context.keystore, microdata=sqlite_context.microdata
    )
    assert not report.is_sound
    text = str(report)
    assert "envelope 2 is stored as opened, and now reads quarantined altered-at-rest" in text
    assert "is not stored" in text
    assert "has no envelope" in text
    assert part.name in text


def test_verify_counts_what_waits_and_finds_no_fault_in_it(sqlite_context: Context) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    deliver(sqlite_context, [tablet.seal(Answers(number=1)), b"rubbish"])
    open_all(sqlite_context)
    deliver(sqlite_context, [tablet.seal(Answers(number=2))], at=NOW + timedelta(minutes=5))
    report = verify_store.verify(sqlite_context.database, keystore=sqlite_context.keystore)
    assert report.is_sound
    assert (report.envelopes, report.pending, report.interviews) == (3, 1, 0)
    with sqlite_context.database.read() as session:
        assert opening.state_counts(session) == {"waiting-for-epoch": 1, "quarantined": 1, "received": 1}
