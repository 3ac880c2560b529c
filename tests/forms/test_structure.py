"""The structural check and the typed answers."""

import copy
import datetime
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms.definition import FormDefinition
from forms.filling import fill
from forms.instance import parse_instance
from forms.structure import MAX_FINDINGS, OpenedAnswers, date, decimal, integer, read_answers
from tests.forms.conftest import NOW
from tests.forms.interviews import COMPLETE
from tests.forms.small import ask, bind, form

DEFINITION = FormDefinition.parse(
    form(
        instance="<name/><n/><x/><d/><one/><many/><g><deep/><n/></g><r><name/><n/><s><n/></s></r>",
        binds=bind("/data/name", pii="direct")
        + bind("/data/n", "int")
        + bind("/data/x", "decimal")
        + bind("/data/d", "date")
        + bind("/data/g/n", "int")
        + bind("/data/r/name", pii="direct")
        + bind("/data/r/n", "int")
        + bind("/data/r/s/n", "int"),
        body=ask("/data/name")
        + "".join(ask(f"/data/{name}") for name in ("n", "x", "d", "g/deep", "g/n"))
        + "".join(
            f'<{control} ref="/data/{name}"><label>?</label><item><label>1</label><value>1</value></item>'
            f"<item><label>b</label><value>b</value></item></{control}>"
            for control, name in (("select1", "one"), ("select", "many"))
        )
        + '<repeat nodeset="/data/r">'
        + ask("/data/r/name")
        + ask("/data/r/n")
        + '<repeat nodeset="/data/r/s">'
        + ask("/data/r/s/n")
        + "</repeat></repeat>",
    )
)


def read(body: str) -> OpenedAnswers:
    return read_answers(DEFINITION, parse_instance(f'<data id="small" version="1">{body}</data>'.encode()))


def codes(opened: OpenedAnswers) -> list[tuple[str, str]]:
    return [(finding.code, finding.path) for finding in opened.findings]


def test_answers_are_typed_and_go_to_their_store() -> None:
    opened = read(
        "<name>Awa</name><n>-7</n><x>1.0E8</x><d>2026-02-28</d><one>1</one><many>1 b</many>"
        "<g><deep>free</deep><n>2</n></g>"
    )
    assert opened.findings == ()
    assert opened.analysis == {
        "n": -7,
        "x": Decimal("1.0E8"),
        "d": datetime.date(2026, 2, 28),
        "one": "1",
        "many": "1 b",
        "g_n": 2,
    }
    assert opened.identifiers == {"name": "Awa", "deep": "free"}


def test_rows_stand_at_the_same_place_in_both_stores() -> None:
    opened = read("<r><name>a</name></r><r><n>2</n><s><n>1</n></s><s/></r><r><name>c</name></r>")
    assert opened.analysis == {"r": [{}, {"n": 2, "s": [{"n": 1}, {}]}, {}]}
    assert opened.identifiers == {"r": [{"name": "a"}, {}, {"name": "c"}]}


def test_what_is_not_answered_is_absent() -> None:
    assert read("<n/><x> </x><d>\n</d>").analysis == {}


@pytest.mark.parametrize(
    ("body", "expected", "kept"),
    [
        ("<n>1.5</n>", [("bad-type", "/data/n")], {"n": None}),
        ("<n>1_000</n>", [("bad-type", "/data/n")], {"n": None}),
        ("<n>٣</n>", [("bad-type", "/data/n")], {"n": None}),
        ("<n>9999999999999999999</n>", [("bad-type", "/data/n")], {"n": None}),
        ("<x>1E999999999</x>", [("bad-type", "/data/x")], {"x": None}),
        ("<x>1E99</x>", [("bad-type", "/data/x")], {"x": None}),
        ("<x>NaN</x>", [("bad-type", "/data/x")], {"x": None}),
        ("<d>2026-02-30</d>", [("bad-type", "/data/d")], {"d": None}),
        ("<d>20260228</d>", [("bad-type", "/data/d")], {"d": None}),
        ("<one>2</one>", [("not-a-choice", "/data/one")], {"one": "2"}),
        ("<many>1 c b</many>", [("not-a-choice", "/data/many")], {"many": "1 c b"}),
        ("<nobody>1</nobody>", [("unknown-node", "/data/nobody")], {}),
        ("<n>1</n><n>2</n>", [("repeated-node", "/data/n[2]")], {"n": 1}),
        ("<n><m>1</m></n>", [("unknown-node", "/data/n/m")], {}),
        ("<r/><r><n>x</n></r>", [("bad-type", "/data/r[2]/n")], {"r": [{}, {"n": None}]}),
    ],
)
def test_what_does_not_fit_is_found_and_the_rest_is_kept(body: str, expected: list, kept: dict) -> None:
    opened = read(body)
    assert codes(opened) == expected
    assert opened.analysis == kept


