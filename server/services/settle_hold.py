"""Settle a hold: a person's decision becomes an envelope like any other, sealed and signed by the office."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from server.db.queries import audit, interviews, reopening
from server.db.queries.interviews import OpenHold
from server.db.scope import EVERYTHING, Scope
from server.errors import BadRequest, NotFound
from server.folding.deciding import current_revision, decide_about
from server.folding.decisions import SETTLE_HOLD
from server.folding.holds import REASSIGN, VERDICTS
from server.keystore import KeyStore
from server.microdata import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldInterview:
    """An interview that waits for a person, with the household key it gave."""

    hold: OpenHold
    household_key: str | None
    enumerator: str | None
    outcome: str | None


def list_holds(
    session: Session, *, keystore: KeyStore, mode: str | None = None, scope: Scope = EVERYTHING
) -> tuple[HeldInterview, ...]:
    """Return what waits for a person and this one sees, the oldest first.

    Raises:
        KeyStoreLocked: without the vault.
    """
    found: list[HeldInterview] = []
    for hold in interviews.open_holds(session, mode=mode, scope=scope):
        standing = Standing.open(hold.sealed, hold.interview_id, keystore)
        found.append(
            HeldInterview(
                hold=hold,
                household_key=standing.household_key,
                enumerator=standing.enumerator,
                outcome=standing.outcome,
            )
        )
    return tuple(found)


def settle(
    session: Session,
    *,
    keystore: KeyStore,
    interview_id: bytes,
    verdict: str,
    household_key: str | None,
    note: str,
    user: str,
    now: datetime,
) -> bytes:
    """Store the decision about an interview; return its envelope id. Folding it is the worker's.

    Args:
        session: of the transaction.
        keystore: signs and seals the decision.
        interview_id: (16,).
        verdict: keep, reassign or exclude.
        household_key: where it belongs, for reassign only.
        note: why, in a person's words; sealed.
        user: who decides.
        now: goes into the decision.

    Raises:
        NotFound: no such interview.
        BadRequest: another verdict, or a household key where none belongs.
        KeyStoreLocked: without the vault.
    """
    if verdict not in VERDICTS or (verdict == REASSIGN) != (household_key is not None):
        raise BadRequest(
            f"a hold is settled by one of {', '.join(VERDICTS)}; a household key goes with {REASSIGN}, and only there"
        )
    current = current_revision(session, interview_id)
    decision = {"action": SETTLE_HOLD, "verdict": verdict, "household_key": household_key}
    envelope_id = decide_about(session, current, keystore=keystore, decision=decision, note=note, user=user, now=now)
    audit.write(session, at=now, actor=user, action=f"settle-hold-{verdict}", subject=interview_id.hex())
    return envelope_id


def release_quarantined(session: Session, *, envelope_id: bytes, user: str, now: datetime) -> None:
    """Let the worker try a quarantined envelope again.

    Raises:
        NotFound: there is none with this id.
    """
    if not reopening.release(session, envelope_id):
        raise NotFound(f"no envelope {envelope_id.hex()} is in quarantine: passerelle quarantine list shows what is")
    audit.write(session, at=now, actor=user, action="release-from-quarantine", subject=envelope_id.hex())
