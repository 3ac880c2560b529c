"""Codebooks of the library's form and of small ones."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from forms.codebook.variables import Codebook, read_codebook
from forms.definition import FormDefinition
from forms.xlsform import convert
from tests.forms.conftest import SHARED

SCHEMA = Path(os.environ.get("PASSERELLE_DDI_XSD") or SHARED / "ddi" / "codebook.xsd")
SMALL = """
| survey | | | | | | | | | | |
| | type | name | label::English (en) | label::Français (fr) | hint::English (en) | relevant | required | constraint | constraint_message::English (en) | calculation | bind::passerelle:pii |
| | deviceid | device | | | | | | | | | |
| | begin_group | a | A. People | A. Personnes | | | | | | | |
| | note | n | Read this out. | Lire ceci. | | | | | | | |
| | text | who | **Who** is it? | Qui est-ce ? | First name | | yes | | | | direct |
| | select_one yn | old | Is ${who} old? | ${who} est-il âgé ? | | | ${who} != '' | | | | |
| | select_multiple tool | tools | Which tools? | Quels outils ? | | ${old} = '1' | | not(selected(., '0') and count-selected(.) > 1) | Nothing, or tools. | | |
| | integer | age | Age? | Âge ? | | | yes | . >= 0 and . < 120 | | | |
| | calculate | twice | | | | | | | | ${age} * 2 | |
| | begin_repeat | child | Child | Enfant | | ${age} > 12 | | | | | |
| | text | note | Anything else? | Autre chose ? | | | | | | | none |
| | decimal | weight | Weight, kg | Poids, kg | | | | . > 0 | | | sensitive |
| | end_repeat | | | | | | | | | | |
| | end_group | | | | | | | | | | |
| choices |
| | list_name | name | label::English (en) | label::Français (fr) |
| | yn | 1 | Yes | Oui |
| | yn | 2 | No | Non |
| | tool | 0 | None | Aucun |
| | tool | 1 | Hammer | Marteau |
| settings |
| | form_id | version | form_title | namespaces |
| | small | 1 | Small | passerelle="https://passerelle.example/xforms" |
"""  # noqa: E501 - a Markdown table has its rows on one line


@pytest.fixture(scope="session")
def small_definition() -> FormDefinition:
    return FormDefinition.parse(convert(SMALL.encode(), "small.md").xform)


@pytest.fixture(scope="session")
def small(small_definition: FormDefinition) -> Codebook:
    return read_codebook(small_definition)


@pytest.fixture(scope="session")
def of_small() -> Callable[..., Codebook]:
    """Return a function that gives the codebook of the small form with some texts replaced."""

    def make(*changes: tuple[str, str]) -> Codebook:
        text = SMALL
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        return read_codebook(FormDefinition.parse(convert(text.encode(), "small.md").xform))

    return make


@pytest.fixture(scope="session")
def schema() -> etree.XMLSchema:
    """The schema of DDI Codebook 2.5 as published; it is large and licensed otherwise, so it is not kept here."""
    if not SCHEMA.exists():
        pytest.skip("the schema of DDI Codebook 2.5 is not here: name its codebook.xsd in PASSERELLE_DDI_XSD")
    return etree.XMLSchema(etree.parse(SCHEMA, etree.XMLParser(no_network=True)))
