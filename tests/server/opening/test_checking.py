"""The stage that checks what was opened: same set, same findings; nobody is refused, delayed or forgotten."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from server.context import Context
from server.db.queries import checks, interviews
from server.db.tables import Audit, Envelope, InterviewCheck, Revision
from server.folding import checking
from server.folding.checking import CheckingWorker, open_check
from server.folding.opener import Opener
from server.folding.state import state_hash
from server.jobs import run_worker
from server.services import rebuild, settle_hold, verify_store
from server.statistics.hh_remit.checks import CheckFinding
from sync_protocol.documents import document_hash
from tests.office import NOW
from tests.server.opening.kit import (
    Answers,
    Tablet,
    deliver,
    draw,
    household,
    open_all,
    publish_xform,
    raw_id,
    worker,
    xform,
)

AGE = '<bind nodeset="/data/age" type="int"'
RULED = xform().replace(AGE.encode(), f'{AGE} constraint=". &lt; 40"'.encode())
UNRULY = xform("unruly").replace(AGE.encode(), f'{AGE} constraint="frobnicate(.)"'.encode())

Found = dict[bytes, tuple[CheckFinding, ...]]


def answers(number: int, **changed: str) -> Answers:
    return Answers(number=number, key=household(number), **{"age": "39", **changed})  # type: ignore[arg-type]


def seal(tablet: Tablet, one: Answers, **more: object) -> bytes:
    content = UNRULY if one.form_id == "unruly" else RULED
    return tablet.seal(one, form_version_hash=document_hash(content), **more)  # type: ignore[arg-type]


def office(context: Context) -> Tablet:
    publish_xform(context, RULED)
    publish_xform(context, UNRULY)
    return Tablet(context.keystore).enrol(context)


def checker(context: Context) -> CheckingWorker:
    return CheckingWorker(context.database, context.keystore, lambda: NOW + timedelta(minutes=2))


def check_all(context: Context) -> int:
    return checker(context).run_until_idle().checked


def found(context: Context) -> Found:
    with context.database.read() as session:
        rows = checks.checked_interviews(session)
    return {
        row.interview_id: open_check(row.sealed, row.instance_id, row.answers_hash, context.keystore) for row in rows
    }


def codes(context: Context) -> dict[bytes, list[tuple[str, str]]]:
    return {name: [(one.code, one.path) for one in findings] for name, findings in found(context).items()}


BAD_AGE = [("constraint", "/data/age")]


def test_a_broken_rule_is_found_and_refuses_nothing(context: Context) -> None:
    tablet = office(context)
    deliver(context, [tablet.epoch(), seal(tablet, answers(1)), seal(tablet, answers(2, age="41"))])
    assert open_all(context).opened == 3
    assert check_all(context) == 2
    assert codes(context) == {raw_id(1): [], raw_id(2): BAD_AGE}
    with context.database.read() as session:
        assert {row.holds for row in interviews.all_interviews(session)} == {""}
        counts = session.execute(select(InterviewCheck.findings, InterviewCheck.holds)).all()
    assert sorted(map(tuple, counts)) == [(0, ""), (1, "")]


def test_what_is_checked_is_not_checked_again(context: Context) -> None:
    tablet = office(context)
    deliver(context, [tablet.epoch(), *(seal(tablet, answers(number)) for number in range(1, 8))])
    open_all(context)
    stage = checker(context)
    assert [stage.run_once(3).checked for _ in range(4)] == [3, 3, 1, 0]
    assert checker(context).run_once().checked == 0


@pytest.mark.parametrize("seed", range(6))
def test_neither_order_nor_batches_of_arrival_change_the_findings(sqlite_context: Context, seed: int) -> None:
    rng = random.Random(seed)
    tablet = office(sqlite_context)
    bodies = [
        tablet.epoch(),
        seal(tablet, answers(1, age="50")),
        seal(tablet, answers(2), parents=(1,)),
        seal(tablet, answers(3, age="51"), parents=(2,)),
        seal(tablet, answers(4, age="52")),
        seal(tablet, answers(4, age="52"), spaced=True),
        seal(tablet, answers(5, form_id="unruly")),
        seal(tablet, answers(6, age="xx")),
    ]
    rng.shuffle(bodies)
    while bodies:
        size = rng.randint(1, 3)
        deliver(sqlite_context, bodies[:size])
        bodies = bodies[size:]
        while worker(sqlite_context).run_once(limit=rng.randint(1, 4)).total:
            checker(sqlite_context).run_once(rng.randint(1, 3))
    check_all(sqlite_context)
    assert codes(sqlite_context) == {
        raw_id(1): BAD_AGE,
        raw_id(4): BAD_AGE,
        raw_id(5): [("not-evaluated", "/data/age")],
        raw_id(6): [("bad-type", "/data/age")],
    }


def test_a_form_whose_rules_cannot_be_evaluated_is_one_finding(context: Context) -> None:
    tablet = office(context)
    deliver(context, [tablet.epoch(), seal(tablet, answers(1, form_id="unruly")), seal(tablet, answers(2, age="41"))])
    open_all(context)
    assert check_all(context) == 2
    assert codes(context) == {raw_id(1): [("not-evaluated", "/data/age")], raw_id(2): BAD_AGE}


def test_a_poisoned_interview_is_a_finding_and_stops_no_other(
    context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tablet = office(context)
    deliver(context, [tablet.epoch(), *(seal(tablet, answers(number, age="41")) for number in (1, 2, 3))])
    open_all(context)
    read = Opener.read_interview

    def poisoned(self: Opener, stored: object) -> object:
        one = read(self, stored)  # type: ignore[arg-type]
        if one.header.instance_id == raw_id(2):
            raise RecursionError("Adjoa is 41")
        return one

    monkeypatch.setattr(Opener, "read_interview", poisoned)
    assert check_all(context) == 3
    assert codes(context) == {raw_id(1): BAD_AGE, raw_id(2): [("unforeseen", "")], raw_id(3): BAD_AGE}
    assert "RecursionError" in caplog.text
    assert "Adjoa" not in caplog.text


def test_an_envelope_that_was_altered_at_rest_is_a_finding(context: Context) -> None:
    tablet = office(context)
    deliver(context, [tablet.epoch(), seal(tablet, answers(1)), seal(tablet, answers(2))])
    open_all(context)
    with context.database.transaction() as session:
        body = session.scalars(select(Envelope.body).where(Envelope.instance_id == raw_id(1))).one()
        session.execute(update(Envelope).where(Envelope.instance_id == raw_id(1)).values(body=body[:-1] + b"x"))
    assert check_all(context) == 2
    assert codes(context) == {raw_id(1): [("unreadable", "")], raw_id(2): []}


def test_a_new_version_of_the_checker_checks_everything_again(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    tablet = office(context)
    deliver(context, [tablet.epoch(), seal(tablet, answers(1)), seal(tablet, answers(2))])
    open_all(context)
    check_all(context)
    assert check_all(context) == 0
    monkeypatch.setattr(checking, "CHECKER_VERSION", checking.CHECKER_VERSION + 1)
    assert check_all(context) == 2
    with context.database.read() as session:
        assert set(session.scalars(select(InterviewCheck.checker_version))) == {checking.CHECKER_VERSION}


def test_an_edit_is_checked_and_what_it_replaced_is_no_longer_shown(context: Context) -> None:
    tablet = office(context)
    deliver(context, [tablet.epoch(), seal(tablet, answers(1, age="41"))])
    open_all(context)
    check_all(context)
    assert codes(context) == {raw_id(1): BAD_AGE}
    deliver(context, [seal(tablet, answers(2), parents=(1,))])
    open_all(context)
    assert codes(context) == {}
    assert check_all(context) == 1
    assert codes(context) == {raw_id(1): []}


def test_a_further_copy_is_checked_as_the_copy_that_is_kept(context: Context) -> None:
    tablet = office(context)
    copies = sorted((seal(tablet, answers(1)), seal(tablet, answers(1), spaced=True)), key=document_hash, reverse=True)
    deliver(context, [tablet.epoch(), copies[0]])
    open_all(context)
    check_all(context)
    deliver(context, [copies[1]])
    open_all(context)
    assert check_all(context) == 1
    assert verify(context).is_sound


def test_a_decision_that_moves_the_interview_has_it_checked_again(context: Context) -> None:
    tablet = office(context)
    draw(context, [(household(9), "A", "0001")])
    deliver(context, [tablet.epoch(), seal(tablet, answers(1))])
    open_all(context)
    check_all(context)
    with context.database.transaction() as session:
        settle_hold.settle(
            session, keystore=context.keystore, interview_id=raw_id(1), verdict="reassign", household_key=household(9),
            note="", user="office", now=NOW,
        )  # fmt: skip
    open_all(context)
    assert check_all(context) == 1


def test_nothing_is_checked_while_the_key_store_is_locked(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    tablet = office(context)
    deliver(context, [tablet.epoch(), seal(tablet, answers(1))])
    open_all(context)
    monkeypatch.setattr(context.keystore, "_vault", None)
    assert checker(context).run_once().checked == 0


def test_the_use_of_keys_is_in_the_audit(context: Context) -> None:
    tablet = office(context)
    deliver(context, [tablet.epoch(), seal(tablet, answers(1))])
    open_all(context)
    check_all(context)
    with context.database.read() as session:
        rows = session.execute(select(Audit.actor, Audit.subject).where(Audit.action == "open-epoch")).all()
    assert [tuple(row) for row in rows] == [
        ("worker", document_hash(tablet.epoch()).hex()),
        ("checker", document_hash(tablet.epoch()).hex()),
    ]


def verify(context: Context) -> verify_store.VerifyReport:
    return verify_store.verify(context.database, keystore=context.keystore, microdata=context.microdata)


def test_rebuilding_gives_the_same_findings_and_the_same_state(context: Context) -> None:
    tablet = office(context)
    deliver(context, [tablet.epoch(), *(seal(tablet, answers(number, age=str(37 + number))) for number in range(1, 6))])
    open_all(context)
    with context.database.read() as session:
        unchecked = state_hash(session, context.keystore)
    check_all(context)
    before = found(context)
    report = rebuild.rebuild(database=context.database, keystore=context.keystore, microdata=context.microdata, now=NOW)
    assert (report.is_same, report.checked, report.state_hash_after) == (True, 5, unchecked.hex())
    assert found(context) == before


def test_verify_counts_what_waits_and_names_what_was_altered(context: Context) -> None:
    tablet = office(context)
    deliver(context, [tablet.epoch(), seal(tablet, answers(1, age="41")), seal(tablet, answers(2))])
    open_all(context)
    report = verify(context)
    assert (report.is_sound, report.unchecked) == (True, 2)
    assert "2 interviews wait to be checked" in str(report)
    check_all(context)
    assert (verify(context).is_sound, verify(context).unchecked) == (True, 0)
    with context.database.transaction() as session:
        of_first = select(Revision.revision_id).where(Revision.instance_id == raw_id(1)).scalar_subquery()
        session.execute(update(InterviewCheck).where(InterviewCheck.revision_id == of_first).values(holds="E1"))
    report = verify(context)
    assert report.difference_count == 1
    assert f"check of interview {raw_id(1).hex()} is stored otherwise" in str(report)


def test_the_worker_checks_what_it_has_opened_and_trouble_in_checking_stops_no_opening(
    sqlite_context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tablet = office(sqlite_context)
    run_once, left = CheckingWorker.run_once, [1]

    def failing(self: CheckingWorker, limit: int = 50) -> object:
        left[0] -= 1
        if left[0] == 0:
            raise OSError("no space for Adjoa")
        return run_once(self, limit)

    monkeypatch.setattr(CheckingWorker, "run_once", failing)
    monkeypatch.setattr("server.jobs.worker.CHECK_SECONDS", 0.1)
    stop = threading.Event()
    thread = threading.Thread(target=run_worker, args=(sqlite_context, stop))
    thread.start()
    try:
        deliver(sqlite_context, [tablet.epoch(), seal(tablet, answers(1, age="41"))])
        end = time.monotonic() + 30
        while not codes(sqlite_context):
            assert time.monotonic() < end, "it was not checked"
            time.sleep(0.1)
    finally:
        stop.set()
        thread.join(20)
    assert codes(sqlite_context) == {raw_id(1): BAD_AGE}
    assert "checking interviews failed: OSError at" in caplog.text
    assert "Adjoa" not in caplog.text


CHILD = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from server.db.engine import Database
from server.db.queries import checks
from server.folding.checking import CheckingWorker
from server.keystore import KeyStore

place, url, keys = sys.argv[1:]
put, left = checks.put_checks, [2]

def dying(*arguments):
    if place == "after":
        put(*arguments)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    if place == "before":
        put(*arguments)

checks.put_checks = dying
stage = CheckingWorker(Database(url), KeyStore.open(Path(keys), None), lambda: datetime.now(UTC))
while stage.run_once(3).checked:
    pass
"""


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_killed_stage_is_done_again_and_finds_the_same(sqlite_context: Context, keys_dir: Path, place: str) -> None:
    tablet = office(sqlite_context)
    bodies = [seal(tablet, answers(number, age=str(35 + number))) for number in range(1, 9)]
    deliver(sqlite_context, [tablet.epoch(), *bodies])
    open_all(sqlite_context)
    command = [sys.executable, "-c", CHILD, place, sqlite_context.database.url, str(keys_dir)]
    assert subprocess.run(command, cwd=Path(__file__).parents[3], check=False).returncode == -9
    assert len(codes(sqlite_context)) == 3
    assert check_all(sqlite_context) == 5
    assert codes(sqlite_context) == expected(range(1, 9))


def expected(numbers: Iterable[int]) -> dict[bytes, list[tuple[str, str]]]:
    return {raw_id(number): BAD_AGE if 35 + number >= 40 else [] for number in numbers}
