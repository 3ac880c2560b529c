"""Where an answer is written on paper: boxes for digits, parts of a date, lines for text."""

import re
from typing import Final

from lxml import etree

from forms.codebook.layout import Asked
from forms.codebook.pages import add
from forms.codebook.paper_words import PaperWords
from forms.codebook.variables import Variable

MOST_DIGITS: Final = 12
"""Boxes drawn for a number; a longer one gets a line."""

USUAL_DIGITS: Final = 6
"""Boxes for a number whose size nobody has said."""

_FIXED_DIGITS: Final = re.compile(r"regex\(\s*\.\s*,\s*['\"]\^(?:\[0-9\]|\\d)\{(\d{1,2})\}\$['\"]\s*\)")
_ON_TABLET: Final = frozenset({"file", "geotrace", "geoshape"})


def add_answer_space(parent: etree._Element, asked: Asked, words: PaperWords) -> None:
    """Draw the space for an answer that is not a short list of codes."""
    variable = asked.variable
    if variable.kind in ("date", "dateTime", "time"):
        _moment(parent, asked, words)
    elif variable.kind == "geopoint":
        for word in (words.latitude, words.longitude):
            add(add(parent, "span", class_="digits"), "small", word)
            add(parent, "span", class_="line short")
    elif variable.kind in _ON_TABLET:
        add(parent, "p", words.on_tablet, class_="hint")
    elif (digits := _digit_count(variable)) is not None:
        limits = variable.bounds if variable.kind == "range" else None
        _digits(parent, digits, "" if limits is None else f"{limits.low} – {limits.high}")
    else:
        for _ in range(asked.lines):
            add(parent, "span", class_="line" if variable.type == "string" else "line short")


def _moment(parent: etree._Element, asked: Asked, words: PaperWords) -> None:
    if asked.variable.kind != "time":
        _date(parent, asked, words)
    if asked.variable.kind != "date":
        _digits(parent, 2, words.hour)
        _digits(parent, 2, words.minute)


def _date(parent: etree._Element, asked: Asked, words: PaperWords) -> None:
    looks = asked.appearance.split()
    if "year" not in looks and "month-year" not in looks:
        _digits(parent, 2, words.day)
    if "year" not in looks:
        _digits(parent, 2, words.month)
    _digits(parent, 4, words.year)


def _digit_count(variable: Variable) -> int | None:
    """Return how many boxes a number or code needs; None where it is not one."""
    if variable.categories is not None:
        return max((len(category.code) for category in variable.categories), default=2)
    fixed = _FIXED_DIGITS.search(variable.constraint_expression)
    if fixed is not None:
        return int(fixed.group(1))
    if variable.type == "integer":
        limits = variable.bounds
        ends = [] if limits is None or not limits.high.isdigit() else [limits.low.lstrip("-"), limits.high]
        return max((len(end) for end in ends if end.isdigit()), default=USUAL_DIGITS)
    return USUAL_DIGITS if variable.choice_list else None


def _digits(parent: etree._Element, count: int, word: str) -> None:
    if count > MOST_DIGITS:
        add(parent, "span", class_="line short")
        return
    around = add(parent, "span", class_="digits")
    for _ in range(count):
        add(around, "i", aria_hidden="true")
    if word:
        add(around, "small", word)
