"""SQL of the intake: what arrived, newest first, by keyset on the server's number; never a count of all that is opened.

Each list is led by one index, whatever the size of the survey: by the person, by the form, by what is unopened or
unsettled, else by the number itself. Where several lead (each app user of a team), each gives its newest rows and the
newest of them all are the page. What an index does not say, a condition on the few rows does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, func, literal_column, or_, select, true, union_all
from sqlalchemy.orm import Session

from server.db.queries.checks import open_check_holds
from server.db.queries.opening import WIPED
from server.db.queries.scoped import (
    visible_app_users,
    visible_devices,
    visible_envelopes,
    visible_interviews,
    visible_versions,
)
from server.db.scope import Scope
from server.db.tables import AppUser, Device, Envelope, Form, FormVersion, Interview, InterviewCheck, Revision
from server.db.tables import WantedMedium as Wanted
from server.db.tables.envelopes import ERASED, OPENED, QUARANTINED, UNOPENED
from server.db.tables.interviews import IS_MISSING, UNSETTLED
from sync_protocol.constants import Kind
from sync_protocol.envelope import NO_HASH

OPEN: Final = "opened"
WAITING: Final = "waiting"
MEDIA: Final = "media"
HELD: Final = "held"
CONFLICT: Final = "conflict"
QUARANTINE: Final = "quarantine"
NEEDS: Final = "needs-somebody"
FILTERS: Final = (NEEDS, WAITING, MEDIA, HELD, CONFLICT, QUARANTINE, OPEN)

# As text, word for word as the indexes say it: SQLite proves no more.
_IS_INTERVIEW: Final = Envelope.kind == literal_column(str(int(Kind.INTERVIEW)))
_IS_SHOWN: Final = Envelope.kind != literal_column(str(int(Kind.EPOCH)))
"""An epoch stands for nothing of its own: what it opens goes where it goes, and is released with it."""
_IS_UNOPENED: Final = and_(
    Envelope.state != literal_column(f"'{OPENED}'"),
    Envelope.state.in_([literal_column(f"'{state}'") for state in UNOPENED]),  # for SQLite to seek each
)
_NUMBER: Final = Envelope.sequence + 0
"""Of a day, by the index of days: the least of a plain column would be looked for along all numbers."""
_IS_SET_ASIDE: Final = and_(_IS_SHOWN, Envelope.state == QUARANTINED, Envelope.reason.is_distinct_from(WIPED))
"""What was wiped is of the past: nobody can do anything with it."""
_IS_QUARANTINED: Final = and_(_IS_UNOPENED, Envelope.state == literal_column(f"'{QUARANTINED}'"), _IS_SET_ASIDE)
_IS_PENDING: Final = or_(and_(_IS_INTERVIEW, Envelope.state != QUARANTINED), _IS_SET_ASIDE)
_HELD_BY_CHECKS: Final = select(InterviewCheck.revision_id).where(InterviewCheck.holds != literal_column("''"))
_IS_UNSETTLED: Final[ColumnElement[bool]] = literal_column(f"({UNSETTLED})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which arrivals are wanted; None for all.

    Attributes:
        project: number.
        form_id: of a published form, or as a submission names it.
        state: one of `FILTERS`.
        person: name of an app user, device id, or code of an enumerator.
        day: of arrival, in UTC.
    """

    project: int | None = None
    form_id: str | None = None
    state: str | None = None
    person: str | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedEnvelope:
    """An envelope of the intake, without its body."""

    sequence: int
    envelope_id: bytes
    kind: int
    instance_id: bytes | None
    form_version_hash: bytes | None
    form_named: str | None
    carrier: str
    app_user_id: int | None
    received_at: datetime
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderToday:
    """What one app user or device has sent since a moment."""

    app_user_id: int | None
    carrier: str
    arrived: int
    opened: int
    quarantined: int


_COLUMNS: Final = tuple(getattr(Envelope, name) for name in ArrivedEnvelope.__dataclass_fields__)
Conditions = tuple[ColumnElement[bool], ...]


