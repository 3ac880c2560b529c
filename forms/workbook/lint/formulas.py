"""Every expression of the survey, read once: its text as the cell has it, its tree, and what it refers to.

``${name}`` is read as ``(ʘname)``, which has the same length: an offset in what is parsed is one in the cell.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from forms.workbook.lint import vocabulary as words
from forms.workbook.lint.form import Form, Item
from forms.workbook.lint.structure import is_dynamic
from forms.xpath.syntax import Binary, Call, Expression, Literal, Negative, Path, XPathError, parse

MARK: Final = "ʘ"
_REFERENCE: Final = re.compile(r"\$\{\s*(?P<name>[^}]*)\}")
_PLAIN: Final = re.compile(r"[^\W\d][\w.:-]*")


@dataclass(frozen=True, slots=True)
class Formula:
    """One expression; ``tree`` is None where ``error`` says why it cannot be read."""

    item: Item
    column: str
    text: str
    tree: Expression | None
    error: XPathError | None = None


def read_formulas(form: Form) -> tuple[Formula, ...]:
    """Read all expressions of the survey, but those whose references are no references."""
    found: list[Formula] = []
    for item in form.items:
        for column in words.EXPRESSIONS:
            text = item.row.get(column)
            if text and text not in words.YES and text not in words.NO:
                found.append(_formula(item, column, text))
        default = item.row.get("default")
        if is_dynamic(default, item.type):
            found.append(_formula(item, "default", default))
    return tuple(found)


def _formula(item: Item, column: str, text: str) -> Formula:
    try:
        return Formula(item, column, text, parse(masked(text)))
    except XPathError as error:
        return Formula(item, column, text, None, error)


def masked(text: str) -> str:
    """Return an expression with its references as names, character for character."""
    return _REFERENCE.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    inner = match.group(0)[2:-1]
    name = inner.strip().replace("#", "_").replace(":", "_")
    # What is no name is said elsewhere; here it may not spoil the rest of the expression.
    safe = name if _PLAIN.fullmatch(name) else "x"
    return f"({MARK}{safe}".ljust(len(inner) + 2) + ")" if len(safe) <= len(inner) else f"({MARK}x)"


def reference(tree: Expression) -> str | None:
    """Return the question that a tree is, or None where it is something else."""
    if isinstance(tree, Path) and tree.start == "" and len(tree.steps) == 1 and not tree.predicates:
        step = tree.steps[0]
        if step.test.startswith(MARK) and step.axis == "child" and not step.predicates:
            return step.test[len(MARK) :]
    return None


def is_own(tree: Expression) -> bool:
    """Say whether a tree is ``.``, the answer itself."""
    if not isinstance(tree, Path) or tree.start != "" or len(tree.steps) != 1 or tree.predicates:
        return False
    step = tree.steps[0]
    return step.axis == "self" and step.test == "node()" and not step.predicates


def children(tree: Expression) -> tuple[Expression, ...]:
    """Return the operands, arguments or start of a tree."""
    if isinstance(tree, Binary):
        return (tree.left, tree.right)
    if isinstance(tree, Call):
        return tree.arguments
    if isinstance(tree, Negative):
        return (tree.operand,)
    if isinstance(tree, Path) and not isinstance(tree.start, str):
        return (tree.start,)
    return ()


def predicates(tree: Expression) -> tuple[Expression, ...]:
    """Return what stands in the predicates of a path."""
    if not isinstance(tree, Path):
        return ()
    return (*tree.predicates, *(one for step in tree.steps for one in step.predicates))


def everything(tree: Expression) -> Iterator[Expression]:
    """Yield a tree and everything in it, predicates included."""
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(children(one))
        waiting.extend(predicates(one))


def constant(tree: Expression) -> str | float | None:
    """Return the literal that a tree is; None where it is none."""
    if isinstance(tree, Literal):
        return tree.value
    if isinstance(tree, Negative) and isinstance(tree.operand, Literal) and isinstance(tree.operand.value, float):
        return -tree.operand.value
    return None
