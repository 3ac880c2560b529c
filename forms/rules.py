"""What a compiled form consists of; ``forms.program`` makes it."""

from collections.abc import Mapping
from dataclasses import dataclass

from forms.definition import FormDefinition
from forms.model import BodyItem, ModelNode, Question
from forms.xpath.nodes import Compiled, Evaluate, Rule, Spec
from forms.xpath.syntax import XPathError


class ProgramError(Exception):
    """A rule of a form cannot be compiled.

    Attributes:
        code: as of ``XPathError``, or ``not-here`` where a file that it reads is not here (or a signature would have to
            be verified); ``path`` and ``rule`` say where.
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
        settling: the calculations in an order in which each finds what it reads done, where evaluating them only when
            somebody looks would go too deep; else empty.
        failures: rules that are left out because they cannot be compiled, or need what is not here.
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
    settling: tuple[Rule, ...] = ()
    failures: tuple[ProgramError, ...] = ()
