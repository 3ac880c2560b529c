"""The pages of people and projects, for administrators: who may do what, and whose rows each sees.

A password or token that is made stands in the page that answers, and nowhere else.
"""

from datetime import timedelta
from functools import partial
from typing import Any, Final

from flask import Blueprint, redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from server.clock import utc_now
from server.context import caller, current, roles
from server.errors import BadRequest, Conflict
from server.services import accounts, api_tokens, projects
from server.services.accounts import ROLES, Account, AccountChanges
from server.web.pages import date, page_language, protect, refuse_foreign, render_page
from server.web.people_messages import people_word

BY_ID: Final = "/<int:user_id>"
PROJECT: Final = "/projects/<int:project_id>"
MOST_DAYS: Final = 3650

Page = str | tuple[str, int]

blueprint = Blueprint("people", __name__, template_folder="templates", url_prefix="/people")
blueprint.after_request(protect)


@blueprint.get("")
@roles("administrator")
def people() -> str:
    """List people and projects."""
    return _people()


@blueprint.post("")
@roles("administrator")
def add() -> Page:
    """Add a person and show the password, this once."""
    refuse_foreign()
    form, password = request.form, accounts.generated_password()
    placed: dict[str, Any] = {name: form.get(name, "").strip() for name in ("name", "role", "team", "enumerator")}
    try:
        with current().database.transaction() as session:
            added = accounts.add_user(
                session, password=password, actor=caller().name, now=utc_now(), in_projects=_projects(form), **placed
            )
    except (Conflict, BadRequest) as error:
        return _people("name_taken" if isinstance(error, Conflict) else "bad_person"), error.status
    return _person(added.user_id, made=("password_of", password))


@blueprint.get(BY_ID)
@roles("administrator")
def person(user_id: int) -> str:
    """Show one person: rights, access, tokens."""
    return _person(user_id)


@blueprint.post(BY_ID)
@roles("administrator")
def change(user_id: int) -> Page | Response:
    """Change what a person may do and sees."""
    refuse_foreign()
    texts: dict[str, Any] = {name: request.form.get(name, "").strip() for name in ("role", "team", "enumerator")}
    chosen = _projects(request.form)
    changes = AccountChanges(**texts, is_in_every_project=chosen is None, projects=chosen or frozenset())
    return _act(user_id, lambda session, name: accounts.change_user(session, name=name, changes=changes, **_by()))


@blueprint.post(f"{BY_ID}/access")
@roles("administrator")
def set_access(user_id: int) -> Page | Response:
    """Shut a person out at once, or let the person in again."""
    refuse_foreign()
    act = accounts.enable_user if request.form.get("is_disabled") == "no" else accounts.disable_user
    return _act(user_id, lambda session, name: act(session, name=name, **_by()))


@blueprint.post(f"{BY_ID}/password")
@roles("administrator")
def make_password(user_id: int) -> str:
    """Make another password and show it, this once."""
    refuse_foreign()
    password = accounts.generated_password()
    with current().database.transaction() as session:
        name = accounts.account(session, user_id).name
        accounts.set_password(session, name=name, password=password, **_by())
    return _person(user_id, made=("password_of", password))


@blueprint.post(f"{BY_ID}/tokens")
@roles("administrator")
def make_token(user_id: int) -> Page:
    """Make an API token and show it, this once."""
    refuse_foreign()
    label, days = request.form.get("label", "").strip(), request.form.get("days", "").strip()
    if days and not (days.isascii() and days.isdecimal() and 0 < int(days) <= MOST_DAYS):
        return _person(user_id, failure="bad_person"), BadRequest.status
    expires_at = utc_now() + timedelta(days=int(days)) if days else None
    with current().database.transaction() as session:
        name = accounts.account(session, user_id).name
        token = api_tokens.issue_token(session, name=name, label=label, expires_at=expires_at, **_by())
    return _person(user_id, made=("token_of", token))


