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
    """What the form says about one node. Expressions are XPath as written, empty where absent."""

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


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a list, with its further columns (``major``, ``rate``)."""

    value: str
    labels: Texts
    columns: Mapping[str, str] = field(default_factory=dict)


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
class Question:
    """One answerable node; ``control`` is empty where it is only calculated or preloaded."""

    path: str
    name: str
    type: str
    control: str = ""
    labels: Texts = field(default_factory=dict)
    hints: Texts = field(default_factory=dict)
    choices: ChoiceSource | None = None
    appearance: str = ""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A repeat and how many rows it has: ``count`` is an expression, empty where the enumerator adds rows."""

    path: str
    count: str = ""
    labels: Texts = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class BodyItem:
    """A control, group or repeat of the body in the order in which it is asked."""

    kind: Literal["question", "group", "repeat"]
    path: str
    children: tuple["BodyItem", ...] = ()
    count: str = ""
