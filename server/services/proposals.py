"""What takes two people: to erase an interview, and to wipe a tablet. One proposes, another agrees or declines.

Never the same person, at whatever door: `console:amina` and the account `amina` are one. Agreeing makes a decision of
the office that names both, sealed and signed like any other; folding an erasure is the worker's.

An erasure takes the whole graph of an interview, so both must see all of it; and it takes what was proposed, no more:
when something has been added meanwhile, it is proposed anew.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from server.db.queries import audit, devices, erasures, feed, intake, interviews, proposals
from server.db.queries.erasures import ERASE
from server.db.queries.proposals import AGREED, DECLINED, PROPOSED, StoredProposal
from server.db.scope import EVERYTHING, Scope
from server.db.tables.accounts import FIRST_PROJECT
from server.errors import BadRequest, Conflict, Forbidden, KeyStoreSealed, NotFound
from server.folding.deciding import NOTE_CHARACTERS, WIPE, store_sealed_decision
from server.folding.erasing import erase_decision
from server.keystore import KeyStore
from server.persons import is_same_person
from sync_protocol.documents import canonical_json
from sync_protocol.envelope import NO_HASH
from sync_protocol.orders import WipeOrder

SURVEY: Final = "survey"
LISTED: Final = 200
_NOTE: Final = b"proposal:"


class GrownError(Conflict):
    """Something belongs to an interview now that did not when its erasure was proposed."""


class NotAllSeenError(Forbidden):
    """Something belongs to an interview that whoever would erase it does not see."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal as people see it; `note` is None while the key store is locked."""

    proposal: StoredProposal
    note: str | None

    @property
    def is_open(self) -> bool:
        """Nobody has decided it yet."""
        return self.proposal.state == PROPOSED


def propose_erasure(
    session: Session,
    *,
    keystore: KeyStore,
    instance_id: bytes,
    note: str,
    user: str,
    now: datetime,
    scope: Scope = EVERYTHING,
) -> int:
    """Propose to erase the interview that holds an instance; return the number of the proposal.

    Raises:
        BadRequest: without a reason.
        Conflict: it is proposed or erased already.
        Forbidden: something that is connected with it is not in this scope.
        NotFound: nothing of it has come.
        KeyStoreLocked: without the vault, which seals the note.
        KeyStoreSealed: where the interview is not opened, nobody knows what is connected with it.
    """
    if keystore.is_sealed:
        raise KeyStoreSealed("erase it on the machine that opens interviews: this server does not know all of it")
    if erasures.known(session, [instance_id])[0]:
        raise Conflict("this interview is erased already, and its late copies are")
    if not intake.arrivals_of(session, EVERYTHING, instance_id):
        raise NotFound(f"nothing has come under the instanceID {instance_id.hex()}")
    root = _root(session, instance_id)
    instances = _graph(session, root, scope)
    project_id = erasures.project_of(session, instance_id, FIRST_PROJECT)
    return _propose(
        session,
        ERASE,
        root.hex(),
        project_id=project_id,
        keystore=keystore,
        note=note,
        user=user,
        now=now,
        instances=instances,
    )


def propose_wipe(
    session: Session,
    *,
    keystore: KeyStore,
    device_id: str,
    note: str,
    user: str,
    now: datetime,
    scope: Scope = EVERYTHING,
) -> int:
    """Propose to wipe a tablet; return the number of the proposal.

    Raises:
        BadRequest: without a reason.
        Conflict: it is proposed or ordered already.
        NotFound: no such tablet in this scope.
        KeyStoreLocked: without the vault.
    """
    found = next((one for one in devices.devices(session, scope) if one.device_id == device_id), None)
    if found is None:
        raise NotFound(f"there is no tablet {device_id}; `passerelle device list` shows who there is")
    if found.wipe_position is not None:
        raise Conflict(f"the tablet {device_id} is ordered to wipe itself already")
    return _propose(
        session, WIPE, device_id, project_id=found.project_id, keystore=keystore, note=note, user=user, now=now
    )


def list_proposals(
    session: Session, *, keystore: KeyStore, scope: Scope = EVERYTHING, limit: int = LISTED
) -> Sequence[Proposed]:
    """Return proposals of a scope, open ones first."""
    return tuple(_shown(one, keystore) for one in proposals.proposals(session, scope, limit=limit))


def agree(
    session: Session, *, keystore: KeyStore, proposal_id: int, user: str, now: datetime, scope: Scope = EVERYTHING
) -> StoredProposal:
    """Agree to a proposal, as a second person; what was proposed is decided with that.

    Raises:
        NotFound: no such proposal in this scope.
        Forbidden: by who proposed it, or by who does not see all that would be erased.
        Conflict: it was decided before, or something was added to the interview since.
        KeyStoreLocked: without the vault, which signs.
    """
    found = _to_decide(session, proposal_id, user=user, scope=scope)
    note = _note(found, keystore)
    if found.action == ERASE:
        instances = _agreed_instances(session, found, keystore=keystore, scope=scope)
        _erase(session, found, instances, keystore=keystore, note=note, user=user, now=now)
    else:
        _order_wipe(session, found, keystore=keystore, note=note, user=user, now=now)
    proposals.decide(session, proposal_id, state=AGREED, user=user, now=now)
    audit.write(session, at=now, actor=user, action=f"agree-{found.action}", subject=found.subject)
    return found


