"""Decisions of the office: what a person settled about an interview, read back from their envelopes' projections."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from server.db.queries import interviews as queries
from server.folding.holds import REASSIGN, VERDICTS, Settlement
from server.folding.opener import OpenedDecision
from server.keystore import KeyStore
from sync_protocol.documents import canonical_json

SETTLE_HOLD: Final = "settle-hold"
CONTEXT: Final = b"decision:"


def store_decision(session: Session, opened: OpenedDecision, *, keystore: KeyStore, now: datetime) -> None:
    """Store the projection of a decision for each instanceID it is about (one, as decisions are made here)."""
    decision = opened.decision
    for instance_id in opened.header.parents[:1]:
        queries.add_decision(
            session,
            envelope_id=opened.envelope.envelope_id,
            instance_id=instance_id,
            sequence=opened.header.sequence,
            action=str(decision.get("action", ""))[:40],
            sealed=keystore.seal_projection(canonical_json(dict(decision)), CONTEXT + opened.envelope.envelope_id),
            decided_by=str(decision.get("user", ""))[:200],
            decided_at=_moment(opened.decided_at, now),
        )


def read_settlements(
    session: Session, members: Mapping[bytes, Collection[bytes]], keystore: KeyStore
) -> dict[bytes, Settlement]:
    """Return the last settlement of each interview.

    Args:
        session: of the fold.
        members: the instanceIDs of each interview, by interview id.
        keystore: opens what was decided.
    """
    owner = {instance_id: name for name, instances in members.items() for instance_id in instances}
    found: dict[bytes, Settlement] = {}
    for row in queries.decisions_about(session, owner):  # ascending: the last one stays
        settlement = settlement_of(json.loads(keystore.open_projection(row.sealed, CONTEXT + row.envelope_id)))
        if settlement is not None:
            found[owner[row.instance_id]] = settlement
    return found


def settlement_of(decision: Mapping[str, Any]) -> Settlement | None:
    """Return what a decision settles, None when it settles nothing that this version knows."""
    verdict, key = decision.get("verdict"), decision.get("household_key")
    if decision.get("action") != SETTLE_HOLD or verdict not in VERDICTS:
        return None
    if (verdict == REASSIGN) != isinstance(key, str):
        return None
    return Settlement(verdict=verdict, household_key=key)


def _moment(text: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now
    return moment if moment.tzinfo is not None else now
