"""Expressions give what ODK Collect's engine gives.

Its answers are recorded in expressions.json, and asked again where there is Java.
"""

import datetime
import json
import re
import uuid
from pathlib import Path

import pytest

from forms.definition import FormDefinition
from forms.filling import fill
from forms.instance import canonical_leaves, parse_instance
from forms.program import ProgramError, program_of
from tests.forms.conftest import NOW, Collect
from tests.forms.small import ask, bind, form, probe

RECORDED = json.loads((Path(__file__).parent / "expressions.json").read_text(encoding="utf-8"))
IN_FORM: list[tuple[str, str]] = [tuple(pair) for pair in RECORDED["in_form"]]
IN_ROWS: list[tuple[str, list[str]]] = [tuple(pair) for pair in RECORDED["in_rows"]]


def filled_leaves(xform: bytes, now: datetime.datetime = NOW) -> dict[str, str]:
    filled = fill(FormDefinition.parse(xform), {}, now=now, new_uuid=lambda: str(uuid.uuid4()), device_id="")
    return dict(canonical_leaves(parse_instance(filled.xml)))


def test_every_expression_gives_what_collect_gives() -> None:
    leaves = filled_leaves(probe(expressions=[expression for expression, _ in IN_FORM]))
    ours = {expression: leaves[f"/data/x{place}"] for place, (expression, _) in enumerate(IN_FORM)}
    assert {pair for pair in ours.items() if pair not in IN_FORM} == set()


@pytest.mark.parametrize(("expression", "expected"), IN_ROWS, ids=[expression for expression, _ in IN_ROWS])
def test_an_expression_in_a_row_gives_what_collect_gives(expression: str, expected: list[str]) -> None:
    leaves = filled_leaves(probe(expressions=[], in_rows=expression))
    assert [leaves["/data/r/n"], leaves["/data/r[2]/n"], leaves["/data/r[3]/n"]] == expected


def test_the_recorded_answers_are_those_of_the_engine(collect: Collect, tmp_path: Path) -> None:
    path = tmp_path / "probe.xml"
    path.write_bytes(probe(expressions=[expression for expression, _ in IN_FORM]))
    xml = collect(op="fill", form=str(path), answers={})["xml"]
    leaves = dict(canonical_leaves(parse_instance(xml.encode())))
    assert [(expression, leaves[f"/data/x{place}"]) for place, (expression, _) in enumerate(IN_FORM)] == IN_FORM


@pytest.mark.parametrize("kind", ["int", "decimal", "date", "dateTime"])
def test_a_calculation_is_written_by_its_type_as_collect_writes_it(kind: str, collect: Collect, tmp_path: Path) -> None:
    expressions = [
        "1 div 3",
        "7.9",
        "-7.9",
        "'abc'",
        "true()",
        "/data/dt",
        "20777",
        "3000000000",
        "12345678.5",
        "/data/dtt",
    ]
    xform = probe(expressions=expressions, kind=kind)
    path = tmp_path / "typed.xml"
    path.write_bytes(xform)
    theirs = dict(canonical_leaves(parse_instance(collect(op="fill", form=str(path), answers={})["xml"].encode())))
    ours = filled_leaves(xform)
    assert {name: text for name, text in ours.items() if re.fullmatch(r"/data/x\d+", name)} == {
        name: text for name, text in theirs.items() if re.fullmatch(r"/data/x\d+", name)
    }


