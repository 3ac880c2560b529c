"""Recomputing an answer of the new version from the answers of the old one, by an XLSForm expression.

The expression sees the analysis store only and nothing but ``${names}`` of the old version: in a row of a repeat its
own row first, then those around it. It runs on a light tree that holds just the questions it names.
"""

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from forms.columns import Column, ColumnType
from forms.definition import FormDefinition
from forms.evolution.matching import paths_named, places
from forms.structure import Answer, Row
from forms.typed_values import calculated_text
from forms.xpath.compiler import Compiler
from forms.xpath.functions import FUNCTIONS, SELECTORS
from forms.xpath.nodes import Compiled, Context, Evaluate, Lists, Node, Spec, Unevaluable
from forms.xpath.syntax import Binary, Call, Expression, Negative, Path, XPathError, parse
from forms.xpath.values import Value

_REFERENCE: Final = re.compile(r"\$\{\s*([^{}\s]+)\s*\}")
MAX_STEPS: Final = 1_000_000
"""Work that the rules of one map may take in one interview."""
_PLACEHOLDER: Final = "passerelle-reference()"
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_FAILURES: Final = (
    ArithmeticError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    XPathError,
    Unevaluable,
)
"""Whatever an expression may stumble over on odd answers: the answer then counts as not computable."""


class RuleError(Exception):
    """A rule cannot be followed.

    Attributes:
        code: ``syntax``, ``unknown-name``, ``ambiguous-name``, ``other-store``, ``bare-path`` or ``volatile``.
        about: the name or the piece of the rule that is wrong.
    """

    def __init__(self, code: str, about: str) -> None:
        super().__init__(f"{code}: {about}")
        self.code = code
        self.about = about


@dataclass(frozen=True, slots=True)
class Recomputation:
    """A compiled rule: the column to fill, and how its value is had in one row."""

    column: str
    type: ColumnType
    codes: frozenset[str] | None
    is_many: bool
    evaluate: Evaluate
    needs: frozenset[str]


class ColumnTree:
    """The columns of the analysis store of a version as a tree for expressions; groups are not in it."""

    def __init__(self, definition: FormDefinition) -> None:
        self.definition = definition
        self.root = Spec(definition.root_name, definition.root.path)
        self.specs: dict[str, Spec] = {definition.root.path: self.root}
        self._grow(self.root, definition.columns("analysis"))
        self._compiler = Compiler(self.root, Lists({}), functions=FUNCTIONS, selectors=SELECTORS)

    def _grow(self, parent: Spec, columns: tuple[Column, ...]) -> None:
        for column in columns:
            spec = Spec(column.name, column.path, column.type, parent, is_repeat=column.type == "repeat")
            parent.children[column.name] = self.specs[column.path] = spec
            self._grow(spec, column.children)

    def compile(self, rule: str, scope: str) -> Compiled:
        """Compile a rule for the rows of a repeat, by its path in the old version, or for the whole interview.

        Raises:
            RuleError: the rule is none, or reads what it may not.
        """
        try:
            if _has_bare_path(parse(_REFERENCE.sub(_PLACEHOLDER, rule))):
                raise RuleError("bare-path", rule)
            context = self.specs.get(scope, self.root)
            source = _REFERENCE.sub(lambda match: f" {self._route(match.group(1), context)} ", rule)
            compiled = self._compiler.compile(source, context)
        except XPathError as error:
            raise RuleError("syntax", error.message) from None
        if compiled.is_volatile:
            raise RuleError("volatile", rule)
        return compiled

    def _route(self, name: str, context: Spec) -> str:
        known = places(self.definition)
        found = [path for path in paths_named(self.definition, name) if known[path].column is not None]
        if len(found) != 1:
            raise RuleError("ambiguous-name" if found else "unknown-name", name)
        target = self.specs.get(found[0])
        if target is None:
            raise RuleError("other-store", name)
        own, chain = context.ancestry(), target.ancestry()
        shared = sum(1 for mine, its in zip(own, chain, strict=False) if mine is its)
        steps = [".."] * (len(own) - shared) + [spec.name for spec in chain[shared:]]
        return "/".join(["current()", *(steps or ["."])])


