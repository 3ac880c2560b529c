"""Turning the answer of one version into the answer of the next: types, codes, factors. Exact, or not at all."""

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final, TypeVar

from forms.columns import ColumnType
from forms.evolution.crosswalk import Crosswalk
from forms.structure import Answer, date, decimal

_Read = TypeVar("_Read")
Note = Callable[[str, str], None]
"""Takes a remark's code and the code of a choice."""

_RULE: Final = re.compile(
    r"\*\s*(-?\d{1,15}(?:\.\d{1,15})?)(?:\s*([+-])\s*(\d{1,15}(?:\.\d{1,15})?))?\Z", re.ASCII
).match
_EXACT: Final = Context(prec=200)
"""Answers have 60 digits and factors 30: products and sums of them fit."""
_INTEGER_LIMIT: Final = 10**18


class UnconvertibleError(ValueError):
    """The answer cannot be had in the new version; the raw one is kept."""


@dataclass(frozen=True, slots=True)
class Factor:
    """The rule of a ``converted`` row: ``* 4``, ``* 0.25``, ``* 1.8 + 32``."""

    factor: Decimal
    offset: Decimal

    def __call__(self, value: Decimal) -> Decimal:
        """Convert exactly."""
        return _EXACT.add(_EXACT.multiply(value, self.factor), self.offset)


def read_factor(rule: str) -> Factor | None:
    """Read the rule of a conversion; None where it is none, or is a factor of zero."""
    match = _RULE(rule.strip())
    if match is None:
        return None
    factor, sign, offset = match.groups()
    found = Factor(Decimal(factor), Decimal(f"{sign}{offset}") if offset else Decimal(0))
    return found if found.factor else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What happens to the answers of one question.

    Attributes:
        old_type, new_type: of the columns.
        codes: what becomes of its codes, where it has a list in both versions.
        new_codes: the codes that a question may have which had no list before; None for any.
        to_one: several codes before, one after.
        is_many: several codes after.
    """

    old_type: ColumnType
    new_type: ColumnType
    codes: Crosswalk | None = None
    new_codes: frozenset[str] | None = None
    factor: Factor | None = None
    to_one: bool = False
    is_many: bool = False

    @property
    def is_copy(self) -> bool:
        """Say whether every answer stays as it is."""
        return (
            self.old_type == self.new_type
            and (self.codes is None or self.codes.is_plain)
            and self.new_codes is None
            and self.factor is None
            and not self.to_one
        )

    @property
    def may_fail(self) -> bool:
        """Say whether there can be answers that cannot be had: those need a column of their own."""
        exact = self.old_type == self.new_type or self.new_type == "string" or _is_widening(self)
        renumbered = (self.codes is not None or self.factor is not None) and self.new_type in ("integer", "date")
        return self.to_one or self.new_codes is not None or not exact or renumbered

    def __call__(self, value: Answer, note: Note) -> Answer | None:
        """Return the answer of the new version, None where it ends on purpose.

        Raises:
            UnconvertibleError: there is none.
        """
        if self.codes is not None:
            coded = self._recoded(_text(value), note)
            return None if coded is None else typed(coded, self.new_type)
        if self.factor is not None:
            value = self.factor(_number(value))
        converted = typed(value, self.new_type)
        if self.new_codes is not None:
            wanted = _text(converted).split() if self.is_many else [_text(converted)]
            if any(code not in self.new_codes for code in wanted):
                raise UnconvertibleError
        return converted

    def _recoded(self, text: str, note: Note) -> str | None:
        found = text.split() if self.is_many or self.to_one else [text]
        images = dict.fromkeys(image for code in found if (image := self._image(code, note)) is not None)
        if self.to_one and len(images) > 1:
            raise UnconvertibleError
        return " ".join(images) or None

    def _image(self, code: str, note: Note) -> str | None:
        codes = self.codes
        assert codes is not None  # noqa: S101 - the caller looked
        image = codes.image.get(code)
        if image is not None:
            return image
        if code in codes.dropped:
            note("dropped", code)
            return None
        if code in codes.before:
            note("no-counterpart", code)
        return code


def _is_widening(conversion: Conversion) -> bool:
    return conversion.old_type == "integer" and conversion.new_type == "decimal"


def _text(value: Answer) -> str:
    if isinstance(value, datetime.date):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _number(value: Answer) -> Decimal:
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, str):
        return _read(decimal, value)
    raise UnconvertibleError


def typed(value: Answer, kind: ColumnType) -> Answer:
    """Convert to the type of a column; a number keeps its value to the last digit.

    Raises:
        UnconvertibleError: the value is none of that type.
    """
    if kind == "string":
        return _text(value)
    return _CONVERTERS[kind](value)


def _integer(value: Answer) -> int:
    number = _number(value)
    if number != int(number) or abs(number) >= _INTEGER_LIMIT:
        raise UnconvertibleError
    return int(number)


def _date(value: Answer) -> datetime.date:
    if isinstance(value, datetime.date):
        return value
    if isinstance(value, str):
        return _read(date, value)
    raise UnconvertibleError


def _read(reader: Callable[[str], _Read], text: str) -> _Read:
    try:
        return reader(text.strip())
    except ValueError:
        raise UnconvertibleError from None


_CONVERTERS: Final[Mapping[ColumnType, Callable[[Answer], Answer]]] = {
    "integer": _integer,
    "decimal": _number,
    "date": _date,
}
