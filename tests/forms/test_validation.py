"""Checking received interviews, with ODK Collect's engine as the judge where it is here."""

import datetime
import json
import re
import time
from collections.abc import Callable

import pytest

from forms.definition import FormDefinition
from forms.filling import fill
from forms.instance import canonical_leaves, parse_instance
from forms.structure import read_answers
from forms.validation import check
from tests.forms.conftest import NOW, Collect
from tests.forms.interviews import COMPLETE, VARIED, Answers
from tests.forms.small import ask, bind, form

NAMES_OF_THE_ENGINE = {
    "irrelevant-has-value": "irrelevant",
    "calculation-differs": "calculation",
    "missing-relevant-node": "missing-node",
}
MUTATIONS = {
    "a number out of range": ("<n_visits>2<", "<n_visits>9<"),
    "an answer taken out": ("<c_sex>2</c_sex>", "<c_sex/>"),
    "a code that is not in the list": ("<g_wall>1<", "<g_wall>77<"),
    "a code that the filter excludes": ("<e_isco2>71<", "<e_isco2>21<"),
    "a calculation changed": ("<e_n>2<", "<e_n>3<"),
    "a value where nobody asked": ("<b_recontact>1<", "<b_refusal>1</b_refusal><b_recontact>1<"),
    "a key with a typing error": ("<household_key>07203111264<", "<household_key>07203111246<"),
    "a node that the form does not have": ("<g_wall>", "<g_floor>1</g_floor><g_wall>"),
    "a row too many": (
        "</visit><visit>",
        "</visit><visit><v_date>2026-11-19</v_date><v_no>2</v_no><v_outcome>31</v_outcome></visit><visit>",
    ),
}


def nested(definition: FormDefinition, answers: Answers) -> Answers:
    """Lay answers out by groups, as the engine takes them."""

    def place(node, given):
        found = {}
        for child in node.children:
            if child.kind == "group":
                found[child.name] = place(child, given)
            elif child.name in given:
                rows = given[child.name]
                found[child.name] = [place(child, row) for row in rows] if child.kind == "repeat" else rows
        return found

    return place(definition.root, answers)


def in_our_words(problems: list[dict[str, str]]) -> set[tuple[str, str]]:
    """Return the engine's findings as ours.

    It drops a code that is not offered and then misses an answer; it makes the rows that a count asks for and misses
    theirs.
    """
    found = {(NAMES_OF_THE_ENGINE.get(problem["kind"], problem["kind"]), problem["path"]) for problem in problems}
    emptied = {path for code, path in found if code == "required" and ("calculation", path) in found}
    found -= {(code, path) for path in emptied for code in ("required", "calculation")}
    added = {
        (code, path)
        for code, path in found
        if code in ("required", "missing-node") and re.search(r"/visit\[[3-9]\]/", path)
    }
    found -= added
    return found | {("not-a-choice", path) for path in emptied} | {("missing-row", "/data/a/visit") for _ in added}


def without_the_incomparable(leaves: tuple[tuple[str, str], ...]) -> dict[str, str]:
    incomparable = {"/data/start_time", "/data/end_time", "/data/device_id", "/data/b/b_code"}
    return {path: text for path, text in leaves if path not in incomparable}


@pytest.mark.parametrize("name", VARIED)
def test_collect_fills_the_same_interview_from_the_same_answers(
    name: str, hh_remit: FormDefinition, hh_remit_path: str, collect: Collect, new_uuid: Callable[[], str]
) -> None:
    ours = fill(hh_remit, VARIED[name], now=NOW, new_uuid=new_uuid, device_id="")
    theirs = collect(op="fill", form=hh_remit_path, answers=json.loads(json.dumps(nested(hh_remit, VARIED[name]))))
    assert (theirs["problems"], theirs["validate"]) == ([], {"ok": True})
    leaves = [canonical_leaves(parse_instance(xml)) for xml in (ours.xml, theirs["xml"].encode())]
    assert without_the_incomparable(leaves[0]) == without_the_incomparable(leaves[1])


