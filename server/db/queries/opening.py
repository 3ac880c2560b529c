"""SQL of opening: which envelopes can be opened now, what opening them needs, and what became of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import Connection, and_, bindparam, case, exists, func, or_, select, true, update
from sqlalchemy.orm import Session, aliased

from server.db.queries.forms import DRAFT, RETIRED
from server.db.queries.scoped import visible_envelopes
from server.db.scope import EVERYTHING, Scope
from server.db.tables import AppUser, Certificate, Device, Envelope, Form, FormVersion
from server.db.tables.envelopes import (
    ERASED,
    IS_DECISION,
    IS_UNOPENED,
    LISTED,
    OPENED,
    QUARANTINED,
    RECEIVED,
    WAITING_FOR_EPOCH,
    WAITING_FOR_FORM,
    WAITING_FOR_KEY,
)
from sync_protocol.constants import Kind

T = TypeVar("T")

CHUNK: Final = 500
AFTER_REVOCATION: Final = "after-revocation"
FORM_RETIRED: Final = "form-retired"
OTHER_PROJECT: Final = "other-project"
UNKNOWN_FORM_VERSION: Final = "unknown-form-version"
"""At the OpenRosa door, where a submission names its form by words: it is looked up again whenever one is published."""
UNKNOWN_DICTIONARY: Final = "unknown-dictionary"
"""Its form is here, and the dictionary that it was deflated with is not: a publication may bring it."""
UNKNOWN_CERTIFICATE: Final = "unknown-certificate"
"""After a restore its device may be unknown until it comes and shows its certificate."""
RELEASED: Final = "released"
"""Kept with an envelope for ever: a person has let it in although its form is retired, or of another project."""
RELEASED_LATE: Final = "released:after-revocation"
"""The same of one who has let it in although its device was revoked, and has said nothing of its form."""
ENDED_BY_A_FILE: Final = ("odk-undecryptable", "odk-signature-invalid")
"""Reasons of an encrypted submission that another copy of its XML may end."""
WIPED: Final = "wiped"
"""Kept with an envelope for ever: what it held is gone, and its row says that it was there."""
_LASTING: Final = (RELEASED, RELEASED_LATE, WIPED)
KEPT_REASON: Final = case((Envelope.reason.in_(_LASTING), Envelope.reason), else_=None)
MAY_OPEN: Final = or_(
    Envelope.state != QUARANTINED, func.coalesce(Envelope.reason, "").not_in((AFTER_REVOCATION, WIPED))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEnvelope:
    """An envelope as it is stored."""

    sequence: int
    envelope_id: bytes
    kind: int
    body: bytes
    carrier: str
    received_at: datetime
    state: str
    reason: str | None
    instance_id: bytes | None
    epoch_hash: bytes | None
    certificate_hash: bytes | None
    form_version_hash: bytes | None
    app_user_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """An envelope that could not be opened or trusted."""

    sequence: int
    envelope_id: bytes
    kind: int
    instance_id: bytes | None
    carrier: str
    received_at: datetime
    reason: str | None
    length_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDecision:
    """The end of the office's chain: the last decision that can be read, how many erased ones follow, and its end."""

    body: bytes | None
    envelope_id: bytes
    erased: int


_COLUMNS: Final = (
    Envelope.sequence,
    Envelope.envelope_id,
    Envelope.kind,
    Envelope.body,
    Envelope.carrier,
    Envelope.received_at,
    Envelope.state,
    Envelope.reason,
    Envelope.instance_id,
    Envelope.epoch_hash,
    Envelope.certificate_hash,
    Envelope.form_version_hash,
    Envelope.app_user_id,
)


def openable(session: Session, *, limit: int, is_locked: bool, is_sealed: bool) -> tuple[StoredEnvelope, ...]:
    """Return envelopes that can be opened now, oldest first.

    Those received; those that waited for an epoch or a form version that has come; those that waited for the key,
    when the key store is not locked; those that are only listed, where the survey keys are here.
    """
    epoch = aliased(Envelope)
    # An epoch that cannot be trusted is here too: its interviews go where it went, whichever came first.
    epoch_is_here = exists().where(
        epoch.envelope_id == Envelope.epoch_hash,
        epoch.kind == Kind.EPOCH,
        or_(epoch.state != QUARANTINED, epoch.reason.is_distinct_from(AFTER_REVOCATION)),
    )
    form_is_here = exists().where(FormVersion.hash == Envelope.form_version_hash, FormVersion.state != DRAFT)
    wanted = [
        Envelope.state == RECEIVED,
        and_(Envelope.state == WAITING_FOR_EPOCH, epoch_is_here),
        and_(Envelope.state == WAITING_FOR_FORM, form_is_here),
    ]
    if not is_locked:
        wanted.append(Envelope.state == WAITING_FOR_KEY)
    if not is_locked and not is_sealed:
        wanted.append(Envelope.state == LISTED)
    # The order is of an expression, lest the few that wait be looked for among all envelopes in their order.
    query = select(*_COLUMNS).where(IS_UNOPENED, or_(*wanted)).order_by(Envelope.sequence + 0).limit(limit)
    return tuple(StoredEnvelope(**row._mapping) for row in session.execute(query))  # noqa: SLF001


