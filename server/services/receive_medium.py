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
from server.db.queries import opening, uploads
from server.db.queries.uploads import Known, StoredUpload
from server.errors import DigestMismatch, Malformed, OffsetMismatch, RateLimited, TooLarge
from server.partials import Partial, Partials
from sync_protocol.constants import MEDIUM_BYTES
from sync_protocol.errors import EnvelopeError
from sync_protocol.media import verify_medium
from sync_protocol.messages import MediumOffer, MediumOffset, PartAnswer
from sync_protocol.signatures import Place

KEPT: Final = timedelta(days=30)
"""For how long a medium that is not whole waits for its rest."""
LEAST_COUNTED_BYTES: Final = 4096
"""Of a part against the quota: a file takes a block of the disk at least, and a row beside it."""
REVOKED_QUOTA_BYTES: Final = 64 << 20
"""What a revoked device may bring in a day: the rest of its media, and little else for whoever has it now."""
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
    with store.partials.hold(part.sha256, part.carrier) as file:
        known = store.database.glance(partial(uploads.find, sha256=part.sha256, carrier=part.carrier))
        if _is_here(store, known, part, now=now):
            return PartAnswer(offset=part.place.length_bytes, complete=True)
        here = _received(known.own, part.place.length_bytes, file.size)
        if part.place.offset != here:
            raise OffsetMismatch(f"{here} bytes of this medium are here: go on there", next_offset=here)
        _check_quota(store, part, now)
        file.append(here, part.content)
        end = here + len(part.content)
        is_whole = end == part.place.length_bytes
        if is_whole:
            _keep(store, file, part, now=now)
        _write(store, part, end, is_whole=is_whole, brought=_counted(part), now=now)
    return PartAnswer(offset=end, complete=is_whole)


def standing(store: MediaStore, sha256: bytes, *, carrier: str) -> StoredUpload | None:
    """Return how much of a medium is here for a device, None for nothing."""
    known = store.database.glance(partial(uploads.find, sha256=sha256, carrier=carrier))
    one = known.whole if known.whole is not None and store.blobs.has(sha256) else known.own or known.whole
    if one is None:
        return None
    here = _offset(known, MediumOffer(sha256, one.length_bytes), store, carrier)
    return StoredUpload(
        sha256=sha256, length_bytes=one.length_bytes, received_bytes=here, is_whole=here == one.length_bytes
    )


def offsets(
    session: Session, offers: Sequence[MediumOffer], store: MediaStore, *, carrier: str
) -> tuple[MediumOffset, ...]:
    """Return how much is here of each medium that a device offers."""
    known = uploads.find_all(session.connection(), (offer.sha256 for offer in offers), carrier=carrier)
    return tuple(
        MediumOffset(index, _offset(known.get(offer.sha256, Known()), offer, store, carrier))
        for index, offer in enumerate(offers)
    )


def sweep(store: MediaStore, *, now: datetime) -> None:
    """Forget media that were begun long ago and of which nothing has come for as long, and whole ones of nobody.

    A whole one is nobody's when no interview has named it for as long, and no interview waits that may name it.
    """
    with store.database.read() as session:
        stale = uploads.stale(session, before=now - KEPT)
    for sha256, carrier in stale:
        with store.partials.hold(sha256, carrier) as file:
            if file.idle_seconds() > KEPT.total_seconds():
                with store.database.transaction() as session:
                    uploads.forget(session, sha256, carrier=carrier)
                file.drop()
    store.partials.remove_idle(KEPT.total_seconds())
    with store.database.transaction() as session:
        opening.lock_fold(session)
        uploads.forget_unnamed(session, before=now - KEPT)


def remove_strays(store: MediaStore, digests: Sequence[bytes]) -> None:
    """Remove those of some blobs that nothing names; no device is told meanwhile that one of them is here."""
    with store.database.read() as session:
        strays = uploads.unnamed_blobs(session, digests)
    for digest in strays:
        with store.partials.hold(digest, ""):
            with store.database.read() as session:
                is_stray = uploads.unnamed_blobs(session, [digest])
            if is_stray:
                store.blobs.remove(digest)


def _is_here(store: MediaStore, known: Known, part: Part, *, now: datetime) -> bool:
    """Say whether a medium is whole; one whose row lags behind its blob, after a crash or a restore, is caught up."""
    if not store.blobs.has(part.sha256):
        return False
    if known.whole is not None:
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


def _offset(known: Known, offer: MediumOffer, store: MediaStore, carrier: str) -> int:
    if known.whole is not None and store.blobs.has(offer.sha256):
        return offer.length_bytes
    if known.own is None:
        return 0
    return _received(known.own, offer.length_bytes, store.partials.size(offer.sha256, carrier))


def _received(known: StoredUpload | None, length_bytes: int, size: int) -> int:
    """Return how much counts as received of what a device sends; who names another length begins anew."""
    if known is None or known.length_bytes != length_bytes:
        return 0
    return min(known.received_bytes, size)


def _keep(store: MediaStore, file: Partial, part: Part, *, now: datetime) -> None:
    if file.is_whole():
        file.keep()
        file.drop_others()
        return
    file.drop()
    _write(store, part, 0, is_whole=False, brought=_counted(part), now=now)
    raise DigestMismatch(
        "all parts came, and together they are another medium: send it from its beginning", next_offset=0
    )


def _write(store: MediaStore, part: Part, received: int, *, is_whole: bool, brought: int, now: datetime) -> None:
    upload = StoredUpload(
        sha256=part.sha256, length_bytes=part.place.length_bytes, received_bytes=received, is_whole=is_whole
    )
    store.database.submit(lambda session: uploads.put(session, upload, carrier=part.carrier, brought=brought, now=now))


def _counted(part: Part) -> int:
    return max(LEAST_COUNTED_BYTES, len(part.content))


def _check_quota(store: MediaStore, part: Part, now: datetime) -> None:
    day = f"{now:%Y-%m-%d}"
    brought, is_revoked = store.database.glance(partial(uploads.brought, carrier=part.carrier, day=day))
    quota_bytes = min(store.quota_bytes, REVOKED_QUOTA_BYTES) if is_revoked else store.quota_bytes
    if brought + _counted(part) > quota_bytes:
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        wait = min(LONGEST_WAIT_SECONDS, int((midnight - now).total_seconds()) + 1)
        raise RateLimited("the device has brought as many bytes of media today as it may", retry_after_seconds=wait)
