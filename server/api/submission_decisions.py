"""What a program decides about submissions and interviews, as a click on the intake does."""

import json
from typing import Any

from flask import Blueprint

from server.api.bodies import read_body
from server.api.submissions import READERS, find
from server.clock import utc_now
from server.context import caller, current, roles
from server.errors import BadRequest, NotFound
from server.services import read_submission, resolve_conflict, review_interview, settle_hold

blueprint = Blueprint("submission_decisions", __name__, url_prefix="/api/v1")


@blueprint.post("/submissions/<path:instance_id>/release")
@roles("manager")
def release(instance_id: str) -> dict[str, Any]:
    """Let what of a submission is in quarantine be opened."""
    held = find(instance_id).releasable
    if not held:
        raise NotFound("nothing of this submission is in quarantine")
    with current().database.transaction() as session:
        for one in held:
            settle_hold.release_quarantined(session, envelope_id=one.envelope_id, user=caller().name, now=utc_now())
    return {"released": [one.envelope_id.hex() for one in held]}


@blueprint.post("/submissions/<path:instance_id>/review")
@roles(*READERS)
def review(instance_id: str) -> dict[str, Any]:
    """Approve, reject or return: ``{"verdict": "approved" | "rejected" | "returned", "note": "…"}``."""
    found, asked = find(instance_id), _object()
    with current().database.transaction() as session:
        decision = review_interview.review(
            session,
            interview_id=read_submission.interview_of(found),
            verdict=_text(asked, "verdict"),
            **_who(asked),
        )
    return {"decision": decision.hex()}


@blueprint.post("/interviews/<path:instance_id>/resolve")
@roles(*READERS)
def resolve(instance_id: str) -> dict[str, Any]:
    """Choose the version that counts: ``{"chosen": "<one of conflict>", "note": "…"}``."""
    found, asked = find(instance_id), _object()
    with current().database.transaction() as session:
        decision = resolve_conflict.resolve(
            session,
            interview_id=read_submission.interview_of(found),
            chosen=read_submission.head_of(found, _text(asked, "chosen")),
            **_who(asked),
        )
    return {"decision": decision.hex()}


@blueprint.post("/interviews/<path:instance_id>/settle")
@roles(*READERS)
def settle(instance_id: str) -> dict[str, Any]:
    """Settle a hold: ``{"verdict": "keep" | "exclude" | "reassign", "household_key": "…", "note": "…"}``."""
    found, asked = find(instance_id), _object()
    key = _text(asked, "household_key") if asked.get("household_key") is not None else None
    with current().database.transaction() as session:
        decision = settle_hold.settle(
            session,
            interview_id=read_submission.interview_of(found),
            verdict=_text(asked, "verdict"),
            household_key=key,
            **_who(asked),
        )
    return {"decision": decision.hex()}


def _who(asked: dict[str, Any]) -> dict[str, Any]:
    note = _text(asked, "note") if "note" in asked else ""
    return {"keystore": current().keystore, "note": note, "user": caller().name, "now": utc_now()}


def _object() -> dict[str, Any]:
    try:
        document = json.loads(read_body(at_most=64 << 10))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise BadRequest("the body must be a JSON object")
    return document


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"`{name}` is a text")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise BadRequest(f"`{name}` has a character that cannot be stored")
    return value
