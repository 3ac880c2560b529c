"""The difference of two versions, as a manager reads it."""

from dataclasses import replace

import pytest

from forms.definition import FormDefinition
from forms.evolution.changes import Change, Difference
from forms.evolution.declared import EMPTY_MAP, MigrationMap, map_of_rows, read_map
from forms.evolution.difference import compare
from tests.forms.evolution.made import G, Q, made
from tests.forms.evolution.remit_versions import maps, versions

FIGURES = {"c_ret": ("MIG-02",), "c_ret_back": ("MIG-02",), "a": ("REM-01",)}
YES_NO = (("1", "Yes"), ("2", "No"))


def changed(before: FormDefinition, after: FormDefinition, text: str = "") -> dict[str, Change]:
    """Return the changes by kind, with the map of a CSV body."""
    difference = compare(before, after, mapped(text), indicators=FIGURES)
    return {change.kind: change for change in difference.changes}


def mapped(text: str) -> MigrationMap:
    return read_map(f"question,change,from,to,rule,note\n{text}".encode()) if text else EMPTY_MAP


def one(before: Q, after: Q, text: str = "") -> Change:
    """Return the only change between two forms of one question."""
    (change,) = compare(made(before), made(after), mapped(text), indicators=FIGURES).changes
    return change


def kinds(difference: Difference) -> list[tuple[str, str, str, bool]]:
    return [(change.kind, change.name, change.verdict, change.is_settled) for change in difference.changes]


def test_version_2_of_the_questionnaire_is_safe_once_the_map_recodes_mobile_money() -> None:
    first, second, _ = versions()
    without = compare(first, second, indicators=FIGURES)
    assert without.verdict == "needs-map"
    assert [change.name for change in without.unsettled] == ["f_chan1", "f_chan2"]
    assert without.unsettled[0].codes == ("4",)
    assert kinds(compare(first, second, maps()[0], indicators=FIGURES)) == [
        ("constraint-loosened", "f_n", "safe", False),
        ("label", "f_amt", "safe", False),
        ("choices-added", "f_chan1", "safe", False),
        ("choices-removed", "f_chan1", "needs-map", True),
        ("choices-added", "f_chan2", "safe", False),
        ("choices-removed", "f_chan2", "needs-map", True),
        ("added", "h_transport", "safe", False),
        ("added", "h_small", "safe", False),
        ("calculation", "h_month", "safe", False),
        ("removed", "h_other", "safe", False),
    ]


def test_version_3_of_the_questionnaire_breaks_mig_02_until_the_map_recomputes_it() -> None:
    _, second, third = versions()
    without = compare(second, third, indicators=FIGURES)
    assert without.verdict == "breaks"
    (recall,) = [change for change in without.changes if change.verdict == "breaks"]
    assert (recall.kind, recall.name, recall.indicators) == ("label-meaning", "c_ret", ("MIG-02",))
    assert "This breaks MIG-02." in recall.words["en"]
    assert "Cela casse MIG-02." in recall.words["fr"]
    assert "last 3 years" in recall.words["en"]
    assert "3 dernières années" in recall.words["fr"]
    with_map = compare(second, third, maps()[1], indicators=FIGURES)
    assert with_map.verdict == "needs-map"
    assert [(change.kind, change.name) for change in with_map.unsettled] == [("choices-removed", "d_educ")]


def test_a_question_that_looks_like_a_new_one_is_suggested_and_not_taken_for_it() -> None:
    _, second, third = versions()
    removed = {change.name: change for change in compare(second, third).changes if change.kind == "removed"}
    assert removed["e_path"].details["suggestion"] == "e_found"
    assert "“e_found,renamed,e_path”" in removed["e_path"].words["en"]
    assert "suggestion" not in removed["g_land"].details