@pytest.mark.parametrize("name", VARIED)
def test_collect_finds_nothing_in_what_we_fill_and_neither_do_we(
    name: str, hh_remit: FormDefinition, hh_remit_path: str, collect: Collect, new_uuid: Callable[[], str]
) -> None:
    filled = fill(hh_remit, VARIED[name], now=NOW, new_uuid=new_uuid, device_id="tablet")
    instance = parse_instance(filled.xml)
    assert read_answers(hh_remit, instance).findings == ()
    assert check(hh_remit, instance, now=NOW) == ()
    outcome = collect(op="check", form=hh_remit_path, instance_xml=filled.xml.decode())
    assert (outcome["ok"], outcome["problems"]) == (True, [])


def test_a_full_interview_has_the_size_that_the_speed_is_stated_for(
    hh_remit: FormDefinition, new_uuid: Callable[[], str]
) -> None:
    filled = fill(hh_remit, VARIED["many senders"], now=NOW, new_uuid=new_uuid, device_id="d")
    assert len(canonical_leaves(parse_instance(filled.xml))) >= 267


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutated_interview_gives_the_findings_of_collect(
    name: str, hh_remit: FormDefinition, hh_remit_path: str, collect: Collect, new_uuid: Callable[[], str]
) -> None:
    xml = fill(hh_remit, COMPLETE, now=NOW, new_uuid=new_uuid, device_id="d").xml.decode()
    before, after = MUTATIONS[name]
    assert before in xml
    mutated = xml.replace(before, after, 1)
    instance = parse_instance(mutated.encode())
    ours = {(finding.code, finding.path) for finding in check(hh_remit, instance, now=NOW)}
    theirs = collect(op="check", form=hh_remit_path, instance_xml=mutated)["problems"]
    assert ours == in_our_words(theirs)
    assert ours


def codes(xform: bytes, body: str, now: datetime.datetime = NOW) -> list[tuple[str, str]]:
    instance = parse_instance(f'<data id="small" version="1">{body}</data>'.encode())
    return [(finding.code, finding.path) for finding in check(FormDefinition.parse(xform), instance, now=now)]


def test_findings_hold_no_answer() -> None:
    xform = form(instance="<q/>", binds=bind("/data/q", constraint="false()"), body=ask("/data/q"))
    instance = parse_instance(b'<data id="small"><q>Awa Secret</q></data>')
    findings = check(FormDefinition.parse(xform), instance, now=NOW)
    assert [finding.code for finding in findings] == ["constraint"]
    assert "Secret" not in repr(findings)


def test_the_clock_is_the_interviews_own() -> None:
    xform = form(instance="<d/>", binds=bind("/data/d", "date", constraint=". <= today()"), body=ask("/data/d"))
    assert codes(xform, "<d>2026-11-21</d>") == [("constraint", "/data/d")]
    assert codes(xform, "<d>2026-11-21</d>", NOW + datetime.timedelta(days=1)) == []


def test_identifiers_and_clocks_of_the_tablet_are_not_calculated_again() -> None:
    xform = form(
        instance="<a/><b/><c/>",
        binds=bind("/data/a", calculate="uuid()")
        + bind("/data/b", calculate="now()")
        + bind("/data/c", calculate="1 div 3"),
    )
    assert codes(xform, "<a>u</a><b>2020-01-01T00:00:00.000Z</b><c>0.33333333333333331</c>") == []
    assert codes(xform, "<a>u</a><b>2020-01-01</b><c>0.3333</c>") == [("calculation", "/data/c")]


def test_rows_are_checked_as_they_came() -> None:
    body = ask("/data/n") + '<repeat nodeset="/data/r" jr:count="/data/n">' + ask("/data/r/q") + "</repeat>"
    xform = form(
        instance='<n/><r jr:template=""><q/></r>', binds=bind("/data/r/q", "int", constraint=". < 5"), body=body
    )
    assert codes(xform, "<n>1</n><r><q>1</q></r><r><q>9</q></r>") == [("constraint", "/data/r[2]/q")]


def test_a_hostile_number_of_rows_is_checked_in_a_moment(hh_remit: FormDefinition) -> None:
    xml = b'<data id="hh_remit"><c>' + b"<member/>" * 100_000 + b"</c></data>"
    begin = time.perf_counter()
    check(hh_remit, parse_instance(xml), now=NOW)
    assert time.perf_counter() - begin < 5
