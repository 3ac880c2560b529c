"""Which rule of a form reads what: what a change touches, in which order rules settle, and which go round in circles.

Worked out once a form version.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Generic, TypeVar

from forms.xpath.nodes import Rule, Spec

Key = TypeVar("Key", int, str)

MAX_CHAIN: Final = 40
"""Rules that may read one another in a row before they are settled in order: each takes some five to ten frames of
the interpreter's thousand."""


def link_changes(root: Spec, rules: list[Rule]) -> None:
    """Write into each spec the rules that a change there touches, directly or through other rules."""
    readers: dict[str, set[int]] = {}
    everywhere = {rule.index for rule in rules if rule.compiled.reads_anything}
    for rule in rules:
        for path in rule.compiled.references:
            readers.setdefault(path, set()).add(rule.index)
    outcomes = [_paths_decided_by(rule) for rule in rules]
    for spec in subtree(root):
        paths = [inner.path for inner in subtree(spec)] if spec.is_repeat else [spec.path]
        spec.on_change = tuple(sorted(_closure(paths, readers, outcomes) | everywhere))


def _closure(paths: list[str], readers: Mapping[str, set[int]], outcomes: list[list[str]]) -> set[int]:
    touched: set[int] = set()
    waiting = list(paths)
    seen = set(waiting)
    while waiting:
        for index in readers.get(waiting.pop(), ()):
            if index not in touched:
                touched.add(index)
                new = [path for path in outcomes[index] if path not in seen]
                seen.update(new)
                waiting.extend(new)
    return touched


def _paths_decided_by(rule: Rule) -> list[str]:
    """Return the paths whose value an expression may see differently when the rule's result changes."""
    if rule.spec.relevant is rule:
        return [spec.path for spec in subtree(rule.spec)]
    return [rule.spec.path]


def subtree(spec: Spec) -> Iterator[Spec]:
    """Yield a spec and everything in it."""
    yield spec
    for child in spec.children.values():
        yield from subtree(child)


def settling_order(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules so that each comes after those it reads; empty where looking them up on demand is no problem."""
    deciding = _deciding(rules)
    reads: dict[int, list[int]] = {
        rule.index: [index for path in sorted(rule.compiled.references) for index in deciding.get(path, ())]
        for rule in rules
    }
    components = strong_components(range(len(rules)), reads)
    length: dict[int, int] = {}
    is_circular = False
    for component in components:
        inside = set(component)
        is_circular |= len(component) > 1
        longest = 1 + max(
            (length[index] for node in component for index in reads[node] if index not in inside), default=0
        )
        length.update(dict.fromkeys(component, longest))
    if not is_circular and max(length.values(), default=0) <= MAX_CHAIN:
        return ()
    return tuple(rules[index] for component in components for index in sorted(component))


def _deciding(rules: Iterable[Rule]) -> dict[str, list[int]]:
    """Return, by path, the rules that decide what an expression sees there."""
    deciding: dict[str, list[int]] = {}
    for rule in rules:
        for path in _paths_decided_by(rule):
            deciding.setdefault(path, []).append(rule.index)
    return deciding


class _Components(Generic[Key]):
    """Strongly connected components (Tarjan 1972, without recursion: chains of rules are long)."""

    def __init__(self, reads: Mapping[Key, Iterable[Key]]) -> None:
        self.reads: Mapping[Key, Iterable[Key]] = reads
        self.number: dict[Key, int] = {}
        self.low: dict[Key, int] = {}
        self.stack: list[Key] = []
        self.is_open: set[Key] = set()
        self.found: list[list[Key]] = []

    def visit(self, root: Key) -> None:
        work = [self._opened(root)]
        while work:
            node, following = work[-1]
            target = self._next_new(node, following)
            if target is not None:
                work.append(self._opened(target))
                continue
            work.pop()
            if work:
                above = work[-1][0]
                self.low[above] = min(self.low[above], self.low[node])
            if self.low[node] == self.number[node]:
                self._close(node)

    def _opened(self, node: Key) -> tuple[Key, Iterator[Key]]:
        self.number[node] = self.low[node] = len(self.number)
        self.stack.append(node)
        self.is_open.add(node)
        return node, iter(self.reads.get(node, ()))

    def _next_new(self, node: Key, following: Iterator[Key]) -> Key | None:
        for target in following:
            if target not in self.number:
                return target
            if target in self.is_open:
                self.low[node] = min(self.low[node], self.number[target])
        return None

    def _close(self, node: Key) -> None:
        place = self.stack.index(node)
        component = self.stack[place:]
        del self.stack[place:]
        self.is_open.difference_update(component)
        self.found.append(component)


def strong_components(nodes: Iterable[Key], reads: Mapping[Key, Iterable[Key]]) -> list[list[Key]]:
    """Return the strongly connected components; a component comes after those that it reads."""
    search = _Components(reads)
    for node in nodes:
        if node not in search.number:
            search.visit(node)
    return search.found


def first_circle(component: Sequence[str], reads: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return a shortest way round within a component, from its first node: each reads the next, the last the first."""
    inside, start = set(component), component[0]
    came_from: dict[str, str] = {}
    waiting = [start]
    for node in waiting:
        for following in reads.get(node, ()):
            if following == start:
                way = [node]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return tuple(reversed(way))
            if following in inside and following not in came_from:
                came_from[following] = node
                waiting.append(following)
    return ()
