"""The tree that expressions are evaluated on.

An interview is a tree of light nodes rather than XML elements: one expression reads five to ten nodes, and a node
must know its typed value, whether it is relevant, and whether that knowledge is still good. A ``Spec`` is what all
nodes of one path share.
"""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from forms.xpath.values import Value

NEVER = -1


class Unevaluable(Exception):
    """An expression has no value that anybody here can know; what hangs on it is not judged.

    Attributes:
        reason: ``exhausted`` (an interview made to keep a server busy), ``pattern`` (a regular expression that goes on
            for ever on this answer), ``too-long`` (a text beyond all measure) or ``unknown-reference``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True, eq=False)
class Spec:
    """A node of the form, linked for fast evaluation.

    Attributes:
        tag: element name to write, ``{namespace}name`` where it has a namespace.
        has_relevance: the node or one of its ancestors can be irrelevant.
        size: nodes of a blank subtree.
        on_change: indices of the rules whose result may change when a value here changes, or, for a repeat, its rows.
    """

    name: str
    path: str
    type: str = "string"
    parent: "Spec | None" = None
    is_repeat: bool = False
    tag: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    children: dict[str, "Spec"] = field(default_factory=dict)
    calculate: "Rule | None" = None
    relevant: "Rule | None" = None
    has_relevance: bool = False
    on_change: tuple[int, ...] = ()
    size: int = 1

    def ancestry(self) -> "list[Spec]":
        """Return the specs from the root down to this one."""
        found: list[Spec] = []
        spec: Spec | None = self
        while spec is not None:
            found.append(spec)
            spec = spec.parent
        return found[::-1]


class Node:
    """One node of a living tree, or of a secondary instance (then ``spec`` is None).

    Attributes:
        rows: 0-based places of the repeat rows that the node stands in, outermost first.
        computed: tick at which ``typed`` was last calculated; ``relevance_at`` the same for ``relevance``.
    """

    __slots__ = ("children", "computed", "name", "parent", "relevance", "relevance_at", "rows", "spec", "text", "typed")

    def __init__(self, name: str, parent: "Node | None", spec: Spec | None, rows: tuple[int, ...] = ()) -> None:
        self.name = name
        self.parent = parent
        self.spec = spec
        self.rows = rows
        self.children: dict[str, list[Node]] = {}
        self.text = ""
        self.typed: Value = ""
        self.computed = NEVER
        self.relevance = True
        self.relevance_at = NEVER


class Tree(Protocol):
    """What functions may ask of the interview they run in."""

    root: Node
    stale: list[int]
    now: datetime.datetime
    zone: datetime.tzinfo
    new_uuid: Callable[[], str]
    properties: Mapping[str, str]
    version: str

    def spend(self, steps: int) -> None:
        """Count work that a form or an interview causes.

        Raises:
            Unevaluable: ``exhausted``.
        """

    def was_sent(self, node: Node) -> bool:
        """Say whether the interview that was received has the node."""

    def is_relevant(self, node: Node) -> bool:
        """Say whether a node and all its ancestors are relevant."""

    def recalculate(self, node: Node) -> None:
        """Bring the value of a calculated node up to date."""

    def form_text(self, name: str) -> str:
        """Return a text of the form's translations, in the language of the interview."""

    def choice_label(self, path: str, code: str) -> str:
        """Return the label of a code of the question at a path, in the language of the interview."""


class Context:
    """Where an expression is being evaluated."""

    __slots__ = ("current", "node", "position", "size", "tree")

    def __init__(self, tree: Tree, node: Node) -> None:
        self.tree = tree
        self.node = node
        self.current = node
        self.position = 1
        self.size = 1

    def at(self, node: Node, position: int, size: int) -> "Context":
        """Return the context of a predicate on a node; ``current()`` stays what it was."""
        inner = Context(self.tree, node)
        inner.current = self.current
        inner.position = position
        inner.size = size
        return inner


Evaluate = Callable[[Context], Value]
Select = Callable[[Context], list[Node]]


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A compiled expression.

    Attributes:
        references: paths of the nodes that it reads.
        reads_anything: it has steps that cannot be resolved beforehand, so every change may matter.
        is_volatile: it gives another value each time (``uuid()``, ``now()``, ``random()``), or keeps its first
            (``once()``).
        is_random: it gives another value even when the clock is the same.
        unknown: what it needs that is not here, such as ``prices.csv``.
    """

    source: str
    evaluate: Evaluate
    select: Select | None
    references: frozenset[str]
    reads_anything: bool
    is_volatile: bool
    is_random: bool = False
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A calculation or relevance of one spec; ``index`` is its place in the staleness table of a tree."""

    index: int
    spec: Spec
    compiled: Compiled
    evaluate: Evaluate


def value_of(tree: Tree, node: Node) -> Value:
    """Return the typed value of a relevant node, calculated afresh where its inputs have changed."""
    spec = node.spec
    if spec is not None and spec.calculate is not None and node.computed < tree.stale[spec.calculate.index]:
        tree.recalculate(node)
    return node.typed


def children_named(node: Node, name: str) -> list[Node]:
    """Return the child nodes of a name (``*`` for all)."""
    if name == "*":
        return [child for group in node.children.values() for child in group]
    return node.children.get(name, [])


Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """What a form has beside its main instance.

    Attributes:
        instances: secondary instances by id; each a document node above the root element.
        absent: those in a file that is not here: id → file name.
        rows_of: gives the rows of a CSV file by the name that ``pulldata()`` uses; None where it is not here.
    """

    instances: Mapping[str, Node]
    absent: Mapping[str, str] = field(default_factory=dict)
    rows_of: Callable[[str], Rows | None] = lambda _name: None
