"""Open envelopes and fold them: batch by batch, each with its answers on disk before the transaction that names them.

Opening is done outside the write transaction; two workers at once cost work, never truth: who comes second finds the
envelopes opened and leaves its files to be removed as orphans.
"""

import gc
import logging
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from forms.definition import FormDefinition
from server.blobs import Blobs
from server.db.engine import Database
from server.db.queries import attachments as queries
from server.db.queries import audit, opening, parts, reopening, uploads
from server.db.queries.opening import RELEASED, RELEASED_LATE, WIPED, StoredEnvelope
from server.db.tables.envelopes import OPENED, QUARANTINED, RECEIVED, WAITING_FOR_KEY
from server.errors import Problem
from server.folding import entities, entity_files, erasing, fold, media, telling
from server.folding.decisions import store_decision
from server.folding.encrypted import EncryptedFiles
from server.folding.fold import Filed
from server.folding.material import Material
from server.folding.opener import (
    OpenedAttachment,
    OpenedDecision,
    OpenedDraft,
    OpenedInterview,
    Opener,
    Outcome,
    Unopened,
)
from server.folding.waiting import has_come
from server.keystore import KeyStore
from server.microdata import Microdata, WrittenPart

LOG: Final = logging.getLogger(__name__)
BATCH: Final = 500
"""Interviews in one write transaction, for which tablets that sync meanwhile wait about a tenth of a second."""


_TROUBLE: Final = (Problem, OSError)
"""What no interview is to blame for: the database, the disk, the key. All of it is tried again later."""


@dataclass(frozen=True, slots=True)
class OpenedBatch:
    """What became of a batch of envelopes."""

    opened: int
    waiting: int
    quarantined: int

    @property
    def total(self) -> int:
        """How many envelopes were looked at."""
        return self.opened + self.waiting + self.quarantined


@dataclass(frozen=True, slots=True)
class _Part:
    definition: FormDefinition
    interviews: tuple[OpenedInterview, ...]
    written: WrittenPart