def test_a_question_that_is_gone_needs_a_word_only_where_a_figure_rests_on_it() -> None:
    assert changed(made(Q("a"), Q("b")), made(Q("a")))["removed"].verdict == "safe"
    gone = changed(made(Q("a"), Q("b")), made(Q("b")))["removed"]
    assert (gone.verdict, gone.is_settled) == ("needs-map", False)
    assert changed(made(Q("a"), Q("b")), made(Q("b")), "a,kept,,,,")["removed"].is_settled
    assert changed(made(Q("a"), Q("b")), made(Q("b")), "a,dropped,,,,")["removed"].is_settled


def test_a_declared_rename_is_one_question_and_all_else_is_compared_through_it() -> None:
    before = made(Q("a", "integer"), Q("b", rules={"relevant": "/data/a > 3"}))
    after = made(Q("age", "integer"), Q("b", rules={"relevant": "/data/age > 3"}))
    assert set(changed(before, after)) == {"added", "removed", "relevance-changed"}
    assert set(changed(before, after, "age,renamed,a,,,")) == {"renamed"}


def test_moving_within_a_repeat_is_safe_and_into_one_is_not() -> None:
    before = made(Q("a"), G("r", [Q("b"), Q("c")], repeats=True))
    grouped = made(G("g", [Q("a")]), G("r", [G("h", [Q("b")]), Q("c")], repeats=True))
    assert kinds(compare(before, grouped)) == [("moved", "a", "safe", False), ("moved", "b", "safe", False)]
    inside = made(G("r", [Q("a"), Q("b"), Q("c")], repeats=True))
    (moved,) = compare(before, inside, indicators=FIGURES).changes
    assert (moved.kind, moved.verdict, moved.indicators) == ("moved-scope", "breaks", ("REM-01",))
    assert "from the whole interview to r" in moved.words["en"]
    assert changed(before, inside, "a,not-comparable,,,,")["moved-scope"].is_settled


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ("integer", "decimal", "safe"),
        ("decimal", "integer", "needs-map"),
        ("integer", "text", "safe"),
        ("text", "date", "needs-map"),
        ("one", "many", "safe"),
        ("many", "one", "needs-map"),
        ("text", "one", "needs-map"),
    ],
)
def test_a_new_type_is_safe_where_every_answer_converts_exactly(before: str, after: str, verdict: str) -> None:
    rules = {"pii": "none"}
    change = one(Q("b", before, choices=YES_NO, rules=rules), Q("b", after, choices=YES_NO, rules=rules))
    assert (change.kind, change.verdict) == ("retyped", verdict)


def test_a_lossy_type_is_settled_by_a_word_of_the_map() -> None:
    assert one(Q("b", "decimal"), Q("b", "integer"), "b,retyped,,,,").is_settled


def test_one_code_with_another_label_is_not_the_same_choice() -> None:
    recoded = one(Q("b", "one", choices=YES_NO), Q("b", "one", choices=(("1", "No"), ("2", "Yes"))))
    assert (recoded.kind, recoded.codes, recoded.verdict) == ("choices-recoded", ("1", "2"), "needs-map")
    assert "1 “Yes” is now “No”" in recoded.words["en"]
    both = one(
        Q("b", "one", choices=YES_NO),
        Q("b", "one", choices=(("1", "No"), ("2", "Yes"))),
        "b,recoded,1,2,,\nb,recoded,2,1,,",
    )
    assert both.is_settled


@pytest.mark.parametrize(
    "labels", [("Male", "Female"), ("Formal", "Informal"), ("Legal", "Illegal"), ("North region", "South region")]
)
def test_labels_that_look_alike_and_change_places_are_a_recoding(labels: tuple[str, str]) -> None:
    before, after = (tuple(zip("12", order, strict=True)) for order in (labels, labels[::-1]))
    swapped = one(Q("b", "one", choices=before), Q("b", "one", choices=after))
    assert (swapped.kind, swapped.verdict, swapped.codes) == ("choices-recoded", "needs-map", ("1", "2"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Do you own a animal?", "Do you own an animal?"),
        ("Quel est votre nom ?", "Quel est ton nom ?"),
        ("Quel âge a Paul ?", "Quel âge a-t-il ?"),
        ("Which of these?", "Which one of these?"),
    ],
)
def test_small_words_are_no_units_numbers_or_negations(before: str, after: str) -> None:
    assert one(Q("b", label=before), Q("b", label=after)).verdict == "safe"


