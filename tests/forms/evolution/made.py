"""Forms written out from a few words, random ones among them, and rows of answers that fit them."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

from hypothesis import strategies as st

from forms.columns import Column
from forms.definition import FormDefinition
from forms.evolution.crosswalk import codes_of
from forms.evolution.declared import CHANGES, MapRow, MigrationMap, map_of_rows
from tests.forms.small import bind, form

XSD = {"text": "string", "integer": "int", "decimal": "decimal", "date": "date", "one": "string", "many": "string"}


@dataclass(frozen=True)
class Q:
    """A question."""

    name: str
    kind: str = "text"
    label: str = "?"
    choices: Sequence[tuple[str, str]] = ()
    rules: dict[str, str] = field(default_factory=dict)
    default: str = ""


@dataclass(frozen=True)
class G:
    """A group, or a repeat."""

    name: str
    inside: Sequence["Q | G"]
    repeats: bool = False
    rules: dict[str, str] = field(default_factory=dict)
    count: str = ""


def made(*nodes: Q | G, version: str = "1") -> FormDefinition:
    """Return the definition of a form with these nodes."""
    instance, binds, body = _written(nodes, "/data")
    xform = form(instance=instance, binds=binds, body=body, form_id="made")
    return FormDefinition.parse(xform.replace(b'version="1"', f'version="{version}"'.encode()))


def _written(nodes: Sequence[Q | G], above: str) -> tuple[str, str, str]:
    instance = binds = body = ""
    for node in nodes:
        path = f"{above}/{node.name}"
        if isinstance(node, Q):
            instance += f"<{node.name}>{escape(node.default)}</{node.name}>"
            binds += bind(path, XSD[node.kind], **node.rules)
            body += _control(node, path) if "calculate" not in node.rules else ""
            continue
        inner = _written(node.inside, path)
        template = ' jr:template=""' if node.repeats else ""
        instance += f"<{node.name}{template}>{inner[0]}</{node.name}>"
        binds += (bind(path, "string", **node.rules) if node.rules else "") + inner[1]
        count = f' jr:count="{escape(node.count)}"' if node.count else ""
        held = f'<repeat nodeset="{path}"{count}>{inner[2]}</repeat>' if node.repeats else inner[2]
        body += f'<group ref="{path}">{held}</group>'
    return instance, binds, body


def _control(question: Q, path: str) -> str:
    label = f"<label>{escape(question.label)}</label>"
    if question.kind not in ("one", "many"):
        return f'<input ref="{path}">{label}</input>'
    items = "".join(
        f"<item><label>{escape(text)}</label><value>{escape(code)}</value></item>" for code, text in question.choices
    )
    tag = "select1" if question.kind == "one" else "select"
    return f'<{tag} ref="{path}">{label}{items}</{tag}>'


NAMES = ("a", "b", "c", "d", "e", "a_before", "g", "r", "s")
CODES = ("1", "2", "3", "x", "4x")
KINDS = tuple(XSD)


@st.composite
def questions(draw: st.DrawFn, name: str) -> Q:
    kind = draw(st.sampled_from(KINDS))
    pii = draw(st.sampled_from(["none", "none", "none", "direct", ""]))
    codes = draw(st.lists(st.sampled_from(CODES), min_size=1, max_size=4, unique=True))
    return Q(name, kind, f"Label of {name}", [(code, f"Choice {code}") for code in codes], {"pii": pii} if pii else {})


@st.composite
def scopes(draw: st.DrawFn, depth: int = 2) -> list[Q | G]:
    found: list[Q | G] = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True)):
        if depth and draw(st.integers(0, 3)) == 0:
            found.append(G(name, draw(scopes(depth - 1)), repeats=draw(st.booleans())))
        else:
            found.append(draw(questions(name)))
    return found


@st.composite
def forms(draw: st.DrawFn) -> FormDefinition:
    return made(*draw(scopes()), version=draw(st.sampled_from("123")))


@st.composite
def maps(draw: st.DrawFn) -> MigrationMap:
    rules = ["", "* 4", "* 0.25", "Some label", "${a}", "${b} + 1", "concat(${c}, 'x')", "sum(${d})", "nonsense(", "0"]
    row = st.builds(
        MapRow,
        question=st.sampled_from(NAMES),
        change=st.sampled_from(CHANGES),
        old=st.sampled_from((*NAMES, *CODES, "", "")),
        new=st.sampled_from((*CODES, "", "9z")),
        rule=st.sampled_from(rules),
    )
    return map_of_rows(draw(st.lists(row, max_size=6)))


@st.composite
def rows(draw: st.DrawFn, columns: tuple[Column, ...], definition: FormDefinition) -> dict[str, Any]:
    """Draw a row as ``read_answers`` can give it: absent, failed, unknown codes."""
    found: dict[str, Any] = {}
    for column in columns:
        if not draw(st.integers(0, 4)):
            continue
        if column.type == "repeat":
            found[column.name] = draw(st.lists(rows(column.children, definition), max_size=3))
        elif draw(st.integers(0, 9)):
            found[column.name] = draw(_answers(column, definition))
        else:
            found[column.name] = None
    return found


def _answers(column: Column, definition: FormDefinition) -> st.SearchStrategy[Any]:
    if column.type == "integer":
        return st.integers(-(10**18) + 1, 10**18 - 1)
    if column.type == "decimal":
        return st.decimals(-(10**29), 10**29, allow_nan=False, allow_infinity=False).map(Decimal)
    if column.type == "date":
        return st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1))
    codes = codes_of(definition, column.path)
    if codes is None:
        return st.sampled_from(["7", "2.50", "2026-01-02", "1E6", " 5 ", "word", "é", "1"])
    if definition.questions[column.path].control == "select":
        return st.lists(st.sampled_from((*codes, "odd")), min_size=1, max_size=4, unique=True).map(" ".join)
    return st.sampled_from((*codes, "odd"))
