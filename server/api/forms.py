"""Forms for managers and their programs: publish a workbook, decide about versions, get the very bytes back."""

import json
from typing import Any, Final

from flask import Blueprint, Response, request

from forms.evolution.declared import EMPTY_MAP
from forms.package import PACKAGE_BYTES, Medium
from server.api.bodies import SANDBOX, if_changed, json_object, limit, read_body, text_member
from server.api.form_members import event_members, form_members, manifest_members, version_members
from server.clock import utc_now
from server.context import caller, current, roles
from server.db.queries.forms import DRAFT, StoredVersion
from server.errors import BadRequest, NotFound
from server.file_names import disposition
from server.services import compare_versions, deliver_forms, publish_form
from server.services.publish_form import Prepared

UPLOAD_BYTES: Final = PACKAGE_BYTES + (17 << 20)
READERS: Final = ("enumerator", "supervisor", "manager", "statistician")
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

blueprint = Blueprint("forms", __name__, url_prefix="/api/v1/forms")


@blueprint.post("/<form_id>/versions")
@roles("manager")
def publish(form_id: str) -> Response:
    """Publish a version; `?dry_run=true` only says what it would come to, and stores nothing."""
    prepared, note = _uploaded(form_id)
    database = current().database
    with database.read() as session:
        examined = publish_form.examine(session, prepared, project_id=_project(), scope=caller().scope)
    if request.args.get("dry_run") in ("1", "true"):
        return _json(examined.members(_rehearse(prepared)))
    with database.transaction() as session:
        published = publish_form.publish(
            session, prepared, note=note, user=caller().name, now=utc_now(), examined=examined
        )
    return _json(published.members(), 201 if published.is_new else 200)


@blueprint.post("/<form_id>/versions/<version>/state")
@roles("manager")
def change_state(form_id: str, version: str) -> Response:
    """Publish a draft, close, reopen or retire a version: `{"state": …, "note": …}`."""
    asked = json_object()
    state, note = text_member(asked, "state"), text_member(asked, "note", default="")
    with current().database.transaction() as session:
        changed = publish_form.change_state(
            session, form_id=form_id, version=version, state=state, note=note, user=caller().name, now=utc_now()
        )
    return _json(version_members(changed))


@blueprint.post("/<form_id>/versions/<version>/approval")
@roles("manager")
def approve(form_id: str, version: str) -> Response:
    """Publish what another person has submitted: `{"note": …, "submitted_at": …}`, the latter as it was looked at."""
    asked = json_object()
    note, seen = text_member(asked, "note", default=""), asked.get("submitted_at")
    with current().database.transaction() as session:
        approved = publish_form.approve(
            session, form_id=form_id, version=version, note=note, user=caller().name, now=utc_now(), seen=seen
        )
    return _json(version_members(approved))


@blueprint.put("/<form_id>/policy")
@roles("manager")
def set_policy(form_id: str) -> Response:
    """Set whether a second person publishes: `{"needs_approval": true}`."""
    needs_approval = json_object().get("needs_approval")
    if not isinstance(needs_approval, bool):
        raise BadRequest("`needs_approval` is true or false")
    publish_form.refuse_lone_hand(needs_approval=needs_approval, role=caller().role)
    with current().database.transaction() as session:
        publish_form.set_policy(
            session, form_id=form_id, needs_approval=needs_approval, user=caller().name, now=utc_now()
        )
    return _json({"form_id": form_id, "needs_approval": needs_approval})


@blueprint.get("")
@roles(*READERS)
def list_all() -> Response:
    """List every form and every version of every form."""
    with current().database.read() as session:
        forms = deliver_forms.list_forms(session, caller().scope)
        versions = deliver_forms.list_versions(session, scope=caller().scope)
    return _json(
        {
            "forms": [form_members(form) for form in forms],
            "versions": [version_members(version) for version in versions if _may_see(version)],
        }
    )


@blueprint.get("/<form_id>")
@roles(*READERS)
def list_one(form_id: str) -> Response:
    """List every version of one form."""
    with current().database.read() as session:
        versions = deliver_forms.list_versions(session, form_id)
    return _json({"versions": [version_members(version) for version in versions if _may_see(version)]})


@blueprint.get("/<form_id>/versions/<version>")
@roles(*READERS)
def show(form_id: str, version: str) -> Response:
    """Describe one version; with `.xml` or `.xlsx` after its name, return its XForm or workbook."""
    stem, dot, suffix = version.rpartition(".")
    wanted = stem if dot and suffix in ("xml", "xlsx") else version
    found = _visible(form_id, wanted)
    if wanted is version:
        return _json(version_members(found))
    with current().database.read() as session:
        if suffix == "xml":
            return _file(deliver_forms.read_xform(session, found.hash), f"{form_id}.xml", "application/xml")
        workbook = deliver_forms.read_workbook(session, found.hash)
    media_type = XLSX if workbook.name.endswith(".xlsx") else "application/octet-stream"
    return _file(workbook.content, workbook.name, media_type)


