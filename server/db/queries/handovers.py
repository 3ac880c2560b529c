"""SQL of what the office hands to devices: interviews given back, and drafts of devices that are in use no more."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, TypeVar

from sqlalchemy import case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from server.db.insert import upsert
from server.db.queries.pull import DRAFT, RETURNED, Place
from server.db.tables import AppUser, Device, Envelope, Erasure, ReturnedInterview, Revision, SealedDraft
from server.db.tables.envelopes import IS_UNOPENED
from sync_protocol.constants import Kind

T = TypeVar("T")
CHUNK: Final = 400
OPEN: Final = "returned"
SETTLED: Final = "settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """A revision that the office gave back; see `server.db.tables.sync`."""

    instance_id: bytes
    interview_id: bytes
    form_version_hash: bytes
    project_id: int
    enumerator: str
    state: str
    decision_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDraft:
    """The newest draft of an instance that one device sent; see `server.db.tables.sync`."""

    instance_id: bytes
    device_id: str
    envelope_id: bytes
    envelope_sequence: int
    device_sequence: int
    form_version_hash: bytes
    project_id: int
    enumerator: str


_GIVEN: Final = tuple(getattr(ReturnedInterview, name) for name in GivenBack.__dataclass_fields__)
_DRAFT: Final = tuple(getattr(SealedDraft, name) for name in StoredDraft.__dataclass_fields__)


def given_back(session: Session, instance_ids: Iterable[bytes]) -> Mapping[bytes, GivenBack]:
    """Return which of these instances were ever given back."""
    found: dict[bytes, GivenBack] = {}
    for chunk in _chunks(sorted(set(instance_ids))):
        rows = session.execute(select(*_GIVEN).where(ReturnedInterview.instance_id.in_(chunk)))
        found |= {row.instance_id: GivenBack(**row._mapping) for row in rows}  # noqa: SLF001 -- a public thing of it
    return found


def all_given_back(session: Session) -> tuple[GivenBack, ...]:
    """Return everything that was ever given back, by instanceID."""
    rows = session.execute(select(*_GIVEN).order_by(ReturnedInterview.instance_id))
    return tuple(GivenBack(**row._mapping) for row in rows)  # noqa: SLF001


def put_given_back(session: Session, rows: Sequence[GivenBack], *, position: int) -> None:
    """Write what is given back, or no longer, at a position of the feed."""
    if rows:
        statement = upsert(session, ReturnedInterview)
        names = (*(name for name in GivenBack.__dataclass_fields__ if name != "instance_id"), "feed_position")
        changed = {name: statement.excluded[name] for name in names}
        session.connection().execute(
            statement.on_conflict_do_update(index_elements=["instance_id"], set_=changed),
            [asdict(row) | {"feed_position": position} for row in rows],
        )


def returned_since(
    session: Session, *, project_id: int, enumerator: str, after: Place, limit: int
) -> Sequence[tuple[Place, GivenBack]]:
    """Return what was given back to an enumerator of a project, or settled, after a place, in order."""
    position, key = ReturnedInterview.feed_position, ReturnedInterview.instance_id
    later = position > after.position
    if after.kind < RETURNED:
        later = position >= after.position
    elif after.kind == RETURNED:
        later = or_(later, (position == after.position) & (key > after.key))
    query = (
        select(position.label("at"), *_GIVEN)
        .where(ReturnedInterview.project_id == project_id, ReturnedInterview.enumerator == enumerator, later)
        .order_by(position, key)
        .limit(limit)
    )
    found = []
    for row in session.execute(query).mappings():
        members = dict(row)
        place = Place(members.pop("at"), RETURNED, members["instance_id"])
        found.append((place, GivenBack(**members)))
    return found


def sender_enumerators(session: Session, sources: Iterable[str]) -> Mapping[str, str]:
    """Return the enumerator's code of each device id or name of an app user; those that have one."""
    wanted = sorted(set(sources))
    if not wanted:
        return {}
    app_users = select(AppUser.name, AppUser.enumerator).where(AppUser.name.in_(wanted))
    tablets = select(Device.device_id, Device.enumerator).where(Device.device_id.in_(wanted))
    found = [(name, code) for query in (app_users, tablets) for name, code in session.execute(query)]
    return {name: code for name, code in found if code}