class OpeningWorker:
    """Opens what can be opened; keeps form definitions, which never change, from batch to batch."""

    def __init__(
        self,
        *,
        database: Database,
        keystore: KeyStore,
        microdata: Microdata,
        clock: Callable[[], datetime],
        blobs: Blobs | None = None,
    ) -> None:
        """Take what opening needs; without blobs, submissions that ODK Collect has encrypted wait."""
        self._database = database
        self._keystore = keystore
        self._microdata = microdata
        self._clock = clock
        self._blobs = blobs
        self._files = None if blobs is None else EncryptedFiles.of(database, blobs)
        self._definitions: MutableMapping[bytes, FormDefinition] = {}
        self._entity_files = entity_files.EntityFiles(database, keystore)

    def run_until_idle(self) -> OpenedBatch:
        """Open batch after batch until nothing can be opened now."""
        opened = waiting = quarantined = 0
        while (batch := self.run_once()).total:
            opened, waiting = opened + batch.opened, waiting + batch.waiting
            quarantined += batch.quarantined
        self._entity_files.make_stale(self._clock())
        return OpenedBatch(opened, waiting, quarantined)

    def run_once(self, limit: int = BATCH) -> OpenedBatch:
        """Open at most so many envelopes, the oldest first."""
        with without_collector():
            return self._run_once(limit)

    def _run_once(self, limit: int) -> OpenedBatch:
        self._settle_uploads()
        with self._database.read() as session:
            batch = opening.openable(
                session, limit=limit, is_locked=self._keystore.is_locked, is_sealed=self._keystore.is_sealed
            )
            material = Material.load(session, batch, known_forms=self._definitions)
            has_late = not self._keystore.is_locked and erasing.has_late(session)
        if not batch:
            while has_late:
                has_late = self._sweep_late()
            self._entity_files.make_rested(self._clock())
            return OpenedBatch(0, 0, 0)
        opener = Opener(self._keystore, material, self._definitions, self._files)
        outcomes = opener.open_all(batch)
        self._audit(opener.unwrapped)
        kept = self._keep(outcomes)
        if len(batch) < limit:
            self._entity_files.make_old(self._clock())
        return kept

    def _settle_uploads(self) -> None:
        """Let interviews know of media that have become whole; without the key that waits."""
        if self._keystore.is_locked:
            return
        with self._database.read() as session:
            whole = uploads.unsettled(session, limit=BATCH)
        if whole:
            with self._database.transaction() as session:
                opening.lock_fold(session)
                media.settle_uploads(session, whole, keystore=self._keystore)

    def _sweep_late(self) -> bool:
        """Erase what descends from tombstones that came meanwhile; say whether that made further ones."""
        self._keep(())
        with self._database.read() as session:
            return erasing.has_late(session)

    def _audit(self, epochs: Sequence[bytes]) -> None:
        """Record that keys were unwrapped, whatever then becomes of the batch."""
        if epochs:
            with self._database.transaction() as session:
                for digest in epochs:
                    audit.write(session, at=self._clock(), actor="worker", action="open-epoch", subject=digest.hex())

    def _keep(self, outcomes: Sequence[Outcome]) -> OpenedBatch:
        """Write answers to disk, then store and fold; halve a batch that cannot be stored until the one is found."""
        written, refused = self._write_parts([item for item in outcomes if isinstance(item, OpenedInterview)])
        others = [item for item in outcomes if not isinstance(item, OpenedInterview)] + refused
        try:
            with self._database.transaction() as session:
                kept, swept = self._store(session, written, others, now=self._clock())
            erasing.clear(swept, database=self._database, microdata=self._microdata, blobs=self._blobs)
            return kept
        except _TROUBLE:
            raise
        except Exception as error:
            if not outcomes:
                raise
            if len(outcomes) == 1:
                return self._give_up(outcomes[0], error)
        middle = len(outcomes) // 2
        first, second = self._keep(outcomes[:middle]), self._keep(outcomes[middle:])
        return OpenedBatch(
            first.opened + second.opened, first.waiting + second.waiting, first.quarantined + second.quarantined
        )

    def _give_up(self, outcome: Outcome, error: Exception) -> OpenedBatch:
        stored = outcome.envelope
        LOG.error("envelope %d cannot be folded: %s", stored.sequence, type(error).__name__)
        refused = Unopened(envelope=stored, state=QUARANTINED, reason="cannot-be-folded")
        with self._database.transaction() as session:
            return self._store(session, (), [refused], now=self._clock())[0]

    def _write_parts(self, interviews: Sequence[OpenedInterview]) -> tuple[list[_Part], list[Unopened]]:
        groups: dict[tuple[bytes, str], list[OpenedInterview]] = {}
        for item in interviews:
            groups.setdefault((item.definition.hash, item.revision.mode), []).append(item)
        written: list[_Part] = []
        refused: list[Unopened] = []
        for group in groups.values():
            try:
                written.append(self._write_part(group))
            except _TROUBLE:
                raise
            except Exception:  # noqa: BLE001 -- one of them cannot be stored: find it, and let the others through
                for item in group:
                    try:
                        written.append(self._write_part([item]))
                    except _TROUBLE:
                        raise
                    except Exception:  # noqa: BLE001 -- whatever it is, it is this one's
                        refused.append(Unopened(envelope=item.envelope, state=QUARANTINED, reason="unstorable-answers"))
        return written, refused

    def _write_part(self, group: Sequence[OpenedInterview]) -> _Part:
        definition = group[0].definition
        written = self._microdata.write_part(
            definition, [item.answers.analysis for item in group], [item.answers.identifiers for item in group]
        )
        return _Part(definition, tuple(group), written)

    def _store(
        self, session: Session, written: Sequence[_Part], others: Sequence[Outcome], *, now: datetime
    ) -> tuple[OpenedBatch, erasing.Swept]:
        opening.lock_fold(session)
        sequences = [item.envelope.sequence for part in written for item in part.interviews]
        unopened = opening.still_unopened(session, sorted({*sequences, *(item.envelope.sequence for item in others)}))
        filed = [item for part in written for item in self._file(session, part, unopened, now)]
        rest = [item for item in others if item.envelope.sequence in unopened]
        decisions = [item for item in rest if isinstance(item, OpenedDecision)]
        arrived = [item for item in rest if isinstance(item, OpenedAttachment)]
        drafted = [item for item in rest if isinstance(item, OpenedDraft)]
        self._store_media(session, filed, arrived)
        for decision in decisions:
            store_decision(session, decision, keystore=self._keystore, now=now)
        opened = [item.opened.envelope for item in filed]
        opened += [item.envelope for item in rest if not isinstance(item, Unopened)]
        refused, again = _parted(session, [item for item in rest if isinstance(item, Unopened)])
        opening.set_states(
            session,
            [(item.sequence, OPENED, _lasting(item)) for item in opened]
            + [(item.envelope.sequence, item.state, _kept_reason(item)) for item in refused]
            + [(item.envelope.sequence, RECEIVED, _lasting(item.envelope)) for item in again],
        )
        reopening.retry_encrypted(session, {item.instance_id for item in arrived})
        touched = fold.store_revisions(session, filed, self._keystore) | fold.decided_instances(decisions)
        swept = erasing.sweep(
            session,
            decisions,
            _came(filed, rest),
            drafted,
            microdata=self._microdata,
            keystore=self._keystore,
            now=now,
        )
        if swept.instance_ids:
            filed = [item for item in filed if item.opened.revision.instance_id not in swept.instance_ids]
            arrived = [item for item in arrived if item.instance_id not in swept.instance_ids]
            touched = (touched | swept.neighbours) - swept.instance_ids
        refolded = fold.Refolded({}, {})
        if touched or decisions:
            refolded = fold.refold(session, touched, keystore=self._keystore, now=now, filed=filed)
            entities.fold_batch(session, filed, decisions, refolded.names, keystore=self._keystore, now=now)
            entities.refold(session, swept.entities, keystore=self._keystore)
        media.settle(session, _with_media(filed, arrived) | swept.neighbours, keystore=self._keystore)
        refused = [item for item in refused if not swept.took(item.envelope.instance_id, item.envelope.sequence)]
        drafted = [item for item in drafted if not swept.took(item.header.instance_id, item.envelope.sequence)]
        telling.tell_devices(session, filed, refused, refolded, drafted)
        erasing.publish(session, swept)
        return _counted(len(opened), refused, again), swept

    def _store_media(self, session: Session, filed: Sequence[Filed], arrived: Sequence[OpenedAttachment]) -> None:
        """Store what has come and what interviews name; an interview without media costs nothing."""
        queries.add_attachments(session, [item.row(self._keystore) for item in arrived])
        wanted = [(item.opened.revision.instance_id, one) for item in filed for one in item.opened.wanted]
        if wanted:
            media.put_wanted(session, wanted, keystore=self._keystore)
        named = [
            (item.opened.envelope.envelope_id, item.opened.revision.instance_id, one, item.opened.envelope.received_at)
            for item in filed
            for one in item.opened.media
        ]
        media.put_manifest_media(session, named, keystore=self._keystore)

    @staticmethod
    def _file(session: Session, part: _Part, unopened: frozenset[int], now: datetime) -> list[Filed]:
        if not any(item.envelope.sequence in unopened for item in part.interviews):
            return []
        written = part.written
        part_id = parts.add_part(
            session,
            form_version_hash=part.definition.hash,
            mode=part.interviews[0].revision.mode,
            rows=written.rows,
            analysis_path=written.analysis_path,
            identifiers_path=written.identifiers_path,
            analysis_sha256=written.analysis_sha256,
            identifiers_sha256=written.identifiers_sha256,
            created_at=now,
        )
        return [
            Filed(opened=item, part_id=part_id, row=row)
            for row, item in enumerate(part.interviews)
            if item.envelope.sequence in unopened
        ]


