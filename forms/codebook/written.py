"""A parsed expression back as text, for the parts that cannot be said in words; and questions about its shape."""

from collections.abc import Iterator
from typing import Final

from forms.xpath.syntax import Binary, Call, Expression, Literal, Negative, Path, Step

DEEPEST: Final = 100
"""Nesting that the functions of this package walk; a deeper expression is quoted as it is: no one could follow it."""

_SHORT: Final = {("self", "node()"): ".", ("parent", "node()"): ".."}


def is_too_deep(expression: Expression) -> bool:
    """Say whether an expression nests deeper than is walked; without recursion."""
    level: list[Expression] = [expression]
    for _ in range(DEEPEST):
        level = [child for parent in level for child in children(parent)]
        if not level:
            return False
    return True


def children(expression: Expression) -> Iterator[Expression]:
    """Yield the expressions directly inside an expression."""
    match expression:
        case Call():
            yield from expression.arguments
        case Binary():
            yield from (expression.left, expression.right)
        case Negative():
            yield expression.operand
        case Path():
            if not isinstance(expression.start, str):
                yield expression.start
            yield from expression.predicates
            for step in expression.steps:
                yield from step.predicates
        case _:
            return


def operands(expression: Expression, operator: str) -> list[Expression]:
    """Return what an operator joins: ``a and b and c`` has three operands."""
    found: list[Expression] = []
    waiting = [expression]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Binary) and one.operator == operator:
            waiting.extend((one.right, one.left))
        else:
            found.append(one)
    return found


def number(value: float) -> str:
    """Return a number without a needless fraction or exponent."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def written(expression: Expression) -> str:
    """Return an expression as XPath; of a depth that ``is_too_deep`` allows."""
    match expression:
        case Literal(value=str(text)):
            return f'"{text}"' if "'" in text else f"'{text}'"
        case Literal(value=float(value)):
            return number(value)
        case Call(name=name, arguments=arguments):
            return f"{name}({', '.join(map(written, arguments))})"
        case Negative(operand=operand):
            return f"-{_bracketed(operand)}"
        case Binary(operator=operator, left=left, right=right):
            is_chain = isinstance(left, Binary) and left.operator == operator
            return f"{written(left) if is_chain else _bracketed(left)} {operator} {_bracketed(right)}"
        case Path():
            return _path(expression)
        case _:
            return ""


def _bracketed(expression: Expression) -> str:
    text = written(expression)
    return f"({text})" if isinstance(expression, Binary | Negative) else text


def _path(path: Path) -> str:
    steps = "/".join(map(_step, path.steps))
    if path.start == "/":
        return f"/{steps}"
    if isinstance(path.start, str):
        return steps
    # (//x)[1] is the first of all, //x[1] the first in each parent.
    inside = f"({written(path.start)})" if isinstance(path.start, Path) else _bracketed(path.start)
    start = inside + _predicates(path.predicates)
    return f"{start}/{steps}" if steps else start


def _step(step: Step) -> str:
    short = _SHORT.get((step.axis, step.test))
    axis = {"child": "", "attribute": "@"}.get(step.axis, f"{step.axis}::")
    return (short or f"{axis}{step.test}") + _predicates(step.predicates)


def _predicates(predicates: tuple[Expression, ...]) -> str:
    return "".join(f"[{written(predicate)}]" for predicate in predicates)


def absolute_path(path: Path, at: str) -> str | None:
    """Return the absolute path of a path without predicates, read from a node; None where it is not so simple."""
    match path.start:
        case "/":
            found: list[str] = []
        case "" | Call(name="current", arguments=()):
            found = at.strip("/").split("/")
        case _:
            return None
    if path.predicates:
        return None
    for step in path.steps:
        if step.predicates:
            return None
        match step.axis, step.test:
            case "parent", "node()":
                found = found[:-1]
            case "self", "node()":
                pass
            case "child", test if test != "*" and not test.endswith("()"):
                found.append(test)
            case _:
                return None
    return "/" + "/".join(found)
