"""Circles of calculations and relevances: what a tablet refuses to load.

An edge leads from a question to each whose answer rules it: by its own calculation, relevance, required or read-only
expression, or by the relevance of a group around it. JavaRosa refuses a circle even where rows of a repeat keep it
apart, and so must we.
"""

from collections.abc import Hashable, Iterator, Mapping
from typing import Final, TypeVar

from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint.form import Form, Item
from forms.workbook.lint.formulas import Formula, everything, reference

Node = TypeVar("Node", bound=Hashable)

_BINDING: Final = ("relevant", "calculation", "required", "readonly")


def cycles(form: Form, formulas: tuple[Formula, ...]) -> Iterator[WorkbookFinding]:
    """Find circles and name the questions on each."""
    edges: dict[int, set[int]] = {}
    cause: dict[int, tuple[Item, str]] = {}
    index = {id(item): number for number, item in enumerate(form.items)}
    for formula in formulas:
        if formula.column not in _BINDING or formula.tree is None:
            continue
        if formula.column == "calculation" and formula.item.row.get("trigger"):
            continue  # written when the trigger changes, not whenever something that it reads does
        read = {index[id(item)] for item in _read(form, formula)}
        for item in _ruled(formula.item, formula.column) if read else ():
            edges.setdefault(index[id(item)], set()).update(read)
            cause.setdefault(index[id(item)], (formula.item, formula.column))
    for circle in circles(edges):
        items = [form.items[number] for number in sorted(circle)]
        item, column = cause[min(circle)]
        names = " → ".join(one.name for one in (*items, items[0]))
        yield form.survey.find("cycle", item.row.number, column, names=names)


def _ruled(item: Item, column: str) -> Iterator[Item]:
    """Yield what an expression rules: the question, or all that a group holds."""
    waiting = [item]
    while waiting:
        one = waiting.pop()
        yield one
        if column in ("relevant", "readonly"):
            waiting.extend(one.children)


def _read(form: Form, formula: Formula) -> Iterator[Item]:
    for part in everything(formula.tree) if formula.tree is not None else ():
        name = reference(part)
        meant = form.by_name.get(name, ()) if name is not None else ()
        if len(meant) == 1 and not meant[0].is_container:
            yield meant[0]


def circles(edges: Mapping[Node, set[Node]]) -> list[list[Node]]:
    """Return the strongly connected nodes, and those with an edge to themselves (Tarjan 1972, without recursion)."""
    order: dict[Node, int] = {}
    low: dict[Node, int] = {}
    stack: list[Node] = []
    waiting: set[Node] = set()
    found: list[list[Node]] = []
    for start in edges:
        if start in order:
            continue
        work: list[tuple[Node, Iterator[Node]]] = [(start, iter(sorted(edges.get(start, ()), key=str)))]
        order[start] = low[start] = len(order)
        stack.append(start)
        waiting.add(start)
        while work:
            node, further = work[-1]
            following = next(further, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    found.append(_component(node, stack, waiting))
            elif following not in order:
                order[following] = low[following] = len(order)
                stack.append(following)
                waiting.add(following)
                work.append((following, iter(sorted(edges.get(following, ()), key=str))))
            elif following in waiting:
                low[node] = min(low[node], order[following])
    return [circle for circle in found if len(circle) > 1 or circle[0] in edges.get(circle[0], ())]


def _component(node: Node, stack: list[Node], waiting: set[Node]) -> list[Node]:
    component = []
    while True:
        member = stack.pop()
        waiting.discard(member)
        component.append(member)
        if member == node:
            return component
