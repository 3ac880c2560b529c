"""Receive sealed media, part by part: what is acknowledged is on disk, and a medium is whole when its hash says so.

The row of an upload says how much was put on disk; what a file has beyond it was never acknowledged, and a file that is
shorter (an older copy of the disk) counts as it is. So no answer ever promises a byte that is not there.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from server.blobs import Blobs
from server.db.engine import Database
from server.db.queries import uploads
from server.db.queries.uploads import StoredUpload
from server.errors import DigestMismatch, Malformed, OffsetMismatch, RateLimited, TooLarge
from server.partials import Partial, Partials
from sync_protocol.constants import MEDIUM_BYTES
from sync_protocol.errors import EnvelopeError
from sync_protocol.media import verify_medium
from sync_protocol.messages import MediumOffer, MediumOffset, PartAnswer
from sync_protocol.signatures import Place

KEPT: Final = timedelta(days=30)
"""For how long a medium that is not whole waits for its rest."""
LONGEST_WAIT_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a medium, as it came.

    Attributes:
        sha256: (32,) of the whole ciphertext.
        place: where it begins, and how long the whole is.
        content: its bytes; the beginning of them when the line was cut.
        carrier: the device that brings it.
    """

    sha256: bytes
    place: Place
    content: bytes
    carrier: str


@dataclass(frozen=True, slots=True)
class MediaStore:
    """Where media are put: what has come of them, and those that are whole."""

    database: Database
    blobs: Blobs
    partials: Partials
    quota_bytes: int


def check_place(place: Place, part_bytes: int) -> None:
    """Refuse a part that cannot belong to any medium.

    Raises:
        TooLarge: the medium is longer than any may be.
        Malformed: the part ends behind its medium.
    """
    if place.length_bytes > MEDIUM_BYTES:
        raise TooLarge(f"the medium has {place.length_bytes} bytes, at most {MEDIUM_BYTES} are accepted")
    if place.length_bytes == 0 or place.offset + part_bytes > place.length_bytes:
        raise Malformed("the part ends behind the end of its medium")


def check_content(content: bytes, sha256: bytes) -> None:
    """Refuse a part that changed on its way.

    Raises:
        DigestMismatch: nothing of it was kept.
    """
    if hashlib.sha256(content).digest() != sha256:
        raise DigestMismatch("the part is not the one that Content-Digest names: send it again")


def receive(store: MediaStore, part: Part, *, now: datetime) -> PartAnswer:
    """Put a part on disk and return how much of its medium is there; a medium that is whole takes no more.

    Raises:
        OffsetMismatch: it does not begin where the last one ended; `next_offset` says where.
        DigestMismatch: with this part all has come, and is not what its hash names: it begins anew at `next_offset` 0.
        RateLimited: the device has brought more media today than its quota.
        StorageFull, Maintenance: nothing of it was kept.
    """
    with store.partials.hold(part.sha256) as file:
        known = store.database.glance(partial(uploads.find, sha256=part.sha256))
        if _is_here(store, known, part, now=now):
            return PartAnswer(offset=part.place.length_bytes, complete=True)
        here = _received(known, part.place.length_bytes, file.size)
        if part.place.offset != here:
            raise OffsetMismatch(f"{here} bytes of this medium are here: go on there", next_offset=here)
        _check_quota(store, part, now)
        file.append(here, part.content)
        end = here + len(part.content)
        is_whole = end == part.place.length_bytes
        if is_whole:
            _keep(store, file, part, now=now)
        _write(store, part, end, is_whole=is_whole, brought=len(part.content), now=now)
    return PartAnswer(offset=end, complete=is_whole)


def standing(store: MediaStore, sha256: bytes) -> StoredUpload | None:
    """Return how much of a medium is here, None for nothing."""
    known = store.database.glance(partial(uploads.find, sha256=sha256))
    if known is None:
        return None
    here = _offset(known, known.length_bytes, store)
    return StoredUpload(
        sha256=sha256,
        length_bytes=known.length_bytes,
        received_bytes=here,
        is_whole=here == known.length_bytes,
    )


def offsets(session: Session, offers: Sequence[MediumOffer], store: MediaStore) -> tuple[MediumOffset, ...]:
    """Return how much is here of each medium that a device offers."""
    known = uploads.find_all(session, (offer.sha256 for offer in offers))
    return tuple(
        MediumOffset(index, _offset(known.get(offer.sha256), offer.length_bytes, store))
        for index, offer in enumerate(offers)
    )


def sweep(store: MediaStore, *, now: datetime) -> None:
    """Forget media that were begun long ago and of which nothing has come for as long; those that are whole stay."""
    with store.database.read() as session:
        stale = uploads.stale(session, before=now - KEPT)
    for sha256 in {*stale, *store.partials.names()}:
        with store.partials.hold(sha256) as file:
            if file.idle_seconds() > KEPT.total_seconds():
                with store.database.transaction() as session:
                    uploads.forget(session, sha256)
                file.drop()


def _is_here(store: MediaStore, known: StoredUpload | None, part: Part, *, now: datetime) -> bool:
    """Say whether a medium is whole; one whose row lags behind its blob, after a crash or a restore, is caught up."""
    if not store.blobs.has(part.sha256):
        return False
    if known is not None and known.is_whole:
        return True
    try:
        verify_medium(store.blobs.chunks(part.sha256), part.sha256)
    except EnvelopeError:
        return False
    length_bytes = sum(map(len, store.blobs.chunks(part.sha256)))
    if length_bytes != part.place.length_bytes:
        raise Malformed("the medium has another length")
    _write(store, part, length_bytes, is_whole=True, brought=0, now=now)
    return True


def _offset(known: StoredUpload | None, length_bytes: int, store: MediaStore) -> int:
    if known is None:
        return 0
    if known.is_whole:
        return length_bytes if store.blobs.has(known.sha256) else 0
    return _received(known, length_bytes, store.partials.size(known.sha256))


def _received(known: StoredUpload | None, length_bytes: int, size: int) -> int:
    """Return how much counts as received of a medium that is not whole.

    Who names another length begins anew: of the two one is wrong, and what is here may be of that one.
    """
    if known is None or known.is_whole or known.length_bytes != length_bytes:
        return 0
    return min(known.received_bytes, size)


def _keep(store: MediaStore, file: Partial, part: Part, *, now: datetime) -> None:
    if file.is_whole():
        file.keep()
        return
    file.drop()
    _write(store, part, 0, is_whole=False, brought=len(part.content), now=now)
    raise DigestMismatch(
        "all parts came, and together they are another medium: send it from its beginning", next_offset=0
    )


def _write(store: MediaStore, part: Part, received: int, *, is_whole: bool, brought: int, now: datetime) -> None:
    upload = StoredUpload(
        sha256=part.sha256, length_bytes=part.place.length_bytes, received_bytes=received, is_whole=is_whole
    )
    store.database.submit(lambda session: uploads.put(session, upload, carrier=part.carrier, brought=brought, now=now))


def _check_quota(store: MediaStore, part: Part, now: datetime) -> None:
    day = f"{now:%Y-%m-%d}"
    brought = store.database.glance(partial(uploads.brought_bytes, carrier=part.carrier, day=day))
    if brought + len(part.content) > store.quota_bytes:
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        wait = min(LONGEST_WAIT_SECONDS, int((midnight - now).total_seconds()) + 1)
        raise RateLimited("the device has brought as many bytes of media today as it may", retry_after_seconds=wait)
