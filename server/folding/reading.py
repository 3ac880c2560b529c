"""Reading back: the XML of an interview as it came, from its envelope, in memory only."""

from sqlalchemy.orm import Session

from forms.instance import Instance, parse_instance
from server.blobs import Blobs
from server.db.queries import definitions, opening
from server.db.queries.interviews import StoredRevision
from server.db.queries.opening import StoredEnvelope
from server.folding.encrypted import EncryptedFiles, decrypt, is_encrypted
from server.folding.material import Material
from server.folding.opener import Contents, Opener
from server.keystore import KeyStore
from sync_protocol.errors import EnvelopeError


def instance_xml(session: Session, revision: StoredRevision, *, keystore: KeyStore, blobs: Blobs) -> bytes:
    """Return the XML of a revision: what was answered, also where ODK Collect has encrypted it.

    Raises:
        EnvelopeError: the envelope or a file is not here, or not what was received.
        KeyStoreLocked: without the vault.
        Waits: the key with which it was opened is no longer here.
    """
    found = opening.envelopes_by_sequence(session, [revision.envelope_sequence])
    if not found:
        raise EnvelopeError("missing", "the envelope of this revision is not here")
    xml = sealed_xml(session, found[0], keystore=keystore)
    if b"encrypted" not in xml:
        return xml
    instance = parse_instance(xml)
    if not is_encrypted(instance):
        return xml
    return _decrypted(session, instance, revision, EncryptedFiles.within(session, blobs), keystore)


def sealed_xml(session: Session, stored: StoredEnvelope, *, keystore: KeyStore) -> bytes:
    """Return the XML inside an interview envelope, verbatim, whatever became of it: also of one in quarantine.

    Raises:
        EnvelopeError: it cannot be trusted or opened, or holds no interview.
        KeyStoreLocked: without the vault.
        Waits: its epoch is not here.
    """
    return sealed_contents(session, stored, keystore=keystore).xml


def sealed_contents(session: Session, stored: StoredEnvelope, *, keystore: KeyStore) -> Contents:
    """Return what is inside an interview envelope or a draft, whatever became of it.

    Raises:
        EnvelopeError: it cannot be trusted or opened, or holds neither.
        KeyStoreLocked: without the vault.
        Waits: its epoch is not here.
    """
    return Opener(keystore, Material.of_keys(session, [stored]), {}).contents_of(stored)


def _decrypted(
    session: Session, instance: Instance, revision: StoredRevision, files: EncryptedFiles, keystore: KeyStore
) -> bytes:
    definition = definitions.published_definition(session, revision.form_version_hash)
    if definition is None:
        raise EnvelopeError("missing", "the form version of this revision is not here")
    public_key = definition.metadata.submission.public_key
    return decrypt(instance, revision.instance_id, public_key=public_key, files=files, keystore=keystore).xml
