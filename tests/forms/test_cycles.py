"""Rules that go round in circles: which are, as Collect's engine says, and that no interview goes round with them."""

from pathlib import Path

import pytest

from forms.definition import FormDefinition
from forms.instance import parse_instance
from forms.program import cycles
from forms.validation import check
from tests.forms.conftest import NOW, Collect
from tests.forms.small import ask, bind, form

INSTANCE = '<a/><b/><g><x/></g><r jr:template=""><v/><w/></r><c/>'
BODY = ask("/data/c") + ask("/data/g/x") + '<group><repeat nodeset="/data/r">' + ask("/data/r/w") + "</repeat></group>"
CASES: dict[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "itself": (bind("/data/a", calculate=". + 1"), (("/data/a",),)),
    "itself by its path": (bind("/data/a", calculate="if(/data/a = '', 'x', /data/a)"), (("/data/a",),)),
    "one another": (
        bind("/data/a", calculate="/data/b") + bind("/data/b", calculate="../a"),
        (("/data/a", "/data/b"),),
    ),
    "its own relevance": (bind("/data/a", relevant="/data/a != 'x'"), (("/data/a",),)),
    "relevance and calculation": (
        bind("/data/a", relevant="/data/b = 1") + bind("/data/b", calculate="/data/a"),
        (("/data/a", "/data/b"),),
    ),
    "relevance of a group by its child": (bind("/data/g", relevant="/data/g/x = 1"), (("/data/g/x",),)),
    "relevance of a group by way of a calculation": (
        bind("/data/g", relevant="/data/b = 1") + bind("/data/b", calculate="/data/g/x"),
        (("/data/b", "/data/g/x"),),
    ),
    "what is required": (bind("/data/a", required="/data/a = ''"), (("/data/a",),)),
    "what is read-only": (bind("/data/a", readonly="/data/a = ''"), (("/data/a",),)),
    "all rows": (bind("/data/r/v", calculate="sum(/data/r/v)"), (("/data/r/v",),)),
    "the row before": (
        bind("/data/r/v", calculate="indexed-repeat(/data/r/v, /data/r, position(..) - 1) + 1"),
        (("/data/r/v",),),
    ),
    "rows by their number": (bind("/data/r", relevant="count(/data/r) < 3"), (("/data/r",),)),
    "a wildcard": (bind("/data/a", calculate="count(/data/*)"), (("/data/a",),)),
    "not: a constraint of itself": (bind("/data/a", constraint=". > 1 and /data/a < 5"), ()),
    "not: two constraints": (bind("/data/a", constraint=". > /data/b") + bind("/data/b", constraint=". < /data/a"), ()),
    "not: once": (bind("/data/a", calculate="once(random())"), ()),
    "not: the place of its row": (bind("/data/r/v", calculate="position(..)", relevant="position(..) < 3"), ()),
    "not: the group that it stands in": (bind("/data/g/x", calculate="count(/data/g)"), ()),
}


@pytest.mark.parametrize("name", CASES)
def test_circles_are_named_by_their_nodes(name: str) -> None:
    binds, expected = CASES[name]
    assert cycles(FormDefinition.parse(form(instance=INSTANCE, binds=binds, body=BODY))) == expected


@pytest.mark.parametrize("name", CASES)
def test_the_engine_of_collect_refuses_the_same_circles(name: str, collect: Collect, tmp_path: Path) -> None:
    binds, expected = CASES[name]
    path = tmp_path / "form.xml"
    path.write_bytes(form(instance=INSTANCE, binds=binds, body=BODY))
    outcome = collect(op="validate", form=str(path))
    assert outcome["valid"] is (expected == ())
    assert ("Cycle detected" in outcome["errors"]) is bool(expected)


@pytest.mark.parametrize("name", CASES)
def test_an_interview_of_a_form_with_a_circle_is_checked_to_the_end(name: str) -> None:
    definition = FormDefinition.parse(form(instance=INSTANCE, binds=CASES[name][0], body=BODY))
    row = "<r><v>1</v><w>1</w></r>"
    instance = parse_instance(f'<data id="small"><a>1</a><b>1</b><g><x>1</x></g>{row * 3}<c/></data>'.encode())
    assert {finding.code for finding in check(definition, instance, now=NOW)} <= {
        "calculation",
        "irrelevant",
        "constraint",
    }


def test_a_chain_of_a_thousand_calculations_is_followed_to_its_end() -> None:
    length = 1000
    nodes = "".join(f"<n{place}/>" for place in reversed(range(length)))
    binds = "".join(bind(f"/data/n{place}", calculate=f"/data/n{place - 1} + 1") for place in range(1, length))
    definition = FormDefinition.parse(form(instance=nodes, binds=binds, body=ask("/data/n0")))
    values = "".join(f"<n{place}>{place}</n{place}>" for place in reversed(range(length)))
    assert check(definition, parse_instance(f'<data id="small">{values}</data>'.encode()), now=NOW) == ()
    assert cycles(definition) == ()
