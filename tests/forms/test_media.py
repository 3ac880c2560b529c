"""Files beside a form: lists of choices, tables of ``pulldata()``, and what happens where they are missing."""

import pytest

from forms.definition import FormDefinition
from forms.findings import Finding
from forms.instance import parse_instance
from forms.media import MAX_CELLS, table_of
from forms.validation import check
from tests.forms.conftest import NOW
from tests.forms.small import ask, bind, form

PRICES = '\ufeffcode;label;price\na;Maize;250\nb;"Rice; long";400\n'.encode()
ITEMS = b"<root><item><code>a</code></item><item><code>b</code></item></root>"
POINTS = (
    b'{"type":"FeatureCollection","features":[{"type":"Feature","id":"a","geometry":{"type":"Point",'
    b'"coordinates":[-17.4,14.6]},"properties":{"code":"a","n":2}}]}'
)


def select_from(source: str, value: str = "code", appearance: str = "") -> bytes:
    itemset = f'<itemset nodeset="instance(\'x\')/root/item"><value ref="{value}"/><label ref="label"/></itemset>'
    return form(
        instance="<q/><c/>",
        binds=bind("/data/c", calculate="count(instance('x')/root/item)"),
        body=f'<select1 ref="/data/q" appearance="{appearance}"><label>?</label>{itemset}</select1>',
        more=f'<instance id="x" src="{source}"/>',
    )


def found(xform: bytes, body: str, media: dict[str, bytes]) -> list[tuple[str, str]]:
    definition = FormDefinition.parse(xform, media)
    findings: tuple[Finding, ...] = check(
        definition, parse_instance(f'<data id="small">{body}</data>'.encode()), now=NOW
    )
    return [(finding.code, finding.path) for finding in findings]


@pytest.mark.parametrize(
    ("source", "content", "count"),
    [
        ("jr://file-csv/prices.csv", PRICES, 2),
        ("jr://file/list.xml", ITEMS, 2),
        ("jr://file/points.geojson", POINTS, 1),
    ],
)
def test_choices_come_from_a_file_beside_the_form(source: str, content: bytes, count: int) -> None:
    media = {source.rpartition("/")[2]: content}
    assert found(select_from(source), f"<q>a</q><c>{count}</c>", media) == []
    assert found(select_from(source), f"<q>z</q><c>{count}</c>", media) == [("not-a-choice", "/data/q")]
    assert found(select_from(source), "<q>a</q><c>9</c>", media) == [("calculation", "/data/c")]


@pytest.mark.parametrize("media", [{}, {"list.xml": b"<root"}, {"list.xml": b"<!DOCTYPE x []><root/>"}])
def test_a_list_that_cannot_be_read_finds_nobody_at_fault(media: dict[str, bytes]) -> None:
    findings = found(select_from("jr://file/list.xml"), "<q>z</q><c>9</c>", media)
    assert findings == [("not-evaluated", "/data/c"), ("not-evaluated", "/data/q")]


def test_the_previous_interview_is_unknown_to_a_server() -> None:
    findings = found(select_from("jr://instance/last-saved"), "<q>z</q><c>9</c>", {"last-saved": ITEMS})
    assert {code for code, _ in findings} == {"not-evaluated"}


def test_pulldata_finds_the_first_row_of_a_key() -> None:
    xform = form(
        instance="<q/><p/>",
        binds=bind("/data/p", calculate="pulldata('prices', 'price', 'code', /data/q)"),
        body=ask("/data/q"),
    )
    media = {"prices.csv": PRICES}
    assert found(xform, "<q>b</q><p>400</p>", media) == []
    assert found(xform, "<q>b</q><p>250</p>", media) == [("calculation", "/data/p")]
    assert found(xform, "<q>z</q><p/>", media) == []
    assert found(xform, "<q>b</q><p>1</p>", {}) == [("not-evaluated", "/data/p")]


def test_a_search_offers_the_rows_of_its_file_and_the_numbers_of_the_form() -> None:
    items = "<item><label>label</label><value>code</value></item><item><label>None</label><value>99</value></item>"
    body = f'<select1 ref="/data/q" appearance="minimal search(\'prices\')"><label>?</label>{items}</select1>'
    xform = form(instance="<q/>", body=body)
    media = {"prices.csv": PRICES}
    assert [found(xform, f"<q>{code}</q>", media) for code in ("a", "99")] == [[], []]
    assert found(xform, "<q>code</q>", media) == [("not-a-choice", "/data/q")]
    assert found(xform, "<q>z</q>", {}) == [("not-evaluated", "/data/q")]
    labels = [choice.labels[""] for choice in FormDefinition.parse(xform, media).choices_of("/data/q") or ()]
    assert labels == ["Maize", "Rice; long", ""]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"a\n" + b'"' + b"x" * 200_000 + b'"\n',
        b",".join([b"x"] * (MAX_CELLS + 1)) + b"\n" + b"," * (MAX_CELLS + 1),
    ],
)
def test_a_table_beyond_all_measure_is_as_one_that_is_not_there(content: bytes) -> None:
    assert table_of({"t.csv": content}, "t") is None


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"features":[{}]}',
        b'{"features":[{"geometry":{"type":"Point","coordinates":[]}}]}',
        b"[" * 100_000,
    ],
)
def test_a_map_that_cannot_be_read_is_as_one_that_is_not_there(content: bytes) -> None:
    definition = FormDefinition.parse(select_from("jr://file/p.geojson"), {"p.geojson": content})
    assert definition.choices_of("/data/q") is None
