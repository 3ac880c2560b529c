"""Filling the form question by question."""

import datetime
import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forms.definition import FormDefinition
from forms.filling import Filled, fill
from forms.instance import canonical_leaves, parse_instance
from forms.program import program_of
from forms.session import FormSession
from forms.tree import MAX_ROWS, LiveTree
from forms.xpath.nodes import Node
from tests.forms.conftest import NOW
from tests.forms.interviews import COMPLETE, VARIED
from tests.forms.small import LIST, ask, bind, form

SELECT = (
    '<select1 ref="/data/{0}"><label>?</label><itemset nodeset="{1}"><value ref="name"/><label ref="lab"/></itemset>'
    "</select1>"
)


def filled(xform: bytes, answers: dict[str, Any], **more: Any) -> Filled:
    numbers = itertools.count(1)
    arguments = {"now": NOW, "new_uuid": lambda: f"uuid-{next(numbers)}", "device_id": "tablet 1"} | more
    return fill(FormDefinition.parse(xform), answers, **arguments)


def leaves(result: Filled) -> dict[str, str]:
    return dict(canonical_leaves(parse_instance(result.xml)))


def problems(result: Filled) -> list[tuple[str, str]]:
    return [(problem.code, problem.path) for problem in result.problems]


@pytest.mark.parametrize("name", VARIED)
def test_every_kind_of_interview_passes_through_the_form(
    name: str, hh_remit: FormDefinition, new_uuid: Callable[[], str]
) -> None:
    assert fill(hh_remit, VARIED[name], now=NOW, new_uuid=new_uuid, device_id="d").problems == ()


def test_groups_may_be_nested_or_left_out(hh_remit: FormDefinition) -> None:
    nested = {name: value for name, value in COMPLETE.items() if name[:2] != "g_"}
    nested["g"] = {name: value for name, value in COMPLETE.items() if name[:2] == "g_"}
    results = [
        fill(hh_remit, answers, now=NOW, new_uuid=lambda: "0" * 36, device_id="d") for answers in (COMPLETE, nested)
    ]
    assert results[0] == results[1]


def test_what_is_not_relevant_is_not_asked_and_not_written() -> None:
    xform = form(
        instance="<a/><b/><g><c>default</c></g>",
        binds=bind("/data/b", relevant="/data/a = '1'") + bind("/data/g", relevant="/data/b = '2'"),
        body=ask("/data/a") + ask("/data/b") + '<group ref="/data/g">' + ask("/data/g/c") + "</group>",
    )
    asked = filled(xform, {"a": "1", "b": "2", "c": "3"})
    assert leaves(asked) == {"/data/a": "1", "/data/b": "2", "/data/g/c": "3"}
    passed_over = filled(xform, {"a": "0", "b": "2", "c": "3"})
    assert leaves(passed_over) == {"/data/a": "0"}
    assert problems(passed_over) == [("not-asked", "/data/b"), ("not-asked", "/data/g/c")]


def test_an_answer_that_the_form_refuses_is_left_out() -> None:
    xform = form(
        instance="<n/><t/><c/><d/>",
        binds=bind("/data/n", "int", constraint=". > 0 and . < /data/t", required="true()")
        + bind("/data/t", "int", required="/data/n = ''")
        + bind("/data/d", "date"),
        body=ask("/data/t") + ask("/data/n") + SELECT.format("c", "instance('l')/root/item") + ask("/data/d"),
        more=LIST,
    )
    result = filled(xform, {"t": 5, "n": 9, "c": "z", "d": "yesterday", "nobody": 1})
    assert problems(result) == [
        ("constraint", "/data/n"),
        ("not-a-choice", "/data/c"),
        ("bad-type", "/data/d"),
        ("not-asked", "/data/nobody"),
    ]
    assert leaves(result) == {"/data/t": "5", "/data/n": "", "/data/c": "", "/data/d": ""}
    assert problems(filled(xform, {})) == [("required", "/data/t"), ("required", "/data/n")]
    assert not any("9" in problem.message or "yesterday" in problem.message for problem in result.problems)


def test_a_later_answer_can_break_an_earlier_constraint() -> None:
    xform = form(
        instance="<low/><high/>",
        binds=bind("/data/low", "int", constraint="/data/high = '' or . < /data/high") + bind("/data/high", "int"),
        body=ask("/data/low") + ask("/data/high"),
    )
    assert problems(filled(xform, {"low": 5, "high": 3})) == [("constraint", "/data/low")]


