"""Reading single answers of an interview: codes, numbers, dates; what was not asked is None."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

#: Answers of an interview or of one row of a repeat, by column name; repeats are sequences of rows.
Answers: TypeAlias = Mapping[str, Any]

#: Powers of ten that an amount can have; a calculated answer is a text, and 1E999999999 is a bomb as a whole number.
MAX_EXPONENT: Final = 30

#: Codes and counts go into arrays of 64 bits; no real one comes near.
_TOO_LARGE = 2**63
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def code(answers: Answers, name: str) -> str:
    """Return the code of a choice; empty if not asked."""
    value = answers.get(name)
    return "" if value is None else str(value).strip()


def codes(answers: Answers, name: str) -> frozenset[str]:
    """Return the codes of a multiple choice."""
    return frozenset(code(answers, name).split())


def number(answers: Answers, name: str) -> Decimal | None:
    """Return a number as written; None if not asked, no number, or beyond any amount."""
    value = answers.get(name)
    if value is None or value == "":
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    if not found.is_finite() or (found and abs(found.adjusted()) > MAX_EXPONENT):
        return None
    return found


def whole(answers: Answers, name: str, default: int = 0) -> int:
    """Return a whole number; the default if not asked."""
    found = number(answers, name)
    return default if found is None or abs(found) >= _TOO_LARGE else int(found)


def day(answers: Answers, name: str) -> date | None:
    """Return a date; a month and year come as the first of the month."""
    value = answers.get(name)
    if isinstance(value, date):
        return value
    match = _ISO_DATE.match(str(value)) if value else None
    if match is None:
        return None
    try:
        return date.fromisoformat(match.group())
    except ValueError:  # no day of the calendar
        return None


def rows(answers: Answers, name: str) -> Sequence[Answers]:
    """Return the rows of a repeat."""
    return answers.get(name) or ()
