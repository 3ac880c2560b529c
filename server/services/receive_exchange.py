"""Receive what a device brings, in the transaction of its counter; `news` tells it afterwards what is new.

Every well-framed envelope gets a code and none delays another. Nothing is opened here and no signature of an envelope
is checked: that is done at the opening, after the answer. `read` costs the processor and comes before the transaction;
`recall` only reads and comes after it.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from server.config import Quota
from server.db import cursor
from server.db.queries import devices, envelopes, feed
from server.db.queries.devices import NOTHING_TOLD, Carrier, Told
from server.db.queries.envelopes import Kept, NewEnvelope, Recalled
from server.db.queries.feed import Head
from server.db.tables.envelopes import QUARANTINED
from server.errors import CounterBehind, CounterReplayed, DeviceUnknown
from server.folding import receiving
from sync_protocol.messages import (
    Backlog,
    ExchangeRequest,
    Receipt,
    ReceiptCode,
)

BACKLOG: Final = tuple(Backlog.__slots__)
AFTER_REVOCATION: Final = "after-revocation"
NO_QUOTA: Final = Quota(envelopes=sys.maxsize, envelope_bytes=sys.maxsize)


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
    connection: Connection,
    *,
    device_id: str,
    counter: int,
    since: str | None,
    arrived: Sequence[NewEnvelope],
    now: datetime,
    told: Told = NOTHING_TOLD,
    quota: Quota = NO_QUOTA,
) -> Received:
    """Store what a device brings, and what it says of itself; what is over its quota it keeps for another day.

    Raises:
        CursorExpired: the cursor is of another life of the database.
        CounterReplayed, CounterBehind: with `next_counter`.
        DeviceUnknown: nothing was stored in any of these cases.
    """
    head = feed.head(connection)
    cursor.read(since, head)
    carrier = devices.advance_counter(
        connection,
        device_id=device_id,
        counter=counter,
        now=now,
        told=told,
        envelopes=len(arrived),
        envelope_bytes=sum(len(envelope.body) for envelope in arrived),
    )
    if carrier is None:
        raise _refused_counter(connection, device_id, counter)
    if carrier.revoked_at is not None:
        arrived = [replace(envelope, state=QUARANTINED, reason=AFTER_REVOCATION) for envelope in arrived]
    arrived = receiving.without_erased(connection, arrived)
    taken = arrived if _is_within(carrier, quota) else _within(connection, carrier, arrived, quota)
    kept = envelopes.store(connection, taken, carrier=device_id, received_at=now)
    known = {} if taken is arrived else _known(connection, arrived, kept)
    return Received(carrier, _receipts(arrived, kept, known), head)


def _receipts(
    arrived: Sequence[NewEnvelope], kept: Mapping[bytes, Kept], known: Mapping[bytes, Recalled]
) -> tuple[Receipt, ...]:
    seen: set[bytes] = set()
    receipts = []
    for index, envelope in enumerate(arrived):
        if envelope.envelope_id not in kept:
            receipts.append(_refused_by_quota(index, known.get(envelope.envelope_id)))
            continue
        found = kept[envelope.envelope_id]
        is_new = found.is_new and envelope.envelope_id not in seen
        seen.add(envelope.envelope_id)
        receipts.append(Receipt(index, receiving.code_of(envelope, is_new=is_new), found.sequence))
    return tuple(receipts)


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


def told_by(asked: ExchangeRequest, *, now: datetime) -> Told:
    """Return what a device says of itself in a request."""
    left = asked.backlog
    backlog = {name: getattr(left, name) for name in BACKLOG}
    return Told(
        receiving_key=asked.receiving_key,
        backlog=json.dumps(backlog, separators=(",", ":")),
        clock_offset_seconds=round((asked.device_time - now).total_seconds()),
        keyring_serial=asked.keyring_serial,
    )


def _is_within(carrier: Carrier, quota: Quota) -> bool:
    return carrier.quota_envelopes <= quota.envelopes and carrier.quota_bytes <= quota.envelope_bytes


def _within(
    connection: Connection, carrier: Carrier, arrived: Sequence[NewEnvelope], quota: Quota
) -> tuple[NewEnvelope, ...]:
    """Return what still fits into the quota of the day, and count nothing else: a small one may fit after a large."""
    count = carrier.quota_envelopes - len(arrived)
    size = carrier.quota_bytes - sum(len(envelope.body) for envelope in arrived)
    taken = []
    for envelope in arrived:
        if count < quota.envelopes and size + len(envelope.body) <= quota.envelope_bytes:
            taken.append(envelope)
            count, size = count + 1, size + len(envelope.body)
    devices.set_brought(connection, device_id=carrier.device_id, envelopes=count, envelope_bytes=size)
    return tuple(taken)


def _known(
    connection: Connection, arrived: Sequence[NewEnvelope], kept: Mapping[bytes, Kept]
) -> Mapping[bytes, Recalled]:
    """Return the numbers of envelopes that were not taken because they have been here for long."""
    left = [envelope.envelope_id for envelope in arrived if envelope.envelope_id not in kept]
    return envelopes.sequences_by_prefix(connection, left)


def _refused_by_quota(index: int, known: Recalled | None) -> Receipt:
    if known is None:
        return Receipt(index, ReceiptCode.QUOTA, None)
    return Receipt(index, ReceiptCode.ERASED if known.is_erased else ReceiptCode.DUPLICATE, known.sequence)


def _refused_counter(
    connection: Connection, device_id: str, counter: int
) -> DeviceUnknown | CounterReplayed | CounterBehind:
    last = devices.counter(connection, device_id)
    if last is None:
        return DeviceUnknown(f"no device {device_id} is enrolled here")
    refusal = CounterReplayed if counter == last else CounterBehind
    return refusal(f"the last counter was {last}", next_counter=last + 1)