def test_a_choice_filter_offers_only_what_fits() -> None:
    xform = form(
        instance="<n/><c/>",
        binds=bind("/data/n", "int"),
        body=ask("/data/n") + SELECT.format("c", "instance('l')/root/item[n = current()/../n]"),
        more=LIST,
    )
    assert problems(filled(xform, {"n": 2, "c": "b"})) == []
    assert problems(filled(xform, {"n": 1, "c": "b"})) == [("not-a-choice", "/data/c")]


def test_choices_may_be_rows_of_the_interview() -> None:
    rows = '<repeat nodeset="/data/r">' + ask("/data/r/name") + "</repeat>"
    xform = form(instance="<r><name/></r><c/>", body=rows + SELECT.format("c", "/data/r[./name != '']"))
    answers = {"r": [{"name": "a"}, {"name": "b"}]}
    assert problems(filled(xform, answers | {"c": "b"})) == []
    assert problems(filled(xform, answers | {"c": "z"})) == [("not-a-choice", "/data/c")]


def test_a_repeat_has_the_rows_that_its_count_says() -> None:
    body = (
        ask("/data/n")
        + '<group ref="/data/r"><repeat nodeset="/data/r" jr:count="/data/n">'
        + ask("/data/r/q")
        + "</repeat></group>"
    )
    xform = form(
        instance='<n/><r jr:template=""><q/><p/></r>', binds=bind("/data/r/p", calculate="position(..)"), body=body
    )
    answers = {"n": 2, "r": [{"q": "a"}, {"q": "b"}, {"q": "c"}]}
    result = filled(xform, answers)
    assert leaves(result) == {
        "/data/n": "2",
        "/data/r/p": "1",
        "/data/r/q": "a",
        "/data/r[2]/p": "2",
        "/data/r[2]/q": "b",
    }
    assert problems(result) == [("not-asked", "/data/r/q (row 3)")]
    assert leaves(filled(xform, {"n": 0})) == {"/data/n": "0"}
    assert len(leaves(filled(xform, {"n": 10**9}))) == 2 * MAX_ROWS + 1


def test_rows_are_added_to_a_repeat_without_a_count() -> None:
    body = (
        '<repeat nodeset="/data/r">'
        + ask("/data/r/q")
        + '<repeat nodeset="/data/r/s">'
        + ask("/data/r/s/t")
        + "</repeat></repeat>"
    )
    xform = form(instance="<r><q>d</q><s><t/></s></r>", body=body)
    assert leaves(filled(xform, {"r": [{"s": [{"t": 1}, {"t": 2}]}, {"q": "x"}]})) == {
        "/data/r/q": "d",
        "/data/r/s/t": "1",
        "/data/r/s[2]/t": "2",
        "/data/r[2]/q": "x",
        "/data/r[2]/s/t": "",
    }
    assert problems(filled(xform, {"r": "not rows"})) == [("not-asked", "/data/r")]


def test_metadata_are_written_as_collect_does() -> None:
    binds = "".join(
        f'<bind nodeset="/data/{name}" type="{kind}" jr:preload="{preload}" jr:preloadParams="{parameter}"/>'
        for name, kind, preload, parameter in [
            ("start", "dateTime", "timestamp", "start"),
            ("end", "dateTime", "timestamp", "end"),
            ("day", "date", "date", "today"),
            ("device", "string", "property", "deviceid"),
            ("user", "string", "property", "username"),
        ]
    )
    binds += bind("/data/meta/instanceName", calculate="concat('at ', /data/device)")
    meta = "<orx:meta><orx:instanceID/><orx:instanceName/></orx:meta>"
    xform = form(instance=f"<start/><end/><day/><device/><user/>{meta}", binds=binds)
    zone = datetime.timezone(datetime.timedelta(hours=3))
    result = filled(xform, {}, now=datetime.datetime(2026, 11, 20, 1, 2, 3, 4000, zone), deprecated_id="uuid:before")
    assert leaves(result) == {
        "/data/start": "2026-11-20T01:02:03.004+03:00",
        "/data/end": "2026-11-20T01:02:03.004+03:00",
        "/data/day": "2026-11-20",
        "/data/device": "tablet 1",
        "/data/user": "",
        "/data/meta/instanceName": "at tablet 1",
    }
    instance = parse_instance(result.xml)
    assert (instance.instance_id, instance.deprecated_id) == ("uuid:uuid-1", "uuid:before")
    assert result.instance_id == instance.instance_id
    assert b'<meta xmlns="http://openrosa.org/xforms"><instanceID>' in result.xml