def decline(
    session: Session, *, proposal_id: int, user: str, now: datetime, scope: Scope = EVERYTHING
) -> StoredProposal:
    """Decline a proposal; who proposed it may take it back.

    Raises:
        NotFound: no such proposal in this scope.
        Conflict: it was decided before.
    """
    found = _to_decide(session, proposal_id, user=None, scope=scope)
    proposals.decide(session, proposal_id, state=DECLINED, user=user, now=now)
    audit.write(session, at=now, actor=user, action=f"decline-{found.action}", subject=found.subject)
    return found


def _propose(
    session: Session,
    action: str,
    subject: str,
    *,
    project_id: int,
    keystore: KeyStore,
    note: str,
    user: str,
    now: datetime,
    instances: frozenset[bytes] = frozenset(),
) -> int:
    text = note.strip()[:NOTE_CHARACTERS]
    if not text:
        raise BadRequest("say why, in the note: whoever agrees has to know")
    if proposals.open_proposal(session, action=action, subject=subject) is not None:
        raise Conflict("this is proposed already: another person agrees or declines")
    members = {"note": text, "instances": sorted(one.hex() for one in instances)}
    sealed = keystore.seal_projection(canonical_json(members), _NOTE + f"{action}:{subject}".encode())
    number = proposals.add(
        session,
        action=action,
        subject=subject,
        project_id=project_id,
        sealed_note=sealed,
        proposed_by=user,
        proposed_at=now,
    )
    audit.write(session, at=now, actor=user, action=f"propose-{action}", subject=subject)
    return number


def _to_decide(session: Session, proposal_id: int, *, user: str | None, scope: Scope) -> StoredProposal:
    found = proposals.proposal(session, proposal_id, scope)
    if found is None:
        raise NotFound(f"there is no proposal number {proposal_id} in your projects")
    if found.state != PROPOSED:
        raise Conflict(f"proposal {proposal_id} was {found.state} by {found.decided_by}")
    if user is not None and is_same_person(user, found.proposed_by):
        raise Forbidden("who proposed it cannot agree to it: this takes two people")
    return found


def _graph(session: Session, root: bytes, scope: Scope) -> frozenset[bytes]:
    """Return every instance that is connected with an interview.

    Raises:
        Forbidden: some of it is not in this scope.
    """
    instances, _ = interviews.connected(session, [root])
    if not erasures.sees_all(session, scope, instances):
        raise NotAllSeenError(
            "this interview is connected with some of another project or team: whoever erases sees both"
        )
    return frozenset(instances)


def _agreed_instances(session: Session, found: StoredProposal, *, keystore: KeyStore, scope: Scope) -> frozenset[bytes]:
    """Return what was proposed, as far as it is still there; it must be all that is connected now."""
    instances = _graph(session, bytes.fromhex(found.subject), scope)
    if instances - {bytes.fromhex(one) for one in _sealed(found, keystore)["instances"]}:
        raise GrownError(
            "something was added to this interview after it was proposed: decline, look at it, and propose anew"
        )
    return instances


def _erase(
    session: Session,
    found: StoredProposal,
    instances: frozenset[bytes],
    *,
    keystore: KeyStore,
    note: str,
    user: str,
    now: datetime,
) -> None:
    """Store the decision; every instance of the graph is in it."""
    root = bytes.fromhex(found.subject)
    rows = interviews.revisions_of_instances(session, instances)
    decision = erase_decision(instances, interview_id=root, project_id=found.project_id, proposed_by=found.proposed_by)
    store_sealed_decision(
        session,
        keystore=keystore,
        decision={**decision, "note": note, "user": user},
        about=(root,),
        mode=rows[0].mode if rows else SURVEY,
        form_version_hash=rows[0].form_version_hash if rows else NO_HASH,
        now=now,
    )


def _order_wipe(
    session: Session, found: StoredProposal, *, keystore: KeyStore, note: str, user: str, now: datetime
) -> None:
    order = WipeOrder(device_id=found.subject, ordered_at=now.astimezone(UTC).isoformat(timespec="seconds"))
    document = order.sign(keystore.office.signer)
    decision = {"action": WIPE, "device": found.subject, "proposed_by": found.proposed_by, "note": note, "user": user}
    store_sealed_decision(
        session,
        keystore=keystore,
        decision=decision,
        about=(),
        mode=SURVEY,
        form_version_hash=NO_HASH,
        now=now,
    )
    devices.order_wipe(session, device_id=found.subject, document=document, position=feed.next_position(session))


def _root(session: Session, instance_id: bytes) -> bytes:
    rows = interviews.revisions_of_instances(session, [instance_id])
    return rows[0].interview_id if rows else instance_id


def _shown(found: StoredProposal, keystore: KeyStore) -> Proposed:
    return Proposed(found, None if keystore.is_locked else _note(found, keystore))


def _note(found: StoredProposal, keystore: KeyStore) -> str:
    return str(_sealed(found, keystore)["note"])


def _sealed(found: StoredProposal, keystore: KeyStore) -> dict[str, Any]:
    context = _NOTE + f"{found.action}:{found.subject}".encode()
    return dict(json.loads(keystore.open_projection(found.sealed_note, context)))
