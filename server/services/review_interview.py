"""Review an interview: the office approves, rejects or returns what is current; a later revision is looked at anew.

What is returned goes back to its enumerator with the note, to be corrected. It keeps its place in what is counted, as
what is rejected does: only a hold or an exclusion takes that away, and the correction replaces it.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from server.db.queries import audit
from server.errors import BadRequest
from server.folding.deciding import current_revision, decide_about
from server.folding.decisions import RETURNED, REVIEW, REVIEWS
from server.keystore import KeyStore


def review(
    session: Session, *, keystore: KeyStore, interview_id: bytes, verdict: str, note: str, user: str, now: datetime
) -> bytes:
    """Store the review of an interview's current revision; return its envelope id. Folding it is the worker's.

    Args:
        session: of the transaction.
        keystore: signs and seals the decision.
        interview_id: (16,).
        verdict: approved, rejected or returned.
        note: why, in a person's words; sealed. The enumerator reads that of a return, so it needs one.
        user: who reviews.
        now: goes into the decision.

    Raises:
        NotFound: no such interview.
        BadRequest: another verdict, or a return without a note.
        KeyStoreLocked: without the vault.
    """
    if verdict not in REVIEWS:
        raise BadRequest(f"a review says one of {', '.join(REVIEWS)}")
    if verdict == RETURNED and not note.strip():
        raise BadRequest("say in the note what the enumerator should correct")
    current = current_revision(session, interview_id)
    revision = [current.instance_id.hex(), current.answers_hash.hex()]
    decision = {"action": REVIEW, "verdict": verdict, "revision": revision}
    envelope_id = decide_about(session, current, keystore=keystore, decision=decision, note=note, user=user, now=now)
    audit.write(session, at=now, actor=user, action=f"review-{verdict}", subject=interview_id.hex())
    return envelope_id
