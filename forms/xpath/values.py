"""The values of XForms XPath and how they turn into one another.

A value is a text, a number (float), a truth value or a moment (a naive ``datetime`` in the interview's own time
zone; a date is its midnight). Conversions follow JavaRosa 5.1, checked against it in the tests; the odd ones say so.
"""

import datetime
import math
import re
from typing import Final

Value = str | float | bool | datetime.datetime
Moment = datetime.datetime

NAN: Final = math.nan
_EPOCH: Final = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - days are counted in the interview's local calendar
_PLAIN_NUMBER: Final = re.compile(r"-?(?:\d+\.?\d*|\.\d+)\Z", re.ASCII).match
_DATE: Final = re.compile(r"(\d{1,4})-(\d{1,2})-(\d{1,2})(?:T(.*))?\Z", re.DOTALL | re.ASCII).match
_TIME: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}(?::?\d{2})?)?\Z", re.ASCII).match
_MAX_INT32: Final = 2**31 - 1
_MIN_INT32: Final = -(2**31)
_ALMOST: Final = 1e-12


def to_number(value: Value) -> float:
    """Convert to a number; NaN where a text is none. Exponents are not numbers to XPath; a moment counts whole days."""
    kind = type(value)
    if kind is float:
        return value  # type: ignore[return-value]
    if kind is str:
        return text_to_number(value)  # type: ignore[arg-type]
    if isinstance(value, datetime.datetime):
        return float((value - _EPOCH).days)
    return float(value)


def text_to_number(text: str) -> float:
    """Convert a text to a number, NaN where it is none."""
    stripped = text.strip()
    return float(stripped) if _PLAIN_NUMBER(stripped) else NAN


def to_text(value: Value) -> str:
    """Convert to a text; a moment gives its date."""
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    return number_to_text(value)


def number_to_text(number: float) -> str:
    """Write a number as the engine of Collect does: integers plain up to 32 bits, else as Java writes a double."""
    if math.isnan(number):
        return "NaN"
    if abs(number) < _ALMOST:
        return "0"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if _MIN_INT32 <= number <= _MAX_INT32 and abs(number - int(number)) < _ALMOST:
        return str(int(number))
    return java_double(number)


def to_boolean(value: Value) -> bool:
    """Convert to a truth value: a text that is not empty, a number that is neither 0 nor NaN."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return bool(value)
    if isinstance(value, float):
        return abs(value) > _ALMOST and not math.isnan(value)
    return True


def java_double(number: float) -> str:
    """Write a finite double as ``Double.toString`` of Java does: ``2.5``, ``1.0E8``, ``1.0E-4``."""
    if number == 0:
        return "-0.0" if math.copysign(1, number) < 0 else "0.0"
    sign = "-" if number < 0 else ""
    mantissa, exponent = _shortest(abs(number))
    if -3 <= exponent < 7:
        return sign + _plain(mantissa, exponent)
    return f"{sign}{mantissa[0]}.{mantissa[1:] or '0'}E{exponent}"


def _shortest(number: float) -> tuple[str, int]:
    """Return the shortest digits that read back as the number, and the exponent of the first of them."""
    mantissa, _, exponent = repr(number).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + (fraction if fraction != "0" else "")
    leading = len(digits) - len(digits.lstrip("0"))
    first = len(whole) - 1 - leading + int(exponent or "0")
    return digits.strip("0") or "0", first


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    return f"{whole}.{digits[exponent + 1 :] or '0'}"


def equals(left: Value, right: Value) -> bool:
    """Compare for equality: as truth values if one is, else as numbers if one is, else as texts."""
    if type(left) is str and type(right) is str:
        return left == right
    if isinstance(left, bool) or isinstance(right, bool):
        return to_boolean(left) == to_boolean(right)
    if isinstance(left, float) or isinstance(right, float):
        a, b = to_number(left), to_number(right)
        return abs(a - b) < _ALMOST or a == b
    return to_text(left) == to_text(right)


def moment(text: str, zone: datetime.tzinfo) -> Moment | None:
    """Read a date (``2026-11-20``) or a date and time with offset; None where it is neither.

    A time with an offset is moved into the zone of the interview; one without is taken as written.
    """
    match = _DATE(text.strip())
    if match is None:
        return None
    year, month, day, time_text = match.groups()
    try:
        date = datetime.date(int(year), int(month), int(day))
    except ValueError:
        return None
    return _at_time(date, time_text, zone) if time_text else datetime.datetime.combine(date, datetime.time())


def time_of_day(text: str, zone: datetime.tzinfo, on: datetime.date) -> Moment | None:
    """Read a time of day (``10:30:00.000+01:00``) as a moment of the given date."""
    return _at_time(on, text.strip(), zone)


def _at_time(date: datetime.date, text: str, zone: datetime.tzinfo) -> Moment | None:
    match = _TIME(text)
    if match is None:
        return None
    hours, minutes, seconds, fraction, offset = match.groups()
    try:
        time = datetime.time(int(hours), int(minutes), int(seconds or 0), int((fraction or "0").ljust(6, "0")[:6]))
    except ValueError:
        return None
    naive = datetime.datetime.combine(date, time)
    if offset is None:
        return naive
    try:
        aware = datetime.datetime.fromisoformat(naive.isoformat() + ("+00:00" if offset == "Z" else _colon(offset)))
        return aware.astimezone(zone).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _colon(offset: str) -> str:
    digits = offset[1:].replace(":", "").ljust(4, "0")
    return f"{offset[0]}{digits[:2]}:{digits[2:]}"


def fractional_days(value: Moment) -> float:
    """Return the days since 1970-01-01 of the local calendar, with the part of the day."""
    return (value - _EPOCH) / datetime.timedelta(days=1)


def from_days(days: float) -> Moment | None:
    """Return the moment so many days after 1970-01-01, None where the calendar does not reach."""
    try:
        return _EPOCH + datetime.timedelta(days=math.floor(days))
    except (ValueError, OverflowError):
        return None


def value_or_empty(value: Value) -> Value:
    """Return a value, or an empty text where it is NaN: neither is an answer."""
    return "" if isinstance(value, float) and math.isnan(value) else value
