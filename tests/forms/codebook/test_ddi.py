"""DDI Codebook 2.5: valid by the published schema, in every language, without what must not leave."""

import pytest
from lxml import etree

from forms.codebook.ddi import NAMESPACE, ddi_codebook
from forms.codebook.variables import Codebook, read_codebook
from forms.definition import FormDefinition, XFormError
from forms.workbook.findings import WorkbookError
from forms.xlsform import convert
from tests.forms.conftest import SHARED

NAMES = {"d": NAMESPACE}
LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@pytest.fixture(scope="module")
def document(small: Codebook) -> etree._Element:
    return etree.fromstring(ddi_codebook(small))


def texts(element: etree._Element, path: str) -> list[tuple[str | None, str | None]]:
    return [(one.get(LANG), one.text) for one in element.iterfind(path, NAMES)]


def variable(document: etree._Element, name: str) -> etree._Element:
    found = document.find(f"d:dataDscr/d:var[@name='{name}']", NAMES)
    assert found is not None
    return found


def test_the_library_form_is_valid_ddi(hh_remit: FormDefinition, schema: etree.XMLSchema) -> None:
    document = ddi_codebook(read_codebook(hh_remit))
    schema.assertValid(etree.fromstring(document))
    assert document == ddi_codebook(read_codebook(hh_remit))


def test_the_schema_finds_a_document_that_is_wrong(small: Codebook, schema: etree.XMLSchema) -> None:
    root = etree.fromstring(ddi_codebook(small))
    assert schema.validate(root)
    label = variable(root, "age").find("d:labl", NAMES)
    assert label is not None
    variable(root, "age").append(label)  # after the notes, where the sequence has no label
    assert not schema.validate(root)


def test_every_form_of_the_corpus_is_valid_ddi(schema: etree.XMLSchema) -> None:
    if not (SHARED / "corpus").exists():
        pytest.skip("../shared/corpus is not here: the DDI of public forms is left out")
    invalid, count = [], 0
    for path in sorted((SHARED / "corpus").glob("*/*")):
        if path.suffix not in (".xml", ".xls", ".xlsx"):
            continue
        try:
            definition = FormDefinition.parse(convert(path.read_bytes(), path.name).xform)
        except (WorkbookError, XFormError):
            continue
        count += 1
        if not schema.validate(etree.fromstring(ddi_codebook(read_codebook(definition)))):
            invalid.append((path.name, str(schema.error_log)[:200]))
    assert invalid == []
    assert count >= 280


def test_study_and_files_are_described(document: etree._Element) -> None:
    assert document.findtext("d:stdyDscr/d:citation/d:titlStmt/d:titl", "", NAMES) == "Small"
    assert document.findtext("d:stdyDscr/d:citation/d:verStmt/d:version", "", NAMES) == "1"
    files = [one.text for one in document.iterfind("d:fileDscr/d:fileTxt/d:fileName", NAMES)]
    assert files == ["household.csv", "child.csv"]


def test_a_question_has_its_texts_by_language(document: etree._Element) -> None:
    who = variable(document, "who")
    assert texts(who, "d:qstn/d:qstnLit") == [("en", "Who is it?"), ("fr", "Qui est-ce ?")]
    assert texts(who, "d:qstn/d:preQTxt") == [("en", "Read this out."), ("fr", "Lire ceci.")]
    assert texts(who, "d:qstn/d:ivuInstr") == [("en", "First name")]


def test_categories_have_code_and_labels(document: etree._Element) -> None:
    tools = variable(document, "tools")
    assert [one.text for one in tools.iterfind("d:catgry/d:catValu", NAMES)] == ["0", "1"]
    assert texts(tools, "d:catgry/d:labl")[2:] == [("en", "Hammer"), ("fr", "Marteau")]
    qstn = tools.find("d:qstn", NAMES)
    assert qstn is not None
    assert qstn.get("responseDomainType") == "multiple"


def test_universe_range_and_derivation(document: etree._Element) -> None:
    assert texts(variable(document, "tools"), "d:universe") == [
        ("en", "every interview, if old (Is [who] old?) = 1 Yes"),
        ("fr", "chaque entretien, si old ([who] est-il âgé ?) = 1 Oui"),
    ]
    limits = variable(document, "age").find("d:valrng/d:range", NAMES)
    assert limits is not None
    assert dict(limits.attrib) == {"UNITS": "INT", "min": "0", "maxExclusive": "120"}
    derivation = variable(document, "twice").find("d:derivation", NAMES)
    assert derivation is not None
    assert derivation.findtext("d:drvdesc", "", NAMES) == "age (Age?) × 2"


def test_a_classified_variable_is_described_and_belongs_to_no_file(document: etree._Element) -> None:
    who, weight, old = (variable(document, name) for name in ("who", "weight", "old"))
    assert (who.get("files"), weight.get("files"), old.get("files")) == (None, None, "F1")
    assert "Not in the files" in who.findtext("d:security", "", NAMES)
    assert "classified direct" in who.findtext("d:security", "", NAMES)
    assert "In the files" in old.findtext("d:security", "", NAMES)
    quantities = [one.text for one in document.iterfind("d:fileDscr/d:fileTxt/d:dimensns/d:varQnty", NAMES)]
    leaving = [one for one in document.iterfind("d:dataDscr/d:var", NAMES) if one.get("files")]
    assert sum(int(text or "0") for text in quantities) == len(leaving)


def test_groups_name_their_variables(document: etree._Element) -> None:
    (group,) = document.iterfind("d:dataDscr/d:varGrp", NAMES)
    assert group.get("type") == "section"
    assert variable(document, "who").get("ID") in (group.get("var") or "").split()
    assert texts(group, "d:labl") == [("en", "A. People"), ("fr", "A. Personnes")]
