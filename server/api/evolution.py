"""What changed between versions of a form, for managers, statisticians and their programs."""

import json
from typing import Any

from flask import Blueprint, Response, request

from server.context import current, roles
from server.errors import BadRequest
from server.services import compare_versions
from server.services.publish_form.members import difference_members

blueprint = Blueprint("evolution", __name__, url_prefix="/api/v1/forms")


@blueprint.get("/<form_id>/difference")
@roles("manager", "statistician")
def difference(form_id: str) -> Response:
    """Compare two stored versions: `?from=1&to=2`; what the map stored between them settles is settled."""
    before, after = _named("from"), _named("to")
    instance = current()
    with instance.database.read() as session:
        found = compare_versions.compare_stored(
            session, instance.microdata, form_id=form_id, before=before, after=after
        )
    return _json({"form_id": form_id} | (difference_members(found) or {}))


def _named(parameter: str) -> str:
    value = request.args.get(parameter)
    if value is None:
        raise BadRequest("the difference needs two versions, as in ?from=1&to=2")
    return value


def _json(document: dict[str, Any]) -> Response:
    return Response(json.dumps(document, ensure_ascii=False), 200, mimetype="application/json")
