"""SQL of checking: which interviews wait for it, what it needs beside their envelopes, and what it found."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from server.db.insert import upsert
from server.db.queries.scoped import visible_interviews, works_for
from server.db.scope import EVERYTHING, Scope
from server.db.tables import (
    CheckScore,
    Decision,
    Device,
    Document,
    DrawnHousehold,
    FramePsu,
    Interview,
    InterviewCheck,
    Revision,
)

T = TypeVar("T")
CHUNK: Final = 400
DECIDED: Final = "settle-hold"
INTERVIEW: Final = "interview"
ENUMERATOR: Final = "enumerator"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentRevision:
    """A current revision and what of it a check rests on."""

    revision_id: int
    interview_id: bytes
    instance_id: bytes
    answers_hash: bytes
    envelope_id: bytes
    envelope_sequence: int
    form_version_hash: bytes
    form_id: str
    mode: str
    received_at: datetime
    household_tag: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """The check of one revision as it is stored."""

    revision_id: int
    checked_at: datetime
    form_version_hash: bytes
    checker_version: int
    basis: bytes
    household_tag: bytes | None
    findings: int
    holds: str
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedInterview:
    """An interview with the check of its current revision."""

    interview_id: bytes
    instance_id: bytes
    answers_hash: bytes
    form_id: str
    mode: str
    received_at: datetime
    household_tag: bytes | None
    interview_sealed: bytes
    holds: str
    check_holds: str
    checked_at: datetime
    findings: int
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedHousehold:
    """What the listing and the draw say of a household; `sealed` holds its position and size."""

    tag: bytes
    household_key: str
    psu: str
    listing_class: int
    area: str | None
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """What comparing interviews found of one of them or of one enumerator."""

    scope: str
    subject: str
    computed_at: datetime
    findings: int
    sealed: bytes


_CURRENT: Final = (
    Revision.revision_id,
    Interview.interview_id,
    Revision.instance_id,
    Revision.answers_hash,
    Revision.envelope_id,
    Revision.envelope_sequence,
    Revision.form_version_hash,
    Interview.form_id,
    Interview.mode,
    Revision.received_at,
    Interview.household_tag,
)


def forget(session: Session, instance_ids: Iterable[bytes]) -> None:
    """Let the revisions of these instances be checked again."""
    for chunk in _chunks(sorted(set(instance_ids))):
        revisions = select(Revision.revision_id).where(Revision.instance_id.in_(chunk))
        session.execute(delete(InterviewCheck).where(InterviewCheck.revision_id.in_(revisions)))
        session.execute(
            update(Interview).where(Interview.current_revision_id.in_(revisions)).values(checked_basis=None)
        )


_CHECKED: Final = (
    update(Interview)
    .where(Interview.current_revision_id == bindparam("checked"))
    .values(checked_basis=bindparam("on_basis"))
)


def pending_ids(session: Session, basis: bytes, *, limit: int) -> tuple[int, ...]:
    """Return current revisions that have no check on this basis, in the order in which their envelopes came."""
    query = _pending(select(Revision.revision_id), basis).order_by(Revision.envelope_sequence).limit(limit)
    return tuple(session.scalars(query))


def count_pending(session: Session, basis: bytes, scope: Scope = EVERYTHING) -> int:
    """Count current revisions of a scope that have no check on this basis."""
    return int(session.scalar(_pending(select(func.count()), basis).where(visible_interviews(scope))) or 0)


def _pending(query: Select[tuple[int]], basis: bytes) -> Select[tuple[int]]:
    """Add which interviews wait; ranges, for an index finds nothing by what a column is not."""
    of = Interview.checked_basis
    query = query.select_from(Interview).join(Revision, Revision.revision_id == Interview.current_revision_id)
    return query.where(or_(of.is_(None), of < basis, of > basis))


def current_revisions(session: Session, revision_ids: Iterable[int]) -> tuple[CurrentRevision, ...]:
    """Return which of these revisions are the current ones of their interviews, by id."""
    found: list[CurrentRevision] = []
    for chunk in _chunks(sorted(set(revision_ids))):
        query = select(*_CURRENT).join(Interview, Interview.current_revision_id == Revision.revision_id)
        rows = session.execute(query.where(Revision.revision_id.in_(chunk)).order_by(Revision.revision_id))
        found += [CurrentRevision(**row._mapping) for row in rows]  # noqa: SLF001 -- SQLAlchemy's name for a public thing
    return tuple(found)


def put_checks(session: Session, rows: Sequence[CheckRow]) -> None:
    """Write checks in place of those before."""
    if not rows:
        return
    statement = upsert(session, InterviewCheck)
    members = [asdict(row) for row in rows]
    changed = {name: statement.excluded[name] for name in members[0] if name != "revision_id"}
    session.connection().execute(statement.on_conflict_do_update(index_elements=["revision_id"], set_=changed), members)
    session.connection().execute(_CHECKED, [{"checked": row.revision_id, "on_basis": row.basis} for row in rows])


def stored_checks(session: Session) -> Mapping[int, CheckRow]:
    """Return the check of each current revision that has one, by revision id."""
    columns = [getattr(InterviewCheck, name) for name in CheckRow.__dataclass_fields__]
    query = select(*columns).join(Interview, Interview.current_revision_id == InterviewCheck.revision_id)
    return {row["revision_id"]: CheckRow(**row) for row in session.execute(query).mappings()}


def checked_interviews(
    session: Session, interview_id: bytes | None = None, scope: Scope = EVERYTHING
) -> tuple[CheckedInterview, ...]:
    """Return interviews of a scope with the check of their current revision; one of them where an id is given."""
    query = (
        select(
            Interview.interview_id,
            Revision.instance_id,
            Revision.answers_hash,
            Interview.form_id,
            Interview.mode,
            Revision.received_at,
            Interview.household_tag,
            Interview.sealed.label("interview_sealed"),
            Interview.holds,
            open_check_holds().label("check_holds"),
            InterviewCheck.checked_at,
            InterviewCheck.findings,
            InterviewCheck.sealed,
        )
        .join(Revision, Revision.revision_id == Interview.current_revision_id)
        .join(InterviewCheck, InterviewCheck.revision_id == Revision.revision_id)
        .where(visible_interviews(scope))
        .order_by(Interview.interview_id)
    )
    if interview_id is not None:
        query = query.where(Interview.interview_id == interview_id)
    return tuple(CheckedInterview(**row) for row in session.execute(query).mappings())


def open_check_holds() -> ColumnElement[str]:
    """Return the codes of holds that checking found and nobody has settled, empty where there are none.

    As with the holds of the fold, whatever a person has decided about the interview settles them.
    """
    # Each level names what it correlates with: left to itself, a subquery would look at all interviews at once.
    member = select(Revision.instance_id).where(Revision.interview_id == Interview.interview_id).correlate(Interview)
    decisions = (
        select(Decision.envelope_id)
        .where(
            Decision.action == DECIDED,
            or_(Decision.instance_id == Interview.interview_id, Decision.instance_id.in_(member)),
        )
        .correlate(Interview)
    )
    codes = (
        select(InterviewCheck.holds)
        .where(
            InterviewCheck.revision_id == Interview.current_revision_id, InterviewCheck.holds != "", ~decisions.exists()
        )
        .correlate(Interview)
        .scalar_subquery()
    )
    return func.coalesce(codes, "")


def is_held() -> ColumnElement[bool]:
    """Say of an interview whether it waits for a person, whoever found out: the fold or a check."""
    return or_(Interview.holds != "", open_check_holds() != "")


def put_scores(session: Session, rows: Sequence[ScoreRow]) -> None:
    """Write all scores in place of those before."""
    session.execute(delete(CheckScore))
    if rows:
        session.execute(insert(CheckScore), [asdict(row) for row in rows])


def scores(session: Session, scope: str | None = None) -> tuple[ScoreRow, ...]:
    """Return scores, of one scope or all."""
    columns = [getattr(CheckScore, name) for name in ScoreRow.__dataclass_fields__]
    query = select(*columns).order_by(CheckScore.scope, CheckScore.subject)
    if scope is not None:
        query = query.where(CheckScore.scope == scope)
    return tuple(ScoreRow(**row) for row in session.execute(query).mappings())


def scored_enumerators(session: Session, scope: Scope) -> frozenset[str]:
    """Return the enumerators with scores whom somebody of this scope sees."""
    query = select(CheckScore.subject).where(CheckScore.scope == ENUMERATOR)
    return frozenset(
        session.scalars(query if scope == EVERYTHING else query.where(works_for(CheckScore.subject, scope)))
    )


def listed_households(session: Session, tags: Iterable[bytes]) -> Mapping[bytes, ListedHousehold]:
    """Return the drawn households with these tags, by tag."""
    found: dict[bytes, ListedHousehold] = {}
    for chunk in _chunks(sorted(set(tags))):
        query = select(
            DrawnHousehold.tag,
            DrawnHousehold.household_key,
            DrawnHousehold.psu,
            DrawnHousehold.listing_class,
            FramePsu.area,
            DrawnHousehold.sealed,
        ).outerjoin(FramePsu, FramePsu.psu == DrawnHousehold.psu)
        rows = session.execute(query.where(DrawnHousehold.tag.in_(chunk))).mappings()
        found |= {row["tag"]: ListedHousehold(**row) for row in rows}
    return found


def drawn_psus(session: Session) -> Mapping[bytes, str]:
    """Return the unit of each drawn household by its tag."""
    return {tag: psu for tag, psu in session.execute(select(DrawnHousehold.tag, DrawnHousehold.psu))}


def teams(session: Session) -> Mapping[str, str]:
    """Return the team of each enumerator with a tablet; of several tablets, the one enrolled last says."""
    query = select(Device.enumerator, Device.team).order_by(Device.enrolled_at, Device.device_id)
    return {enumerator: team for enumerator, team in session.execute(query)}


def documents_in_force(session: Session, kinds: Iterable[str]) -> tuple[tuple[str, bytes], ...]:
    """Return kind and hash of the imported file in force of each kind, by kind."""
    query = select(Document.kind, Document.hash).where(Document.kind.in_(sorted(kinds)))
    rows = session.execute(query.order_by(Document.imported_at, Document.hash))  # of each kind the last one stays
    return tuple(sorted({row.kind: row.hash for row in rows}.items()))


def first_imported_at(session: Session, kind: str) -> datetime | None:
    """Return when the first file of a kind was imported, None when none was."""
    return session.scalars(select(func.min(Document.imported_at)).where(Document.kind == kind)).first()


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
