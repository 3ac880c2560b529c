"""SQL of erasures: what is erased for ever, what belongs to it, and how its rows and bytes go.

What is named by a decision, and what descends from it, is kept as ids in `erasure`: late copies are known by it. An
envelope that was refused for its parent alone is a tombstone under its instanceID, so that what descends from it is
known too, and other answers under that instanceID are nobody's to erase by naming a parent.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from server.db.insert import insert_new
from server.db.prepared import Prepared
from server.db.queries import uploads
from server.db.queries.scoped import visible_envelopes, visible_interviews
from server.db.scope import Scope
from server.db.tables import (
    Attachment,
    CheckScore,
    Decision,
    Device,
    EntityChange,
    Envelope,
    Erasure,
    Form,
    FormVersion,
    Interview,
    InterviewCheck,
    ManifestMedium,
    MicrodataPart,
    ReturnedInterview,
    Revision,
    RevisionParent,
    SealedDraft,
    Verdict,
    WantedMedium,
)
from server.db.tables.envelopes import ERASED, IS_DRAFT, IS_UNOPENED, OPENED
from sync_protocol.constants import Kind

T = TypeVar("T")
CHUNK: Final = 400
ERASE: Final = "erase"
LATE: Final = "late"
"""Reason of a tombstone that came, or was emptied, for its parent alone: what descends from it is to be looked for."""
OF_INTERVIEWS: Final = (int(Kind.INTERVIEW), int(Kind.DRAFT), int(Kind.ATTACHMENT))
_erasure = Erasure.__table__.c
# Made once, of columns and not of mapped attributes: they run where submissions arrive.
_ANY: Final = Prepared(select(literal_column("1")).select_from(Erasure.__table__).limit(literal_column("1")))
_NAMED: Final = select(_erasure.instance_id).where(_erasure.instance_id.in_(bindparam("of", expanding=True)))
# Of tombstones, those under whose instanceID nothing lives: a row of the index of what is not opened, and no revision.
_TOMBSTONES: Final = text(
    "SELECT e.instance_id FROM envelope e WHERE e.state != 'opened' AND e.state = 'erased' AND e.instance_id IN :of"
    " AND NOT EXISTS (SELECT 1 FROM revision r WHERE r.instance_id = e.instance_id)"
    " AND NOT EXISTS (SELECT 1 FROM envelope l WHERE l.state != 'opened' AND l.state != 'erased' AND l.kind = 2"
    " AND l.instance_id = e.instance_id)"
).bindparams(bindparam("of", expanding=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewErasure:
    """An instance that is erased: by which decision, of which interview and project."""

    instance_id: bytes
    interview_id: bytes
    project_id: int
    decision_id: bytes
    erased_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRows:
    """A microdata part, and the rows of it that revisions name."""

    part_id: int
    form_version_hash: bytes
    rows: int
    analysis_path: str
    identifiers_path: str
    named: frozenset[int]


@dataclass(frozen=True, slots=True)
class Gone:
    """What left the database.

    Attributes:
        entities: list and entity id of those that they changed.
        tags: household tags that they had.
        neighbours: instanceIDs that are connected with them and stay.
        blobs: sealed media that nothing names any more.
    """

    entities: frozenset[tuple[int, bytes]]
    tags: frozenset[bytes]
    neighbours: frozenset[bytes]
    blobs: frozenset[bytes]


def has_any(session: Session | Connection) -> bool:
    """Say whether anything was ever erased: one look at the first row."""
    return _ANY.first(session) is not None


def known(session: Session | Connection, instance_ids: Collection[bytes]) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Return which of these are erased under their own id, and which as a parent (the former among them)."""
    erased: set[bytes] = set()
    as_parent: set[bytes] = set()
    for chunk in _chunks(sorted(set(instance_ids))):
        erased.update(row[0] for row in session.execute(_NAMED, {"of": chunk}))
        as_parent.update(row[0] for row in session.execute(_TOMBSTONES, {"of": chunk}))
    return frozenset(erased), frozenset(erased | as_parent)


def is_any_known(connection: Connection, instance_id: bytes, parents: Sequence[bytes]) -> bool:
    """Say whether a submission is erased, or edits what is; one statement for what edits nothing."""
    if connection.execute(_NAMED, {"of": [instance_id, *parents]}).first() is not None:
        return True
    return bool(parents) and connection.execute(_TOMBSTONES, {"of": list(parents)}).first() is not None


def late_tombstones(session: Session) -> tuple[bytes, ...]:
    """Return the instances that fell by a parent alone, and whose descendants nobody has looked for yet."""
    query = select(Envelope.instance_id).where(text("state != 'opened'"), Envelope.state == ERASED)
    found = session.scalars(query.where(Envelope.reason == LATE).distinct())
    return tuple(sorted(one for one in found if one is not None))


