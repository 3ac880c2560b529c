"""One interview being filled, question by question, as ODK Collect does.

The session walks the form in the order of its body: groups and questions that are not relevant are passed over, a
repeat gets the rows that its count says, an answer is refused when it is not a choice on offer or breaks its
constraint. Finalising leaves out what is not relevant and writes the metadata.
"""

import datetime
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from forms.definition import FormDefinition
from forms.findings import Finding
from forms.instance_xml import write_instance
from forms.model import BodyItem
from forms.program import Asked, Program, program_of
from forms.tree import LiveTree
from forms.typed_values import RawAnswer, answer_text, iso_moment
from forms.xpath.nodes import Context, Node, Spec
from forms.xpath.values import to_boolean, to_number, to_text

MAX_ROWS = 1000
"""Rows of one repeat: a count of a billion must not fill the memory."""

RowsWanted = Callable[[Node, Spec], int | None]


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """A question that is being asked now."""

    node: Node
    asked: Asked

    @property
    def path(self) -> str:
        """The path with the positions of repeat rows, from the second on."""
        return node_path(self.node)


class FormSession:
    """A form being filled.

    Args:
        now: start of the interview (aware); its zone is the interview's own.
        new_uuid: gives the text of a new UUID.
        instance_id: of this revision, ``uuid:…`` of a new one where it is left out.
        deprecated_id: instanceID of the revision that this one edits.

    Raises:
        ProgramError: a rule of the form cannot be understood.
    """

    def __init__(
        self,
        definition: FormDefinition,
        *,
        now: datetime.datetime,
        new_uuid: Callable[[], str],
        device_id: str,
        instance_id: str | None = None,
        deprecated_id: str | None = None,
        language: str | None = None,
    ) -> None:
        self.program: Program = program_of(definition)
        self.now = now
        self.tree = LiveTree(
            self.program, now=now, new_uuid=new_uuid, properties={"deviceid": device_id}, language=language
        )
        self.instance_id = instance_id or f"uuid:{new_uuid()}"
        self.deprecated_id = deprecated_id
        self._preload(self.tree.root, is_start=True)
        self._fire("odk-instance-first-load", self.tree.root)

    def questions(self, rows_wanted: RowsWanted) -> Iterator[Prompt]:
        """Walk the form and yield each question when it is its turn; answers given meanwhile steer the walk.

        Args:
            rows_wanted: how many rows the enumerator adds to a repeat without a count; None leaves it as it is.
        """
        return self._walk(self.program.body, self.tree.root, rows_wanted)

    def offered_codes(self, prompt: Prompt) -> frozenset[str] | None:
        """Return the codes that a question offers now; None where it has no list, or the list is not here."""
        return offered_codes(self.tree, prompt)

    def answer(self, prompt: Prompt, answer: RawAnswer) -> Finding | None:
        """Give an answer; a refused one changes nothing and returns the finding.

        Findings: ``bad-type``, ``not-a-choice``, ``constraint``, ``required``.
        """
        try:
            text = answer_text(answer, prompt.asked.spec.type)
        except ValueError:
            return _problem("bad-type", prompt, "The answer does not have the type of the question.")
        if not text:
            return self._clear(prompt)
        if not self._is_offered(prompt, text):
            return _problem("not-a-choice", prompt, "The answer is not among the choices offered.")
        previous = (prompt.node.text, prompt.node.typed)
        self.tree.write_candidate(prompt.node, text)
        if not holds(self.tree, prompt):
            prompt.node.text, prompt.node.typed = previous
            return _problem("constraint", prompt, "The answer breaks the constraint of the question.")
        self.tree.changed(prompt.asked.spec)
        self._fire("xforms-value-changed", prompt.node)
        return None

    def complaints(self) -> Iterator[Finding]:
        """Check every relevant question once more, as finalising does: later answers can break earlier constraints."""
        for prompt in self.questions(lambda _node, _spec: None):
            if prompt.node.text:
                if not holds(self.tree, prompt):
                    yield _problem("constraint", prompt, "The answer breaks the constraint of the question.")
            elif is_required(self.tree, prompt):
                yield _problem("required", prompt, "The question must be answered.")

    def finalise(self) -> bytes:
        """Write the metadata and return the XML of the finished interview."""
        self._preload(self.tree.root, is_start=False)
        return write_instance(self.tree, instance_id=self.instance_id, deprecated_id=self.deprecated_id)

    def _clear(self, prompt: Prompt) -> Finding | None:
        if is_required(self.tree, prompt):
            return _problem("required", prompt, "The question must be answered.")
        if prompt.node.text:
            self.tree.write(prompt.node, "")
            self._fire("xforms-value-changed", prompt.node)
        return None

    def _is_offered(self, prompt: Prompt, text: str) -> bool:
        codes = offered_codes(self.tree, prompt)
        if codes is None:
            return True
        return all(code in codes for code in text.split()) if prompt.asked.takes_many else text in codes

    def _walk(self, items: tuple[BodyItem, ...], above: Node, rows_wanted: RowsWanted) -> Iterator[Prompt]:
        for item in items:
            if item.kind == "repeat":
                yield from self._walk_repeat(item, above, rows_wanted)
            elif item.kind == "group":
                yield from self._walk_group(item, above, rows_wanted)
            else:
                asked = self.program.asked.get(item.path)
                node = None if asked is None else descend(above, asked.spec)
                if asked is not None and node is not None and self.tree.is_relevant(node):
                    yield Prompt(node, asked)

    def _walk_group(self, item: BodyItem, above: Node, rows_wanted: RowsWanted) -> Iterator[Prompt]:
        spec = self.program.specs.get(item.path)
        # A group around a repeat bears the repeat's own path: relevance is then a matter of each row.
        node = None if spec is None or spec.is_repeat else descend(above, spec)
        if node is not None and not self.tree.is_relevant(node):
            return
        yield from self._walk(item.children, above, rows_wanted)

    def _walk_repeat(self, item: BodyItem, above: Node, rows_wanted: RowsWanted) -> Iterator[Prompt]:
        spec = self.program.specs.get(item.path)
        parent = None if spec is None or spec.parent is None else descend(above, spec.parent)
        if spec is None or parent is None or not self.tree.is_relevant(parent):
            return
        self._size(parent, spec, rows_wanted)
        for row in tuple(parent.children[spec.name]):
            if self.tree.is_relevant(row):
                yield from self._walk(item.children, row, rows_wanted)

    def _size(self, parent: Node, spec: Spec, rows_wanted: RowsWanted) -> None:
        count = self.program.counts.get(spec.path)
        if count is None:
            wanted = rows_wanted(parent, spec)
        else:
            place = Node(spec.name, parent, spec, (*parent.rows, 0))
            number = to_number(count(Context(self.tree, place)))
            wanted = 0 if math.isnan(number) else int(max(number, 0))
        if wanted is None:
            return
        for row in self.tree.resize(parent, spec, min(wanted, MAX_ROWS)):
            self._preload(row, is_start=True)
            self._fire("odk-new-repeat", row)

    def _fire(self, event: str, at: Node) -> None:
        for action in self.program.actions:
            if event not in action.events:
                continue
            if event != "odk-instance-first-load" and action.source is not at.spec:
                continue
            for target in _targets(self.tree.root, action.target, at):
                self.tree.perform(action, target)

    def _preload(self, node: Node, *, is_start: bool) -> None:
        spec = node.spec
        if spec is None:
            return
        if spec.children:
            for group in node.children.values():
                for child in group:
                    self._preload(child, is_start=is_start)
            return
        bind = self.program.definition.binds.get(spec.path)
        if bind is not None and bind.preload:
            text = self._preloaded(bind.preload, bind.preload_params, is_start=is_start)
            if text is not None:
                self.tree.write(node, text)

    def _preloaded(self, preload: str, parameter: str, *, is_start: bool) -> str | None:
        if preload == "timestamp":
            return iso_moment(self.now) if is_start == (parameter == "start") else None
        if not is_start:
            return None
        if preload == "date":
            return self.now.date().isoformat()
        return self.tree.properties.get(parameter, "") if preload == "property" else None


