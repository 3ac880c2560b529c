"""The worker and its schedule: what is due runs once, whoever looks, and what fails stops nobody."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from server.context import Context
from server.db.queries import parts, schedule
from server.db.queries.schedule import DueJob
from server.db.tables import EstimateRun, Schedule
from server.jobs import run_worker, scheduled
from server.jobs.scheduled import ScheduledJob, Write
from server.jobs.worker import make_scheduler
from server.microdata import PartTable
from tests.office import NOW
from tests.server.opening.kit import FORM_ID, Answers, Tablet, deliver, draw, household, publish

HOUR = timedelta(hours=1)


class Ran:
    """A job that remembers when it wrote, in the table of estimate runs."""

    def __init__(self, every: timedelta = HOUR, fail: Exception | None = None) -> None:
        self.prepared = 0
        self.fail = fail
        self.before_writing: Callable[[], object] = lambda: None
        self.job = ScheduledJob(name="job", every=every, prepare=self.prepare)

    def prepare(self, _context: Context, due: DueJob, now: datetime) -> Write:
        self.prepared += 1
        if self.fail is not None:
            raise self.fail
        self.before_writing()

        def write(session: Session) -> None:
            session.add(EstimateRun(due_at=due.due_at, started_at=now, state="done"))

        return write


def run(context: Context, ran: Ran, at: datetime, holder: str = "one") -> tuple[str, ...]:
    return scheduled.run_due(context, holder=holder, clock=lambda: at, jobs=(ran.job,))


def runs(context: Context) -> list[tuple[datetime, datetime | None]]:
    with context.database.read() as session:
        rows = session.execute(select(EstimateRun.due_at, EstimateRun.started_at).order_by(EstimateRun.run_id))
        return [(due_at, started_at) for due_at, started_at in rows]


def row(context: Context) -> tuple[datetime, str | None, datetime | None]:
    with context.database.read() as session:
        found = session.execute(
            select(Schedule.due_at, Schedule.lease_holder, Schedule.last_run_at).where(Schedule.name == "job")
        ).one()
        return found[0], found[1], found[2]


@pytest.fixture
def ran(context: Context) -> Ran:
    """A job that is due one hour from now."""
    job = Ran()
    scheduled.prepare(context, now=NOW, jobs=(job.job,))
    return job


def test_a_job_waits_until_it_is_due_and_then_for_its_next_time(context: Context, ran: Ran) -> None:
    assert run(context, ran, NOW + HOUR / 2) == ()
    assert run(context, ran, NOW + HOUR) == ("job",)
    assert run(context, ran, NOW + HOUR) == ()
    assert runs(context) == [(NOW + HOUR, NOW + HOUR)]
    assert row(context) == (NOW + 2 * HOUR, None, NOW + HOUR)


def test_what_was_missed_is_made_up_for_once(context: Context, ran: Ran) -> None:
    late = NOW + 5.5 * HOUR
    assert run(context, ran, late) == ("job",)
    assert run(context, ran, late) == ()
    assert row(context)[0] == NOW + 6 * HOUR


def test_preparing_again_does_not_move_a_job(context: Context, ran: Ran) -> None:
    scheduled.prepare(context, now=NOW + 10 * HOUR, jobs=(ran.job,))
    assert row(context)[0] == NOW + HOUR


def test_of_many_processes_one_runs_a_job(context: Context, ran: Ran) -> None:
    start = threading.Barrier(6)
    found: list[tuple[str, ...]] = []

    def look(holder: str) -> None:
        start.wait()
        found.append(run(context, ran, NOW + HOUR, holder))

    threads = [threading.Thread(target=look, args=(f"process {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [()] * 5 + [("job",)]
    assert len(runs(context)) == 1


def test_the_lease_of_a_killed_process_runs_out(context: Context, ran: Ran) -> None:
    with context.database.transaction() as session:
        assert schedule.claim(session, name="job", holder="killed", now=NOW + HOUR, lease=scheduled.LEASE) is not None
    assert run(context, ran, NOW + HOUR + scheduled.LEASE / 2) == ()
    assert run(context, ran, NOW + HOUR + scheduled.LEASE) == ("job",)


def test_a_renewed_lease_is_kept_and_a_lost_one_is_not_taken_back(context: Context, ran: Ran) -> None:
    due = NOW + HOUR
    with context.database.transaction() as session:
        schedule.claim(session, name="job", holder="slow", now=due, lease=scheduled.LEASE)
    scheduled.renew_leases(context, holder="slow", clock=lambda: due + scheduled.RENEWAL)
    assert run(context, ran, due + scheduled.LEASE) == ()
    late = due + scheduled.RENEWAL + scheduled.LEASE
    scheduled.renew_leases(context, holder="slow", clock=lambda: late)
    assert run(context, ran, late) == ("job",)


def test_who_lost_the_lease_while_computing_writes_nothing(context: Context, ran: Ran) -> None:
    now = [NOW + HOUR]
    other = Ran()

    def sleep_too_long() -> None:
        now[0] += scheduled.LEASE
        assert scheduled.run_due(context, holder="other", clock=lambda: now[0], jobs=(other.job,)) == ("job",)

    ran.before_writing = sleep_too_long
    assert scheduled.run_due(context, holder="one", clock=lambda: now[0], jobs=(ran.job,)) == ()
    assert len(runs(context)) == 1


def test_a_job_that_fails_is_tried_again_and_its_words_stay_out_of_the_log(
    context: Context, ran: Ran, caplog: pytest.LogCaptureFixture
) -> None:
    ran.fail = ValueError("Adjoa earns 4711")
    assert run(context, ran, NOW + HOUR) == ()
    assert "the job job failed: ValueError at" in caplog.text
    assert "Adjoa" not in caplog.text
    ran.fail = None
    assert run(context, ran, NOW + HOUR) == ()
    assert run(context, ran, NOW + HOUR + scheduled.RETRY) == ("job",)


def test_estimates_without_a_design_are_a_failed_run_that_people_can_see(context: Context) -> None:
    scheduled.prepare(context, now=NOW)
    assert scheduled.run_due(context, holder="one", clock=lambda: NOW + timedelta(days=1))
    with context.database.read() as session:
        (found,) = session.execute(select(EstimateRun.state, EstimateRun.reason)).all()
    assert found.state == "failed"
    assert "draw" in found.reason or "import" in found.reason


def test_the_scheduler_looks_late_rather_than_never_and_never_twice_at_once(sqlite_context: Context) -> None:
    jobs = make_scheduler(sqlite_context, holder="one").get_jobs()
    assert {job.name for job in jobs} == {"look at the schedule", "renew leases"}
    scheduler = make_scheduler(sqlite_context, holder="one")
    scheduler.start(paused=True)
    settings = {(job.misfire_grace_time, job.coalesce, job.max_instances) for job in scheduler.get_jobs()}
    scheduler.shutdown()
    assert settings == {(None, True, 1)}


def test_the_worker_opens_what_comes_until_it_is_told_to_stop(context: Context) -> None:
    publish(context)
    tablet = Tablet(context.keystore).enrol(context)
    stop = threading.Event()
    thread = threading.Thread(target=run_worker, args=(context, stop))
    thread.start()
    try:
        deliver(context, [tablet.epoch(), tablet.seal(Answers(number=1))])
        _wait_for(lambda: len(context.microdata.read("analysis", form_id=FORM_ID)) == 1)
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


def test_what_comes_one_by_one_is_opened_in_few_batches(sqlite_context: Context) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    deliver(sqlite_context, [tablet.epoch()])
    stop = threading.Event()
    thread = threading.Thread(target=run_worker, args=(sqlite_context, stop))
    thread.start()
    try:
        for number in range(20):
            deliver(sqlite_context, [tablet.seal(Answers(number=number, key=household(number)))])
            threading.Event().wait(0.04)
        _wait_for(lambda: sum(part.table.num_rows for part in _read(sqlite_context)) == 20)
    finally:
        stop.set()
        thread.join(20)
    with sqlite_context.database.read() as session:
        assert len(parts.part_paths(session, "analysis")) <= 6


def test_a_worker_outlives_trouble_and_logs_no_answer(
    sqlite_context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    write_part = type(sqlite_context.microdata).write_part
    left = [2]

    def failing(*arguments: object) -> object:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError("no space for Adjoa")
        return write_part(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(sqlite_context.microdata), "write_part", failing)
    deliver(sqlite_context, [tablet.epoch(), tablet.seal(Answers(number=1))])
    stop = threading.Event()
    thread = threading.Thread(target=run_worker, args=(sqlite_context, stop))
    with caplog.at_level(logging.INFO):
        thread.start()
        try:
            _wait_for(lambda: len(sqlite_context.microdata.read("analysis", form_id=FORM_ID)) == 1)
        finally:
            stop.set()
            thread.join(20)
    assert "opening envelopes failed: OSError at" in caplog.text
    assert "Adjoa" not in caplog.text


def test_importing_a_draw_has_the_worker_fold_again(sqlite_context: Context) -> None:
    publish(sqlite_context)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    scheduled.prepare(sqlite_context, now=NOW)
    deliver(sqlite_context, [tablet.epoch(), tablet.seal(Answers(number=1, key=household(9)))])
    from tests.server.opening.kit import open_all

    open_all(sqlite_context)
    draw(sqlite_context, [(household(1), "A", "0001")])
    with sqlite_context.database.transaction() as session:
        schedule.make_due(session, name=schedule.FOLD_AGAIN, now=NOW)
    assert scheduled.run_due(sqlite_context, holder="one", clock=lambda: NOW) == (schedule.FOLD_AGAIN,)
    (part,) = sqlite_context.microdata.read("analysis", form_id=FORM_ID)
    assert part.table.column("_holds").to_pylist() == ["K1"]


def _read(context: Context) -> tuple[PartTable, ...]:
    return context.microdata.read("analysis", form_id=FORM_ID)


def _wait_for(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    while not is_so():
        assert datetime.now(UTC) < end, "it did not happen"
        threading.Event().wait(0.1)