@blueprint.get("/<form_id>/versions/<version>/events")
@roles(*READERS)
def events(form_id: str, version: str) -> Response:
    """List what people did to a version, oldest first."""
    _visible(form_id, version)
    with current().database.read() as session:
        found = deliver_forms.list_events(session, form_id=form_id, version=version)
    return _json({"events": [event_members(event) for event in found]})


@blueprint.get("/<form_id>/versions/<version>/manifest")
@roles(*READERS)
def manifest(form_id: str, version: str) -> Response:
    """List the files of a version, by name and hash."""
    _visible(form_id, version)
    with current().database.read() as session:
        package = deliver_forms.find_package(session, form_id=form_id, version=version)
    response = _json(manifest_members(package))
    response.set_etag(package.version.package_hash.hex())
    return if_changed(response)


@blueprint.get("/<form_id>/versions/<version>/media/<name>")
@roles(*READERS)
def medium(form_id: str, version: str, name: str) -> Response:
    """Return a file of a version, byte for byte."""
    found = _visible(form_id, version)
    with current().database.read() as session:
        blob = deliver_forms.read_medium(session, found.hash, name)
    return _file(blob.content, name, blob.media_type)


def _uploaded(form_id: str) -> tuple[Prepared, str]:
    """Read and convert an upload: multipart parts `workbook`, `media`, `map` and `note`, or the raw workbook.

    Raises:
        BadRequest: without a workbook or its name, or when it is of another form than the address says.
        WorkbookInvalid: when it makes no form.
    """
    if request.mimetype != "multipart/form-data":
        filename, note = request.args.get("filename", ""), request.args.get("note", "")
        if not filename:
            raise BadRequest("a raw workbook needs ?filename=, whose ending says what it is")
        prepared = publish_form.prepare(read_body(at_most=UPLOAD_BYTES), filename)
    else:
        prepared, note = _multipart()
    if prepared.definition.form_id != form_id:
        raise BadRequest(
            f"the workbook is of the form {prepared.definition.form_id!r}, the address says {form_id!r}: one is wrong"
        )
    return prepared, note


def _multipart() -> tuple[Prepared, str]:
    limit(UPLOAD_BYTES)
    file, declared = request.files.get("workbook"), request.files.get("map")
    if file is None or not file.filename:
        raise BadRequest("the multipart body needs a file part `workbook` with a file name")
    media = [Medium(name=part.filename or "", content=part.read()) for part in request.files.getlist("media")]
    prepared = publish_form.prepare(
        file.read(),
        file.filename,
        media=media,
        map_content=None if declared is None else declared.read(),
        map_name="map.csv" if declared is None else declared.filename or "map.csv",
    )
    return prepared, request.form.get("note", "")


def _project() -> int | None:
    """Return the number of the project that a new form shall be in: `project`, in the address or in the body."""
    text = request.args.get("project") or request.form.get("project")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadRequest("`project` is the number of a project, as /api/v1/projects lists them")
    return int(text)


def _rehearse(prepared: Prepared) -> dict[str, Any] | None:
    """Count what the version would do to the interviews collected so far; None while the key store is locked."""
    instance = current()
    if instance.keystore.is_locked:
        return None
    declared = prepared.declared or EMPTY_MAP
    with instance.database.read() as session:
        rehearsal = compare_versions.rehearse_map(
            session, instance.microdata, after=prepared.definition, declared=declared
        )
    return rehearsal.members()


def _visible(form_id: str, version: str) -> StoredVersion:
    """Return a version that the caller may see: drafts are the office's business.

    Raises:
        NotFound: there is none.
    """
    with current().database.read() as session:
        found = deliver_forms.find_version(session, form_id=form_id, version=version)
    if not _may_see(found):
        raise NotFound(f"no version {version!r} of a form {form_id!r} is published here")
    return found


def _may_see(version: StoredVersion) -> bool:
    return version.state != DRAFT or caller().role != "enumerator"


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(document, ensure_ascii=False), status, mimetype="application/json")


def _file(content: bytes, name: str, media_type: str) -> Response:
    response = Response(content, mimetype=media_type)
    response.headers["Content-Disposition"] = disposition("attachment", name)
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["X-Content-Type-Options"] = "nosniff"
    return if_changed(response)
