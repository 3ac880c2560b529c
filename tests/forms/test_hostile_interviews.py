"""Interviews made to keep a server busy, and forms that no one can evaluate: a check always ends, and says so."""

import time

import pytest

from forms.definition import FormDefinition
from forms.instance import parse_instance
from forms.sentences import CHECK_SENTENCES, RULES
from forms.validation import MAX_FINDINGS, check
from tests.forms.conftest import NOW
from tests.forms.small import ask, bind, form

MOMENT_SECONDS = 10
"""On a machine that eight test runs share; alone, each takes a second at most."""


def codes(xform: bytes, body: str) -> list[tuple[str, str]]:
    instance = parse_instance(f'<data id="small" version="1">{body}</data>'.encode())
    begin = time.perf_counter()
    findings = check(FormDefinition.parse(xform), instance, now=NOW)
    assert time.perf_counter() - begin < MOMENT_SECONDS
    return [(finding.code, finding.path) for finding in findings]


def rows(binds: str, names: str = "<v/><n/>") -> bytes:
    body = '<group><repeat nodeset="/data/r">' + ask("/data/r/v") + "</repeat></group>"
    return form(instance=f'<r jr:template="">{names}</r><t/>', binds=binds, body=body)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)+[^a]", "(a|a)*b", "a*a*a*a*b", r"(.*)\1\1x"])
def test_a_regular_expression_without_end_is_not_evaluated(pattern: str) -> None:
    xform = form(instance="<q/>", binds=bind("/data/q", constraint=f"regex(., '{pattern}')"), body=ask("/data/q"))
    outcome = codes(xform, f"<q>{'a' * 5000}</q>")
    assert outcome in ([("not-evaluated", "/data/q")], [("constraint", "/data/q")])


def test_a_pattern_of_an_answer_cannot_fill_the_memory() -> None:
    xform = form(instance="<q/>", binds=bind("/data/q", constraint="regex('a', .)"), body=ask("/data/q"))
    assert codes(xform, f"<q>{'(' * 9}a{'{1,999})' * 9}</q>") == [("not-evaluated", "/data/q")]
    assert codes(xform, f"<q>{'a' * 5000}</q>") == [("not-evaluated", "/data/q")]
    assert codes(xform, "<q>(</q>") == [("constraint", "/data/q")]
    assert codes(xform, r"<q>\p{L}</q>") == []


def test_regular_expressions_of_a_thousand_rows_share_one_budget() -> None:
    xform = rows(bind("/data/r/v", constraint="regex(., '(a|aa)+[^a]')"))
    outcome = codes(xform, f"<r><v>{'a' * 40}</v></r>" * 900)
    assert outcome[-1] == ("not-finished", "/data")


def test_comparing_every_row_with_every_other_ends_unfinished() -> None:
    xform = rows(bind("/data/r/n", calculate="count(/data/r[v = current()/../v])"))
    assert ("not-finished", "/data") in codes(xform, "<r><v>1</v><n>1000</n></r>" * 1000)


def test_more_rows_and_nodes_than_anybody_has_are_named_not_kept() -> None:
    outcome = codes(rows(""), "<r/>" * 200_000)
    assert outcome[0] == ("too-many-rows", "/data/r")
    names = "".join(f"<n{place}/>" for place in range(400))
    assert codes(rows("", names), "<r/>" * 900)[0] == ("too-many-rows", "/data/r")


def test_a_number_of_a_million_digits_is_a_value_like_any_other() -> None:
    binds = bind("/data/q", "int", constraint=". < 5") + bind("/data/s", calculate="round(/data/d * 2, 2)")
    xform = form(instance="<q/><d/><s/>", binds=binds + bind("/data/d", "decimal"), body=ask("/data/q"))
    assert codes(xform, f"<q>{'9' * 400_000}</q><d>{'9' * 400_000}</d><s/>") == [
        ("bad-type", "/data/q"),
        ("calculation", "/data/s"),
    ]


def test_a_text_that_doubles_thirty_times_is_not_evaluated() -> None:
    nodes = "".join(f"<n{place}/>" for place in range(31))
    doubled = (
        bind(f"/data/n{place}", calculate=f"concat(/data/n{place - 1}, /data/n{place - 1})") for place in range(1, 31)
    )
    xform = form(instance=nodes, binds="".join(doubled), body=ask("/data/n0"))
    outcome = codes(xform, f"<n0>{'x' * 1000}</n0>{''.join(f'<n{place}/>' for place in range(1, 31))}")
    assert {code for code, _ in outcome} == {"calculation", "not-evaluated"}


