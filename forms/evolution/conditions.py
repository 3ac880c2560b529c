"""Whether one condition lets through more or less than another, where that can be decided.

Conditions are compared as written against the new version: paths through renamed and moved questions are the same
path. Then every variable gets the values at which the two conditions can turn (the numbers and codes they name, what
lies between and beyond, no answer), everything that is not a comparison counts as a proposition of its own, and all
combinations are tried. A relation that is found so holds; where the combinations are too many, nothing is said.
"""

import datetime
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal

from forms.xpath.syntax import Binary, Call, Expression, Negative, Path, Step, XPathError, parse
from forms.xpath.syntax import Literal as Constant

Relation = Literal["same", "tighter", "looser", "other"]

MAX_COMBINATIONS: Final = 20_000
_COMPARISONS: Final = frozenset({"=", "!=", "<", "<=", ">", ">="})
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TRUE: Final = Call("true", (), 0)
_EPOCH: Final = datetime.date(1970, 1, 1)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,29})(?:\.[0-9]{1,30})?\Z", re.ASCII).match
_OTHER: Final = "\0other"


def normal(source: str, context: str, images: Mapping[str, str]) -> Expression | str:
    """Return a condition with absolute paths of the new version; as its trimmed text where it cannot be parsed.

    Args:
        source: as the form has it; empty means no condition.
        context: path of the node that has it.
        images: path before → path after.
    """
    if not source.strip():
        return _TRUE
    try:
        return _Normaliser(context, images).expression(parse(source))
    except XPathError:
        return source.strip()


class _Normaliser:
    def __init__(self, context: str | None, images: Mapping[str, str]) -> None:
        self.context = context
        self.images = images

    def expression(self, tree: Expression) -> Expression:
        if isinstance(tree, Constant):
            value = tree.value
            return Constant(self.images.get(value, value)) if isinstance(value, str) else tree
        if isinstance(tree, Negative):
            return Negative(self.expression(tree.operand))
        if isinstance(tree, Binary):
            return Binary(tree.operator, self.expression(tree.left), self.expression(tree.right))
        if isinstance(tree, Call):
            return Call(tree.name, tuple(self.expression(argument) for argument in tree.arguments), 0)
        return self.path(tree)

    def path(self, tree: Path) -> Expression:
        absolute = self._absolute(tree)
        if absolute is not None:
            steps = self.images.get(absolute, absolute).strip("/").split("/")
            return Path("/", tuple(Step("child", name) for name in steps))
        start = tree.start if isinstance(tree.start, str) else self.expression(tree.start)
        inside = _Normaliser(None, self.images)
        return Path(
            start,
            tuple(
                replace(step, predicates=tuple(inside.expression(predicate) for predicate in step.predicates))
                for step in tree.steps
            ),
            tuple(inside.expression(predicate) for predicate in tree.predicates),
        )

    def _absolute(self, tree: Path) -> str | None:
        is_current = isinstance(tree.start, Call) and tree.start.name == "current"
        if tree.predicates or not (tree.start in ("", "/") or is_current) or (tree.start == "" and not self.context):
            return None
        parts = [] if tree.start == "/" else (self.context or "").strip("/").split("/")
        for step in tree.steps:
            if step.predicates or step.axis not in ("child", "parent", "self") or step.test == "*":
                return None
            if step.axis == "parent":
                if not parts:
                    return None
                parts.pop()
            elif step.axis == "child":
                parts.append(step.test)
        return "/" + "/".join(parts)


def relation(
    before: Expression | str, after: Expression | str, *, numbers: Mapping[str, bool], asked: str = ""
) -> Relation:
    """Say how a condition relates to the one before: ``tighter`` lets through less, ``looser`` more.

    Args:
        before, after: as ``normal`` gives them.
        numbers: path of each question that is answered by a number or date → whether only by whole ones.
        asked: path of the question whose constraint this is: it has an answer when it is checked.
    """
    if before == after:
        return "same"
    if isinstance(before, str) or isinstance(after, str):
        return "other"
    variables = _Variables()
    variables.gather(before)
    variables.gather(after)
    names, domains = variables.domains(numbers, asked)
    combinations = 1
    for domain in domains:
        combinations *= len(domain)
    if combinations > MAX_COMBINATIONS:
        return "other"
    environments = (dict(zip(names, values, strict=True)) for values in itertools.product(*domains))
    return _compared((_holds(before, env), _holds(after, env)) for env in environments)


def _compared(results: Iterator[tuple[bool, bool]]) -> Relation:
    tighter = looser = False
    for was, now in results:
        tighter |= was and not now
        looser |= now and not was
    if tighter:
        return "other" if looser else "tighter"
    return "looser" if looser else "same"


