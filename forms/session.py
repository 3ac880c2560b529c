"""One interview being filled, question by question, as ODK Collect does.

The session walks the form in the order of its body: groups and questions that are not relevant are passed over, a
repeat gets the rows that its count says, an answer is refused when it is not a choice on offer or breaks its
constraint. Finalising leaves out what is not relevant and writes the metadata.
"""

import datetime
from collections.abc import Callable, Iterator

from forms.asking import Prompt, counted_rows, holds, is_offered, is_required, offered_codes, walk
from forms.definition import FormDefinition
from forms.findings import Finding
from forms.instance import Instance
from forms.instance_xml import write_instance
from forms.program import program_of
from forms.rules import Program
from forms.tree import LiveTree
from forms.typed_values import RawAnswer, answer_text, iso_moment
from forms.xpath.nodes import Node, Spec, Unevaluable

RowsWanted = Callable[[Node, Spec], int | None]


class FormSession:
    """A form being filled.

    Args:
        now: start of the interview (aware); its zone is the interview's own.
        new_uuid: gives the text of a new UUID.
        instance_id: of this revision, ``uuid:…`` of a new one where it is left out.
        deprecated_id: instanceID of the revision that this one edits.
        previous: that revision itself, to go on from its answers; its instanceID then becomes ``deprecated_id``.

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
        previous: Instance | None = None,
        language: str | None = None,
    ) -> None:
        self.program: Program = program_of(definition)
        self.now = now
        self.tree = LiveTree(
            self.program, now=now, new_uuid=new_uuid, properties={"deviceid": device_id}, language=language
        )
        self.instance_id = instance_id or f"uuid:{new_uuid()}"
        self.deprecated_id = deprecated_id
        if previous is None:
            self._preload(self.tree.root, is_start=True)
            self._fire("odk-instance-first-load", self.tree.root)
        else:
            self.deprecated_id = deprecated_id or previous.instance_id
            self.tree.load(previous.root)

    def questions(self, rows_wanted: RowsWanted) -> Iterator[Prompt]:
        """Walk the form and yield each question when it is its turn; answers given meanwhile steer the walk.

        Args:
            rows_wanted: how many rows the enumerator adds to a repeat without a count; None leaves it as it is.
        """
        return walk(self.tree, lambda parent, spec: self._size(parent, spec, rows_wanted))

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
        previous = (prompt.node.text, prompt.node.typed)
        self.tree.write_candidate(prompt.node, text)
        problem = self._objection(prompt)
        if problem is not None:
            prompt.node.text, prompt.node.typed = previous
            return problem
        self.tree.changed(prompt.asked.spec)
        self._fire("xforms-value-changed", prompt.node)
        return None

    def complaints(self) -> Iterator[Finding]:
        """Check every relevant question once more, as finalising does: later answers can break earlier constraints."""
        for prompt in self.questions(lambda _node, _spec: None):
            if prompt.node.text:
                problem = self._objection(prompt)
                if problem is not None:
                    yield problem
            elif is_required(self.tree, prompt):
                yield _problem("required", prompt, "The question must be answered.")

    def finalise(self) -> bytes:
        """Write the metadata and return the XML of the finished interview."""
        self._preload(self.tree.root, is_start=False)
        return write_instance(self.tree, instance_id=self.instance_id, deprecated_id=self.deprecated_id)

    def _objection(self, prompt: Prompt) -> Finding | None:
        try:
            if not is_offered(self.tree, prompt):
                return _problem("not-a-choice", prompt, "The answer is not among the choices offered.")
            if not holds(self.tree, prompt):
                return _problem("constraint", prompt, "The answer breaks the constraint of the question.")
        except Unevaluable:
            return None
        return None

    def _clear(self, prompt: Prompt) -> Finding | None:
        if is_required(self.tree, prompt):
            return _problem("required", prompt, "The question must be answered.")
        if prompt.node.text:
            self.tree.write(prompt.node, "")
            self._fire("xforms-value-changed", prompt.node)
        return None

    def _size(self, parent: Node, spec: Spec, rows_wanted: RowsWanted) -> None:
        counted = counted_rows(self.tree, parent, spec)
        wanted = rows_wanted(parent, spec) if counted is None else counted
        if wanted is None:
            return
        for row in self.tree.resize(parent, spec, wanted):
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
