"""What becomes of single answers, one rule a test."""

import datetime
import time
from decimal import Decimal
from typing import Any

import pytest

from forms.definition import FormDefinition
from forms.evolution.declared import EMPTY_MAP, MigrationMap, read_map
from forms.evolution.upgrade import Remark, Upgraded, upgrade_between
from tests.forms.evolution.made import G, Q, made
from tests.forms.evolution.remit_versions import maps, versions

NONE = {"pii": "none"}
YES_NO = (("1", "Yes"), ("2", "No"))


def mapped(text: str) -> MigrationMap:
    return read_map(f"question,change,from,to,rule,note\n{text}".encode()) if text else EMPTY_MAP


def up(before: FormDefinition, after: FormDefinition, row: dict[str, Any], text: str = "") -> Upgraded:
    return upgrade_between(before, after, mapped(text)).apply(row, "analysis")


def q(name: str = "q", kind: str = "integer", choices: Any = ()) -> Q:
    return Q(name, kind, choices=choices, rules=NONE)


def test_what_is_new_is_absent_and_what_is_gone_stays_under_its_name() -> None:
    assert up(made(q("old")), made(q("new")), {"old": 1}).row == {"old": 1}
    assert [c.name for c in upgrade_between(made(q("old")), made(q("new")), EMPTY_MAP).columns("analysis")] == [
        "new",
        "old",
    ]


def test_a_renamed_question_repeat_or_group_is_followed() -> None:
    before = made(G("g", [G("r", [q("x")], repeats=True), q("y")]))
    after = made(G("h", [G("s", [q("z")], repeats=True), q("y")]))
    result = up(before, after, {"r": [{"x": 1}, {}], "y": 2}, "h,renamed,g,,,\ns,renamed,r,,,\nz,renamed,x,,,")
    assert result == Upgraded({"s": [{"z": 1}, {}], "y": 2}, ())


def test_what_is_dropped_ends_here_and_a_remark_says_so() -> None:
    result = up(made(q("old"), q("y")), made(q("y")), {"old": 1, "y": 2}, "old,dropped,,,,")
    assert result == Upgraded({"y": 2}, (Remark("dropped", "old"),))


@pytest.mark.parametrize(
    ("before", "after", "value", "expected"),
    [
        ("integer", "decimal", 3, Decimal(3)),
        ("decimal", "integer", Decimal("3.0"), 3),
        ("decimal", "text", Decimal("1E+2"), "100"),
        ("date", "text", datetime.date(2026, 1, 2), "2026-01-02"),
        ("text", "date", " 2026-01-02", datetime.date(2026, 1, 2)),
        ("text", "decimal", "2.50", Decimal("2.50")),
        ("text", "integer", "7", 7),
        ("one", "many", "1", "1"),
        ("many", "one", "2", "2"),
        ("text", "one", "1", "1"),
    ],
)
def test_a_value_that_has_its_like_in_the_new_type_is_converted(
    before: str, after: str, value: Any, expected: Any
) -> None:
    result = up(made(q(kind=before, choices=YES_NO)), made(q(kind=after, choices=YES_NO)), {"q": value})
    assert result == Upgraded({"q": expected}, ())
    assert type(result.row["q"]) is type(expected)


@pytest.mark.parametrize(
    ("before", "after", "value"),
    [
        ("decimal", "integer", Decimal("3.5")),
        ("text", "integer", "about 3"),
        ("text", "date", "2026-13-01"),
        ("integer", "date", 20260101),
        ("many", "one", "1 2"),
        ("text", "one", "perhaps"),
    ],
)
def test_a_value_that_has_none_is_kept_raw_with_a_remark(before: str, after: str, value: Any) -> None:
    result = up(made(q(kind=before, choices=YES_NO)), made(q(kind=after, choices=YES_NO)), {"q": value})
    assert result == Upgraded({"q_before": value}, (Remark("unconvertible", "q"),))


def test_a_code_without_counterpart_stays_raw_and_an_unknown_one_is_not_new() -> None:
    before = made(G("r", [q(kind="one", choices=YES_NO)], repeats=True))
    after = made(G("r", [q(kind="one", choices=YES_NO[:1])], repeats=True))
    rows = [{"q": "1"}, {"q": "2"}, {"q": "odd"}]
    assert up(before, after, {"r": rows}) == Upgraded({"r": rows}, (Remark("no-counterpart", "r/q", "2"),))


def test_codes_follow_the_crosswalk_also_among_several() -> None:
    before = made(q(kind="many", choices=(("1", "a"), ("2", "b"), ("3", "c"), ("4", "d"))))
    after = made(q(kind="many", choices=(("1", "a"), ("9", "z"))))
    text = "q,recoded,2,9,,\nq,recoded,3,9,,\nq,dropped,4,,,\n"
    assert up(before, after, {"q": "3 2 1 4"}, text) == Upgraded({"q": "9 1"}, (Remark("dropped", "q", "4"),))
    assert up(before, after, {"q": "4"}, text).row == {}


def test_a_code_that_only_the_map_knows_survives_the_versions_after_it() -> None:
    first, second = made(q(kind="one", choices=YES_NO)), made(q(kind="one", choices=(("1", "Yes"), ("21", "Never"))))
    third = made(q(kind="one", choices=(("1", "Yes"),)))
    chain = upgrade_between(first, second, mapped("q,recoded,2,2x,No or never,")).then(
        upgrade_between(second, third, EMPTY_MAP)
    )
    assert chain.apply({"q": "2"}, "analysis") == Upgraded({"q": "2x"}, ())


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("* 4", "0.1", "0.4"),
        ("* 0.25", "3", "0.75"),
        ("*1.8 + 32", "37.7", "99.86"),
        ("* -1", "5", "-5"),
        ("* 3", "99999999999999999999999999999.999999999", "299999999999999999999999999999.999999997"),
    ],
)
def test_a_factor_is_exact(rule: str, value: str, expected: str) -> None:
    result = up(made(q(kind="decimal")), made(q(kind="decimal")), {"q": Decimal(value)}, f"q,converted,,,{rule},")
    assert result.row == {"q": Decimal(expected)}


