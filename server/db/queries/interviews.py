"""SQL of interviews and their revisions: what folding reads and writes, and what people look at."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import and_, bindparam, case, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from server.db.insert import insert_new, upsert
from server.db.queries.checks import is_held, open_check_holds
from server.db.queries.scoped import revision_project, visible_interviews
from server.db.scope import EVERYTHING, Scope
from server.db.tables import (
    Attachment,
    CheckScore,
    Decision,
    DrawnHousehold,
    Form,
    FormVersion,
    Interview,
    InterviewCheck,
    ManifestMedium,
    MicrodataPart,
    Revision,
    RevisionParent,
    WantedMedium,
)

T = TypeVar("T")
CHUNK: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRevision:
    """A revision as it is stored; its parents come from the edges of its instanceID, its project from its form."""

    revision_id: int
    instance_id: bytes
    answers_hash: bytes
    envelope_id: bytes
    envelope_sequence: int
    interview_id: bytes
    form_version_hash: bytes
    mode: str
    role: str
    source: str
    device_time: str
    received_at: datetime
    part_id: int
    row: int
    sealed: bytes
    project: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInterview:
    """An interview as it is stored; its project is that of its form."""

    interview_id: bytes
    form_id: str
    mode: str
    state: str
    current_revision_id: int | None
    household_tag: bytes | None
    holds: str
    sealed: bytes
    review: str
    project: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision:
    """What was decided about the interview that holds an instanceID."""

    envelope_id: bytes
    instance_id: bytes
    sequence: int
    action: str
    sealed: bytes
    decided_by: str
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnPlace:
    """A drawn household, found by its tag: its key, unit, and the enumerators who work in that unit."""

    household_key: str
    psu: str
    enumerators: frozenset[str]


@dataclass(frozen=True, slots=True)
class Draw:
    """The draw: the project that it was made for, None before there is one, and households by their tag."""

    project: int | None
    places: Mapping[bytes, DrawnPlace]

    def place(self, project: int, tag: bytes) -> DrawnPlace | None:
        """Return the drawn household of a tag in a project; in another one the same key means another household."""
        return self.places.get(tag) if project == self.project else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHold:
    """An interview that waits for a person."""

    interview_id: bytes
    form_id: str
    mode: str
    state: str
    holds: str
    source: str
    received_at: datetime
    sealed: bytes


def revisions_of_instances(session: Session, instance_ids: Iterable[bytes]) -> tuple[StoredRevision, ...]:
    """Return the revisions with these instanceIDs."""
    return _revisions(session, Revision.instance_id, instance_ids)


def revisions_by_id(session: Session, revision_ids: Iterable[int]) -> tuple[StoredRevision, ...]:
    """Return revisions by their ids."""
    return _revisions(session, Revision.revision_id, revision_ids)


def all_revisions(session: Session) -> tuple[StoredRevision, ...]:
    """Return every revision."""
    found = session.execute(select(*_REVISION_COLUMNS))
    return tuple(StoredRevision(**row._mapping) for row in found)  # noqa: SLF001 -- a public thing of SQLAlchemy


def _revisions(session: Session, column: Any, values: Iterable[Any]) -> tuple[StoredRevision, ...]:
    found: list[StoredRevision] = []
    for chunk in _chunks(sorted(set(values))):
        rows = session.execute(select(*_REVISION_COLUMNS).where(column.in_(chunk)))
        found += [StoredRevision(**row._mapping) for row in rows]  # noqa: SLF001
    return tuple(found)


_REVISION_COLUMNS: Final = (
    Revision.revision_id,
    Revision.instance_id,
    Revision.answers_hash,
    Revision.envelope_id,
    Revision.envelope_sequence,
    Revision.interview_id,
    Revision.form_version_hash,
    Revision.mode,
    Revision.role,
    Revision.source,
    Revision.device_time,
    Revision.received_at,
    Revision.part_id,
    Revision.row,
    Revision.sealed,
    revision_project().label("project"),
)


def edges_touching(session: Session, nodes: Iterable[bytes]) -> frozenset[tuple[bytes, bytes]]:
    """Return (child, parent) edges of which either end is one of these instanceIDs."""
    found: set[tuple[bytes, bytes]] = set()
    for chunk in _chunks(sorted(set(nodes))):
        query = select(RevisionParent.child, RevisionParent.parent).where(
            or_(RevisionParent.child.in_(chunk), RevisionParent.parent.in_(chunk))
        )
        found.update((child, parent) for child, parent in session.execute(query))
    return frozenset(found)


def connected(session: Session, nodes: Iterable[bytes]) -> tuple[set[bytes], set[tuple[bytes, bytes]]]:
    """Return every instanceID that edges connect with these, in either direction, and the (child, parent) edges."""
    found, edges = set(nodes), set[tuple[bytes, bytes]]()
    frontier = set(found)
    while frontier:
        touching = edges_touching(session, frontier)
        edges |= touching
        frontier = {node for edge in touching for node in edge} - found
        found |= frontier
    return found, edges


def all_edges(session: Session) -> frozenset[tuple[bytes, bytes]]:
    """Return every (child, parent) edge."""
    rows = session.execute(select(RevisionParent.child, RevisionParent.parent))
    return frozenset((child, parent) for child, parent in rows)


def add_edges(session: Session, edges: Iterable[tuple[bytes, bytes]]) -> None:
    """Add (child, parent) edges that are not there yet."""
    rows = [{"child": child, "parent": parent} for child, parent in sorted(set(edges))]
    if rows:
        session.execute(insert_new(session, RevisionParent), rows)


def add_revisions(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add new revisions."""
    if rows:
        session.connection().execute(insert(Revision), [dict(row) for row in rows])


