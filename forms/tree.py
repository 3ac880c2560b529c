"""A living interview: its nodes, their values, and which of them are relevant.

Nothing is recalculated until somebody looks. A change only notes which rules have gone stale; a node that is read
brings itself up to date. An enumerator's 200 answers so cost a few hundred evaluations instead of some ten thousand.
"""

import datetime
from collections.abc import Callable, Mapping
from typing import Final

from lxml import etree

from forms.documents import local_name
from forms.model import ModelNode
from forms.rules import Action, Program
from forms.typed_values import calculated_text, received_value, typed_value
from forms.xpath.nodes import Context, Node, Rule, Spec, Unevaluable
from forms.xpath.values import Value, to_boolean, to_text

MAX_ROWS: Final = 1000
"""Rows of one repeat that are kept: a count of a billion must not fill the memory."""

UNBOUNDED: Final = 1 << 60
KEPT: Final = 1 << 60
"""Tick of a value that is never recalculated: what ``uuid()`` or ``once()`` gave when the interview was made."""


class LiveTree:
    """The nodes of one interview.

    Args:
        now: UTC or any aware time; its zone is the interview's own.
        new_uuid: gives the text of a new UUID.
        properties: what the device knows: ``deviceid``, ``username`` and so on.
        language: of choice labels; the form's default where it is left out.
        budget: steps of work after which nothing more is evaluated: an interview made to keep a server busy.

    Attributes:
        sent: the nodes that a received interview has, with their texts as they came; None while one is being filled.
        failed: nodes whose calculation or relevance could not be evaluated, with the reason.
    """

    def __init__(
        self,
        program: Program,
        *,
        now: datetime.datetime,
        new_uuid: Callable[[], str],
        properties: Mapping[str, str],
        language: str | None = None,
        budget: int = UNBOUNDED,
    ) -> None:
        self.program = program
        self.steps_left = budget
        self.sent: dict[Node, str] | None = None
        self.failed: dict[tuple[Node, str], str] = {}
        self.now = now
        self.zone: datetime.tzinfo = now.tzinfo or datetime.UTC
        self.new_uuid = new_uuid
        self.properties = properties
        self.version = program.definition.version
        self.language = program.definition.default_language if language is None else language
        self.tick = 0
        self.stale = [0] * len(program.rules)
        self.root = self._blank(program.root, program.definition.root, None, ())

    def _blank(self, spec: Spec, model: ModelNode, parent: Node | None, rows: tuple[int, ...]) -> Node:
        node = Node(spec.name, parent, spec, rows)
        if model.default:
            self.write_candidate(node, model.default)
        if not spec.children:
            return node
        models = {child.name: child for child in model.children}
        for name, child in spec.children.items():
            its_model = models.get(name) or self.program.models[child.path]
            if child.is_repeat:
                blank_rows = enumerate(its_model.rows)
                node.children[name] = [self._blank(child, row, node, (*rows, place)) for place, row in blank_rows]
            else:
                node.children[name] = [self._blank(child, its_model, node, rows)]
        return node

    def context(self, node: Node) -> Context:
        """Return the context of an expression of a node."""
        return Context(self, node)

    @property
    def is_exhausted(self) -> bool:
        """Whether the budget is used up."""
        return self.steps_left < 0

    def spend(self, steps: int) -> None:
        """Count work.

        Raises:
            Unevaluable: ``exhausted``.
        """
        self.steps_left -= steps
        if self.steps_left < 0:
            raise Unevaluable("exhausted")

    def was_sent(self, node: Node) -> bool:
        """Say whether the interview that was received has the node; one that is being filled has all."""
        return self.sent is None or node in self.sent

    def is_relevant(self, node: Node) -> bool:
        """Say whether a node and all its ancestors are relevant."""
        at: Node | None = node
        while at is not None:
            spec = at.spec
            if spec is None or not spec.has_relevance:
                return True
            rule = spec.relevant
            if rule is not None:
                if at.relevance_at < self.stale[rule.index]:
                    # Marked first: a rule that reads its own node sees what held before, and does not go round for
                    # ever.
                    at.relevance_at = self.tick
                    at.relevance = self._decided(rule, at)
                if not at.relevance:
                    return False
            at = at.parent
        return True

    def recalculate(self, node: Node) -> None:
        """Bring the value of a calculated node up to date."""
        spec = node.spec
        if spec is None or spec.calculate is None:
            return
        node.computed = self.tick
        try:
            self.spend(1)
            value = spec.calculate.evaluate(Context(self, node))
        except (Unevaluable, RecursionError) as error:
            self.failed[node, "calculate"] = str(error)
            return
        node.text, node.typed = calculated_text(value, spec.type, self.zone)

    def _decided(self, rule: Rule, node: Node) -> bool:
        try:
            self.spend(1)
            return to_boolean(rule.evaluate(Context(self, node)))
        except (Unevaluable, RecursionError) as error:
            self.failed[node, "relevant"] = str(error)
            return self.was_sent(node)

    def settle(self) -> None:
        """Calculate everything in an order in which nothing has to wait, where the form has long chains of rules."""
        for rule in self.program.settling:
            nodes = [self.root]
            for step in rule.spec.ancestry()[1:]:
                nodes = [child for node in nodes for child in node.children.get(step.name, ())]
            for node in nodes:
                if rule.spec.calculate is rule:
                    self.value(node)
                else:
                    self.is_relevant(node)

    def value(self, node: Node) -> Value:
        """Return the typed value of a node, whether it is relevant or not."""
        spec = node.spec
        if spec is not None and spec.calculate is not None and node.computed < self.stale[spec.calculate.index]:
            self.recalculate(node)
        return node.typed

    def text(self, node: Node) -> str:
        """Return the text of a node as it is written."""
        self.value(node)
        return node.text

    def write(self, node: Node, text: str) -> None:
        """Set the answer of a node."""
        self.write_candidate(node, text)
        if node.spec is not None:
            self.changed(node.spec)

    def write_candidate(self, node: Node, text: str) -> None:
        """Set the answer of a node without telling anybody: its constraint is to be tried first."""
        spec = node.spec
        node.text = text
        node.typed = text if spec is None else typed_value(text, spec.type, self.zone, self.now)

    def changed(self, spec: Spec) -> None:
        """Note that a value, or the rows of a repeat, changed."""
        self.tick += 1
        tick, stale = self.tick, self.stale
        for index in spec.on_change:
            stale[index] = tick

    def resize(self, parent: Node, spec: Spec, count: int) -> list[Node]:
        """Give a repeat so many rows, adding or removing at the end; return the new rows."""
        rows = parent.children[spec.name]
        count = min(count, MAX_ROWS)
        if len(rows) == count:
            return []
        before = len(rows)
        template = self.program.models[spec.path]
        del rows[count:]
        for place in range(before, count):
            rows.append(self._blank(spec, template, parent, (*parent.rows, place)))
        self.changed(spec)
        return rows[before:]

    def choice_label(self, path: str, code: str) -> str:
        """Return the label of a code of the question at a path, empty where it has none."""
        asked = self.program.asked.get(path)
        if asked is None or asked.offer is None:
            return ""
        return asked.offer.labels.get(code, {}).get(self.language, "")

    def form_text(self, name: str) -> str:
        """Return a text of the form's translations, empty where it has none of that name."""
        return self.program.definition.texts.get(name, {}).get(self.language, "")

    def perform(self, action: Action, node: Node) -> None:
        """Carry out a setvalue on its target node."""
        self.write(node, to_text(action.value(Context(self, node))))

    def load(self, root: etree._Element) -> None:
        """Take over the values of an instance to go on with; calculations that cannot be repeated keep theirs."""
        self._load(root, self.root)
        self.all_changed()

    def all_changed(self) -> None:
        """Note that everything may have changed."""
        self.tick += 1
        self.stale = [self.tick] * len(self.stale)

    def take(self, node: Node, spec: Spec, text: str) -> None:
        """Take over the text of a leaf."""
        node.text = text
        node.typed = received_value(text, spec.type, self.zone, self.now)
        if spec.path in self.program.volatile and (text or self.sent is not None):
            node.computed = KEPT

    def _load(self, element: etree._Element, node: Node) -> None:
        spec = node.spec
        if spec is None:
            return
        if not spec.children:
            self.take(node, spec, (element.text or "").strip())
            return
        groups: dict[str, list[etree._Element]] = {}
        for child in element:
            groups.setdefault(local_name(child), []).append(child)
        for name, child_spec in spec.children.items():
            found = groups.get(name, [])
            if child_spec.is_repeat:
                self.resize(node, child_spec, len(found))
            for place, target in zip(found, node.children[name], strict=False):
                self._load(place, target)
