"""What a form's readers get of its meaning: the codebook of a version or of all, and the questionnaire on paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from forms.codebook.codebook_page import codebook_page, harmonised_page
from forms.codebook.ddi import ddi_codebook
from forms.codebook.harmonised import harmonise
from forms.codebook.languages import LANGUAGES, Language
from forms.codebook.questionnaire import questionnaire_page
from forms.codebook.tables import codebook_csv, codebook_json, harmonised_csv
from forms.codebook.variables import read_codebook
from forms.definition import FormDefinition
from forms.evolution.declared import read_map
from server.db.queries import forms
from server.errors import BadRequest, NotFound

RENAMED: Final = "renamed"
FORMATS: Final = ("json", "csv", "ddi", "html")
"""Of a version's codebook; that of all versions has no ``ddi``, which describes one set of files."""

_MEDIA_TYPES: Final = {
    "json": ("application/json", "json"),
    "csv": ("text/csv", "csv"),
    "ddi": ("application/xml", "xml"),
    "html": ("text/html", "html"),
}


@dataclass(frozen=True, slots=True)
class FormDocument:
    """A document about a form, ready to be sent or written."""

    content: bytes
    media_type: str
    name: str


def read_definitions(session: Session, form_id: str) -> Sequence[FormDefinition]:
    """Return the definitions of all versions of a form that were ever published, in the order of publication."""
    xforms = (forms.xform(session, link.hash) for link in forms.chain(session, form_id))
    return [FormDefinition.parse(xform) for xform in xforms if xform is not None]


def read_renames(session: Session, form_id: str) -> Mapping[str, Mapping[str, str]]:
    """Return what the maps of a form's versions say of names: by version, the name before → the name in it."""
    return {
        link.version: {row.old: row.question for row in read_map(link.map_document).rows if row.change == RENAMED}
        for link in forms.chain(session, form_id)
        if link.map_document is not None
    }


def read_definition(session: Session, *, form_id: str, version: str, with_drafts: bool) -> FormDefinition:
    """Return the definition of one version, of a draft only where that is wanted.

    Raises:
        NotFound: when there is none of this name.
    """
    found = forms.version(session, form_id=form_id, version=version)
    is_hidden = found is None or (found.state == forms.DRAFT and not with_drafts)
    xform = None if found is None or is_hidden else forms.xform(session, found.hash)
    if xform is None:
        raise NotFound(f"no version {version!r} of a form {form_id!r} is published here")
    return FormDefinition.parse(xform)


def describe_version(definition: FormDefinition, *, form: str, language: str) -> FormDocument:
    """Return the codebook of a version.

    Args:
        definition: of the version.
        form: one of ``FORMATS``.
        language: ``en`` or ``fr``, of the page.

    Raises:
        BadRequest: there is no such format or language.
    """
    ours = _language(language)
    known = _format(form, FORMATS)
    codebook = read_codebook(definition)
    if form == "ddi":
        content = ddi_codebook(codebook)
    elif form == "csv":
        content = codebook_csv(codebook).encode()
    elif form == "html":
        content = codebook_page(codebook, ours).encode()
    else:
        content = codebook_json(codebook).encode()
    return _document(content, known, f"{definition.form_id}-{definition.version}-codebook")


def describe_all_versions(
    definitions: Sequence[FormDefinition],
    *,
    form: str,
    language: str,
    renames: Mapping[str, Mapping[str, str]] | None = None,
) -> FormDocument:
    """Return the codebook over all versions, given in the order of publication.

    Raises:
        BadRequest: there is no such format or language.
    """
    ours = _language(language)
    known = _format(form, tuple(one for one in FORMATS if one != "ddi"))
    codebook = harmonise([read_codebook(definition) for definition in definitions], renames or {})
    if form == "csv":
        content = harmonised_csv(codebook).encode()
    elif form == "html":
        content = harmonised_page(codebook, ours).encode()
    else:
        content = codebook_json(codebook).encode()
    return _document(content, known, f"{definitions[-1].form_id}-all-versions-codebook")


def print_questionnaire(definition: FormDefinition, *, languages: Sequence[str]) -> FormDocument:
    """Return the printable questionnaire in one language of the form, or in two side by side.

    Raises:
        BadRequest: the form has no such language, or they are more than two.
    """
    try:
        text = questionnaire_page(definition, languages)
    except ValueError as error:
        raise BadRequest(f"lang: {error}") from None
    return _document(text.encode(), "html", f"{definition.form_id}-{definition.version}-questionnaire")


def _language(language: str) -> Language:
    found = next((one for one in LANGUAGES if one == language), None)
    if found is None:
        raise BadRequest(f"lang: choose one of {', '.join(LANGUAGES)}, not “{language}”")
    return found


def _format(form: str, known: Sequence[str]) -> str:
    if form not in known:
        raise BadRequest(f"format: choose one of {', '.join(known)}, not “{form}”")
    return form


def _document(content: bytes, form: str, stem: str) -> FormDocument:
    media_type, suffix = _MEDIA_TYPES[form]
    return FormDocument(content, media_type, f"{stem}.{suffix}")
