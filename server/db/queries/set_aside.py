"""SQL of what came after the revocation of a device: how much there is, and letting all of it in.

A device's own is what it sealed, whoever brought it, and what it brought of devices that are in use. What another
revoked device sealed is let in with that one: whoever knows where this one was says nothing of the other. And the marks
of what was let in, whyever it had been set aside.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.orm import Session

from server.db.queries.opening import AFTER_REVOCATION, RELEASED, RELEASED_LATE
from server.db.queries.scoped import visible_envelopes
from server.db.scope import Scope
from server.db.tables import Certificate, Device, Envelope
from server.db.tables.envelopes import IS_UNOPENED, LISTED, QUARANTINED, RECEIVED
from sync_protocol.constants import Kind


def release_of_device(session: Session, device_id: str, scope: Scope) -> int:
    """Let be opened what was set aside of a device after its revocation, and an account sees; return how much.

    Only that its device was revoked is forgiven: what is of another project, or of a retired form, is set aside again.
    """
    own = select(Certificate.hash).where(Certificate.device_id == device_id)
    is_own = or_(
        Envelope.certificate_hash.in_(own),
        and_(Envelope.carrier == device_id, Envelope.certificate_hash.in_(_certificates_in_use())),
    )
    statement = update(Envelope).where(IS_UNOPENED, *_set_aside(scope), is_own)
    released = session.scalars(statement.values(state=RECEIVED, reason=RELEASED_LATE).returning(Envelope.sequence))
    return len(released.all())


def set_aside_by_device(session: Session, scope: Scope) -> Mapping[str, int]:
    """Return how many envelopes an account could let in of each device."""
    found: dict[str, int] = {}
    is_in_use = Envelope.certificate_hash.in_(_certificates_in_use())
    sealed = (
        select(Certificate.device_id, func.count())
        .select_from(Envelope)
        .join(Certificate, Certificate.hash == Envelope.certificate_hash)
        .where(IS_UNOPENED, *_set_aside(scope))
        .group_by(Certificate.device_id)
    )
    brought = (
        select(Envelope.carrier, func.count())
        .where(IS_UNOPENED, *_set_aside(scope), is_in_use)
        .group_by(Envelope.carrier)
    )
    for query in (sealed, brought):
        for device_id, count in session.execute(query):
            found[device_id] = found.get(device_id, 0) + count
    return found


def _certificates_in_use() -> Select[bytes]:
    in_use = select(Device.device_id).where(Device.revoked_at.is_(None))
    return select(Certificate.hash).where(Certificate.device_id.in_(in_use))


def _set_aside(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    """Say of an Envelope that it is set aside, and that an account sees it; an epoch is of no form and says nothing."""
    return (
        Envelope.state == QUARANTINED,
        Envelope.reason == AFTER_REVOCATION,
        Envelope.app_user_id.is_(None),
        or_(Envelope.kind == Kind.EPOCH, visible_envelopes(scope)),
    )


def marks(session: Session) -> list[tuple[bytes, str]]:
    """Return which envelopes a person has let in from quarantine, and the mark that says so."""
    query = select(Envelope.envelope_id, Envelope.reason).where(Envelope.reason.in_((RELEASED, RELEASED_LATE)))
    return [(row.envelope_id, str(row.reason)) for row in session.execute(query.order_by(Envelope.sequence))]


def set_marks(session: Session, found: Iterable[tuple[bytes, str]]) -> None:
    """Let envelopes in that are listed here, as a person did on the machine that opens them."""
    for envelope_id, mark in found:
        if mark in (RELEASED, RELEASED_LATE):
            listed = (Envelope.envelope_id == envelope_id, Envelope.state == LISTED)
            session.execute(update(Envelope).where(*listed).values(reason=mark))
