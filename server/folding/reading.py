"""Reading back: the XML of an interview as it came, from its envelope, in memory only."""

from sqlalchemy.orm import Session

from server.blobs import Blobs
from server.db.queries import opening
from server.db.queries.interviews import StoredRevision
from server.db.queries.opening import StoredEnvelope
from server.folding.opener import Material, Opener
from server.keystore import KeyStore
from sync_protocol.errors import EnvelopeError


def instance_xml(session: Session, revision: StoredRevision, *, keystore: KeyStore, blobs: Blobs) -> bytes:  # noqa: ARG001
    """Return the XML of a revision.

    Raises:
        EnvelopeError: the envelope is not here, or not what was received.
        KeyStoreLocked: without the vault.
    """
    found = opening.envelopes_by_sequence(session, [revision.envelope_sequence])
    if not found:
        raise EnvelopeError("missing", "the envelope of this revision is not here")
    return sealed_xml(session, found[0], keystore=keystore)


def sealed_xml(session: Session, stored: StoredEnvelope, *, keystore: KeyStore) -> bytes:
    """Return the XML inside an interview envelope, verbatim, whatever became of it: also of one in quarantine.

    Raises:
        EnvelopeError: it cannot be trusted or opened, or holds no interview.
        KeyStoreLocked: without the vault.
        Waits: its epoch is not here.
    """
    return Opener(keystore, Material.of_keys(session, [stored]), {}).document_of(stored)
