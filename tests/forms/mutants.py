"""Interviews made wrong on purpose, one mistake each, for any form."""

import random
from collections.abc import Callable, Iterator

from lxml import etree

from forms.definition import FormDefinition
from forms.documents import local_name
from forms.model import ModelNode

BAD_VALUES = {
    "int": "twelve",
    "integer": "twelve",
    "decimal": "1,5,0",
    "date": "yesterday",
    "dateTime": "noon",
    "time": "late",
    "geopoint": "here",
    "geotrace": "here; there",
    "geoshape": "here; there",
}
PLAUSIBLE = {
    "int": "3",
    "integer": "3",
    "decimal": "2.5",
    "date": "2026-11-02",
    "dateTime": "2026-11-02T10:00:00.000Z",
    "time": "10:00:00.000Z",
    "geopoint": "14.6 -17.4 10.0 5.0",
    "geotrace": "1.0 1.0 0.0 5.0; 1.1 1.1 0.0 5.0",
    "geoshape": "1.0 1.0 0.0 5.0; 1.1 1.1 0.0 5.0; 1.0 1.1 0.0 5.0; 1.0 1.0 0.0 5.0",
}

Mutation = Callable[[FormDefinition, etree._Element, random.Random], bool]
"""Changes an interview in place; says whether there was something to change."""


