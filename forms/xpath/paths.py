"""Compiling location paths.

A path through the main instance is resolved against the form when it is compiled: so many steps up, then these names
down. That is quick to walk, and it says beforehand which nodes an expression reads. Only axes and wildcards are left
to run time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from forms.xpath.nodes import Context, Evaluate, Node, Select, Spec, children_named, value_of
from forms.xpath.syntax import Step
from forms.xpath.values import Value

PREDICATE_STEPS: Final = 4
"""What trying a predicate on a node costs beside looking at it."""

Predicate = Evaluate
StepFunction = Callable[[list[Node], Context], list[Node]]


@dataclass(frozen=True, slots=True)
class Route:
    """A resolved path: up from the start, then down by name; ``spec`` is where it ends."""

    up: int
    down: tuple[str, ...]
    spec: Spec
    is_single: bool


def route_from(start: Spec, steps: tuple[Step, ...]) -> Route | None:
    """Resolve relative steps from a spec; None where they leave the form or need run time."""
    up, spec = 0, start
    down: list[str] = []
    for step in steps:
        if step.predicates or step.axis not in ("parent", "child", "self"):
            return None
        if step.axis == "self":
            continue
        if step.axis == "parent":
            if spec.parent is None:
                return None
            spec = spec.parent
            if down:
                down.pop()
            else:
                up += 1
        else:
            child = spec.children.get(step.test)
            if child is None:
                return None
            spec = child
            down.append(step.test)
    return Route(up, tuple(down), spec, _is_single(spec, len(down)))


def route_to(root: Spec, context: Spec | None, steps: tuple[Step, ...]) -> Route | None:
    """Resolve an absolute path; in a repeat it means the row that the context stands in, as far as the paths agree."""
    chain = absolute_chain(root, steps)
    if chain is None or any(step.predicates for step in steps):
        return None
    own = [] if context is None else context.ancestry()
    shared = 0
    while shared < min(len(chain), len(own)) and chain[shared] is own[shared]:
        shared += 1
    down = tuple(spec.name for spec in chain[shared:])
    if shared == 0:
        return None
    return Route(len(own) - shared, down, chain[-1], _is_single(chain[-1], len(down)))


def absolute_chain(root: Spec, steps: tuple[Step, ...]) -> list[Spec] | None:
    """Return the specs along an absolute path, root first; None where the form has no such path."""
    if not steps or any(step.axis != "child" for step in steps) or steps[0].test != root.name:
        return None
    chain = [root]
    for step in steps[1:]:
        child = chain[-1].children.get(step.test)
        if child is None:
            return None
        chain.append(child)
    return chain


def _is_single(spec: Spec, down: int) -> bool:
    """Say whether the last ``down`` steps to a spec pass no repeat, so that there is one node at most."""
    walked: Spec | None = spec
    for _ in range(down):
        if walked is None or walked.is_repeat:
            return False
        walked = walked.parent
    return True


def read_route(route: Route, *, from_current: bool) -> Evaluate:
    """Compile the reading of a single node: its typed value, or an empty text where it is absent or irrelevant."""
    up, down = range(route.up), route.down
    has_relevance = route.spec.has_relevance
    spec = route.spec

    def read(context: Context) -> Value:
        node = context.current if from_current else context.node
        for _ in up:
            node = node.parent  # type: ignore[assignment]
        for name in down:
            found = node.children.get(name)
            if not found:
                return ""
            node = found[0]
        tree = context.tree
        if has_relevance and not tree.is_relevant(node):
            return ""
        rule = spec.calculate
        if rule is not None and node.computed < tree.stale[rule.index]:
            tree.recalculate(node)
        return node.typed

    return read


def select_route(route: Route, *, from_current: bool) -> Select:
    """Compile the selection of all relevant nodes along a route."""
    up, down = range(route.up), route.down
    has_relevance = route.spec.has_relevance

    def select(context: Context) -> list[Node]:
        node = context.current if from_current else context.node
        for _ in up:
            node = node.parent  # type: ignore[assignment]
        found = [node]
        for name in down:
            found = [child for parent in found for child in parent.children.get(name, ())]
        if len(found) > 1:
            context.tree.spend(len(found))
        if has_relevance:
            is_relevant = context.tree.is_relevant
            return [node for node in found if is_relevant(node)]
        return found

    return select


def first_value(select: Select) -> Evaluate:
    """Compile the value of a node-set: that of its first node, or an empty text."""

    def read(context: Context) -> Value:
        found = select(context)
        return value_of(context.tree, found[0]) if found else ""

    return read


def walk(start: Select, steps: list[StepFunction]) -> Select:
    """Compile a path that is walked step by step at run time."""

    def select(context: Context) -> list[Node]:
        found = start(context)
        for step in steps:
            found = step(found, context)
            context.tree.spend(len(found))
        return [node for node in found if node.spec is None or context.tree.is_relevant(node)]

    return select


def step_function(step: Step, predicates: list[Predicate]) -> StepFunction:
    """Compile one step with its predicates."""
    axis = _AXES[step.axis]
    test = step.test

    def apply(nodes: list[Node], context: Context) -> list[Node]:
        if not predicates:
            return _unique([found for node in nodes for found in axis(node, test)])
        found: list[Node] = []
        for node in nodes:
            kept = axis(node, test)
            for predicate in predicates:
                kept = keep(kept, predicate, context)
            found.extend(kept)
        return _unique(found)

    return apply


def keep(nodes: list[Node], predicate: Predicate, context: Context) -> list[Node]:
    """Return the nodes for which a predicate holds; a number means a position."""
    nodes = [node for node in nodes if node.spec is None or context.tree.is_relevant(node)]
    kept: list[Node] = []
    size = len(nodes)
    context.tree.spend(size * PREDICATE_STEPS)
    for position, node in enumerate(nodes, start=1):
        value = predicate(context.at(node, position, size))
        holds = value == position if type(value) is float else bool(value)
        if holds:
            kept.append(node)
    return kept


def _unique(nodes: list[Node]) -> list[Node]:
    return list(dict.fromkeys(nodes)) if len(nodes) > 1 else nodes


def _child(node: Node, test: str) -> list[Node]:
    return children_named(node, test)


def _parent(node: Node, test: str) -> list[Node]:
    return [] if node.parent is None or not _passes(node.parent, test) else [node.parent]


def _self(node: Node, test: str) -> list[Node]:
    return [node] if _passes(node, test) else []


def _descendants(node: Node, test: str) -> list[Node]:
    found: list[Node] = []
    for child in children_named(node, "*"):
        if _passes(child, test):
            found.append(child)
        found.extend(_descendants(child, test))
    return found


def _descendants_or_self(node: Node, test: str) -> list[Node]:
    return [*_self(node, test), *_descendants(node, test)]


def _ancestors(node: Node, test: str) -> list[Node]:
    found: list[Node] = []
    above = node.parent
    while above is not None:
        if _passes(above, test):
            found.append(above)
        above = above.parent
    return found


def _ancestors_or_self(node: Node, test: str) -> list[Node]:
    return [*_self(node, test), *_ancestors(node, test)]


def _siblings(node: Node, test: str) -> list[Node]:
    beside = [node] if node.parent is None else children_named(node.parent, "*")
    return [sibling for sibling in beside if sibling is node or _passes(sibling, test)]


def _following(node: Node, test: str) -> list[Node]:
    beside = _siblings(node, test)
    return beside[beside.index(node) + 1 :]


def _preceding(node: Node, test: str) -> list[Node]:
    beside = _siblings(node, test)
    return beside[: beside.index(node)]


def _passes(node: Node, test: str) -> bool:
    return test in ("*", "node()") or node.name == test


def _attribute(node: Node, test: str) -> list[Node]:
    return children_named(node, "@" + test)


_AXES: dict[str, Callable[[Node, str], list[Node]]] = {
    "child": _child,
    "parent": _parent,
    "self": _self,
    "descendant": _descendants,
    "descendant-or-self": _descendants_or_self,
    "ancestor": _ancestors,
    "ancestor-or-self": _ancestors_or_self,
    "following-sibling": _following,
    "preceding-sibling": _preceding,
    "attribute": _attribute,
}
