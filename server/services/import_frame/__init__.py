"""Import the frame, the listing, the draw, the exchange rates and the household totals.

All files are checked wholly, alone and against each other, before anything is stored; a file is kept sealed under the
SHA-256 of its bytes, and the same bytes again change nothing. Who lives in a drawn household is sealed at once.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy.orm import Session

from server.db.queries import audit, feed, fieldwork, schedule
from server.db.queries.fieldwork import SealedHousehold, StoredDocument
from server.db.queries.frame_rows import HouseholdRow
from server.db.tables.accounts import FIRST_PROJECT
from server.errors import FrameInUse, FrameInvalid
from server.services.import_frame import agreement
from server.services.import_frame.columns import KINDS, Kind
from server.services.import_frame.reading import Tables, read_tables
from sync_protocol.documents import canonical_json

#: What changes the weight of an interview that has already come.
DESIGN_KINDS: Final[frozenset[Kind]] = frozenset({"frame", "listing", "draw"})
LARGEST_FILE_BYTES: Final = 64 << 20
SHOWN_ERRORS: Final = 200


class Sealer(Protocol):
    """The part of the key store that an import needs."""

    def seal_projection(self, plain: bytes, context: bytes) -> bytes:
        """Seal bytes under the projection key."""
        ...

    def household_tag(self, household_key: str) -> bytes:
        """Return the HMAC of a household key, (32,)."""
        ...


@dataclass(frozen=True, slots=True)
class FrameDocument:
    """One file to import."""

    kind: Kind
    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedDocument:
    """What became of a file: ``is_new`` is False when these very bytes were in force already."""

    kind: Kind
    name: str
    hash: bytes
    rows: int
    is_new: bool


def import_frame(
    session: Session,
    *,
    documents: Sequence[FrameDocument],
    keystore: Sealer,
    user: str,
    now: datetime,
    replace: bool = False,
    project_id: int | None = None,
) -> tuple[ImportedDocument, ...]:
    """Check and store a set of frame files.

    Args:
        documents: at most one of each kind; what is missing is taken from what is stored.
        keystore: seals the files and the identities; must be unlocked.
        user: who imports.
        now: UTC.
        replace: change the design although interviews have arrived.
        project_id: of the draw; None for that of the draw before, or the first.

    Raises:
        FrameInvalid: with every error of every file; nothing was stored.
        FrameInUse: when the design would change after interviews have arrived.
    """
    _check_sizes(documents)
    stored = fieldwork.documents(session)
    in_force = {document.kind: document.hash for document in reversed(stored)}
    drawn_for = fieldwork.drawn_for(session)
    project = project_id or drawn_for or FIRST_PROJECT
    changed = [
        document
        for document in documents
        if in_force.get(document.kind) != _hash(document) or (document.kind == "draw" and drawn_for != project)
    ]
    changed.sort(key=lambda document: KINDS.index(document.kind))
    if not replace:
        _refuse_a_change_in_use(session, [document for document in changed if document.kind in in_force])
    tables = read_tables({document.kind: document.content for document in changed})
    _check_agreement(session, tables)
    if tables.errors.found:
        raise _invalid(tables)
    counts = _store(session, tables, keystore, project)
    if "draw" in counts:  # what is outside the draw is held, also what came before it
        schedule.make_due(session, name=schedule.FOLD_AGAIN, now=now)
    for document in changed:
        _keep(session, document, rows=counts[document.kind], keystore=keystore, user=user, now=now)
    known = {document.hash: document.rows for document in stored}
    return tuple(
        ImportedDocument(
            kind=document.kind,
            name=document.name,
            hash=_hash(document),
            rows=counts.get(document.kind, known.get(_hash(document), 0)),
            is_new=document in changed,
        )
        for document in documents
    )


def _hash(document: FrameDocument) -> bytes:
    return hashlib.sha256(document.content).digest()


def _check_sizes(documents: Sequence[FrameDocument]) -> None:
    for document in documents:
        if len(document.content) > LARGEST_FILE_BYTES:
            raise FrameInvalid(
                f"{document.name} has {len(document.content)} bytes; at most {LARGEST_FILE_BYTES} are read."
            )
    if len({document.kind for document in documents}) < len(documents):
        raise FrameInvalid("A kind of file is given twice; give one file of each kind.")


def _refuse_a_change_in_use(session: Session, changed: Iterable[FrameDocument]) -> None:
    design = [document.kind for document in changed if document.kind in DESIGN_KINDS]
    if design and fieldwork.has_interviews(session):
        raise FrameInUse(
            f"Interviews have arrived, and this would change the stored {', '.join(design)} and so their weights. "
            "Nothing was stored. If you mean it, import again with --replace."
        )


def _check_agreement(session: Session, tables: Tables) -> None:
    errors = tables.errors
    frame = fieldwork.frame(session) if tables.frame is None else agreement.rows_of(tables.frame)
    if tables.frame is not None:
        agreement.check_strata(tables.frame, errors)
    if tables.listing is not None:
        agreement.check_listing(tables.listing, frame, errors)
    if tables.draw is not None:
        listing = fieldwork.listing(session) if tables.listing is None else agreement.rows_of(tables.listing)
        agreement.check_draw(tables.draw, listing, errors)
    totals = fieldwork.total_places(session) if tables.totals is None else frozenset(tables.totals)
    if tables.totals is not None or (tables.frame is not None and totals):
        agreement.check_totals(totals, frame, errors)


def _invalid(tables: Tables) -> FrameInvalid:
    found = sorted(tables.errors.found, key=lambda error: (KINDS.index(error.file), error.line or 0))
    first = found[0]
    more = f" (and {len(found) - 1} more errors)" if len(found) > 1 else ""
    return FrameInvalid(
        f"{first}{more}. Nothing was stored; mend the files and import them again.",
        errors=[str(error) for error in found[:SHOWN_ERRORS]],
    )


def _store(session: Session, tables: Tables, keystore: Sealer, project: int) -> dict[Kind, int]:
    counts: dict[Kind, int] = {}
    if tables.frame is not None:
        fieldwork.replace_frame(session, (row for _, row in tables.frame.values()))
        counts["frame"] = len(tables.frame)
    if tables.listing is not None:
        fieldwork.replace_listing(session, (row for _, row in tables.listing.values()))
        counts["listing"] = len(tables.listing)
    if tables.rates is not None:
        fieldwork.replace_rates(session, (row for _, row in tables.rates.values()))
        counts["rates"] = len(tables.rates)
    if tables.totals is not None:
        fieldwork.replace_totals(session, (row for _, row in tables.totals.values()))
        counts["totals"] = len(tables.totals)
    if tables.draw is not None:
        households = [_sealed(row, keystore) for _, row in tables.draw.values()]
        # The head of the feed moves last in a transaction: see feed.next_position.
        position = feed.next_position(session)
        fieldwork.replace_draw(session, households, feed_position=position, project_id=project)
        counts["draw"] = len(tables.draw)
    return counts


def _sealed(row: HouseholdRow, keystore: Sealer) -> SealedHousehold:
    identity = canonical_json({"head": row.head, "position": row.position, "persons": row.persons})
    return SealedHousehold(
        row=row,
        tag=keystore.household_tag(row.household_key),
        sealed=keystore.seal_projection(identity, fieldwork.identity_context(row.household_key)),
    )


def _keep(session: Session, document: FrameDocument, *, rows: int, keystore: Sealer, user: str, now: datetime) -> None:
    digest = _hash(document)
    kept = StoredDocument(
        hash=digest, kind=document.kind, name=document.name[:200], rows=rows, imported_at=now, imported_by=user
    )
    fieldwork.put_document(session, kept, sealed=keystore.seal_projection(document.content, b"document:" + digest))
    audit.write(session, at=now, actor=user, action="import-frame", subject=document.kind, detail=digest.hex())
