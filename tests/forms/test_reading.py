"""Reading workbooks: as the converter reads them, with the rows of the file, whatever the bytes."""

import csv
import datetime
import io
import zipfile
from dataclasses import fields

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyxform.errors import PyXFormError
from pyxform.xls2json_backends import get_xlsform

from forms.workbook.findings import WorkbookError
from forms.workbook.reading import KNOWN_SHEETS, read_workbook
from forms.workbook.sheets import Sheet, SheetRow
from forms.workbook.spreadsheets import cell_text
from forms.xlsform import converter_sheets
from tests.forms.conftest import SHARED

Grid = list[list[object]]


def xlsx(sheets: dict[str, Grid]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        page = book.create_sheet(title)
        for row in rows:
            page.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def csv_text(sheets: dict[str, Grid]) -> bytes:
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    for title, rows in sheets.items():
        writer.writerow([title, *("" for _ in rows[0])])
        writer.writerows(["", *row] for row in rows)
    return written.getvalue().encode()


def markdown(sheets: dict[str, Grid]) -> bytes:
    lines = []
    for title, rows in sheets.items():
        lines.append(f"| {title} |" + " |" * len(rows[0]))
        lines += ["| | " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines).encode()


def as_pyxform_reads(content: bytes, suffix: str) -> dict[str, object]:
    data = get_xlsform(xlsform=io.BytesIO(content), file_type=suffix)
    return {field.name: getattr(data, field.name) for field in fields(data)}


def as_we_read(content: bytes, suffix: str) -> dict[str, object]:
    return converter_sheets(read_workbook(content, f"a{suffix}"), "a")


def assert_read_alike(content: bytes, suffix: str) -> None:
    ours, theirs = as_we_read(content, suffix), as_pyxform_reads(content, suffix)
    for name in ("survey", "choices", "settings", "external_choices", "entities", "osm"):
        assert (ours.get(name) or None) == (theirs[name] or None), name
        headers = [{key: None for key in line if key not in ("", "None")} for line in theirs[f"{name}_header"] or []]
        assert (ours.get(f"{name}_header") or []) == headers or not (theirs[name] or ours.get(name)), name


def test_workbooks_of_the_corpus_are_read_as_the_converter_reads_them() -> None:
    folder = SHARED / "corpus" / "pyxform"
    if not folder.exists():
        pytest.skip("../shared/corpus is not here: the reading of public workbooks is left out")
    alike = 0
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        try:
            as_pyxform_reads(content, path.suffix)
        except PyXFormError:
            read_workbook(content, path.name)  # a doubled header, which is the linter's to say
            continue
        assert_read_alike(content, path.suffix)
        alike += 1
    print("workbooks read alike:", alike)  # noqa: T201 - the report that pytest -s shows
    assert alike >= 54


HEADERS = st.lists(
    st.sampled_from(["type", "name", "label", "hint", "relevant", "label::fr", "x y"]), min_size=4, unique=True
)
TEXTS = st.sampled_from(
    ["", " ", "text", "a b", "  padded ", "é", "x|y", "1.0", "#", "${q}", "non\xa0breaking", "'quoted'"]
)
CELLS = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(-1e6, 1e6).map(lambda number: round(number, 3)),
    st.datetimes(datetime.datetime(1901, 1, 1), datetime.datetime(2099, 1, 1)).map(lambda t: t.replace(microsecond=0)),
    st.times().map(lambda time: time.replace(microsecond=0)),
)


@st.composite
def grids(draw: st.DrawFn, cells: st.SearchStrategy[object]) -> Grid:
    header = draw(HEADERS)
    rows = draw(st.lists(st.lists(cells, min_size=len(header), max_size=len(header)), max_size=6))
    gap: Grid = [[None] * len(header)] * draw(st.sampled_from([0, 0, 1, 61, 62]))
    return [header, *rows, *gap, *rows[:1]]


@settings(max_examples=60)
@given(grids(CELLS), grids(CELLS))
def test_spreadsheets_are_read_as_the_converter_reads_them(survey: Grid, choices: Grid) -> None:
    assert_read_alike(xlsx({"Survey": survey, "choices": choices, "other": [["a"], ["b"]]}), ".xlsx")


PLAIN = st.sampled_from(["", "text", "a b", "é", "1.0", "${q}", "'quoted'", "x"])


