"""From workbooks to definitions: the library, the converter, and what goes to which store."""

import contextlib
import io
import subprocess
import sys
import tracemalloc
import zipfile

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forms import library
from forms.archive import unpack
from forms.columns import Column
from forms.definition import FormDefinition, XFormError
from forms.instance import parse_instance
from forms.structure import read_answers
from forms.validation import check
from forms.workbook.findings import WorkbookError
from forms.xlsform import convert
from tests.forms.conftest import NOW, Collect
from tests.forms.small import ask, bind, form


def workbook(sheets: dict[str, list[list[object]]]) -> bytes:
    book = openpyxl.Workbook()
    for page in book.worksheets:
        book.remove(page)
    for title, rows in sheets.items():
        page = book.create_sheet(title)
        for row in rows:
            page.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def names(columns: tuple[Column, ...]) -> list[object]:
    return [(column.name, names(column.children)) if column.type == "repeat" else column.name for column in columns]


def test_the_library_has_the_household_survey_and_the_observation_of_dwellings() -> None:
    assert library.names() == ("dwelling", "dwelling@1", "hh_remit", "hh_remit@1", "hh_remit@2", "hh_remit@3")
    assert len(library.sheet("hh_remit@1", "survey")) == 208
    assert library.workbook("hh_remit") == library.workbook("hh_remit@3")
    for unknown in ("none", "hh_remit@4", "hh_remit@01", "hh_remit@"):
        with pytest.raises(KeyError):
            library.workbook(unknown)
    with pytest.raises(KeyError):
        library.sheet("hh_remit@1", "map")
    with pytest.raises(KeyError):
        library.sheet("hh_remit", "../settings")


