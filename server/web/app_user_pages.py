"""The pages of app users, for managers: list, create, show the settings code once, choose forms, revoke at once."""

from typing import Any, Final

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from server.clock import utc_now
from server.context import Context, caller, current, roles
from server.errors import BadRequest, Conflict
from server.services import app_users, collect_settings, deliver_forms
from server.services.collect_settings import Settings
from server.web.pages import PICTURES, date, protect, refuse_foreign, render_page, svg_source
from server.web.project_choice import asked_project, chosen_project, open_projects, page_scope, visible_projects

BY_ID: Final = "/<int:app_user_id>"
MODES: Final = ("survey", "training", "pilot")
"""As on every page, with the code's picture in the page itself: it has no address, and so stays in no cache."""

blueprint = Blueprint("app_user_pages", __name__, template_folder="templates", url_prefix="/app-users")
blueprint.after_request(protect)


@blueprint.get("")
@roles("manager")
def list_all() -> str:
    """List app users."""
    return _list()


@blueprint.post("")
@roles("manager")
def create() -> tuple[str, int] | Response:
    """Make an app user and show its settings code, this once."""
    refuse_foreign()
    names = ("name", "enumerator", "team", "mode", "language")
    texts: dict[str, Any] = {name: request.form.get(name, "").strip() for name in names}
    try:
        project_id = asked_project(request.form.get("project", ""))
        with current().database.transaction() as session:
            app_users.create_app_user(session, **texts, project_id=project_id, user=caller().name, now=utc_now())
            made = app_users.find_app_user(session, texts["name"])
    except (Conflict, BadRequest) as error:
        return _list("app_user_taken" if isinstance(error, Conflict) else "bad_app_user"), error.status
    return _code(made.app_user_id, with_password=False)


@blueprint.get(BY_ID)
@roles("manager")
def app_user(app_user_id: int) -> str:
    """Show one app user: its forms, and what can be done."""
    return _show(app_user_id)


@blueprint.post(f"{BY_ID}/code")
@roles("manager")
def make_code(app_user_id: int) -> Response:
    """Make a new settings code and show it, this once; the one before stops."""
    refuse_foreign()
    return _code(app_user_id, with_password=request.form.get("with_password") == "yes")


@blueprint.post(f"{BY_ID}/forms")
@roles("manager")
def choose_forms(app_user_id: int) -> Response:
    """Choose which forms an app user is given."""
    refuse_foreign()
    form_ids = None if request.form.get("every") else frozenset(request.form.getlist("form_id"))
    with current().database.transaction() as session:
        found = app_users.show_app_user(session, app_user_id, caller().scope)
        app_users.choose_forms(session, found, form_ids=form_ids, user=caller().name, now=utc_now())
    return _to_app_user(app_user_id)


@blueprint.post(f"{BY_ID}/revocation")
@roles("manager")
def revoke(app_user_id: int) -> Response:
    """Revoke an app user at once."""
    refuse_foreign()
    with current().database.transaction() as session:
        found = app_users.show_app_user(session, app_user_id, caller().scope)
        app_users.revoke_app_user(session, name=found.name, user=caller().name, now=utc_now())
    return _to_app_user(app_user_id)


def _code(app_user_id: int, *, with_password: bool) -> Response:
    settings = _settings(current(), app_user_id, with_password=with_password)
    picture = svg_source(collect_settings.svg(settings))
    response = Response(_show(app_user_id, code=picture, general=settings["general"]), mimetype="text/html")
    response.headers["Content-Security-Policy"] = PICTURES
    return response


def _settings(context: Context, app_user_id: int, *, with_password: bool) -> Settings:
    """Give an app user a fresh access, in one transaction with what it is written into."""
    with context.database.transaction() as session:
        found = app_users.show_app_user(session, app_user_id, caller().scope)
        wishes = collect_settings.usual_wishes(session, found, {})
        reach = collect_settings.give_access(
            session,
            found,
            base_url=context.config.base_url or request.host_url.rstrip("/"),
            tablet_secrets=context.tablets if with_password else None,
            user=caller().name,
            now=utc_now(),
        )
    return collect_settings.write_settings(reach, wishes)


def _list(failure: str | None = None) -> str:
    with current().database.read() as session:
        found = app_users.list_app_users(session, page_scope())
        given = {one.app_user_id: len(app_users.forms_given(session, one.app_user_id)) for one in found}
    shown = {"given": given, "open_projects": open_projects(), "chosen": chosen_project(), "failure": failure}
    return _page("app_users.html", app_users=found, **shown)


def _show(app_user_id: int, **shown: Any) -> str:
    with current().database.read() as session:
        found = app_users.show_app_user(session, app_user_id, caller().scope)
        given = app_users.forms_given(session, app_user_id)
        forms = [one for one in deliver_forms.list_forms(session) if one.project_id == found.project_id]
    return _page("app_user.html", app_user=found, given=given, forms=forms, **shown)


def _page(template: str, **values: Any) -> str:
    names = {one.project_id: one.name for one in visible_projects()}
    return render_page(template, modes=MODES, date=date, project_names=names, **values)


def _to_app_user(app_user_id: int) -> Response:
    return redirect(url_for("app_user_pages.app_user", app_user_id=app_user_id, lang=request.args.get("lang")), 303)