def merge_revision(session: Session, revision_id: int, **members: Any) -> None:
    """Write what another envelope of the same revision makes of it; what was checked was the other envelope."""
    session.execute(delete(InterviewCheck).where(InterviewCheck.revision_id == revision_id))
    session.execute(update(Interview).where(Interview.current_revision_id == revision_id).values(checked_basis=None))
    session.execute(update(Revision).where(Revision.revision_id == revision_id).values(**members))


def name_interviews(session: Session, names: Mapping[int, bytes]) -> None:
    """Write which interview each revision belongs to."""
    if names:
        statement = (
            update(Revision)
            .where(Revision.revision_id == bindparam("of"))
            .values(interview_id=bindparam("its_interview"))
        )
        session.connection().execute(
            statement, [{"of": revision_id, "its_interview": name} for revision_id, name in sorted(names.items())]
        )


def interviews_by_id(session: Session, interview_ids: Iterable[bytes]) -> tuple[StoredInterview, ...]:
    """Return interviews by their ids."""
    return _interviews(session, Interview.interview_id, interview_ids)


def interviews_by_tag(session: Session, tags: Iterable[bytes]) -> tuple[StoredInterview, ...]:
    """Return the interviews under these household tags."""
    return _interviews(session, Interview.household_tag, tags)


def all_interviews(session: Session) -> tuple[StoredInterview, ...]:
    """Return every interview, by id."""
    found = session.execute(select(*_INTERVIEW_COLUMNS).order_by(Interview.interview_id))
    return tuple(StoredInterview(**row._mapping) for row in found)  # noqa: SLF001


_PROJECT: Final = select(Form.project_id).where(Form.form_id == Interview.form_id).correlate(Interview)
_INTERVIEW_COLUMNS: Final = (
    Interview.interview_id,
    Interview.form_id,
    Interview.mode,
    Interview.state,
    Interview.current_revision_id,
    Interview.household_tag,
    Interview.holds,
    Interview.sealed,
    Interview.review,
    _PROJECT.scalar_subquery().label("project"),
)


def _interviews(session: Session, column: Any, values: Iterable[bytes]) -> tuple[StoredInterview, ...]:
    found: list[StoredInterview] = []
    for chunk in _chunks(sorted(set(values))):
        rows = session.execute(select(*_INTERVIEW_COLUMNS).where(column.in_(chunk)))
        found += [StoredInterview(**row._mapping) for row in rows]  # noqa: SLF001
    return tuple(found)