def test_not_said_shortly_is_a_negation() -> None:
    assert one(Q("b", label="Does he send money?"), Q("b", label="Doesn't he send money?")).verdict == "needs-map"


def test_one_label_with_another_code_is_a_recoding() -> None:
    found = changed(made(Q("b", "one", choices=YES_NO)), made(Q("b", "one", choices=(("1", "Yes"), ("0", "no.")))))
    assert found["choices-recoded"].codes == ("2",)
    assert "“No” had code 2 and now has 0" in found["choices-recoded"].words["en"]
    assert "choices-removed" not in found


@pytest.mark.parametrize(("old", "new"), [("Primary school", "Nursery school"), ("Formal job", "Informal job")])
def test_a_choice_of_which_a_word_gave_way_to_another_is_another_choice(old: str, new: str) -> None:
    change = one(Q("b", "one", choices=(("1", old),)), Q("b", "one", choices=(("1", new),)))
    assert (change.kind, change.verdict) == ("choices-recoded", "needs-map")


def test_a_choice_reworded_a_little_is_a_label_only() -> None:
    before = Q("b", "one", choices=(("1", "Bank or post office"),))
    assert one(before, Q("b", "one", choices=(("1", "Bank, or post office"),))).kind == "choice-labels"
    assert one(before, Q("b", "one", choices=(("1", "Not a bank or post office"),))).kind == "choices-recoded"
    settled = one(before, Q("b", "one", choices=(("1", "Mobile money"),)), "b,same-meaning,,,,")
    assert settled.is_settled


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ("Worked in the last 5 years?", "Worked in the last 3 years?", "breaks"),
        ("Worked in the last 5 years?", "Worked in the last five years?", "safe"),
        ("Land in hectares", "Land in acres", "breaks"),
        ("Price in dollars", "Price in euros", "breaks"),
        ("Did you work?", "Did you not work?", "breaks"),
        ("A-t-il travaillé ?", "N'a-t-il pas travaillé ?", "breaks"),
        ("Amount received", "Amount received after fees", "safe"),
    ],
)
def test_a_number_a_unit_or_a_negation_in_the_wording_may_change_what_is_asked(
    before: str, after: str, verdict: str
) -> None:
    change = one(Q("a", label=before), Q("a", label=after))
    assert change.verdict == verdict
    assert one(Q("b", label=before), Q("b", label=after)).verdict in ("safe", "needs-map")


