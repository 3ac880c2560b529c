"""Releases for everybody, drafts and microdata for those who make them."""

import json
from typing import Any, Final

from flask import Blueprint, Response, g, request

from server.context import anonymous, caller, current, public, roles
from server.db.queries import forms
from server.db.queries.statistics import PUBLISHED, StoredRelease
from server.errors import BadRequest
from server.export.delimited import write_csv
from server.export.release_formats import estimates_csv, estimates_json
from server.services import export_microdata
from server.services import release as releases
from server.statistics.hh_remit import FORM_ID

CSV: Final = "text/csv"
JSON: Final = "application/json"
FORMATS: Final = {"csv": CSV, "json": JSON}
DRAFT_READERS: Final = frozenset({"manager", "statistician", "administrator"})

blueprint = Blueprint("estimates", __name__, url_prefix="/api/v1")


@blueprint.get("/releases")
@public
def list_all() -> Response:
    """List releases, newest first: published ones, and drafts for those who may see them."""
    with current().database.read() as session:
        found = releases.list_releases(session, with_drafts=_sees_drafts(session))
    return _answer(json.dumps({"releases": [_described(one) for one in found]}).encode(), JSON)


@blueprint.get("/releases/<int(max=2147483647):release_id>")
@public
def show(release_id: int) -> Response:
    """Describe one release."""
    with current().database.read() as session:
        found = releases.show(session, release_id, with_drafts=_sees_drafts(session))
    return _answer(json.dumps(_described(found)).encode(), JSON)


@blueprint.get("/releases/<int(max=2147483647):release_id>/estimates")
@public
def estimates(release_id: int) -> Response:
    """Return the figures of a release as JSON or CSV, by Accept or ``?format=``."""
    media_type = _wanted()
    with current().database.read() as session:
        found = releases.show(session, release_id, with_drafts=_sees_drafts(session))
    tag = f"{found.content_hash.hex()}.{found.release_id}.{media_type.rpartition('/')[2]}"
    if media_type == CSV:
        body = b"".join(estimates_csv(found.content))
        return _answer(body, CSV, tag=tag, is_public=found.state == PUBLISHED)
    return _answer(estimates_json(found.content, release_id), JSON, tag=tag, is_public=found.state == PUBLISHED)


@blueprint.get("/microdata.csv")
@roles("statistician")
def microdata() -> Response:
    """Stream analysis microdata with weights, strata and PSUs.

    ``?table=`` names a repeat instead of households, ``?as_of=`` a version of the form or ``collected``.
    """
    context = current()
    with context.database.read() as session:
        table = export_microdata.open_table(
            session,
            microdata=context.microdata,
            table=request.args.get("table", "household"),
            as_of=request.args.get("as_of"),
            scope=caller().scope,
        )
    response = Response(write_csv(table.header, table.rows), mimetype=CSV)
    response.headers["Cache-Control"] = "no-store"
    return response


def _sees_drafts(session: Any) -> bool:
    """Say whether the caller sees drafts: by role, and by the project of the form that they come from."""
    return not anonymous() and g.caller.role in DRAFT_READERS and forms.is_visible(session, FORM_ID, g.caller.scope)


def _wanted() -> str:
    """Return the media type that the caller asks for.

    Raises:
        BadRequest: an unknown ``?format=``.
    """
    name = request.args.get("format")
    if name is None:
        return request.accept_mimetypes.best_match([JSON, CSV], default=JSON) or JSON
    if name not in FORMATS:
        raise BadRequest("?format= is csv or json.")
    return FORMATS[name]


def _described(found: StoredRelease) -> dict[str, Any]:
    return {
        "release_id": found.release_id,
        "state": found.state,
        "cut_off": found.cut_off.isoformat(),
        "created_at": found.created_at.isoformat(),
        "published_at": None if found.published_at is None else found.published_at.isoformat(),
        "published_by": found.published_by,
        "content_hash": found.content_hash.hex(),
        "open_holds": found.open_holds,
        "estimates": f"/api/v1/releases/{found.release_id}/estimates",
    }


def _answer(body: bytes, media_type: str, *, tag: str | None = None, is_public: bool = False) -> Response:
    """Answer with a strong validator; a published content never changes, but its state may, so it is revalidated."""
    response = Response(body, mimetype=media_type)
    response.headers["Vary"] = "Accept, Authorization, Cookie"
    response.headers["Cache-Control"] = "public, no-cache" if is_public else "private, no-cache"
    if tag is None:
        response.add_etag()
    else:
        response.set_etag(tag)
    response.make_conditional(request)
    return response
