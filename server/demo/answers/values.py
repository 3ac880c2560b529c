"""How values are told: amounts, dates of whole months, codes drawn by weight."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta

from server.demo import parameters as p

#: Nested answers by question name: text as the instance holds it, or the rows of a repeat.
Answers = dict[str, "str | list[Answers]"]

#: Days of the 36-month window, as the questionnaire counts them.
WINDOW_DAYS = 1096


def amount(value: float, digits: int = 2) -> str:
    """Write an amount of money without needless zeros."""
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(value: float, step: float) -> float:
    """Round to a step, but never a positive amount to nothing."""
    return max(round(value / step) * step, step)


def pick(rng: random.Random, weights: Sequence[tuple[str, float]]) -> str:
    """Draw one code by weight."""
    return rng.choices([code for code, _ in weights], [weight for _, weight in weights])[0]


def month_of(years: float, day: date) -> date:
    """Return the first of the month that lies ``years`` before a day."""
    return (day - timedelta(days=round(years * p.DAYS_A_YEAR))).replace(day=1)


def next_month(first: date) -> date:
    """Return the first of the month after."""
    return (first + timedelta(days=32)).replace(day=1)


def start_month(years: float, day: date, *, recent: bool) -> date:
    """Return the month a first job began, on the side of the 36-month line where the respondent puts it.

    Whole months would move people over the line; a month given is the nearest one that keeps the answer's meaning.
    """
    first = month_of(years, day)
    line = day - timedelta(days=WINDOW_DAYS)
    if recent:
        return first if first >= line else next_month(first)
    return first if first < line else (line - timedelta(days=1)).replace(day=1)


def leaving_month(years: float, day: date) -> date:
    """Return the month of departure; less than a year stays less than twelve months."""
    first = month_of(years, day)
    if years < 1 and (day.year - first.year) * 12 + day.month - first.month >= 12:
        return next_month(first)
    return first
