"""Dates and times."""

import datetime
import math
from collections.abc import Callable, Mapping
from typing import Final

from forms.xpath.compiler import Builder
from forms.xpath.functions.building import CLOCK, of_tree
from forms.xpath.nodes import Tree
from forms.xpath.values import NAN, Moment, Value, fractional_days, from_days, moment, time_of_day, to_text

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

# The escapes of format-date(), ODK XForms specification; %e and %h have no leading zero.
_ESCAPES: Final[Mapping[str, Callable[[Moment], str]]] = {
    "Y": lambda at: f"{at.year:04d}",
    "y": lambda at: f"{at.year % 100:02d}",
    "m": lambda at: f"{at.month:02d}",
    "n": lambda at: str(at.month),
    "b": lambda at: _MONTHS[at.month - 1],
    "d": lambda at: f"{at.day:02d}",
    "e": lambda at: str(at.day),
    "H": lambda at: f"{at.hour:02d}",
    "h": lambda at: str(at.hour),
    "M": lambda at: f"{at.minute:02d}",
    "S": lambda at: f"{at.second:02d}",
    "3": lambda at: f"{at.microsecond // 1000:03d}",
    "a": lambda at: _DAYS[at.weekday()],
    "W": lambda at: str(at.isocalendar().week),
    "%": lambda _at: "%",
}


def to_moment(tree: Tree, value: Value) -> Moment | None:
    """Return the moment of a value: a date, a text in ISO form, or days since 1970-01-01; None where it is none."""
    if isinstance(value, datetime.datetime):
        return value
    if isinstance(value, str):
        return moment(value, tree.zone)
    return None if isinstance(value, bool) or math.isnan(value) else from_days(value)


def date_time(tree: Tree, value: Value) -> Value:
    """Convert to a moment, keeping the time of day if it has one; what is none stays an empty text."""
    found = to_moment(tree, value)
    return "" if found is None else found


def decimal_date_time(tree: Tree, value: Value) -> float:
    """Return the days since 1970-01-01 with the part of the day."""
    found = to_moment(tree, value)
    return NAN if found is None else fractional_days(found)


def decimal_time(tree: Tree, value: Value) -> float:
    """Return the part of the day that a time of day stands for."""
    found = to_moment(tree, value) or time_of_day(to_text(value), tree.zone, tree.now.date())
    return NAN if found is None else fractional_days(found) % 1


def format_date(tree: Tree, value: Value, pattern: Value) -> str:
    """Write a moment by a pattern such as ``%d/%m/%Y``; an unknown escape stands for itself."""
    found = to_moment(tree, value)
    if found is None:
        return ""
    parts: list[str] = []
    letters = iter(to_text(pattern))
    for letter in letters:
        if letter != "%":
            parts.append(letter)
            continue
        escape = next(letters, "")
        parts.append(_ESCAPES[escape](found) if escape in _ESCAPES else "%" + escape)
    return "".join(parts)


def _now(tree: Tree) -> Moment:
    return tree.now.astimezone(tree.zone).replace(tzinfo=None)


def _today(tree: Tree) -> Moment:
    return datetime.datetime.combine(_now(tree).date(), datetime.time())


FUNCTIONS: Final[Mapping[str, Builder]] = {
    "date": of_tree(date_time, 1, 1),
    "date-time": of_tree(date_time, 1, 1),
    "decimal-date-time": of_tree(decimal_date_time, 1, 1),
    "decimal-time": of_tree(decimal_time, 1, 1),
    "format-date": of_tree(format_date, 2, 2),
    "format-date-time": of_tree(format_date, 2, 2),
    "now": of_tree(_now, 0, 0, notes=CLOCK),
    "today": of_tree(_today, 0, 0, notes=CLOCK),
}
