"""Every kind of question, group and roster: on paper, in DDI, in words."""

import pytest
from lxml import etree, html

from forms.codebook.codebook_page import codebook_page, harmonised_page
from forms.codebook.ddi import NAMESPACE, ddi_codebook
from forms.codebook.harmonised import harmonise
from forms.codebook.questionnaire import questionnaire_page
from forms.codebook.sentences import Speaker
from forms.codebook.variables import read_codebook
from forms.definition import FormDefinition
from forms.xlsform import convert

KINDS = """
| survey | | | | | | | | |
| | type | name | label | appearance | parameters | choice_filter | constraint | relevant | save_to |
| | text | first | Before any module? | | | | | | |
| | begin_group | g | 1. Things | | | | | | |
| | note | n | Look. | | | | | | |
| | begin_group | inner | Moments | | | | | ${first} != '' | |
| | time | t | At what time? | | | | | | |
| | dateTime | dt | When? | | | | | | |
| | date | y | Which year? | year | | | | | |
| | end_group | | | | | | | | |
| | geopoint | gp | Where? | | | | | | |
| | image | im | Photo? | | | | | | |
| | range | r | How much? | | start=0 end=10 step=2 | | | | |
| | decimal | d | Weight? | | | | | | |
| | integer | i | How many? | | | | | | |
| | integer | big | How very many? | | | | . <= 9999999999999 | | |
| | text | long | Tell all. | multiline | | | | | called |
| | text | rows | Tell more. | | rows=5 | | . != 'x' | | |
| | rank c | rk | Which first? | | | | | | |
| | select_one c | fc | Which? | | | x = ${first} | | | |
| | select_one_from_file towns.csv | town | Which town? | | | | | | |
| | acknowledge | ok | Agreed? | | | | | | |
| | end_group | | | | | | | | |
| | begin_repeat | row | Row | | | | | | |
| | note | rn | For each row. | | | | | | |
| | begin_group | rg | Inside | | | | | | |
| | text | ra | Name? | | | | | | |
| | end_group | | | | | | | | |
| | end_repeat | | | | | | | | |
| choices |
| | list_name | name | label | x |
| | c | 1 | One | a |
| | c | 2 | Two | b |
| entities |
| | list_name | label |
| | things | ${first} |
| settings |
| | form_id | version |
| | kinds | 1 |
"""


@pytest.fixture(scope="module")
def kinds() -> FormDefinition:
    return FormDefinition.parse(convert(KINDS.encode(), "kinds.md").xform)


@pytest.fixture(scope="module")
def paper(kinds: FormDefinition) -> dict[str, etree._Element]:
    """The box or row of each question, by the name of its variable."""
    page = html.document_fromstring(questionnaire_page(kinds))
    names = [one for one in page.iter("span") if one.get("class") == "name"]
    return {
        one.text or "": next(up for up in one.iterancestors() if up.tag == "tr" or up.get("class") == "question")
        for one in names
    }


def words(element: etree._Element) -> str:
    return " ".join("".join(element.itertext()).split())


@pytest.mark.parametrize(
    ("name", "digits", "lines", "said"),
    [
        ("t", 4, 0, "hour"),
        ("dt", 12, 0, "minute"),
        ("y", 4, 0, "year"),
        ("gp", 0, 2, "longitude"),
        ("im", 0, 0, "Recorded on the tablet"),
        ("r", 2, 0, "0 – 10"),
        ("d", 0, 1, "Weight?"),
        ("i", 6, 0, "How many?"),
        ("big", 0, 1, "How very many?"),
        ("long", 0, 3, "Tell all."),
        ("rows", 0, 5, "Check: the answer ≠ “x”"),
        ("rk", 0, 0, "in the order of importance"),
        ("fc", 0, 0, "Not all of these are offered"),
        ("town", 6, 0, "Code from the file towns.csv"),
    ],
)
def test_each_kind_has_the_space_that_its_answer_needs(
    paper: dict[str, etree._Element], name: str, digits: int, lines: int, said: str
) -> None:
    box = paper[name]
    assert len(list(box.iter("i"))) == digits
    assert len([one for one in box.iter("span") if (one.get("class") or "").startswith("line")]) == lines
    assert said in words(box)


def test_groups_notes_and_loose_questions_keep_their_places(kinds: FormDefinition) -> None:
    page = html.document_fromstring(questionnaire_page(kinds))
    assert [words(one) for one in page.iter("h2")] == ["1. Things"]
    assert [words(one) for one in page.iter("h3")] == ["Moments", "Row"]
    numbers = [words(one) for one in page.iter("span") if one.get("class") == "number"]
    assert numbers[:3] == ["2.1", "1.1", "1.2"]  # the module's label has the number 1 already
    within = [words(one) for one in page.iter("th") if one.get("class") == "within"]
    assert within == ["For each row.", "Inside"]
    assert "Go on until there is no other." in words(page)
    assert "Only if 2.1 (Before any module?) is answered" in words(page)


