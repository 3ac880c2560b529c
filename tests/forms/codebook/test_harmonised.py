"""All versions in one codebook: where a variable is present, what changed, and whether answers still compare."""

import csv
import io
import itertools
import json
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from forms.codebook.comparing import is_same_wording
from forms.codebook.harmonised import HarmonisedCodebook, HarmonisedVariable, harmonise
from forms.codebook.tables import codebook_json, harmonised_csv
from forms.codebook.variables import Codebook

Make = Callable[..., Codebook]
SECOND = ("| small | 1 |", "| small | 2 |")
THIRD = ("| small | 1 |", "| small | 3 |")


def of(codebook: HarmonisedCodebook, name: str) -> HarmonisedVariable:
    (found,) = [variable for variable in codebook.variables if variable.latest.name == name]
    return found


def codes(variable: HarmonisedVariable) -> list[str]:
    return [note.code for note in variable.notes]


def test_the_same_form_twice_has_no_notes(small: Codebook, of_small: Make) -> None:
    both = harmonise([small, of_small(SECOND)])
    assert both.versions == ("1", "2")
    assert all(variable.versions == ("1", "2") and variable.notes == () for variable in both.variables)
    assert [one.latest.path for one in both.variables] == [one.path for one in small.variables()]


def test_a_wording_that_changed_is_told_apart_from_its_spelling(small: Codebook, of_small: Make) -> None:
    changed = of_small(SECOND, ("| Which tools? |", "| Which tools did you buy? |"), ("| Age? |", "| AGE ? |"))
    both = harmonise([small, changed])
    tools, age = of(both, "tools"), of(both, "age")
    assert (codes(tools), codes(age)) == (["label"], ["spelling"])
    assert tools.notes[0].text["en"] == "The wording (en) was “Which tools?” and is “Which tools did you buy?”."
    assert (tools.notes[0].before, tools.notes[0].after, tools.notes[0].is_grave) == ("1", "2", True)
    assert not age.notes[0].is_grave


def test_choices_are_united_with_the_versions_that_have_them(small: Codebook, of_small: Make) -> None:
    second = of_small(SECOND, ("| tool | 1 | Hammer | Marteau |", "| tool | 2 | Saw | Scie |"))
    third = of_small(THIRD, ("| tool | 0 | None | Aucun |", "| tool | 0 | No tool | Aucun outil |"))
    tools = of(harmonise([small, second, third]), "tools")
    assert tools.categories is not None
    assert {one.category.code: one.versions for one in tools.categories} == {
        "0": ("1", "2", "3"),
        "1": ("1", "3"),
        "2": ("2",),
    }
    labels = {one.category.code: one.category.labels["English (en)"] for one in tools.categories}
    assert labels == {"0": "No tool", "1": "Hammer", "2": "Saw"}
    assert codes(tools)[:2] == ["choice-added", "choice-removed"]
    assert "choice-label" in codes(tools)


def test_a_variable_that_went_and_came_back_says_so(small: Codebook, of_small: Make) -> None:
    without = of_small(SECOND, ("| | calculate | twice | | | | | | | | ${age} * 2 | |\n", ""))
    twice = of(harmonise([small, without, of_small(THIRD)]), "twice")
    assert twice.versions == ("1", "3")
    assert codes(twice) == ["absent"]
    assert "version 2" in twice.notes[0].text["fr"]


def test_a_removed_variable_stays_in_the_codebook_after_its_table(small: Codebook, of_small: Make) -> None:
    without = of_small(SECOND, ("| | calculate | twice | | | | | | | | ${age} * 2 | |\n", ""))
    both = harmonise([small, without])
    names = [variable.latest.name for variable in both.variables]
    assert of(both, "twice").versions == ("1",)
    assert names.index("age") < names.index("twice") < names.index("weight")


RENAMED = (("| tools | Which", "| gear | Which"),)


def test_a_rename_is_followed_only_where_it_is_declared(small: Codebook, of_small: Make) -> None:
    second = of_small(SECOND, *RENAMED)
    declared = of(harmonise([small, second], {"2": {"tools": "gear"}}), "gear")
    assert (declared.versions, declared.names) == (("1", "2"), {"1": "tools", "2": "gear"})
    assert codes(declared) == ["renamed"]
    silent = harmonise([small, second])
    assert (of(silent, "gear").versions, of(silent, "tools").versions) == (("2",), ("1",))


