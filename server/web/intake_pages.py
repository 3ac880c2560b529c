"""The intake, first page of the console: what arrived, from whom, what is held and why; and one submission of it.

What waits is shown while the key store is locked too. Answers are shown to those who may read them only, and each look
is written down before it is granted. `intake_actions` has what a click changes.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, current_app, g, request
from markupsafe import Markup

from server.clock import utc_now
from server.context import caller, current, roles, rows
from server.db.queries.intake import CONFLICT, FILTERS, HELD, MEDIA, NEEDS, QUARANTINE, WAITING, Wish
from server.db.scope import NOTHING, Scope
from server.errors import BadRequest, KeyStoreLocked, NotFound
from server.folding.answer_words import Answer
from server.folding.arrival_reasons import CODES, SETTLE, reason_of
from server.folding.arrivals import instance_name
from server.folding.check_texts import text_of
from server.services import list_arrivals, list_findings, read_submission
from server.services.list_arrivals import Pending, SenderDay
from server.services.list_findings import InterviewFindings
from server.services.read_submission import Submission
from server.web.charts import Share, stacked_bar
from server.web.intake_counts import RecentCounts
from server.web.intake_messages import intake_word
from server.web.messages import NARROW_SPACE, french_spaces, number
from server.web.pages import page_language, protect, render_page
from server.web.project_choice import chosen_project

PAGE: Final = 50
READERS: Final = ("supervisor", "manager")
RELEASERS: Final = frozenset({"manager", "administrator"})
PICTURE: Final = (QUARANTINE, CONFLICT, HELD, MEDIA, WAITING)

blueprint = Blueprint("intake", __name__, template_folder="templates", url_prefix="/intake")
blueprint.after_request(protect)
blueprint.record(lambda state: state.app.extensions.update(passerelle_intake=RecentCounts()))


@blueprint.get("")
@roles("enumerator", *READERS)
def arrivals() -> str:
    """Show what arrived and what waits; an enumerator sees what is his own, with nothing to click."""
    context, scope, wish = current(), shown_rows(), _wish()
    with context.database.read() as session:
        page = list_arrivals.list_arrivals(session, scope, wish, before=_before(), limit=PAGE)
        forms = list_arrivals.list_forms(session, scope)
    pending, total = recent_counts().read(context, scope)
    return page_of("intake.html", page=page, forms=forms, wish=wish, pending=pending, total=total)


@blueprint.get("/<instance_id>")
@roles(*READERS)
def submission(instance_id: str) -> str:
    """Show one submission: what came of it, its files, its history, and what can be decided."""
    context = current()
    with context.database.read() as session:
        found = read_submission.find(session, shown_rows(), instance_id)
        media = missing = None
        if not context.keystore.is_locked and found.instance_id is not None:
            media = read_submission.list_media(session, shown_rows(), found, keystore=context.keystore)
            missing = read_submission.missing_names(session, found, keystore=context.keystore)
        addressee = read_submission.addressee(session, found, keystore=context.keystore)
    values = {"media": media, "missing": missing, "findings": _findings(found), "addressee": addressee}
    return page_of("submission.html", found=found, **values)


@blueprint.get("/<instance_id>/answers")
@roles(*READERS)
def answers(instance_id: str) -> str:
    """Show the answers of a submission; the look is written down first."""
    with current().database.read() as session:
        found = read_submission.find(session, shown_rows(), instance_id)
    shown = _read(found, [found.revision()])
    return page_of("answers.html", found=found, answers=shown, heads=())


@blueprint.get("/<instance_id>/versions")
@roles(*READERS)
def versions(instance_id: str) -> str:
    """Show where the versions of an interview differ, side by side, to choose one; the look is written down first."""
    with current().database.read() as session:
        found = read_submission.find(session, shown_rows(), instance_id)
    if len(found.heads) < 2:
        raise NotFound("this interview has one version only: there is nothing to choose")
    shown = [answer for answer in _read(found, found.heads) if answer.differs]
    return page_of("answers.html", found=found, answers=shown, heads=found.heads)


def _read(found: Submission, revisions: Any) -> tuple[Answer, ...]:
    """Read answers, after it is written down who does.

    Raises:
        KeyStoreLocked: without the vault; nothing was looked at, so nothing is written down.
    """
    context = current()
    if context.keystore.is_locked:
        raise KeyStoreLocked("answers are sealed until the server is started with its passphrase")
    with context.database.transaction() as session:
        subject = found.interview_id or b""
        read_submission.note_look(
            session, what=read_submission.READ_ANSWERS, subject=subject, user=caller().name, now=utc_now()
        )
    with context.database.read() as session:
        return read_submission.read_answers(
            session,
            revisions,
            keystore=context.keystore,
            blobs=context.blobs,
            definition=context.definition(revisions[0].form_version_hash),
            language=page_language(),
        )


def _findings(found: Submission) -> InterviewFindings | None:
    context = current()
    if found.interview_id is None or context.keystore.is_locked:
        return None
    try:
        with context.database.read() as session:
            return list_findings.show_findings(session, context.keystore, found.interview_id)
    except NotFound:
        return None


def shown_rows() -> Scope:
    """Return the rows that the console shows: those that the person sees, of the project that is chosen."""
    scope, chosen = rows(), chosen_project()
    return scope if chosen is None or scope == NOTHING else replace(scope, projects=frozenset({chosen}))


def recent_counts() -> RecentCounts:
    """Return the counts of this process."""
    found: RecentCounts = current_app.extensions["passerelle_intake"]
    return found


def page_of(template: str, **values: Any) -> str:
    """Render a page of the intake with its words."""
    language = page_language()
    return render_page(
        template,
        say=partial(intake_word, language),
        moment=_moment,
        size=partial(_size, language),
        count=partial(number, language=language),
        reason=partial(_reason, language),
        check_text=lambda code: text_of(code, language),
        instance_name=instance_name,
        head_name=read_submission.head_name,
        day_bar=partial(_day_bar, language),
        pending_bar=partial(_pending_bar, language),
        link=_link,
        filters=FILTERS,
        picture=PICTURE,
        hold_codes=HOLD_CODES,
        is_locked=current().keystore.is_locked,
        is_sealed=current().keystore.is_sealed,
        is_office=g.caller.role != "enumerator",
        may_release=g.caller.role in RELEASERS,
        done=request.args.get("done", ""),
        **values,
    )


HOLD_CODES: Final = frozenset(code for code in CODES if reason_of(code).action == SETTLE)


def _reason(language: str, code: str) -> Mapping[str, Any]:
    found = reason_of(code)
    what, to_do = found.text(language)
    if language == "fr":
        what, to_do = french_spaces(what), french_spaces(to_do)
    return {"code": code, "what": what, "do": to_do, "action": found.action, "ends_by_itself": found.ends_by_itself}


def _wish() -> Wish:
    """Read the filters of the address; empty ones ask for nothing."""
    given = {name: value for name, value in request.args.items() if value}
    state = NEEDS if given.get("needs") else given.get("state")
    return Wish(
        form_id=given.get("form"),
        state=state,
        person=given.get("person"),
        day=_day(given["day"]) if "day" in given else None,
    )


def _before() -> int | None:
    text = request.args.get("before")
    return None if not text else _number(text)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise BadRequest("a number in this address is none")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequest("a day is written 2026-11-24") from None


def _link(wish: Wish, **changes: Any) -> str:
    """Return the address of the list with some of its filters changed."""
    before = changes.pop("before", None)
    asked = replace(wish, **changes)
    members = {
        "form": asked.form_id,
        "state": asked.state,
        "person": asked.person,
        "day": asked.day,
        "before": before,
        "lang": request.args.get("lang"),
    }
    query = urlencode({name: value for name, value in members.items() if value not in (None, "")})
    return f"/intake?{query}" if query else "/intake"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _size(language: str, length_bytes: int) -> str:
    if length_bytes < 1000:
        return intake_word(language, "bytes", n=length_bytes)
    unit, value = ("kb", length_bytes / 1e3) if length_bytes < 1e6 else ("mb", length_bytes / 1e6)
    return intake_word(language, unit, n=number(value, language, decimals=0 if value >= 10 else 1)).replace(
        " ", NARROW_SPACE
    )


def _pending_bar(language: str, pending: Pending) -> Markup:
    shares = [Share(f"is-{name}", getattr(pending, name)) for name in PICTURE]
    words = ", ".join(f"{intake_word(language, name)}: {getattr(pending, name)}" for name in PICTURE)
    return stacked_bar(shares, label=words)


def _day_bar(language: str, day: SenderDay) -> Markup:
    shares = [
        Share("is-quarantine", day.quarantined), Share("is-waiting", day.waiting), Share("is-opened", day.opened)
    ]  # fmt: skip
    words = intake_word(
        language,
        "day_bar",
        arrived=day.arrived,
        opened=day.opened,
        waiting=day.waiting,
        quarantined=day.quarantined,
    )
    return stacked_bar(shares, label=words)
