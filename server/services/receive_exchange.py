"""Receive what a device brings, in the transaction of its counter; `news` tells it afterwards what is new.

Every well-framed envelope gets a code and none delays another. Nothing is opened here and no signature of an envelope
is checked: that is done at the opening, after the answer. `read` costs the processor and comes before the transaction;
`recall` only reads and comes after it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from server.db import cursor
from server.db.queries import devices, envelopes, erasures, feed
from server.db.queries.devices import Carrier
from server.db.queries.envelopes import Kept, NewEnvelope
from server.db.queries.feed import Head
from server.db.tables.envelopes import ERASED, QUARANTINED
from server.errors import CounterBehind, CounterReplayed, DeviceUnknown
from server.folding import erasing
from sync_protocol.messages import Receipt, ReceiptCode

AFTER_REVOCATION: Final = "after-revocation"


@dataclass(frozen=True, slots=True)
class Received:
    """What is stored once the transaction has committed."""

    carrier: Carrier
    receipts: tuple[Receipt, ...]
    head: Head


def read(bodies: Sequence[bytes]) -> tuple[NewEnvelope, ...]:
    """Read what envelopes show, and name each by its hash."""
    return tuple(NewEnvelope.read(body) for body in bodies)


def receive(
    session: Session,
    *,
    device_id: str,
    counter: int,
    since: str | None,
    arrived: Sequence[NewEnvelope],
    now: datetime,
) -> Received:
    """Store what a device brings.

    Raises:
        CursorExpired: the cursor is of another life of the database.
        CounterReplayed, CounterBehind: with `next_counter`.
        DeviceUnknown: nothing was stored in any of these cases.
    """
    head = feed.head(session)
    cursor.read(since, head)
    carrier = devices.advance_counter(session, device_id=device_id, counter=counter, now=now)
    if carrier is None:
        raise _refused_counter(session, device_id, counter)
    if carrier.revoked_at is not None:
        arrived = [replace(envelope, state=QUARANTINED, reason=AFTER_REVOCATION) for envelope in arrived]
    if erasures.has_any(session):
        arrived = _without_erased(session, arrived)
    kept = envelopes.store(session, arrived, carrier=device_id, received_at=now)
    return Received(carrier, _receipts(arrived, kept), head)


def _receipts(arrived: Sequence[NewEnvelope], kept: Mapping[bytes, Kept]) -> tuple[Receipt, ...]:
    seen: set[bytes] = set()
    receipts = []
    for index, envelope in enumerate(arrived):
        code = ReceiptCode.DUPLICATE
        if envelope.state == ERASED:
            code = ReceiptCode.ERASED
        elif kept[envelope.envelope_id].is_new and envelope.envelope_id not in seen:
            code = ReceiptCode.QUARANTINED if envelope.state == QUARANTINED else ReceiptCode.STORED
        seen.add(envelope.envelope_id)
        receipts.append(Receipt(index, code, kept[envelope.envelope_id].sequence))
    return tuple(receipts)


def _without_erased(session: Session, arrived: Sequence[NewEnvelope]) -> list[NewEnvelope]:
    """Put tombstones in the place of what is erased: by its instanceID, or by a parent of it.

    Parents that stand in the same exchange count too, for a chain of edits may come at once. What was stored before
    its interview was erased is emptied by the fold.
    """
    shown = [(envelope, erasing.parents_of(envelope.body)) for envelope in arrived]
    own, as_parent = erasures.known(
        session,
        {node for one, parents in shown for node in (one.instance_id, *parents) if node is not None},
    )
    erased = set(as_parent)
    was = -1
    while len(erased) != was:
        was = len(erased)
        erased.update(
            one.instance_id
            for one, parents in shown
            if one.instance_id and one.kind in erasures.OF_INTERVIEWS and erased.intersection(parents)
        )
    return [
        _emptied(one, is_named=one.instance_id in own, by_parent=bool(erased.intersection(parents)))
        for one, parents in shown
    ]


def _emptied(envelope: NewEnvelope, *, is_named: bool, by_parent: bool) -> NewEnvelope:
    if envelope.kind not in erasures.OF_INTERVIEWS or not (is_named or by_parent):
        return envelope
    return envelope.emptied(reason=None if is_named else erasures.LATE)


def recall(session: Session, have: Sequence[bytes], *, first_index: int) -> tuple[Receipt, ...]:
    """Return a receipt for each hash that is known here; what has none must be sent again."""
    known = envelopes.sequences_by_prefix(session, have)
    return tuple(
        Receipt(
            first_index + number,
            ReceiptCode.ERASED if known[prefix].is_erased else ReceiptCode.DUPLICATE,
            known[prefix].sequence,
        )
        for number, prefix in enumerate(have)
        if prefix in known
    )


def _refused_counter(session: Session, device_id: str, counter: int) -> DeviceUnknown | CounterReplayed | CounterBehind:
    device = devices.device(session, device_id)
    if device is None:
        return DeviceUnknown(f"no device {device_id} is enrolled here")
    refusal = CounterReplayed if counter == device.counter else CounterBehind
    return refusal(f"the last counter was {device.counter}", next_counter=device.counter + 1)
