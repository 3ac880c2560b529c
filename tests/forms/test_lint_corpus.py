"""The linter over forms that nobody here wrote, against what ODK Validate says of each."""

import io
import warnings
from collections import Counter
from pathlib import Path

import pytest

from forms.workbook.findings import WorkbookError, WorkbookFinding
from forms.workbook.lint import lint
from forms.workbook.reading import read_workbook
from forms.xlsform import convert
from tests.forms.conftest import SHARED, Collect

CORPUS = SHARED / "corpus"
NO_FORM_OF_OURS = {"ImageSelectTester.xml": "it has no form_id, without which no interview could say what it answers"}


def forms_of_the_corpus() -> list[Path]:
    if not CORPUS.exists():
        pytest.skip("../shared/corpus is not here: the linter over public forms is left out")
    return sorted(path for path in CORPUS.glob("*/*") if path.suffix in (".xml", ".xls", ".xlsx"))


def outcome(path: Path) -> tuple[bytes | None, tuple[WorkbookFinding, ...]]:
    try:
        conversion = convert(path.read_bytes(), path.name)
    except WorkbookError as refusal:
        return None, refusal.findings
    return conversion.xform, conversion.findings


def test_every_form_of_the_corpus_gives_findings_and_never_a_traceback() -> None:
    seen: Counter[str] = Counter()
    for path in forms_of_the_corpus():
        xform, findings = outcome(path)
        has_error = any(found.severity == "error" for found in findings)
        assert has_error == (xform is None), path.name
        for found in findings:
            assert found.what.keys() == found.mend.keys() == {"en", "fr"}
            assert "\n" not in found.message()
            assert found.row is None or found.row >= 1
        seen.update(f"{found.severity} {found.code}" for found in findings)
    print("findings of the corpus:", dict(sorted(seen.items())))  # noqa: T201 - the report that pytest -s shows


def test_no_form_that_odk_validate_accepts_has_an_error(collect: Collect, tmp_path: Path) -> None:
    false_alarms = []
    verdicts: Counter[str] = Counter()
    for path in forms_of_the_corpus():
        xform, findings = outcome(path)
        if path.suffix == ".xml":
            copy = path
        else:
            copy = tmp_path / f"{path.name}.xml"
            if xform is None:
                xform = _as_converted_without_the_linter(path)
            if xform is None:
                verdicts["refused by the converter and by us"] += 1
                continue
            copy.write_bytes(xform)
        is_valid = collect(op="validate", form=str(copy)).get("valid", False)
        is_refused = any(found.severity == "error" for found in findings)
        verdicts[f"ODK {'accepts' if is_valid else 'refuses'}, we {'refuse' if is_refused else 'accept'}"] += 1
        if is_valid and is_refused and path.name.rpartition("_")[2] not in NO_FORM_OF_OURS:
            false_alarms.append((path.name, findings[0].code, findings[0].place))
    print("verdicts over the corpus:", dict(verdicts))  # noqa: T201 - the report that pytest -s shows
    assert false_alarms == []
    assert verdicts["ODK accepts, we accept"] >= 270
    assert verdicts["ODK refuses, we refuse"] >= 8


def _as_converted_without_the_linter(path: Path) -> bytes | None:
    from pyxform.xls2xform import convert as pyxform_convert

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = io.BytesIO(path.read_bytes())
            return str(pyxform_convert(xlsform=content, file_type=path.suffix).xform).encode()
    except Exception:  # noqa: BLE001 - whatever makes the converter fail, the form is no form
        return None


def test_our_own_survey_has_not_one_finding() -> None:
    from forms import library

    for name in library.names():
        assert lint(read_workbook(library.workbook(name), f"{name}.xlsx")) == ()


REFUSED = {
    "circle by required": ("integer | a | A | | | ${b} = 1", "integer | b | B | | | ${a} = 1"),
    "circle through a group": ("begin_group | g | G | ${a} = 1 | |", "integer | a | A | | |", "end_group | | | | |"),
    "circle of a row before": (
        "begin_repeat | r | R | | |",
        "integer | a | A | | |",
        "calculate | b | | | ${a} + indexed-repeat(${b}, ${r}, 1) |",
        "end_repeat | | | | |",
    ),
    "nothing shown in a group": (
        "text | t | T | | |",
        "begin_group | g | G | | |",
        "calculate | b | | | 1 |",
        "end_group | | | | |",
    ),
    "unknown function": ("integer | a | A | foo(1) | |",),
    "arguments": ("integer | a | A | coalesce(1, 2, 3) = 1 | |",),
}
ACCEPTED = {
    "a constraint on itself and another": ("integer | a | A | | | ", "integer | b | B | ${a} > 0 | |"),
    "a repeat counted from inside": (
        "begin_repeat | r | R | | |",
        "integer | a | A | position(..) = count(${r}) | |",
        "end_repeat | | | | |",
    ),
    "a word that means nothing": ("integer | a | A | | | oui",),
}


@pytest.mark.parametrize("name", [*REFUSED, *ACCEPTED])
def test_our_errors_are_those_of_the_engine_inside_collect(name: str, collect: Collect, tmp_path: Path) -> None:
    from pyxform.xls2xform import convert as pyxform_convert

    rows = {**REFUSED, **ACCEPTED}[name]
    text = "| survey | | | | | | |\n| | type | name | label | relevant | calculation | required |\n"
    text += "".join(f"| | {row} |\n" for row in rows)
    form = tmp_path / "a.xml"
    form.write_text(str(pyxform_convert(xlsform=text, file_type=".md").xform), encoding="utf-8")
    is_refused = any(found.severity == "error" for found in lint(read_workbook(text.encode(), "a.md")))
    assert is_refused == (name in REFUSED)
    assert collect(op="validate", form=str(form))["valid"] == (name in ACCEPTED)