def _has_bare_path(tree: Expression) -> bool:
    if isinstance(tree, Path):
        return isinstance(tree.start, str) or _has_bare_path(tree.start)
    if isinstance(tree, Binary):
        return _has_bare_path(tree.left) or _has_bare_path(tree.right)
    if isinstance(tree, Negative):
        return _has_bare_path(tree.operand)
    return isinstance(tree, Call) and any(_has_bare_path(argument) for argument in tree.arguments)


class RowTree:
    """The answers of one interview as far as its recomputations name them; what ``forms.xpath.nodes.Tree`` asks for.

    Rows are found again by the identity of their dictionaries: the tree lives no longer than one upgrade of one row.
    """

    def __init__(self, tree: ColumnTree, needs: frozenset[str], row: Row) -> None:
        self.stale: list[int] = []
        self.now = _EPOCH
        self.zone: datetime.tzinfo = datetime.UTC
        self.new_uuid: Callable[[], str] = str  # a rule that asks for a UUID is refused
        self.properties: Mapping[str, str] = {}
        self.version = tree.definition.version
        self._steps = 0
        self.root = Node(tree.root.name, None, tree.root)
        self._needs = needs
        self._nodes: dict[int, Node] = {id(row): self.root}
        self._fill(self.root, row, tree.root)

    def _fill(self, node: Node, row: Mapping[str, Any], spec: Spec) -> None:
        for name, child in spec.children.items():
            value = row.get(name)
            if child.path not in self._needs or value is None:
                continue
            if not child.is_repeat:
                node.children[name] = [_leaf(name, node, child, value)]
                continue
            rows = node.children[name] = []
            for place, inner in enumerate(value):
                inner_node = Node(name, node, child, (*node.rows, place))
                rows.append(inner_node)
                self._nodes[id(inner)] = inner_node
                self._fill(inner_node, inner, child)

    def compute(self, recomputation: Recomputation, row: Mapping[str, Any]) -> Value | None:
        """Return the value of a rule in a row of the interview; None where it fails."""
        node = self._nodes.get(id(row))
        if node is None:
            return None
        try:
            return recomputation.evaluate(Context(self, node))
        except _FAILURES:
            return None

    def spend(self, steps: int) -> None:
        """Count work: no rule may hold up the reading of a survey.

        Raises:
            Unevaluable: ``exhausted``.
        """
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise Unevaluable("exhausted")

    def was_sent(self, node: Node) -> bool:
        """Say that a node was sent: only answers that are there have nodes."""
        return node is not None

    def is_relevant(self, node: Node) -> bool:
        """Every answer that was given counts."""
        return node is not None

    def recalculate(self, node: Node) -> None:
        """Nothing is calculated here: stored results are answers like others."""

    def form_text(self, name: str) -> str:
        """Return nothing: a rule has no language."""
        return name[:0]

    def choice_label(self, path: str, code: str) -> str:
        """Return nothing: a rule works on codes."""
        return path[:0] + code[:0]


def _leaf(name: str, parent: Node, spec: Spec, value: Answer) -> Node:
    node = Node(name, parent, spec, parent.rows)
    if isinstance(value, datetime.date):
        node.text = value.isoformat()
        node.typed = datetime.datetime.combine(value, datetime.time())
    elif isinstance(value, str):
        node.text = node.typed = value
    else:
        node.text = f"{value:f}" if isinstance(value, Decimal) else str(value)
        node.typed = float(value)
    return node


def needs_of(compiled: Compiled, tree: ColumnTree, scope: str) -> frozenset[str]:
    """Return the paths of the columns that a rule reads, with those of the repeats around them and around it."""
    if compiled.reads_anything:
        return frozenset(tree.specs)
    paths = [path for path in (*compiled.references, scope) if path in tree.specs]
    return frozenset(spec.path for path in paths for spec in tree.specs[path].ancestry())


def written(value: Value, kind: ColumnType) -> str:
    """Return the text of a computed value; empty where it is no answer."""
    return calculated_text(value, "date" if kind == "date" else "decimal", datetime.UTC)[0]
