"""Module E: what each worker of SDG 10.7.1 paid for the first job abroad, and earned in its first full month."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from server.statistics.hh_remit.answers import Answers, code, codes, day, number, rows, whole
from server.statistics.hh_remit.rates import Rates, month_of
from server.statistics.hh_remit.senders import band_limits
from server.statistics.sample import (
    EARNINGS_UNKNOWN,
    INTEREST,
    LUMP_SUM,
    NO_FULL_MONTH_YET,
    PAID,
    RECOVERED_FROM_WAGES,
    UNPAID,
)

#: Limits of the lists ``costband`` and ``earnband`` in local currency, by code: from … to below.
COST_BANDS: Final = {"1": (0, 50_000), "2": (50_000, 100_000), "3": (100_000, 200_000), "4": (200_000, 400_000),
                     "5": (400_000, 800_000), "6": (800_000, math.inf)}  # fmt: skip
EARNING_BANDS: Final = {"1": (0, 20_000), "2": (20_000, 35_000), "3": (35_000, 50_000), "4": (50_000, 80_000),
                        "5": (80_000, 150_000), "6": (150_000, math.inf)}  # fmt: skip

YOUNGEST: Final = 15
_LOANS: Final = frozenset({"3", "4", "5"})
_PROXIES: Final = frozenset({"3", "4"})
_AMOUNT_KNOWN: Final = frozenset({"1", "2"})
_NOT_PAID: Final = "5"
_RETURNEE: Final = 100
_ABROAD: Final = 200
#: A loan whose interest is not stated as a sum is taken to run this long at most.
_LOAN_MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class CostRow:
    """One sum paid; USD as in :class:`server.statistics.sample.Costs`."""

    item: int
    usd: float
    low_usd: float = math.nan
    high_usd: float = math.nan


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One worker; USD as in :class:`server.statistics.sample.Workers`, earned in the month ``started``."""

    line: int
    started: str
    country: str
    sex: int
    is_proxy: bool
    has_borrowed: bool
    earnings_state: int
    earnings_usd: float
    earnings_low_usd: float
    earnings_high_usd: float
    costs: tuple[CostRow, ...]


@dataclass(frozen=True, slots=True)
class _Job:
    """The answers on one worker with the months that its amounts belong to."""

    answers: Answers
    interviewed: date
    paid: str
    started: str
    rates: Rates


def workers_of(answers: Answers, interviewed: date, rates: Rates) -> list[WorkerRow]:
    """Return the workers of an interview in the universe of SDG 10.7.1, as the form has found them.

    Months actually spent abroad are no condition: a year meant is enough.
    """
    people: dict[int, tuple[Answers, str]] = {
        _RETURNEE + whole(row, "c_line", place): (row, "c") for place, row in enumerate(rows(answers, "member"), 1)
    }
    people |= {
        _ABROAD + whole(row, "d_line", place): (row, "d") for place, row in enumerate(rows(answers, "abroad"), 1)
    }
    found = []
    for row in rows(answers, "worker"):
        person, module = people.get(whole(row, "e_key"), ({}, ""))
        if module and whole(person, f"{module}_age") >= YOUNGEST:
            found.append(_worker(row, person, module, interviewed=interviewed, rates=rates))
    return found


def _worker(row: Answers, person: Answers, module: str, *, interviewed: date, rates: Rates) -> WorkerRow:
    started = day(person, "c_ret_start" if module == "c" else "d_start") or interviewed
    job = _Job(row, interviewed, month_of(day(row, "e_paid") or started), month_of(started), rates)
    state, earnings, low, high = _earnings(job)
    country = code(person, "c_ret_country" if module == "c" else "d_country")
    return WorkerRow(
        line=whole(row, "e_key"),
        started=job.started,
        country=country,
        sex=whole(person, f"{module}_sex"),
        is_proxy=code(row, "e_source") in _PROXIES,
        has_borrowed=bool(codes(row, "e_fin") & _LOANS),
        earnings_state=state,
        earnings_usd=earnings,
        earnings_low_usd=low,
        earnings_high_usd=high,
        costs=tuple(_costs(job)),
    )


def _earnings(job: _Job) -> tuple[int, float, float, float]:
    """Return state, USD and band of the first full month; what was held back for costs is earned too."""
    row, nothing = job.answers, math.nan
    if code(row, "e_fullmonth") == "2":
        return NO_FULL_MONTH_YET, nothing, nothing, nothing
    if code(row, "e_earn_st") == _NOT_PAID:
        return UNPAID, nothing, nothing, nothing
    received, currency = number(row, "e_earn"), code(row, "e_earn_cur")
    if received is not None and job.rates.knows(currency):
        held = number(row, "e_earn_ded") or Decimal(0)
        return PAID, job.rates.dollars(received + held, currency, (job.started,)), nothing, nothing
    low, high = band_limits(EARNING_BANDS.get(code(row, "e_earn_band")), (job.started,), job.rates)
    return EARNINGS_UNKNOWN, nothing, low, high


def _costs(job: _Job) -> Iterator[CostRow]:
    """Yield what was paid: the lump sum, what came apart from it, what wages were cut for, interest."""
    row = job.answers
    if code(row, "e_lump") == "1":
        usd = _paid(job, row, "e_lump")
        limits = band_limits(COST_BANDS.get(code(row, "e_lump_band")), (job.paid,), job.rates)
        yield CostRow(LUMP_SUM, usd, *(limits if math.isnan(usd) else ()))
    items = [one for one in rows(row, "cost") if whole(one, "k_item") > 0]
    for one in items:
        yield CostRow(whole(one, "k_item"), _paid(job, one, "k"))
    if code(row, "e_recov") == "1":
        amount, currency = number(row, "e_recov_amt"), code(row, "e_earn_cur")
        known = amount is not None and job.rates.knows(currency)
        usd = job.rates.dollars(amount, currency, (job.started,)) if known and amount is not None else math.nan
        yield CostRow(RECOVERED_FROM_WAGES, usd)
    if all(whole(one, "k_item") != INTEREST for one in items):
        yield from _interest(job)


def _paid(job: _Job, row: Answers, prefix: str) -> float:
    """Return an amount in USD at the month of payment; ``nan`` if it exists and is not known."""
    amount, currency = number(row, f"{prefix}_amt"), code(row, f"{prefix}_cur")
    known = code(row, f"{prefix}_st") in _AMOUNT_KNOWN and job.rates.knows(currency)
    return job.rates.dollars(amount, currency, (job.paid,)) if known and amount is not None else math.nan


def _interest(job: _Job) -> Iterator[CostRow]:
    """Yield the interest of a loan of known size and rate, simple, from payment to interview, a year at most."""
    loan, rate = number(job.answers, "e_loan"), number(job.answers, "e_loan_int")
    if not loan or not rate:
        return
    year, month = int(job.paid[:4]), int(job.paid[5:])
    elapsed = (job.interviewed.year - year) * 12 + job.interviewed.month - month
    months = max(0, min(_LOAN_MONTHS, elapsed))
    usd = job.rates.dollars(loan * rate / 100 * months, job.rates.local, (job.paid,))
    if usd > 0:
        yield CostRow(INTEREST, usd)