def test_two_modules_of_one_letter_do_not_share_numbers() -> None:
    text = "".join(
        f"| | begin_group | {name} | A. {name} |\n| | text | {name}q | Why? |\n| | end_group | | |\n" for name in "uv"
    )
    form = f"| survey | | | |\n| | type | name | label |\n{text}"
    definition = FormDefinition.parse(convert(form.encode(), "form.md").xform)
    page = html.document_fromstring(questionnaire_page(definition))
    assert [words(one) for one in page.iter("span") if one.get("class") == "number"] == ["A1", "2.1"]


def test_ddi_says_kinds_files_ranks_and_properties(kinds: FormDefinition, schema: etree.XMLSchema) -> None:
    document = etree.fromstring(ddi_codebook(read_codebook(kinds)))
    schema.assertValid(document)
    found = {one.get("name"): one for one in document.iter(f"{{{NAMESPACE}}}var")}

    def note(name: str, kind: str) -> str | None:
        return found[name].findtext(f"{{{NAMESPACE}}}notes[@type='{kind}']")

    assert note("town", "choice-list") == "towns.csv"
    assert note("rk", "coding") == "Several codes, separated by spaces."
    assert note("long", "entity-property") == "called"
    responses = {name: one.find(f"{{{NAMESPACE}}}qstn") for name, one in found.items()}
    photo = responses["im"]
    assert photo is not None
    assert (photo.get("responseDomainType"), photo.get("otherResponseDomainType")) == ("other", "file")
    groups = {one.get("name"): one for one in document.iter(f"{{{NAMESPACE}}}varGrp")}
    assert groups["inner"].get("ID") in (groups["g"].get("varGrp") or "").split()


def test_a_list_in_a_file_and_a_version_that_lacks_a_variable_are_on_the_page(kinds: FormDefinition) -> None:
    before = FormDefinition.parse(convert(KINDS.replace("| kinds | 1 |", "| kinds | 0 |").encode(), "kinds.md").xform)
    without = KINDS.replace("| | decimal | d | Weight? | | | | | | |\n", "").replace("| kinds | 1 |", "| kinds | 2 |")
    after = FormDefinition.parse(convert(without.encode(), "kinds.md").xform)
    assert "in the file towns.csv" in codebook_page(read_codebook(kinds), "en")
    page = html.document_fromstring(harmonised_page(harmonise([read_codebook(before), read_codebook(after)]), "en"))
    (weight,) = [one for one in page.iter("article") if words(one).startswith("d decimal")]
    assert "Versions0" in words(weight)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("some-thing(1) >= 1 and some-thing(1) <= 2", "“some-thing(1) >= 1” and “some-thing(1) <= 2”"),
        ("string-length(/data/first) > 7", "the length of first (Before any module?) > 7"),
        ("/data/first = -(2)", "first (Before any module?) = −2"),
        ("if(/data/first, 1)", "“if(/data/first, 1)”"),
        ("count(/data/row, 2) = 1", "“count(/data/row, 2) = 1”"),
        ("count(/data/row) = 1", "the number of rows of row (Row) = 1"),
        ("substr(/data/first, 3, 1) = 1", "“substr(/data/first, 3, 1) = 1”"),
        ("/data/row[1][2]/rg/ra = 'a'", "“/data/row[1][2]/rg/ra = 'a'”"),
        ("/data/g[1]/t = 'a'", "“/data/g[1]/t = 'a'”"),
        ("instance('c')/root/item[position() = 1]/x = 'a'", "“instance('c')/root/item[position() = 1]/x = 'a'”"),
        ("selected-at(/data/first, /data/g/i) = 'a'", "“selected-at(/data/first, /data/g/i) = 'a'”"),
        ("selected(/data/g/rk, /data/first)", "rk (Which first?) includes first (Before any module?)"),
        ("boolean(/data/first = 'a')", "first (Before any module?) = “a”"),
        ("/data/first", "“/data/first”"),
        ("/data/* = 1", "“/data/* = 1”"),
        ("../x[1]/y = 1", "“../x[1]/y = 1”"),
        ("(/data/first)[1] = 1", "“(/data/first)[1] = 1”"),
    ],
)
def test_what_has_no_words_is_quoted_and_the_rest_said(kinds: FormDefinition, expression: str, said: str) -> None:
    assert Speaker.of(kinds, "en").condition(expression, at="/data/g/d") == said
