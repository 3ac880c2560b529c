"""What lies behind the door: envelopes opened, interviews read back."""

from sqlalchemy import select

from forms.instance import instance_id_bytes
from server.context import Context
from server.db.queries import interviews
from server.db.tables import Envelope
from server.db.tables.envelopes import QUARANTINED
from server.folding.media import media_of, plain_chunks
from server.folding.reading import instance_xml
from tests.server.opening.kit import open_all

__all__ = ["files", "is_quarantined", "open_all", "xml_of"]


def files(context: Context, instance_id: str) -> dict[str, bytes]:
    """Return the files of an instance by name."""
    with context.database.read() as session:
        found = media_of(session, instance_id_bytes(instance_id), keystore=context.keystore)
        return {
            medium.name: b"".join(plain_chunks(medium, keystore=context.keystore, blobs=context.blobs))
            for medium in found
        }


def xml_of(context: Context, instance_id: str) -> bytes:
    """Return the XML of a revision."""
    with context.database.read() as session:
        revision = next(
            one for one in interviews.all_revisions(session) if one.instance_id == instance_id_bytes(instance_id)
        )
        return instance_xml(session, revision, keystore=context.keystore, blobs=context.blobs)


def is_quarantined(context: Context) -> bool:
    """Say whether anything is held back."""
    with context.database.read() as session:
        return session.scalar(select(Envelope.envelope_id).where(Envelope.state == QUARANTINED)) is not None
