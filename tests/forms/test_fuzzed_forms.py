"""No workbook, however broken, gives anything but a conversion or findings.

Valid workbooks are mutated in their cells, headers, sheets and types, and written as spreadsheets and text files; real
.xlsx and .xls files are mutated in their bytes. ``FUZZ_EXAMPLES`` says how many of each: a few in every run, many by
``make fuzz-forms``.
"""

import contextlib
import functools
import os
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forms import library
from forms.workbook.findings import WorkbookError
from forms.xlsform import convert
from tests.forms.conftest import SHARED
from tests.forms.test_reading import Grid, csv_text, markdown, xlsx

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
LONG = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
REAL = [
    "tests_example_xls_widgets.xls",
    "tests_example_xls_or_other.xlsx",
    "tests_example_xls_pull_data.xlsx",
    "tests_example_xls_loop.xls",
]

SEED: dict[str, Grid] = {
    "survey": [
        ["type", "name", "label::English (en)", "label::Français (fr)", "relevant", "constraint", "calculation"],
        ["start", "began", "", "", "", "", ""],
        ["integer", "n", "How many?", "Combien ?", "", ". >= 0 and . < 20", ""],
        ["begin_repeat", "r", "Person", "Personne", "${n} > 0", "", ""],
        ["select_one yn", "s", "Is ${n} right?", "Est-ce juste ?", "", "", ""],
        ["select_multiple yn", "m", "Which?", "Lesquels ?", "selected(${s}, '1')", "not(selected(., '2'))", ""],
        ["calculate", "c", "", "", "", "", "position(..) + if(${s} = '1', 2, 3)"],
        ["end_repeat", "", "", "", "", "", ""],
        ["begin_group", "g", "Group", "Groupe", "sum(${c}) > 3", "", ""],
        ["image", "i", "Photo", "Photo", "", "", ""],
        ["range", "w", "Range", "Échelle", "", "", ""],
        ["note", "e", "Bye", "Au revoir", "", "", ""],
        ["end_group", "", "", "", "", "", ""],
    ],
    "choices": [
        ["list_name", "name", "label::English (en)", "label::Français (fr)"],
        ["yn", "1", "Yes", "Oui"],
        ["yn", "2", "No", "Non"],
    ],
    "settings": [["form_id", "version", "default_language"], ["tiny", "1", "English (en)"]],
}
WORDS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "text",
            "select_one",
            "select_one yn or_other",
            "select_one ${r}",
            "select_one_from_file a.csv",
            "rank yn",
        ]
    ),
    st.sampled_from(
        ["begin_group", "end_group", "begin repeat", "end_repeat", "begin loop over yn", "calculate", "audit", "osm yn"]
    ),
    st.sampled_from(
        [
            "range",
            "${n}",
            "${",
            "${n",
            "${}",
            "${last-saved#n}",
            "${nobody}",
            "a b",
            "1a",
            "meta",
            "data",
            "name",
            "type",
        ]
    ),
    st.sampled_from(
        [
            ". > 1",
            "and",
            "(((((",
            "'",
            '"',
            "x[",
            "../",
            "//",
            "instance('yn')/root/item[name = ${s}]/label",
            "-1",
            "1e999",
        ]
    ),
    st.sampled_from(
        [
            "label",
            "label::",
            "::",
            ":",
            "bind::",
            "bind::a:b",
            "media::image",
            "jr:count",
            "body:x",
            "hint::English (en)",
        ]
    ),
    st.sampled_from(
        [
            "yes",
            "rows=2 x",
            "start=1 end=0",
            "randomize=true seed=x",
            "#REF!",
            "\x00",
            "\ud7ff",
            "𝒳",
            "é" * 40,
            "a" * 300,
        ]
    ),
    st.sampled_from(
        [
            "pulldata('a', 'b', 'c', ${n})",
            "indexed-repeat(${c}, ${r}, 1)",
            "once(1, 2, 3)",
            "search('a')",
            "table-list",
            "-",
        ]
    ),
    st.sampled_from(
        [
            "true()",
            "not(",
            "date('2026-13-45')",
            "if(1,2",
            "${n}${n}",
            "=1+1",
            "<b>&amp;</b>",
            "]]>",
            "<!DOCTYPE x>",
            "%s{0}",
        ]
    ),
)
VALUES = st.one_of(WORDS, WORDS, WORDS, st.text(max_size=12), st.integers(), st.booleans(), st.none())
SHEET_NAMES = st.sampled_from(
    ["survey", "choices", "settings", "Survey", "entities", "external_choices", "osm", "map", "x"]
)


