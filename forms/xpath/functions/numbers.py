"""Functions of numbers."""

import math
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from typing import Final

from forms.xpath.compiler import Builder
from forms.xpath.functions.building import of_lists, of_values
from forms.xpath.values import NAN, Value, to_number


def round_to(value: Value, places: Value = 0.0) -> float:
    """Round half up (towards positive infinity), to decimal places, or to tens where they are negative."""
    number, digits = to_number(value), to_number(places)
    if not math.isfinite(number) or not math.isfinite(digits):
        return number
    whole = int(max(min(digits, 30), -30))
    # The decimal that the number shows is rounded, not its binary neighbour: 1.005 gives 1.01.
    exact = Decimal(repr(number))
    direction = ROUND_HALF_UP if number >= 0 else ROUND_HALF_DOWN
    return float(exact.quantize(Decimal(1).scaleb(-whole), rounding=direction)) if exact.adjusted() < 25 else number


def integer(value: Value) -> float:
    """Return the whole part, towards zero."""
    number = to_number(value)
    return float(math.trunc(number)) if math.isfinite(number) else number


def power(base: Value, exponent: Value) -> float:
    """Return a power, NaN where it is not a real number."""
    try:
        result = to_number(base) ** to_number(exponent)
    except (OverflowError, ZeroDivisionError):
        return math.inf
    return result if isinstance(result, float) else NAN


def total(values: list[Value]) -> float:
    """Return the sum of the values that are there; NaN where one of them is not a number."""
    # From left to right in doubles, as JavaRosa does: an exact sum (fsum, or sum from Python 3.12 on) differs in the
    # last digit, and a calculation re-checked on a tablet must give the same text.
    result = 0.0
    for value in values:
        if value != "":
            result += to_number(value)
    return result


def extreme(choose: Callable[..., float]) -> Callable[[list[Value]], float]:
    """Return a function that gives the largest or smallest of the values that are numbers, NaN of none."""

    def find(values: list[Value]) -> float:
        numbers = [number for number in map(to_number, values) if not math.isnan(number)]
        return choose(numbers) if numbers else NAN

    return find


def real(function: Callable[..., float]) -> Callable[..., float]:
    """Return a function of real numbers that gives NaN outside its domain."""

    def apply(*values: Value) -> float:
        try:
            return float(function(*[to_number(value) for value in values]))
        except OverflowError:
            return math.inf
        except ValueError:
            return NAN

    return apply


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda number: -math.inf if number == 0 else function(number)


_REAL: Final[Mapping[str, Callable[..., float]]] = {
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": _logarithm(math.log),
    "log10": _logarithm(math.log10),
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "floor": math.floor,
    "ceiling": math.ceil,
}

FUNCTIONS: Final[Mapping[str, Builder]] = {
    "number": of_values(to_number, 1),
    "int": of_values(integer, 1),
    "round": of_values(round_to, 1, 2),
    "pow": of_values(power, 2),
    "exp10": of_values(lambda value: power(10.0, value), 1),
    "pi": of_values(lambda: math.pi, 0),
    "atan2": of_values(real(math.atan2), 2),
    "sum": of_lists(total, 1),
    "max": of_lists(extreme(max), 1, None),
    "min": of_lists(extreme(min), 1, None),
    **{name: of_values(real(function), 1) for name, function in _REAL.items()},
}
