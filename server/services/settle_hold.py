"""Settle a hold: a person's decision becomes an envelope like any other, sealed and signed by the office."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from server.db.queries import audit, envelopes, interviews, opening
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.interviews import OpenHold, StoredRevision
from server.db.tables.envelopes import RECEIVED
from server.errors import BadRequest, NotFound
from server.folding.decisions import SETTLE_HOLD
from server.folding.holds import REASSIGN, VERDICTS
from server.keystore import KeyStore
from server.microdata import Standing
from sync_protocol import envelope as envelope_layout
from sync_protocol import epoch as epochs
from sync_protocol import ratchet
from sync_protocol.constants import Kind
from sync_protocol.documents import document_hash
from sync_protocol.envelope import Header
from sync_protocol.plaintext import Manifest

NO_HASH: Final = bytes(32)
CARRIER: Final = "office"
NOTE_CHARACTERS: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldInterview:
    """An interview that waits for a person, with the household key it gave."""

    hold: OpenHold
    household_key: str | None
    enumerator: str | None
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A decision before it is sealed."""

    instance_id: bytes
    mode: str
    form_version_hash: bytes
    decision: dict[str, Any]


def list_holds(session: Session, *, keystore: KeyStore, mode: str | None = None) -> tuple[HeldInterview, ...]:
    """Return what waits for a person, the oldest first.

    Raises:
        KeyStoreLocked: without the vault.
    """
    found: list[HeldInterview] = []
    for hold in interviews.open_holds(session, mode=mode):
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
    current = _current_revision(session, interview_id)
    decision = {
        "action": SETTLE_HOLD,
        "verdict": verdict,
        "household_key": household_key,
        "note": note[:NOTE_CHARACTERS],
        "user": user,
    }
    wanted = _Wanted(
        instance_id=current.instance_id,
        mode=current.mode,
        form_version_hash=current.form_version_hash,
        decision=decision,
    )
    made = _seal(session, keystore, wanted, now)
    envelopes.store(session, made, carrier=CARRIER, received_at=now)
    audit.write(session, at=now, actor=user, action=f"settle-hold-{verdict}", subject=interview_id.hex())
    return made[-1].envelope_id


def _current_revision(session: Session, interview_id: bytes) -> StoredRevision:
    found = interviews.interviews_by_id(session, [interview_id])
    if not found or found[0].current_revision_id is None:
        raise NotFound(f"there is no interview {interview_id.hex()}: passerelle hold list shows what waits")
    (current,) = interviews.revisions_by_id(session, [found[0].current_revision_id])
    return current


def release_quarantined(session: Session, *, envelope_id: bytes, user: str, now: datetime) -> None:
    """Let the worker try a quarantined envelope again.

    Raises:
        NotFound: there is none with this id.
    """
    if not opening.release(session, envelope_id):
        raise NotFound(f"no envelope {envelope_id.hex()} is in quarantine: passerelle quarantine list shows what is")
    audit.write(session, at=now, actor=user, action="release-from-quarantine", subject=envelope_id.hex())


def _seal(session: Session, keystore: KeyStore, wanted: _Wanted, now: datetime) -> list[NewEnvelope]:
    """Seal under an epoch of its own: decisions are few, and no ratchet state is kept for them."""
    office = keystore.office
    survey_key = keystore.keyring.survey_key(wanted.mode)
    if survey_key is None:
        raise BadRequest(f"the keyring has no active key for the mode {wanted.mode}")
    sequence, previous = _chain_end(session)
    epoch_key = os.urandom(32)
    epoch = epochs.make_epoch(
        survey_key=survey_key,
        certificate_hash=office.certificate_hash,
        signer=office.signer,
        sequence=sequence + 1,
        previous=previous,
        nonce=os.urandom(32),
        epoch_key=epoch_key,
    )
    header = Header(
        kind=Kind.DECISION,
        suite=survey_key.suite,
        epoch_hash=document_hash(epoch),
        index=0,
        sequence=sequence + 2,
        previous=document_hash(epoch),
        instance_id=os.urandom(16),
        parents=(wanted.instance_id,),
        form_version_hash=wanted.form_version_hash,
        dictionary_hash=NO_HASH,
        certificate_hash=office.certificate_hash,
    )
    body = envelope_layout.seal_decision(
        header=header,
        content_key=ratchet.content_key(epoch_key, header.epoch_hash, 0),
        signer=office.signer,
        manifest=Manifest(device_time=now.astimezone(UTC).isoformat(timespec="seconds")),
        decision=wanted.decision,
    )
    return [_stored(epoch, Kind.EPOCH, header), _stored(body, Kind.DECISION, header)]


def _chain_end(session: Session) -> tuple[int, bytes]:
    last = opening.last_decision(session)
    return (0, NO_HASH) if last is None else (envelope_layout.peek(last).sequence, document_hash(last))


def _stored(body: bytes, kind: Kind, header: Header) -> NewEnvelope:
    is_decision = kind == Kind.DECISION
    return NewEnvelope(
        envelope_id=document_hash(body),
        kind=int(kind),
        body=body,
        epoch_hash=header.epoch_hash if is_decision else None,
        instance_id=header.instance_id if is_decision else None,
        certificate_hash=header.certificate_hash,
        form_version_hash=header.form_version_hash if is_decision else None,
        state=RECEIVED,
    )
