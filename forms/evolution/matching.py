"""Which node of one version is which node of the next: by declaration, by place, by name within its repeat.

Groups only arrange questions: a question that goes from one group to another inside the same repeat is the same
question. One that goes into or out of a repeat is asked of somebody else, and is never paired.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from forms.columns import Column, Store
from forms.definition import FormDefinition
from forms.evolution.declared import DROPPED, KEPT, RENAMED, MigrationMap
from forms.model import ModelNode, NodeKind

STORES: tuple[Store, Store] = ("analysis", "identifiers")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands.

    Attributes:
        scope: path of the nearest repeat above, or of the root.
        column, store: of a question; of a repeat its column in the first store that it has one in.
    """

    node: ModelNode
    parent: str
    scope: str
    column: Column | None
    store: Store | None

    @property
    def kind(self) -> NodeKind:
        """What it is: a question counts as a leaf."""
        return self.node.kind


@lru_cache(maxsize=64)
def places(definition: FormDefinition) -> Mapping[str, Place]:
    """Return the questions, groups and repeats of a form by path, parents first; notes are not among them."""
    columns = {
        column.path: (column, store) for store in reversed(STORES) for column in _all_columns(definition.columns(store))
    }
    found: dict[str, Place] = {}
    waiting = [(child, definition.root.path, definition.root.path) for child in reversed(definition.root.children)]
    while waiting:
        node, parent, scope = waiting.pop()
        if node.kind != "leaf" or node.path in definition.questions:
            column, store = columns.get(node.path, (None, None))
            found[node.path] = Place(node, parent, scope, column, store)
        inner = node.path if node.kind == "repeat" else scope
        waiting.extend((child, node.path, inner) for child in reversed(node.children))
    return found


def _all_columns(columns: Iterable[Column]) -> Iterable[Column]:
    for column in columns:
        yield column
        yield from _all_columns(column.children)


@lru_cache(maxsize=64)
def _by_name(definition: FormDefinition) -> Mapping[str, tuple[str, ...]]:
    named: dict[str, list[str]] = {}
    for path, place in places(definition).items():
        named.setdefault(place.node.name, []).append(path)
    return {name: tuple(paths) for name, paths in named.items()}


def paths_named(definition: FormDefinition, name: str) -> tuple[str, ...]:
    """Return the paths of a name, which may be led by the groups above it where it stands twice: ``c/member/c_age``."""
    steps = name.strip("/").split("/")
    ending = "/" + "/".join(steps)
    return tuple(path for path in _by_name(definition).get(steps[-1], ()) if path.endswith(ending))


@dataclass(frozen=True, slots=True)
class Pairing:
    """What became of the nodes of a version.

    Attributes:
        pairs: path before → path after, of questions, groups and repeats; the root among them.
        renamed: those of ``pairs`` that the map declares, by path before.
        moved: questions that went into or out of a repeat, path before → path after; not in ``pairs``.
        removed, added: paths of one version only, in document order; moved questions are in both.
    """

    pairs: Mapping[str, str]
    renamed: frozenset[str]
    moved: Mapping[str, str]
    removed: tuple[str, ...]
    added: tuple[str, ...]


def pair(before: FormDefinition, after: FormDefinition, declared: MigrationMap) -> Pairing:
    """Pair the nodes of two versions; declarations that fit nothing are passed over."""
    matcher = _Matcher(before, after)
    matcher.declare(declared)
    matcher.by_place()
    matcher.by_name_in_scope()
    matcher.part_scopes()
    pairs = matcher.pairs
    taken = set(pairs.values())
    removed = tuple(path for path in matcher.old if path not in pairs)
    added = tuple(path for path in matcher.new if path not in taken)
    gone = matcher.ended
    return Pairing(
        pairs=pairs,
        renamed=frozenset(matcher.renamed),
        moved=_moved([path for path in removed if path not in gone], added, matcher),
        removed=removed,
        added=added,
    )


class _Matcher:
    def __init__(self, before: FormDefinition, after: FormDefinition) -> None:
        self.before, self.after = before, after
        self.old, self.new = places(before), places(after)
        self.pairs: dict[str, str] = {before.root.path: after.root.path}
        self.taken: set[str] = set()
        self.renamed: set[str] = set()
        self.ended: set[str] = set()

    def declare(self, declared: MigrationMap) -> None:
        """Take the renames of the map; a question that it lets end is not sought in the new version."""
        for row in declared.rows:
            if row.change == RENAMED:
                olds, news = paths_named(self.before, row.old), paths_named(self.after, row.question)
                if len(olds) == len(news) == 1:
                    self.link(olds[0], news[0])
                    self.renamed.update(path for path in olds if self.pairs.get(path) == news[0])
            elif row.change in (KEPT, DROPPED) and not row.old:
                olds = paths_named(self.before, row.question)
                if len(olds) == 1 and not paths_named(self.after, row.question):
                    self.ended.add(olds[0])

    def link(self, old: str, new: str) -> None:
        """Pair two nodes of one kind that are both still free."""
        if old not in self.pairs and new not in self.taken and self.old[old].kind == self.new[new].kind:
            self.pairs[old] = new
            self.taken.add(new)

    def by_place(self) -> None:
        """Pair what has the same name under the same parent."""
        for path, place in self.old.items():
            above = self.pairs.get(place.parent)
            candidate = f"{above}/{place.node.name}"
            if above is not None and candidate in self.new:
                self.link(path, candidate)

    def by_name_in_scope(self) -> None:
        """Pair what has the same name, once on both sides, inside the same repeat."""
        for path, place in self.old.items():
            if path in self.pairs:
                continue
            scope = self.pairs.get(place.scope)
            news = [
                new
                for new in _by_name(self.after).get(place.node.name, ())
                if self.new[new].scope == scope and new not in self.taken and self.new[new].kind == place.kind
            ]
            twins = [
                old
                for old in _by_name(self.before)[place.node.name]
                if self.old[old].scope == place.scope and old not in self.pairs
            ]
            if len(news) == 1 and len(twins) == 1:
                self.link(path, news[0])

    def part_scopes(self) -> None:
        """Undo pairs across repeats, which only a declaration can make: the question is asked of somebody else."""
        for path, place in self.old.items():
            new = self.pairs.get(path)
            if new is not None and self.pairs.get(place.scope) != self.new[new].scope:
                del self.pairs[path]
                self.renamed.discard(path)


def _moved(removed: list[str], added: tuple[str, ...], matcher: _Matcher) -> dict[str, str]:
    def leaves(paths: Iterable[str], known: Mapping[str, Place]) -> dict[str, list[str]]:
        named: dict[str, list[str]] = {}
        for path in paths:
            if known[path].kind == "leaf":
                named.setdefault(known[path].node.name, []).append(path)
        return named

    olds, news = leaves(removed, matcher.old), leaves(added, matcher.new)
    return {paths[0]: news[name][0] for name, paths in olds.items() if len(paths) == 1 and len(news.get(name, ())) == 1}