def test_what_the_specification_has_and_the_engine_lacks_works_too() -> None:
    cases = {
        "floor(2.7)": "2",
        "ceiling(2.1)": "3",
        "upper-case('aé')": "AÉ",
        "lower-case('AÉ')": "aé",
        "/data/r[2]/w": "b",
        "join(' ', /data/r/w, 'x y')": "a b c x y",
        "count(/data/r/w | /data/s)": "4",
        "count(/data/*[. = 'a b c'])": "1",
        "count(//w)": "3",
        "substring('hello', 2, 3)": "ell",
        "/data/r[last()]/w": "c",
        "count(/data/r/w/ancestor::r)": "3",
        "/data/r[2]/w/following-sibling::n": "",
        "count(/data/r[2]/preceding-sibling::r)": "1",
        "decimal-time('12:00')": "0.5",
        "base64-decode('!')": "",
        "base64-decode('aGVs bG8=')": "hello",
        "base64-decode('/w==')": "\ufffd",
        "substring('hello', 0 div 0)": "",
        "substring('hello', 2, 1 div 0)": "ello",
        "substring('hello', 2, 0 div 0)": "",
        "digest('a', 'none')": "",
        "digest('a', 'CRC32', 'hex')": "e8b7be43",
        "pow(0, -1)": "Infinity",
        "round(1 div 0)": "Infinity",
        "count(instance('t')/data/r)": "3",
        "count(instance('none')/root/item)": "0",
        "position(/data/s)": "1",
        "position(/data/none)": "",
        "distance('a b')": "",
        "area('a b')": "",
        "uuid(0)": "",
        "count((/data/r | /data/s)[1])": "1",
        "(/data/r/w)[2]": "b",
        "instance('l')/root/item[name = /data/r/w][1]/lab": "A",
        "instance('l')/root/item[name = 1]/lab": "",
        "count(/data/r/self::node())": "3",
        "count(/data/r[1]/w/ancestor-or-self::*)": "3",
        "count(/data/descendant::w)": "3",
        "count(/data/@version)": "0",
        "5 div -0": "-Infinity",
        "3 mod (1 div 0)": "3",
        "- (1 div 0)": "-Infinity",
        "true() + false()": "1",
        "date('2026-11-20') + 1": "20778",
        "boolean(date('2026-11-20'))": "1",
        "format-date('2026-11-20', '%')": "%",
        "format-date('2026-11-20', '%% %j')": "% %j",
        "coalesce(0 div 0, 'x')": "x",
        "depend(/data/s, /data/i)": "abc",
        "version()": "1",
    }
    leaves = filled_leaves(probe(expressions=list(cases)))
    assert {expression: leaves[f"/data/x{place}"] for place, expression in enumerate(cases)} == cases


def test_times_are_those_of_the_zone_of_the_interview() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    now = datetime.datetime(2026, 11, 20, 1, 15, tzinfo=zone)
    expressions = ["format-date-time(/data/dtt, '%Y-%m-%d %H:%M')", "format-date(now(), '%d %H:%M')", "string(today())"]
    leaves = filled_leaves(probe(expressions=expressions), now)
    assert [leaves[f"/data/x{place}"] for place in range(3)] == ["2026-11-20 16:00", "20 01:15", "2026-11-20"]


def test_the_label_of_a_choice_is_in_the_language_of_the_interview() -> None:
    translations = "".join(
        f'<translation lang="{language}"{marked}><text id="l-0"><value>{label}</value></text></translation>'
        for language, label, marked in (("en", "Yes", ' default="true()"'), ("fr", "Oui", ""))
    )
    items = '<instance id="yes"><root><item><name>1</name><itextId>l-0</itextId></item></root></instance>'
    select = (
        '<select1 ref="/data/q"><label>?</label><itemset nodeset="instance(\'yes\')/root/item">'
        '<value ref="name"/><label ref="jr:itext(itextId)"/></itemset></select1>'
    )
    xform = form(
        instance="<q/><label/><text/>",
        binds=bind("/data/label", calculate="jr:choice-name(/data/q, '/data/q')")
        + bind("/data/text", calculate="jr:itext('l-0')"),
        body=select,
        more=f"<itext>{translations}</itext>{items}",
    )
    definition = FormDefinition.parse(xform)
    for language, label in (("en", "Yes"), ("fr", "Oui"), (None, "Yes")):
        filled = fill(definition, {"q": "1"}, now=NOW, new_uuid=lambda: "x", device_id="", language=language)
        leaves = dict(canonical_leaves(parse_instance(filled.xml)))
        assert (leaves["/data/label"], leaves["/data/text"]) == (label, label)


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("1 +", "syntax"),
        ("nope(1)", "unknown-function"),
        ("substr('a')", "argument-count"),
        ("count(1)", "syntax"),
        ("indexed-repeat(/data/q, /data/none, 1)", "unknown-reference"),
        ("jr:choice-name('a', '/data/none')", "unknown-reference"),
        ("instance(/data/q)/root", "unknown-reference"),
        ("(" * 500 + "1" + ")" * 500, "syntax"),
    ],
)
def test_a_rule_that_cannot_be_understood_is_refused_with_its_place(expression: str, code: str) -> None:
    xform = form(instance="<q/><c/>", binds=bind("/data/c", calculate=expression), body=ask("/data/q"))
    with pytest.raises(ProgramError) as refusal:
        program_of(FormDefinition.parse(xform))
    assert (refusal.value.code, refusal.value.path, refusal.value.rule) == (code, "/data/c", "calculate")