def page(
    session: Session, scope: Scope, wish: Wish, *, before: int | None = None, limit: int
) -> tuple[ArrivedEnvelope, ...]:
    """Return the newest arrivals below a number: interviews, and whatever else is in quarantine."""
    shared = _asked(session, wish)
    if before is not None:
        shared.append(Envelope.sequence < before)
    of_day = () if wish.day is None else _numbers_of(session, wish.day)
    found: dict[int, ArrivedEnvelope] = {}
    for leading in _leading(session, scope, wish):
        bounds = of_day if leading[0] is _IS_INTERVIEW else ()
        query = select(*_COLUMNS).where(*leading, *bounds, *shared).order_by(Envelope.sequence.desc()).limit(limit)
        found |= {row.sequence: ArrivedEnvelope(**row._mapping) for row in session.execute(query)}  # noqa: SLF001
    return tuple(found[sequence] for sequence in sorted(found, reverse=True)[:limit])


def arrivals_of(session: Session, scope: Scope, instance_id: bytes) -> tuple[ArrivedEnvelope, ...]:
    """Return the interview envelopes of an instance: those that became revisions, those unopened, and tombstones.

    Of the latter those that an account sees: they need not be of the same interview, for anybody can write any
    instanceID. Whoever asks has seen first whether the account sees the interview of the former.
    """
    revisions = select(Revision.envelope_sequence).where(Revision.instance_id == instance_id)
    unopened = select(Envelope.sequence).where(
        Envelope.state != literal_column(f"'{OPENED}'"),
        Envelope.instance_id == instance_id,
        _IS_INTERVIEW,
        visible_envelopes(scope),
    )
    query = select(*_COLUMNS).where(or_(Envelope.sequence.in_(revisions), Envelope.sequence.in_(unopened)))
    return _arrived(session, query.order_by(Envelope.sequence))


def files_set_aside(session: Session, scope: Scope, instance_id: bytes) -> tuple[ArrivedEnvelope, ...]:
    """Return the files of an instance that are in quarantine."""
    query = select(*_COLUMNS).where(
        _IS_QUARANTINED,
        Envelope.instance_id == instance_id,
        Envelope.kind == Kind.ATTACHMENT,
        visible_envelopes(scope),
    )
    return _arrived(session, query.order_by(Envelope.sequence))


def by_envelope_id(session: Session, scope: Scope, envelope_id: bytes) -> ArrivedEnvelope | None:
    """Return one envelope that an account sees, whatever its kind."""
    found = _arrived(session, select(*_COLUMNS).where(Envelope.envelope_id == envelope_id, visible_envelopes(scope)))
    return found[0] if found else None


def unopened_counts(session: Session, scope: Scope) -> dict[str, int]:
    """Count interviews that are not opened, and all else in quarantine, by state."""
    query = select(Envelope.state, func.count()).where(_IS_UNOPENED, _IS_PENDING, visible_envelopes(scope))
    return {state: count for state, count in session.execute(query.group_by(Envelope.state))}


def unsettled_counts(session: Session, scope: Scope) -> dict[str, int]:
    """Count the interviews that are held, in conflict or without all their files."""
    found: dict[str, int] = {}
    for name in (HELD, CONFLICT, MEDIA):
        query = select(func.count()).select_from(Envelope).where(*_of_state(name), visible_envelopes(scope))
        found[name] = session.scalar(query) or 0
    return found


def reason_counts(session: Session, scope: Scope) -> dict[str, int]:
    """Count by reason what is not simply opened; an interview with two holds counts under both."""
    code = case((Envelope.state == QUARANTINED, Envelope.reason), else_=Envelope.state)
    unopened = select(code, func.count()).where(_IS_UNOPENED, _IS_PENDING, visible_envelopes(scope)).group_by(code)
    states = select(Interview.state, func.count()).where(_IS_UNSETTLED, _has_conflict(), visible_interviews(scope))
    holds = select(Interview.holds, func.count()).where(_IS_UNSETTLED, visible_interviews(scope))
    found = open_check_holds().label("holds")
    checked = select(found, func.count()).where(
        Interview.current_revision_id.in_(_HELD_BY_CHECKS), found != "", visible_interviews(scope)
    )
    grouped = (
        unopened,
        states.group_by(Interview.state),
        holds.group_by(Interview.holds),
        checked.group_by(found),
    )
    counts: dict[str, int] = {}
    for query in grouped:
        for codes, count in session.execute(query):
            for one in (codes or "").split(","):
                counts[one] = counts.get(one, 0) + count
    counts.pop("", None)
    return counts