@pytest.mark.parametrize("said", ["same-meaning", "not-comparable", "recomputed"])
def test_a_map_settles_a_wording_that_breaks_a_figure(said: str) -> None:
    rule = "0" if said == "recomputed" else ""
    assert one(Q("a", label="5 years"), Q("a", label="3 years"), f"a,{said},,,{rule},").is_settled


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (". >= 1 and . <= 10", ". >= 1 and . <= 15", "constraint-loosened"),
        (". >= 1 and . <= 15", ". <= 10 and . >= 1", "constraint-tightened"),
        (". > 0", ". >= 1", None),
        (". >= 1 and . <= 10", ". >= 5 and . <= 20", "constraint-changed"),
        (". < 18", "not(. >= 18)", None),
        ("", ". < 5", "constraint-tightened"),
        ("regex(., '^[0-9]+$')", "regex(., '^[0-9]+$') and . > 5", "constraint-tightened"),
        (". = 1 or . = 2", ". = 1 or . = 2 or . = 7", "constraint-loosened"),
    ],
)
def test_a_constraint_is_compared_by_what_it_lets_through(before: str, after: str, kind: str | None) -> None:
    found = changed(
        made(Q("b", "integer", rules={"constraint": before} if before else {})),
        made(Q("b", "integer", rules={"constraint": after})),
    )
    assert set(found) == ({kind} if kind else set())


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("/data/n > 15", "/data/n > 18", "relevance-narrower"),
        ("/data/n = 1", "/data/n = 1 or /data/n = 2", "relevance-wider"),
        ("/data/n = 1", "/data/n = 2", "relevance-changed"),
        ("/data/n = 1", "../n = 1", None),
        ("/data/n = 1 and /data/m = 'x'", "/data/m = 'x' and /data/n = 1", None),
    ],
)
def test_another_condition_is_another_universe(before: str, after: str, kind: str | None) -> None:
    found = [made(Q("n", "integer"), Q("m"), Q("a", rules={"relevant": rule})) for rule in (before, after)]
    difference = changed(*found)
    assert set(difference) == ({kind} if kind else set())
    if kind:
        assert difference[kind].verdict == "breaks"
        assert changed(*found, "a,same-meaning,,,,")[kind].is_settled


def test_a_condition_of_a_group_that_a_question_moves_into_counts() -> None:
    before = made(Q("n", "integer"), Q("a"))
    after = made(Q("n", "integer"), G("g", [Q("a")], rules={"relevant": "/data/n > 1"}))
    assert set(changed(before, after)) == {"moved", "relevance-narrower"}


def test_a_condition_of_a_group_is_said_once_with_all_that_rests_on_what_is_in_it() -> None:
    before, after = (
        made(Q("n", "integer"), G("g", [Q("a"), Q("b")], rules={"relevant": f"/data/n > {limit}"})) for limit in (1, 2)
    )
    (change,) = compare(before, after, indicators=FIGURES).changes
    assert (change.kind, change.name, change.indicators) == ("relevance-narrower", "g", ("REM-01",))


def test_what_else_may_change_is_said_too() -> None:
    before = made(
        Q("b", rules={"pii": "none"}), Q("d", "integer", default="1"), Q("e", rules={"pii": "none"}),
        Q("f", "integer", rules={"calculate": "1 + 1"}), G("r", [Q("g")], repeats=True, count="/data/d"),
    )  # fmt: skip
    after = made(
        Q("b", rules={"pii": "direct"}), Q("d", "integer", default="2"),
        Q("e", rules={"pii": "key", "required": "true()"}),
        Q("f", "integer", rules={"calculate": "1 + 2"}), G("r", [Q("g")], repeats=True, count="/data/f"),
    )  # fmt: skip
    assert {(change.kind, change.verdict) for change in compare(before, after).changes} == {
        ("store-identifiers", "needs-map"),
        ("default", "safe"),
        ("required", "safe"),
        ("pii", "safe"),
        ("calculation", "safe"),
        ("repeat-count", "needs-map"),
    }


def test_the_rows_of_a_map_that_fit_nothing_change_nothing() -> None:
    before, after = made(Q("a")), made(Q("b"))
    odd = map_of_rows(mapped("nobody,renamed,nothing,,,\nb,renamed,r,,,\n,kept,,,,\nb,what,,,,").rows)
    assert kinds(compare(before, after, odd)) == kinds(compare(before, after))


def test_a_word_about_a_code_settles_only_what_it_is_about() -> None:
    yes_no, no_yes = Q("b", "one", choices=YES_NO), Q("b", "one", choices=(("1", "No"), ("2", "Yes")))
    assert not one(yes_no, no_yes, "b,kept,1,,,\nb,kept,2,,,").is_settled
    assert not one(yes_no, no_yes, "b,same-meaning,1,,,").is_settled
    assert one(yes_no, no_yes, "b,same-meaning,1,,,\nb,dropped,2,,,").is_settled
    fewer = Q("b", "one", choices=YES_NO[:1])
    assert not one(yes_no, fewer, "b,same-meaning,2,,,").is_settled
    assert one(yes_no, fewer, "b,kept,2,,,").details["settled_by"] == "kept"


