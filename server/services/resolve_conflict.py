"""Resolve a conflict: a person chooses which of several revisions counts, until one comes that was not there."""

from datetime import datetime

from sqlalchemy.orm import Session

from server.db.queries import audit, interviews
from server.errors import BadRequest, NotFound
from server.folding.deciding import decide_about
from server.folding.decisions import RESOLVE_CONFLICT
from server.folding.fold import heads_of
from server.keystore import KeyStore


def resolve(
    session: Session,
    *,
    keystore: KeyStore,
    interview_id: bytes,
    chosen: tuple[bytes, bytes],
    note: str,
    user: str,
    now: datetime,
) -> bytes:
    """Store which revision of an interview counts; return the decision's envelope id. Folding it is the worker's.

    Args:
        session: of the transaction.
        keystore: signs and seals the decision.
        interview_id: (16,).
        chosen: instanceID and answers hash of one of the heads: what is current, or in conflict with it.
        note: why, in a person's words; sealed.
        user: who decides.
        now: goes into the decision.

    Raises:
        NotFound: no such interview.
        BadRequest: the chosen revision is none of the heads.
        KeyStoreLocked: without the vault.
    """
    heads = heads_of(session, interview_id) if interviews.interviews_by_id(session, [interview_id]) else ()
    if not heads:
        raise NotFound(f"there is no interview {interview_id.hex()}")
    if chosen not in heads:
        raise BadRequest("the chosen revision is neither the current one nor in conflict with it: look again")
    rows = interviews.revisions_of_instances(session, [chosen[0]])
    (revision,) = (row for row in rows if row.answers_hash == chosen[1])
    seen = [[part.hex() for part in head] for head in heads]
    decision = {"action": RESOLVE_CONFLICT, "chosen": [part.hex() for part in chosen], "seen": seen}
    envelope_id = decide_about(session, revision, keystore=keystore, decision=decision, note=note, user=user, now=now)
    audit.write(session, at=now, actor=user, action=RESOLVE_CONFLICT, subject=interview_id.hex())
    return envelope_id
