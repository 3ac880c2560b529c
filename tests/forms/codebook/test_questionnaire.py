"""The questionnaire on paper: every question once, numbered, in words, on a page that needs nothing else."""

import itertools
import re
from collections import Counter

import pytest
from lxml import etree, html

from forms.codebook.codebook_page import codebook_page, harmonised_page
from forms.codebook.harmonised import harmonise
from forms.codebook.layout import Asked, Roster, lay_out, walk
from forms.codebook.questionnaire import questionnaire_page
from forms.codebook.variables import Codebook
from forms.definition import FormDefinition, XFormError
from forms.workbook.findings import WorkbookError
from forms.xlsform import convert
from tests.forms.conftest import SHARED
from tests.forms.small import ask, bind, form


@pytest.fixture(scope="module")
def english(hh_remit: FormDefinition) -> etree._Element:
    return html.document_fromstring(questionnaire_page(hh_remit, ["en"]))


def words(element: etree._Element) -> str:
    return " ".join("".join(element.itertext()).split())


def block(page: etree._Element, name: str) -> etree._Element:
    """Return the question of a variable: its box, or its row of a roster."""
    found = [one for one in page.iter("span") if one.get("class") == "name" and one.text == name]
    assert len(found) == 1, name
    return next(up for up in found[0].iterancestors() if up.tag == "tr" or up.get("class") == "question")


def test_every_question_of_the_form_stands_once_with_its_own_number(hh_remit: FormDefinition) -> None:
    layout = lay_out(hh_remit)
    asked = [item for module in layout.modules for item in walk(module.items) if isinstance(item, Asked)]
    assert {item.variable.path for item in asked} == {one.path for one in hh_remit.questions.values() if one.control}
    assert max(Counter(item.number for item in asked).values()) == 1
    numbers = {item.variable.name: item.number for item in asked}
    assert (numbers["a_mode"], numbers["a_replacement"], numbers["b_consent"]) == ("A1", "A3", "B1")