def put_interviews(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write interviews, new or known; what was checked stays checked where its revision and household do."""
    if not rows:
        return
    statement = upsert(session, Interview)
    is_as_checked = and_(
        Interview.current_revision_id == statement.excluded.current_revision_id,
        Interview.household_tag.is_not_distinct_from(statement.excluded.household_tag),
    )
    changed = {name: statement.excluded[name] for name in rows[0] if name != "interview_id"}
    changed["checked_basis"] = case((is_as_checked, Interview.checked_basis), else_=None)
    session.connection().execute(
        statement.on_conflict_do_update(index_elements=["interview_id"], set_=changed), [dict(row) for row in rows]
    )


def remove_interviews(session: Session, interview_ids: Iterable[bytes]) -> None:
    """Remove interviews that became part of another."""
    for chunk in _chunks(sorted(set(interview_ids))):
        session.execute(delete(Interview).where(Interview.interview_id.in_(chunk)))


def form_ids(session: Session, hashes: Iterable[bytes]) -> Mapping[bytes, str]:
    """Return the form id of each form version."""
    query = select(FormVersion.hash, FormVersion.form_id).where(FormVersion.hash.in_(sorted(set(hashes))))
    return {digest: form_id for digest, form_id in session.execute(query)}


def drawn_places(session: Session, tags: Iterable[bytes]) -> Draw:
    """Return the draw, as far as it is of households with these tags."""
    rows: list[Any] = []
    for chunk in _chunks(sorted(set(tags))):
        query = select(DrawnHousehold.tag, DrawnHousehold.household_key, DrawnHousehold.psu)
        rows += session.execute(query.where(DrawnHousehold.tag.in_(chunk))).all()
    teams: dict[str, set[str]] = {}
    for chunk in _chunks(sorted({row.psu for row in rows})):
        pairs = select(DrawnHousehold.psu, DrawnHousehold.enumerator).where(DrawnHousehold.psu.in_(chunk)).distinct()
        for psu, enumerator in session.execute(pairs):
            teams.setdefault(psu, set()).add(enumerator)
    project = session.scalars(select(DrawnHousehold.project_id).limit(1)).first()
    places = {
        row.tag: DrawnPlace(household_key=row.household_key, psu=row.psu, enumerators=frozenset(teams[row.psu]))
        for row in rows
    }
    return Draw(project, places)


def add_decision(session: Session, **members: Any) -> None:
    """Add the projection of a decision, once."""
    session.execute(insert_new(session, Decision), [members])


def decisions_about(session: Session, instance_ids: Iterable[bytes]) -> tuple[StoredDecision, ...]:
    """Return decisions about these instanceIDs, the earliest of the office's chain first."""
    found: list[StoredDecision] = []
    for chunk in _chunks(sorted(set(instance_ids))):
        rows = session.execute(select(*_DECISION_COLUMNS).where(Decision.instance_id.in_(chunk)))
        found += [StoredDecision(**row._mapping) for row in rows]  # noqa: SLF001
    return tuple(sorted(found, key=lambda item: (item.sequence, item.envelope_id)))


def decision(session: Session, envelope_id: bytes) -> StoredDecision | None:
    """Return a decision by its envelope id."""
    row = session.execute(select(*_DECISION_COLUMNS).where(Decision.envelope_id == envelope_id)).mappings().first()
    return None if row is None else StoredDecision(**row)


_DECISION_COLUMNS: Final = (
    Decision.envelope_id,
    Decision.instance_id,
    Decision.sequence,
    Decision.action,
    Decision.sealed,
    Decision.decided_by,
    Decision.decided_at,
)


def open_holds(session: Session, *, mode: str | None = None, scope: Scope = EVERYTHING) -> tuple[OpenHold, ...]:
    """Return interviews of a scope that wait for a person, the oldest first."""
    query = (
        select(
            Interview.interview_id,
            Interview.form_id,
            Interview.mode,
            Interview.state,
            Interview.holds,
            open_check_holds().label("check_holds"),
            Revision.source,
            Revision.received_at,
            Interview.sealed,
        )
        .join(Revision, Revision.revision_id == Interview.current_revision_id)
        .where(is_held(), visible_interviews(scope))
        .order_by(Revision.received_at, Interview.interview_id)
    )
    if mode is not None:
        query = query.where(Interview.mode == mode)
    return tuple(_open_hold(dict(row)) for row in session.execute(query).mappings())


def _open_hold(row: dict[str, Any]) -> OpenHold:
    """Name the holds of the fold and those of checking together."""
    found = row.pop("check_holds")
    return OpenHold(**row | {"holds": ",".join(code for code in (row["holds"], found) if code)})


def count_interviews(session: Session) -> int:
    """Return how many interviews there are."""
    return session.execute(select(func.count()).select_from(Interview)).scalar_one()


def drop_projections(session: Session) -> None:
    """Delete everything that the fold can make again.

    What devices have been told stays, verdicts and what was handed to them: the fold writes what differs.
    """
    projections = (CheckScore, InterviewCheck, Interview, Revision, RevisionParent, Decision, MicrodataPart)
    for table in (*projections, Attachment, ManifestMedium, WantedMedium):
        session.execute(delete(table))


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
