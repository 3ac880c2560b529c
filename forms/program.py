"""Everything of a form that interviews run: its rules compiled, and which of them a change of an answer touches.

Made once a definition and shared by all interviews; it holds no state of any of them. There are two of each form: the
one that fills interviews needs every rule, the one that checks them leaves out what cannot be evaluated and says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from lxml import etree

from forms.definition import FormDefinition
from forms.dependencies import first_circle, link_changes, settling_order, strong_components
from forms.documents import local_name
from forms.media import media_name, search_file, table_of
from forms.model import BodyItem, ChoiceSource, ModelNode, Question
from forms.rules import Action, Asked, Offer, Program, ProgramError
from forms.xpath.compiler import Compiler
from forms.xpath.functions import FUNCTIONS, SELECTORS
from forms.xpath.nodes import Compiled, Evaluate, Lists, Node, Rows, Rule, Spec
from forms.xpath.syntax import XPathError

__all__ = [
    "Action",
    "Asked",
    "Offer",
    "Program",
    "ProgramError",
    "checking_program_of",
    "cycles",
    "deciding",
    "program_of",
]

_TRUE: Final = frozenset({"true()", "true"})
_AS_SENT: Final = Compiled(
    source="",
    evaluate=lambda context: context.tree.was_sent(context.node),
    select=None,
    references=frozenset(),
    reads_anything=False,
    is_volatile=False,
)
"""A relevance that cannot be known: a finished interview has the nodes that were relevant, and only those."""


@lru_cache(maxsize=64)
def program_of(definition: FormDefinition) -> Program:
    """Compile a definition to fill interviews; later calls with the same definition are free.

    Raises:
        ProgramError: an expression of the form cannot be understood.
    """
    return _Builder(definition, is_for_checks=False).program()


@lru_cache(maxsize=64)
def checking_program_of(definition: FormDefinition) -> Program:
    """Compile a definition to check interviews; what cannot be evaluated is left out and named in ``failures``."""
    return _Builder(definition, is_for_checks=True).program()


def cycles(definition: FormDefinition) -> tuple[tuple[str, ...], ...]:
    """Return the paths of nodes whose rules go round in circles: each reads the next, the last reads the first.

    Collect refuses such a form. A node is decided by its calculation, by when it must be answered or may be changed,
    and by the relevance of itself and of what it stands in. A constraint may read its own question, ``once()`` its own
    node, and ``position(..)`` the row that it stands in: none of these is a circle.
    """
    reads = _reads(definition, lambda node: (node.bind.calculate, node.bind.required, node.bind.readonly))
    circles = (first_circle(component, reads) for component in strong_components(reads, reads))
    return tuple(sorted(circle for circle in circles if circle))


def deciding(definition: FormDefinition) -> Mapping[str, Sequence[str]]:
    """Return, by path of each node, what decides whether it is there and what it holds.

    What its calculation reads, the relevance of itself and of what it stands in, its number of rows if it is a repeat,
    and the filter of its choices.
    """
    return _reads(definition, lambda node: (node.bind.calculate, *_rows_and_choices(definition, node.path)))


def _rows_and_choices(definition: FormDefinition, path: str) -> tuple[str, ...]:
    repeat, question = definition.repeats.get(path), definition.questions.get(path)
    nodeset = "" if question is None or question.choices is None else question.choices.nodeset
    return ("" if repeat is None else repeat.count, nodeset)


def _reads(definition: FormDefinition, own_rules: Callable[[ModelNode], tuple[str, ...]]) -> dict[str, list[str]]:
    """Return what the rules of each node read, and the relevance of it and of everything that it stands in."""
    builder = _Builder(definition, is_for_checks=True)
    above: dict[str, set[str]] = {}
    reads: dict[str, list[str]] = {}
    for node in definition.nodes():
        around = above.get(node.path.rpartition("/")[0], set())
        above[node.path] = around | builder.references_of(node, node.bind.relevant)
        reads[node.path] = sorted(above[node.path] | builder.references_of(node, *own_rules(node)))
    return reads


class _Builder:
    def __init__(self, definition: FormDefinition, *, is_for_checks: bool) -> None:
        self.definition = definition
        self.is_for_checks = is_for_checks
        self.failures: dict[tuple[str, str], ProgramError] = {}
        self.specs: dict[str, Spec] = {}
        self.root = self._spec(definition.root, None)
        lists = Lists(
            instances={name: _document(entry.root) for name, entry in definition.instances.items()},
            absent={
                name: media_name(entry.source) for name, entry in definition.instances.items() if entry.root is None
            },
            rows_of=self._rows_of,
        )
        self.compiler = Compiler(self.root, lists, functions=FUNCTIONS, selectors=SELECTORS)
        self.rules: list[Rule] = []

    def program(self) -> Program:
        for node in self.definition.nodes():
            self._add_rules(node)
        _mark_relevance(self.root, inherited=False)
        self.rules = [self._recompiled(rule) for rule in self.rules]
        link_changes(self.root, self.rules)
        return Program(
            definition=self.definition,
            root=self.root,
            specs=self.specs,
            models={node.path: node for node in self.definition.nodes()},
            rules=tuple(self.rules),
            asked=self._all_asked(),
            counts=self._counts(),
            actions=tuple(self._actions()),
            body=self.definition.body,
            volatile=frozenset(
                rule.spec.path for rule in self.rules if rule.spec.calculate is rule and rule.compiled.is_volatile
            ),
            settling=settling_order(self.rules),
            failures=tuple(self.failures.values()),
        )

    def _spec(self, node: ModelNode, parent: Spec | None) -> Spec:
        spec = Spec(
            name=node.name,
            path=node.path,
            type="string" if self._is_coded(node) else node.bind.type,
            parent=parent,
            is_repeat=node.kind == "repeat",
            tag=node.tag,
            attributes=node.attributes,
        )
        self.specs[node.path] = spec
        for child in node.children:
            spec.children[child.name] = self._spec(child, spec)
            spec.size += spec.children[child.name].size
        return spec

    def _is_coded(self, node: ModelNode) -> bool:
        # Codes are compared and written as they stand in their list: 01 and 1.0 are not 1.
        question = self.definition.questions.get(node.path)
        return question is not None and question.control in ("select", "select1", "rank")

    def references_of(self, node: ModelNode, *rules: str) -> set[str]:
        """Return the paths that rules of a node read."""
        compiled = [self._compile(source, self.specs[node.path], "any") for source in rules if source]
        return {path for rule in compiled if rule is not None for path in rule.references}

    def _rows_of(self, name: str) -> Rows | None:
        table = table_of(self.definition.media, name)
        return None if table is None else table.rows

    def _compile(self, source: str, spec: Spec, rule: str) -> Compiled | None:
        """Compile a rule; None where interviews are to be checked without it."""
        try:
            compiled = self.compiler.compile(source, spec)
            if compiled.unknown and self.is_for_checks:
                missing = ", ".join(sorted(compiled.unknown))
                raise XPathError("not-here", f"{missing} is not here.", source)
        except XPathError as error:
            failure = ProgramError(spec.path, rule, error)
            if not self.is_for_checks:
                raise failure from None
            self.failures[spec.path, rule] = failure
            return None
        return compiled

    def _add_rules(self, node: ModelNode) -> None:
        spec = self.specs[node.path]
        if node.bind.relevant and node.bind.relevant.strip() not in _TRUE:
            spec.relevant = self._rule(node.bind.relevant, spec, "relevant")
        if node.bind.calculate and not node.children:
            spec.calculate = self._rule(node.bind.calculate, spec, "calculate")

    def _rule(self, source: str, spec: Spec, name: str) -> Rule | None:
        compiled = self._compile(source, spec, name)
        if compiled is None and name == "calculate":
            return None
        if compiled is None or (name == "relevant" and compiled.is_random and self.is_for_checks):
            compiled = _AS_SENT
        rule = Rule(len(self.rules), spec, compiled, compiled.evaluate)
        self.rules.append(rule)
        return rule

    def _recompiled(self, rule: Rule) -> Rule:
        # The first compilation could not know yet which nodes can be irrelevant or are calculated.
        is_relevance = rule.spec.relevant is rule
        if rule.compiled is _AS_SENT:
            return rule
        compiled = self.compiler.compile(rule.compiled.source, rule.spec)
        fresh = Rule(rule.index, rule.spec, compiled, compiled.evaluate)
        if is_relevance:
            rule.spec.relevant = fresh
        else:
            rule.spec.calculate = fresh
        return fresh

    def _all_asked(self) -> dict[str, Asked]:
        lists = {name: self._labels(name) for name in self.definition.choice_lists}
        return {path: self._asked(path, lists) for path in _question_paths(self.definition.body) if path in self.specs}

    def _labels(self, name: str) -> Mapping[str, Mapping[str, str]]:
        return {choice.value: choice.labels for choice in self.definition.choice_lists[name] or ()}

    def _asked(self, path: str, lists: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Asked:
        spec = self.specs[path]
        bind = self.definition.binds.get(path)
        question = self.definition.questions.get(path)
        constraint = bind.constraint if bind else ""
        required = bind.required.strip() if bind else ""
        return Asked(
            spec=spec,
            question=question,
            constraint=self._evaluation(constraint, spec, "constraint") if constraint else None,
            required=True if required in _TRUE else self._condition(required, spec, "required"),
            offer=None if question is None else self._offer(question, spec, lists),
            takes_many=question is not None and question.control in ("select", "rank"),
        )

    def _condition(self, source: str, spec: Spec, rule: str) -> Evaluate | bool:
        return (self._evaluation(source, spec, rule) or False) if source and source != "false()" else False

    def _evaluation(self, source: str, spec: Spec, rule: str) -> Evaluate | None:
        compiled = self._compile(source, spec, rule)
        return None if compiled is None else compiled.evaluate

    def _offer(
        self, question: Question, spec: Spec, lists: Mapping[str, Mapping[str, Mapping[str, str]]]
    ) -> Offer | None:
        source = question.choices
        if source is None:
            return None
        choices = None if source.list_name is None else self.definition.choice_lists.get(source.list_name)
        labels = lists.get(source.list_name or "", {})
        if choices is not None and not source.is_filtered:
            return Offer(frozenset(choice.value for choice in choices), None, source.value_ref, labels)
        if source.nodeset and (choices is not None or source.list_name is None):
            return Offer(None, self._compile(source.nodeset, spec, "choices"), source.value_ref, labels)
        if choices is None:
            self._note_absent_list(spec, source, question)
        return Offer(None, None, source.value_ref, labels)

    def _note_absent_list(self, spec: Spec, source: ChoiceSource, question: Question) -> None:
        instance = self.definition.instances.get(source.list_name or "")
        searched = search_file(question.appearance)
        file = media_name(instance.source) if instance is not None else f"{searched}.csv" if searched else ""
        error = XPathError("not-here", f"{file or source.list_name} is not here.")
        self.failures[spec.path, "choices"] = ProgramError(spec.path, "choices", error)

    def _counts(self) -> dict[str, Evaluate]:
        counts = {
            path: self._evaluation(repeat.count, self.specs[path], "repeat count")
            for path, repeat in self.definition.repeats.items()
            if repeat.count and path in self.specs
        }
        return {path: count for path, count in counts.items() if count is not None}

    def _actions(self) -> Iterator[Action]:
        for action in self.definition.actions:
            target = self.specs.get(action.target)
            if target is None or self.is_for_checks:
                continue
            compiled = self._compile(action.value or _quoted(action.text), target, "setvalue")
            if compiled is None:
                continue
            yield Action(
                target=target,
                source=self.specs.get(action.source),
                value=compiled.evaluate,
                events=frozenset(action.events),
            )


def _quoted(text: str) -> str:
    return f"'{text}'" if "'" not in text else f'"{text}"'


def _question_paths(items: tuple[BodyItem, ...]) -> Iterator[str]:
    for item in items:
        if item.kind == "question":
            yield item.path
        else:
            yield from _question_paths(item.children)


def _mark_relevance(spec: Spec, *, inherited: bool) -> None:
    spec.has_relevance = inherited or spec.relevant is not None
    for child in spec.children.values():
        _mark_relevance(child, inherited=spec.has_relevance)


def _document(root: etree._Element | None) -> Node:
    """Turn a secondary instance into nodes under a document node; a file that is not here is an empty document."""
    document = Node("", None, None)
    if root is not None:
        document.children[local_name(root)] = [_secondary(root, document)]
    return document


def _secondary(element: etree._Element, parent: Node) -> Node:
    node = Node(local_name(element), parent, None)
    node.text = element.text or ""
    node.typed = node.text
    for name in map(str, element.keys()):
        attribute = Node(name, node, None)
        attribute.text = element.get(name) or ""
        attribute.typed = attribute.text
        node.children[f"@{name}"] = [attribute]
    for child in element:
        node.children.setdefault(local_name(child), []).append(_secondary(child, node))
    return node
