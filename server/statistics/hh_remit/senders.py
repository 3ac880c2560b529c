"""Module F: what each sender abroad gave in twelve months, and whether it is a personal transfer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from server.statistics.hh_remit.answers import Answers, code, codes, day, number, rows, whole
from server.statistics.hh_remit.rates import Rates, last_occurrences, month_of

#: Limits of the list ``remband`` in local currency, by code: from … to below.
BANDS: Final = {"1": (0, 30_000), "2": (30_000, 80_000), "3": (80_000, 150_000), "4": (150_000, 300_000),
                "5": (300_000, 600_000), "6": (600_000, math.inf)}  # fmt: skip

_OF_MODULE_D: Final = "1"
_EACH_TIME: Final = "2"
_RESIDENCE_MONTHS: Final = 12
_MONTHS: Final = frozenset(str(number) for number in range(1, 13))


@dataclass(frozen=True, slots=True)
class SenderRow:
    """One sender; money in USD as in :class:`server.statistics.sample.Senders`."""

    line: int
    country: str
    sex: int
    kind_of_sender: int
    nonresident: bool
    months: int
    cash_usd: float
    cash_low_usd: float
    cash_high_usd: float
    goods_usd: float


def senders_of(answers: Answers, interviewed: date, rates: Rates) -> list[SenderRow]:
    """Return the senders of an interview who gave money or goods."""
    abroad = {whole(row, "d_line", place): row for place, row in enumerate(rows(answers, "abroad"), start=1)}
    found = [
        _sender(row, whole(row, "f_line", place), abroad, interviewed=interviewed, rates=rates)
        for place, row in enumerate(rows(answers, "sender"), start=1)
    ]
    return [row for row in found if row.cash_usd != 0 or row.goods_usd != 0]


def _sender(row: Answers, line: int, abroad: dict[int, Answers], *, interviewed: date, rates: Rates) -> SenderRow:
    person = abroad.get(whole(row, "f_mig")) if code(row, "f_type") == _OF_MODULE_D else None
    months = last_occurrences(months_named(row), interviewed)
    cash, low, high = _cash(row, months, rates) if months else (0.0, math.nan, math.nan)
    goods = number(row, "f_kind_val") if code(row, "f_kind") == "1" else None
    return SenderRow(
        line=line,
        country=code(row, "f_country"),
        sex=whole(row, "f_sex") if person is None else whole(person, "d_sex"),
        kind_of_sender=whole(row, "f_type"),
        nonresident=True if person is None else is_nonresident(person, interviewed),
        months=len(months),
        cash_usd=cash,
        cash_low_usd=low,
        cash_high_usd=high,
        goods_usd=0.0 if goods is None else rates.dollars(goods, rates.local, (month_of(interviewed),)),
    )


def is_nonresident(person: Answers, interviewed: date) -> bool:
    """Whether a member abroad has changed residence (BPM6): meant to stay a year, or has stayed one."""
    if code(person, "d_12") == "1":
        return True
    left = day(person, "d_left")
    if left is None:
        return False
    months = (interviewed.year - left.year) * 12 + interviewed.month - left.month
    return months > _RESIDENCE_MONTHS or (months == _RESIDENCE_MONTHS and interviewed.day >= left.day)


def months_named(row: Answers) -> list[int]:
    """Return the months of the calendar card in which money came, in order; what is no month is left out."""
    return sorted(int(one) for one in codes(row, "f_months") if one in _MONTHS)


def _cash(row: Answers, months: Sequence[str], rates: Rates) -> tuple[float, float, float]:
    """Return the money of a year and the limits of its band: an amount, or ``nan`` with or without limits."""
    amount, currency = number(row, "f_amt"), code(row, "f_cur")
    if amount is not None and rates.knows(currency):
        times = whole(row, "f_times", 1) if code(row, "f_basis") == _EACH_TIME else 1
        return rates.dollars(amount * times, currency, months), math.nan, math.nan
    low, high = band_limits(BANDS.get(code(row, "f_band")), months, rates)
    return math.nan, low, high


def band_limits(band: tuple[float, float] | None, months: Sequence[str], rates: Rates) -> tuple[float, float]:
    """Return the limits of a band of local currency in USD; ``nan`` without a band."""
    if band is None:
        return math.nan, math.nan
    low, high = band
    upper = math.inf if math.isinf(high) else rates.dollars(Decimal(high), rates.local, months)
    return rates.dollars(Decimal(low), rates.local, months), upper