def arrived_count(session: Session, scope: Scope) -> int:
    """Count all interviews that ever arrived, from the indexes alone; for a cache, not for each request."""
    total = 0
    for leading in _by_source_or_form(session, scope, Wish()):
        query = select(func.count()).select_from(Envelope).where(*leading)
        total += session.scalar(query) or 0
    return total


def senders_since(session: Session, scope: Scope, moment: datetime) -> tuple[SenderToday, ...]:
    """Count what each sender's interviews since a moment have become."""
    first = session.scalar(select(func.min(_NUMBER)).where(_IS_INTERVIEW, Envelope.received_at >= moment))
    if first is None:
        return ()
    is_opened, is_quarantined = Envelope.state == OPENED, Envelope.state == QUARANTINED
    query = (
        select(
            Envelope.app_user_id,
            Envelope.carrier,
            func.count().label("arrived"),
            func.count().filter(is_opened).label("opened"),
            func.count().filter(is_quarantined).label("quarantined"),
        )
        .where(_IS_INTERVIEW, Envelope.sequence >= first, Envelope.received_at >= moment, visible_envelopes(scope))
        .where(Envelope.state != ERASED)
        .group_by(Envelope.app_user_id, Envelope.carrier)
    )
    return tuple(SenderToday(**row._mapping) for row in session.execute(query))  # noqa: SLF001


def _arrived(session: Session, query: Any) -> tuple[ArrivedEnvelope, ...]:
    return tuple(ArrivedEnvelope(**row._mapping) for row in session.execute(query))  # noqa: SLF001


def _leading(session: Session, scope: Scope, wish: Wish) -> list[Conditions]:
    """Return the conditions that lead to a list, each with an index that gives its newest rows at once."""
    visible = visible_envelopes(scope)
    if wish.state == NEEDS:
        return [(visible, *_of_state(state)) for state in (QUARANTINE, HELD, CONFLICT)]
    if wish.state in (WAITING, QUARANTINE, MEDIA, HELD, CONFLICT):
        return [(visible, *_of_state(wish.state))]
    leading = _by_source_or_form(session, scope, wish)
    return leading if wish.state == OPEN else [*leading, (visible, _IS_QUARANTINED, ~_IS_INTERVIEW)]


def _by_source_or_form(session: Session, scope: Scope, wish: Wish) -> list[Conditions]:
    if wish.person is not None or scope.team is not None or scope.enumerator is not None:
        return _by_source(session, scope, wish.person)
    if wish.form_id is None and wish.project is None and scope.projects is None:
        return [(_IS_INTERVIEW,)]
    known = _hashes(session, scope, wish)
    visible = visible_envelopes(scope)
    return [
        *((_IS_INTERVIEW, Envelope.form_version_hash == digest) for digest in known),
        (_IS_INTERVIEW, Envelope.form_version_hash == NO_HASH, visible),
        (_IS_INTERVIEW, _IS_UNOPENED, Envelope.form_version_hash.not_in([*known, NO_HASH]), visible),
    ]


def _hashes(session: Session, scope: Scope, wish: Wish) -> Sequence[bytes]:
    return session.scalars(select(FormVersion.hash).where(_wanted_versions(wish), visible_versions(scope))).all()


def _by_source(session: Session, scope: Scope, person: str | None) -> list[Conditions]:
    app_users = select(AppUser.app_user_id).where(visible_app_users(scope))
    tablets = select(Device.device_id).where(visible_devices(scope))
    if person is not None:
        app_users = app_users.where(or_(AppUser.name == person, AppUser.enumerator == person))
        tablets = tablets.where(or_(Device.device_id == person, Device.enumerator == person))
    visible = visible_envelopes(Scope(projects=scope.projects))
    return [
        *((_IS_INTERVIEW, Envelope.app_user_id == number, visible) for number in session.scalars(app_users)),
        *(
            (_IS_INTERVIEW, Envelope.app_user_id.is_(None), Envelope.carrier == device_id, visible)
            for device_id in session.scalars(tablets)
        ),
    ]


