"""Making a decision of the office: it becomes an envelope like any other, sealed and signed by the decision key."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.orm import Session

from server import logs
from server.db.queries import envelopes, interviews, opening
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.interviews import StoredRevision
from server.errors import BadRequest, KeyStoreSealed, NotFound
from server.keystore import OFFICE_ID, KeyStore
from sync_protocol import envelope as envelope_layout
from sync_protocol import epoch as epochs
from sync_protocol import ratchet
from sync_protocol.constants import Kind
from sync_protocol.documents import document_hash
from sync_protocol.envelope import NO_HASH, Header
from sync_protocol.plaintext import Manifest

NOTE_CHARACTERS: Final = 2000
WIPE: Final = "wipe"
EPOCH_AND_DECISION: Final = 2
"""Numbers of the chain that one decision takes."""


def current_revision(session: Session, interview_id: bytes) -> StoredRevision:
    """Return the revision of an interview that counts now.

    Raises:
        NotFound: no such interview.
    """
    found = interviews.interviews_by_id(session, [interview_id])
    if not found or found[0].current_revision_id is None:
        raise NotFound(f"there is no interview {interview_id.hex()}: see passerelle hold list, submission list")
    (current,) = interviews.revisions_by_id(session, [found[0].current_revision_id])
    return current


def decide_about(
    session: Session,
    revision: StoredRevision,
    *,
    keystore: KeyStore,
    decision: Mapping[str, Any],
    note: str,
    user: str,
    now: datetime,
) -> bytes:
    """Store what a person decided about the interview of a revision; return its envelope id.

    Args:
        session: of the transaction.
        revision: whose mode and form version the decision has too.
        keystore: signs and seals.
        decision: its action and what that needs.
        note: why, in a person's words; sealed.
        user: who decides.
        now: goes into the decision.

    Raises:
        BadRequest, KeyStoreLocked: as `store_sealed_decision`.
    """
    return store_sealed_decision(
        session,
        keystore=keystore,
        decision={**decision, "note": note[:NOTE_CHARACTERS], "user": user},
        about=(revision.instance_id,),
        mode=revision.mode,
        form_version_hash=revision.form_version_hash,
        now=now,
    )


def store_sealed_decision(
    session: Session,
    *,
    keystore: KeyStore,
    decision: Mapping[str, Any],
    about: tuple[bytes, ...],
    mode: str,
    form_version_hash: bytes,
    now: datetime,
) -> bytes:
    """Seal and store a decision; return its envelope id. Folding it is the worker's.

    Under an epoch of its own: decisions are few, and no ratchet state is kept for them.

    Args:
        session: of the transaction.
        keystore: signs and seals.
        decision: who decided, which action, and what it needs.
        about: (16,) instanceIDs that it concerns.
        mode: of the survey key to seal to.
        form_version_hash: (32,) of the interview, zeros where there is none.
        now: goes into the decision.

    Raises:
        BadRequest: the keyring has no active key for the mode.
        KeyStoreLocked: without the vault.
        KeyStoreSealed: it would be about interviews that are not opened here; a tablet can be wiped all the same.
    """
    if keystore.is_sealed and decision.get("action") != WIPE:
        raise KeyStoreSealed("decisions take effect where interviews are opened: decide on that machine")
    office = keystore.office
    survey_key = keystore.keyring.survey_key(mode)
    if survey_key is None:
        raise BadRequest(f"the keyring has no active key for the mode {mode}")
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
        parents=about,
        form_version_hash=form_version_hash,
        dictionary_hash=NO_HASH,
        certificate_hash=office.certificate_hash,
    )
    body = envelope_layout.seal_decision(
        header=header,
        content_key=ratchet.content_key(epoch_key, header.epoch_hash, 0),
        signer=office.signer,
        manifest=Manifest(device_time=now.astimezone(UTC).isoformat(timespec="seconds")),
        decision=decision,
    )
    made = [NewEnvelope.read(epoch), NewEnvelope.read(body)]
    envelopes.store(session, made, carrier=OFFICE_ID, received_at=now)
    action, envelope_id = str(decision.get("action", "")), made[-1].envelope_id.hex()
    event.listen(
        session,
        "after_commit",
        lambda _: logs.event("decision", action=action, mode=mode, envelope_id=envelope_id),
        once=True,
    )
    return made[-1].envelope_id


def _chain_end(session: Session) -> tuple[int, bytes]:
    last = opening.last_decision(session)
    if last is None:
        return 0, NO_HASH
    read = 0 if last.body is None else envelope_layout.peek(last.body).sequence
    return read + EPOCH_AND_DECISION * last.erased, last.envelope_id
