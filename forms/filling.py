"""Filling a form from answers that are known beforehand, through the form and by its rules."""

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from forms.definition import FormDefinition
from forms.findings import Finding
from forms.instance import Instance
from forms.model import ModelNode
from forms.session import FormSession
from forms.xpath.nodes import Node, Spec

Answers = Mapping[str, Any]
Place = tuple[str, tuple[int, ...]]
"""A question and the repeat rows it stands in, 0-based."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A finished interview.

    Attributes:
        problems: ``constraint``, ``required``, ``not-a-choice``, ``not-asked`` or ``bad-type``; such answers are
            left out.
    """

    xml: bytes
    instance_id: str
    problems: tuple[Finding, ...]


def fill(
    definition: FormDefinition,
    answers: Answers,
    *,
    now: datetime.datetime,
    new_uuid: Callable[[], str],
    device_id: str,
    instance_id: str | None = None,
    deprecated_id: str | None = None,
    previous: Instance | None = None,
    language: str | None = None,
) -> Filled:
    """Fill a form from answers, question by question in the order of the form.

    Args:
        answers: by name; groups may be left out or nested, a repeat is a list of rows. A value is a text, number,
            date, or a list of codes; it is converted to the text that Collect would write.
        now: start and end of the interview, aware.
        previous: the revision that is edited; what the answers do not speak of stays as it was, ``once()`` keeps its
            value.

    Raises:
        ProgramError: a rule of the form cannot be understood.
    """
    session = FormSession(
        definition,
        now=now,
        new_uuid=new_uuid,
        device_id=device_id,
        instance_id=instance_id,
        deprecated_id=deprecated_id,
        previous=previous,
        language=language,
    )
    given = _Given(definition, answers)
    problems: list[Finding] = []
    for prompt in session.questions(given.rows_wanted):
        place = (prompt.asked.spec.path, prompt.node.rows)
        if place in given.values:
            problem = session.answer(prompt, given.values.pop(place))
            if problem is not None:
                problems.append(problem)
    known = {problem.path for problem in problems}
    problems.extend(problem for problem in session.complaints() if problem.path not in known)
    problems.extend(given.left_over())
    return Filled(session.finalise(), session.instance_id, tuple(problems))


class _Given:
    """The answers laid out by place, so that each question finds its own at once."""

    def __init__(self, definition: FormDefinition, answers: Answers) -> None:
        self.values: dict[Place, Any] = {}
        self.rows: dict[Place, int] = {}
        self.unknown: list[str] = []
        self.names = _names_of(definition)
        self._lay_out(definition.root, answers, ())

    def rows_wanted(self, parent: Node, spec: Spec) -> int | None:
        """Return how many rows the answers have for a repeat; None where they do not speak of it."""
        return self.rows.get((spec.path, parent.rows))

    def left_over(self) -> Iterable[Finding]:
        """Yield a finding for each answer whose question was never asked."""
        for path, rows in self.values:
            yield Finding("not-asked", "error", _shown(path, rows), "The question was not asked.")
        for path in self.unknown:
            yield Finding("not-asked", "error", path, "The form has no such question.")

    def _lay_out(self, scope: ModelNode, answers: Answers, rows: tuple[int, ...]) -> None:
        names = self.names[scope.path]
        for name, answer in answers.items():
            node = names.get(name)
            if node is None:
                self.unknown.append(f"{scope.path}/{name}")
            elif node.kind == "group" and isinstance(answer, Mapping):
                self._lay_out(node, answer, rows)
            elif node.kind == "repeat":
                self._lay_out_rows(node, answer, rows)
            elif answer is not None:
                self.values[node.path, rows] = answer

    def _lay_out_rows(self, node: ModelNode, answer: Any, rows: tuple[int, ...]) -> None:
        if not isinstance(answer, list | tuple):
            self.unknown.append(node.path)
            return
        self.rows[node.path, rows] = len(answer)
        for place, row in enumerate(answer):
            self._lay_out(node, row, (*rows, place))


@lru_cache(maxsize=64)
def _names_of(definition: FormDefinition) -> Mapping[str, Mapping[str, ModelNode]]:
    """Return, for each group and repeat, what its names mean: its children, and those of groups inside it."""
    return {node.path: _reachable(node) for node in definition.nodes() if node.children}


def _reachable(scope: ModelNode) -> dict[str, ModelNode]:
    found: dict[str, ModelNode] = {}
    for child in scope.children:
        if child.kind == "group":
            for name, node in _reachable(child).items():
                found.setdefault(name, node)
    # What stands nearer wins over what is deeper inside a group.
    found.update({child.name: child for child in scope.children})
    return found


def _shown(path: str, rows: tuple[int, ...]) -> str:
    return path if not rows else f"{path} (row {', '.join(str(row + 1) for row in rows)})"