def count_tablets(session: Session, *, project_id: int, enumerator: str) -> int:
    """Return how many enrolled tablets of a project an enumerator has in use."""
    query = select(func.count()).select_from(Device)
    is_in_use = (Device.project_id == project_id, Device.enumerator == enumerator, Device.revoked_at.is_(None))
    return session.execute(query.where(*is_in_use)).scalar_one() if enumerator else 0


def drafts_of(session: Session, instance_ids: Iterable[bytes]) -> Mapping[tuple[bytes, str], StoredDraft]:
    """Return the drafts of these instances, by instance and device."""
    found: dict[tuple[bytes, str], StoredDraft] = {}
    for chunk in _chunks(sorted(set(instance_ids))):
        rows = session.execute(select(*_DRAFT).where(SealedDraft.instance_id.in_(chunk)))
        found |= {(row.instance_id, row.device_id): StoredDraft(**row._mapping) for row in rows}  # noqa: SLF001
    return found


def all_drafts(session: Session) -> tuple[StoredDraft, ...]:
    """Return every draft, by instance and device."""
    rows = session.execute(select(*_DRAFT).order_by(SealedDraft.instance_id, SealedDraft.device_id))
    return tuple(StoredDraft(**row._mapping) for row in rows)  # noqa: SLF001


def put_drafts(session: Session, rows: Sequence[StoredDraft], *, position: int) -> None:
    """Write drafts at a position of the feed."""
    if rows:
        statement = upsert(session, SealedDraft)
        keys = ("instance_id", "device_id")
        names = (*(name for name in StoredDraft.__dataclass_fields__ if name not in keys), "feed_position")
        changed = {name: statement.excluded[name] for name in names}
        session.connection().execute(
            statement.on_conflict_do_update(index_elements=list(keys), set_=changed),
            [asdict(row) | {"feed_position": position} for row in rows],
        )


def drafts_since(
    session: Session, *, project_id: int, enumerator: str, device_id: str, after: Place, limit: int
) -> Sequence[tuple[Place, StoredDraft]]:
    """Return the drafts that a device takes over after a place, in order.

    Those of devices of the same enumerator that were revoked: of each instance the newest draft, and none once an
    interview under its instanceID has come, whatever became of that, or was erased. A draft is found where it was
    stored or where its device was revoked, whichever is later.
    """
    revoked_at, of_instance = func.coalesce(Device.revoked_position, 0), SealedDraft.instance_id
    position = case((SealedDraft.feed_position >= revoked_at, SealedDraft.feed_position), else_=revoked_at)
    newer = aliased(SealedDraft)
    superseded = (
        exists().where(
            newer.instance_id == of_instance,
            newer.project_id == project_id,
            newer.enumerator == enumerator,
            newer.envelope_sequence > SealedDraft.envelope_sequence,
        ),
        exists().where(Revision.instance_id == of_instance),
        exists().where(IS_UNOPENED, Envelope.kind == Kind.INTERVIEW, Envelope.instance_id == of_instance),
        exists().where(Erasure.instance_id == of_instance),
    )
    query = (
        select(position.label("at"), *_DRAFT)
        .join(Device, Device.device_id == SealedDraft.device_id)
        .where(
            SealedDraft.project_id == project_id,
            SealedDraft.enumerator == enumerator,
            SealedDraft.device_id != device_id,
            Device.revoked_at.is_not(None),
            *(~reason for reason in superseded),
        )
    )
    found = []
    for row in session.execute(query).mappings():
        members = dict(row)
        place = Place(members.pop("at"), DRAFT, members["instance_id"])
        if place > after:
            found.append((place, StoredDraft(**members)))
    return sorted(found, key=lambda entry: entry[0])[:limit]


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
