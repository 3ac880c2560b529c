"""What an envelope waits for, and whether it came between the look and the lock.

A batch is opened outside the fold's transaction. What was missing then may have been stored since, by somebody who saw
nothing waiting yet; so each reason to wait that another may end is looked at once more under the lock. Whoever ends
one (a publication, a key, an attachment) takes the same lock.
"""

from sqlalchemy.orm import Session

from server.db.queries import attachments, devices, form_media, odk_keys, opening
from server.db.tables.envelopes import QUARANTINED, WAITING_FOR_MEDIA, WAITING_FOR_ODK_KEY
from sync_protocol.errors import EnvelopeError

Lacks = tuple[str, str] | bytes | frozenset[bytes] | None
"""form_id and version; the tag of a file name, or the hash of a key, a dictionary or a certificate; another file than
those of these envelopes."""


class Waits(Exception):
    """The envelope must wait; `state` says for what, `lacks` for which."""

    def __init__(self, state: str, lacks: bytes | None = None) -> None:
        super().__init__(state)
        self.state = state
        self.lacks = lacks


class Ended(EnvelopeError):
    """A reason for quarantine that something which comes may end; `lacks` says what."""

    def __init__(self, code: str, message: str, lacks: Lacks) -> None:
        super().__init__(code, message)
        self.lacks = lacks


def has_come(session: Session, *, instance_id: bytes | None, state: str, lacks: Lacks) -> bool:
    """Say whether what an envelope lacked is here now; the session holds the fold lock."""
    if isinstance(lacks, tuple):
        return opening.is_published(session, *lacks)
    if isinstance(lacks, frozenset):
        here = attachments.attachments_of(session, [instance_id or b""])
        return not lacks.issuperset(row.envelope_id for row in here)
    if lacks is None:
        return False
    if state == QUARANTINED:
        return form_media.has_dictionary(session, lacks) or devices.certificate(session, lacks) is not None
    if state == WAITING_FOR_ODK_KEY:
        return odk_keys.has(session, lacks)
    return state == WAITING_FOR_MEDIA and attachments.has(session, instance_id or b"", lacks)
