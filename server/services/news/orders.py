"""What the office orders of a device: that it is revoked, that it is to wipe itself, and what it is to erase."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Final

from server.clock import utc_now
from server.db.queries import devices, pull
from server.db.queries.pull import ORDER, Place
from server.keystore import KeyStore
from server.services.news.source import Asked, Entry
from sync_protocol.orders import ErasureOrder
from sync_protocol.pull_items import (
    ErasurePull,
    PullItem,
    RevocationPull,
    WipePull,
)

INSTANCES: Final = 500
"""In one item: a document of 13 kB."""


def own_orders(asked: Asked) -> Iterator[Entry]:
    """Yield the revocation of the device itself, and the order to wipe it."""
    carrier = asked.carrier
    if ORDER not in asked.kinds:
        return
    found = devices.orders(asked.session, carrier.device_id)
    entries: list[Entry] = []
    if found.revoked_at is not None and found.revoked_position is not None:
        place = Place(found.revoked_position, ORDER, b"revocation")
        entries.append((place, partial(_revocation, carrier.device_id, found.revoked_at)))
    if found.wipe_document is not None and found.wipe_position is not None:
        entries.append((Place(found.wipe_position, ORDER, b"wipe"), partial(_wipe, found.wipe_document)))
    yield from (entry for entry in sorted(entries, key=lambda entry: entry[0]) if entry[0] > asked.after)


def erasures(asked: Asked) -> Iterator[Entry]:
    """Yield what was erased of the device's project: instances of one place in the feed, some hundreds at a time.

    The office signs each list when it is told; while its store is locked it cannot, and the list waits.
    """
    if ORDER not in asked.kinds:
        return
    after, found = asked.after, 0
    while found <= asked.limit:  # one more than fit, so that a cut answer is seen to be cut
        instance_ids = pull.erased(asked.session, project_id=asked.carrier.project_id, after=after, limit=INSTANCES)
        if not instance_ids:
            return
        after = instance_ids[-1].place
        found += 1
        yield after, partial(_erasure, asked.keystore, tuple(one.instance_id for one in instance_ids))


def _revocation(device_id: str, revoked_at: datetime) -> PullItem:
    return RevocationPull(device_id=device_id, revoked_at=revoked_at)


def _wipe(document: bytes) -> PullItem:
    return WipePull(document=document)


def _erasure(keystore: KeyStore, instance_ids: tuple[bytes, ...]) -> PullItem | None:
    if keystore.is_locked:
        return None
    order = ErasureOrder(instance_ids=instance_ids, ordered_at=utc_now().isoformat(timespec="seconds"))
    return ErasurePull(document=order.sign(keystore.office.signer))
