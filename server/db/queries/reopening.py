"""SQL of what may be opened again: what it lacked has come, a person lets it in, or all is built anew."""

from collections.abc import Iterable

from sqlalchemy import and_, case, or_, select, update
from sqlalchemy.orm import Session, aliased

from server.db.queries.opening import (
    AFTER_REVOCATION,
    ENDED_BY_A_FILE,
    KEPT_REASON,
    MAY_OPEN,
    RELEASED,
    RELEASED_LATE,
    UNKNOWN_CERTIFICATE,
    UNKNOWN_DICTIONARY,
    UNKNOWN_FORM_VERSION,
    WIPED,
    chunks,
    lock_fold,
)
from server.db.tables import Envelope
from server.db.tables.envelopes import (
    ERASED,
    IS_UNOPENED,
    QUARANTINED,
    RECEIVED,
    WAITING_FOR_MEDIA,
    WAITING_FOR_ODK_KEY,
)
from sync_protocol.constants import Kind


def release(session: Session, envelope_id: bytes) -> bool:
    """Let a quarantined envelope be opened again; say whether there was one.

    With it goes its epoch, without which it cannot be opened, and with an interview the files that came after the same
    revocation: each is an envelope of its own, and nobody should have to let five photos in one by one.
    """
    epoch = select(Envelope.epoch_hash).where(Envelope.envelope_id == envelope_id).scalar_subquery()
    released = session.scalars(
        update(Envelope)
        .where(
            or_(Envelope.envelope_id == envelope_id, Envelope.envelope_id == epoch),
            Envelope.state == QUARANTINED,
            Envelope.reason.is_distinct_from(WIPED),
        )
        .values(state=RECEIVED, reason=case((Envelope.reason == AFTER_REVOCATION, RELEASED_LATE), else_=RELEASED))
        .returning(Envelope.envelope_id)
    ).all()
    interview = aliased(Envelope)
    instance_id = (
        select(interview.instance_id)
        .where(interview.envelope_id == envelope_id, interview.kind == Kind.INTERVIEW)
        .scalar_subquery()
    )
    session.execute(
        update(Envelope)
        .where(
            Envelope.instance_id == instance_id,
            Envelope.blob_sha256.is_not(None),
            Envelope.state == QUARANTINED,
            Envelope.reason == AFTER_REVOCATION,
        )
        .values(state=RECEIVED, reason=RELEASED_LATE)
    )
    return envelope_id in released


def retry_unknown_forms(session: Session, *, form_id: str, version: str) -> None:
    """Let submissions whose form was unknown be opened again, for it was published; and those that do not say which."""
    lock_fold(session)  # what is being opened meanwhile is looked at again under the same lock
    session.execute(
        update(Envelope)
        .where(
            IS_UNOPENED,
            Envelope.state == QUARANTINED,
            Envelope.reason == UNKNOWN_FORM_VERSION,
            or_(Envelope.form_named.is_(None), Envelope.form_named == f"{form_id} {version}"),
        )
        .values(state=RECEIVED, reason=None)
    )


def retry_unknown_dictionaries(session: Session) -> None:
    """Let interviews whose dictionary was unknown be opened again, for a publication may have brought it."""
    lock_fold(session)
    is_held = and_(IS_UNOPENED, Envelope.state == QUARANTINED, Envelope.reason == UNKNOWN_DICTIONARY)
    session.execute(update(Envelope).where(is_held).values(state=RECEIVED, reason=None))


def retry_unknown_certificate(session: Session, certificate_hash: bytes) -> None:
    """Let what a device has sealed be opened again, for its certificate is known now."""
    lock_fold(session)
    is_held = and_(IS_UNOPENED, Envelope.state == QUARANTINED, Envelope.reason == UNKNOWN_CERTIFICATE)
    is_its = Envelope.certificate_hash == certificate_hash
    session.execute(update(Envelope).where(is_held, is_its).values(state=RECEIVED, reason=None))


def retry_encrypted(session: Session, instance_ids: Iterable[bytes]) -> None:
    """Let encrypted submissions of these instances be opened again, for a file of theirs has come."""
    may_end = or_(
        Envelope.state == WAITING_FOR_MEDIA,
        and_(Envelope.state == QUARANTINED, Envelope.reason.in_(ENDED_BY_A_FILE)),
    )
    for chunk in chunks(sorted(set(instance_ids))):
        statement = update(Envelope).where(IS_UNOPENED, may_end, Envelope.instance_id.in_(chunk))
        session.execute(statement.values(state=RECEIVED, reason=KEPT_REASON))


def retry_odk_keys(session: Session) -> None:
    """Let encrypted submissions be opened again that waited for a key, for one has come."""
    waiting = update(Envelope).where(IS_UNOPENED, Envelope.state == WAITING_FOR_ODK_KEY)
    session.execute(waiting.values(state=RECEIVED, reason=KEPT_REASON))


def reopen_all(session: Session) -> None:
    """Put every envelope back to received, but tombstones and those that a person has yet to release."""
    session.execute(
        update(Envelope).where(MAY_OPEN, Envelope.state != ERASED).values(state=RECEIVED, reason=KEPT_REASON)
    )
