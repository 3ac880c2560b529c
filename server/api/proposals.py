"""What takes two people, for programs: list what is proposed, agree or decline; and propose to erase an interview."""

from typing import Any, Final

from flask import Blueprint

from server.api.bodies import json_object, text_member
from server.api.submissions import find
from server.clock import utc_now
from server.context import caller, current, roles
from server.errors import NotFound
from server.services import proposals
from server.services.proposals import Proposed

PROPOSALS: Final = "/proposals"

blueprint = Blueprint("proposals", __name__, url_prefix="/api/v1")


@blueprint.get(PROPOSALS)
@roles("manager")
def list_all() -> dict[str, Any]:
    """List proposals, open ones first; `note` is null while the key store is locked."""
    context = current()
    with context.database.read() as session:
        found = proposals.list_proposals(session, keystore=context.keystore, scope=caller().scope)
    return {"proposals": [_members(one) for one in found]}


@blueprint.post(f"{PROPOSALS}/<int:proposal_id>/agreement")
@roles("manager")
def agree(proposal_id: int) -> dict[str, Any]:
    """Agree, as a second person."""
    context = current()
    with context.database.transaction() as session:
        found = proposals.agree(
            session,
            keystore=context.keystore,
            proposal_id=proposal_id,
            user=caller().name,
            now=utc_now(),
            scope=caller().scope,
        )
    return {"proposal_id": proposal_id, "action": found.action, "subject": found.subject, "state": "agreed"}


@blueprint.post(f"{PROPOSALS}/<int:proposal_id>/refusal")
@roles("manager")
def decline(proposal_id: int) -> dict[str, Any]:
    """Decline; who proposed it may take it back so."""
    with current().database.transaction() as session:
        found = proposals.decline(
            session, proposal_id=proposal_id, user=caller().name, now=utc_now(), scope=caller().scope
        )
    return {"proposal_id": proposal_id, "action": found.action, "subject": found.subject, "state": "declined"}


@blueprint.post("/submissions/<path:instance_id>/erasure")
@roles("manager")
def propose_erasure(instance_id: str) -> tuple[dict[str, Any], int]:
    """Propose to erase the interview of a submission: `{"note"}`; all its versions and files go with it."""
    found, context = find(instance_id), current()
    note = text_member(json_object(), "note", default="")
    if found.instance_id is None:
        raise NotFound("this envelope shows no instanceID, so nothing can be erased by it")
    with context.database.transaction() as session:
        number = proposals.propose_erasure(
            session,
            keystore=context.keystore,
            instance_id=found.instance_id,
            note=note,
            user=caller().name,
            now=utc_now(),
            scope=caller().scope,
        )
    return {"proposal_id": number}, 201


def _members(one: Proposed) -> dict[str, Any]:
    stored = one.proposal
    return {
        "proposal_id": stored.proposal_id,
        "action": stored.action,
        "subject": stored.subject,
        "project_id": stored.project_id,
        "state": stored.state,
        "note": one.note,
        "proposed_by": stored.proposed_by,
        "proposed_at": stored.proposed_at.isoformat(),
        "decided_by": stored.decided_by,
        "decided_at": None if stored.decided_at is None else stored.decided_at.isoformat(),
    }
