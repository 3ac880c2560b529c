"""SQL of the received envelopes: the acknowledging path, so few statements and few objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Self

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from server.db.insert import insert_new
from server.db.tables import Envelope
from server.db.tables.envelopes import QUARANTINED, RECEIVED
from sync_protocol.constants import Kind
from sync_protocol.envelope import peek
from sync_protocol.epoch import Epoch
from sync_protocol.errors import EnvelopeError

PREFIXES_AT_ONCE: Final = 100
ID_BYTES: Final = 32
UNREADABLE: Final = 0
UNDERSTOOD: Final = frozenset({Kind.EPOCH, Kind.INTERVIEW, Kind.DECISION})
"""Kinds that this version opens; drafts and attachments are kept in quarantine until one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEnvelope:
    """An envelope as it came, with what its header shows; None for what it does not show."""

    envelope_id: bytes
    kind: int
    body: bytes
    epoch_hash: bytes | None
    instance_id: bytes | None
    certificate_hash: bytes | None
    form_version_hash: bytes | None
    state: str = RECEIVED
    reason: str | None = None
    door_tag: bytes | None = None

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read what an envelope shows; what nobody here can read is kept too, in quarantine with the reason."""
        try:
            shown = peek(body)
        except EnvelopeError as error:
            return cls.unread(body, error.code)
        if isinstance(shown, Epoch):
            return cls(
                envelope_id=shown.hash,
                kind=int(Kind.EPOCH),
                body=body,
                epoch_hash=shown.hash,
                instance_id=None,
                certificate_hash=shown.certificate_hash,
                form_version_hash=None,
            )
        is_understood = shown.kind in UNDERSTOOD
        return cls(
            envelope_id=sha256(body).digest(),
            kind=int(shown.kind),
            body=body,
            epoch_hash=shown.epoch_hash,
            instance_id=shown.instance_id,
            certificate_hash=shown.certificate_hash,
            form_version_hash=shown.form_version_hash,
            state=RECEIVED if is_understood else QUARANTINED,
            reason=None if is_understood else "unknown-kind",
        )

    @classmethod
    def unread(cls, body: bytes, reason: str) -> Self:
        """Keep bytes that cannot be read."""
        return cls(
            envelope_id=sha256(body).digest(),
            kind=UNREADABLE,
            body=body,
            epoch_hash=None,
            instance_id=None,
            certificate_hash=None,
            form_version_hash=None,
            state=QUARANTINED,
            reason=reason,
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """The server's number of an envelope, and whether it had it before."""

    sequence: int
    is_new: bool


def store(
    session: Session, envelopes: Sequence[NewEnvelope], *, carrier: str, received_at: datetime
) -> dict[bytes, Kept]:
    """Store envelopes; what is there already is left alone. Return all of them by id."""
    if not envelopes:
        return {}
    rows = [
        {
            "envelope_id": envelope.envelope_id,
            "kind": envelope.kind,
            "body": envelope.body,
            "epoch_hash": envelope.epoch_hash,
            "instance_id": envelope.instance_id,
            "certificate_hash": envelope.certificate_hash,
            "form_version_hash": envelope.form_version_hash,
            "carrier": carrier,
            "received_at": received_at,
            "state": envelope.state,
            "reason": envelope.reason,
            "door_tag": envelope.door_tag,
        }
        for envelope in {envelope.envelope_id: envelope for envelope in envelopes}.values()
    ]
    insert = insert_new(session, Envelope).returning(Envelope.envelope_id, Envelope.sequence)
    kept = {envelope_id: Kept(sequence, is_new=True) for envelope_id, sequence in session.execute(insert, rows)}
    known = [row["envelope_id"] for row in rows if row["envelope_id"] not in kept]
    if known:
        query = select(Envelope.envelope_id, Envelope.sequence).where(Envelope.envelope_id.in_(known))
        kept.update((envelope_id, Kept(sequence, is_new=False)) for envelope_id, sequence in session.execute(query))
    return kept


def sequences_by_prefix(session: Session, prefixes: Sequence[bytes]) -> dict[bytes, int]:
    """Return the server's numbers of the envelopes whose ids begin so, by prefix."""
    found: dict[bytes, int] = {}
    for start in range(0, len(prefixes), PREFIXES_AT_ONCE):
        chunk = prefixes[start : start + PREFIXES_AT_ONCE]
        # Ranges, for a function of the column would not use its index.
        ranges = [
            Envelope.envelope_id.between(prefix.ljust(ID_BYTES, b"\x00"), prefix.ljust(ID_BYTES, b"\xff"))
            for prefix in chunk
        ]
        lengths = {len(prefix) for prefix in chunk}
        for envelope_id, sequence in session.execute(
            select(Envelope.envelope_id, Envelope.sequence).where(or_(*ranges))
        ):
            found.update((envelope_id[:length], sequence) for length in lengths)
    return found


def sequence_by_door_tag(session: Session, door_tag: bytes) -> int | None:
    """Return the server's number of the submission with this tag."""
    return session.scalar(select(Envelope.sequence).where(Envelope.door_tag == door_tag))


def count_by_state(session: Session) -> dict[str, int]:
    """Return how many envelopes are in each state."""
    rows = session.execute(select(Envelope.state, func.count()).group_by(Envelope.state))
    return {state: count for state, count in rows}
