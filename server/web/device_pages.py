"""The pages of tablets and of what takes two people: who has which tablet, what it still has to send, what is ordered.

A supervisor sees those of the own team; a manager enrols, revokes, and proposes to wipe one.
"""

from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, g, redirect, request, url_for
from werkzeug.wrappers import Response

from server.clock import utc_now
from server.context import caller, current, roles
from server.errors import BadRequest, Conflict, Forbidden
from server.persons import is_same_person
from server.services import device_words, enrol_device, look_after_devices, proposals
from server.services.look_after_devices import DeviceView
from server.web.device_messages import backlog_text, device_word
from server.web.pages import PICTURES, page_language, protect, refuse_foreign, render_page, svg_source
from server.web.project_choice import asked_project, chosen_project, open_projects, page_scope, visible_projects
from sync_protocol.enrolment import EnrolmentLink, encode_link

BY_ID: Final = "/devices/<device_id>"
READERS: Final = ("supervisor", "manager")
OFFICE: Final = frozenset({"manager", "administrator"})
"""As on every page, with the code's picture in the page itself: it has no address, and so stays in no cache."""
DONE: Final = frozenset({"revoked", "released", "proposed", "agreed", "declined"})

blueprint = Blueprint("device_pages", __name__, template_folder="templates")
blueprint.after_request(protect)


@blueprint.get("/devices")
@roles(*READERS)
def list_all() -> str:
    """List tablets."""
    return _list()


@blueprint.post("/devices")
@roles("manager")
def enrol() -> Response | tuple[str, int]:
    """Make a link that enrols one tablet, and show its code, this once."""
    refuse_foreign()
    members: dict[str, Any] = {name: request.form.get(name, "").strip() for name in ("enumerator", "team", "role")}
    context, project_id = current(), asked_project(request.form.get("project", ""))
    if not members["enumerator"]:
        return _list("bad_enrolment"), 400
    try:
        with context.database.transaction() as session:
            token = enrol_device.issue_token(
                session, **members, project_id=project_id, user=caller().name, now=utc_now()
            )
    except (BadRequest, Conflict) as error:
        return _list("bad_enrolment"), error.status
    base_url = context.config.base_url or request.host_url.rstrip("/")
    return _code(EnrolmentLink(base_url=base_url, token=token, root_key=context.keystore.root_key), members)


@blueprint.get(BY_ID)
@roles(*READERS)
def device(device_id: str) -> str:
    """Show one tablet."""
    return _show(device_id)


@blueprint.post(f"{BY_ID}/revocation")
@roles("manager")
def revoke(device_id: str) -> Response:
    """Revoke a tablet at once."""
    refuse_foreign()
    _find(device_id)
    with current().database.transaction() as session:
        enrol_device.revoke(session, device_id=device_id, user=caller().name, now=utc_now())
    return _to_device(device_id, "revoked")


@blueprint.post(f"{BY_ID}/release")
@roles("manager")
def release(device_id: str) -> Response:
    """Let all be opened that came after the revocation of a tablet."""
    refuse_foreign()
    _find(device_id)
    with current().database.transaction() as session:
        look_after_devices.release_set_aside(
            session, device_id=device_id, user=caller().name, now=utc_now(), scope=caller().scope
        )
    return _to_device(device_id, "released")


@blueprint.post(f"{BY_ID}/wipe")
@roles("manager")
def propose_wipe(device_id: str) -> Response | tuple[str, int]:
    """Propose to wipe a tablet."""
    refuse_foreign()
    _find(device_id)
    context, note = current(), request.form.get("note", "")
    with context.database.transaction() as session:
        proposals.propose_wipe(
            session, keystore=context.keystore, device_id=device_id, note=note, user=caller().name, now=utc_now()
        )
    return _to_device(device_id, "proposed")


@blueprint.get("/proposals")
@roles("manager")
def list_proposals() -> str:
    """List what is proposed, to agree or decline."""
    return _proposals()


@blueprint.post("/proposals/<int:proposal_id>")
@roles("manager")
def decide(proposal_id: int) -> Response | tuple[str, int]:
    """Agree to a proposal, as a second person, or decline it."""
    refuse_foreign()
    verdict = request.form.get("verdict", "")
    if verdict not in ("agree", "decline"):
        raise BadRequest("a proposal is agreed to or declined")
    try:
        _decide(proposal_id, is_agreed=verdict == "agree")
    except (Conflict, Forbidden) as error:
        return _proposals(_why_not(error)), error.status
    done = "agreed" if verdict == "agree" else "declined"
    return redirect(url_for("device_pages.list_proposals", done=done, lang=request.args.get("lang")), 303)


def _why_not(error: Conflict | Forbidden) -> str:
    if isinstance(error, proposals.GrownError):
        return "grown"
    if isinstance(error, proposals.NotAllSeenError):
        return "not_all_seen"
    return "decided" if isinstance(error, Conflict) else "same_person"


def _decide(proposal_id: int, *, is_agreed: bool) -> None:
    context = current()
    who: dict[str, Any] = {"proposal_id": proposal_id, "user": caller().name, "now": utc_now()}
    with context.database.transaction() as session:
        if is_agreed:
            proposals.agree(session, keystore=context.keystore, **who, scope=caller().scope)
        else:
            proposals.decline(session, **who, scope=caller().scope)


def _code(link: EnrolmentLink, members: dict[str, str]) -> Response:
    text = encode_link(link)
    picture = svg_source(look_after_devices.link_svg(text))
    response = Response(_list(link=text, picture=picture, enrolled=members), mimetype="text/html")
    response.headers["Content-Security-Policy"] = PICTURES
    return response


def _find(device_id: str) -> DeviceView:
    context = current()
    with context.database.read() as session:
        serial = context.keystore.keyring.serial
        return look_after_devices.show_device(session, device_id, keyring_serial=serial, scope=caller().scope)


def _list(failure: str | None = None, **shown: Any) -> str:
    context = current()
    with context.database.read() as session:
        serial = context.keystore.keyring.serial
        found = look_after_devices.list_devices(session, keyring_serial=serial, scope=page_scope())
    shown |= {"open_projects": open_projects(), "chosen": chosen_project(), "failure": failure}
    return _page("devices.html", devices=found, **shown)


def _show(device_id: str) -> str:
    return _page("device.html", one=_find(device_id))


def _proposals(failure: str | None = None) -> str:
    context = current()
    with context.database.read() as session:
        found = proposals.list_proposals(session, keystore=context.keystore, scope=page_scope())
    own = {one.proposal.proposal_id for one in found if is_same_person(one.proposal.proposed_by, caller().name)}
    return _page("proposals.html", proposals=found, own=own, failure=failure)


def _page(template: str, **values: Any) -> str:
    language = page_language()
    done = request.args.get("done", "")
    return render_page(
        template,
        d=partial(device_word, language),
        moment=_moment,
        backlog=partial(backlog_text, language),
        clock=partial(device_words.clock_words, language),
        interview_name=_interview_name,
        is_office=g.caller.role in OFFICE,
        is_locked=current().keystore.is_locked,
        project_names={one.project_id: one.name for one in visible_projects()},
        done=done if done in DONE else "",
        **values,
    )


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _interview_name(subject: str) -> str:
    return f"uuid:{UUID(hex=subject)}"


def _to_device(device_id: str, done: str) -> Response:
    address = url_for("device_pages.device", device_id=device_id, done=done, lang=request.args.get("lang"))
    return redirect(address, 303)
