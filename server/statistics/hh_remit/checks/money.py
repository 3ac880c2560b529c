"""M1 to M4: money and goods received, against who lives where and what the household spends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from server.statistics.hh_remit.answers import Answers, code, codes, day, number, rows, whole
from server.statistics.hh_remit.checks.finding import CheckFinding, Surroundings
from server.statistics.hh_remit.rates import Rates, last_occurrences, month_of
from server.statistics.hh_remit.senders import months_named, senders_of

TIMES_CONSUMPTION: Final = 3
_OF_MODULE_D: Final = "1"
_NONE: Final = frozenset({"0"})


def check_money(answers: Answers, around: Surroundings) -> Iterator[CheckFinding]:
    """Yield M1, M2, M3 and M4."""
    interviewed, senders = day(answers, "int_date"), rows(answers, "sender")
    abroad = {whole(row, "d_line", place): row for place, row in enumerate(rows(answers, "abroad"), 1)}
    for place, row in enumerate(senders, 1):
        person = abroad.get(whole(row, "f_mig")) if code(row, "f_type") == _OF_MODULE_D else None
        if person is not None:
            yield from _sender(row, person, f"sender[{place}]", interviewed)
    yield from _nothing_sent(answers, senders)
    if interviewed is not None and around.rates is not None and _is_too_much(answers, interviewed, around.rates):
        yield CheckFinding("M4", "note", "sender")


def _sender(row: Answers, person: Answers, path: str, interviewed: date | None) -> Iterator[CheckFinding]:
    sent_from, lives_in = code(row, "f_country"), code(person, "d_country")
    if sent_from and lives_in and sent_from != lives_in:
        yield CheckFinding("M1", "note", f"{path}/f_country")
    left = day(person, "d_left")
    if left is None or interviewed is None:
        return
    # The month of the interview can mean this year's, which is not over, or that of the year before.
    named = [number for number in months_named(row) if number != interviewed.month]
    if any(month < month_of(left) for month in last_occurrences(named, interviewed)):
        yield CheckFinding("M2", "error", f"{path}/f_months")


def _nothing_sent(answers: Answers, senders: Sequence[Answers]) -> Iterator[CheckFinding]:
    if not senders:
        return
    if code(answers, "f_any") == "1" and all(codes(row, "f_months") == _NONE for row in senders):
        yield CheckFinding("M3", "error", "f_any")
    if code(answers, "f_anykind") == "1" and all(code(row, "f_kind") == "2" for row in senders):
        yield CheckFinding("M3", "error", "f_anykind")


def _is_too_much(answers: Answers, interviewed: date, rates: Rates) -> bool:
    """Compare what is known of the year's money and goods with a year's consumption; bands are left out."""
    month = number(answers, "h_month")
    if month is None or month <= 0:
        return False
    spent = rates.dollars(month * Decimal(12), rates.local, (month_of(interviewed),))
    received = math.fsum(
        amount
        for sender in senders_of(answers, interviewed, rates)
        for amount in (sender.cash_usd, sender.goods_usd)
        if not math.isnan(amount)
    )
    return received > TIMES_CONSUMPTION * spent
