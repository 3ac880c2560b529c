"""What is new for a device since its cursor: one module for each kind of news, in one order.

An answer may end between any two entries. While the key store is locked, what must be sealed anew waits, and with it
all that comes after it.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from server.blobs import Blobs
from server.db import cursor
from server.db.queries import feed, projects
from server.db.queries.devices import Carrier
from server.db.queries.kinds import kinds_since
from server.db.queries.pull import Place
from server.keystore import KeyStore
from server.services.news.assignments import assignments
from server.services.news.drafts import sealed_drafts
from server.services.news.entities import entity_rows
from server.services.news.forms import form_versions
from server.services.news.orders import erasures, own_orders
from server.services.news.returned import returned_interviews
from server.services.news.source import Asked, Skipped, Source
from server.services.news.verdicts import verdicts
from sync_protocol.messages import ErasurePull, FormVersionPull, PullItem

PULL_ITEMS: Final = 400
"""An answer holds at most 500 frames and 256 KiB of control; a verdict takes some 150 bytes of it."""
PULL_BYTES: Final = 1 << 20
SOURCES: Final[tuple[Source, ...]] = (
    form_versions,
    assignments,
    verdicts,
    returned_interviews,
    sealed_drafts,
    entity_rows,
    own_orders,
    erasures,
)
FOR_REVOKED: Final[tuple[Source, ...]] = (own_orders,)
"""All that a revoked device is told, of an archived project too: a lost tablet is wiped whatever has ended."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What is new for a device, and where it goes on."""

    items: tuple[PullItem, ...]
    cursor: str
    more: bool


def pull_news(
    session: Session, *, carrier: Carrier, since: str | None, keystore: KeyStore, blobs: Blobs | None = None
) -> Pulled:
    """Return what changed for a device since its cursor.

    A device of an archived project gets nothing and stays where it is; a revoked one gets its own orders only.
    """
    head = feed.head(session)
    after, end = cursor.read(since, head), cursor.end(head)
    sources = SOURCES if carrier.revoked_at is None else FOR_REVOKED
    if carrier.revoked_at is None and projects.is_archived(session, carrier.project_id):
        return Pulled((), since or cursor.write(cursor.START, head), more=False)
    asked = Asked(session, carrier, after, keystore, PULL_ITEMS, _kinds(session, carrier, after), blobs)
    items: list[PullItem] = []
    budget = PULL_BYTES
    entries = (entry for source in sources for entry in source(asked))
    for place, load in sorted(entries, key=lambda entry: entry[0]):
        if len(items) == PULL_ITEMS or budget <= 0:
            return Pulled(tuple(items), cursor.write(after, head), more=True)
        item = load()
        if item is None:
            return Pulled(tuple(items), cursor.write(after, head), more=False)
        if isinstance(item, Skipped):
            after = place
            continue
        if items and _carried_bytes(item) > budget:
            return Pulled(tuple(items), cursor.write(after, head), more=True)
        items.append(item)
        budget -= _carried_bytes(item)
        after = place
    return Pulled(tuple(items), cursor.write(end, head), more=False)


def _kinds(session: Session, carrier: Carrier, after: Place) -> frozenset[int]:
    return kinds_since(
        session,
        device_id=carrier.device_id,
        project_id=carrier.project_id,
        enumerator=carrier.enumerator,
        position=after.position,
    )


def _carried_bytes(item: PullItem) -> int:
    if isinstance(item, FormVersionPull):
        return len(item.xform or b"")
    if isinstance(item, ErasurePull):
        return len(item.document)
    return len(getattr(item, "sealed", None) or b"")