def settle_tombstones(session: Session, instance_ids: Iterable[bytes]) -> frozenset[bytes]:
    """Mark that descendants of these were looked for; return those under whose instanceID nothing lives."""
    found: set[bytes] = set()
    for chunk in _chunks(sorted(set(instance_ids))):
        found.update(row[0] for row in session.execute(_TOMBSTONES, {"of": chunk}))
        session.execute(
            update(Envelope)
            .where(text("state != 'opened'"), Envelope.state == ERASED, Envelope.instance_id.in_(chunk))
            .values(reason=None)
        )
    return frozenset(found)


def decisions_of(session: Session, instance_ids: Iterable[bytes]) -> dict[bytes, NewErasure]:
    """Return the erasures of these instances."""
    found: dict[bytes, NewErasure] = {}
    columns = [getattr(Erasure, name) for name in NewErasure.__dataclass_fields__]
    for chunk in _chunks(sorted(set(instance_ids))):
        rows = session.execute(select(*columns).where(Erasure.instance_id.in_(chunk)))
        found |= {row.instance_id: NewErasure(**row._mapping) for row in rows}  # noqa: SLF001 -- a public thing
    return found


def add(session: Session, erasures: Sequence[NewErasure], *, feed_position: int) -> None:
    """Keep for ever that instances are erased; one that is known keeps its place in the feed."""
    rows = [asdict(one) | {"feed_position": feed_position} for one in erasures]
    if rows:
        session.connection().execute(insert_new(session, Erasure), rows)


def children_of(session: Session, instance_ids: Iterable[bytes]) -> frozenset[tuple[bytes, bytes]]:
    """Return the (child, parent) edges that lead to these parents."""
    found: set[tuple[bytes, bytes]] = set()
    for chunk in _chunks(sorted(set(instance_ids))):
        query = select(RevisionParent.child, RevisionParent.parent).where(RevisionParent.parent.in_(chunk))
        found.update((child, parent) for child, parent in session.execute(query))
    return frozenset(found)


