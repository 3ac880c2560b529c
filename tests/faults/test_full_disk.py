"""A disk that fills up: the server says so, acknowledges nothing that it cannot keep, and goes on later."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_protocol.messages import ExchangeAnswer, Problem, ReceiptCode
from tests.faults.conftest import IS_ALL, Report
from tests.faults.served import Line, Served, copy_office
from tests.faults.test_kills import Diary, settle
from tests.office import envelope

ROOM = 6 << 20
REFUSED = ("storage-full", "maintenance")


@pytest.fixture
def small_disk(made: Path, tmp_path: Path) -> Iterator[Served]:
    """An office on a disk of its own with little room."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small tmpfs: the full disk is left out")
    disk = tmp_path / "disk"
    disk.mkdir()
    used = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={used + ROOM}", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode(errors='replace').strip()}")
    served = copy_office(made, disk)
    try:
        yield served.start()
    finally:
        served.kill()
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


def test_a_full_disk_is_said_and_nothing_is_receipted_that_is_not_there(small_disk: Served, report: Report) -> None:
    line, diary = Line(small_disk), Diary()
    room = os.statvfs(small_disk.data).f_bavail * os.statvfs(small_disk.data).f_frsize
    ballast = small_disk.data / "ballast"
    ballast.write_bytes(bytes(max(0, room - (2 << 20))))
    refusals, number, waiting = 0, 0, []
    for _ in range(400 if IS_ALL else 60):
        number += 1
        waiting = [envelope(number, content=os.urandom(100_000))]
        answer = line.send(line.body(waiting))
        if isinstance(answer, Problem):
            assert answer.slug in REFUSED, answer
            refusals += 1
        elif any(not receipt.code.is_kept for receipt in answer.receipts):
            assert all(receipt.code is ReceiptCode.STORAGE_FAULT for receipt in answer.receipts)
            refusals += 1
        else:
            diary.keep(waiting, answer.receipts)
        if refusals >= 10:
            break
    assert refusals >= 10, "the disk was never full"
    assert small_disk.answers(), "a full disk ends no server"
    assert diary.missing(small_disk) == 0
    ballast.unlink()
    assert all(code is ReceiptCode.STORED for code in settle(line, diary, waiting))
    assert isinstance(line.send(line.body([])), ExchangeAnswer)
    assert diary.missing(small_disk) == 0
    assert small_disk.count() == len(diary.receipted)
    report.add(
        "disk full (tmpfs, SQLite)",
        number,
        f"{refusals} refused for now; 0 of {len(diary.receipted)} receipted lost; goes on when there is room",
    )
