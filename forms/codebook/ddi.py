"""The codebook of a form version as DDI Codebook 2.5, for archives and catalogues.

Schema: DDI Alliance, DDI Codebook 2.5, ``ddi:codebook:2_5``,
https://ddialliance.org/Specification/DDI-Codebook/2.5/. Elements stand in the order of its sequences.

Variables that never leave the office are described, with their classification, and belong to no file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from forms.codebook.bounds import Bounds
from forms.codebook.languages import LANGUAGES, tag
from forms.codebook.variables import Codebook, RecordTable, Variable, VariableGroup
from forms.model import Texts

NAMESPACE: Final = "ddi:codebook:2_5"
LOCATION: Final = "https://ddialliance.org/Specification/DDI-Codebook/2.5/XMLSchema/codebook.xsd"

_XML_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_SCHEMA_LOCATION: Final = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
_RESPONSE: Final = {
    "select_one": "category",
    "select_multiple": "multiple",
    "rank": "multiple",
    "integer": "numeric",
    "decimal": "numeric",
    "range": "numeric",
    "date": "datetime",
    "time": "datetime",
    "dateTime": "datetime",
    "geopoint": "geographic",
    "geotrace": "geographic",
    "geoshape": "geographic",
    "text": "text",
}
_CLASSES: Final = {
    "direct": "identifies a person",
    "location": "a position",
    "text": "free text",
    "key": "a key of the office",
    "sensitive": "sensitive",
    "none": "looked at, identifies nobody",
}


@dataclass(frozen=True, slots=True)
class _Ids:
    """XML ids: of variables by path, of groups and files by path."""

    variables: Mapping[str, str]
    groups: Mapping[str, str]
    files: Mapping[str, str]


def ddi_codebook(codebook: Codebook) -> bytes:
    """Return the codebook as a DDI document, UTF-8; equal codebooks give equal bytes."""
    ids = _Ids(
        {variable.path: f"V{number}" for number, variable in enumerate(codebook.variables(), start=1)},
        {group.path: f"G{number}" for number, group in enumerate(codebook.groups, start=1)},
        {table.path: f"F{number}" for number, table in enumerate(codebook.tables, start=1)},
    )
    prefixes = {None: NAMESPACE, "xsi": "http://www.w3.org/2001/XMLSchema-instance"}
    root = etree.Element(f"{{{NAMESPACE}}}codeBook", nsmap=prefixes)  # type: ignore[arg-type]  # None is the default one
    root.set("version", "2.5")
    root.set(_SCHEMA_LOCATION, f"{NAMESPACE} {LOCATION}")
    if codebook.default_language:
        root.set(_XML_LANG, tag(codebook.default_language))
    _document(_add(root, "docDscr"), codebook)
    _study(_add(root, "stdyDscr"), codebook)
    for table in codebook.tables:
        _file(root, table, ids)
    content = _add(root, "dataDscr")
    for group in codebook.groups:
        _group(content, group, ids)
    for table in codebook.tables:
        for variable in table.variables:
            _variable(content, variable, table, ids)
    document: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return document


def _document(parent: etree._Element, codebook: Codebook) -> None:
    citation = _add(parent, "citation")
    title = _add(citation, "titlStmt")
    _add(title, "titl", f"Codebook: {codebook.title}")
    _add(title, "IDNo", codebook.hash.hex())
    _add(_add(citation, "prodStmt"), "software", "Passerelle")


def _study(parent: etree._Element, codebook: Codebook) -> None:
    citation = _add(parent, "citation")
    title = _add(citation, "titlStmt")
    _add(title, "titl", codebook.title)
    _add(title, "IDNo", codebook.form_id)
    _add(_add(citation, "verStmt"), "version", codebook.version, type="form")
    _add(parent, "notes", f"SHA-256 of the XForm: {codebook.hash.hex()}", type="hash")


def _file(root: etree._Element, table: RecordTable, ids: _Ids) -> None:
    description = _add(root, "fileDscr", ID=ids.files[table.path])
    text = _add(description, "fileTxt")
    _add(text, "fileName", f"{table.name}.csv")
    what = "One row an interview." if not table.above else f"One row a {table.name}, within its {table.above}."
    _add(text, "fileCont", what, lang="en")
    records = _add(_add(text, "fileStrc", type="relational"), "recGrp", rectype=table.name)
    _texts(records, "labl", table.labels)
    leaving = sum(variable.is_exported for variable in table.variables)
    _add(_add(text, "dimensns"), "varQnty", str(leaving))
    _add(text, "fileType", "text/csv", charset="UTF-8")


def _group(parent: etree._Element, group: VariableGroup, ids: _Ids) -> None:
    element = _add(parent, "varGrp", ID=ids.groups[group.path], type="section", name=group.path.rpartition("/")[2])
    inside = [place for place in ids.groups if place.rpartition("/")[0] == group.path]
    if group.variables:
        element.set("var", " ".join(ids.variables[path] for path in group.variables))
    if inside:
        element.set("varGrp", " ".join(ids.groups[place] for place in inside))
    _texts(element, "labl", group.labels)
    # A group of DDI takes one universe; the French sentence stands with each variable.
    _add(element, "universe", group.universe["en"], lang="en")


def _variable(parent: etree._Element, variable: Variable, table: RecordTable, ids: _Ids) -> None:
    element = _add(parent, "var", ID=ids.variables[variable.path], name=variable.name)
    if variable.is_exported:
        element.set("files", ids.files[table.path])
    is_measure = variable.type in ("integer", "decimal") and variable.categories is None
    element.set("intrvl", "contin" if is_measure else "discrete")
    _texts(element, "labl", variable.labels)
    _add(element, "security", _security(variable), lang="en")
    if variable.source == "asked":
        _question(element, variable)
    if variable.bounds is not None:
        _range(_add(element, "valrng"), variable.bounds, variable.type)
    for language in LANGUAGES:
        _add(element, "universe", variable.universe[language], lang=language)
    for category in variable.categories or ():
        listed = _add(element, "catgry")
        _add(listed, "catValu", category.code)
        _texts(listed, "labl", category.labels)
    if variable.calculation_expression:
        derivation = _add(element, "derivation")
        _add(derivation, "drvdesc", variable.calculation["en"], lang="en")
        _add(derivation, "drvcmd", variable.calculation_expression, syntax="XPath")
    _format(element, variable)
    for kind, text, its_language in _notes(variable):
        _add(element, "notes", text, lang=its_language, type=kind)


def _question(element: etree._Element, variable: Variable) -> None:
    kind = _RESPONSE.get(variable.kind, "other")
    question = _add(element, "qstn", responseDomainType=kind)
    if kind == "other":
        question.set("otherResponseDomainType", variable.kind)
    _texts(question, "preQTxt", variable.introduction)
    _texts(question, "qstnLit", variable.labels)
    _texts(question, "ivuInstr", variable.hints)
    _texts(question, "ivuInstr", variable.guidance)


def _range(element: etree._Element, limits: Bounds, kind: str) -> None:
    attributes = {
        "minExclusive" if limits.is_low_exclusive else "min": limits.low,
        "maxExclusive" if limits.is_high_exclusive else "max": limits.high,
    }
    found = {name: value for name, value in attributes.items() if value}
    _add(element, "range", UNITS="INT" if kind == "integer" else "REAL", **found)


def _format(element: etree._Element, variable: Variable) -> None:
    is_number = variable.type in ("integer", "decimal")
    shape = _add(element, "varFormat", type="numeric" if is_number else "character", schema="other")
    shape.set("formatname", variable.type)
    if variable.type == "date":
        shape.set("category", "date")


def _notes(variable: Variable) -> Iterator[tuple[str, str, str]]:
    for language in LANGUAGES:
        yield "required", variable.required[language], language
        if variable.constraint_expression:
            yield "constraint", variable.constraint[language], language
    if variable.calculation_expression:
        yield "derivation", variable.calculation["fr"], "fr"
    if variable.choice_list and variable.categories is None:
        yield "choice-list", variable.choice_list, ""
    if variable.kind in ("select_multiple", "rank"):
        yield "coding", "Several codes, separated by spaces.", "en"
    if variable.save_to:
        yield "entity-property", variable.save_to, ""


def _security(variable: Variable) -> str:
    where = "Not in the files that are handed out"
    leaves = "In the files that are handed out" if variable.is_exported else where
    found = _CLASSES.get(variable.pii or "", variable.pii or "")
    classified = f"classified {variable.pii} ({found})" if variable.pii else "not classified"
    return f"{leaves}; {classified}; kept in the store of {variable.store}."


def _texts(parent: etree._Element, name: str, texts: Texts) -> None:
    for language, text in texts.items():
        _add(parent, name, text, lang=tag(language) if language else "")


def _add(parent: etree._Element, name: str, text: str = "", /, *, lang: str = "", **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", attributes)
    if lang:
        element.set(_XML_LANG, lang)
    if text:
        element.text = text
    return element
