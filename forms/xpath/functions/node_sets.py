"""Functions of sets of nodes: counting, places in a repeat, and the rows of another repeat."""

import math
from collections.abc import Mapping
from typing import Final

from forms.xpath.compiler import Builder, Compiler, Scope, SelectBuilder
from forms.xpath.functions.building import RANDOM, check_count
from forms.xpath.nodes import Context, Evaluate, Node, Select, Spec, value_of
from forms.xpath.paths import Route
from forms.xpath.syntax import Call, Expression, Literal, Path, XPathError
from forms.xpath.values import to_number, to_text


def _build_count(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
    check_count(call, scope, 1, 1)
    select = compiler.nodes(call.arguments[0], scope)
    return lambda context: float(len(select(context)))


def _build_count_non_empty(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
    check_count(call, scope, 1, 1)
    select = compiler.nodes(call.arguments[0], scope)

    def evaluate(context: Context) -> float:
        nodes = select(context)
        return float(sum(1 for node in nodes if node.children or value_of(context.tree, node) != ""))

    return evaluate


def _build_position(compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
    """Compile ``position()`` of a predicate, or ``position(path)``: the 1-based place among those of its name."""
    check_count(call, scope, 0, 1)
    if not call.arguments:
        return lambda context: float(context.position)
    select = compiler.nodes(call.arguments[0], scope)

    def evaluate(context: Context) -> float:
        nodes = select(context)
        return math.nan if not nodes else _place(nodes[0])

    return evaluate


def _place(node: Node) -> float:
    if node.spec is not None and node.spec.is_repeat:
        return float(node.rows[-1] + 1)
    return 1.0 if node.parent is None else float(node.parent.children[node.name].index(node) + 1)


def _build_last(_compiler: Compiler, call: Call, scope: Scope) -> Evaluate:
    check_count(call, scope, 0, 0)
    return lambda context: float(context.size)


def _build_instance(compiler: Compiler, call: Call, scope: Scope) -> Select:
    """Compile ``instance('id')``; the document above the root element of a secondary instance, or the main instance."""
    check_count(call, scope, 1, 1)
    name = call.arguments[0]
    if not isinstance(name, Literal):
        raise XPathError("unknown-reference", "instance() needs the quoted name of a list.", scope.source, call.offset)
    list_name = to_text(name.value)
    if list_name in compiler.lists.absent:
        scope.unknown.add(compiler.lists.absent[list_name])
    document = compiler.lists.instances.get(list_name)
    if document is not None:
        nodes = [document]
        return lambda _context: nodes
    scope.notes.add("anything")

    def main_document(context: Context) -> list[Node]:
        above = Node("", None, None)
        above.children = {context.tree.root.name: [context.tree.root]}
        return [above]

    return main_document


def _build_current(_compiler: Compiler, call: Call, scope: Scope) -> Select:
    check_count(call, scope, 0, 0)
    scope.references.add(scope.origin.path)
    return lambda context: [context.current]


def _build_randomize(compiler: Compiler, call: Call, scope: Scope) -> Select:
    # The order of choices is for the eye; which choices there are does not change. It is not shuffled here, so what an
    # expression makes of the order is as a throw of dice.
    check_count(call, scope, 1, 2)
    scope.notes |= RANDOM
    return compiler.nodes(call.arguments[0], scope)


def _build_indexed_repeat(compiler: Compiler, call: Call, scope: Scope) -> Select:
    """Compile ``indexed-repeat(question, repeat, row, …)``: the question in the given rows of its repeats."""
    check_count(call, scope, 3, 7)
    if len(call.arguments) % 2 == 0:
        raise XPathError("argument-count", "indexed-repeat() takes a row for each repeat.", scope.source, call.offset)
    target = _spec_of(compiler, call.arguments[0], scope)
    chosen: dict[Spec, Evaluate] = {}
    for place in range(1, len(call.arguments), 2):
        repeat = _spec_of(compiler, call.arguments[place], scope)
        chosen[repeat] = compiler.value(call.arguments[place + 1], scope)
    scope.references.add(target.path)
    chain = target.ancestry()[1:]
    has_relevance = target.has_relevance

    def select(context: Context) -> list[Node]:
        node: Node | None = context.tree.root
        for spec in chain:
            rows = node.children.get(spec.name) if node is not None else None
            if not rows:
                return []
            row = chosen.get(spec)
            node = _own_row(rows, spec, context) if row is None else _row(rows, to_number(row(context)))
        if node is None or (has_relevance and not context.tree.is_relevant(node)):
            return []
        return [node]

    return select


def _row(rows: list[Node], number: float) -> Node | None:
    # Row 0, or none, gives the first row, as in Collect.
    place = 0 if math.isnan(number) else int(min(max(number, 1.0), 1e9)) - 1
    return rows[place] if place < len(rows) else None


def _own_row(rows: list[Node], spec: Spec, context: Context) -> Node:
    """Return the row that the context stands in, else the first."""
    node: Node | None = context.node
    while spec.is_repeat and node is not None:
        if node.spec is spec:
            return node
        node = node.parent
    return rows[0]


def _spec_of(compiler: Compiler, tree: Expression, scope: Scope) -> Spec:
    route: Route | None = compiler.route(tree, scope)[0] if isinstance(tree, Path) else None
    if route is None:
        message = "indexed-repeat() needs paths of the form's questions and repeats."
        raise XPathError("unknown-reference", message, scope.source)
    return route.spec


FUNCTIONS: Final[Mapping[str, Builder]] = {
    "count": _build_count,
    "count-non-empty": _build_count_non_empty,
    "position": _build_position,
    "last": _build_last,
}
SELECTORS: Final[Mapping[str, SelectBuilder]] = {
    "instance": _build_instance,
    "current": _build_current,
    "randomize": _build_randomize,
    "indexed-repeat": _build_indexed_repeat,
}
