"""T1 and T2: dates that cannot be, or cannot follow each other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from server.statistics.hh_remit.answers import Answers, day, number, rows
from server.statistics.hh_remit.checks.finding import CheckFinding, Surroundings

CLOCK_DAYS: Final = 2
YOUNGEST_WORKER: Final = 13


def check_dates(answers: Answers, around: Surroundings) -> Iterator[CheckFinding]:
    """Yield T1 and T2."""
    interviewed = day(answers, "int_date")
    if interviewed is None:
        return
    if _is_impossible(interviewed, around):
        yield CheckFinding("T1", "note", "int_date")
    for place, person in enumerate(rows(answers, "member"), 1):
        yield from _returned(person, f"member[{place}]", interviewed)
    for place, person in enumerate(rows(answers, "abroad"), 1):
        yield from _gone(person, f"abroad[{place}]", interviewed)


def _is_impossible(interviewed: date, around: Surroundings) -> bool:
    """Compare with assignment, receipt and tablet; a tablet's clock cannot be right beyond the receipt.

    Zones differ by half a day either way, so that the day after the receipt in UTC may be the day of the interview.
    """
    if around.assigned_on is not None and interviewed < around.assigned_on:
        return True
    if interviewed > (around.received_at + timedelta(hours=14)).date():
        return True
    if around.device_time is None:
        return False
    corrected = min(around.device_time, around.received_at)
    return abs((interviewed - corrected.date()).days) > CLOCK_DAYS


def _returned(person: Answers, path: str, interviewed: date) -> Iterator[CheckFinding]:
    started, back = day(person, "c_ret_start"), day(person, "c_ret_back")
    if started is not None and back is not None and _month(back) < _month(started):
        yield CheckFinding("T2", "error", f"{path}/c_ret_back")
    if started is not None and _was_child(person, "c_age", started, interviewed):
        yield CheckFinding("T2", "error", f"{path}/c_ret_start")


def _gone(person: Answers, path: str, interviewed: date) -> Iterator[CheckFinding]:
    started, left = day(person, "d_start"), day(person, "d_left")
    if started is None:
        return
    is_early = left is not None and _month(started) < _month(left) - 1
    if is_early or _was_child(person, "d_age", started, interviewed):
        yield CheckFinding("T2", "error", f"{path}/d_start")


def _was_child(person: Answers, name: str, started: date, interviewed: date) -> bool:
    """Say whether the person was under 13 however the birthday falls."""
    age = number(person, name)
    if age is None or started > interviewed:
        return False
    return age - (_month(interviewed) - _month(started)) // 12 < YOUNGEST_WORKER


def _month(one: date) -> int:
    return one.year * 12 + one.month
