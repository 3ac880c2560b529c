"""Receive what a device brings, in the transaction of its counter; afterwards, tell it what is new.

Every well-framed envelope gets a code and none delays another. Nothing is opened here and no signature of an envelope
is checked: that is done at the opening, after the answer. `read` costs the processor and comes before the transaction;
`recall` and `pull` only read and come after it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, Literal, Protocol, cast

from sqlalchemy.orm import Session

from server.db.queries import devices, envelopes, feed, fieldwork, forms, projects, pull
from server.db.queries.devices import Carrier
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.feed import Head
from server.db.queries.forms import PUBLISHED, StoredVersion
from server.db.queries.pull import END, FORM_VERSION, Place, PulledVerdict
from server.db.tables.envelopes import QUARANTINED
from server.errors import CounterBehind, CounterReplayed, CursorExpired, DeviceUnknown
from sync_protocol.assignments import Household, seal_assignments
from sync_protocol.messages import FormVersionPull, PullItem, Receipt, ReceiptCode, VerdictPull

AFTER_REVOCATION: Final = "after-revocation"
PULL_ITEMS: Final = 400
"""An answer holds at most 500 frames and 256 KiB of control; a verdict takes some 150 bytes of it."""
PULL_BYTES: Final = 1 << 20
CURSOR_KEY_BYTES: Final = 200
START: Final = Place(0, 0, b"")


class Identities(Protocol):
    """The part of the key store that opens the identities of drawn households."""

    @property
    def is_locked(self) -> bool:
        """Nothing can be opened now."""
        ...

    def open_projection(self, sealed: bytes, context: bytes) -> bytes:
        """Open a sealed row."""
        ...


@dataclass(frozen=True, slots=True)
class Received:
    """What is stored once the transaction has committed."""

    carrier: Carrier
    receipts: tuple[Receipt, ...]
    head: Head


@dataclass(frozen=True, slots=True)
class Pulled:
    """What is new for a device, and where it goes on."""

    items: tuple[PullItem, ...]
    cursor: str
    more: bool


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
    _place(since, head)
    carrier = devices.advance_counter(session, device_id=device_id, counter=counter, now=now)
    if carrier is None:
        raise _refused_counter(session, device_id, counter)
    if carrier.revoked_at is not None:
        arrived = [replace(envelope, state=QUARANTINED, reason=AFTER_REVOCATION) for envelope in arrived]
    kept = envelopes.store(session, arrived, carrier=device_id, received_at=now)
    seen: set[bytes] = set()
    receipts = []
    for index, envelope in enumerate(arrived):
        code = ReceiptCode.DUPLICATE
        if kept[envelope.envelope_id].is_new and envelope.envelope_id not in seen:
            code = ReceiptCode.QUARANTINED if envelope.state == QUARANTINED else ReceiptCode.STORED
        seen.add(envelope.envelope_id)
        receipts.append(Receipt(index, code, kept[envelope.envelope_id].sequence))
    return Received(carrier, tuple(receipts), head)


def recall(session: Session, have: Sequence[bytes], *, first_index: int) -> tuple[Receipt, ...]:
    """Return a receipt for each hash that is known here; what has none must be sent again."""
    known = envelopes.sequences_by_prefix(session, have)
    return tuple(
        Receipt(first_index + number, ReceiptCode.DUPLICATE, known[prefix])
        for number, prefix in enumerate(have)
        if prefix in known
    )


def is_up_to_date(since: str | None, head: Head) -> bool:
    """Say whether a cursor is at the end of the feed."""
    return since == _cursor(Place(head.position, END, b""), head)


def pull_news(session: Session, *, carrier: Carrier, since: str | None, keystore: Identities) -> Pulled:
    """Return what changed for a device since its cursor.

    A revoked one, and one of an archived project, gets nothing and stays where it is.

    While the key store is locked, assignments wait, and with them all that comes after them.
    """
    head = feed.head(session)
    after = _place(since, head)
    end = Place(head.position, END, b"")
    if carrier.revoked_at is not None or projects.is_archived(session, carrier.project_id):
        return Pulled((), since or _cursor(START, head), more=False)
    items: list[PullItem] = []
    budget = PULL_BYTES
    for place, load in sorted(_news(session, carrier, after, keystore), key=lambda entry: entry[0]):
        if len(items) == PULL_ITEMS or budget <= 0:
            return Pulled(tuple(items), _cursor(after, head), more=True)
        item = load()
        if item is None:
            return Pulled(tuple(items), _cursor(after, head), more=False)
        if items and _carried_bytes(item) > budget:
            return Pulled(tuple(items), _cursor(after, head), more=True)
        items.append(item)
        budget -= _carried_bytes(item)
        after = place
    return Pulled(tuple(items), _cursor(end, head), more=False)


Entry = tuple[Place, Callable[[], PullItem | None]]


def _news(session: Session, carrier: Carrier, after: Place, keystore: Identities) -> Iterator[Entry]:
    """Yield each entry after a place, with what makes its item; only those that fit are made."""
    for version in forms.versions_since(session, after.position, project_id=carrier.project_id):
        place = Place(version.feed_position or 0, FORM_VERSION, version.hash)
        if place > after:
            yield place, partial(_form_version, session, version)
    for place, psu in pull.assigned_psus(
        session, project_id=carrier.project_id, enumerator=carrier.enumerator, after=after
    ):
        yield place, partial(_assignments, session, carrier, psu, keystore)
    # One more than fit, so that a cut answer is seen to be cut.
    for verdict in pull.verdicts(session, device_id=carrier.device_id, after=after, limit=PULL_ITEMS + 1):
        yield verdict.place, partial(_verdict, verdict)


def _form_version(session: Session, version: StoredVersion) -> PullItem:
    is_published = version.state == PUBLISHED
    return FormVersionPull(
        form_id=version.form_id,
        version=version.version,
        title=version.title,
        hash=version.hash,
        state="published" if is_published else "withdrawn",
        xform=forms.xform(session, version.hash) if is_published else None,
    )


def _assignments(session: Session, carrier: Carrier, psu: str, keystore: Identities) -> PullItem | None:
    if keystore.is_locked:
        return None
    households = []
    for identity in pull.assigned_households(
        session, project_id=carrier.project_id, enumerator=carrier.enumerator, psu=psu
    ):
        context = fieldwork.identity_context(identity.household_key)
        members = json.loads(keystore.open_projection(identity.sealed, context))
        households.append(Household(identity.household_key, members["head"], members["position"]))
    return seal_assignments(households, psu=psu, device_id=carrier.device_id, receiving_key=carrier.receiving_key)


def _verdict(verdict: PulledVerdict) -> PullItem:
    return VerdictPull(
        instance_id=verdict.instance_id,
        envelope_id=verdict.envelope_id,
        state=cast(Literal["opened", "quarantined", "held"], verdict.state),
        reason=verdict.reason,
    )


def _carried_bytes(item: PullItem) -> int:
    if isinstance(item, FormVersionPull):
        return len(item.xform or b"")
    return len(getattr(item, "sealed", b""))


def _cursor(place: Place, head: Head) -> str:
    return f"{head.epoch}.{place.position}.{place.kind}.{place.key.hex()}"


def _place(cursor: str | None, head: Head) -> Place:
    """Read a cursor; it is ours to write, so whatever else comes is of another life of the database.

    Raises:
        CursorExpired: begin anew.
    """
    if cursor is None:
        return START
    try:
        epoch, position, kind, key = cursor.split(".")
        place = Place(int(position), int(kind), bytes.fromhex(key))
        if place.position < 0 or not 0 <= place.kind <= END or len(place.key) > CURSOR_KEY_BYTES:
            raise ValueError("out of range")
    except ValueError:
        raise CursorExpired("this server did not write that cursor: begin without one") from None
    if epoch != head.epoch or place.position > head.position:
        raise CursorExpired("the database was restored since: offer again what you hold, and begin without a cursor")
    return place


def _refused_counter(session: Session, device_id: str, counter: int) -> DeviceUnknown | CounterReplayed | CounterBehind:
    device = devices.device(session, device_id)
    if device is None:
        return DeviceUnknown(f"no device {device_id} is enrolled here")
    refusal = CounterReplayed if counter == device.counter else CounterBehind
    return refusal(f"the last counter was {device.counter}", next_counter=device.counter + 1)
