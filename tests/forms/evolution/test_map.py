"""Migration maps: reading and writing them, and what is wrong with one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms.evolution.check import check_map
from forms.evolution.declared import (
    CHANGES,
    EMPTY_MAP,
    MapRow,
    MigrationMap,
    joined_maps,
    map_of_rows,
    map_of_sheet,
    read_map,
)
from forms.workbook.findings import WorkbookError
from forms.workbook.sheets import Sheet, SheetRow
from tests.forms.evolution.made import G, Q, made
from tests.forms.evolution.remit_versions import maps, versions

HEADER = "question,change,from,to,rule,note\n"
OLD = made(
    Q("a", "integer"), Q("b", "one", choices=(("1", "Yes"), ("2", "No"))), Q("w"),
    G("r", [Q("c"), Q("x")], repeats=True),
    G("g", [Q("x")]), Q("gone"), Q("d", "decimal"),
)  # fmt: skip
NEW = made(
    Q("a", "integer"), Q("b", "one", choices=(("1", "Yes"), ("3", "Never"))), Q("w"),
    G("r", [Q("c"), Q("x")], repeats=True),
    G("g", [Q("x")]), Q("fresh"), Q("d", "decimal"),
)  # fmt: skip
FATE = "b,dropped,2,,,\n"

cells = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


@given(st.lists(st.builds(MapRow, question=cells, change=cells, old=cells, new=cells, rule=cells, note=cells)))
def test_a_map_that_is_written_and_read_is_the_same_map(rows: list[MapRow]) -> None:
    declared = map_of_rows(rows)
    assert read_map(declared.document) == declared
    assert read_map(declared.document).hash == declared.hash


@given(st.binary(max_size=80))
def test_any_bytes_are_a_map_or_are_refused_in_two_languages(content: bytes) -> None:
    try:
        read_map(content)
    except WorkbookError as error:
        assert all(finding.message("en") and finding.message("fr") for finding in error.findings)  # noqa: PT017


def test_a_map_from_a_spreadsheet_set_to_french_is_read() -> None:
    french = HEADER.replace(",", ";") + "a;same-meaning;;;;ainsi soit-il\n"
    assert read_map(b"\xef\xbb\xbf" + french.encode()).rows == (
        MapRow(question="a", change="same-meaning", note="ainsi soit-il"),
    )


def test_a_map_is_a_sheet_of_the_workbook_with_its_own_rows_and_columns() -> None:
    sheet = Sheet("Map", ("Note", "Change", "Question"), (SheetRow(7, {"Change": " Kept ", "Question": "h_other"}),))
    (row,) = map_of_sheet(sheet).rows
    assert (row.row, row.question, row.change) == (7, "h_other", "kept")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"what,change\na,kept\n", "missing-column"),
        (b"question,change,who\na,kept,me\n", "unknown-column"),
        (b'question,change\n"a,kept\n', "not-csv"),
        ("question,change\né,kept\n".encode("latin-1"), "not-utf-8"),
    ],
)
def test_a_file_that_is_no_map_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(WorkbookError) as refused:
        read_map(content)
    assert code in {finding.code for finding in refused.value.findings}


def test_no_bytes_are_the_empty_map() -> None:
    assert read_map(b"") == EMPTY_MAP == read_map(EMPTY_MAP.document)


@pytest.mark.parametrize(
    ("line", "code", "column"),
    [
        ("a,recode,1,2,,", "map-unknown-change", "change"),
        (",same-meaning,,,,", "map-missing-cell", "question"),
        ("fresh,renamed,,,,", "map-missing-cell", "from"),
        ("b,recoded,1,,,", "map-missing-cell", "to"),
        ("a,same-meaning,,,x,", "map-unneeded-cell", "rule"),
        ("nobody,same-meaning,,,,", "map-unknown-name", "question"),
        ("fresh,renamed,nobody,,,", "map-unknown-name", "from"),
        ("x,same-meaning,,,,", "map-ambiguous-name", "question"),
        ("r,renamed,gone,,,", "map-not-one-question", "from"),
        ("fresh,renamed,c,,,", "map-not-one-question", "from"),
        ("a,kept,,,,", "map-still-there", "question"),
        ("fresh,retyped,,,,", "map-not-in-both", "question"),
        ("r,retyped,,,,", "map-not-in-both", "question"),
        ("a,recoded,1,2,,", "map-no-choices", "question"),
        ("b,recoded,9,1,,", "map-unknown-code", "from"),
        ("b,recoded,1,9,,", "map-target-not-in-list", "to"),
        ("b,kept,1,,,", "map-code-still-there", "from"),
        ("a,converted,,,by four,", "map-bad-rule", "rule"),
        ("a,converted,,,* 0,", "map-bad-rule", "rule"),
        ("b,converted,,,* 4,", "map-type-mismatch", "question"),
        ("a,recomputed,,,${a} +,", "map-bad-rule", "rule"),
        ("a,recomputed,,,${nobody} + 1,", "map-bad-rule", "rule"),
        ("a,recomputed,,,a + 1,", "map-bad-rule", "rule"),
        ("a,recomputed,,,/data/a + 1,", "map-bad-rule", "rule"),
        ("a,recomputed,,,random(),", "map-bad-rule", "rule"),
        ("a,recomputed,,,string-length(${w}),", "map-identifying", "rule"),
        ("w,recomputed,,,${a},", "map-identifying", "question"),
        ("d,retyped,,,,", "map-not-needed", "change"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_where_it_stands(line: str, code: str, column: str) -> None:
    (finding,) = check_map(OLD, NEW, read_map((HEADER + FATE + line).encode()))
    assert (finding.code, finding.sheet, finding.row, finding.column) == (code, "map", 3, column)
    assert finding.what["fr"] != finding.what["en"]


def test_every_old_code_needs_an_image() -> None:
    (finding,) = check_map(OLD, NEW, EMPTY_MAP)
    assert (finding.code, finding.severity) == ("map-no-image", "error")
    assert "code 2 of “b”" in finding.what["en"]
    for fate in (
        "b,recoded,2,3,,",
        "b,recoded,2,2x,No or never,",
        "b,kept,2,,,",
        "b,dropped,2,,,",
        "b,not-comparable,,,,",
    ):
        assert check_map(OLD, NEW, read_map((HEADER + fate).encode())) == ()


@pytest.mark.parametrize(
    "lines",
    [
        "b,recoded,2,3,,\nb,kept,2,,,",
        "b,dropped,2,,,\na,converted,,,* 2,\na,not-comparable,,,,",
        "b,dropped,2,,,\ngone,kept,,,,\ngone,dropped,,,,",
    ],
)
def test_no_two_rows_decide_the_same(lines: str) -> None:
    (finding,) = check_map(OLD, NEW, read_map((HEADER + lines).encode()))
    assert finding.code == "map-doubled"
    assert finding.row == len(lines.splitlines()) + 1


def test_the_maps_of_the_questionnaire_are_right_but_for_one_list_used_twice() -> None:
    first, second, third = versions()
    assert check_map(first, second, maps()[0]) == ()
    (finding,) = check_map(second, third, maps()[1])
    assert finding.code == "map-no-image"
    assert "d_educ" in finding.what["en"]


def test_two_maps_in_a_row_are_one_for_comparing() -> None:
    first = read_map((HEADER + "b,renamed,a,,,\nb,recoded,1,2,,\nk,kept,,,,").encode())
    second = read_map((HEADER + "c,renamed,b,,,\nc,recoded,2,3,,\nz,renamed,y,,,").encode())
    assert [(row.question, row.change, row.old, row.new) for row in joined_maps([first, second]).rows] == [
        ("c", "renamed", "a", ""),
        ("c", "recoded", "1", "3"),
        ("k", "kept", "", ""),
        ("c", "recoded", "2", "3"),
        ("z", "renamed", "y", ""),
    ]


def test_every_change_that_a_map_knows_is_checked() -> None:
    declared = MigrationMap(
        tuple(MapRow(question="a", change=change, old="x", new="y", rule="z") for change in CHANGES)
    )
    assert check_map(OLD, NEW, declared)
