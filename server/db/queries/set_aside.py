"""SQL of what came after the revocation of a device: how much there is, and letting all of it in."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from server.db.queries.opening import AFTER_REVOCATION, RELEASED
from server.db.tables import Certificate, Envelope
from server.db.tables.envelopes import IS_UNOPENED, QUARANTINED, RECEIVED


def release_of_device(session: Session, device_id: str) -> int:
    """Let all be opened that was set aside after the revocation of a device: what it brought, and what it sealed."""
    statement = update(Envelope).where(IS_UNOPENED, *_set_aside(), _is_of_device(device_id))
    released = session.scalars(statement.values(state=RECEIVED, reason=RELEASED).returning(Envelope.sequence))
    return len(released.all())


def set_aside_by_device(session: Session) -> Mapping[str, int]:
    """Return how many envelopes are set aside after a revocation, by each device that sealed or brought them."""
    sealed = Certificate.device_id
    found: dict[str, int] = {}
    brought = select(Envelope.carrier, func.count()).where(IS_UNOPENED, *_set_aside()).group_by(Envelope.carrier)
    of_others = (
        select(sealed, func.count())
        .select_from(Envelope)
        .join(Certificate, Certificate.hash == Envelope.certificate_hash)
        .where(IS_UNOPENED, *_set_aside(), sealed != Envelope.carrier)
        .group_by(sealed)
    )
    for query in (brought, of_others):
        for device_id, count in session.execute(query):
            found[device_id] = found.get(device_id, 0) + count
    return found


def _set_aside() -> tuple[ColumnElement[bool], ...]:
    return Envelope.state == QUARANTINED, Envelope.reason == AFTER_REVOCATION, Envelope.app_user_id.is_(None)


def _is_of_device(device_id: str) -> ColumnElement[bool]:
    own = select(Certificate.hash).where(Certificate.device_id == device_id)
    return or_(Envelope.carrier == device_id, Envelope.certificate_hash.in_(own))