def test_a_form_without_metadata_still_gets_its_instance_id() -> None:
    result = filled(form(instance="<q/>", body=ask("/data/q")), {}, instance_id="uuid:given")
    assert parse_instance(result.xml).instance_id == "uuid:given"


def test_actions_write_on_their_events() -> None:
    changed = '<setvalue event="xforms-value-changed" ref="/data/seen" value="concat(/data/q, \'!\')"/>'
    body = f'<input ref="/data/q"><label>?</label>{changed}</input>'
    body += (
        '<repeat nodeset="/data/r"><setvalue event="odk-new-repeat" ref="/data/r/a">new</setvalue>'
        + ask("/data/r/b")
        + "</repeat>"
    )
    xform = form(
        instance='<q/><seen/><first/><r jr:template=""><a/><b/></r>',
        body=body,
        binds='<setvalue event="odk-instance-first-load" ref="/data/first" value="1 + 1"/>',
    )
    assert leaves(filled(xform, {"q": "x", "r": [{"b": "1"}, {"b": "2"}]})) == {
        "/data/q": "x",
        "/data/seen": "x!",
        "/data/first": "2",
        "/data/r/a": "new",
        "/data/r/b": "1",
        "/data/r[2]/a": "new",
        "/data/r[2]/b": "2",
    }


@pytest.mark.parametrize(
    ("kind", "answer", "text"),
    [
        ("int", 7, "7"),
        ("int", "007", "7"),
        ("int", 7.0, "7"),
        ("int", Decimal(7), "7"),
        ("int", 7.5, None),
        ("int", 2**31, None),
        ("int", "seven", None),
        ("decimal", 90000, "90000.0"),
        ("decimal", "2.50", "2.5"),
        ("decimal", Decimal(100000000), "1.0E8"),
        ("decimal", True, None),
        ("decimal", "nan", None),
        ("date", datetime.date(2026, 1, 2), "2026-01-02"),
        ("date", datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC), "2026-01-02"),
        ("date", "2026-02-30", None),
        ("dateTime", datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC), "2026-01-02T03:04:00.000Z"),
        ("time", "10:30:00.000Z", "10:30:00.000Z"),
        ("time", "25:00", None),
        ("string", ["1", "2"], "1 2"),
        ("string", 7, "7"),
        ("string", 7.0, "7"),
        ("string", True, "true"),
        ("string", "a & <b> \r\n ]]>", "a & <b> \r\n ]]>"),
        ("string", "bell \x07", None),
        ("geopoint", "14.6 -17.4 10.0 5.0", "14.6 -17.4 10.0 5.0"),
        ("geopoint", "here", None),
    ],
)
def test_answers_are_written_as_collect_writes_them(kind: str, answer: object, text: str | None) -> None:
    result = filled(form(instance="<q/>", binds=bind("/data/q", kind), body=ask("/data/q")), {"q": answer})
    assert problems(result) == ([] if text is not None else [("bad-type", "/data/q")])
    assert leaves(result)["/data/q"] == (text or "")


def test_once_keeps_what_it_gave_first() -> None:
    xform = form(
        instance="<q/><k/>", binds=bind("/data/k", calculate="once(concat(uuid(), /data/q))"), body=ask("/data/q")
    )
    result = filled(xform, {"q": "x"})
    assert leaves(result)["/data/k"].startswith("uuid-")


def test_an_edit_goes_on_from_the_revision_before(hh_remit: FormDefinition, new_uuid: Callable[[], str]) -> None:
    first = fill(hh_remit, COMPLETE, now=NOW, new_uuid=new_uuid, device_id="d")
    later = NOW + datetime.timedelta(days=1)
    previous = parse_instance(first.xml)
    edit = fill(hh_remit, {"h_rent": 4000}, now=later, new_uuid=new_uuid, device_id="other", previous=previous)
    assert edit.problems == ()
    assert edit.instance_id != first.instance_id
    assert parse_instance(edit.xml).deprecated_id == first.instance_id
    before, after = leaves(first), leaves(edit)
    assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} == {
        "/data/h/h_rent",
        "/data/h/h_month",
        "/data/end_time",
    }


