"""Receive a submission from ODK Collect: read, sealed by the door, stored once, never left failed on a tablet.

What can be read is kept, whatever it is: an unknown form or version, no instanceID, a revoked app user go to
quarantine with a reason, and the tablet is told that all is well. Only what cannot be read at all is refused, with a
message that Collect shows.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from forms.instance import Instance, InstanceError, canonical_leaves, instance_id_bytes, parse_instance
from server.db.queries import devices, envelopes, forms
from server.db.queries.devices import StoredAppUser
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.forms import DRAFT
from server.db.queries.opening import AFTER_REVOCATION, UNKNOWN_FORM_VERSION
from server.db.tables.envelopes import QUARANTINED
from server.errors import SubmissionUnreadable
from server.keystore import DOOR_ID, SealedSubmission, Sealer, Submission
from sync_protocol.envelope import NO_HASH, envelope_id

NO_INSTANCE_ID: Final = "no-instance-id"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A readable submission, ready to be sealed.

    Attributes:
        door_tag: by which a repeat is known.
        reason: why it goes to quarantine, None when it does not.
        is_known: it is stored already: nothing needs to be sealed.
    """

    submission: Submission
    door_tag: bytes
    reason: str | None
    is_known: bool


def prepare(session: Session, *, xml: bytes, app_user: StoredAppUser, door_tag: Callable[[bytes], bytes]) -> Prepared:
    """Read a submission and find out whether it is stored already.

    Raises:
        SubmissionUnreadable: when it is not a readable instance; nothing could be kept of it.
    """
    try:
        instance = parse_instance(xml)
        tag = door_tag(_identity(instance))
    except InstanceError as error:
        raise SubmissionUnreadable(error.message) from None
    version = forms.version(session, form_id=instance.form_id, version=instance.version)
    if version is not None and version.state == DRAFT:
        version = None
    submission = Submission(
        instance_xml=xml,
        instance_id=instance_id_bytes(instance.instance_id) if instance.instance_id else _made_id(tag),
        parents=(instance_id_bytes(instance.deprecated_id),) if instance.deprecated_id else (),
        form_version_hash=NO_HASH if version is None else version.hash,
        mode=app_user.mode,
        app_user=app_user.name,
    )
    return Prepared(
        submission=submission,
        door_tag=tag,
        reason=_reason(app_user, is_known_version=version is not None, has_id=bool(instance.instance_id)),
        is_known=envelopes.sequence_by_door_tag(session, tag) is not None,
    )


def store(session: Session, prepared: Prepared, sealed: SealedSubmission, *, door: Sealer, now: datetime) -> bool:
    """Store a sealed submission with its epoch and the door's certificate; return whether it is new."""
    devices.keep_certificate(
        session, certificate_hash=door.certificate_hash, document=door.certificate, device_id=DOOR_ID, now=now
    )
    interview = replace(NewEnvelope.read(sealed.body), door_tag=prepared.door_tag)
    if prepared.reason is not None:
        interview = replace(interview, state=QUARANTINED, reason=prepared.reason)
    arrived = [NewEnvelope.read(sealed.epoch), interview]
    kept = envelopes.store(session, arrived, carrier=DOOR_ID, received_at=now)
    return envelope_id(sealed.body) in kept


def _identity(instance: Instance) -> bytes:
    """Write what makes a submission the same one, so that no two different ones have one text."""
    parts = [instance.form_id, instance.instance_id, instance.deprecated_id, canonical_leaves(instance)]
    return json.dumps(parts, separators=(",", ":")).encode("ascii")


def _made_id(tag: bytes) -> bytes:
    """Name an instance that names itself not: the same content has the same name."""
    return hashlib.sha256(b"passerelle/1 door instance\x00" + tag).digest()[:16]


def _reason(app_user: StoredAppUser, *, is_known_version: bool, has_id: bool) -> str | None:
    if app_user.revoked_at is not None:
        return AFTER_REVOCATION
    if not is_known_version:
        return UNKNOWN_FORM_VERSION
    return None if has_id else NO_INSTANCE_ID