def mutants(
    definition: FormDefinition, xml: bytes, rng: random.Random, names: list[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield the interview with one mistake, for each mistake that it has room for."""
    for name in names:
        root = etree.fromstring(xml)
        if MUTATIONS[name](definition, root, rng):
            yield name, etree.tostring(root, encoding="utf-8", xml_declaration=True)


def path_of(element: etree._Element) -> str:
    """Return the path of an element without positions."""
    steps = [local_name(element), *[local_name(above) for above in element.iterancestors()]]
    return "/" + "/".join(reversed(steps))


def _leaves(root: etree._Element) -> list[etree._Element]:
    return [
        element
        for element in root.iter("*")
        if not len(element) and element is not root and "/meta/" not in path_of(element)
    ]


def _spoil(definition: FormDefinition, root: etree._Element, rng: random.Random) -> bool:
    found = [
        leaf
        for leaf in _leaves(root)
        if (question := definition.questions.get(path_of(leaf))) is not None
        and question.control
        and question.choices is None
        and question.type in BAD_VALUES
    ]
    if not found:
        return False
    leaf = rng.choice(found)
    leaf.text = BAD_VALUES[definition.questions[path_of(leaf)].type]
    return True


def _unknown_code(definition: FormDefinition, root: etree._Element, rng: random.Random) -> bool:
    found = [
        leaf
        for leaf in _leaves(root)
        if leaf.text and (question := definition.questions.get(path_of(leaf))) is not None and question.choices
    ]
    if not found:
        return False
    leaf = rng.choice(found)
    is_multiple = definition.questions[path_of(leaf)].control in ("select", "rank")
    leaf.text = f"{leaf.text} no_such_code" if is_multiple and rng.random() < 0.5 else "no_such_code"
    return True


def _other_code(definition: FormDefinition, root: etree._Element, rng: random.Random) -> bool:
    found = []
    for leaf in _leaves(root):
        question = definition.questions.get(path_of(leaf))
        choices = definition.choices_of(path_of(leaf)) if question is not None and question.choices else None
        if leaf.text and choices:
            found.append((leaf, choices))
    if not found:
        return False
    leaf, choices = rng.choice(found)
    leaf.text = rng.choice(choices).value
    return bool(leaf.text)


def _empty_required(definition: FormDefinition, root: etree._Element, rng: random.Random) -> bool:
    required = [leaf for leaf in _leaves(root) if leaf.text and _bind_says(definition, leaf, "required")]
    answered = [leaf for leaf in _leaves(root) if leaf.text and path_of(leaf) in definition.questions]
    if not required and not answered:
        return False
    rng.choice(required or answered).text = None
    return True


def _bind_says(definition: FormDefinition, leaf: etree._Element, rule: str) -> bool:
    bind = definition.binds.get(path_of(leaf))
    return bind is not None and bool(getattr(bind, rule))


def _remove(definition: FormDefinition, root: etree._Element, rng: random.Random) -> bool:
    found = _leaves(root)
    if not found:
        return False
    calculated = [leaf for leaf in found if _bind_says(definition, leaf, "calculate")]
    leaf = rng.choice(calculated if calculated and rng.random() < 0.5 else found)
    above = leaf.getparent()
    assert above is not None
    above.remove(leaf)
    return True


def _add_unknown(_definition: FormDefinition, root: etree._Element, rng: random.Random) -> bool:
    above = rng.choice([root, *[element for element in root.iter("*") if len(element)]])
    etree.SubElement(
        above, f"{{{etree.QName(above).namespace}}}q_nobody_knows" if above.tag[0] == "{" else "q_nobody_knows"
    ).text = "1"
    return True


def _miscalculate(definition: FormDefinition, root: etree._Element, rng: random.Random) -> bool:
    found = [leaf for leaf in _leaves(root) if _bind_says(definition, leaf, "calculate")]
    if not found:
        return False
    leaf = rng.choice(found)
    leaf.text = "7" if leaf.text != "7" else "8"
    return True


def _answer_unasked(definition: FormDefinition, root: etree._Element, rng: random.Random) -> bool:
    """Put a value into a node that is not there: it was not relevant when the interview was finished."""
    absent: list[tuple[etree._Element, ModelNode]] = []
    _absent(definition.root, root, absent)
    if not absent:
        return False
    above, node = rng.choice(absent)
    namespace = etree.QName(above).namespace
    element = etree.SubElement(above, f"{{{namespace}}}{node.name}" if namespace else node.name)
    while node.children:
        node = rng.choice(node.children)
        element = etree.SubElement(element, f"{{{namespace}}}{node.name}" if namespace else node.name)
    question = definition.questions.get(node.path)
    choices = definition.choices_of(node.path) if question is not None and question.choices else None
    element.text = rng.choice(choices).value if choices else PLAUSIBLE.get(node.bind.type, "x")
    return True


def _absent(node: ModelNode, element: etree._Element, found: list[tuple[etree._Element, ModelNode]]) -> None:
    present: dict[str, list[etree._Element]] = {}
    for child in element:
        present.setdefault(local_name(child), []).append(child)
    for child in node.children:
        if child.name not in present and child.name != "meta" and child.kind != "repeat":
            found.append((element, child))
        for place in present.get(child.name, ()):
            if child.children:
                _absent(child, place, found)


def _change_rows(definition: FormDefinition, root: etree._Element, rng: random.Random) -> bool:
    rows = [element for element in root.iter("*") if path_of(element) in definition.repeats]
    if not rows:
        return False
    row = rng.choice(rows)
    above = row.getparent()
    assert above is not None
    above.remove(row)
    return True


def _change_number(definition: FormDefinition, root: etree._Element, rng: random.Random) -> bool:
    found = [
        leaf
        for leaf in _leaves(root)
        if leaf.text
        and (question := definition.questions.get(path_of(leaf))) is not None
        and question.control in ("input", "range")
        and question.type in ("int", "decimal", "string", "date")
    ]
    if not found:
        return False
    leaf = rng.choice(found)
    kind = definition.questions[path_of(leaf)].type
    values = {
        "int": ["-1", "0", "120", "18"],
        "decimal": ["-0.5", "0.0", "99.5", "18.5"],
        "string": ["x", "A very long text " * 20, "45", "a@b.example"],
        "date": ["1901-01-01", "2099-12-31", "2026-02-28"],
    }
    leaf.text = rng.choice(values[kind])
    return True


MUTATIONS: dict[str, Mutation] = {
    "a value that does not have its type": _spoil,
    "a code that no list has": _unknown_code,
    "another code of the list": _other_code,
    "an answer taken out": _empty_required,
    "a node removed": _remove,
    "a node that the form does not have": _add_unknown,
    "a calculation changed": _miscalculate,
    "an answer where nobody asked": _answer_unasked,
    "a row removed": _change_rows,
    "another number, text or date": _change_number,
}
