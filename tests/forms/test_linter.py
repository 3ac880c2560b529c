"""What the linter says: each code of the catalogue from a workbook that has it, in its place, and nothing too much."""

import re
from pathlib import Path

import pytest

from forms.workbook.findings import LANGUAGES, WorkbookError, WorkbookFinding
from forms.workbook.lint import MAX_OF_A_RULE, lint, vocabulary
from forms.workbook.lint.catalogue import CATALOGUE, packages
from forms.workbook.lint.catalogue.page import reference_page
from forms.workbook.lint.functions import ARGUMENTS
from forms.workbook.reading import read_workbook
from forms.xlsform import convert
from forms.xpath.functions import FUNCTIONS, SELECTORS

SETTINGS = "| settings | form_id | form_title | version |\n| | tiny | Tiny | 1 |\n"
YESNO = [["list_name", "name", "label"], ["yn", "1", "Yes"], ["yn", "2", "No"]]
OPEN = {"pii-not-marked", "and-more"}


def table(name: str, rows: list[list[str]]) -> str:
    lines = [f"| {name} |" + " |" * len(rows[0])]
    lines += ["| | " + " | ".join(cell.replace("|", r"\|") or " " for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def book(survey: list[list[str]], choices: list[list[str]] | None = None, settings: str = SETTINGS) -> bytes:
    text = table("survey", survey) + (table("choices", choices) if choices else "") + settings
    return text.encode()


def linted(content: bytes, media: dict[str, bytes] | None = None) -> tuple[WorkbookFinding, ...]:
    return lint(read_workbook(content, "tiny.md"), given=media or {})


def asked(*rows: list[str], header: str = "type name label") -> list[list[str]]:
    return [header.split(), *rows]


def ruled(column: str, text: str, kind: str = "integer") -> list[list[str]]:
    """A number, a select and a question of a kind with an expression."""
    return [
        ["type", "name", "label", column],
        ["integer", "n", "How many?", ""],
        ["select_one yn", "s", "Is it?", ""],
        [kind, "q", "What?", text],
    ]


# By code: survey, choices and settings that give the finding, and its sheet, row (the line of the file) and column.
CASES: dict[str, tuple[list[list[str]], list[list[str]] | None, str, tuple[str | None, int | None, str | None]]] = {
    "no-questions": ([["type", "name"]], None, SETTINGS, ("survey", None, None)),
    "type-missing": (asked(["", "a", "A"], ["text", "b", "B"]), None, SETTINGS, ("survey", 3, "type")),
    "row-ignored": (
        [["type", "name", "label", "remark"], ["text", "a", "A", ""], ["", "", "", "later"]],
        None,
        SETTINGS,
        ("survey", 4, None),
    ),
    "question-type-unknown": (asked(["intger", "a", "A"]), None, SETTINGS, ("survey", 3, "type")),
    "list-not-named": (asked(["select_one", "a", "A"]), YESNO, SETTINGS, ("survey", 3, "type")),
    "list-name-with-space": (asked(["select_one yes no", "a", "A"]), YESNO, SETTINGS, ("survey", 3, "type")),
    "begin-without-end": (
        asked(["begin_group", "g", "G"], ["text", "a", "A"]),
        None,
        SETTINGS,
        ("survey", 3, "type"),
    ),
    "end-without-begin": (asked(["text", "a", "A"], ["end_repeat", "", ""]), None, SETTINGS, ("survey", 4, "type")),
    "group-empty": (
        asked(["text", "a", "A"], ["begin_group", "g", "G"], ["end_group", "", ""]),
        None,
        SETTINGS,
        ("survey", 4, "type"),
    ),
    "name-missing": (asked(["text", "", "A"]), None, SETTINGS, ("survey", 3, "name")),
    "name-invalid": (asked(["text", "1st job", "A"]), None, SETTINGS, ("survey", 3, "name")),
    "name-duplicate": (asked(["text", "a", "A"], ["text", "a", "B"]), None, SETTINGS, ("survey", 4, "name")),
    "name-case": (asked(["text", "a", "A"], ["text", "A", "B"]), None, SETTINGS, ("survey", 4, "name")),
    "name-reserved": (asked(["text", "meta", "A"]), None, SETTINGS, ("survey", 3, "name")),
    "repeat-name-taken": (
        asked(
            ["begin_group", "g", "G"],
            ["begin_repeat", "r", "R"],
            ["text", "a", "A"],
            ["end_repeat", "", ""],
            ["end_group", "", ""],
            ["begin_repeat", "r", "R"],
            ["text", "b", "B"],
            ["end_repeat", "", ""],
        ),
        None,
        SETTINGS,
        ("survey", 8, "name"),
    ),
    "label-missing": (asked(["text", "a", ""]), None, SETTINGS, ("survey", 3, "label")),
    "repeat-label-missing": (
        asked(["begin_repeat", "r", ""], ["text", "a", "A"], ["end_repeat", "", ""]),
        None,
        SETTINGS,
        ("survey", 3, "label"),
    ),
    "calculation-missing": (
        asked(["text", "b", "B", ""], ["calculate", "a", "", ""], header="type name label calculation"),
        None,
        SETTINGS,
        ("survey", 4, "calculation"),
    ),
    "audit-named": (asked(["audit", "log", ""]), None, SETTINGS, ("survey", 3, "name")),
    "parameter-malformed": (ruled("parameters", "rows", "text"), YESNO, SETTINGS, ("survey", 5, "parameters")),
    "parameter-unknown": (ruled("parameters", "row=3", "text"), YESNO, SETTINGS, ("survey", 5, "parameters")),
    "parameter-value": (ruled("parameters", "rows=many", "text"), YESNO, SETTINGS, ("survey", 5, "parameters")),
    "photo-without-limit": (asked(["image", "a", "A"]), None, SETTINGS, ("survey", 3, "parameters")),
    "repeat-count-misplaced": (ruled("repeat_count", "3"), YESNO, SETTINGS, ("survey", 5, "repeat_count")),
    "repeat-count-inside": (
        asked(
            ["begin_repeat", "r", "R", "${a}"],
            ["integer", "a", "A", ""],
            ["end_repeat", "", "", ""],
            header="type name label repeat_count",
        ),
        None,
        SETTINGS,
        ("survey", 3, "repeat_count"),
    ),
    "repeat-count-value": (
        asked(
            ["begin_repeat", "r", "R", "three"],
            ["integer", "a", "A", ""],
            ["end_repeat", "", "", ""],
            header="type name label repeat_count",
        ),
        None,
        SETTINGS,
        ("survey", 3, "repeat_count"),
    ),
    "required-not-understood": (ruled("required", "oui"), YESNO, SETTINGS, ("survey", 5, "required")),
    "appearance-misspelled": (ruled("appearance", "filed-list"), YESNO, SETTINGS, ("survey", 5, "appearance")),
    "trigger-malformed": (ruled("trigger", "n"), YESNO, SETTINGS, ("survey", 5, "trigger")),
    "trigger-unknown": (ruled("trigger", "${m}"), YESNO, SETTINGS, ("survey", 5, "trigger")),
    "default-not-a-choice": (ruled("default", "9", "select_one yn"), YESNO, SETTINGS, ("survey", 5, "default")),
    "default-not-a-number": (ruled("default", "none"), YESNO, SETTINGS, ("survey", 5, "default")),
    "choices-sheet-missing": (asked(["select_one yn", "a", "A"]), None, SETTINGS, ("survey", 3, "type")),
    "list-unknown": (asked(["select_one ny", "a", "A"]), YESNO, SETTINGS, ("survey", 3, "type")),
    "list-unused": (asked(["text", "a", "A"]), YESNO, SETTINGS, ("choices", 6, "list_name")),
    "list-file-type": (asked(["select_one_from_file t.txt", "a", "A"]), YESNO, SETTINGS, ("survey", 3, "type")),
    "choice-without-list": (
        asked(["select_one yn", "a", "A"]),
        [*YESNO, ["", "3", "Lost"]],
        SETTINGS,
        ("choices", 8, "list_name"),
    ),
    "choice-without-name": (
        asked(["select_one yn", "a", "A"]),
        [*YESNO, ["yn", "", "Lost"]],
        SETTINGS,
        ("choices", 8, "name"),
    ),
    "choice-without-label": (
        asked(["select_one yn", "a", "A"]),
        [*YESNO, ["yn", "3", ""]],
        SETTINGS,
        ("choices", 8, "label"),
    ),
    "choice-duplicate": (
        asked(["select_one yn", "a", "A"]),
        [*YESNO, ["yn", "2", "Never"]],
        SETTINGS,
        ("choices", 8, "name"),
    ),
    "choice-same-label": (
        asked(["select_one yn", "a", "A"]),
        [*YESNO, ["yn", "3", "No"]],
        SETTINGS,
        ("choices", 8, "label"),
    ),
    "choice-with-space": (
        asked(["select_multiple yn", "a", "A"]),
        [*YESNO, ["yn", "not known", "Not known"]],
        SETTINGS,
        ("choices", 8, "name"),
    ),
    "filter-column-unknown": (
        ruled("choice_filter", "region = ${n}", "select_one yn"),
        YESNO,
        SETTINGS,
        ("survey", 5, "choice_filter"),
    ),
    "or-other-filter": (
        ruled("choice_filter", "name = ${n}", "select_one yn or_other"),
        YESNO,
        SETTINGS,
        ("survey", 5, "choice_filter"),
    ),
    "or-other-untranslated": (
        [["type", "name", "label::English (en)"], ["select_one yn or_other", "a", "A"]],
        YESNO,
        SETTINGS,
        ("survey", 3, "type"),
    ),
    "translation-column-missing": (
        [
            ["type", "name", "label::English (en)", "label::Français (fr)", "hint::English (en)"],
            ["text", "a", "A", "A", "B"],
        ],
        None,
        SETTINGS,
        ("survey", 2, "hint::English (en)"),
    ),
    "translation-missing": (
        [["type", "name", "label::English (en)", "label::Français (fr)"], ["text", "a", "A", ""]],
        None,
        SETTINGS,
        ("survey", 3, "label::Français (fr)"),
    ),
    "language-mixed": (
        [["type", "name", "label", "label::Français (fr)"], ["text", "a", "A", "A"]],
        None,
        SETTINGS,
        ("survey", 2, "label"),
    ),
    "language-twice": (
        [["type", "name", "label::English (en)", "hint::English"], ["text", "a", "A", "A"]],
        None,
        SETTINGS,
        ("survey", 2, "hint::English"),
    ),
    "language-without-code": (
        [["type", "name", "label::English"], ["text", "a", "A"]],
        None,
        SETTINGS,
        ("survey", 2, "label::English"),
    ),
    "default-language-unknown": (
        [["type", "name", "label::English (en)"], ["text", "a", "A"]],
        None,
        SETTINGS.replace("version |", "version | default_language |").replace("1 |", "1 | French |"),
        ("settings", 5, "default_language"),
    ),
    "reference-unknown": (ruled("relevant", "${m} > 1"), YESNO, SETTINGS, ("survey", 5, "relevant")),
    "reference-ambiguous": (
        asked(
            ["text", "a", "A", ""],
            ["begin_group", "g", "G", ""],
            ["text", "a", "A", ""],
            ["text", "b", "B", "${a} = 'x'"],
            ["end_group", "", "", ""],
            header="type name label relevant",
        ),
        None,
        SETTINGS,
        ("survey", 6, "relevant"),
    ),
    "reference-malformed": (ruled("relevant", "${n > 1"), YESNO, SETTINGS, ("survey", 5, "relevant")),
    "reference-into-repeat": (
        asked(
            ["begin_repeat", "r", "R"],
            ["text", "a", "A"],
            ["end_repeat", "", ""],
            ["note", "b", "Is ${a} well?"],
        ),
        None,
        SETTINGS,
        ("survey", 6, "label"),
    ),
    "reference-without-braces": (ruled("relevant", "n > 1"), YESNO, SETTINGS, ("survey", 5, "relevant")),
    "xpath-syntax": (ruled("relevant", "${n} >> 1"), YESNO, SETTINGS, ("survey", 5, "relevant")),
    "function-unknown": (ruled("relevant", "slected(${s}, '1')"), YESNO, SETTINGS, ("survey", 5, "relevant")),
    "function-not-in-collect": (
        ruled("relevant", "upper-case(${n}) = 'A'"),
        YESNO,
        SETTINGS,
        ("survey", 5, "relevant"),
    ),
    "argument-count": (ruled("relevant", "selected(${s})"), YESNO, SETTINGS, ("survey", 5, "relevant")),
    "comparison-not-a-choice": (ruled("relevant", "${s} = '9'"), YESNO, SETTINGS, ("survey", 5, "relevant")),
    "comparison-not-a-number": (ruled("relevant", "${n} = 'two'"), YESNO, SETTINGS, ("survey", 5, "relevant")),
    "cycle": (ruled("relevant", "${q} = 1"), YESNO, SETTINGS, ("survey", 5, "relevant")),
    "constraint-never-holds": (ruled("constraint", ". > 9 and . < 5"), YESNO, SETTINGS, ("survey", 5, "constraint")),
    "never-asked": (ruled("relevant", "${s} = '1' and ${s} = '2'"), YESNO, SETTINGS, ("survey", 5, "relevant")),
    "name-too-long-for-stata": (asked(["integer", "a" * 33, "A"]), None, SETTINGS, ("survey", 3, "name")),
    "name-too-long-for-spss": (asked(["integer", "a" * 65, "A"]), None, SETTINGS, ("survey", 3, "name")),
    "column-names-clash": (
        asked(
            ["integer", "Age", "A"],
            ["begin_group", "g", "G"],
            ["integer", "age", "A"],
            ["end_group", "", ""],
        ),
        None,
        SETTINGS,
        ("survey", 5, "name"),
    ),
    "name-not-for-statistics": (asked(["integer", "hh-size", "A"]), None, SETTINGS, ("survey", 3, "name")),
    "pii-not-marked": (asked(["text", "a", "A"]), None, SETTINGS, ("survey", 3, "pii")),
    "pii-in-analysis": (asked(["integer", "phone_number", "A"]), None, SETTINGS, ("survey", 3, "pii")),
    "pii-unknown": (
        ruled("bind::passerelle:pii", "yes"),
        YESNO,
        SETTINGS.replace("version |", "version | namespaces |").replace("1 |", '1 | passerelle="https://p.example" |'),
        ("survey", 5, "bind::passerelle:pii"),
    ),
    "column-missing": ([["name", "label"], ["a", "A"]], None, SETTINGS, ("survey", 2, None)),
    "column-unknown": (ruled("remarks of the team", "!"), YESNO, SETTINGS, ("survey", 2, "remarks of the team")),
    "column-misspelled": (ruled("relevent", "true()"), YESNO, SETTINGS, ("survey", 2, "relevent")),
    "column-disabled": (ruled("disabled", "no"), YESNO, SETTINGS, ("survey", 2, "disabled")),
    "header-duplicate": (ruled("label", "B"), YESNO, SETTINGS, ("survey", 2, "label")),
    "header-twice": (
        asked(["text", "a", "A", "true()", "true()"], header="type name label relevant relevance"),
        None,
        SETTINGS,
        ("survey", 2, "relevant"),
    ),
    "choice-column-invalid": (
        asked(["select_one yn", "a", "A"]),
        [["list_name", "name", "label", "home town"], ["yn", "1", "Yes", "x"]],
        SETTINGS,
        ("choices", 5, "home town"),
    ),
    "namespace-undeclared": (ruled("bind::acme:rank", "1"), YESNO, SETTINGS, ("survey", 2, "bind::acme:rank")),
    "excel-error": (asked(["text", "a", "#REF!"]), None, SETTINGS, ("survey", 3, "label")),
    "form-id-missing": (asked(["text", "a", "A"]), None, "", (None, None, None)),
    "form-id-invalid": (
        asked(["text", "a", "A"]),
        None,
        SETTINGS.replace("tiny", "tiny form"),
        ("settings", 5, "form_id"),
    ),
    "version-missing": (asked(["text", "a", "A"]), None, "", (None, None, None)),
    "title-missing": (asked(["text", "a", "A"]), None, "", (None, None, None)),
    "settings-rows": (asked(["text", "a", "A"]), None, SETTINGS + "| | other | O | 2 |\n", ("settings", 6, None)),
    "setting-unknown": (
        asked(["text", "a", "A"]),
        None,
        SETTINGS.replace("version |", "version | author |").replace("1 |", "1 | me |"),
        ("settings", 4, "author"),
    ),
    "setting-misspelled": (
        asked(["text", "a", "A"]),
        None,
        SETTINGS.replace("version |", "version | defualt_language |").replace("1 |", "1 | en |"),
        ("settings", 4, "defualt_language"),
    ),
    "sheet-misspelled": (
        asked(["text", "a", "A"]),
        None,
        SETTINGS.replace("settings", "setings"),
        ("setings", None, None),
    ),
}
ELSEWHERE = {
    "and-more": "test_a_rule_that_finds_no_end_is_cut_off",
    "media-missing": "test_media_are_compared_with_what_the_form_names",
    "media-unused": "test_media_are_compared_with_what_the_form_names",
    "sheet-missing": "test_a_workbook_without_a_survey_is_refused",
    **dict.fromkeys(
        ("not-a-workbook", "unknown-type", "too-large", "unpacks-too-large", "doctype", "not-utf-8", "impossible-date"),
        "test_reading",
    ),
    **dict.fromkeys(
        ("converter", "converter-warning", "malformed", "not-an-xform", "no-form-id", "broken-reference", "too-deep"),
        "test_publishing",
    ),
    **dict.fromkeys((entry.code for entry in packages.ENTRIES), "tests/server/forms"),
    **dict.fromkeys(("bind-without-node", "path-unknown", "choice-twice"), "test_xforms_that_came_as_such_are_linted"),
}


def test_every_code_of_the_catalogue_is_tried() -> None:
    assert set(CASES) | set(ELSEWHERE) == set(CATALOGUE)


@pytest.mark.parametrize("code", sorted(CASES))
def test_a_workbook_that_has_it_gives_the_finding_in_its_place(code: str) -> None:
    survey, choices, settings, place = CASES[code]
    found = linted(book(survey, choices, settings))
    here = [one for one in found if one.code == code]
    assert len(here) == 1, [(one.code, one.place) for one in found]
    assert (here[0].sheet, here[0].row, here[0].column) == place
    if here[0].row and here[0].column and here[0].column in [header for row in survey[:1] for header in row]:
        assert re.fullmatch(rf"[A-Z]+{here[0].row}", here[0].cell)


def test_findings_speak_two_languages_in_whole_sentences() -> None:
    for survey, choices, settings, _ in CASES.values():
        for one in linted(book(survey, choices, settings)):
            for language in LANGUAGES:
                assert one.what[language].endswith((".", "?", "”", "»", ")")), one
                assert "{" not in re.sub(r"\$\{[^}]*\}?", "", one.message(language)), one
            assert one.what["en"] != one.what["fr"]


def test_the_page_of_findings_is_the_catalogue() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "findings.md"
    assert page.read_text(encoding="utf-8") == reference_page(), "python -m forms.workbook.lint.catalogue.page > it"


def test_a_sound_form_gives_nothing() -> None:
    survey = asked(
        ["integer", "n", "How many?", "", ". >= 0 and . < 20", "yes"],
        ["select_one yn", "s", "Is it?", "${n} > 0", "", "yes"],
        ["begin_repeat", "r", "One of them", "${s} = '1' or selected(${s}, '2')", "", ""],
        ["date", "d", "When was it, of ${n}?", "", ". <= today()", ""],
        ["end_repeat", "", "", "", "", ""],
        ["note", "end_note", "We counted ${n}.", "count(${r}) > 1", "", ""],
        header="type name label relevant constraint required",
    )
    assert linted(book(survey, YESNO)) == ()


def test_everything_is_said_at_once_errors_first() -> None:
    survey = asked(
        ["intger", "a", "A", "${nobody} > 1"],
        ["text", "a", "", "slected(${a}, 1"],
        ["begin_group", "g", "G", ""],
        ["select_one none", "b", "B", ""],
        header="type name label relevant",
    )
    found = linted(book(survey, YESNO))
    errors = [one.code for one in found if one.severity == "error"]
    assert set(errors) >= {"question-type-unknown", "reference-unknown", "name-duplicate", "label-missing"}
    assert set(errors) >= {"xpath-syntax", "begin-without-end", "list-unknown"}
    assert [one.severity for one in found] == sorted(
        (one.severity for one in found), key=["error", "warning", "note"].index
    )
    with pytest.raises(WorkbookError) as refusal:
        convert(book(survey, YESNO), "tiny.md")
    assert refusal.value.findings == found


def test_an_offset_is_one_in_the_cells_own_text() -> None:
    expression = "${n} > 1 and (${s} = '1' or ${a_long_name} >= ) or true()"
    (found,) = [one for one in linted(book(ruled("relevant", expression), YESNO)) if one.code == "xpath-syntax"]
    at = int(re.findall(r"character (\d+)", found.what["en"])[0])
    assert expression[at - 1 :] == ") or true()"
    assert "« ) or true() »" in found.what["fr"]


def test_a_wrong_word_is_answered_with_the_nearest_known() -> None:
    wrong = ruled("relevant", "slected(${ss}, '1')", "intger")
    hints = {
        one.code: one.what["en"] for one in linted(book(wrong, [["list_name", "name", "label"], ["yn", "1", "Y"]]))
    }
    assert "“integer”" in hints["question-type-unknown"]
    assert "“selected”" in hints["function-unknown"]


def test_a_rule_that_finds_no_end_is_cut_off() -> None:
    survey = asked(*[["integer", f"{number} x", "A"] for number in range(MAX_OF_A_RULE + 40)])
    found = linted(book(survey))
    assert [one.code for one in found].count("name-invalid") == MAX_OF_A_RULE
    assert "and-more" in {one.code for one in found}


def test_a_workbook_without_a_survey_is_refused() -> None:
    text = table("surveys", asked(["text", "a", "A"])) + SETTINGS
    (found,) = linted(text.encode())
    assert (found.code, found.severity) == ("sheet-missing", "error")
    assert "surveys" in found.what["fr"]


def test_media_are_compared_with_what_the_form_names() -> None:
    survey = [
        ["type", "name", "label", "image", "calculation"],
        ["note", "a", "A", "card.png", ""],
        ["calculate", "b", "", "", "pulldata('towns', 'name', 'code', ${c})"],
        ["select_one_from_file list.csv", "c", "C", "", ""],
    ]
    assert not any(one.code.startswith("media") for one in linted(book(survey)))
    given = {"Card.png": b"", "towns.csv": b"", "old.csv": b""}
    found = {(one.code, one.place) for one in linted(book(survey), given) if one.code.startswith("media")}
    assert found == {("media-missing", "survey:5:type"), ("media-unused", "workbook")}


@pytest.mark.parametrize(
    ("column", "kind", "text", "is_impossible"),
    [
        ("constraint", "integer", ". > 5 and . < 6", True),
        ("constraint", "decimal", ". > 5 and . < 6", False),
        ("constraint", "integer", ". > 5 or . < 6", False),
        ("constraint", "integer", "not(. > 5) and . >= 6", True),
        ("constraint", "integer", ". = 1 and . != 1", True),
        ("constraint", "integer", ". > 10 and . < 5 and ${n} > 1", True),
        ("constraint", "integer", ". > ${n} and . < ${n}", False),
        ("constraint", "integer", "10 < . and 5 > .", True),
        ("constraint", "integer", ". = ''", True),
        ("constraint", "date", ". > date('2026-05-01') and . < date('2026-04-01')", True),
        ("constraint", "date", ". > date('2026-04-01') and . < date('2026-04-02')", True),
        ("constraint", "date", ". >= date('2026-04-01') and . <= today()", False),
        ("constraint", "select_one yn", ". = '1' and . = '2'", True),
        ("constraint", "select_one yn", ". > 2", True),
        ("constraint", "select_one yn", "selected(., '1') or . = '2'", False),
        ("constraint", "text", ". = 'a' and . = 'b'", False),
        ("relevant", "integer", "${s} = '1' and ${s} = '2'", True),
        ("relevant", "integer", "${s} = '1' or ${s} = '2'", False),
        ("relevant", "integer", "${s} = '9' or false()", True),
        ("relevant", "integer", "${s} != '1' and ${s} != '2'", False),
        ("relevant", "integer", "${s} != '1' and ${s} != '2' and ${s} != ''", True),
        ("relevant", "integer", "${n} > 3 and (${n} < 2 or ${s} = '9')", True),
        ("relevant", "integer", "${n} = '' and ${n} < 3", True),
        ("relevant", "integer", "${n} = '' or ${n} < 3", False),
    ],
)
def test_what_can_never_be_is_known_and_nothing_else_is_called_so(
    column: str, kind: str, text: str, is_impossible: bool
) -> None:
    codes = {one.code for one in linted(book(ruled(column, text, kind), YESNO))}
    assert bool(codes & {"constraint-never-holds", "never-asked"}) == is_impossible


def test_a_question_that_its_groups_make_impossible_is_never_asked() -> None:
    survey = asked(
        ["integer", "n", "N", ""],
        ["begin_group", "g", "G", "${n} > 10"],
        ["begin_group", "h", "H", "${n} < 20"],
        ["integer", "a", "A", "${n} < 5"],
        ["integer", "b", "B", "${n} < 15"],
        ["end_group", "", "", ""],
        ["end_group", "", "", ""],
        header="type name label relevant",
    )
    assert [one.row for one in linted(book(survey)) if one.code == "never-asked"] == [6]


def test_a_question_switched_off_on_purpose_is_left_alone() -> None:
    assert "never-asked" not in {one.code for one in linted(book(ruled("relevant", "false()"), YESNO))}


def test_the_functions_of_the_evaluator_are_functions_of_the_linter() -> None:
    assert {*FUNCTIONS, *SELECTORS} <= set(ARGUMENTS)


def test_the_words_of_the_linter_are_those_of_the_converter() -> None:
    from pyxform import aliases, constants
    from pyxform.question import MultipleChoiceQuestion
    from pyxform.question_type_dictionary import QUESTION_TYPE_DICT

    assert {*QUESTION_TYPE_DICT} - {"osm"} <= vocabulary.TYPES | {"osm"}
    assert {*QUESTION_TYPE_DICT} | {"csv-external", "xml-external", "audit"} >= vocabulary.TYPES
    assert set(vocabulary.SELECTS) == set(aliases.select)
    assert set(vocabulary.CONTROLS) == set(aliases.control)
    assert set(aliases._type_alias_map) == set(vocabulary.TYPE_ALIASES)
    known = vocabulary.SURVEY_COLUMNS | set(vocabulary.SURVEY_ALIASES) | vocabulary.GROUPED
    assert set(aliases.survey_header) <= known
    internal = {"parent", "extra_data", "_dynamic_default", "_itemset_has_ref", "_qtd_defaults", "_qtd_kwargs"}
    assert set(MultipleChoiceQuestion.get_slot_names()) - internal <= known
    assert set(constants.NSMAP) <= {f"xmlns:{prefix}" for prefix in vocabulary.NAMESPACES} | {"xmlns"}


def test_xforms_that_came_as_such_are_linted() -> None:
    from tests.forms.small import ask, bind, form

    xform = form(
        instance="<a/><b/><c/>",
        binds=bind("/data/a", "int", relevant="/data/b = 1")
        + bind("/data/b", "int", calculate="../a + nope(1)")
        + bind("/data/c", "string", relevant="/data/nobody = 1 and (")
        + bind("/data/gone", "string"),
        body=ask("/data/a")
        + '<select1 ref="/data/c"><label>?</label><item><label>1</label><value>1</value></item>'
        + "<item><label>2</label><value>1</value></item></select1>",
    )
    with pytest.raises(WorkbookError) as refusal:
        convert(xform, "a.xml")
    found = {(one.code, one.sheet, one.column) for one in refusal.value.findings}
    assert found == {
        ("cycle", "xform", "/data/a"),
        ("function-unknown", "xform", "/data/b"),
        ("xpath-syntax", "xform", "/data/c"),
        ("bind-without-node", "xform", "/data/gone"),
        ("choice-twice", "xform", "/data/c"),
    }
    mild = form(instance="<a/>", binds=bind("/data/a", "int", relevant="/data/nobody = 1"), body=ask("/data/a"))
    assert [one.code for one in convert(mild, "a.xml").findings] == ["path-unknown"]


def codes(*args: object, media: dict[str, bytes] | None = None) -> list[tuple[str, int | None]]:
    """Return the codes and rows that a book gives, but those that every small book does."""
    found = linted(book(*args), media)  # type: ignore[arg-type]
    return [(one.code, one.row) for one in found if one.code not in OPEN]


def test_an_end_that_closes_an_outer_group_is_said_once() -> None:
    survey = asked(
        ["begin_group", "g", "G"],
        ["begin_repeat", "r", "R"],
        ["integer", "a", "A"],
        ["end_group", "", ""],
        ["integer", "b", "B"],
    )
    assert codes(survey) == [("begin-without-end", 4), ("end-without-begin", 6)]


def test_a_list_of_another_sheet_must_stand_there() -> None:
    survey = ruled("choice_filter", "name = ${s}", "select_one_external towns")
    assert ("choices-sheet-missing", 5) in codes(survey, YESNO)
    external = table("external_choices", [["list_name", "name"], ["towns", "1"]])
    assert "choices-sheet-missing" not in {code for code, _ in codes(survey, YESNO, SETTINGS + external)}


def test_choices_without_a_column_of_names_are_said_so() -> None:
    choices = [["list_name", "nmae", "label"], ["yn", "1", "Yes"]]
    found = codes(asked(["select_one yn", "a", "A"]), choices)
    assert ("column-missing", 4 + 1) in found
    assert ("column-misspelled", 4 + 1) in found


def test_settings_and_entities_have_references_too() -> None:
    settings = "| settings | form_id | form_title | version | instance_name |\n| | tiny | T | 1 | ${nobody} |\n"
    assert ("reference-unknown", 5) in codes(asked(["integer", "a", "A"]), None, settings)
    with_entities = SETTINGS + "| entities | list_name | label |\n| | people | ${nobody} |\n"
    assert ("reference-unknown", 7) in codes(asked(["integer", "a", "A"]), None, with_entities)


def test_a_repeat_cannot_have_the_name_of_the_form() -> None:
    survey = asked(["begin_repeat", "data", "R"], ["integer", "a", "A"], ["end_repeat", "", ""])
    assert ("name-reserved", 3) in codes(survey)


def test_what_stands_beside_a_finding_gives_none() -> None:
    survey = [
        ["type", "name", "label", "relevant", "calculation", "trigger", "default", "appearance", "parameters"],
        ["integer", "n", "N", "", "", "", "1 + 1", "", ""],
        ["integer", "m", "M", "", "${n} + ${m}", "${n}", "-1", "", ""],
        ["text", "t", "T", "pulldata('a', 'b', 'c', ${n}) = acme:rank(1)", "", "", "", "w1 ex:app(a=${n})", "rows=3"],
        ["select_one yn", "s", "S", "", "", "", "", "search('far')", ""],
        ["integer", "k", "K", "${s} = 'anything' and ${n} > -1", "", "", "", "", "a=b"],
        ["form_title", "Named here", "", "", "", "", "", "", ""],
        ["osm tags", "o", "O", "", "", "", "", "", ""],
        ["decimal", "c", "", "", "1", "", "", "", ""],
        ["begin_loop over yn", "l", "L", "", "", "", "", "", ""],
        ["integer", "x", "X", "", "", "", "", "", ""],
        ["end_loop", "", "", "", "", "", "", "", ""],
    ]
    assert codes(survey, YESNO) == []


def test_a_number_compares_with_the_codes_that_are_numbers() -> None:
    assert codes(ruled("relevant", "${s} = 1"), YESNO) == []
    assert ("comparison-not-a-choice", 5) in codes(ruled("relevant", "${s} = 3"), YESNO)
    assert ("comparison-not-a-choice", 5) in codes(ruled("relevant", "3 != ${s}"), YESNO)


def test_parameters_are_judged_by_their_type() -> None:
    for kind, text in (("range", "start=a"), ("geopoint", "capture-accuracy=near"), ("range", "step=0")):
        assert ("parameter-value", 5) in codes(ruled("parameters", text, kind), YESNO)
    for kind, text in (
        ("range", "start=0 end=5 step=0.5"),
        ("audit", "location-max-age=-1"),
        ("geopoint", "capture-accuracy=5"),
    ):
        assert ("parameter-value", 5) in codes(ruled("parameters", text, kind), YESNO) or kind != "audit"
        assert ("parameter-unknown", 5) not in codes(ruled("parameters", text, kind), YESNO)


def test_a_trigger_names_one_question_between_commas() -> None:
    assert ("trigger-malformed", 5) in codes(ruled("trigger", "${n} ${s}"), YESNO)
    assert codes(ruled("trigger", "${n}, ${s}"), YESNO) == []


def test_a_date_that_is_none_is_left_alone() -> None:
    assert codes(ruled("constraint", ". > date('soon') and . < date('soon')", "date"), YESNO) == []


def test_more_ways_than_can_be_followed_count_as_possible() -> None:
    many = " and ".join(f"(${{n}} != {place} or ${{s}} = '1')" for place in range(20))
    assert "never-asked" not in {code for code, _ in codes(ruled("relevant", many), YESNO)}
    assert ("never-asked", 5) in codes(ruled("relevant", f"({many}) and 1 = 1 and ${{s}} = '9'"), YESNO)


def test_a_group_that_is_never_asked_says_how_much_it_hides() -> None:
    survey = asked(
        ["integer", "n", "N", ""],
        ["begin_group", "g", "G", "${n} < 1 and ${n} > 2"],
        ["begin_group", "h", "H", ""],
        ["integer", "a", "A", ""],
        ["end_group", "", "", ""],
        ["end_group", "", "", ""],
        header="type name label relevant",
    )
    (found,) = [one for one in linted(book(survey)) if one.code == "never-asked"]
    assert (found.row, "(+2)" in found.what["en"]) == (4, True)


def test_files_of_external_types_are_media() -> None:
    survey = asked(["csv-external", "far", ""], ["integer", "a", "A"])
    assert ("media-missing", 3) in codes(survey, media={"near.csv": b""})


def test_a_finding_is_told_to_programs_with_all_its_members() -> None:
    (found,) = [one for one in linted(book(asked(["intger", "a", "A"]))) if one.severity == "error"]
    members = found.members()
    assert (members["code"], members["sheet"], members["row"], members["cell"]) == (
        "question-type-unknown",
        "survey",
        3,
        "A3",
    )
    assert set(members) == {"code", "severity", "sheet", "row", "column", "cell", "what", "mend"}
