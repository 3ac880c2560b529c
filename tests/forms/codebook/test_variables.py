"""The codebook of one version: every column of the microdata once, in words."""

import csv
import io
import json

import pytest

from forms.codebook.tables import codebook_csv, codebook_json
from forms.codebook.variables import Codebook, Variable, read_codebook
from forms.columns import Column
from forms.definition import FormDefinition, XFormError
from forms.workbook.findings import WorkbookError
from forms.xlsform import convert
from tests.forms.conftest import SHARED
from tests.forms.small import LIST, ask, bind, form


def of(codebook: Codebook, name: str) -> Variable:
    (found,) = [variable for variable in codebook.variables() if variable.name == name]
    return found


def leaves(columns: tuple[Column, ...]) -> list[Column]:
    return [leaf for column in columns for leaf in (leaves(column.children) if column.type == "repeat" else [column])]


def test_every_column_of_the_microdata_is_a_variable_once(hh_remit: FormDefinition) -> None:
    codebook = read_codebook(hh_remit)
    columns = leaves(hh_remit.columns("analysis")) + leaves(hh_remit.columns("identifiers"))
    assert sorted(variable.path for variable in codebook.variables()) == sorted(column.path for column in columns)
    assert {variable.path: variable.name for variable in codebook.variables()} == {
        one.path: one.name for one in columns
    }
    assert [(table.name, table.above) for table in codebook.tables] == [
        ("household", ""),
        ("visit", "household"),
        ("member", "household"),
        ("abroad", "household"),
        ("worker", "household"),
        ("cost", "worker"),
        ("sender", "household"),
    ]


def test_a_variable_has_its_texts_in_every_language(small: Codebook) -> None:
    who = of(small, "who")
    assert who.labels == {"English (en)": "Who is it?", "Français (fr)": "Qui est-ce ?"}
    assert who.introduction == {"English (en)": "Read this out.", "Français (fr)": "Lire ceci."}
    assert who.hints == {"English (en)": "First name"}
    assert (who.required["en"], who.required["fr"]) == ("yes", "oui")
    assert of(small, "old").introduction == {}
    assert of(small, "old").labels["English (en)"] == "Is [who] old?"


def test_a_variable_says_where_it_is_kept_and_whether_it_leaves(small: Codebook) -> None:
    kept = {variable.name: (variable.pii, variable.store, variable.is_exported) for variable in small.variables()}
    assert kept["who"] == ("direct", "identifiers", False)
    assert kept["device"] == (None, "identifiers", False)
    assert kept["old"] == (None, "analysis", True)
    assert kept["note"] == ("none", "analysis", True)
    assert kept["weight"] == ("sensitive", "analysis", False)


def test_kinds_sources_lists_and_intervals(small: Codebook) -> None:
    shown = {variable.name: (variable.kind, variable.source, variable.table) for variable in small.variables()}
    assert shown["tools"] == ("select_multiple", "asked", "household")
    assert shown["twice"] == ("calculate", "calculated", "household")
    assert shown["device"] == ("text", "preloaded", "household")
    assert shown["weight"] == ("decimal", "asked", "child")
    categories = of(small, "tools").categories
    assert categories is not None
    assert [(one.code, one.labels["Français (fr)"]) for one in categories] == [("0", "Aucun"), ("1", "Marteau")]
    limits = of(small, "age").bounds
    assert limits is not None
    assert (limits.low, limits.high, limits.is_high_exclusive) == ("0", "120", True)


def test_words_of_constraints_calculations_and_groups(small: Codebook) -> None:
    assert of(small, "twice").calculation["en"] == "age (Age?) × 2"
    tools = of(small, "tools")
    assert tools.constraint["en"] == "not (the answer includes 0 None and the number of choices in the answer > 1)"
    assert tools.constraint_messages == {"English (en)": "Nothing, or tools."}
    (group,) = small.groups
    assert group.labels["Français (fr)"] == "A. Personnes"
    assert of(small, "note").group == "/data/a"
    assert set(group.variables) >= {of(small, "who").path, of(small, "note").path}


def select(list_name: str, label: str) -> str:
    items = f"<itemset nodeset=\"instance('{list_name}')/root/item\">"
    refs = f'<value ref="name"/><label ref="{label}"/>'
    return f'<select1 ref="/data/a"><label>Who?</label>{items}{refs}</itemset></select1>'


def test_a_list_in_a_file_is_named_and_its_rows_are_never_shown() -> None:
    rows = "<root><item><name>1</name><label>Awa</label></item></root>"
    more = f'<instance id="people" src="jr://file-csv/people.csv">{rows}</instance>'
    xform = form(instance="<a/>", binds=bind("/data/a"), body=select("people", "label"), more=more)
    (variable,) = read_codebook(FormDefinition.parse(xform)).variables()
    assert (variable.categories, variable.choice_list) == (None, "people.csv")


def test_an_internal_list_is_named_and_shown() -> None:
    body = select("l", "lab") + ask("/data/b")
    definition = FormDefinition.parse(form(instance="<a/><b/>", binds=bind("/data/a"), body=body, more=LIST))
    first, second = read_codebook(definition).variables()
    assert first.categories is not None
    assert (first.choice_list, [category.code for category in first.categories]) == ("l", ["a", "b"])
    assert first.categories[1].columns == {"n": "2"}
    assert second.categories is None


def test_json_and_csv_hold_the_same_variables(small: Codebook) -> None:
    document = json.loads(codebook_json(small))
    rows = list(csv.DictReader(io.StringIO(codebook_csv(small))))
    names = [variable["name"] for table in document["tables"] for variable in table["variables"]]
    assert [row["name"] for row in rows] == names
    assert document["hash"] == small.hash.hex()
    by_name = {row["name"]: row for row in rows}
    assert by_name["tools"]["choices_fr"] == "0=Aucun; 1=Marteau"
    assert by_name["who"]["is_exported"] == "no"
    assert by_name["old"]["label_en"] == "Is [who] old?"


def test_no_cell_of_the_csv_is_a_formula(of_small: object) -> None:
    assert callable(of_small)
    text = codebook_csv(of_small(("| Age? |", "| =HYPERLINK(1) |")))
    assert "'=HYPERLINK(1)" in text


def test_every_form_of_the_corpus_has_a_codebook() -> None:
    if not (SHARED / "corpus").exists():
        pytest.skip("../shared/corpus is not here: the codebooks of public forms are left out")
    count = 0
    for path in sorted((SHARED / "corpus").glob("*/*")):
        if path.suffix not in (".xml", ".xls", ".xlsx"):
            continue
        try:
            definition = FormDefinition.parse(convert(path.read_bytes(), path.name).xform)
        except (WorkbookError, XFormError):
            continue
        codebook = read_codebook(definition)
        assert {variable.path for variable in codebook.variables()} == set(definition.questions)
        assert all(variable.universe["fr"] for variable in codebook.variables())
        count += 1
    assert count >= 280


def test_codes_that_are_searched_in_a_file_are_never_shown() -> None:
    item = "<item><label>name</label><value>code</value></item>"
    body = f'<select1 ref="/data/a" appearance="search(\'people\')"><label>Who?</label>{item}</select1>'
    xform = form(instance="<a/>", binds=bind("/data/a"), body=body)
    definition = FormDefinition.parse(xform, {"people.csv": b"code,name\n7,Awa\n"})
    assert [choice.value for choice in definition.choices_of("/data/a") or ()] == ["7"]
    (variable,) = read_codebook(definition).variables()
    assert variable.categories is None
    assert variable.choice_list.startswith("people")