def test_unknown_nodes_are_named_up_to_a_limit() -> None:
    assert codes(form(instance="<q/>", body=ask("/data/q")), "<x/>" * 50_000)[0] == ("unknown-node", "/data/x")
    outcome = codes(form(instance="<q/>", body=ask("/data/q")), "<q><z/></q><q>2</q>" * 2)
    assert outcome == [("unknown-node", "/data/q/z"), *[("unknown-node", f"/data/q[{n}]") for n in (2, 3, 4)]]
    assert len(outcome) < MAX_FINDINGS
    assert codes(form(instance="<q/>", body=ask("/data/q"), form_id="other"), "")[0:] == []


@pytest.mark.parametrize(
    "rule", ["nope(1)", "1 +", "extract-signed(., 'key')", "pulldata('x', 'y', 'z', .)", "jr:choice-name(., 'x')"]
)
@pytest.mark.parametrize("kind", ["calculate", "relevant", "constraint", "required"])
def test_a_rule_that_cannot_be_evaluated_is_named_and_all_else_is_judged(kind: str, rule: str) -> None:
    binds = bind("/data/a", **{kind: rule}) + bind("/data/b", constraint=". > 5")
    xform = form(instance="<a/><b/>", binds=binds, body=ask("/data/a") + ask("/data/b"))
    assert codes(xform, "<a>1</a><b>1</b>") == [("constraint", "/data/b"), ("not-evaluated", "/data/a")]


def test_a_relevance_that_nobody_can_know_is_as_the_interview_has_it() -> None:
    binds = bind("/data/a", relevant="random() < 0.5", required="true()")
    xform = form(instance="<a/>", binds=binds, body=ask("/data/a"))
    assert codes(xform, "") == []
    assert codes(xform, "<a/>") == [("required", "/data/a")]


def test_every_finding_speaks_english_and_french() -> None:
    for texts in (*CHECK_SENTENCES.values(), *RULES.values()):
        assert set(texts) == {"en", "fr"}
        assert all(texts.values())


def test_the_clock_of_the_interview_goes_before_that_of_the_tablet() -> None:
    binds = (
        bind("/data/d", "date", constraint=". <= today()")
        + '<bind nodeset="/data/end" type="dateTime" jr:preload="timestamp" jr:preloadParams="end"/>'
    )
    xform = form(instance="<d/><end/>", binds=binds, body=ask("/data/d"))
    assert codes(xform, "<d>2027-01-01</d><end>2027-01-01T00:30:00.000+01:00</end>") == []
    assert codes(xform, "<d>2027-01-01</d><end>soon</end>") == [("constraint", "/data/d"), ("bad-type", "/data/end")]


def test_an_interview_with_another_root_has_nothing_else_to_say() -> None:
    definition = FormDefinition.parse(form(instance="<q/>", body=ask("/data/q")))
    findings = check(definition, parse_instance(b'<other id="small"><q>1</q></other>'), now=NOW)
    assert [(finding.code, finding.path) for finding in findings] == [("unknown-node", "/other")]


def test_a_number_of_rows_that_cannot_be_evaluated_is_named() -> None:
    body = ask("/data/q") + '<repeat nodeset="/data/r" jr:count="number(regex(/data/q, \'(a|aa)+[^a]\'))">'
    xform = form(instance='<q/><r jr:template=""><v/></r>', body=body + ask("/data/r/v") + "</repeat>")
    assert codes(xform, f"<q>{'a' * 60}</q><r><v/></r>") == [("not-evaluated", "/data/r")]


def test_relevances_in_a_long_chain_are_settled_too() -> None:
    length = 300
    nodes = "".join(f"<n{place}/>" for place in reversed(range(length)))
    binds = "".join(bind(f"/data/n{place}", relevant=f"/data/n{place - 1} = 1") for place in range(1, length))
    xform = form(instance=nodes, binds=binds, body="".join(ask(f"/data/n{place}") for place in range(length)))
    assert codes(xform, "".join(f"<n{place}>1</n{place}>" for place in reversed(range(length)))) == []
    broken = "".join(f"<n{place}>{int(place != 0)}</n{place}>" for place in reversed(range(length)))
    assert len(codes(xform, broken)) == length - 1
