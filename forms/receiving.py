"""Laying a received interview into a living tree: which of its nodes the form has, and which it does not."""

import datetime
from typing import Final

from lxml import etree

from forms.asking import node_path
from forms.definition import FormDefinition
from forms.documents import local_name
from forms.instance import Instance, indexed_path
from forms.tree import MAX_ROWS, LiveTree
from forms.xpath.nodes import Node, Spec
from forms.xpath.values import moment

MAX_PROBLEMS: Final = 100
MAX_NODES: Final = 100_000
"""Nodes that one interview may have, those counted that the form adds to each row: 300 000 empty rows of a long repeat
fit into an interview of a megabyte, and would take gigabytes."""


def clock_of(definition: FormDefinition, instance: Instance, otherwise: datetime.datetime) -> datetime.datetime:
    """Return when the interview ended by its own clock, else when it began, else what the tablet said beside it."""
    for parameter in ("end", "start"):
        for bind in definition.binds.values():
            if bind.preload == "timestamp" and bind.preload_params == parameter:
                found = _moment_at(bind.path, instance.root)
                if found is not None:
                    return found
    return otherwise


def _moment_at(path: str, root: etree._Element) -> datetime.datetime | None:
    element: etree._Element | None = root
    for name in path.split("/")[2:]:
        element = None if element is None else next((child for child in element if local_name(child) == name), None)
    text = (element.text or "").strip() if element is not None else ""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None or moment(text, datetime.UTC) is None else found


def receive(tree: LiveTree, root: etree._Element) -> list[tuple[str, str]]:
    """Give a tree the values of an interview; return code and path of what has no place in it.

    Codes: ``unknown-node``, ``too-many-rows``.
    """
    reception = _Reception(tree)
    if local_name(root) != tree.root.name:
        reception.refuse(root)
    else:
        reception.lay(root, tree.root)
    tree.all_changed()
    return reception.problems


class _Reception:
    def __init__(self, tree: LiveTree) -> None:
        self.tree = tree
        self.sent: dict[Node, str] = {}
        tree.sent = self.sent
        self.problems: list[tuple[str, str]] = []
        self.nodes_left = MAX_NODES

    def refuse(self, element: etree._Element) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(("unknown-node", indexed_path(element)))

    def lay(self, element: etree._Element, node: Node) -> None:
        spec = node.spec
        if spec is None:
            return
        self.sent[node] = ""
        if not spec.children:
            text = element.text or ""
            self.sent[node] = text
            self.tree.take(node, spec, text.strip())
            for inner in element:
                self.refuse(inner)
            return
        groups: dict[str, list[etree._Element]] = {}
        for child in element:
            name = local_name(child)
            if name in groups:
                groups[name].append(child)
            elif name in spec.children:
                groups[name] = [child]
            else:
                self.refuse(child)
        self._lay_children(groups, node, spec)

    def _lay_children(self, groups: dict[str, list[etree._Element]], node: Node, spec: Spec) -> None:
        for name, child_spec in spec.children.items():
            found = groups.get(name, [])
            if child_spec.is_repeat:
                self._make_rows(node, child_spec, len(found))
            targets = node.children[name]
            for place, target in zip(found, targets, strict=False):
                self.lay(place, target)
            if not child_spec.is_repeat:
                for second in found[1:]:
                    self.refuse(second)

    def _make_rows(self, node: Node, spec: Spec, count: int) -> None:
        fitting = min(count, MAX_ROWS, self.nodes_left // spec.size)
        if fitting < count:
            self.problems.append(("too-many-rows", f"{node_path(node)}/{spec.name}"))
        self.nodes_left -= fitting * spec.size
        self.tree.resize(node, spec, fitting)
