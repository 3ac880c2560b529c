"""The pages of the console: published figures for everybody, fieldwork and forms for the office.

No page runs a script or loads anything from elsewhere, and the policy of every answer says so to the browser.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from flask import Blueprint, Response, current_app, g, redirect, render_template, request, session, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as WerkzeugResponse

from server.clock import utc_now
from server.context import current, public, roles
from server.context.access import ADMINISTRATOR
from server.context.login import log_in as log_in_as
from server.context.login import log_out as end_sessions
from server.context.login import session_proof
from server.db.queries.accounts import StoredUser
from server.db.queries.projects import StoredProject
from server.errors import BadRequest, LoginInvalid, RateLimited
from server.services import list_findings
from server.services.progress import Counts
from server.web.charts import Share, stacked_bar
from server.web.form_tokens import form_token, is_ours
from server.web.messages import choose_language, word
from server.web.people_messages import people_word
from server.web.project_choice import chosen_project, page_scope, visible_projects
from server.web.published import RecentProgress, latest_release, measure
from server.web.results import domain_label, sections
from server.web.survey import Survey, read_survey

POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PICTURES: Final = POLICY.replace("img-src 'self'", "img-src 'self' data:")
"""The policy of a page that shows a code which is made for it alone."""
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FIRST_PAGES: Final = ("web.results", "intake.arrivals")


@dataclass(frozen=True, slots=True)
class _Shown:
    """The release line of the results page."""

    release_id: int
    published_on: str
    cut_off_on: str
    csv_url: str
    json_url: str


@dataclass(frozen=True, slots=True)
class ProjectSwitch:
    """The projects that a person sees, the one that pages show, and the page that it is chosen on."""

    projects: Sequence[StoredProject]
    chosen: int | None
    back: str


blueprint = Blueprint(
    "web", __name__, template_folder="templates", static_folder="static", static_url_path="/static/console"
)
blueprint.record(lambda state: state.app.extensions.update(passerelle_console=RecentProgress()))


@blueprint.get("/")
@public
def results() -> str:
    """Show the figures of the latest published release, and progress by province."""
    context, language, survey = current(), page_language(), _survey()
    published = latest_release(context)
    shown = None
    if published is not None:
        address = f"/api/v1/releases/{published.release_id}/estimates"
        shown = _Shown(
            published.release_id,
            date(published.published_at),
            date(published.cut_off),
            f"{address}?format=csv",
            f"{address}?format=json",
        )
    return render_page(
        "results.html",
        heading=survey.titles.get(language) or survey.titles.get("en") or word(language, "title"),
        release=shown,
        sections=sections(published.figures, survey, language) if published else (),
        progress=_recent_progress().read(context),
    )


@blueprint.get("/fieldwork")
@roles("supervisor", "manager")
def fieldwork() -> str:
    """Show what came of every drawn household and what checking found, by enumerator and unit."""
    context = current()
    with context.database.read() as database_session:
        findings = list_findings.count_findings(database_session, context.keystore, page_scope())
    return render_page("fieldwork.html", progress=measure(context, page_scope()), findings=findings)


@blueprint.get("/login")
@public
def loginrender_page() -> str:
    """Ask for name and password."""
    return render_page("login.html", next=local_target(request.args.get("next", "")), failure=None)


@blueprint.post("/login")
@public
def log_in() -> WerkzeugResponse | tuple[str, int]:
    """Open a session for whoever gives the right name and password."""
    target = local_target(request.form.get("next", ""))
    name = request.form.get("name", "")
    found = _try(name, request.form.get("password", ""))
    if not isinstance(found, StoredUser):
        failure, status = found
        return render_page("login.html", next=target, failure=failure), status
    first = "form_pages.forms" if found.role == "statistician" else "intake.arrivals"
    return redirect(target or url_for(first), 303)


@blueprint.post("/logout")
@public
def log_out() -> WerkzeugResponse:
    """End this session and every other of the account; an old page's button does nothing."""
    if is_ours(request.form.get("form_token", "")):
        if g.caller is not None:
            end_sessions(current(), g.caller)
        session.clear()
    return redirect(url_for("web.results"), 303)