def test_a_new_variable_under_a_name_that_was_renamed_away_starts_afresh(small: Codebook, of_small: Make) -> None:
    second = of_small(SECOND, *RENAMED, ("| | calculate | twice |", "| | calculate | tools |"))
    both = harmonise([small, second], {"2": {"tools": "gear"}})
    assert (of(both, "gear").versions, of(both, "tools").versions) == (("1", "2"), ("2",))
    swapped = of_small(SECOND, *RENAMED, ("| who | **Who**", "| tools | **Who**"), ("${who}", "${tools}"))
    both = harmonise([small, swapped], {"2": {"tools": "gear"}})
    assert (of(both, "gear").versions, of(both, "tools").versions) == (("1", "2"), ("2",))


def test_a_code_that_a_list_repeats_is_united_once(of_small: Make) -> None:
    twice = ("| tool | 1 | Hammer", "| tool | 1 | Mallet | Maillet |\n| | tool | 1 | Hammer")
    allowed = (
        "| | form_id | version | form_title |",
        "| | form_id | version | form_title | allow_choice_duplicates |",
    )
    first = of_small(twice, allowed, ("| small | 1 | Small |", "| small | 1 | Small | yes |"))
    tools = of(harmonise([first]), "tools")
    assert [(one.category.code, one.versions) for one in tools.categories or ()] == [("0", ("1",)), ("1", ("1",))]


def test_type_condition_and_class_that_changed_are_noted(small: Codebook, of_small: Make) -> None:
    changed = of_small(
        SECOND,
        ("| | integer | age | Age? |", "| | decimal | age | Age? |"),
        ("| | ${age} > 12 |", "| | ${age} > 15 |"),
        ("| sensitive |", "| none |"),
        (". >= 0 and . < 120", ". >= 0 and . < 99"),
        ("${age} * 2", "${age} * 3"),
    )
    both = harmonise([small, changed])
    assert codes(of(both, "age")) == ["type", "kind", "constraint"]
    assert codes(of(both, "weight")) == ["classification", "universe"]
    assert codes(of(both, "twice")) == ["calculation"]
    assert of(both, "weight").notes[1].text["fr"].startswith("Population différente")


def test_json_and_csv_show_the_versions(small: Codebook, of_small: Make) -> None:
    second = of_small(SECOND, *RENAMED, ("| tool | 1 | Hammer | Marteau |", "| tool | 2 | Saw | Scie |"))
    both = harmonise([small, second], {"2": {"tools": "gear"}})
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(harmonised_csv(both)))}
    assert (rows["gear"]["versions"], rows["gear"]["earlier_names"]) == ("1; 2", "tools")
    assert rows["gear"]["choice_versions"] == "1: 1; 2: 2"
    assert "2: New choice 2 (Saw)." in rows["gear"]["notes_en"]
    assert json.loads(codebook_json(both))["versions"] == ["1", "2"]


CHANGES = {
    "tools": ("| tools | Which", "| gear | Which"),
    "twice": ("| | calculate | twice | | | | | | | | ${age} * 2 | |\n", ""),
    "label": ("| Age? |", "| How old? |"),
    "choice": ("| tool | 1 | Hammer | Marteau |", "| tool | 2 | Saw | Scie |"),
}


@given(steps=st.lists(st.sets(st.sampled_from(sorted(CHANGES))), min_size=1, max_size=4))
def test_every_variable_of_every_version_is_in_exactly_one_place(of_small: Make, steps: list[set[str]]) -> None:
    books = [
        of_small(("| small | 1 |", f"| small | v{number} |"), *(CHANGES[name] for name in sorted(step)))
        for number, step in enumerate(steps)
    ]
    joined = harmonise(books)
    placed = sorted((version, one.names[version]) for one in joined.variables for version in one.versions)
    assert placed == sorted((book.version, one.name) for book in books for one in book.variables())
    for variable in joined.variables:
        order = [joined.versions.index(version) for version in variable.versions]
        assert order == sorted(order)
        for category in variable.categories or ():
            assert set(category.versions) <= set(variable.versions)


def test_wording_is_compared_by_its_letters() -> None:
    assert is_same_wording("Âge, en années ?", "age en ANNEES")
    for one, other in itertools.combinations(["Age", "Ages", "Aged"], 2):
        assert not is_same_wording(one, other)