def loose_bodies(session: Session) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield number, instanceID and body of what stands in no graph: drafts, and interviews that are not opened."""
    query = select(Envelope.sequence, Envelope.instance_id, Envelope.body).where(Envelope.state != ERASED)
    unopened = (Envelope.kind == int(Kind.INTERVIEW), IS_UNOPENED)
    for conditions in ((IS_DRAFT,), unopened):  # one after the other: each by its own index
        for row in session.execute(query.where(*conditions).execution_options(yield_per=500)):
            if row.instance_id is not None:
                yield row.sequence, row.instance_id, row.body


def project_of(session: Session, instance_id: bytes, fallback: int) -> int:
    """Return the project of the form that an instance answers, else of the device that brought it."""
    for condition in _are_of([instance_id]):
        of_form = select(Form.project_id).join(FormVersion, FormVersion.form_id == Form.form_id)
        of_form = of_form.where(FormVersion.hash.in_(select(Envelope.form_version_hash).where(condition)))
        of_device = select(Device.project_id).where(Device.device_id.in_(select(Envelope.carrier).where(condition)))
        for query in (of_form, of_device):
            project = session.scalars(query.limit(1)).first()
            if project is not None:
                return project
    return fallback


def sees_all(session: Session, scope: Scope, instance_ids: Collection[bytes]) -> bool:
    """Say whether an account sees everything that came under these instances: each interview, and each envelope."""
    hidden = select(Interview.interview_id).where(not_(visible_interviews(scope)))
    for chunk in _chunks(sorted(instance_ids)):
        named = select(Revision.interview_id).where(Revision.instance_id.in_(chunk))
        if session.execute(hidden.where(Interview.interview_id.in_(named)).limit(1)).first() is not None:
            return False
    # An interview is the team's that began it, whoever edits it; an envelope of another project is never one's own.
    is_hidden = not_(func.coalesce(visible_envelopes(Scope(projects=scope.projects)), false()))
    return all(
        session.execute(
            select(Envelope.sequence).where(condition, Envelope.state != ERASED, is_hidden).limit(1)
        ).first()
        is None
        for condition in _are_of(sorted(instance_ids))
    )


def parts_with(session: Session, instance_ids: Iterable[bytes]) -> tuple[int, ...]:
    """Return the microdata parts that may hold a row of these instances; to be asked while their revisions are there.

    A revision that came in several copies has a row in the part of each, and names one of them: so every part of its
    form version in which some row has no name is among them.
    """
    part_ids: set[int] = set()
    versions: set[bytes] = set()
    for chunk in _chunks(sorted(set(instance_ids))):
        rows = session.execute(
            select(Revision.part_id, Revision.form_version_hash).where(Revision.instance_id.in_(chunk))
        )
        for part_id, version in rows:
            part_ids.add(part_id)
            versions.add(version)
    named = select(Revision.part_id, func.count().label("named")).group_by(Revision.part_id).subquery()
    copies = (
        select(MicrodataPart.part_id)
        .outerjoin(named, named.c.part_id == MicrodataPart.part_id)
        .where(MicrodataPart.form_version_hash.in_(sorted(versions)))
        .where(func.coalesce(named.c.named, 0) < MicrodataPart.rows)
    )
    return tuple(sorted(part_ids.union(session.scalars(copies))))


def part_rows(session: Session, part_id: int) -> PartRows:
    """Return a part, and the rows of it that revisions name now."""
    columns = [getattr(MicrodataPart, name) for name in PartRows.__dataclass_fields__ if name != "named"]
    part = session.execute(select(*columns).where(MicrodataPart.part_id == part_id)).one()
    named = frozenset(session.scalars(select(Revision.row).where(Revision.part_id == part_id)))
    return PartRows(named=named, **part._mapping)  # noqa: SLF001 -- a public thing of SQLAlchemy


def set_part(session: Session, part_id: int, **members: Any) -> None:
    """Name the files that a part was written to anew."""
    session.execute(update(MicrodataPart).where(MicrodataPart.part_id == part_id).values(**members))


def unfolded(session: Session, instance_ids: Iterable[bytes]) -> tuple[int, ...]:
    """Return the numbers of their envelopes whose media stand in no table: drafts, and what is not opened."""
    is_it = or_(Envelope.kind == int(Kind.DRAFT), Envelope.state.not_in((OPENED, ERASED)))
    query = select(Envelope.sequence).where(is_it, Envelope.kind != int(Kind.ATTACHMENT), Envelope.state != ERASED)
    conditions = _are_of(sorted(set(instance_ids)))
    return tuple(number for one in conditions for number in session.scalars(query.where(one)))


def remove_projections(session: Session, instance_ids: Iterable[bytes], *, media: Collection[bytes] = ()) -> Gone:
    """Delete all that was made of these instances; their microdata rows are the caller's.

    Args:
        session: of the fold, which holds its lock.
        instance_ids: (16,) each.
        media: hashes of what their unfolded envelopes name beside.
    """
    found = sorted(set(instance_ids))
    entities, tags, neighbours, sent, brought = _footprint(session, found)
    sent |= set(media)
    for chunk in _chunks(found):
        revisions = select(Revision.revision_id).where(Revision.instance_id.in_(chunk))
        session.execute(delete(InterviewCheck).where(InterviewCheck.revision_id.in_(revisions)))
        session.execute(
            delete(Interview).where(
                or_(Interview.current_revision_id.in_(revisions), Interview.interview_id.in_(chunk))
            )
        )
        session.execute(delete(Revision).where(Revision.instance_id.in_(chunk)))
        edge = or_(RevisionParent.child.in_(chunk), RevisionParent.parent.in_(chunk))
        session.execute(delete(RevisionParent).where(edge))
        session.execute(delete(Decision).where(Decision.instance_id.in_(chunk), Decision.action != ERASE))
        subjects = [one.hex() for one in chunk]
        session.execute(delete(CheckScore).where(CheckScore.scope == "interview", CheckScore.subject.in_(subjects)))
        returned = or_(ReturnedInterview.instance_id.in_(chunk), ReturnedInterview.interview_id.in_(chunk))
        session.execute(delete(ReturnedInterview).where(returned))
        for table in (Verdict, Attachment, ManifestMedium, WantedMedium, SealedDraft, EntityChange):
            session.execute(delete(table).where(table.instance_id.in_(chunk)))
    brought |= empty(session, _are_of(found))
    gone = _unnamed(session, sent)
    uploads.drop(session, gone)
    return Gone(entities, tags, neighbours, gone | _unnamed(session, brought))


def _footprint(
    session: Session, found: Sequence[bytes]
) -> tuple[frozenset[tuple[int, bytes]], frozenset[bytes], frozenset[bytes], set[bytes], set[bytes]]:
    """Return entities, tags, neighbours, and hashes of media: of those that manifests name, and of those that came."""
    entities: set[tuple[int, bytes]] = set()
    tags: set[bytes] = set()
    neighbours: set[bytes] = set()
    media: dict[type[Attachment] | type[ManifestMedium], set[bytes]] = {ManifestMedium: set(), Attachment: set()}
    for chunk in _chunks(found):
        changes = select(EntityChange.list_id, EntityChange.entity_id).where(EntityChange.instance_id.in_(chunk))
        entities.update((list_id, entity_id) for list_id, entity_id in session.execute(changes))
        interviews = select(Revision.interview_id).where(Revision.instance_id.in_(chunk))
        tagged = select(Interview.household_tag).where(Interview.interview_id.in_(interviews))
        tags.update(tag for tag in session.scalars(tagged) if tag is not None)
        edges = select(RevisionParent.child, RevisionParent.parent).where(
            or_(RevisionParent.child.in_(chunk), RevisionParent.parent.in_(chunk))
        )
        neighbours.update(node for edge in session.execute(edges) for node in edge)
        siblings = select(Revision.instance_id).where(Revision.interview_id.in_(interviews))
        neighbours.update(session.scalars(siblings))
        for table, digests in media.items():
            digests.update(session.scalars(select(table.blob_sha256).where(table.instance_id.in_(chunk))))
    others = frozenset(neighbours.difference(found))
    return frozenset(entities), frozenset(tags), others, media[ManifestMedium], media[Attachment]


def _are_of(instance_ids: Sequence[bytes]) -> list[ColumnElement[bool]]:
    """Say of an Envelope whether it is of these instances, in words that the two indexes of instances know."""
    return [
        and_(text(f"state {sign} 'opened'"), Envelope.instance_id.in_(chunk), Envelope.kind.in_(OF_INTERVIEWS))
        for chunk in _chunks(instance_ids)
        for sign in ("=", "!=")
    ]


def empty(session: Session, conditions: Iterable[ColumnElement[bool]], *, reason: str | None = None) -> set[bytes]:
    """Take the bytes of envelopes and leave their tombstones; return the blobs that they named."""
    media: set[bytes] = set()
    for condition in conditions:
        blobs = select(Envelope.blob_sha256).where(condition, Envelope.blob_sha256.is_not(None))
        media.update(digest for digest in session.scalars(blobs) if digest is not None)
        session.execute(
            update(Envelope)
            .where(condition)
            .values(state=ERASED, body=b"", reason=reason, blob_sha256=None, door_tag=None)
        )
    return media


def empty_by_sequence(session: Session, sequences: Iterable[int]) -> frozenset[bytes]:
    """Take the bytes of envelopes by their numbers, drafts among them; return the blobs that nothing names any more."""
    numbers = sorted(set(sequences))
    for chunk in _chunks(numbers):
        session.execute(delete(SealedDraft).where(SealedDraft.envelope_sequence.in_(chunk)))
        names = select(Envelope.envelope_id).where(Envelope.sequence.in_(chunk))
        session.execute(delete(Verdict).where(Verdict.envelope_id.in_(names)))
    chunks = [Envelope.sequence.in_(chunk) for chunk in _chunks(numbers)]
    return _unnamed(session, empty(session, chunks, reason=LATE))


def empty_decisions(session: Session, envelope_ids: Iterable[bytes]) -> None:
    """Take the bytes of decisions about what is erased: their notes and household keys are of its people too."""
    for chunk in _chunks(sorted(set(envelope_ids))):
        session.execute(delete(Decision).where(Decision.envelope_id.in_(chunk)))
        empty(session, [Envelope.envelope_id.in_(chunk)])


def decisions_about(session: Session, instance_ids: Iterable[bytes]) -> frozenset[bytes]:
    """Return the envelopes of decisions about these instances, but erasures."""
    found: set[bytes] = set()
    for chunk in _chunks(sorted(set(instance_ids))):
        query = select(Decision.envelope_id).where(Decision.instance_id.in_(chunk), Decision.action != ERASE)
        found.update(session.scalars(query))
    return frozenset(found)


def _unnamed(session: Session, digests: set[bytes]) -> frozenset[bytes]:
    """Return which blobs nothing that lives names any more."""
    found: set[bytes] = set()
    for chunk in _chunks(sorted(digests)):
        named = set(session.scalars(select(Envelope.blob_sha256).where(Envelope.blob_sha256.in_(chunk))))
        for table in (Attachment, ManifestMedium):
            named |= set(session.scalars(select(table.blob_sha256).where(table.blob_sha256.in_(chunk))))
        found |= set(chunk) - named
    return frozenset(found)


def living(session: Session) -> tuple[int, ...]:
    """Return the numbers of envelopes that are erased and still have their bytes: none, unless something is wrong."""
    erased = session.scalars(select(Erasure.instance_id)).all()
    found = [
        sequence
        for condition in _are_of(erased)
        for sequence in session.scalars(select(Envelope.sequence).where(condition, Envelope.state != ERASED))
    ]
    return tuple(sorted(found))


def latest(
    session: Session, *, limit: int | None = 100, project_ids: frozenset[int] | None = None
) -> tuple[NewErasure, ...]:
    """Return the last erasures, newest first; None for all of them."""
    columns = [getattr(Erasure, name) for name in NewErasure.__dataclass_fields__]
    query = select(*columns).order_by(Erasure.feed_position.desc(), Erasure.instance_id).limit(limit)
    if project_ids is not None:
        query = query.where(Erasure.project_id.in_(sorted(project_ids)))
    return tuple(NewErasure(**row._mapping) for row in session.execute(query))  # noqa: SLF001


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
