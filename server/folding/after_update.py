"""What a new release derives from interviews that a former one has opened: media that they name, entities they write.

The migration that makes the tables cannot open envelopes. It puts a job on the schedule, and a worker does this once.
Done twice it changes nothing, so that one that was killed begins anew.
"""

from datetime import datetime
from itertools import islice
from typing import Final

from sqlalchemy.orm import Session

from forms.definition import FormDefinition
from server.blobs import Blobs
from server.db.engine import Database
from server.db.queries import audit, opening
from server.db.tables.envelopes import OPENED
from server.errors import KeyStoreLocked
from server.folding import entities, media
from server.folding.encrypted import EncryptedFiles
from server.folding.fold import Filed
from server.folding.material import Material
from server.folding.opener import OpenedInterview, Opener
from server.keystore import KeyStore
from sync_protocol.constants import Kind

SLICE: Final = 200
"""Interviews in one write transaction, for which tablets wait meanwhile."""


def derive_anew(database: Database, *, keystore: KeyStore, blobs: Blobs, now: datetime) -> None:
    """Open every interview again that is opened, and store its media and entities.

    Raises:
        KeyStoreLocked: without the vault.
    """
    if keystore.is_locked:
        raise KeyStoreLocked("media and entities wait until the key store is open: set PASSERELLE_PASSPHRASE")
    files = EncryptedFiles.of(database, blobs)
    definitions: dict[bytes, FormDefinition] = {}
    after = 0
    while True:
        with database.read() as session:
            interviews = (one for one in opening.every_envelope(session, after=after) if _is_opened_interview(one))
            batch = list(islice(interviews, SLICE))
            material = Material.load(session, batch, known_forms=definitions)
        if not batch:
            return
        opener = Opener(keystore, material, definitions, files)
        opened = [one for one in opener.open_all(batch) if isinstance(one, OpenedInterview)]
        with database.transaction() as session:
            _store(session, opened, keystore=keystore, now=now)
            for digest in opener.unwrapped:
                audit.write(session, at=now, actor="worker", action="open-epoch", subject=digest.hex())
        after = batch[-1].sequence


def _is_opened_interview(stored: opening.StoredEnvelope) -> bool:
    return stored.kind == Kind.INTERVIEW and stored.state == OPENED


def _store(session: Session, opened: list[OpenedInterview], *, keystore: KeyStore, now: datetime) -> None:
    opening.lock_fold(session)
    wanted = [(item.revision.instance_id, one) for item in opened for one in item.wanted]
    media.put_wanted(session, wanted, keystore=keystore)
    named = [
        (item.envelope.envelope_id, item.revision.instance_id, one, item.envelope.received_at)
        for item in opened
        for one in item.media
    ]
    media.put_manifest_media(session, named, keystore=keystore)
    media.settle(session, {instance_id for instance_id, _ in wanted}, keystore=keystore)
    filed = [Filed(opened=item, part_id=0, row=0) for item in opened]
    touched = [item.revision.instance_id for item in opened]
    entities.fold_batch(session, filed, (), touched, keystore=keystore, now=now)