def test_a_cycle_of_calculations_ends() -> None:
    binds = bind("/data/a", calculate="/data/b + 1") + bind("/data/b", calculate="/data/a + 1")
    assert set(leaves(filled(form(instance="<a/><b/>", binds=binds), {}))) == {"/data/a", "/data/b"}


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("/data/a/household_key"), st.sampled_from(["07203111264", "01", ""])),
        st.tuples(st.just("/data/a/visit/v_outcome"), st.sampled_from(["10", "31", ""])),
        st.tuples(st.just("/data/b/b_consent"), st.sampled_from(["1", "2", ""])),
        st.tuples(st.just("/data/b/b_stop"), st.sampled_from(["0", "3", "6"])),
        st.tuples(st.just("/data/c/member/c_age"), st.sampled_from(["3", "14", "40"])),
        st.tuples(st.just("/data/c/member/c_ret"), st.sampled_from(["1", "2"])),
        st.tuples(st.just("/data/d/d_n"), st.sampled_from(["0", "1", "2"])),
        st.tuples(st.just("/data/d/abroad/d_job"), st.sampled_from(["1", "2"])),
        st.tuples(st.just("/data/e/worker/e_lump_amt"), st.sampled_from(["1", "1000000"])),
        st.tuples(st.just("/data/e/worker/cost/k_amt"), st.sampled_from(["1", "5000.5"])),
        st.tuples(st.just("/data/f/sender/f_amt"), st.sampled_from(["1", "70000"])),
        st.tuples(st.just("rows /data/c/member"), st.sampled_from(["1", "2", "4"])),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(CHANGES, st.randoms(use_true_random=False))
def test_what_is_recalculated_on_the_way_equals_what_is_calculated_at_the_end(
    hh_remit: FormDefinition, changes: list[tuple[str, str]], random: Any
) -> None:
    xml = fill(hh_remit, COMPLETE, now=NOW, new_uuid=lambda: "0" * 36, device_id="d").xml
    root = parse_instance(xml).root
    trees = [LiveTree(program_of(hh_remit), now=NOW, new_uuid=lambda: "0" * 36, properties={}) for _ in range(2)]
    for tree in trees:
        tree.load(root)
    looking, blind = trees
    for path, value in changes:
        place = random.random()
        for tree in trees:
            _change(tree, path, value, place)
        nodes = list(_nodes(looking.root))
        for node in random.sample(nodes, 10):
            _ = looking.is_relevant(node), looking.value(node)
    assert [(looking.is_relevant(node), looking.text(node)) for node in _nodes(looking.root)] == [
        (blind.is_relevant(node), blind.text(node)) for node in _nodes(blind.root)
    ]


def _change(tree: LiveTree, path: str, value: str, place: float) -> None:
    if path.startswith("rows "):
        spec = tree.program.specs[path[5:]]
        parent = next(node for node in _nodes(tree.root) if node.spec is spec.parent)
        tree.resize(parent, spec, int(value))
        return
    found = [node for node in _nodes(tree.root) if node.spec is tree.program.specs[path]]
    if found:
        tree.write(found[int(place * len(found))], value)


def _nodes(node: Node) -> list[Node]:
    return [node, *[inner for group in node.children.values() for child in group for inner in _nodes(child)]]


def test_a_session_tells_what_may_be_answered(hh_remit: FormDefinition, new_uuid: Callable[[], str]) -> None:
    session = FormSession(hh_remit, now=NOW, new_uuid=new_uuid, device_id="d")
    first = next(session.questions(lambda parent, spec: None))
    assert first.path == "/data/a/a_mode"
    assert session.offered_codes(first) == {"training", "pilot", "survey"}
    refusal = session.answer(first, "play")
    assert refusal is not None
    assert refusal.code == "not-a-choice"
    assert session.answer(first, "pilot") is None
    refusal = session.answer(first, None)
    assert refusal is not None
    assert refusal.code == "required"
    assert first.node.text == "pilot"


def test_an_answer_can_be_taken_back() -> None:
    xform = form(
        instance="<q>default</q><c/>", binds=bind("/data/c", calculate="concat(/data/q, '!')"), body=ask("/data/q")
    )
    assert leaves(filled(xform, {"q": ""})) == {"/data/q": "", "/data/c": "!"}