@st.composite
def broken_books(draw: st.DrawFn) -> dict[str, Grid]:
    book = {name: [list(row) for row in rows] for name, rows in SEED.items()}
    for _ in range(draw(st.integers(1, 8))):
        name = draw(st.sampled_from(sorted(book)))
        rows = book[name]
        kind = draw(st.sampled_from(["cell", "cell", "cell", "header", "swap", "drop", "double", "rename", "cut"]))
        row = 0 if kind == "header" else draw(st.integers(0, max(len(rows) - 1, 0)))
        if kind == "rename":
            book[draw(SHEET_NAMES)] = book.pop(name)
        elif not rows or not rows[row]:
            continue
        elif kind in ("cell", "header"):
            rows[row][draw(st.integers(0, len(rows[row]) - 1))] = draw(VALUES)
        elif kind == "swap":
            rows[row], rows[-1] = rows[-1], rows[row]
        elif kind == "drop":
            del rows[row]
        elif kind == "double":
            rows.insert(row, list(rows[row]))
        else:
            rows[row] = rows[row][: draw(st.integers(0, len(rows[row])))]
        if not book[draw(st.sampled_from(sorted(book)))]:
            break
    return book


def must_not_fail(content: bytes, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            findings, is_refused = convert(content, name, media={"a.csv": b"name,label\n"}).findings, False
        except WorkbookError as refusal:
            findings, is_refused = refusal.findings, True
    assert any(found.severity == "error" for found in findings) == is_refused
    for found in findings:
        assert found.message("en")
        assert found.message("fr")
        assert "Traceback" not in found.message()


def printable(book: dict[str, Grid]) -> dict[str, Grid]:
    """Leave out what a spreadsheet cannot hold; its cells have no control characters and no long texts."""

    def cell(value: object) -> object:
        if isinstance(value, str):
            return "".join(one for one in value if one >= " " and not "\ud800" <= one <= "\udfff")
        return value if not isinstance(value, int) or abs(value) < 10**15 else str(value)

    return {name: [[cell(value) for value in row] for row in rows] for name, rows in book.items()}


def textual(book: dict[str, Grid]) -> dict[str, Grid]:
    return {
        name: [["" if value is None else str(value) for value in row] for row in rows] or [[""]]
        for name, rows in book.items()
    }


@LONG
@given(broken_books())
def test_broken_spreadsheets_give_findings(book: dict[str, Grid]) -> None:
    must_not_fail(xlsx(printable(book)), "fuzzed.xlsx")


@LONG
@given(broken_books())
def test_broken_text_files_give_findings(book: dict[str, Grid]) -> None:
    with contextlib.suppress(UnicodeEncodeError):  # a lone surrogate is no text that a file could hold
        must_not_fail(csv_text(textual(book)), "fuzzed.csv")
        must_not_fail(markdown(textual(book)), "fuzzed.md")


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[float, bytes, int]]:
    spots = st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=0, max_size=8), st.integers(0, 64))
    return draw(st.lists(spots, min_size=1, max_size=6))


def mutated(content: bytes, changes: list[tuple[float, bytes, int]]) -> bytes:
    for place, put, removed in changes:
        at = int(place * len(content))
        content = content[:at] + put + content[at + removed if removed % 3 == 0 else at + len(put) :]
    return content


@functools.cache
def real_files() -> list[tuple[bytes, str]]:
    folder = SHARED / "corpus" / "pyxform"
    found = [(library.workbook("hh_remit"), "hh_remit.xlsx")]
    if folder.exists():
        found += [((folder / name).read_bytes(), name) for name in REAL]
    return found


@LONG
@given(st.integers(0, 4), mutations())
def test_damaged_files_give_findings(which: int, changes: list[tuple[float, bytes, int]]) -> None:
    files = real_files()
    content, name = files[which % len(files)]
    must_not_fail(mutated(content, changes), name)


def test_old_workbooks_are_among_the_damaged_files() -> None:
    if not (SHARED / "corpus").exists():
        pytest.skip("../shared/corpus is not here: old .xls files are not mutated")
    assert {Path(name).suffix for _, name in real_files()} == {".xlsx", ".xls"}


def test_groups_a_thousand_deep_give_findings() -> None:
    deep: Grid = [["type", "name", "label"], *([["begin_group", f"g{n}", "G"] for n in range(1500)])]
    must_not_fail(xlsx({"survey": [*deep, ["text", "t", "T"], *([["end_group", "", ""]] * 1500)]}), "deep.xlsx")
