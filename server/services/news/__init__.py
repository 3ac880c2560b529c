"""What is new for a device since its cursor: one module for each kind of news, in one order.

An answer may end between any two entries. While the key store is locked, what must be sealed anew waits, and with it
all that comes after it. Receipts never depend on this: what cannot be made for ever is stepped over, what cannot be
made just now waits, and neither is an error of the exchange.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from server.blobs import Blobs
from server.db import cursor
from server.db.queries import feed, projects
from server.db.queries.devices import Carrier
from server.db.queries.kinds import kinds_since
from server.db.queries.pull import Place
from server.errors import KeyStoreLocked
from server.keystore import KeyStore
from server.services.news.assignments import assignments
from server.services.news.drafts import sealed_drafts
from server.services.news.entities import entity_rows
from server.services.news.forms import form_versions
from server.services.news.orders import erasures, own_orders
from server.services.news.returned import returned_interviews
from server.services.news.source import Asked, Entry, Skipped, Source
from server.services.news.verdicts import verdicts
from sync_protocol.constants import CONTROL_BYTES, EXCHANGE_BYTES
from sync_protocol.pull_items import (
    ErasurePull,
    FormVersionPull,
    PullItem,
    VerdictPull,
    control_bytes,
)

LOG: Final = logging.getLogger(__name__)
PULL_ITEMS: Final = 400
"""An answer holds at most 500 frames and 256 KiB of control; a verdict takes some 150 bytes of it."""
PULL_BYTES: Final = 1 << 20
LARGEST_BYTES: Final = EXCHANGE_BYTES - CONTROL_BYTES
"""Of one item that comes alone."""
PULL_CONTROL_BYTES: Final = 200 << 10
"""What all items take of the control; receipts and offsets of media have the rest."""
VERDICT_BYTES: Final = 200
"""What a verdict takes of the control at most, beside its reason."""
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
    try:
        entries = sorted((entry for source in sources for entry in source(asked)), key=lambda entry: entry[0])
    except Exception as error:  # noqa: BLE001 -- receipts are committed and must be told
        _log(after, error)
        return Pulled((), cursor.write(after, head), more=False)
    page = _page(entries, after)
    return Pulled(tuple(page.items), cursor.write(end if page.is_last else page.after, head), more=page.is_cut)


@dataclass(slots=True)
class _Page:
    """The entries of one answer: the last place that is done with, and how much room is left."""

    after: Place
    items: list[PullItem]
    carried_bytes: int
    control_bytes: int
    is_last: bool = False
    is_cut: bool = False

    def takes(self, item: PullItem) -> bool:
        """Put an item in if there is room; the first one has all of an exchange."""
        carried, control = _carried_bytes(item), _control_bytes(item)
        if carried > (self.carried_bytes if self.items else LARGEST_BYTES) or control > self.control_bytes:
            return False
        self.items.append(item)
        self.carried_bytes -= carried
        self.control_bytes -= control
        return True


def _page(entries: list[Entry], after: Place) -> _Page:
    """Make what fits into one answer.

    Entries are counted, not items: every source gives its first `PULL_ITEMS` and one more, so in their common order
    none is missing among the first `PULL_ITEMS`, however many of them are stepped over.
    """
    page = _Page(after, [], PULL_BYTES, PULL_CONTROL_BYTES)
    for looked_at, (place, load) in enumerate(entries):
        if looked_at == PULL_ITEMS or page.carried_bytes <= 0:
            page.is_cut = True
            return page
        item = _made(place, load)
        if item is None:
            return page
        if not isinstance(item, Skipped) and not page.takes(item):
            if page.items:
                page.is_cut = True
                return page
            LOG.error("what is at place %s of the feed fits into no answer: stepped over", _shown(place))
        page.after = place
    page.is_last = True
    return page


def _made(place: Place, load: Callable[[], PullItem | Skipped | None]) -> PullItem | Skipped | None:
    """Make one item; None when it has to wait. Only the type of an error is logged: its words may be of an answer."""
    try:
        return load()
    except (KeyStoreLocked, SQLAlchemyError, OSError) as error:
        _log(place, error)
        return None
    except Exception as error:  # noqa: BLE001 -- one row that cannot be read must not keep receipts back
        _log(place, error)
        return Skipped.SKIPPED


def _log(place: Place, error: Exception) -> None:
    LOG.error("%s at place %s of the feed", type(error).__name__, _shown(place))


def _shown(place: Place) -> str:
    return f"{place.position}.{place.kind}"


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


def _control_bytes(item: PullItem) -> int:
    if isinstance(item, VerdictPull):
        return VERDICT_BYTES + len(item.reason or "")
    return control_bytes(item)
