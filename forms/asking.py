"""Asking the questions of a form in the order of its body, and what may be answered to each.

Groups and questions that are not relevant are passed over. The walk looks at the interview as it is at each step, so
that answers given on the way steer it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from forms.model import BodyItem
from forms.rules import Asked
from forms.tree import MAX_ROWS, LiveTree
from forms.xpath.nodes import Context, Node, Spec
from forms.xpath.values import to_boolean, to_number, to_text

Size = Callable[[Node, Spec], None]
"""Called when a repeat is reached, with its parent, to give it its rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """A question that is being asked now."""

    node: Node
    asked: Asked

    @property
    def path(self) -> str:
        """The path with the positions of repeat rows, from the second on."""
        return node_path(self.node)


def walk(tree: LiveTree, size: Size) -> Iterator[Prompt]:
    """Yield each question when it is its turn."""
    return _walk(tree, tree.program.body, tree.root, size)


def _walk(tree: LiveTree, items: tuple[BodyItem, ...], above: Node, size: Size) -> Iterator[Prompt]:
    for item in items:
        if item.kind == "repeat":
            yield from _walk_repeat(tree, item, above, size)
        elif item.kind == "group":
            yield from _walk_group(tree, item, above, size)
        else:
            asked = tree.program.asked.get(item.path)
            node = None if asked is None else descend(above, asked.spec)
            if asked is not None and node is not None and tree.is_relevant(node):
                yield Prompt(node, asked)


def _walk_group(tree: LiveTree, item: BodyItem, above: Node, size: Size) -> Iterator[Prompt]:
    spec = tree.program.specs.get(item.path)
    # A group around a repeat bears the repeat's own path: relevance is then a matter of each row.
    node = None if spec is None or spec.is_repeat else descend(above, spec)
    if node is None or tree.is_relevant(node):
        yield from _walk(tree, item.children, above, size)


def _walk_repeat(tree: LiveTree, item: BodyItem, above: Node, size: Size) -> Iterator[Prompt]:
    spec = tree.program.specs.get(item.path)
    parent = None if spec is None or spec.parent is None else descend(above, spec.parent)
    if spec is None or parent is None or not tree.is_relevant(parent):
        return
    size(parent, spec)
    for row in tuple(parent.children[spec.name]):
        if tree.is_relevant(row):
            yield from _walk(tree, item.children, row, size)


def counted_rows(tree: LiveTree, parent: Node, spec: Spec) -> int | None:
    """Return how many rows a repeat must have by its count; None where it has no count."""
    count = tree.program.counts.get(spec.path)
    if count is None:
        return None
    place = Node(spec.name, parent, spec, (*parent.rows, 0))
    number = to_number(count(Context(tree, place)))
    return 0 if math.isnan(number) else int(min(max(number, 0.0), MAX_ROWS))


def is_offered(tree: LiveTree, prompt: Prompt) -> bool:
    """Say whether the answer of a question is among its choices; true where it has none, or nobody here knows them."""
    codes = offered_codes(tree, prompt)
    if codes is None:
        return True
    text = prompt.node.text
    return all(code in codes for code in text.split()) if prompt.asked.takes_many else text in codes


def offered_codes(tree: LiveTree, prompt: Prompt) -> frozenset[str] | None:
    """Return the codes that a question offers now; None where it has no list, or the list is not here."""
    offer = prompt.asked.offer
    if offer is None:
        return None
    if offer.select is None or offer.select.select is None:
        return offer.codes
    items = offer.select.select(Context(tree, prompt.node))
    cells = [item.children.get(offer.value_ref) for item in items]
    return frozenset(to_text(tree.value(cell[0])) for cell in cells if cell)


def holds(tree: LiveTree, prompt: Prompt) -> bool:
    """Say whether the answer of a question keeps its constraint."""
    constraint = prompt.asked.constraint
    return constraint is None or to_boolean(constraint(Context(tree, prompt.node)))


def is_required(tree: LiveTree, prompt: Prompt) -> bool:
    """Say whether a question must be answered now."""
    required = prompt.asked.required
    return required if isinstance(required, bool) else to_boolean(required(Context(tree, prompt.node)))


def descend(above: Node, spec: Spec) -> Node | None:
    """Return the node of a spec below (or at) a node, the first row of any repeat on the way."""
    chain: list[Spec] = []
    at: Spec | None = spec
    while at is not None and at is not above.spec:
        chain.append(at)
        at = at.parent
    if at is None:
        return None
    node = above
    for step in reversed(chain):
        found = node.children.get(step.name)
        if not found:
            return None
        node = found[0]
    return node


def node_path(node: Node) -> str:
    """Return the path of a node with the positions of repeat rows, from the second on."""
    steps: list[str] = []
    at: Node | None = node
    while at is not None:
        is_later_row = at.spec is not None and at.spec.is_repeat and at.rows[-1] > 0
        steps.append(f"{at.name}[{at.rows[-1] + 1}]" if is_later_row else at.name)
        at = at.parent
    return "/" + "/".join(reversed(steps))
