"""Checking a received interview against the rules of its form, as Collect would have applied them.

Findings only: nothing here refuses an interview, and nothing that one may contain keeps it from ending soon. It runs
as a stage of its own after opening, for it costs more than the structural check.
"""

import datetime
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final

from forms.asking import Prompt, counted_rows, holds, is_offered, is_required, node_path, walk
from forms.definition import FormDefinition
from forms.findings import Finding, Severity
from forms.instance import Instance
from forms.program import checking_program_of
from forms.receiving import clock_of, receive
from forms.sentences import CHECK_SENTENCES
from forms.tree import LiveTree
from forms.typed_values import has_type
from forms.xpath.nodes import Node, Spec, Unevaluable
from forms.xpath.values import text_to_number

MAX_FINDINGS: Final = 200
"""Findings of one interview that are kept: a hostile one must not fill the store."""
BUDGET: Final = 2_000_000
"""Steps after which a check ends unfinished, about two seconds; a full interview of 270 nodes takes a thousand."""

MAX_PATH: Final = 500

_TOLERANCE: Final = 1e-9
"""Relative difference allowed between two calculations: engines write the last digit of a double differently."""
_DECIMAL_PLACES: Final = frozenset("0123456789.-+eE")


def check(definition: FormDefinition, instance: Instance, *, now: datetime.datetime) -> tuple[Finding, ...]:
    """Check an interview.

    Args:
        now: when the tablet says that the interview was finished (aware, in the interview's own zone); used where the
            interview does not bear its own ``end`` or ``start``. It is what ``today()`` means.

    Findings, in this order: ``unknown-node``, ``too-many-rows``; ``not-a-choice``, ``required``, ``constraint`` in
    the order of the questions; ``irrelevant`` (a value where no question was asked), ``calculation`` (another value
    than the form calculates), ``missing-node`` (a node that the form gives a value is not there) and ``bad-type`` in
    the order of the form; ``missing-row`` (a repeat has fewer rows than its count); ``not-evaluated`` for each rule
    that has no outcome here (a function or file that is not known, an expression without end); ``not-finished``.
    ``CHECK_SENTENCES`` has each in words.
    """
    program = checking_program_of(definition)
    clock = clock_of(definition, instance, now)
    tree = LiveTree(program, now=clock, new_uuid=_no_uuid, properties={}, budget=BUDGET)
    return tuple(islice(_findings(tree, instance), MAX_FINDINGS))


def _findings(tree: LiveTree, instance: Instance) -> Iterator[Finding]:
    for code, path in receive(tree, instance.root):
        yield _finding(code, path)
    tree.settle()
    short: list[str] = []
    unevaluated: dict[tuple[str, str], None] = {}
    yield from _asked(tree, short, unevaluated)
    yield from _compared(tree, tree.root, tree.sent or {})
    for path in short:
        yield _finding("missing-row", path)
    for failure in tree.program.failures:
        yield _unevaluated(failure.path, failure.rule)
    for node, rule in tree.failed:
        unevaluated.setdefault((node_path(node), rule))
    for path, rule in unevaluated:
        yield _unevaluated(path, rule)
    if tree.is_exhausted:
        yield _finding("not-finished", node_path(tree.root), "warning")


def _asked(tree: LiveTree, short: list[str], unevaluated: dict[tuple[str, str], None]) -> Iterator[Finding]:
    def look_at_rows(parent: Node, spec: Spec) -> None:
        try:
            counted = counted_rows(tree, parent, spec)
        except (Unevaluable, RecursionError):
            unevaluated[f"{node_path(parent)}/{spec.name}", "repeat count"] = None
            return
        if counted is not None and len(parent.children[spec.name]) < counted:
            short.append(f"{node_path(parent)}/{spec.name}")

    for prompt in walk(tree, look_at_rows):
        for code, rule, is_broken in _WHEN_ANSWERED if tree.text(prompt.node) else _WHEN_EMPTY:
            try:
                if is_broken(tree, prompt):
                    yield _finding(code, prompt.path)
            except (Unevaluable, RecursionError):
                unevaluated[prompt.path, rule] = None
        if tree.is_exhausted:
            return


def _is_off_list(tree: LiveTree, prompt: Prompt) -> bool:
    return prompt.asked.offer is not None and not is_offered(tree, prompt)


def _breaks_constraint(tree: LiveTree, prompt: Prompt) -> bool:
    if prompt.asked.constraint is None or holds(tree, prompt):
        return False
    # What is not of its type compares with nothing: that it is not says enough.
    return has_type(prompt.node.text, prompt.asked.spec.type)


Rule = tuple[str, str, Callable[[LiveTree, Prompt], bool]]
_WHEN_EMPTY: Final[tuple[Rule, ...]] = (("required", "required", is_required),)
_WHEN_ANSWERED: Final[tuple[Rule, ...]] = (
    ("not-a-choice", "choices", _is_off_list),
    ("constraint", "constraint", _breaks_constraint),
)


def _compared(tree: LiveTree, node: Node, sent: Mapping[Node, str]) -> Iterator[Finding]:
    spec = node.spec
    if spec is None:
        return
    if spec.children:
        for group in node.children.values():
            for child in group:
                yield from _compared(tree, child, sent)
        return
    code = _objection(tree, node, spec, sent.get(node))
    if code:
        yield _finding(code, node_path(node))


def _objection(tree: LiveTree, node: Node, spec: Spec, text: str | None) -> str:
    """Return the code of what is wrong with a leaf, empty where nothing is; ``text`` is None where it is not there."""
    if spec.has_relevance and not tree.is_relevant(node):
        return "irrelevant" if text else ""
    if text is None:
        return "missing-node" if tree.text(node) else ""
    if spec.calculate is not None:
        return "" if _same(text, tree.text(node)) else "calculation"
    return "bad-type" if text and spec.type != "string" and not has_type(text, spec.type) else ""


def _same(sent: str, calculated: str) -> bool:
    if sent == calculated:
        return True
    if not sent or not calculated or not _DECIMAL_PLACES.issuperset(sent + calculated):
        return False
    try:
        return math.isclose(float(sent), float(calculated), rel_tol=_TOLERANCE)
    except ValueError:
        return text_to_number(sent) == text_to_number(calculated)


def _no_uuid() -> str:
    # A check keeps the identifiers that the interview came with; for one that is missing, any will do to say so.
    return "00000000-0000-4000-8000-000000000000"


def _finding(code: str, path: str, severity: Severity = "error") -> Finding:
    return Finding(code, severity, path[:MAX_PATH], CHECK_SENTENCES[code]["en"])


def _unevaluated(path: str, rule: str) -> Finding:
    return Finding("not-evaluated", "warning", path[:MAX_PATH], f"{CHECK_SENTENCES['not-evaluated']['en']} ({rule})")
