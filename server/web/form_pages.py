"""The pages of forms: versions and their states, the check of an upload, and what people decide.

Everything that changes something is a form with the session's token, answered by a redirect or by the page that says
what stands in the way.
"""

from functools import partial
from typing import Any, Final

from flask import Blueprint, Response, current_app, g, redirect, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from forms.evolution.declared import EMPTY_MAP
from forms.package import PACKAGE_BYTES, Medium
from server.clock import utc_now
from server.context import caller, current, roles
from server.db.queries.forms import StoredVersion, project_of
from server.errors import BadRequest, FormChangeBreaks, NotFound, WorkbookInvalid
from server.file_names import disposition
from server.services import compare_versions, deliver_forms, publish_form
from server.services.publish_form import Examined, Prepared
from server.web.form_messages import form_word
from server.web.form_tokens import is_ours
from server.web.pages import date, page_language, protect, render_page
from server.web.project_choice import chosen_project, page_scope
from server.web.uploads import Upload, read_carried

UPLOAD_BYTES: Final = PACKAGE_BYTES + (17 << 20)
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OFFICE: Final = ("supervisor", "manager", "statistician")
DECIDERS: Final = frozenset({"manager", "administrator"})

DOCUMENTS: Final = {"codebook": "codebooks.of_version", "questionnaire": "codebooks.questionnaire"}
"""What is written about a version for people to read, by the view that serves it."""

blueprint = Blueprint("form_pages", __name__, template_folder="templates", url_prefix="/forms")
blueprint.after_request(protect)


@blueprint.get("")
@roles(*OFFICE)
def forms() -> str:
    """List forms with their versions, the newest first."""
    with current().database.read() as session:
        known = deliver_forms.list_forms(session, page_scope())
        versions = deliver_forms.list_versions(session, scope=page_scope())
    sections = [(form, [one for one in reversed(versions) if one.form_id == form.form_id]) for form in known]
    return _page("forms.html", sections=sections)


@blueprint.get("/<form_id>/versions/<version>")
@roles(*OFFICE)
def version(form_id: str, version: str) -> str:
    """Show one version: its state, history and files, and what can be decided."""
    with current().database.read() as session:
        package = deliver_forms.find_package(session, form_id=form_id, version=version)
        events = deliver_forms.list_events(session, form_id=form_id, version=version)
        form = next(one for one in deliver_forms.list_forms(session) if one.form_id == form_id)
        others = {one.hash: one.version for one in deliver_forms.list_versions(session, form_id)}
    previous = others.get(package.version.previous_hash or b"")
    documents = [name for name, endpoint in DOCUMENTS.items() if endpoint in current_app.view_functions]
    return _page("form_version.html", documents=documents, package=package, events=events, form=form, previous=previous)


@blueprint.get("/check")
@blueprint.get("/publish")
@roles(*OFFICE)
def back() -> WerkzeugResponse:
    """Lead to the list whoever follows a link on, or reloads, a page that answered an upload."""
    return redirect(url_for("form_pages.forms", lang=request.args.get("lang")), 303)


@blueprint.post("/check")
@roles("manager")
def check() -> str | tuple[str, int] | WerkzeugResponse:
    """Show everything that is found in an upload, and what it would change; store nothing unless told so."""
    _refuse_foreign(at_most=UPLOAD_BYTES)
    upload, note = _uploaded(), request.form.get("note", "")
    if request.form.get("at_once"):
        return _publish(upload, note)
    try:
        prepared = upload.prepare()
        with current().database.read() as session:
            examined = _examine(session, prepared)
    except WorkbookInvalid as refused:
        return _refused(refused, upload), refused.status
    return _checked(examined, upload, note)


@blueprint.post("/publish")
@roles("manager")
def publish() -> tuple[str, int] | WerkzeugResponse:
    """Publish, or submit, what the page before has shown."""
    _refuse_foreign(at_most=UPLOAD_BYTES)
    return _publish(read_carried(request.form.get("upload", "")), request.form.get("note", ""))


@blueprint.post("/<form_id>/versions/<version>/state")
@roles("manager")
def change_state(form_id: str, version: str) -> WerkzeugResponse:
    """Publish a draft, close, reopen or retire a version."""
    _refuse_foreign()
    state, note = request.form.get("state", ""), request.form.get("note", "")
    with current().database.transaction() as session:
        publish_form.change_state(
            session, form_id=form_id, version=version, state=state, note=note, user=caller().name, now=utc_now()
        )
    return _to_version(form_id, version)


@blueprint.post("/<form_id>/versions/<version>/approval")
@roles("manager")
def approve(form_id: str, version: str) -> WerkzeugResponse:
    """Publish what another person has submitted."""
    _refuse_foreign()
    with current().database.transaction() as session:
        publish_form.approve(
            session,
            form_id=form_id,
            version=version,
            note=request.form.get("note", ""),
            user=caller().name,
            now=utc_now(),
            seen=request.form.get("seen", ""),
        )
    return _to_version(form_id, version)


