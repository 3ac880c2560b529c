"""Keys to which ODK Collect encrypts: made here or brought by the office; and wiping what came in clear beside."""

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from server.blobs import Blobs
from server.db.engine import Database
from server.db.queries import attachments, audit, opening, reopening
from server.db.queries import odk_keys as queries
from server.db.scope import EVERYTHING, Scope
from server.errors import BadRequest
from server.folding.reasons import PLAINTEXT
from server.keystore import KeyStore, KeyStoreError, odk
from server.keystore.odk import SealedOdkKey

SIZES: Final = odk.SIZES


def create(session: Session, *, keystore: KeyStore, bits: int, user: str, now: datetime) -> str:
    """Make a managed key and return its public half, as forms name it.

    Raises:
        BadRequest: another size.
        KeyStoreLocked: without the vault.
    """
    if bits not in SIZES:
        raise BadRequest(f"a key has {' or '.join(map(str, SIZES))} bits")
    made = odk.make_key(keystore, bits)
    keep(session, made, is_managed=True, user=user, now=now)
    return made.public_key


def import_key(
    session: Session, *, keystore: KeyStore, pem: bytes, passphrase: str | None, user: str, now: datetime
) -> str:
    """Take the office's own private key; what waited for it is opened by the worker. Return its public half.

    Raises:
        BadRequest: it is no RSA key in PEM, too short, or the passphrase is not its own.
        KeyStoreLocked: without the vault.
    """
    try:
        read = odk.read_key(keystore, pem, passphrase)
    except KeyStoreError as error:
        raise BadRequest(str(error)) from None
    keep(session, read, is_managed=False, user=user, now=now)
    return read.public_key


def keep(session: Session, key: SealedOdkKey, *, is_managed: bool, user: str, now: datetime) -> None:
    """Store a key, once, and let what waits for it be opened."""
    opening.lock_fold(session)  # a submission that is opened meanwhile looks for the key again under the same lock
    is_new = queries.add(
        session,
        key_hash=key.key_hash,
        public_key=key.public_key,
        is_managed=is_managed,
        sealed=key.sealed,
        now=now,
    )
    reopening.retry_odk_keys(session)
    if is_new:
        action = "create-odk-key" if is_managed else "import-odk-key"
        audit.write(session, at=now, actor=user, action=action, subject=key.key_hash.hex())


def wipe_plaintext(database: Database, blobs: Blobs, *, user: str, now: datetime, scope: Scope = EVERYTHING) -> int:
    """Wipe what came in clear of encrypted forms: files beside encrypted ones, and answers in quarantine.

    Only what an account of this scope sees: nobody wipes what is another project's to look at.
    Blobs are removed and sealed answers emptied; a row stays of each, with its number and id. Return how many.
    """
    with database.transaction() as session:
        opening.lock_fold(session)
        beside = attachments.beside_ciphertext(session, scope)
        gone = opening.wipe(session, (row.envelope_id for row in beside))
        answers = opening.wipe_quarantined(session, PLAINTEXT, scope)
        for envelope_id in (*gone, *answers):
            audit.write(session, at=now, actor=user, action="wipe-plaintext", subject=envelope_id.hex())
    for row in beside:
        blobs.remove(row.blob_sha256)
    return len(gone) + len(answers)
