"""Between the text of a node and its typed value, and from an answer to the text that Collect would write."""

import datetime
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from forms.xpath.values import (
    Moment,
    Value,
    java_double,
    moment,
    text_to_number,
    time_of_day,
)

_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}\Z").match
_LONG: Final = re.compile(r"[+-]?[0-9]{1,19}\Z").match
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\Z").match
_NUMERIC: Final = frozenset({"int", "integer", "long", "decimal"})
_MOMENTS: Final = frozenset({"date", "dateTime"})
_POSITIONS: Final = frozenset({"geopoint", "geotrace", "geoshape"})
_GEO: Final = re.compile(r"-?[0-9.]+( -?[0-9.]+){1,3}( *; *-?[0-9.]+( -?[0-9.]+){1,3})*;? *\Z").match
_MAX_INT32: Final = 2**31 - 1
_MAX_INT64: Final = 2**63 - 1

RawAnswer = str | int | float | Decimal | bool | datetime.date | datetime.time | Iterable[str] | None


def typed_value(text: str, kind: str, zone: datetime.tzinfo, now: datetime.datetime) -> Value:
    """Return the value that expressions see for the text of a node; text that fails its type stays text."""
    if not text or kind == "string":
        return text
    if kind in _NUMERIC:
        return float(text) if _DECIMAL(text) else text
    if kind in _MOMENTS:
        found = moment(text, zone)
        return text if found is None else found
    if kind == "time":
        found = time_of_day(text, zone, now.date())
        return text if found is None else found
    return text


def received_value(text: str, kind: str, zone: datetime.tzinfo, now: datetime.datetime) -> Value:
    """Return the value that expressions see for a text that came from elsewhere; one that fails its type is none."""
    return "" if kind != "string" and not has_type(text, kind) else typed_value(text, kind, zone, now)


def has_type(text: str, kind: str) -> bool:
    """Say whether the text of a node is one that its type can have."""
    if kind in ("int", "integer"):
        return _INTEGER(text) is not None and -_MAX_INT32 - 1 <= int(text) <= _MAX_INT32
    if kind == "long":
        return _LONG(text) is not None and -_MAX_INT64 - 1 <= int(text) <= _MAX_INT64
    if kind == "decimal":
        return _DECIMAL(text) is not None
    if kind in _MOMENTS:
        return moment(text, datetime.UTC) is not None
    if kind == "time":
        return time_of_day(text, datetime.UTC, datetime.date(1970, 1, 1)) is not None
    return kind not in _POSITIONS or _GEO(text) is not None


def calculated_text(value: Value, kind: str, zone: datetime.tzinfo) -> tuple[str, Value]:
    """Return the text that a calculated value is written as, and the value that other expressions see.

    As JavaRosa does: NaN is no answer, truth is 1 or 0, whole numbers have no decimal point.
    """
    if isinstance(value, str):
        return value, value
    if isinstance(value, bool):
        return ("1", 1.0) if value else ("0", 0.0)
    if isinstance(value, datetime.datetime):
        return _moment_text(value, kind, zone), value
    if math.isnan(value):
        return "", ""
    if kind in ("int", "integer"):
        whole = float(max(min(math.trunc(value), _MAX_INT32), -_MAX_INT32 - 1)) if math.isfinite(value) else 0.0
        return str(int(whole)), whole
    if math.isinf(value):
        return ("Infinity" if value > 0 else "-Infinity"), value
    if value == math.trunc(value) and abs(value) <= _MAX_INT64:
        return str(int(value)), value
    return java_double(value), value


def _moment_text(value: Moment, kind: str, zone: datetime.tzinfo) -> str:
    if kind == "date":
        return value.date().isoformat()
    written = iso_moment(value.replace(tzinfo=zone))
    return written.partition("T")[2] if kind == "time" else written


def iso_moment(value: datetime.datetime) -> str:
    """Write an aware moment with milliseconds and offset, ``Z`` for UTC."""
    text = value.isoformat(timespec="milliseconds")
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def answer_text(answer: RawAnswer, kind: str) -> str:
    """Return the text of an answer for a question of a type, as Collect writes it.

    Raises:
        ValueError: the answer does not have the type.
    """
    if answer is None:
        return ""
    if kind in ("int", "integer", "long"):
        return _integer_text(answer)
    if kind == "decimal":
        return _decimal_text(answer)
    if kind in _MOMENTS or kind == "time":
        return _time_text(answer, kind)
    text = _plain_text(answer)
    if kind in _POSITIONS and text and not _GEO(text):
        raise ValueError("not a position")
    if not text.isprintable() and _NOT_XML.search(text):
        raise ValueError("characters that XML cannot hold")
    return text


def _plain_text(answer: RawAnswer) -> str:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, bool):
        return "true" if answer else "false"
    if isinstance(answer, float):
        return str(int(answer)) if answer.is_integer() else repr(answer)
    if isinstance(answer, Iterable):
        return " ".join(str(code) for code in answer)
    return str(answer)


def _integer_text(answer: RawAnswer) -> str:
    text = _plain_text(answer).strip()
    if isinstance(answer, Decimal) and answer == answer.to_integral_value():
        text = str(int(answer))
    if text and not _INTEGER(text):
        raise ValueError("not an integer")
    if text and not -_MAX_INT32 - 1 <= int(text) <= _MAX_INT32:
        raise ValueError("an integer of more than 32 bits")
    return str(int(text)) if text else ""


def _decimal_text(answer: RawAnswer) -> str:
    text = str(answer).strip()
    if not text:
        return ""
    if isinstance(answer, bool) or not _DECIMAL(text):
        raise ValueError("not a decimal")
    return java_double(float(text))


def _time_text(answer: RawAnswer, kind: str) -> str:
    if isinstance(answer, datetime.datetime):
        if kind == "date":
            return answer.date().isoformat()
        aware = answer if answer.tzinfo is not None else answer.replace(tzinfo=datetime.UTC)
        return iso_moment(aware)
    text = answer.isoformat() if isinstance(answer, datetime.date | datetime.time) else str(answer).strip()
    if not text:
        return ""
    zone = datetime.UTC
    if kind == "time":
        found = time_of_day(text, zone, datetime.date(1970, 1, 1))
    else:
        found = moment(text, zone)
    if found is None or text_to_number(text) == text_to_number(text):
        raise ValueError(f"not a {kind}")
    return found.date().isoformat() if kind == "date" else text