@blueprint.post("/<form_id>/policy")
@roles("manager")
def set_policy(form_id: str) -> WerkzeugResponse:
    """Set whether a second person publishes."""
    _refuse_foreign()
    needs_approval = request.form.get("needs_approval") == "yes"
    publish_form.refuse_lone_hand(needs_approval=needs_approval, role=caller().role)
    with current().database.transaction() as session:
        publish_form.set_policy(
            session, form_id=form_id, needs_approval=needs_approval, user=caller().name, now=utc_now()
        )
    return redirect(url_for("form_pages.forms", lang=request.args.get("lang")), 303)


@blueprint.get("/<form_id>/<version>.<kind>")
@roles(*OFFICE)
def form_file(form_id: str, version: str, kind: str) -> Response:
    """Download a form version as it was published: its workbook, or its XForm."""
    with current().database.read() as session:
        found = deliver_forms.find_version(session, form_id=form_id, version=version)
        content, name, media_type = _file(session, found, kind)
    response = Response(content, mimetype=media_type)
    response.headers["Content-Disposition"] = disposition("attachment", name)
    return response


def _file(session: Any, found: StoredVersion, kind: str) -> tuple[bytes, str, str]:
    if kind == "xml":
        return deliver_forms.read_xform(session, found.hash), f"{found.form_id}.xml", "text/xml"
    if kind == "xlsx":
        workbook = deliver_forms.read_workbook(session, found.hash)
        return workbook.content, workbook.name, XLSX
    raise NotFound(f"a form version is an xlsx or an xml, not a {kind[:20]}")


def _uploaded() -> Upload:
    file, declared = request.files.get("workbook"), request.files.get("map")
    if file is None or not file.filename:
        raise BadRequest("choose a workbook first")
    has_map = declared is not None and declared.filename
    return Upload(
        filename=file.filename,
        workbook=file.read(),
        media=[
            Medium(name=part.filename, content=part.read())
            for part in request.files.getlist("media")
            if part.filename  # a browser sends an empty part when no file was chosen
        ],
        map_content=declared.read() if declared is not None and has_map else None,
        map_name=(declared.filename or "map.csv") if declared is not None and has_map else "map.csv",
    )


def _publish(upload: Upload, note: str) -> tuple[str, int] | WerkzeugResponse:
    database = current().database
    try:
        prepared = upload.prepare()
        with database.read() as session:
            examined = _examine(session, prepared)
    except WorkbookInvalid as refused:
        return _refused(refused, upload), refused.status
    if examined.outcome == "refused":
        return _checked(examined, upload, note), FormChangeBreaks.status
    with database.transaction() as session:
        published = publish_form.publish(
            session, prepared, note=note, user=caller().name, now=utc_now(), examined=examined
        )
    return _to_version(published.form_id, published.version)


def _examine(session: Any, prepared: Prepared) -> Examined:
    """Compare an upload with what is there; a new form comes into the project that was chosen, a known one stays."""
    text = request.form.get("project", "")
    project_id = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else chosen_project()
    if project_of(session, prepared.definition.form_id) is not None:
        project_id = None
    return publish_form.examine(session, prepared, project_id=project_id, scope=caller().scope)


def _checked(examined: Examined, upload: Upload, note: str) -> str:
    told = examined.members(_rehearse(examined))
    return _page("form_check.html", told=told, carried=upload.carried(), note=note, name="")


def _rehearse(examined: Examined) -> dict[str, Any] | None:
    """Count what the version would do to the interviews collected so far; None while the key store is locked."""
    instance = current()
    if examined.difference is None or instance.keystore.is_locked:
        return None
    declared = examined.prepared.declared or EMPTY_MAP
    with instance.database.read() as session:
        rehearsal = compare_versions.rehearse_map(
            session, instance.microdata, after=examined.prepared.definition, declared=declared
        )
    return rehearsal.members()


def _refused(refused: WorkbookInvalid, upload: Upload) -> str:
    told = {"outcome": "invalid", "findings": refused.members["findings"], "difference": None, "rehearsal": None}
    return _page("form_check.html", told=told, carried=None, note="", name=upload.filename)


def _refuse_foreign(at_most: int = 64 << 10) -> None:
    """Refuse a form that did not come from a page of this session, or is larger than it may be.

    Raises:
        BadRequest: nothing was changed.
    """
    request.max_content_length = at_most
    if not is_ours(request.form.get("form_token", "")):
        raise BadRequest(form_word(page_language(), "form_old"))


def _to_version(form_id: str, version: str) -> WerkzeugResponse:
    address = url_for("form_pages.version", form_id=form_id, version=version, lang=request.args.get("lang"))
    return redirect(address, 303)


def _page(template: str, **values: Any) -> str:
    language = page_language()
    return render_page(
        template, f=partial(form_word, language), date=date, may_decide=g.caller.role in DECIDERS, **values
    )
