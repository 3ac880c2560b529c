"""Codebooks and printed questionnaires of the published forms."""

from typing import Final

from flask import Blueprint, Response, request

from forms.definition import FormDefinition
from server.api.bodies import if_changed
from server.api.forms import READERS
from server.context import caller, current, roles
from server.errors import NotFound
from server.file_names import disposition
from server.services import document_form
from server.services.document_form import FormDocument

DEFAULT_FORMAT: Final = "json"
_STRICT: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

blueprint = Blueprint("codebooks", __name__, url_prefix="/api/v1/forms")


@blueprint.get("/<form_id>/versions/<version>/codebook")
@roles(*READERS)
def of_version(form_id: str, version: str) -> Response:
    """Return the codebook of a version: `?format=json|csv|ddi|html`, `?lang=en|fr` for the page."""
    definition = _definition(form_id, version)
    document = document_form.describe_version(definition, form=_wanted_format(), language=_wanted_language())
    return _response(document)


@blueprint.get("/<form_id>/versions/<version>/questionnaire")
@roles(*READERS)
def questionnaire(form_id: str, version: str) -> Response:
    """Return the printable questionnaire: `?lang=fr`, or `?lang=en,fr` for two languages side by side."""
    wanted = [language.strip() for language in request.args.get("lang", "").split(",") if language.strip()]
    return _response(document_form.print_questionnaire(_definition(form_id, version), languages=wanted))


@blueprint.get("/<form_id>/codebook")
@roles(*READERS)
def of_all_versions(form_id: str) -> Response:
    """Return the codebook over all versions: `?format=json|csv|html`, `?lang=en|fr` for the page."""
    with current().database.read() as session:
        definitions = document_form.read_definitions(session, form_id)
        renames = document_form.read_renames(session, form_id)
    if not definitions:
        raise NotFound(f"no version of a form {form_id!r} is published here")
    return _response(
        document_form.describe_all_versions(
            definitions, form=_wanted_format(), language=_wanted_language(), renames=renames
        )
    )


def _definition(form_id: str, version: str) -> FormDefinition:
    with current().database.read() as session:
        with_drafts = caller().role != "enumerator"
        return document_form.read_definition(session, form_id=form_id, version=version, with_drafts=with_drafts)


def _wanted_format() -> str:
    return request.args.get("format", DEFAULT_FORMAT)


def _wanted_language() -> str:
    return request.args.get("lang", "en")


def _response(document: FormDocument) -> Response:
    response = Response(document.content, mimetype=document.media_type)
    how = "inline" if document.media_type == "text/html" else "attachment"
    response.headers["Content-Disposition"] = disposition(how, document.name)
    # Labels are text of whoever wrote the form: the page may style itself and do nothing else.
    response.headers["Content-Security-Policy"] = _STRICT
    return if_changed(response)
