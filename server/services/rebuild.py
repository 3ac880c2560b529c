"""Rebuild: drop everything that is derived from the envelopes, and derive it again."""

from dataclasses import dataclass
from datetime import datetime

from server.blobs import Blobs
from server.db.engine import Database
from server.db.queries import audit, entities, interviews, parts, reopening, schedule
from server.errors import KeyStoreLocked, KeyStoreSealed
from server.folding.batches import OpeningWorker
from server.folding.checking import CheckingWorker
from server.folding.state import state_hash
from server.keystore import KeyStore
from server.microdata import Microdata


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildReport:
    """State hashes, hexadecimal, before and after; and what there is now.

    Attributes:
        was_due: an update had left something of former interviews to be derived, so that the state had to change.
    """

    state_hash_before: str
    state_hash_after: str
    opened: int
    waiting: int
    quarantined: int
    interviews: int
    checked: int
    was_due: bool

    @property
    def is_same(self) -> bool:
        """The fold gave what there was before."""
        return self.state_hash_before == self.state_hash_after

    def __str__(self) -> str:
        verdict = "the state is the same" if self.is_same else "THE STATE IS ANOTHER"
        if self.was_due and not self.is_same:
            verdict = "media and entities of interviews from before the update are there now"
        hashes = f"{self.state_hash_before[:16]} → {self.state_hash_after[:16]}"
        return (
            f"{self.opened} envelopes opened again, {self.waiting} wait, {self.quarantined} are set aside\n"
            f"{self.interviews} interviews, {self.checked} checked again; {verdict} ({hashes})"
        )


def rebuild(
    *, database: Database, keystore: KeyStore, microdata: Microdata, now: datetime, blobs: Blobs | None = None
) -> RebuildReport:
    """Drop the projections in one transaction, then open and fold everything again.

    When it is killed half way, the worker goes on where it stopped: the envelopes are all still there.

    Raises:
        KeyStoreLocked: without the vault; nothing was dropped.
    """
    if keystore.is_sealed:
        raise KeyStoreSealed("nothing can be made again here: interviews are opened where the survey keys are")
    if keystore.is_locked:
        raise KeyStoreLocked("nothing can be opened while the key store is locked: set PASSERELLE_PASSPHRASE")
    with database.transaction() as session:
        before = state_hash(session, keystore)
        former = [path for path, _ in parts.part_hashes(session)]
        interviews.drop_projections(session)
        entities.drop_entities(session)
        reopening.reopen_all(session)
        was_due = schedule.has(session, schedule.AFTER_UPDATE)
        schedule.remove(session, schedule.AFTER_UPDATE)
        schedule.make_due(session, name=schedule.SCORES, now=now)
        audit.write(session, at=now, actor="office", action="rebuild", subject=before.hex())
    worker = OpeningWorker(database=database, keystore=keystore, microdata=microdata, clock=lambda: now, blobs=blobs)
    batch = worker.run_until_idle()
    checked = CheckingWorker(database, keystore, lambda: now, blobs).run_until_idle()
    microdata.remove(former)
    with database.read() as session:
        return RebuildReport(
            state_hash_before=before.hex(),
            state_hash_after=state_hash(session, keystore).hex(),
            opened=batch.opened,
            waiting=batch.waiting,
            quarantined=batch.quarantined,
            interviews=interviews.count_interviews(session),
            checked=checked.checked,
            was_due=was_due,
        )
