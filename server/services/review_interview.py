"""Review an interview: the office approves or rejects what is current; a later revision is to be looked at anew."""

from datetime import datetime

from sqlalchemy.orm import Session

from server.db.queries import audit
from server.errors import BadRequest
from server.folding.deciding import current_revision, decide_about
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
    current = current_revision(session, interview_id)
    revision = [current.instance_id.hex(), current.answers_hash.hex()]
    decision = {"action": REVIEW, "verdict": verdict, "revision": revision}
    envelope_id = decide_about(session, current, keystore=keystore, decision=decision, note=note, user=user, now=now)
    audit.write(session, at=now, actor=user, action=f"review-{verdict}", subject=interview_id.hex())
    return envelope_id