def test_modules_are_headings_in_order(english: etree._Element) -> None:
    headings = [words(one) for one in english.iter("h2")]
    assert headings[:3] == ["A. Cover and visits", "B. Information and consent", "C. Household members"]
    assert headings[-2:] == ["Lists of codes", "Worked out by the tablet"]
    levels = [int(str(one.tag)[1]) for one in english.iter("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_conditions_speak_of_numbers(english: etree._Element) -> None:
    assert "Only if A3 (Is this an authorised replacement household?) = 1 Yes" in words(block(english, "a_repl_reason"))
    assert "the row number > 1" in words(block(english, "c_rel"))


def test_codes_have_boxes_hints_and_checks_stand_with_the_question(english: etree._Element) -> None:
    reason = block(english, "a_repl_reason")
    assert [words(one) for one in reason.iter("li")][:2] == ["1 Dwelling destroyed or not found", "2 Vacant"]
    assert len([one for one in reason.iter("span") if one.get("class") == "box"]) == 5
    key = block(english, "household_key")
    assert "Note: Province 2, area 1, PSU 3, household 3, check 2" in words(key)
    assert "Check: This key has a typing error" in words(key)
    assert len(list(key.iter("i"))) == 11
    assert "Mark all that apply." in words(block(english, "e_items"))
    assert words(block(english, "int_date")).count("year") == 1
    returned = block(english, "c_ret_back")
    assert returned.tag == "tr"


def test_a_repeat_is_a_table_with_rows_to_fill(english: etree._Element, hh_remit: FormDefinition) -> None:
    row = block(english, "c_sex")
    assert len(row.findall("td")) == 6
    assert "1 Male" in words(row)
    rosters = [item for module in lay_out(hh_remit).modules for item in walk(module.items) if isinstance(item, Roster)]
    assert {roster.path for roster in rosters} == set(hh_remit.repeats)
    inner = next(roster for roster in rosters if roster.path.endswith("/cost"))
    assert inner.above
    assert "One table for each Worker. Its row number:" in words(english)
    tables = list(english.iter("table"))
    assert len(tables) == len(rosters)
    for table in tables:
        assert table.find("caption") is not None
        assert all(cell.get("scope") for cell in table.iter("th"))


def test_long_lists_stand_at_the_end_with_the_questions_that_use_them(english: etree._Element) -> None:
    assert "Code from list country at the end" in words(block(english, "c_birth"))
    assert "C6" in words(english)
    (countries,) = [one for one in english.iter("ul") if (one.get("aria-label") or "").endswith("country")]
    assert len(countries) == 14


def test_what_is_read_out_and_what_is_worked_out_are_shown(english: etree._Element) -> None:
    shown = [words(one) for one in english.iter("div") if one.get("class") == "shown"]
    assert any(text.startswith("READ OUT: The national statistics office") for text in shown)
    names = [one.text for one in english.iter("dt")]
    assert {"contact_ok", "last_module", "go"} <= set(names)


def test_two_languages_stand_side_by_side(hh_remit: FormDefinition) -> None:
    page = html.document_fromstring(questionnaire_page(hh_remit, ["en", "fr"]))
    consent = block(page, "b_consent")
    assert [(one.get("lang"), words(one)) for one in consent.iter("p")] == [
        ("en", "Do you agree to the interview?"),
        ("fr", "Acceptez-vous l'entretien ?"),
    ]
    assert [words(one) for one in consent.iter("li")] == ["1 Yes / Oui", "2 No / Non"]
    refusal = words(block(page, "b_refusal"))
    assert "Only if B1" in refusal
    assert "Seulement si B1" in refusal


def test_one_language_is_the_page_s_own(hh_remit: FormDefinition) -> None:
    page = html.document_fromstring(questionnaire_page(hh_remit, ["fr"]))
    assert page.get("lang") == "fr"
    assert {one.get("lang") for one in page.iter() if one.get("lang")} == {"fr"}
    assert "Do you agree" not in words(page)
    assert questionnaire_page(hh_remit) == questionnaire_page(hh_remit, ["en"])


@pytest.mark.parametrize("languages", [["sw"], ["en", "fr", "en", "sw"]])
def test_a_language_that_the_form_lacks_is_refused(hh_remit: FormDefinition, languages: list[str]) -> None:
    with pytest.raises(ValueError, match="the form has no language “sw”, but en, fr"):
        questionnaire_page(hh_remit, languages)


def test_three_languages_do_not_fit() -> None:
    translations = "".join(
        f'<translation lang="{one}"><text id="x"><value>{one}</value></text></translation>'
        for one in ("sw", "ar", "pt")
    )
    definition = FormDefinition.parse(form(instance="<a/>", more=f"<itext>{translations}</itext>"))
    with pytest.raises(ValueError, match="at most 2"):
        questionnaire_page(definition, ["sw", "ar", "pt"])


def test_a_form_without_languages_takes_ours_around_its_own() -> None:
    body = ask("/data/a", "Who?") + ask("/data/b", "When?")
    binds = bind("/data/a") + bind("/data/b", relevant="/data/a = 'x'")
    page = questionnaire_page(FormDefinition.parse(form(instance="<a/><b/>", binds=binds, body=body)), ["fr"])
    assert "Seulement si 1.1 (Who?) = «\N{NO-BREAK SPACE}x\N{NO-BREAK SPACE}»" in page
    assert "peut rester vide" in page


def test_a_page_fetches_runs_and_loads_nothing(hh_remit: FormDefinition, small: Codebook) -> None:
    pages = [questionnaire_page(hh_remit), codebook_page(small, "fr"), harmonised_page(harmonise([small]), "en")]
    for page in pages:
        assert re.search(r"<script|<link|<img|<iframe|src=|href=|url\(|@import|\son\w+=", page) is None
        assert "@media print" in page
        assert "width=device-width" in page


def test_text_of_the_form_stays_text() -> None:
    label = "&lt;img src=x onerror=alert(1)&gt; a &lt; b &amp; c"
    definition = FormDefinition.parse(form(instance="<a/>", binds=bind("/data/a"), body=ask("/data/a", label)))
    page = questionnaire_page(definition)
    assert "<img" not in page
    assert "a &lt; b &amp; c" in page


def test_every_form_of_the_corpus_prints_with_every_question() -> None:
    if not (SHARED / "corpus").exists():
        pytest.skip("../shared/corpus is not here: the questionnaires of public forms are left out")
    printed, missing = 0, []
    for path in sorted((SHARED / "corpus").glob("*/*")):
        if path.suffix not in (".xml", ".xls", ".xlsx"):
            continue
        try:
            definition = FormDefinition.parse(convert(path.read_bytes(), path.name).xform)
        except (WorkbookError, XFormError):
            continue
        layout = lay_out(definition)
        asked = [item for module in layout.modules for item in walk(module.items) if isinstance(item, Asked)]
        wanted = {one.path for one in definition.questions.values() if one.control}
        read_only = {place for place, rules in definition.binds.items() if rules.readonly.strip() == "true()"}
        if {item.variable.path for item in asked} != wanted - read_only:
            missing.append(path.name)
        assert len({item.number for item in asked}) == len({item.variable.path for item in asked})
        assert html.document_fromstring(questionnaire_page(definition)).find(".//h1") is not None
        printed += 1
    assert missing == []
    assert printed >= 280


def test_the_codebook_page_shows_each_variable_in_the_language_of_the_reader(small: Codebook) -> None:
    page = html.document_fromstring(codebook_page(small, "fr"))
    assert [words(one).split()[0] for one in page.iter("h3")] == [variable.name for variable in small.variables()]
    text = words(page)
    assert "Univers chaque entretien, si old ([who] est-il âgé ?) = 1 Oui" in text.replace(
        "Universchaque", "Univers chaque"
    )
    assert "ne sort jamais du bureau" in text


def test_the_page_of_all_versions_shows_what_changed(small: Codebook, of_small: object) -> None:
    assert callable(of_small)
    second = of_small(
        ("| small | 1 |", "| small | 2 |"), ("| tool | 1 | Hammer | Marteau |", "| tool | 2 | Saw | Scie |")
    )
    text = words(html.document_fromstring(harmonised_page(harmonise([small, second]), "en")))
    assert "1 → 2: New choice 2 (Saw)." in text
    assert "1 Hammer (only in 1)" in text