def count_received(connection: Connection, *, at_most: int) -> int:
    """Count envelopes that nobody has looked at yet, up to a number."""
    some = select(Envelope.sequence).where(IS_UNOPENED, Envelope.state == RECEIVED).limit(at_most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def envelopes_by_sequence(session: Session, sequences: Iterable[int]) -> tuple[StoredEnvelope, ...]:
    """Return envelopes by their sequences, whatever their state."""
    found: list[StoredEnvelope] = []
    for chunk in chunks(sorted(set(sequences))):
        rows = session.execute(select(*_COLUMNS).where(Envelope.sequence.in_(chunk)).order_by(Envelope.sequence))
        found += [StoredEnvelope(**row._mapping) for row in rows]  # noqa: SLF001
    return tuple(found)


def still_unopened(session: Session, sequences: Sequence[int]) -> frozenset[int]:
    """Return which of these envelopes nobody else has opened meanwhile; locks them until the commit."""
    found: set[int] = set()
    for chunk in chunks(sequences):
        query = select(Envelope.sequence).where(Envelope.sequence.in_(chunk), Envelope.state.not_in((OPENED, ERASED)))
        found.update(session.scalars(query.with_for_update()))
    return frozenset(found)


def lock_fold(session: Session) -> None:
    """Let one transaction at a time fold: two that see half of each other would miss a pair of interviews."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(0x70617373)))


def certificate_documents(session: Session, hashes: Iterable[bytes]) -> Mapping[bytes, bytes]:
    """Return certificate documents by hash."""
    found: dict[bytes, bytes] = {}
    for chunk in chunks(sorted(set(hashes))):
        rows = session.execute(select(Certificate.hash, Certificate.document).where(Certificate.hash.in_(chunk)))
        found |= {digest: document for digest, document in rows}
    return found


def revocations(session: Session) -> Mapping[bytes, datetime]:
    """Return when the devices that were revoked were, by the hash of each of their certificates."""
    query = select(Certificate.hash, Device.revoked_at).join(Device, Device.device_id == Certificate.device_id)
    rows = session.execute(query.where(Device.revoked_at.is_not(None)))
    return {digest: moment for digest, moment in rows if moment is not None}


def epoch_bodies(session: Session, hashes: Iterable[bytes], *, with_held: bool = False) -> Mapping[bytes, bytes]:
    """Return epoch envelopes by their id; those that a person has yet to release for looking only."""
    found: dict[bytes, bytes] = {}
    for chunk in chunks(sorted(set(hashes))):
        query = select(Envelope.envelope_id, Envelope.body).where(
            Envelope.envelope_id.in_(chunk), Envelope.kind == Kind.EPOCH, true() if with_held else MAY_OPEN
        )
        found |= {digest: body for digest, body in session.execute(query)}
    return found


def xforms(session: Session, hashes: Iterable[bytes]) -> Mapping[bytes, bytes]:
    """Return the XForm bytes of form versions by their hash; a draft is not there yet."""
    query = select(FormVersion.hash, FormVersion.xform).where(
        FormVersion.hash.in_(sorted(set(hashes))), FormVersion.state != DRAFT
    )
    return {digest: xform for digest, xform in session.execute(query)}


def retirements(session: Session) -> Mapping[bytes, datetime]:
    """Return when the form versions that were retired were, by hash."""
    query = select(FormVersion.hash, FormVersion.retired_at).where(FormVersion.state == RETIRED)
    return {digest: moment for digest, moment in session.execute(query) if moment is not None}


def form_names(session: Session) -> Mapping[tuple[str, str], bytes]:
    """Return the hash of each form version that was ever published, by form_id and version."""
    query = select(FormVersion.form_id, FormVersion.version, FormVersion.hash).where(FormVersion.state != DRAFT)
    return {(form_id, version): digest for form_id, version, digest in session.execute(query)}


def is_published(session: Session, form_id: str, version: str) -> bool:
    """Say whether a form version was ever published."""
    is_known = exists().where(
        FormVersion.form_id == form_id, FormVersion.version == version, FormVersion.state != DRAFT
    )
    return bool(session.scalar(select(is_known)))


def form_projects(session: Session) -> Mapping[bytes, int]:
    """Return the project of each form version."""
    query = select(FormVersion.hash, Form.project_id).join(Form, Form.form_id == FormVersion.form_id)
    return {digest: project for digest, project in session.execute(query)}


def app_user_projects(session: Session, app_user_ids: Iterable[int]) -> Mapping[int, int]:
    """Return the project of each of these app users."""
    query = select(AppUser.app_user_id, AppUser.project_id).where(AppUser.app_user_id.in_(sorted(set(app_user_ids))))
    return {number: project for number, project in session.execute(query)}


def device_projects(session: Session, hashes: Iterable[bytes]) -> Mapping[bytes, int]:
    """Return the project of the devices to which these certificates were given, by hash."""
    query = select(Certificate.hash, Device.project_id).join(Device, Device.device_id == Certificate.device_id)
    rows = session.execute(query.where(Certificate.hash.in_(sorted(set(hashes)))))
    return {digest: project for digest, project in rows}


def set_states(session: Session, states: Sequence[tuple[int, str, str | None]]) -> None:
    """Write (sequence, state, reason) of envelopes."""
    if not states:
        return
    statement = (
        update(Envelope)
        .where(Envelope.sequence == bindparam("of"))
        .values(state=bindparam("new_state"), reason=bindparam("new_reason"))
    )
    session.connection().execute(
        statement, [{"of": sequence, "new_state": state, "new_reason": reason} for sequence, state, reason in states]
    )


def state_counts(session: Session) -> Mapping[str, int]:
    """Return how many envelopes are in each state."""
    rows = session.execute(select(Envelope.state, func.count()).group_by(Envelope.state))
    return {state: count for state, count in rows}


def quarantined(session: Session) -> tuple[Quarantined, ...]:
    """Return what is in quarantine, oldest first."""
    query = (
        select(
            Envelope.sequence,
            Envelope.envelope_id,
            Envelope.kind,
            Envelope.instance_id,
            Envelope.carrier,
            Envelope.received_at,
            Envelope.reason,
            func.length(Envelope.body).label("length_bytes"),
        )
        .where(IS_UNOPENED, Envelope.state == QUARANTINED)
        .order_by(Envelope.sequence)
    )
    return tuple(Quarantined(**row._mapping) for row in session.execute(query))  # noqa: SLF001


def wipe(session: Session, envelope_ids: Iterable[bytes]) -> tuple[bytes, ...]:
    """Mark attachments as wiped, so that nobody looks for their blobs; return those that were not yet."""
    found: list[bytes] = []
    for chunk in chunks(sorted(set(envelope_ids))):
        statement = update(Envelope).where(Envelope.envelope_id.in_(chunk), Envelope.reason.is_distinct_from(WIPED))
        found += session.scalars(statement.values(reason=WIPED, blob_sha256=None).returning(Envelope.envelope_id))
    return tuple(found)


def wipe_quarantined(session: Session, reason: str, scope: Scope = EVERYTHING) -> tuple[bytes, ...]:
    """Empty the envelopes that are in quarantine for a reason, of those that an account sees; return their ids."""
    is_held = and_(IS_UNOPENED, Envelope.state == QUARANTINED, Envelope.reason == reason)
    statement = update(Envelope).where(is_held, visible_envelopes(scope))
    return tuple(session.scalars(statement.values(reason=WIPED, body=b"").returning(Envelope.envelope_id)))


def last_decision(session: Session) -> LastDecision | None:
    """Return the end of the office's chain, None before its first decision.

    A decision whose bytes are erased keeps its place in the chain: its id is the hash that the next one names.
    """
    newest = select(Envelope.sequence, Envelope.envelope_id).where(IS_DECISION).order_by(Envelope.sequence.desc())
    last = session.execute(newest.limit(1)).first()
    if last is None:
        return None
    living = newest.with_only_columns(Envelope.sequence, Envelope.body).where(Envelope.state != ERASED)
    read = session.execute(living.limit(1)).first()
    after = select(func.count()).where(IS_DECISION, Envelope.sequence > (0 if read is None else read.sequence))
    return LastDecision(
        body=None if read is None else read.body, envelope_id=last.envelope_id, erased=session.scalar(after) or 0
    )


def every_envelope(session: Session, *, after: int = 0) -> Iterator[StoredEnvelope]:
    """Yield all envelopes by sequence, a few hundred in memory at a time."""
    while True:
        query = select(*_COLUMNS).where(Envelope.sequence > after).order_by(Envelope.sequence).limit(CHUNK)
        rows = session.execute(query).all()
        if not rows:
            return
        for row in rows:
            yield StoredEnvelope(**row._mapping)  # noqa: SLF001
        after = rows[-1].sequence


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield items some at a time, as many as one statement may name."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