Value = str | Fraction | bool
Variable = Expression


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A variable against a constant."""

    variable: Variable
    operator: str
    constant: str | Fraction


class _Variables:
    """The variables of some conditions, with the constants that each is compared with."""

    def __init__(self) -> None:
        self.constants: dict[Variable, set[str | Fraction]] = {}
        self.propositions: dict[Variable, None] = {}

    def gather(self, tree: Expression) -> None:
        for operand in _operands(tree):
            self.gather(operand)
        if _operands(tree) or _truth(tree) is not None:
            return
        comparison = _comparison(tree)
        if comparison is None:
            self.propositions[tree] = None
        else:
            self.constants.setdefault(comparison.variable, set()).add(comparison.constant)

    def domains(self, numbers: Mapping[str, bool], asked: str) -> tuple[list[Variable], list[list[Value]]]:
        names: list[Variable] = []
        domains: list[list[Value]] = []
        for variable, constants in self.constants.items():
            path = _path_of(variable)
            values = _representatives(constants, is_whole=numbers.get(path, False))
            if path not in numbers:
                values.append(_OTHER)
            names.append(variable)
            domains.append(values if path == asked and asked else ["", *values])
        for proposition in self.propositions:
            names.append(proposition)
            domains.append([False, True])
        return names, domains


def _representatives(constants: set[str | Fraction], *, is_whole: bool) -> list[Value]:
    numbers = sorted({number for constant in constants if (number := _as_number(constant)) is not None})
    texts = {constant for constant in constants if isinstance(constant, str) and _as_number(constant) is None}
    values: list[Value] = [*sorted(texts - {""})]
    if is_whole:
        floors = {Fraction(number.__floor__()) for number in numbers}
        return [*values, *sorted({floor + shift for floor in floors for shift in (-1, 0, 1, 2)})]
    between = [(low + high) / 2 for low, high in itertools.pairwise(numbers)]
    ends = [numbers[0] - 1, numbers[-1] + 1] if numbers else []
    return [*values, *numbers, *between, *ends]


def _operands(tree: Expression) -> tuple[Expression, ...]:
    """Return the parts of a logical connection; empty where it is none."""
    if isinstance(tree, Binary) and tree.operator in ("and", "or"):
        return (tree.left, tree.right)
    return tree.arguments if isinstance(tree, Call) and tree.name == "not" and len(tree.arguments) == 1 else ()


def _truth(tree: Expression) -> bool | None:
    if isinstance(tree, Call) and not tree.arguments and tree.name in ("true", "false"):
        return tree.name == "true"
    return None


def _comparison(tree: Expression) -> _Comparison | None:
    if not isinstance(tree, Binary) or tree.operator not in _COMPARISONS:
        return None
    left, right, operator = tree.left, tree.right, tree.operator
    constant = _constant(right)
    if constant is None:
        left, constant, operator = right, _constant(left), _MIRRORED.get(operator, operator)
    if constant is None or _constant(left) is not None:
        return None
    while isinstance(left, Call) and left.name in ("number", "string", "date", "int") and len(left.arguments) == 1:
        left = left.arguments[0]
    return _Comparison(left, operator, constant)


def _constant(tree: Expression) -> str | Fraction | None:
    if isinstance(tree, Constant):
        return tree.value if isinstance(tree.value, str) else _fraction(tree.value)
    if isinstance(tree, Negative) and isinstance(tree.operand, Constant) and isinstance(tree.operand.value, float):
        number = _fraction(tree.operand.value)
        return None if number is None else -number
    if isinstance(tree, Call) and tree.name == "date" and len(tree.arguments) == 1:
        argument = tree.arguments[0]
        if isinstance(argument, Constant) and isinstance(argument.value, str):
            return _day(argument.value)
    return None


def _fraction(number: float) -> Fraction | None:
    return Fraction(repr(number)) if math.isfinite(number) else None


def _day(text: str) -> Fraction | None:
    try:
        return Fraction((datetime.date.fromisoformat(text) - _EPOCH).days)
    except ValueError:
        return None


def _as_number(value: str | Fraction) -> Fraction | None:
    if isinstance(value, Fraction):
        return value
    return Fraction(value) if _NUMBER(value) else None  # a code 01 is a text, and 1E999999999 a bomb


def _path_of(variable: Variable) -> str:
    if isinstance(variable, Path) and variable.start == "/":
        return "/" + "/".join(step.test for step in variable.steps)
    return ""


def _holds(tree: Expression, env: Mapping[Variable, Value]) -> bool:
    operands = _operands(tree)
    if operands:
        if isinstance(tree, Binary):
            first = _holds(operands[0], env)
            return (first and _holds(operands[1], env)) if tree.operator == "and" else first or _holds(operands[1], env)
        return not _holds(operands[0], env)
    truth = _truth(tree)
    if truth is not None:
        return truth
    comparison = _comparison(tree)
    return bool(env[tree]) if comparison is None else _is_met(comparison, env[comparison.variable])


def _is_met(comparison: _Comparison, value: Value) -> bool:
    constant, operator = comparison.constant, comparison.operator
    if operator in ("=", "!="):
        number = _as_number(constant)
        same = value == number if isinstance(value, Fraction) else number is None and value == constant
        return same if operator == "=" else not same
    number = _as_number(constant)
    if not isinstance(value, Fraction) or number is None:
        return False
    return _ORDER[operator](value, number)


_ORDER: Final[Mapping[str, Callable[[Fraction, Fraction], bool]]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
