"""Everything of a form that interviews run: its rules compiled, and which of them a change of an answer touches.

Made once a definition and shared by all interviews; it holds no state of any of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lxml import etree

from forms.definition import FormDefinition
from forms.documents import local_name
from forms.model import BodyItem, ModelNode, Question
from forms.xpath.compiler import Compiler
from forms.xpath.functions import FUNCTIONS, SELECTORS
from forms.xpath.nodes import Compiled, Evaluate, Node, Rule, Spec
from forms.xpath.syntax import XPathError

_TRUE: Final = frozenset({"true()", "true"})


class ProgramError(Exception):
    """A rule of a form cannot be compiled.

    Attributes:
        code: as of ``XPathError``; ``path`` and ``rule`` say where.
    """

    def __init__(self, path: str, rule: str, error: XPathError) -> None:
        super().__init__(f"{rule} of {path}: {error.message}")
        self.code = error.code
        self.path = path
        self.rule = rule
        self.message = error.message


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """The choices that a question offers.

    Attributes:
        codes: when they are always the same; None when ``select`` decides, or when nobody here knows.
        select: the itemset with its filter; ``value_ref`` names the column of the code.
        labels: code → language → text, of all choices.
    """

    codes: frozenset[str] | None
    select: Compiled | None
    value_ref: str
    labels: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What is needed to ask one question."""

    spec: Spec
    question: Question | None
    constraint: Evaluate | None
    required: Evaluate | bool
    offer: Offer | None
    takes_many: bool


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """A compiled setvalue: ``value`` goes into ``target`` on one of ``events`` at ``source``."""

    target: Spec
    source: Spec | None
    value: Evaluate
    events: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A compiled form.

    Attributes:
        specs, models: by path. ``rules``: calculations and relevances; their index is their place.
        asked: by path of the question. ``counts``: by path of the repeat.
        volatile: specs whose calculation gives another value each time.
    """

    definition: FormDefinition
    root: Spec
    specs: Mapping[str, Spec]
    models: Mapping[str, ModelNode]
    rules: tuple[Rule, ...]
    asked: Mapping[str, Asked]
    counts: Mapping[str, Evaluate]
    actions: tuple[Action, ...]
    body: tuple[BodyItem, ...]
    volatile: frozenset[str]


@lru_cache(maxsize=64)
def program_of(definition: FormDefinition) -> Program:
    """Compile a definition; later calls with the same definition are free.

    Raises:
        ProgramError: an expression of the form cannot be understood.
    """
    return _Builder(definition).program()


class _Builder:
    def __init__(self, definition: FormDefinition) -> None:
        self.definition = definition
        self.specs: dict[str, Spec] = {}
        self.root = self._spec(definition.root, None)
        instances = {name: _document(entry.root) for name, entry in definition.instances.items()}
        self.compiler = Compiler(self.root, instances, functions=FUNCTIONS, selectors=SELECTORS)
        self.rules: list[Rule] = []

    def program(self) -> Program:
        for node in self.definition.nodes():
            self._add_rules(node)
        _mark_relevance(self.root, inherited=False)
        self.rules = [self._recompiled(rule) for rule in self.rules]
        _link_changes(self.root, self.rules)
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
        return spec

    def _is_coded(self, node: ModelNode) -> bool:
        # Codes are compared and written as they stand in their list: 01 and 1.0 are not 1.
        question = self.definition.questions.get(node.path)
        return question is not None and question.control in ("select", "select1", "rank")

    def _compile(self, source: str, spec: Spec, rule: str) -> Compiled:
        try:
            return self.compiler.compile(source, spec)
        except XPathError as error:
            raise ProgramError(spec.path, rule, error) from None

    def _add_rules(self, node: ModelNode) -> None:
        spec = self.specs[node.path]
        if node.bind.relevant and node.bind.relevant.strip() not in _TRUE:
            spec.relevant = self._rule(node.bind.relevant, spec, "relevant")
        if node.bind.calculate and not node.children:
            spec.calculate = self._rule(node.bind.calculate, spec, "calculate")

    def _rule(self, source: str, spec: Spec, name: str) -> Rule:
        compiled = self._compile(source, spec, name)
        rule = Rule(len(self.rules), spec, compiled, compiled.evaluate)
        self.rules.append(rule)
        return rule

    def _recompiled(self, rule: Rule) -> Rule:
        # The first compilation could not know yet which nodes can be irrelevant or are calculated.
        is_relevance = rule.spec.relevant is rule
        compiled = self._compile(rule.compiled.source, rule.spec, "relevant" if is_relevance else "calculate")
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
            constraint=self._compile(constraint, spec, "constraint").evaluate if constraint else None,
            required=True if required in _TRUE else self._condition(required, spec, "required"),
            offer=None if question is None else self._offer(question, spec, lists),
            takes_many=question is not None and question.control in ("select", "rank"),
        )

    def _condition(self, source: str, spec: Spec, rule: str) -> Evaluate | bool:
        return self._compile(source, spec, rule).evaluate if source and source != "false()" else False

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
        return Offer(None, None, source.value_ref, labels)

    def _counts(self) -> dict[str, Evaluate]:
        return {
            path: self._compile(repeat.count, self.specs[path], "repeat count").evaluate
            for path, repeat in self.definition.repeats.items()
            if repeat.count and path in self.specs
        }

    def _actions(self) -> Iterator[Action]:
        for action in self.definition.actions:
            target = self.specs.get(action.target)
            if target is None:
                continue
            source = action.value or _quoted(action.text)
            yield Action(
                target=target,
                source=self.specs.get(action.source),
                value=self._compile(source, target, "setvalue").evaluate,
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


def _link_changes(root: Spec, rules: list[Rule]) -> None:
    """Write into each spec the rules that a change there touches, directly or through other rules."""
    readers: dict[str, set[int]] = {}
    everywhere = {rule.index for rule in rules if rule.compiled.reads_anything}
    for rule in rules:
        for path in rule.compiled.references:
            readers.setdefault(path, set()).add(rule.index)
    outcomes = [_paths_decided_by(rule) for rule in rules]
    for spec in _subtree(root):
        paths = [inner.path for inner in _subtree(spec)] if spec.is_repeat else [spec.path]
        spec.on_change = tuple(sorted(_closure(paths, readers, outcomes) | everywhere))


def _closure(paths: list[str], readers: Mapping[str, set[int]], outcomes: list[list[str]]) -> set[int]:
    touched: set[int] = set()
    waiting = list(paths)
    seen = set(waiting)
    while waiting:
        for index in readers.get(waiting.pop(), ()):
            if index not in touched:
                touched.add(index)
                new = [path for path in outcomes[index] if path not in seen]
                seen.update(new)
                waiting.extend(new)
    return touched


def _paths_decided_by(rule: Rule) -> list[str]:
    """Return the paths whose value an expression may see differently when the rule's result changes."""
    if rule.spec.relevant is rule:
        return [spec.path for spec in _subtree(rule.spec)]
    return [rule.spec.path]


def _subtree(spec: Spec) -> Iterator[Spec]:
    yield spec
    for child in spec.children.values():
        yield from _subtree(child)


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