def _asked(session: Session, wish: Wish) -> list[ColumnElement[bool]]:
    """Return what a wish asks of each row beside what leads to it."""
    asked: list[ColumnElement[bool]] = []
    if wish.state == OPEN:
        asked.append(Envelope.state == OPENED)
    if wish.person is not None:
        sources = _by_source(session, Scope(), wish.person)
        asked.append(or_(Envelope.sequence < 0, *(and_(*source[1:]) for source in sources)))
    if wish.form_id is not None or wish.project is not None:
        asked.append(_is_of_form(session, wish))
    if wish.day is not None:
        asked.append(_is_on(wish.day))
    return asked


def _wanted_versions(wish: Wish) -> ColumnElement[bool]:
    wanted: list[ColumnElement[bool]] = [true()]
    if wish.form_id is not None:
        wanted.append(FormVersion.form_id == wish.form_id)
    if wish.project is not None:
        wanted.append(FormVersion.form_id.in_(select(Form.form_id).where(Form.project_id == wish.project)))
    return and_(*wanted)


def _is_of_form(session: Session, wish: Wish) -> ColumnElement[bool]:
    """Say of an envelope whether its form is wanted; one that came before its form was published says so inside."""
    hashes = _hashes(session, Scope(), wish)
    # One value for each envelope, not EXISTS: PostgreSQL would read every revision once to know them all.
    read_as = select(Revision.form_version_hash).where(Revision.envelope_id == Envelope.envelope_id).limit(1)
    is_read = read_as.correlate(Envelope).scalar_subquery().in_(hashes)
    ways = [Envelope.form_version_hash.in_(hashes), and_(Envelope.form_version_hash == NO_HASH, is_read)]
    if wish.form_id is not None:
        ways.append(Envelope.form_named.startswith(f"{wish.form_id} ", autoescape=True))
    elif wish.project is not None:
        ways.append(and_(_IS_UNOPENED, visible_envelopes(Scope(projects=frozenset({wish.project})))))
    return or_(*ways)


def _is_on(day: date) -> ColumnElement[bool]:
    begin = datetime.combine(day, time(), UTC)
    return and_(Envelope.received_at >= begin, Envelope.received_at < begin + timedelta(days=1))


def _numbers_of(session: Session, day: date) -> Conditions:
    """Return between which numbers the interviews of a day are, so that no list walks through other days."""
    ends = select(func.min(_NUMBER), func.max(_NUMBER)).where(_IS_INTERVIEW, _is_on(day))
    row = session.execute(ends).first()
    return (Envelope.sequence < 0,) if row is None or row[0] is None else (Envelope.sequence.between(*row),)


def _of_state(state: str) -> Conditions:
    if state == WAITING:
        return (_IS_INTERVIEW, _IS_UNOPENED, Envelope.state != QUARANTINED)
    if state == QUARANTINE:
        return (_IS_QUARANTINED,)
    if state == MEDIA:
        incomplete = select(Revision.envelope_sequence).join(Wanted, Wanted.instance_id == Revision.instance_id)
        return (Envelope.sequence.in_(incomplete.where(IS_MISSING)),)
    current = select(Revision.envelope_sequence).join(Interview, Interview.current_revision_id == Revision.revision_id)
    if state == CONFLICT:
        return (Envelope.sequence.in_(current.where(_IS_UNSETTLED, _has_conflict())),)
    held = current.where(_IS_UNSETTLED, Interview.holds != "")
    checked = current.where(Revision.revision_id.in_(_HELD_BY_CHECKS), open_check_holds() != "")
    return (Envelope.sequence.in_(union_all(held, checked)),)


def _has_conflict() -> ColumnElement[bool]:
    return Interview.state.not_in(("current", "incomplete-history"))