@blueprint.after_request
def protect(response: Response) -> Response:
    """Tell the browser what these pages do not do."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "web.static":
        is_personal = g.get("caller") is not None or "user_id" in session
        response.headers.setdefault("Cache-Control", "no-store" if is_personal else "no-cache")
        response.vary.update(("Accept-Language", "Authorization", "Cookie"))
    return response


def _try(name: str, password: str) -> StoredUser | tuple[str, int]:
    """Log in and return who it is, or the message and status of why not."""
    if not is_ours(request.form.get("form_token", "")):
        return "form_old", 400
    try:
        user = log_in_as(current(), name=name, password=password, address=request.remote_addr or "")
    except RateLimited:
        return "login_slow", 429
    except LoginInvalid:
        return "login_wrong", 401
    begin_session(user)
    return user


def begin_session(user: StoredUser) -> None:
    """Let the browser in from now on, for some hours, until the password, the role or the account changes."""
    session.clear()  # what was set before the login, by whomever, ends with it
    begun_at = int(utc_now().timestamp())
    session["user_id"], session["begun_at"] = user.user_id, begun_at
    session["proof"] = session_proof(current(), user, begun_at=begun_at)
    session.permanent = True


def render_page(template: str, **values: Any) -> str:
    """Render a template with what every page needs: language, account, the form's token."""
    language, survey = page_language(), _survey()
    has_form = template == "login.html" or g.get("caller") is not None
    return render_template(
        template,
        language=language,
        asked_language=request.args.get("lang"),
        survey=survey,
        account=g.caller.name if g.get("caller") is not None else None,
        role=g.caller.role if g.get("caller") is not None else None,
        switch=_project_switch(),
        alarms=_alarms(language),
        form_token=form_token() if has_form else "",
        t=_translator(language),
        p=partial(people_word, language),
        outcome_bar=partial(_outcome_bar, language),
        province_name=lambda code: domain_label("province", code, survey, language),
        **values,
    )


def refuse_foreign() -> None:
    """Refuse a form that did not come from a page of this session.

    Raises:
        BadRequest: nothing was changed.
    """
    if not is_ours(request.form.get("form_token", "")):
        raise BadRequest(word(page_language(), "form_old"))


def _project_switch() -> ProjectSwitch | None:
    """Return the choice of the project that pages show, None for who sees one project only."""
    if g.get("caller") is None or request.endpoint == "web.results" or request.blueprint in ("people", "account"):
        return None  # what these pages show is not of one project
    if len(visible_projects()) < 2:
        return None
    back = request.full_path.rstrip("?") if request.method == "GET" else ""
    return ProjectSwitch(visible_projects(), chosen_project(), back)


def _alarms(language: str) -> tuple[str, ...]:
    """Return what is wrong with the server, on the pages where an administrator begins."""
    caller = g.get("caller")
    if caller is None or caller.role != ADMINISTRATOR or request.endpoint not in FIRST_PAGES:
        return ()
    return tuple(alarm.sentence(language) for alarm in current().status().alarms)


def _translator(language: str) -> Callable[..., str]:
    return partial(word, language)


def _outcome_bar(language: str, counts: Counts) -> Markup:
    columns = ("complete", "partial", "refused", "not_met", "not_eligible", "other", "pending")
    shares = [Share(column.replace("_", "-"), getattr(counts, column)) for column in columns]
    done = f"{counts.received} / {counts.drawn}"
    return stacked_bar(shares, label=f"{word(language, 'received')}: {done}")


def date(moment: datetime) -> str:
    """Write a day as ISO 8601 does: the same in every language."""
    return f"{moment:%Y-%m-%d}"


def page_language() -> str:
    """Return the language of the page: asked for in the address, or preferred by the browser."""
    return choose_language(request.args.get("lang"), request.accept_languages.values())


def _survey() -> Survey:
    return read_survey(current().config.data_dir)


def _recent_progress() -> RecentProgress:
    found: RecentProgress = current_app.extensions["passerelle_console"]
    return found


def local_target(target: str) -> str:
    """Return a target within this site, nothing for any other: two slashes, of either kind, lead elsewhere."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_local else ""


def svg_source(svg: bytes) -> str:
    """Return a drawing as the source of a picture, for what must have no address of its own."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
