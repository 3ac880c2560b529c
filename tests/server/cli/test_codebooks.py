"""`passerelle form codebook` and `form questionnaire`, with an office and without."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from lxml import etree

from tests.server.cli.conftest import Shell

Write = Callable[[str, str], str]
FORM = """
| survey |      |      |       |
|          | type | name | label |
|          | text | q1   | Why?  |
|          | {kind} | q2 | What? |
| settings |         |         |
|          | form_id | version |
|          | small   | {version} |
"""


def test_a_library_form_needs_no_office(empty_shell: Shell, tmp_path: Path) -> None:
    text = empty_shell.succeeds("form", "codebook", "hh_remit", "--format", "csv")
    assert len(list(csv.DictReader(io.StringIO(text)))) > 150
    target = tmp_path / "codebook.xml"
    empty_shell.succeeds("form", "codebook", "hh_remit", "--format", "ddi", "--out", str(target))
    assert etree.parse(target).getroot().tag == "{ddi:codebook:2_5}codeBook"
    page = empty_shell.succeeds("form", "questionnaire", "hh_remit", "--lang", "fr")
    assert "B. Information et consentement" in page
    assert "Information and consent" not in page


def test_a_file_needs_no_office_either(empty_shell: Shell, write: Write) -> None:
    path = write("small.md", FORM.format(kind="text", version="1"))
    document = json.loads(empty_shell.succeeds("form", "codebook", path))
    assert [one["name"] for one in document["tables"][0]["variables"]] == ["q1", "q2"]


def test_published_versions_are_shown_one_by_one_and_together(shell: Shell, write: Write) -> None:
    declared = write("map.csv", "question,change,from,to,rule,note\nq2,retyped,,,,\nq2,not-comparable,,,,\n")
    for version, kind, options in (("1", "text", ()), ("2", "integer", ("--map", declared))):
        content = FORM.format(kind=kind, version=version)
        shell.succeeds("form", "publish", write(f"s{version}.md", content), *options)
    first = json.loads(shell.succeeds("form", "codebook", "small", "1"))
    latest = json.loads(shell.succeeds("form", "codebook", "small"))
    assert (first["version"], latest["version"]) == ("1", "2")
    both = json.loads(shell.succeeds("form", "codebook", "small", "--all-versions"))
    notes = {one["latest"]["name"]: [note["code"] for note in one["notes"]] for one in both["variables"]}
    assert (notes["q1"], notes["q2"][:2]) == ([], ["type", "kind"])
    page = shell.succeeds("form", "codebook", "small", "--all-versions", "--format", "html", "--lang", "fr")
    assert "Le type était string et devient integer." in page


def test_two_languages_stand_side_by_side(empty_shell: Shell) -> None:
    page = empty_shell.succeeds("form", "questionnaire", "hh_remit", "--lang", "en", "--lang", "fr")
    assert "B. Information and consent / B. Information et consentement" in page


def test_what_cannot_be_meant_is_refused_in_one_line(shell: Shell, write: Write) -> None:
    shell.succeeds("form", "publish", write("s.md", FORM.format(kind="text", version="1")))
    assert "has no version “9”, but 1" in shell.refuses("form", "codebook", "small", "9")
    assert "not both" in shell.refuses("form", "codebook", "small", "1", "--all-versions")
    assert "json, csv, html" in shell.refuses("form", "codebook", "small", "--all-versions", "--format", "ddi")
    assert "“sw”" in shell.refuses("form", "questionnaire", "hh_remit", "--lang", "sw")
    assert "choose one of en, fr" in shell.refuses("form", "codebook", "small", "--lang", "sw")
    assert "library" in shell.refuses("form", "codebook", "nothing")
    assert "no file nothing.xlsx" in shell.refuses("form", "questionnaire", "nothing.xlsx")


def test_a_name_that_a_map_has_changed_is_one_variable_over_all_versions(shell: Shell, write: Write) -> None:
    renamed = FORM.replace("q2", "q3")
    declared = write("map.csv", "question,change,from,to,rule,note\nq3,renamed,q2,,,\n")
    shell.succeeds("form", "publish", write("s1.md", FORM.format(kind="integer", version="1")))
    shell.succeeds("form", "publish", write("s2.md", renamed.format(kind="integer", version="2")), "--map", declared)
    both = json.loads(shell.succeeds("form", "codebook", "small", "--all-versions"))
    assert [one["latest"]["name"] for one in both["variables"]] == ["q1", "q3"]