def offered_codes(tree: LiveTree, prompt: Prompt) -> frozenset[str] | None:
    """Return the codes that a question offers now; None where it has no list, or the list is not here."""
    offer = prompt.asked.offer
    if offer is None:
        return None
    if offer.select is None or offer.select.select is None:
        return offer.codes
    items = offer.select.select(Context(tree, prompt.node))
    cells = [item.children.get(offer.value_ref) for item in items]
    return frozenset(to_text(tree.value(cell[0])) for cell in cells if cell)


def holds(tree: LiveTree, prompt: Prompt) -> bool:
    """Say whether the answer of a question keeps its constraint."""
    constraint = prompt.asked.constraint
    return constraint is None or to_boolean(constraint(Context(tree, prompt.node)))


def is_required(tree: LiveTree, prompt: Prompt) -> bool:
    """Say whether a question must be answered now."""
    required = prompt.asked.required
    return required if isinstance(required, bool) else to_boolean(required(Context(tree, prompt.node)))


def descend(above: Node, spec: Spec) -> Node | None:
    """Return the node of a spec below (or at) a node, the first row of any repeat on the way."""
    chain: list[Spec] = []
    at: Spec | None = spec
    while at is not None and at is not above.spec:
        chain.append(at)
        at = at.parent
    if at is None:
        return None
    node = above
    for step in reversed(chain):
        found = node.children.get(step.name)
        if not found:
            return None
        node = found[0]
    return node


def node_path(node: Node) -> str:
    """Return the path of a node with the positions of repeat rows, from the second on."""
    steps: list[str] = []
    at: Node | None = node
    while at is not None:
        is_later_row = at.spec is not None and at.spec.is_repeat and at.rows[-1] > 0
        steps.append(f"{at.name}[{at.rows[-1] + 1}]" if is_later_row else at.name)
        at = at.parent
    return "/" + "/".join(reversed(steps))


def _targets(root: Node, spec: Spec, at: Node) -> list[Node]:
    """Return the nodes of a spec: in the row that ``at`` stands in where both share one, else all."""
    nodes = [root]
    own: dict[Spec, Node] = {}
    above: Node | None = at
    while above is not None:
        if above.spec is not None:
            own[above.spec] = above
        above = above.parent
    for step in spec.ancestry()[1:]:
        nodes = [own[step]] if step in own else [child for node in nodes for child in node.children.get(step.name, ())]
    return nodes


def _problem(code: str, prompt: Prompt, message: str) -> Finding:
    return Finding(code, "error", prompt.path, message)