@blueprint.post(f"{BY_ID}/tokens/<token_id>/revocation")
@roles("administrator")
def revoke_token(user_id: int, token_id: str) -> Response:
    """Revoke one token at once."""
    refuse_foreign()
    with current().database.transaction() as session:
        name = accounts.account(session, user_id).name
        api_tokens.revoke_token(session, name=name, token_id=token_id, **_by())
    return _to_person(user_id)


@blueprint.post("/projects")
@roles("administrator")
def add_project() -> Page | Response:
    """Add a project."""
    refuse_foreign()
    try:
        with current().database.transaction() as session:
            projects.add_project(session, name=request.form.get("name", ""), user=caller().name, now=utc_now())
    except (Conflict, BadRequest) as error:
        return _people("project_taken"), error.status
    return _to_people()


@blueprint.post(PROJECT)
@roles("administrator")
def change_project(project_id: int) -> Page | Response:
    """Rename, archive or reopen a project."""
    refuse_foreign()
    by: dict[str, Any] = {"project_id": project_id, "user": caller().name, "now": utc_now()}
    acts = {"archive": projects.archive_project, "reopen": projects.reopen_project}
    rename = partial(projects.rename_project, name=request.form.get("name", ""))
    try:
        with current().database.transaction() as session:
            acts.get(request.form.get("act", ""), rename)(session, **by)
    except (Conflict, BadRequest) as error:
        return _people("project_taken"), error.status
    return _to_people()


def _by() -> dict[str, Any]:
    return {"actor": caller().name, "now": utc_now()}


def _act(user_id: int, act: Any) -> Page | Response:
    """Do something about a person by name; say what stands in the way."""
    try:
        with current().database.transaction() as session:
            act(session, accounts.account(session, user_id).name)
    except (Conflict, BadRequest) as error:
        return _person(user_id, failure="last_administrator" if isinstance(error, Conflict) else "bad_person"), (
            error.status
        )
    return _to_person(user_id)


def _projects(form: MultiDict[str, str]) -> frozenset[int] | None:
    """Return the projects that were ticked, None for every project."""
    if form.get("in_every_project"):
        return None
    return frozenset(int(text) for text in form.getlist("project") if text.isascii() and text.isdecimal())


def _people(failure: str | None = None) -> str:
    with current().database.read() as session:
        found = accounts.list_users(session, now=utc_now())
        known = projects.list_projects(session)
    return _page("people.html", people=found, projects=known, failure=failure)


def _person(user_id: int, *, made: tuple[str, str] | None = None, failure: str | None = None) -> str:
    """Show a person; `made` is the title and the text of what is shown this once."""
    with current().database.read() as session:
        found = accounts.account(session, user_id)
        tokens = api_tokens.list_tokens(session, name=found.name)
        known = projects.list_projects(session)
    shown = {"made": made, "failure": failure, "now": utc_now()}
    return _page("person.html", person=found, tokens=tokens, projects=known, **shown)


def _page(template: str, **values: Any) -> str:
    language = page_language()
    names = {one.project_id: one.name for one in values["projects"]}
    p = partial(people_word, language)
    return render_page(template, roles=ROLES, date=date, sees=partial(_sees, p, names), **values)


def _sees(p: Any, names: dict[int, str], account: Account) -> str:
    """Say whose rows a person sees."""
    if account.role == accounts.ADMINISTRATOR or account.projects is None:
        parts = [p("every_project")]
    else:
        parts = [", ".join(names[number] for number in account.projects) or p("no_project")]
    if account.role == accounts.SUPERVISOR and account.team:
        parts.append(p("team_of", code=account.team))
    if account.role == accounts.ENUMERATOR:
        parts.append(p("code_of", code=account.enumerator or "–"))
    return " · ".join(parts)


def _to_person(user_id: int) -> Response:
    return redirect(url_for("people.person", user_id=user_id, lang=request.args.get("lang")), 303)


def _to_people() -> Response:
    return redirect(url_for("people.people", lang=request.args.get("lang")), 303)
