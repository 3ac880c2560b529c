"""Checking a received interview against the rules of its form, as Collect would have applied them.

Findings only: nothing here refuses an interview. It runs as a stage of its own after opening, for it costs more than
the structural check.
"""

import datetime
import math
from collections.abc import Iterator
from typing import Final

from lxml import etree

from forms.asking import counted_rows, holds, is_offered, is_required, node_path, walk
from forms.definition import FormDefinition
from forms.documents import local_name
from forms.findings import Finding
from forms.instance import Instance
from forms.program import program_of
from forms.tree import LiveTree
from forms.xpath.nodes import Node, Spec
from forms.xpath.values import text_to_number

_TOLERANCE: Final = 1e-9
"""Relative difference allowed between two calculations: engines write the last digit of a double differently."""
_DECIMAL_PLACES: Final = frozenset("0123456789.-+eE")


def check(definition: FormDefinition, instance: Instance, *, now: datetime.datetime) -> tuple[Finding, ...]:
    """Check an interview.

    Args:
        now: the interview's own clock and zone (aware); what ``today()`` means.

    Findings: ``constraint``, ``required``, ``not-a-choice``, ``irrelevant`` (a value where no question was asked),
    ``calculation`` (another value than the form calculates), ``missing-row`` (a repeat has fewer rows than its
    count). Unknown nodes and types are the business of ``forms.structure``.

    Raises:
        ProgramError: a rule of the form cannot be understood.
    """
    tree = LiveTree(program_of(definition), now=now, new_uuid=_no_uuid, properties={})
    tree.load(instance.root)
    sent = _sent_texts(instance.root, tree.root)
    return (*_asked(tree), *_compared(tree, tree.root, sent))


def _asked(tree: LiveTree) -> Iterator[Finding]:
    short: list[Finding] = []

    def look_at_rows(parent: Node, spec: Spec) -> None:
        counted = counted_rows(tree, parent, spec)
        if counted is not None and len(parent.children[spec.name]) < counted:
            path = f"{node_path(parent)}/{spec.name}"
            short.append(Finding("missing-row", "error", path, "The repeat has fewer rows than its count says."))

    for prompt in walk(tree, look_at_rows):
        if not prompt.node.text:
            if is_required(tree, prompt):
                yield _finding("required", prompt.node, "The question must be answered.")
            continue
        if not is_offered(tree, prompt):
            yield _finding("not-a-choice", prompt.node, "The answer is not among the choices offered.")
        if not holds(tree, prompt):
            yield _finding("constraint", prompt.node, "The answer breaks the constraint of the question.")
    yield from short


def _compared(tree: LiveTree, node: Node, sent: dict[Node, str]) -> Iterator[Finding]:
    spec = node.spec
    if spec is None:
        return
    if spec.children:
        for group in node.children.values():
            for child in group:
                yield from _compared(tree, child, sent)
        return
    text = sent.get(node, "")
    if spec.has_relevance and not tree.is_relevant(node):
        if text:
            yield _finding("irrelevant", node, "The question was not to be asked, but has a value.")
    elif spec.calculate is not None and not _same(text, tree.text(node)):
        yield _finding("calculation", node, "The form calculates another value.")


def _same(sent: str, calculated: str) -> bool:
    if sent == calculated:
        return True
    if not sent or not calculated or not _DECIMAL_PLACES.issuperset(sent + calculated):
        return False
    try:
        return math.isclose(float(sent), float(calculated), rel_tol=_TOLERANCE)
    except ValueError:
        return text_to_number(sent) == text_to_number(calculated)


def _sent_texts(element: etree._Element, node: Node) -> dict[Node, str]:
    found: dict[Node, str] = {}
    _collect(element, node, found)
    return found


def _collect(element: etree._Element, node: Node, found: dict[Node, str]) -> None:
    if not node.children:
        found[node] = element.text or ""
        return
    seen: dict[str, int] = {}
    for child in element:
        name = local_name(child)
        place = seen.get(name, 0)
        seen[name] = place + 1
        targets = node.children.get(name, [])
        if place < len(targets):
            _collect(child, targets[place], found)


def _no_uuid() -> str:
    # A check keeps the identifiers that the interview came with; a missing one stays missing.
    return ""


def _finding(code: str, node: Node, message: str) -> Finding:
    return Finding(code, "error", node_path(node), message)