@settings(max_examples=60)
@given(grids(PLAIN), grids(PLAIN))
def test_text_files_are_read_as_the_converter_reads_them(survey: Grid, choices: Grid) -> None:
    plain = [[["" if cell is None else cell for cell in row] for row in grid] for grid in (survey, choices)]
    sheets: dict[str, Grid] = {"survey": plain[0], "choices": plain[1]}
    assert_read_alike(csv_text(sheets), ".csv")
    assert_read_alike(markdown(sheets), ".md")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "TRUE"),
        (False, "FALSE"),
        (3.0, "3"),
        (2.5, "2.5"),
        (float("nan"), "nan"),
        ("  a\xa0b ", "a b"),
        (datetime.datetime(2026, 11, 20), "2026-11-20 00:00:00"),
        (datetime.time(9, 30), "09:30:00"),
    ],
)
def test_a_cell_becomes_the_text_that_the_converter_makes_of_it(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_rows_have_the_numbers_of_the_file() -> None:
    rows: Grid = [["type", "name", "label"], ["text", "a", "A"], [None, None, None], ["text", "b", "B"]]
    book = read_workbook(xlsx({"Survey": rows}), "a.xlsx")
    sheet = book.sheets["survey"]
    assert (sheet.name, sheet.header, sheet.header_row) == ("Survey", ("type", "name", "label"), 1)
    assert [row.number for row in sheet.rows] == [2, 4]
    assert sheet.cell(4, "label") == "C4"
    text = 'survey,,,\r\n\r\n,type,name,label\r\n,text,a,"two\r\nlines"\r\n,text,b,B\r\nchoices,,,\r\n,list_name,name,label\r\n'
    book = read_workbook(text.encode(), "a.csv")
    assert [row.number for row in book.sheets["survey"].rows] == [4, 6]
    assert (book.sheets["survey"].header_row, book.sheets["choices"].header_row) == (3, 8)
    lines = "# a remark\n| survey | | |\n| | type | name |\n|---|---|---|\n| | text | a |\n"
    assert read_workbook(lines.encode(), "a.md").sheets["survey"].rows == (SheetRow(5, {"type": "text", "name": "a"}),)


def test_an_only_sheet_is_the_survey_whatever_its_name() -> None:
    rows: Grid = [["type", "name", "label"], ["text", "a", "A"]]
    for content, name in ((xlsx({"Feuil1": rows}), "a.xlsx"), (markdown({"Feuil1": rows}), "a.md")):
        sheet = read_workbook(content, name).sheets["survey"]
        assert (sheet.name, len(sheet.rows)) == ("Feuil1", 1)


def test_the_map_of_changes_is_read_and_other_sheets_keep_their_names_only() -> None:
    rows: Grid = [["type", "name", "label"], ["text", "a", "A"]]
    book = read_workbook(xlsx({"survey": rows, "map": [["question"], ["a"]], "notes": [["x"], ["y"]]}), "a.xlsx")
    assert book.sheets["map"].rows == (SheetRow(2, {"question": "a"}),)
    assert book.sheets["notes"] == Sheet("notes", (), ())
    assert "map" in KNOWN_SHEETS


def test_excel_writes_csv_with_a_byte_order_mark() -> None:
    content = b"\xef\xbb\xbfsurvey,,\n,type,name\n,text,a\n"
    assert len(read_workbook(content, "a.csv").sheets["survey"].rows) == 1


@pytest.mark.parametrize(
    ("content", "name", "code", "row"),
    [
        (b"x" * ((16 << 20) + 1), "a.xlsx", "too-large", None),
        (b"", "a.ods", "unknown-type", None),
        (b"", "a.xlsx", "not-a-workbook", None),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.xls", "not-a-workbook", None),
        (b"one, two", "a.csv", "not-a-workbook", None),
        (b"survey,,,\n,type,name\n,text,\xe9t\xe9\n", "a.csv", "not-utf-8", 3),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(content: bytes, name: str, code: str, row: int | None) -> None:
    with pytest.raises(WorkbookError) as refusal:
        read_workbook(content, name)
    (found,) = refusal.value.findings
    assert (found.code, found.row) == (code, row)


def test_a_document_type_is_found_in_any_encoding() -> None:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-16"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("xl/workbook.xml", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'.encode(encoding))
        with pytest.raises(WorkbookError) as refusal:
            read_workbook(packed.getvalue(), "a.xlsx")
        assert refusal.value.findings[0].code == "doctype"


def test_an_impossible_date_of_an_old_workbook_is_named_with_its_cell() -> None:
    from forms.workbook import spreadsheets

    class Cells:
        ctype = 3

        def __init__(self, value: float) -> None:
            self.value = value

    class Page:
        nrows = 2

        @staticmethod
        def row(number: int) -> list[Cells]:
            return [Cells(44000.0), Cells(59.5 if number else 44000.5)]

    class Book:
        datemode = 0

        @staticmethod
        def sheet_by_name(_title: str) -> type[Page]:
            return Page

    bad: list[object] = []
    rows = list(spreadsheets._xls_rows(Book, "survey", bad))  # type: ignore[arg-type]
    assert rows[0] == [datetime.datetime(2020, 6, 18), datetime.datetime(2020, 6, 18, 12)]
    (found,) = bad
    assert (found.code, found.row, found.cell) == ("impossible-date", 2, "B2")  # type: ignore[attr-defined]
