"""Reading single answers of an interview: codes, numbers, dates; what was not asked is None."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

#: Answers of an interview or of one row of a repeat, by column name; repeats are sequences of rows.
Answers: TypeAlias = Mapping[str, Any]

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def code(answers: Answers, name: str) -> str:
    """Return the code of a choice; empty if not asked."""
    value = answers.get(name)
    return "" if value is None else str(value).strip()


def codes(answers: Answers, name: str) -> frozenset[str]:
    """Return the codes of a multiple choice."""
    return frozenset(code(answers, name).split())


def number(answers: Answers, name: str) -> Decimal | None:
    """Return a number as written; None if not asked or no number."""
    value = answers.get(name)
    if value is None or value == "":
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def whole(answers: Answers, name: str, default: int = 0) -> int:
    """Return a whole number; the default if not asked."""
    found = number(answers, name)
    return default if found is None else int(found)


def day(answers: Answers, name: str) -> date | None:
    """Return a date; a month and year come as the first of the month."""
    value = answers.get(name)
    if isinstance(value, date):
        return value
    match = _ISO_DATE.match(str(value)) if value else None
    return date.fromisoformat(match.group()) if match else None


def rows(answers: Answers, name: str) -> Sequence[Answers]:
    """Return the rows of a repeat."""
    return answers.get(name) or ()
