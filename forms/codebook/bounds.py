"""The interval that a constraint leaves to a number, where it is as plain as ``. >= 1 and . <= 6``."""

from dataclasses import dataclass

from forms.codebook.written import is_too_deep, number, operands
from forms.xpath.syntax import Binary, Expression, Literal, Negative, Path, Step, XPathError, parse


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval as decimal texts, empty where it is open; ``is_*_exclusive`` leave the end itself out."""

    low: str = ""
    high: str = ""
    is_low_exclusive: bool = False
    is_high_exclusive: bool = False


def bounds(constraint: str) -> Bounds | None:
    """Return the interval that a constraint allows; None where it gives no end.

    Further conditions only narrow it: the interval always holds for an allowed answer.
    """
    try:
        tree = parse(constraint)
    except XPathError:
        return None
    if is_too_deep(tree):
        return None
    low: tuple[float, bool] | None = None
    high: tuple[float, bool] | None = None
    for part in operands(tree, "and"):
        end = _end(part)
        if end is None:
            continue
        operator, value = end
        is_exclusive = not operator.endswith("=")
        if operator.startswith(">"):
            low = max(low or (value, is_exclusive), (value, is_exclusive))
        else:
            # Among equal ends the exclusive one is the narrower.
            high = min(high or (value, is_exclusive), (value, is_exclusive), key=lambda one: (one[0], not one[1]))
    if low is None and high is None:
        return None
    return Bounds(
        low="" if low is None else number(low[0]),
        high="" if high is None else number(high[0]),
        is_low_exclusive=low is not None and low[1],
        is_high_exclusive=high is not None and high[1],
    )


def _end(part: Expression) -> tuple[str, float] | None:
    match part:
        case Binary(operator=("<" | "<=" | ">" | ">=") as operator, left=left, right=right):
            value = _number(right)
            return None if value is None or not _is_self(left) else (operator, value)
    return None


def _number(expression: Expression) -> float | None:
    match expression:
        case Literal(value=float(value)):
            return value
        case Negative(operand=Literal(value=float(value))):
            return -value
    return None


def _is_self(expression: Expression) -> bool:
    match expression:
        case Path(start="", steps=(Step(axis="self", test="node()", predicates=()),)):
            return True
    return False