def test_a_workbook_of_the_library_is_always_the_same_bytes() -> None:
    digest = "import hashlib; from forms import library, xlsform; w = library.workbook('hh_remit');"
    digest += "print(hashlib.sha256(w).hexdigest(), hashlib.sha256(xlsform.convert(w, 'a.xlsx').xform).hexdigest())"
    runs = {
        subprocess.run(
            [sys.executable, "-c", digest], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_the_household_survey_converts_without_a_warning() -> None:
    conversion = convert(library.workbook("hh_remit@1"), "hh_remit.xlsx")
    assert conversion.findings == ()
    assert (conversion.form_id, conversion.version) == ("hh_remit", "2026112401")
    assert conversion.title == "Household remittances and recruitment costs"


def test_odk_validate_finds_nothing_in_the_household_survey(collect: Collect, hh_remit_path: str) -> None:
    outcome = collect(op="validate", form=hh_remit_path)
    assert (outcome["valid"], outcome["errors"]) == (True, "")


def test_every_kind_of_file_gives_the_same_form() -> None:
    rows = [["type", "name", "label"], ["text", "t", "Why?"]]
    csv = '"survey",,,\n,"type","name","label"\n,"text","t","Why?"\n'
    markdown = "| survey | | | |\n| | type | name | label |\n| | text | t | Why? |\n"
    forms = [
        convert(workbook({"survey": rows}), "small.xlsx"),
        convert(csv.encode(), "small.csv"),
        convert(markdown.encode(), "small.md"),
    ]
    assert {conversion.xform for conversion in forms} == {forms[0].xform}
    assert forms[0].form_id == "small"
    passed = convert(forms[0].xform, "other.xml")
    assert (passed.xform, passed.form_id) == (forms[0].xform, "small")


@pytest.mark.parametrize(
    ("content", "filename", "code"),
    [
        (b"", "a.xlsx", "not-a-workbook"),
        (b"PK\x03\x04 broken", "a.xlsx", "not-a-workbook"),
        (b"\xd0\xcf\x11\xe0 broken", "a.xls", "not-a-workbook"),
        (b"", "a.csv", "not-a-workbook"),
        (b"nothing of a form", "a.md", "not-a-workbook"),
        (b"%PDF", "a.pdf", "unknown-type"),
        (b"", "a", "unknown-type"),
        (b"x" * ((16 << 20) + 1), "a.xlsx", "too-large"),
        (b"<x/>", "a.xml", "not-an-xform"),
        (b"<!DOCTYPE x><x/>", "a.xml", "doctype"),
        (b"<x", "a.xml", "malformed"),
        (form(instance="<q/>", form_id=""), "a.xml", "no-form-id"),
    ],
)
def test_what_is_no_workbook_is_refused_with_a_code_and_a_sentence(content: bytes, filename: str, code: str) -> None:
    with pytest.raises(WorkbookError) as refusal:
        convert(content, filename)
    (finding,) = refusal.value.findings
    assert finding.code == code
    assert finding.message().endswith(".")
    assert "Traceback" not in finding.message()


def test_an_error_names_its_sheet_and_row() -> None:
    rows = [["type", "name", "label"], ["text", "t", "Why?"], ["text", "", "What?"]]
    with pytest.raises(WorkbookError) as refusal:
        convert(workbook({"survey": rows}), "a.xlsx")
    errors = [finding for finding in refusal.value.findings if finding.severity == "error"]
    assert [(one.code, one.sheet, one.row, one.column, one.cell) for one in errors] == [
        ("name-missing", "survey", 3, "name", "B3")
    ]


def test_what_only_the_converter_refuses_is_a_finding_with_its_row() -> None:
    rows = [["type", "name", "label", "save_to"], ["text", "t", "Why?", ""], ["text", "u", "What?", "place"]]
    with pytest.raises(WorkbookError) as refusal:
        convert(workbook({"survey": rows}), "a.xlsx")
    found = refusal.value.findings[0]
    assert (found.code, found.severity, found.sheet, found.row, found.cell) == ("converter", "error", "survey", 3, "D3")
    assert found.what["fr"].startswith("Le convertisseur refuse le classeur : « On the 'survey' sheet")
    text = "| survey | | | | |\n| | type | name | label | save_to |\n\n| | text | t | Why? | place |\n"
    with pytest.raises(WorkbookError) as refusal:
        convert(text.encode(), "a.md")
    assert refusal.value.findings[0].place == "survey:4:save_to"


def test_a_warning_of_the_converter_is_a_finding() -> None:
    rows = [["type", "name", "label"], ["text", "t", "Why?"], ["simserial", "s", ""]]
    (found,) = [
        one for one in convert(workbook({"survey": rows}), "a.xlsx").findings if one.code == "converter-warning"
    ]
    assert (found.severity, found.sheet, found.row) == ("warning", "survey", 3)
    assert found.message("fr").startswith("Remarque du convertisseur : « simserial")


def test_a_workbook_that_unpacks_to_very_much_or_declares_entities_is_refused() -> None:
    bomb, entities = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * ((128 << 20) + 1))
    with zipfile.ZipFile(entities, "w") as archive:
        archive.writestr("xl/workbook.xml", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')
    for content, code in ((bomb, "unpacks-too-large"), (entities, "doctype")):
        with pytest.raises(WorkbookError) as refusal:
            convert(content.getvalue(), "a.xlsx")
        assert [finding.code for finding in refusal.value.findings] == [code]


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("filename", ["a.xlsx", "a.zip"])
def test_an_archive_that_lies_about_its_size_is_refused_before_it_fills_the_memory(
    compression: int, filename: str
) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        archive.writestr("xl/workbook.xml" if filename == "a.xlsx" else "survey.xlsx", b" " * (64 << 20))
    lying = content.getvalue().replace((64 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    tracemalloc.start()
    with pytest.raises(WorkbookError):
        unpack(lying) if filename == "a.zip" else convert(lying, filename)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@given(st.binary(max_size=200), st.sampled_from(["a.xlsx", "a.xls", "a.csv", "a.md", "a.xml"]))
def test_no_bytes_give_anything_but_a_form_or_a_refusal(content: bytes, filename: str) -> None:
    with pytest.raises(WorkbookError):
        convert(content, filename)


CELLS = st.sampled_from(
    [
        "",
        "text",
        "q",
        "select_one l",
        "begin_group",
        "end_group",
        "begin_repeat",
        "${q}",
        "calculate",
        "1",
        "type",
        "name",
    ]
)


@settings(max_examples=40)
@given(st.lists(st.lists(CELLS, max_size=5), max_size=6), st.lists(st.lists(CELLS, max_size=3), max_size=3))
def test_no_sheets_give_a_traceback(survey: list[list[str]], choices: list[list[str]]) -> None:
    header = ["type", "name", "label", "calculation", "relevant"]
    sheets: dict[str, list[list[object]]] = {
        "survey": [header, *survey],
        "choices": [["list_name", "name", "label"], *choices],
    }
    with contextlib.suppress(WorkbookError):
        assert convert(workbook(sheets), "a.xlsx").form_id == "a"


def test_the_definition_of_the_household_survey(hh_remit: FormDefinition) -> None:
    assert (len(hh_remit.hash), len(hh_remit.md5)) == (32, 32)
    assert hh_remit.languages == ("English (en)", "Français (fr)")
    visa = hh_remit.questions["/data/e/worker/e_visa"]
    assert (visa.control, visa.type) == ("select1", "string")
    assert visa.labels["English (en)"].startswith("On what visa or permit did {")
    assert hh_remit.binds[visa.path].pii == "sensitive"
    occupations = hh_remit.choices_of("/data/e/worker/e_isco2")
    assert occupations is not None
    assert len(occupations) == 43
    assert occupations[0].columns["major"] == "1"
    assert occupations[0].labels["Français (fr)"].startswith("Directeurs")
    assert set(hh_remit.repeats) == {
        "/data/a/visit",
        "/data/c/member",
        "/data/d/abroad",
        "/data/e/worker",
        "/data/e/worker/cost",
        "/data/f/sender",
    }
    assert sum(1 for question in hh_remit.questions.values() if question.control) == 130


def test_names_positions_and_free_text_are_apart(hh_remit: FormDefinition) -> None:
    assert names(hh_remit.columns("identifiers")) == [
        "device_id",
        ("member", ["c_name"]),
        ("abroad", ["d_name"]),
        ("worker", ["e_name", "e_occ_txt"]),
        "j_phone",
        "j_gps",
        "j_note",
        "instanceName",
    ]
    analysis = {column.name: column for column in hh_remit.columns("analysis")}
    assert (analysis["household_key"].pii, analysis["enumerator_id"].pii) == ("key", "none")
    assert {column.name: column.type for column in analysis["worker"].children}["cost"] == "repeat"
    assert (analysis["int_date"].type, analysis["c_n"].type, analysis["h_rent"].type) == ("date", "integer", "decimal")


def test_what_nobody_has_classified_counts_as_identifying() -> None:
    definition = FormDefinition.parse(
        form(
            instance="<free/><checked/><place/><photo/><sum/><coded/>",
            binds=bind("/data/free")
            + bind("/data/checked", pii="none")
            + bind("/data/place", "geopoint")
            + bind("/data/photo", "binary")
            + bind("/data/sum", calculate="1"),
            body="".join(ask(f"/data/{name}") for name in ("free", "checked", "place", "photo"))
            + '<select1 ref="/data/coded"><label>?</label><item><label>1</label><value>1</value></item></select1>',
        )
    )
    assert names(definition.columns("identifiers")) == ["free", "place", "photo"]
    assert names(definition.columns("analysis")) == ["checked", "sum", "coded"]


def test_equal_names_in_different_groups_give_different_columns() -> None:
    definition = FormDefinition.parse(
        form(
            instance="<a><n/><b><n/></b></a><c><n/><a_n/></c><n/><m/><r><n/></r>",
            body='<repeat nodeset="/data/r"></repeat>',
        )
    )
    assert names(definition.columns("analysis")) == ["a_n", "b_n", "c_n", "c_a_n", "n", "m", ("r", ["n"])]


def test_names_that_stay_equal_are_numbered() -> None:
    definition = FormDefinition.parse(form(instance="<c/><b_c/><a><b_c/></a><a_b><c/></a_b>"))
    assert names(definition.columns("analysis")) == ["c", "b_c", "a_b_c", "a_b_c_2"]


def test_a_list_in_a_file_beside_the_form_is_not_judged() -> None:
    far = '<itemset nodeset="instance(\'far\')/root/item"><value ref="name"/></itemset>'
    listed = f'<select1 ref="/data/q"><label>?</label>{far}</select1>'
    searched = (
        '<select1 ref="/data/s" appearance="search(\'far\')"><label>?</label><item><value>key</value></item></select1>'
    )
    definition = FormDefinition.parse(
        form(instance="<q/><s/>", body=listed + searched, more='<instance id="far" src="jr://file-csv/far.csv"/>')
    )
    assert (definition.choices_of("/data/q"), definition.choices_of("/data/s")) == (None, None)
    instance = parse_instance(b'<data id="small"><q>anything</q><s>at all</s></data>')
    assert read_answers(definition, instance).findings == ()
    assert {finding.code for finding in check(definition, instance, now=NOW)} == {"not-evaluated"}


@pytest.mark.parametrize(
    ("xform", "code"),
    [
        (b"<html/>", "not-an-xform"),
        (b'<h xmlns:h="x"><model><instance/></model><body/></h>', "not-an-xform"),
        (form(instance="<q/>", binds="<bind/>"), "broken-reference"),
        (form(instance="<q/>", body='<input bind="none"/>'), "broken-reference"),
        (form(instance="<q/>", body="<repeat/>"), "broken-reference"),
        (form(instance="<a>" * 200 + "</a>" * 200), "too-deep"),
    ],
)
def test_a_document_that_is_no_form_is_refused(xform: bytes, code: str) -> None:
    with pytest.raises(XFormError) as refusal:
        FormDefinition.parse(xform)
    assert refusal.value.code == code


def test_bind_ids_and_relative_references_are_resolved() -> None:
    definition = FormDefinition.parse(
        form(
            instance="<q/><g><s/></g>",
            binds='<bind id="b" nodeset="/data/q" type="int"/>',
            body='<input bind="b"><label>Plain</label><hint>H</hint></input>'
            '<group ref="/data/g"><input ref="s"/></group>',
        )
    )
    assert (definition.questions["/data/q"].type, definition.questions["/data/q"].labels) == ("int", {"": "Plain"})
    assert definition.questions["/data/g/s"].control == "input"
