"""Decisions of the office: what a person settled about an interview, read back from their envelopes' projections."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from server.db.queries import interviews as queries
from server.folding.holds import REASSIGN, VERDICTS, Settlement
from server.folding.opener import OpenedDecision
from server.keystore import KeyStore
from sync_protocol.documents import canonical_json
from sync_protocol.reconcile import Resolution

SETTLE_HOLD: Final = "settle-hold"
REVIEW: Final = "review"
RETURNED: Final = "returned"
REVIEWS: Final = ("approved", "rejected", RETURNED)
RESOLVE_CONFLICT: Final = "resolve-conflict"
CONTEXT: Final = b"decision:"
Key = tuple[bytes, bytes]
"""Of a revision: instanceID and answers hash."""
Rank = tuple[int, bytes]
"""Place in the office's chain, then the envelope id."""
NO_RANK: Final[Rank] = (-1, b"")


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


def decision_of(session: Session, envelope_id: bytes, keystore: KeyStore) -> dict[str, Any] | None:
    """Return what a decision says, by its envelope id; None when it is not folded here.

    Raises:
        KeyStoreLocked: without the vault.
    """
    row = queries.decision(session, envelope_id)
    if row is None:
        return None
    members: dict[str, Any] = json.loads(keystore.open_projection(row.sealed, CONTEXT + row.envelope_id))
    return members


@dataclass(frozen=True, slots=True)
class Review:
    """What the office said of one revision."""

    verdict: str
    revision: Key


@dataclass(frozen=True, slots=True)
class Return:
    """That the office gave a revision back to be corrected, and whether it still wants it.

    Attributes:
        revision: which.
        decision_id: envelope id of the last decision that says so; its note is for the enumerator.
        is_open: it is the office's last word, and no other revision has become current since.
    """

    revision: Key
    decision_id: bytes
    is_open: bool


@dataclass(slots=True)
class Decided:
    """What has been decided about instances: the last of each kind counts, by the office's chain."""

    _settlements: dict[bytes, tuple[Rank, Settlement]] = field(default_factory=dict)
    _reviews: dict[bytes, tuple[Rank, Review]] = field(default_factory=dict)
    _returns: dict[bytes, dict[Key, Rank]] = field(default_factory=dict)
    resolutions: list[Resolution] = field(default_factory=list)

    @classmethod
    def load(cls, session: Session, instance_ids: Iterable[bytes], keystore: KeyStore) -> "Decided":
        """Read the decisions about these instanceIDs."""
        decided = cls()
        for row in queries.decisions_about(session, instance_ids):
            decision = json.loads(keystore.open_projection(row.sealed, CONTEXT + row.envelope_id))
            decided.add(row.instance_id, (row.sequence, row.envelope_id), decision)
        return decided

    def add(self, instance_id: bytes, rank: Rank, decision: Mapping[str, Any]) -> None:
        """Take one decision; one that this version does not know decides nothing."""
        settlement, review = settlement_of(decision), review_of(decision)
        if settlement is not None:
            self._settlements[instance_id] = max(
                (rank, settlement), self._settlements.get(instance_id, (NO_RANK, settlement)), key=_rank
            )
        elif review is not None:
            self._reviews[instance_id] = max(
                (rank, review), self._reviews.get(instance_id, (NO_RANK, review)), key=_rank
            )
            if review.verdict == RETURNED:
                returns = self._returns.setdefault(instance_id, {})
                returns[review.revision] = max(rank, returns.get(review.revision, NO_RANK))
        else:
            self.resolutions += resolution_of(decision, rank)

    def settlement(self, members: Iterable[bytes]) -> Settlement | None:
        """Return the last settlement of the interview with these instanceIDs."""
        found = [self._settlements[one] for one in members if one in self._settlements]
        return max(found, key=_rank)[1] if found else None

    def review(self, members: Iterable[bytes], current: Key) -> str:
        """Return the last review of that interview, empty when another revision has become current since."""
        last = self._last_review(members)
        return last[1].verdict if last is not None and last[1].revision == current else ""

    def returns(self, members: Collection[bytes], current: Key) -> list[Return]:
        """Return which revisions of that interview the office ever gave back, one of each instanceID.

        Of two revisions under one instanceID, the one that was given back last.
        """
        given: dict[bytes, tuple[Rank, Key]] = {}
        for member in members:
            for revision, rank in self._returns.get(member, {}).items():
                given[revision[0]] = max((rank, revision), given.get(revision[0], (NO_RANK, revision)))
        last = self._last_review(members)
        return [
            Return(revision, rank[1], is_open=revision == current and last is not None and last[0] == rank)
            for rank, revision in given.values()
        ]

    def _last_review(self, members: Iterable[bytes]) -> tuple[Rank, Review] | None:
        found = [self._reviews[one] for one in members if one in self._reviews]
        return max(found, key=_rank) if found else None


def _rank(ranked: tuple[Rank, object]) -> Rank:
    return ranked[0]


def settlement_of(decision: Mapping[str, Any]) -> Settlement | None:
    """Return what a decision settles, None when it settles nothing that this version knows."""
    verdict, key = decision.get("verdict"), decision.get("household_key")
    if decision.get("action") != SETTLE_HOLD or verdict not in VERDICTS:
        return None
    if (verdict == REASSIGN) != isinstance(key, str):
        return None
    return Settlement(verdict=verdict, household_key=key)


def review_of(decision: Mapping[str, Any]) -> Review | None:
    """Return what a decision says of a revision, None when it is no review."""
    if decision.get("action") != REVIEW or decision.get("verdict") not in REVIEWS:
        return None
    revision = _key(decision.get("revision"))
    return None if revision is None else Review(decision["verdict"], revision)


def resolution_of(decision: Mapping[str, Any], rank: Rank) -> tuple[Resolution, ...]:
    """Return what a decision resolves: nothing, when it is no resolution."""
    if decision.get("action") != RESOLVE_CONFLICT or not isinstance(decision.get("seen"), list):
        return ()
    chosen, seen = _key(decision.get("chosen")), [_key(head) for head in decision["seen"]]
    if chosen is None or None in seen:
        return ()
    return (Resolution(rank=rank, chosen=chosen, seen=frozenset(head for head in seen if head is not None)),)


def _key(written: object) -> Key | None:
    """Read the key of a revision: instanceID and answers hash, in hexadecimal."""
    try:
        instance_id, answers_hash = (bytes.fromhex(part) for part in written)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return None
    return (instance_id, answers_hash)


def _moment(text: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now
    return moment if moment.tzinfo is not None else now
