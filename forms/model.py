"""The parts of a form definition: nodes of the main instance, binds, questions, choices, texts.

A path is absolute, without prefixes and indices: ``/data/e/worker/e_visa``. ``Texts`` maps a language to a text; a form
without translations has the one language ``""``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lxml import etree

Texts = Mapping[str, str]
NodeKind = Literal["group", "repeat", "leaf"]


@dataclass(frozen=True, slots=True)
class Bind:
    """What the form says about one node. Expressions are XPath as written, empty where absent.

    ``save_to`` is the property of an entity that the answer is saved to; ``parameters`` say how media are taken.
    """

    path: str
    type: str = "string"
    relevant: str = ""
    required: str = ""
    constraint: str = ""
    calculate: str = ""
    readonly: str = ""
    constraint_message: Texts = field(default_factory=dict)
    required_message: Texts = field(default_factory=dict)
    preload: str = ""
    preload_params: str = ""
    pii: str | None = None
    save_to: str = ""
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a list, with its further columns (``major``, ``rate``); ``media`` as in ``Question``."""

    value: str
    labels: Texts
    columns: Mapping[str, str] = field(default_factory=dict)
    media: Mapping[str, Texts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChoiceSource:
    """Where the choices of a question come from.

    Attributes:
        list_name: key into ``FormDefinition.choice_lists``: a secondary instance or, for inline choices, the
            question's path; None where the choices are rows of the interview itself.
        nodeset: expression of an itemset with its filter; empty for inline choices.
        value_ref, label_ref: names of the columns that hold code and label.
        is_filtered: True where the offered choices depend on other answers.
    """

    list_name: str | None
    nodeset: str = ""
    value_ref: str = "name"
    label_ref: str = "label"
    is_filtered: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """The values that a range offers, as the form writes them: from ``start`` to ``end`` in steps."""

    start: str
    end: str
    step: str


@dataclass(frozen=True, slots=True)
class Question:
    """One answerable node; ``control`` is empty where it is only calculated or preloaded.

    Attributes:
        guidance: hints for training and print, not shown on the tablet unless asked for.
        media: kind (``image``, ``audio``, ``video``, ``big-image``) → language → file as the form names it.
        parameters: further words on how to ask (``rows``, ``mediatype``, ``accuracyThreshold``, ``max-pixels``).
    """

    path: str
    name: str
    type: str
    control: str = ""
    labels: Texts = field(default_factory=dict)
    hints: Texts = field(default_factory=dict)
    choices: ChoiceSource | None = None
    appearance: str = ""
    guidance: Texts = field(default_factory=dict)
    media: Mapping[str, Texts] = field(default_factory=dict)
    range: Range | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """A group of the body that has a node of its own; ``relevant`` is its own condition, not that of its ancestors."""

    path: str
    labels: Texts = field(default_factory=dict)
    relevant: str = ""
    appearance: str = ""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A repeat and how many rows it has: ``count`` is an expression, empty where the enumerator adds rows."""

    path: str
    count: str = ""
    labels: Texts = field(default_factory=dict)
    appearance: str = ""


@dataclass(frozen=True, slots=True)
class ModelNode:
    """A node of the main instance as the form declares it.

    Attributes:
        default: text of a leaf before anybody answers.
        rows: for a repeat, the rows that the blank form starts with, each with its own defaults.
        attributes: of the template (entities declare theirs so).
    """

    name: str
    path: str
    kind: NodeKind
    bind: Bind
    children: tuple["ModelNode", ...] = ()
    default: str = ""
    rows: tuple["ModelNode", ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    tag: str = ""


@dataclass(frozen=True, slots=True)
class SetValue:
    """An action of the form: write ``value`` into ``target`` when one of ``events`` happens at ``source``."""

    target: str
    value: str
    text: str
    events: tuple[str, ...]
    source: str = ""


@dataclass(frozen=True, slots=True)
class SecondaryInstance:
    """A secondary instance: its root, or None where it is an external file that is not here."""

    id: str
    source: str
    root: etree._Element | None

    @property
    def kind(self) -> Literal["internal", "external", "last-saved"]:
        """Say where its rows come from: the form, a file beside it, or the last interview on this tablet."""
        if not self.source:
            return "internal"
        return "last-saved" if self.source.strip() == "jr://instance/last-saved" else "external"


@dataclass(frozen=True, slots=True)
class BodyItem:
    """A control, group or repeat of the body in the order in which it is asked.

    ``path`` is empty for a group without a node; ``labels`` are those of a group, with a node or without.
    """

    kind: Literal["question", "group", "repeat"]
    path: str
    children: tuple["BodyItem", ...] = ()
    count: str = ""
    labels: Texts = field(default_factory=dict)