def test_a_factor_that_leaves_the_whole_numbers_keeps_the_raw_value() -> None:
    result = up(made(q()), made(q()), {"q": 3}, "q,converted,,,* 0.5,")
    assert result == Upgraded({"q_before": 3}, (Remark("unconvertible", "q"),))


def test_what_cannot_be_compared_reads_as_not_asked_and_stays_beside() -> None:
    assert up(made(q()), made(q()), {"q": 3}, "q,not-comparable,,,,").row == {"q_before": 3}


def test_a_question_that_identifies_now_is_withheld_from_analysis() -> None:
    before, after = made(q("n", "text")), made(Q("n", rules={"pii": "direct"}))
    upgrade = upgrade_between(before, after, EMPTY_MAP)
    assert upgrade.apply({"n": "Kofi"}, "analysis") == Upgraded({}, (Remark("reclassified", "n"),))
    back = upgrade_between(after, before, EMPTY_MAP)
    assert back.apply({"n": "Kofi"}, "identifiers") == Upgraded({"n_before": "Kofi"}, ())
    assert [column.name for column in back.columns("analysis")] == ["n"]


def test_a_rule_reads_its_own_row_then_those_around_it() -> None:
    form = made(q("year"), G("r", [q("age"), q("born"), G("s", [q("x")], repeats=True)], repeats=True))
    row = {"year": 2026, "r": [{"age": 1, "born": 2000, "s": [{"x": 1}, {"x": 2}]}, {"age": 2}]}
    result = up(form, form, row, "age,recomputed,,,${year} - ${born},\nx,recomputed,,,${x} * 10 + ${age},")
    assert result.row["r"][0]["age"] == 26
    assert [inner["x"] for inner in result.row["r"][0]["s"]] == [11, 21]
    assert result.row["r"][0]["age_before"] == 1
    assert "age" not in result.row["r"][1]


def test_a_rule_may_gather_the_rows_of_a_repeat() -> None:
    before = made(G("r", [q("x", "decimal")], repeats=True))
    after = made(q("total", "decimal"), G("r", [q("x", "decimal")], repeats=True))
    row = {"r": [{"x": Decimal("1.5")}, {"x": Decimal(2)}, {}]}
    assert up(before, after, row, 'total,recomputed,,,"sum(${x})",').row["total"] == Decimal("3.5")
    assert up(before, after, row, 'total,recomputed,,,"count(${r})",').row["total"] == Decimal(3)


def test_a_rule_that_gives_no_answer_of_the_type_leaves_a_remark() -> None:
    form = made(q(), q("one", "one", choices=YES_NO))
    result = up(form, form, {"q": 1, "one": "1"}, "q,recomputed,,,1 div 3,\none,recomputed,,,concat(${one}; 'x'),")
    assert result.remarks == (Remark("unconvertible", "q"),)
    coded = up(form, form, {"one": "1"}, "one,recomputed,,,${one} + 6,")
    assert coded == Upgraded({"one_before": "1"}, (Remark("unconvertible", "one"),))


def test_the_questionnaire_reads_on_through_its_three_versions() -> None:
    first, second, third = versions()
    chain = upgrade_between(first, second, maps()[0]).then(upgrade_between(second, third, maps()[1]))
    row = {
        "ref36": "19681",
        "member": [
            {"c_ret": "1", "c_ret_back": datetime.date(2026, 6, 1), "c_educ": "97"},
            {"c_ret": "1", "c_ret_back": datetime.date(2022, 6, 1), "c_educ": "3"},
            {"c_ret": "2"},
            {},
        ],
        "worker": [{"e_path": "2"}],
        "sender": [{"f_chan1": "4", "f_chan2": "1"}],
        "g_land": Decimal("1.5"),
        "h_other": Decimal(800),
    }
    result = chain.apply(row, "analysis")
    assert [(one.get("c_ret"), one.get("c_ret_before")) for one in result.row["member"]] == [
        ("1", "1"), ("2", "1"), ("2", "2"), (None, None),
    ]  # fmt: skip
    assert result.row["worker"] == [{"e_found": "2"}]
    assert result.row["sender"] == [{"f_chan1": "4x", "f_chan2": "1"}]
    assert (result.row["g_land_lu"], result.row["h_other"]) == (Decimal(6), Decimal(800))
    assert not {"h_transport", "h_small", "g_land"} & set(result.row)
    assert result.remarks == (Remark("no-counterpart", "member/c_educ", "97"),)
    assert "h_other" in [column.name for column in chain.columns("analysis")]


def test_six_thousand_interviews_take_seconds() -> None:
    first, second, third = versions()
    chain = upgrade_between(first, second, maps()[0]).then(upgrade_between(second, third, maps()[1]))
    member = {"c_ret": "1", "c_ret_back": datetime.date(2022, 6, 1), "c_educ": "3"} | {f"k{n}": "1" for n in range(12)}
    row = {f"q{n}": str(n) for n in range(80)} | {"ref36": "19681", "member": [dict(member) for _ in range(5)]}
    began = time.process_time()
    for _ in range(600):
        chain.apply(row, "analysis")
    assert time.process_time() - began < 3  # a tenth of them, with room for a slow machine
