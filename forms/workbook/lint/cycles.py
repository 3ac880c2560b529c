"""Circles of calculations and relevances: what a tablet refuses to load.

An edge leads from a question to each whose answer its calculation or relevance reads. References that choose among rows
(``indexed-repeat``, predicates) lead to other rows and make no circle.
"""

from collections.abc import Hashable, Iterator, Mapping
from typing import Final, TypeVar

from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint.form import Form
from forms.workbook.lint.formulas import Formula, children, reference
from forms.xpath.syntax import Call, Expression, Path

Node = TypeVar("Node", bound=Hashable)

_BINDING: Final = ("relevant", "calculation")
_OTHER_ROWS: Final = frozenset({"indexed-repeat", "position", "once"})


def cycles(form: Form, formulas: tuple[Formula, ...]) -> Iterator[WorkbookFinding]:
    """Find circles and name the questions on each."""
    edges: dict[int, set[int]] = {}
    column: dict[int, str] = {}
    index = {id(item): number for number, item in enumerate(form.items)}
    for formula in formulas:
        if formula.column not in _BINDING or formula.tree is None or formula.item.row.get("trigger"):
            continue
        here = index[id(formula.item)]
        for name in _read(formula.tree):
            for item in form.by_name.get(name, ())[:2]:
                if len(form.by_name[name]) == 1 and not item.is_container:
                    edges.setdefault(here, set()).add(index[id(item)])
                    column.setdefault(here, formula.column)
    for circle in circles(edges):
        items = [form.items[number] for number in sorted(circle)]
        names = " → ".join(item.name for item in (*items, items[0]))
        yield form.survey.find("cycle", items[0].row.number, column[min(circle)], names=names)


def _read(tree: Expression) -> Iterator[str]:
    name = reference(tree)
    if name is not None:
        yield name
    elif isinstance(tree, Call) and tree.name in _OTHER_ROWS:
        return
    elif not isinstance(tree, Path):
        for child in children(tree):
            yield from _read(child)


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
