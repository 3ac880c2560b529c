"""Settings of a tablet with ODK Collect, as JSON or as the QR code that it scans; each request makes a new access."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request

from server.api.app_users import BY_ID
from server.api.bodies import read_body
from server.clock import utc_now
from server.context import caller, current, roles
from server.errors import BadRequest
from server.services import app_users, collect_settings
from server.services.collect_settings import Settings

FORMATS: Final = {"json": "application/json", "png": "image/png", "svg": "image/svg+xml"}
PICTURES: Final = {"image/png": collect_settings.png, "image/svg+xml": collect_settings.svg}
BODY_BYTES: Final = 20_000

blueprint = Blueprint("tablet_settings", __name__, url_prefix="/api/v1/app-users")


@blueprint.post(f"{BY_ID}/settings")
@roles("manager")
def make_settings(app_user_id: int) -> Response:
    """Give an app user a fresh access, and return settings with it: `{"with_password": …}` and what `Wishes` names.

    JSON, or a picture by `?format=png|svg` or the Accept header. What let the tablet in before stops.
    """
    wanted, members = _wanted_type(), _members()
    settings = _fresh_settings(app_user_id, members)
    if wanted in PICTURES:
        response = Response(PICTURES[wanted](settings), mimetype=wanted)
    else:
        response = jsonify({"settings": settings, "payload": collect_settings.payload(settings)})
    response.headers["Cache-Control"] = "no-store"
    return response


def _fresh_settings(app_user_id: int, members: Mapping[str, Any]) -> Settings:
    """Give the access and write the settings in one transaction: a wish that does not fit costs nobody an access."""
    context, asked = current(), {**members}
    tablet_secrets = context.tablets if asked.pop("with_password", False) else None
    base_url = context.config.base_url or f"{request.scheme}://{request.host}"
    with context.database.transaction() as session:
        app_user = app_users.show_app_user(session, app_user_id, caller().scope)
        wishes = collect_settings.usual_wishes(session, app_user, asked)
        reach = collect_settings.give_access(
            session, app_user, base_url=base_url, tablet_secrets=tablet_secrets, user=caller().name, now=utc_now()
        )
        return collect_settings.write_settings(reach, wishes)


def _members() -> Mapping[str, Any]:
    """Return what the body asks for; an empty body asks for what is usual.

    Raises:
        BadRequest: it is no JSON object.
    """
    members = request.get_json(force=True, silent=True) if read_body(at_most=BODY_BYTES) else {}
    if not isinstance(members, dict):
        raise BadRequest("the body is a JSON object, or empty")
    return members


def _wanted_type() -> str:
    named = request.args.get("format")
    if named is not None and named not in FORMATS:
        raise BadRequest(f"?format= is one of {', '.join(FORMATS)}")
    best = request.accept_mimetypes.best_match(list(FORMATS.values()), default="application/json")
    return FORMATS[named] if named is not None else best