def test_another_root_than_the_forms_is_an_unknown_node() -> None:
    opened = read_answers(DEFINITION, parse_instance(b'<other id="small"><n>1</n></other>'))
    assert codes(opened) == [("unknown-node", "/other")]
    assert opened.analysis == {}


def test_a_hostile_document_cannot_fill_the_store_with_findings() -> None:
    assert len(read("<z/>" * 5000).findings) == MAX_FINDINGS


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_every_integer_of_18_digits_is_read_back(number: int) -> None:
    assert integer(str(number)) == number


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=6))
def test_every_amount_is_read_back_exactly(number: Decimal) -> None:
    assert decimal(str(number)) == number


@given(st.dates())
def test_every_date_is_read_back(day: datetime.date) -> None:
    assert date(day.isoformat()) == day


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1), st.sampled_from(["n", "x", "d", "one", "many"])
)
def test_any_text_is_either_typed_or_found_and_never_repeated(text: str, name: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    opened = read(f"<{name}>{escaped}</{name}>")
    value = opened.analysis.get(name, "absent")
    assert opened.findings or value == "absent" or str(value)
    assert not any(len(text) > 3 and text in finding.message for finding in opened.findings)


def test_a_whole_interview_has_no_finding_and_its_own_columns(
    hh_remit: FormDefinition, new_uuid: Callable[[], str]
) -> None:
    filled = fill(hh_remit, COMPLETE, now=NOW, new_uuid=new_uuid, device_id="d")
    opened = read_answers(hh_remit, parse_instance(filled.xml))
    assert opened.findings == ()
    assert opened.analysis["c_n"] == 3
    assert [row.get("c_age") for row in opened.analysis["member"]] == [44, 50, 2]
    assert [row["c_name"] for row in opened.identifiers["member"]] == ["Awa", "Ali", "Bébé"]
    assert opened.analysis["worker"][1]["cost"][0]["k_amt"] == Decimal("2500.5")
    assert opened.analysis["abroad"][0]["d_left"] == datetime.date(2025, 3, 1)


def test_no_direct_identifier_is_anywhere_in_the_analysis_store(
    hh_remit: FormDefinition, new_uuid: Callable[[], str]
) -> None:
    answers = copy.deepcopy(COMPLETE) | {"j_note": "canary-note", "j_phone": "+99 999 999"}
    for name, row in [("c_name", answers["member"][0]), ("d_name", answers["abroad"][0])]:
        row[name] = "canary-person"
    answers["worker"][0]["e_occ_txt"] = "canary-work"
    filled = fill(hh_remit, answers, now=NOW, new_uuid=new_uuid, device_id="canary-device")
    opened = read_answers(hh_remit, parse_instance(filled.xml))
    assert "canary" not in repr(opened.analysis)
    assert repr(opened.identifiers).count("canary") == 6


def test_an_edit_names_what_it_edits_without_a_finding() -> None:
    small = FormDefinition.parse(form(instance="<n/><meta><instanceID/></meta>", body=ask("/data/n")))
    meta = '<meta xmlns="http://openrosa.org/xforms"><instanceID>uuid:2</instanceID><{0}>uuid:1</{0}></meta>'

    def found(name: str) -> list[tuple[str, str]]:
        instance = f'<data id="small" version="1">{meta.format(name)}</data>'
        return codes(read_answers(small, parse_instance(instance.encode())))

    assert found("deprecatedID") == []
    assert found("other") == [("unknown-node", "/data/meta/other")]