def test_a_list_of_many_changes_is_cut_short_in_words_and_not_in_codes() -> None:
    many = tuple((str(number), f"Country {chr(64 + number)}") for number in range(1, 11))
    removed = changed(
        made(Q("b", "one", choices=(("0", "Here"), *many))), made(Q("b", "one", choices=(("0", "Here"),)))
    )
    assert len(removed["choices-removed"].codes) == 10
    assert "and 4 more" in removed["choices-removed"].words["en"]
    assert "et 4 autres" in removed["choices-removed"].words["fr"]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (". <= date('2026-12-31')", ". <= date('2027-12-31')", "constraint-loosened"),
        (". >= -5", "-6 <= .", "constraint-loosened"),
        (". = 'x' or true()", "false()", "constraint-tightened"),
        (". mod 2 = 0", ". mod 3 = 0", "constraint-changed"),
        ("regex(., '(')", "regex(., '[')", "constraint-changed"),
    ],
)
def test_dates_signs_and_whatever_is_no_comparison_are_compared_too(before: str, after: str, kind: str) -> None:
    found = [made(Q("b", "date", rules={"constraint": rule})) for rule in (before, after)]
    assert set(changed(*found)) == {kind}


def test_conditions_with_too_many_cases_are_only_called_different() -> None:
    names = [f"n{number}" for number in range(14)]
    questions = [Q(name, "integer") for name in names]
    rules = [" and ".join(f"/data/{name} = {value}" for name in names) for value in (1, 2)]
    found = [made(*questions, Q("b", rules={"relevant": rule})) for rule in rules]
    assert set(changed(*found)) == {"relevance-changed"}


def test_a_calculation_that_decides_who_is_asked_touches_the_figures_of_what_is_asked() -> None:
    def chain(rule: str) -> FormDefinition:
        return made(
            Q("age", "integer"),
            Q("eligible", rules={"calculate": rule}),
            G("rows", (Q("a", "integer"),), repeats=True, rules={"relevant": "/data/eligible = 'yes'"}),
            Q("free", rules={"calculate": rule}),
        )

    before, after = chain("if(/data/age &gt; 17, 'yes', 'no')"), chain("if(/data/age &gt; 14, 'yes', 'no')")
    found = {change.name: change for change in compare(before, after, indicators=FIGURES).changes}
    assert (found["eligible"].verdict, found["eligible"].indicators) == ("needs-map", ("REM-01",))
    assert (found["free"].verdict, found["free"].indicators) == ("safe", ())
    assert compare(before, after).verdict == "safe"


def test_the_number_of_rows_of_a_repeat_decides_upon_the_figures_of_its_questions() -> None:
    def counted(rule: str) -> FormDefinition:
        inside = G("rows", (Q("a", "integer"),), repeats=True, count="/data/many")
        return made(Q("many", rules={"calculate": rule}), inside)

    (change,) = compare(counted("1 + 1"), counted("1 + 2"), indicators=FIGURES).changes
    assert (change.name, change.indicators) == ("many", ("REM-01",))


def test_a_language_column_with_another_name_hides_no_change_of_meaning() -> None:
    before, after = made(Q("a", label="Income per month")), made(Q("a", label="Income per year"))
    (question,) = [after.questions["/data/a"]]
    renamed = replace(after, questions={"/data/a": replace(question, labels={"English (en)": question.labels[""]})})
    (change,) = compare(before, renamed, indicators=FIGURES).changes
    assert (change.kind, change.verdict, change.details["signals"]) == ("label-meaning", "breaks", "unit")
    same = replace(after, questions={"/data/a": replace(question, labels={"English (en)": "Income per month"})})
    assert compare(before, same, indicators=FIGURES).changes == ()
