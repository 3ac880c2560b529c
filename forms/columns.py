"""Which columns the answers of a form have in the two microdata stores.

Rule: names, telephone numbers, positions and free text go to ``identifiers``; everything else to ``analysis``. A
    free-text
question or position that nobody has classified counts as identifying: the safe side is the default, and ``pii`` =
``none`` says that somebody has looked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from forms.model import ModelNode, Question

Store = Literal["analysis", "identifiers"]
ColumnType = Literal["string", "integer", "decimal", "date", "repeat"]

IDENTIFYING: Final = frozenset({"direct", "location", "text"})
CLOSED: Final = IDENTIFYING | {"key", "sensitive"}
"""Classes whose answers never leave with the microdata, whichever store they are in."""
_TYPES: Final[Mapping[str, ColumnType]] = {
    "int": "integer",
    "integer": "integer",
    "long": "integer",
    "decimal": "decimal",
    "date": "date",
}
_OPEN_TYPES: Final = frozenset({"geopoint", "geotrace", "geoshape", "binary", "barcode"})
_FREE_CONTROLS: Final = frozenset({"input", "secret"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a store; a repeat is a column whose rows have the columns ``children``."""

    name: str
    path: str
    type: ColumnType
    pii: str | None = None
    children: tuple["Column", ...] = ()


def all_columns(root: ModelNode, questions: Mapping[str, Question]) -> tuple[tuple[Column, Store], ...]:
    """Return the columns of a form in document order, each with its store; a repeat appears once a store."""
    return tuple(_columns_under(root, questions))


def _columns_under(scope: ModelNode, questions: Mapping[str, Question]) -> list[tuple[Column, Store]]:
    members = _members(scope, scope, questions)
    names = _unique_names(scope, members)
    found: list[tuple[Column, Store]] = []
    for node in members:
        name = names[node.path]
        if node.kind == "repeat":
            inner = _columns_under(node, questions)
            for store in ("analysis", "identifiers"):
                children = tuple(column for column, its_store in inner if its_store == store)
                if children:  # a column family without columns cannot be written as Parquet
                    found.append((Column(name, node.path, "repeat", None, children), store))
        else:
            found.append((_leaf_column(name, node, questions[node.path]), _store_of(node, questions[node.path])))
    return found


def _members(node: ModelNode, scope: ModelNode, questions: Mapping[str, Question]) -> list[ModelNode]:
    """Return the leaves and repeats of a scope; groups are transparent."""
    found: list[ModelNode] = []
    for child in node.children:
        if child.kind == "repeat":
            found.append(child)
        elif child.kind == "group":
            found.extend(_members(child, scope, questions))
        elif child.path in questions:
            found.append(child)
    return found


def _unique_names(scope: ModelNode, members: list[ModelNode]) -> dict[str, str]:
    steps = {node.path: node.path[len(scope.path) + 1 :].split("/") for node in members}
    depth = dict.fromkeys(steps, 1)
    while True:
        taken: dict[str, list[str]] = {}
        for path, parts in steps.items():
            taken.setdefault("_".join(parts[-depth[path] :]), []).append(path)
        clashes = [
            path for paths in taken.values() if len(paths) > 1 for path in paths if depth[path] < len(steps[path])
        ]
        if not clashes:
            return _numbered(taken)
        for path in clashes:
            depth[path] += 1


def _numbered(taken: Mapping[str, list[str]]) -> dict[str, str]:
    # a/b_c and a_b/c give one name: the later ones get a number that no other column has.
    names: dict[str, str] = {}
    used = set(taken)
    for name, paths in taken.items():
        names[paths[0]] = name
        for path in paths[1:]:
            number = 2
            while f"{name}_{number}" in used:
                number += 1
            names[path] = f"{name}_{number}"
            used.add(names[path])
    return names


def _leaf_column(name: str, node: ModelNode, question: Question) -> Column:
    # Several codes in one answer are text, whatever the codes look like.
    kind = "string" if question.control in ("select", "rank") else _TYPES.get(node.bind.type, "string")
    return Column(name, node.path, kind, node.bind.pii)


def _store_of(node: ModelNode, question: Question) -> Store:
    if node.bind.pii is not None:
        return "identifiers" if node.bind.pii in IDENTIFYING else "analysis"
    if node.bind.preload == "property" or node.path.endswith("/meta/instanceName"):
        return "identifiers"
    if node.bind.type in _OPEN_TYPES:
        return "identifiers"
    is_free_text = node.bind.type == "string" and question.control in _FREE_CONTROLS and not node.bind.calculate
    return "identifiers" if is_free_text else "analysis"
