"""Review an interview: the office approves or rejects what is current; a later revision is to be looked at anew."""

from datetime import datetime

from sqlalchemy.orm import Session

from server.db.queries import audit, interviews
from server.db.queries.interviews import StoredRevision
from server.errors import BadRequest, NotFound
from server.folding.deciding import NOTE_CHARACTERS, store_sealed_decision
from server.folding.decisions import REVIEW, REVIEWS
from server.keystore import KeyStore


def review(
    session: Session, *, keystore: KeyStore, interview_id: bytes, verdict: str, note: str, user: str, now: datetime
) -> bytes:
    """Store the review of an interview's current revision; return its envelope id. Folding it is the worker's.

    Args:
        session: of the transaction.
        keystore: signs and seals the decision.
        interview_id: (16,).
        verdict: approved or rejected.
        note: why, in a person's words; sealed.
        user: who reviews.
        now: goes into the decision.

    Raises:
        NotFound: no such interview.
        BadRequest: another verdict.
        KeyStoreLocked: without the vault.
    """
    if verdict not in REVIEWS:
        raise BadRequest(f"a review says one of {', '.join(REVIEWS)}")
    current = _current_revision(session, interview_id)
    decision = {
        "action": REVIEW,
        "verdict": verdict,
        "revision": [current.instance_id.hex(), current.answers_hash.hex()],
        "note": note[:NOTE_CHARACTERS],
        "user": user,
    }
    envelope_id = store_sealed_decision(
        session,
        keystore=keystore,
        decision=decision,
        about=(current.instance_id,),
        mode=current.mode,
        form_version_hash=current.form_version_hash,
        now=now,
    )
    audit.write(session, at=now, actor=user, action=f"review-{verdict}", subject=interview_id.hex())
    return envelope_id


def _current_revision(session: Session, interview_id: bytes) -> StoredRevision:
    found = interviews.interviews_by_id(session, [interview_id])
    if not found or found[0].current_revision_id is None:
        raise NotFound(f"there is no interview {interview_id.hex()}")
    (current,) = interviews.revisions_by_id(session, [found[0].current_revision_id])
    return current
