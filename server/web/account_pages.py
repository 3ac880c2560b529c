"""One's own account, for everybody who is logged in: another password, and the project that the console shows."""

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from server.context import caller, current, roles
from server.context.access import ROLES
from server.context.login import own_password
from server.db.queries import accounts
from server.errors import BadRequest, LoginInvalid, Problem, RateLimited
from server.web.pages import begin_session, local_target, protect, refuse_foreign, render_page
from server.web.project_choice import choose_project

FAILURES: dict[type[Problem], str] = {
    LoginInvalid: "wrong_present",
    RateLimited: "slow",
    BadRequest: "short_password",
}

blueprint = Blueprint("account", __name__, template_folder="templates")
blueprint.after_request(protect)


@blueprint.get("/account")
@roles(*ROLES)
def account() -> str:
    """Show who is logged in."""
    return _page(None)


@blueprint.post("/account/password")
@roles(*ROLES)
def change_password() -> tuple[str, int]:
    """Give oneself another password; this session goes on, all others end."""
    refuse_foreign()
    present, chosen = request.form.get("present", ""), request.form.get("chosen", "")
    try:
        own_password(current(), caller(), present=present, chosen=chosen, address=request.remote_addr or "")
    except (LoginInvalid, RateLimited, BadRequest) as error:
        return _page(FAILURES[type(error)]), error.status
    with current().database.read() as session:
        user = accounts.user_by_id(session, caller().user_id)
    if user is not None:
        begin_session(user)
    return _page(None, is_changed=True), 200


@blueprint.post("/account/project")
@roles(*ROLES)
def show_project() -> Response:
    """Show one project in the console from now on, or all of them again."""
    refuse_foreign()
    choose_project(request.form.get("project", ""))
    return redirect(local_target(request.form.get("next", "")) or "/fieldwork", 303)


def _page(failure: str | None, *, is_changed: bool = False) -> str:
    return render_page("account.html", failure=failure, is_changed=is_changed)