@contextmanager
def without_collector() -> Iterator[None]:
    """Hold up the cyclic collector for a batch: its answers are no garbage, and looking through them takes a fifth."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _came(filed: Sequence[Filed], rest: Sequence[Outcome]) -> list[tuple[bytes, Sequence[bytes]]]:
    """Return instanceID and parents of what a batch brings."""
    revisions = [(item.opened.revision.instance_id, item.opened.revision.parents) for item in filed]
    return [*revisions, *((item.instance_id, ()) for item in rest if isinstance(item, OpenedAttachment))]


def _with_media(filed: Sequence[Filed], arrived: Sequence[OpenedAttachment]) -> frozenset[bytes]:
    """Return the instances whose media may be here now and were not before; edits, for they take over media."""
    revisions = (item.opened.revision for item in filed if item.opened.wanted or item.opened.revision.parents)
    return frozenset((*(one.instance_id for one in revisions), *(item.instance_id for item in arrived)))


def _parted(session: Session, unopened: Sequence[Unopened]) -> tuple[list[Unopened], list[Unopened]]:
    """Part what was not opened: what must wait, and what lacked something that has come since it was looked at."""
    parts: tuple[list[Unopened], list[Unopened]] = ([], [])
    for item in unopened:
        has = has_come(session, instance_id=item.envelope.instance_id, state=item.state, lacks=item.lacks)
        parts[has].append(item)
    return parts


def _kept_reason(item: Unopened) -> str | None:
    return item.reason if item.state == QUARANTINED else _lasting(item.envelope) or item.reason


def _lasting(stored: StoredEnvelope) -> str | None:
    """Return the mark of a person's release or wiping, which outlives every state."""
    return stored.reason if stored.reason in (RELEASED, RELEASED_LATE, WIPED) else None


def _counted(opened: int, refused: Sequence[Unopened], again: Sequence[Unopened]) -> OpenedBatch:
    quarantined = sum(1 for item in refused if item.state == QUARANTINED)
    locked = sum(1 for item in refused if item.state == WAITING_FOR_KEY)
    if locked:
        LOG.warning("%d envelopes wait for the key: start the worker with the passphrase of the key store", locked)
    if quarantined:
        LOG.warning("%d envelopes went to quarantine: see passerelle quarantine list", quarantined)
    return OpenedBatch(opened, len(refused) + len(again) - quarantined, quarantined)
