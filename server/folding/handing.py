"""What is handed to a device: the instance of a revision or of a draft, read back from its envelope, in memory only."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from forms.instance import parse_instance
from server.blobs import Blobs
from server.db.queries import interviews, opening
from server.db.queries.interviews import StoredRevision
from server.folding import media, reading
from server.folding.decisions import Key, decision_of, review_of
from server.folding.encrypted import is_encrypted
from server.keystore import KeyStore
from server.microdata import Standing
from sync_protocol.errors import EnvelopeError
from sync_protocol.handover import Handover
from sync_protocol.plaintext import Medium


@dataclass(frozen=True, slots=True)
class _Read:
    xml: bytes
    media: tuple[Medium, ...]


def returned_interview(
    session: Session, interview_id: bytes, decision_id: bytes, *, keystore: KeyStore, blobs: Blobs | None
) -> Handover:
    """Return what a decision gives back, with its note.

    Args:
        session: on one snapshot.
        interview_id: (16,).
        decision_id: (32,) envelope id of the decision.
        keystore: opens decision and envelope.
        blobs: the files of interviews that ODK Collect has encrypted; without them these cannot be read.

    Raises:
        EnvelopeError: decision, revision or envelope is not here, or cannot be opened.
        KeyStoreLocked: without the vault.
        Waits: what it was opened with is no longer here.
    """
    decision = decision_of(session, decision_id, keystore)
    review = None if decision is None else review_of(decision)
    if decision is None or review is None:
        raise EnvelopeError("missing", "the decision is not here")
    revision = _revision(session, review.revision)
    read = _read(session, revision, keystore=keystore, blobs=blobs)
    found = interviews.interviews_by_id(session, [interview_id])
    standing = Standing.open(found[0].sealed, interview_id, keystore) if found else None
    return Handover(
        instance_xml=read.xml,
        mode=revision.mode,
        note=str(decision.get("note", "")),
        household_key=(standing.household_key if standing is not None else None) or "",
        media=read.media,
    )


def draft(session: Session, envelope_sequence: int, *, keystore: KeyStore) -> Handover:
    """Return a sealed draft as it is handed to another device.

    Raises:
        EnvelopeError, KeyStoreLocked, Waits: as `returned_interview`.
    """
    found = opening.envelopes_by_sequence(session, [envelope_sequence])
    if not found:
        raise EnvelopeError("missing", "the envelope of this draft is not here")
    contents = reading.sealed_contents(session, found[0], keystore=keystore)
    return Handover(instance_xml=contents.xml, mode=contents.mode, media=contents.manifest.media)


def _revision(session: Session, key: Key) -> StoredRevision:
    for row in interviews.revisions_of_instances(session, [key[0]]):
        if row.answers_hash == key[1]:
            return row
    raise EnvelopeError("missing", "the revision is not here")


def _read(session: Session, revision: StoredRevision, *, keystore: KeyStore, blobs: Blobs | None) -> _Read:
    found = opening.envelopes_by_sequence(session, [revision.envelope_sequence])
    if not found:
        raise EnvelopeError("missing", "the envelope of this revision is not here")
    contents = reading.sealed_contents(session, found[0], keystore=keystore)
    if b"encrypted" in contents.xml and is_encrypted(parse_instance(contents.xml)):
        if blobs is None:
            raise EnvelopeError("missing", "the files of this encrypted interview are not at hand")
        return _Read(reading.instance_xml(session, revision, keystore=keystore, blobs=blobs), ())
    named = {one.name for one in contents.manifest.media}
    came = media.sealed_media(session, revision.instance_id, keystore=keystore)
    return _Read(contents.xml, (*contents.manifest.media, *(one for one in came if one.name not in named)))
