"""What a click on the intake changes: releases, settled holds, chosen versions, reviews. Each is a form of its page.

Whoever may not see a submission cannot decide about it: to them it is not there.
"""

from typing import Any

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from server.clock import utc_now
from server.context import caller, current, roles
from server.errors import BadRequest, NotFound
from server.folding.decisions import RETURNED
from server.folding.holds import REASSIGN
from server.services import odk_keys, proposals, read_submission, resolve_conflict, review_interview, settle_hold
from server.services.read_submission import Submission
from server.web.form_tokens import is_ours
from server.web.intake_messages import intake_word
from server.web.intake_pages import READERS, recent_counts, shown_rows
from server.web.pages import page_language, protect

blueprint = Blueprint("intake_actions", __name__, url_prefix="/intake")
blueprint.after_request(protect)


@blueprint.post("/<instance_id>/release")
@roles("manager")
def release(instance_id: str) -> Response:
    """Let be opened what of a submission is in quarantine, its files too."""
    held = _found(instance_id).releasable
    if not held:
        raise NotFound("nothing of this submission is in quarantine any more")
    with current().database.transaction() as session:
        for one in held:
            settle_hold.release_quarantined(session, envelope_id=one.envelope_id, user=caller().name, now=utc_now())
    return _done(instance_id, "release")


@blueprint.post("/<instance_id>/wipe")
@roles("manager")
def wipe(instance_id: str) -> Response:
    """Wipe what came in clear of encrypted forms, this and all else that this account sees."""
    _found(instance_id)
    if request.form.get("is_sure") != "yes":
        raise BadRequest("say first that what is wiped is needed no more")
    context = current()
    scope, user = shown_rows(), caller().name
    odk_keys.wipe_plaintext(context.database, context.blobs, user=user, now=utc_now(), scope=scope)
    return _done(instance_id, "wipe")


@blueprint.post("/<instance_id>/settle")
@roles(*READERS)
def settle(instance_id: str) -> Response:
    """Settle the hold of an interview."""
    interview_id, verdict = read_submission.interview_of(_found(instance_id)), request.form.get("verdict", "")
    key = request.form.get("household_key", "").strip()
    with current().database.transaction() as session:
        settle_hold.settle(
            session,
            interview_id=interview_id,
            verdict=verdict,
            household_key=key if verdict == REASSIGN else None,
            **_who(),
        )
    return _done(instance_id, "settle")


@blueprint.post("/<instance_id>/versions")
@roles(*READERS)
def resolve(instance_id: str) -> Response:
    """Choose the version of an interview that counts."""
    found = _found(instance_id)
    with current().database.transaction() as session:
        resolve_conflict.resolve(
            session,
            interview_id=read_submission.interview_of(found),
            chosen=read_submission.head_of(found, request.form.get("chosen", "")),
            **_who(),
        )
    return _done(instance_id, "resolve")


@blueprint.post("/<instance_id>/review")
@roles(*READERS)
def review(instance_id: str) -> Response:
    """Approve or reject an interview, or return it to its enumerator."""
    found, verdict = _found(instance_id), request.form.get("verdict", "")
    with current().database.transaction() as session:
        review_interview.review(session, interview_id=read_submission.interview_of(found), verdict=verdict, **_who())
    return _done(instance_id, "return" if verdict == RETURNED else "review")


@blueprint.post("/<instance_id>/erasure")
@roles("manager")
def propose_erasure(instance_id: str) -> Response:
    """Propose to erase an interview; another person agrees."""
    found = _found(instance_id)
    if found.instance_id is None:
        raise NotFound("this envelope shows no instanceID, so nothing can be erased by it")
    with current().database.transaction() as session:
        proposals.propose_erasure(session, instance_id=found.instance_id, **_who(), scope=caller().scope)
    return _done(instance_id, "erase")


def _who() -> dict[str, Any]:
    """Return what every decision has beside what it decides."""
    note = request.form.get("note", "")
    return {"keystore": current().keystore, "note": note, "user": caller().name, "now": utc_now()}


def _found(instance_id: str) -> Submission:
    """Return the submission that a form of ours is about.

    Raises:
        BadRequest: the form is not of a page of this session; nothing was changed.
        NotFound: there is none that this account sees.
    """
    request.max_content_length = 64 << 10
    if not is_ours(request.form.get("form_token", "")):
        raise BadRequest(intake_word(page_language(), "form_old"))
    with current().database.read() as session:
        return read_submission.find(session, shown_rows(), instance_id)


def _done(instance_id: str, what: str) -> Response:
    recent_counts().forget()
    return redirect(
        url_for("intake.submission", instance_id=instance_id, done=what, lang=request.args.get("lang")), 303
    )
