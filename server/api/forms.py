"""Forms for managers and their programs: publish a workbook, list versions, get the very bytes back."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, request

from forms.workbook.findings import WorkbookFinding
from server.api.bodies import if_changed, limit, read_body
from server.clock import utc_now
from server.context import caller, current, roles
from server.db.queries.forms import StoredVersion
from server.errors import BadRequest
from server.services import deliver_forms, publish_form
from server.services.publish_form import PublishedVersion

WORKBOOK_BYTES: Final = 17 << 20
READERS: Final = ("enumerator", "supervisor", "manager", "statistician")
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

blueprint = Blueprint("forms", __name__, url_prefix="/api/v1/forms")


@blueprint.post("")
@roles("manager")
def publish() -> Response:
    """Publish a workbook: multipart part `workbook`, or the raw file with `?filename=`; `?dry_run=1` only checks."""
    workbook, filename, note = _uploaded()
    prepared = publish_form.prepare(workbook, filename)
    if request.args.get("dry_run") in ("1", "true"):
        return _json({"findings": [_finding(finding) for finding in prepared.conversion.findings]}, 200)
    with current().database.transaction() as session:
        published = publish_form.publish(session, prepared, note=note, user=caller().name, now=utc_now())
    return _json(_published(published), 201 if published.is_new else 200)


@blueprint.get("")
@roles(*READERS)
def list_all() -> Response:
    """List every version of every form."""
    with current().database.read() as session:
        versions = deliver_forms.list_versions(session)
    return _json({"versions": [_version(version) for version in versions]})


@blueprint.get("/<form_id>")
@roles(*READERS)
def list_one(form_id: str) -> Response:
    """List every version of one form."""
    with current().database.read() as session:
        versions = deliver_forms.list_versions(session, form_id)
    return _json({"versions": [_version(version) for version in versions]})


@blueprint.get("/<form_id>/versions/<version>")
@roles(*READERS)
def show(form_id: str, version: str) -> Response:
    """Describe one version; with `.xml` or `.xlsx` after its name, return its XForm or workbook."""
    stem, dot, suffix = version.rpartition(".")
    wanted = stem if dot and suffix in ("xml", "xlsx") else version
    with current().database.read() as session:
        found = deliver_forms.find_version(session, form_id=form_id, version=wanted)
        if wanted is version:
            return _json(_version(found))
        if suffix == "xml":
            return _file(deliver_forms.read_xform(session, found.hash), f"{form_id}.xml", "application/xml")
        workbook = deliver_forms.read_workbook(session, found.hash)
    media_type = XLSX if workbook.name.endswith(".xlsx") else "application/octet-stream"
    return _file(workbook.content, workbook.name, media_type)


def _uploaded() -> tuple[bytes, str, str]:
    """Return workbook, file name and note.

    Raises:
        BadRequest: when one of the first two is missing.
    """
    if request.mimetype != "multipart/form-data":
        filename = request.args.get("filename", "")
        if not filename:
            raise BadRequest("a raw workbook needs ?filename=, whose ending says what it is")
        return read_body(at_most=WORKBOOK_BYTES), filename, request.args.get("note", "")
    limit(WORKBOOK_BYTES)
    file = request.files.get("workbook")
    if file is None or not file.filename:
        raise BadRequest("the multipart body needs a file part `workbook` with a file name")
    return file.read(), file.filename, request.form.get("note", "")


def _published(published: PublishedVersion) -> dict[str, Any]:
    return {
        "form_id": published.form_id,
        "version": published.version,
        "title": published.title,
        "hash": published.hash.hex(),
        "is_new": published.is_new,
        "findings": [_finding(finding) for finding in published.findings],
    }


def _version(version: StoredVersion) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(version).items()}


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, datetime) else value


def _finding(finding: WorkbookFinding) -> dict[str, Any]:
    return dict(finding.members())


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(document, ensure_ascii=False), status, mimetype="application/json")


def _file(content: bytes, name: str, media_type: str) -> Response:
    response = Response(content, mimetype=media_type)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return if_changed(response)
