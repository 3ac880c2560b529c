"""SQL of entities: the changes, what they make of an entity, and which version counted which."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from server.db.insert import insert_new, upsert
from server.db.tables import Entity, EntityChange, EntityList, EntityVersion, Interview, Revision, RevisionParent

T = TypeVar("T")
CHUNK: Final = 400
LIVE: Final = "live"
DELETED: Final = "deleted"
WAITING: Final = "waiting"
PENDING: Final = "pending"

Key = tuple[int, bytes]
"""List and entity id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChange:
    """A change as stored, with what its interview says of it now; role, mode and review are None for the office's."""

    change_id: bytes
    list_id: int
    entity_id: bytes
    action: str
    envelope_id: bytes
    instance_id: bytes | None
    answers_hash: bytes | None
    row: int
    base_version: int
    trunk_version: int
    branch_id: bytes
    sealed: bytes
    role: str | None
    mode: str | None
    review: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntity:
    """An entity as stored."""

    list_id: int
    entity_id: bytes
    state: str
    version: int
    is_recorded: bool
    conflicts: int
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChange:
    """From which version on a change counts, or does no longer."""

    list_id: int
    entity_id: bytes
    version: int
    change_id: bytes
    is_counted: bool


_OWN: Final = tuple(
    getattr(EntityChange, name) for name in StoredChange.__dataclass_fields__ if name not in ("role", "mode", "review")
)
_ENTITY: Final = tuple(getattr(Entity, name) for name in StoredEntity.__dataclass_fields__)
_RECORDED: Final = tuple(getattr(EntityVersion, name) for name in RecordedChange.__dataclass_fields__)


def add_changes(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add changes that are not there yet."""
    if rows:
        session.connection().execute(insert_new(session, EntityChange), [dict(row) for row in rows])


def has_change(session: Session, change_id: bytes) -> bool:
    """Say whether a change is kept already."""
    return (
        session.execute(select(EntityChange.change_id).where(EntityChange.change_id == change_id)).first() is not None
    )


def changes_of(session: Session, keys: Iterable[Key]) -> tuple[StoredChange, ...]:
    """Return all changes of these entities, with role, mode and review of their interviews."""
    found: list[StoredChange] = []
    query = (
        select(*_OWN, Revision.role, Revision.mode, Interview.review)
        .outerjoin(
            Revision,
            (Revision.instance_id == EntityChange.instance_id) & (Revision.answers_hash == EntityChange.answers_hash),
        )
        .outerjoin(Interview, Interview.interview_id == Revision.interview_id)
    )
    for list_id, chunk in _by_list(keys):
        rows = session.execute(query.where(EntityChange.list_id == list_id, EntityChange.entity_id.in_(chunk)))
        found += [StoredChange(**row._mapping) for row in rows]  # noqa: SLF001 -- a public thing of SQLAlchemy
    return tuple(found)


def entities_of_instances(session: Session, instance_ids: Iterable[bytes]) -> frozenset[Key]:
    """Return the entities that these interviews change."""
    found: set[Key] = set()
    for chunk in _chunks(sorted(set(instance_ids))):
        query = select(EntityChange.list_id, EntityChange.entity_id).where(EntityChange.instance_id.in_(chunk))
        found.update((list_id, entity_id) for list_id, entity_id in session.execute(query))
    return frozenset(found)


def entities_of_list(session: Session, list_id: int) -> frozenset[Key]:
    """Return every entity of a list that has a change."""
    query = select(EntityChange.entity_id).where(EntityChange.list_id == list_id).distinct()
    return frozenset((list_id, entity_id) for entity_id in session.scalars(query))


def all_keys(session: Session) -> frozenset[Key]:
    """Return every entity that has a change."""
    rows = session.execute(select(EntityChange.list_id, EntityChange.entity_id).distinct())
    return frozenset((list_id, entity_id) for list_id, entity_id in rows)


def parents_of(session: Session, instance_ids: Iterable[bytes]) -> Mapping[bytes, frozenset[bytes]]:
    """Return the instanceIDs that these edit, of those that edit any."""
    found: dict[bytes, set[bytes]] = {}
    for chunk in _chunks(sorted(set(instance_ids))):
        query = select(RevisionParent.child, RevisionParent.parent).where(RevisionParent.child.in_(chunk))
        for child, parent in session.execute(query):
            found.setdefault(child, set()).add(parent)
    return {child: frozenset(parents) for child, parents in found.items()}


def recorded_of(session: Session, keys: Iterable[Key]) -> tuple[RecordedChange, ...]:
    """Return what was recorded of these entities, oldest first."""
    found: list[RecordedChange] = []
    for list_id, chunk in _by_list(keys):
        query = select(*_RECORDED).where(EntityVersion.list_id == list_id, EntityVersion.entity_id.in_(chunk))
        found += [RecordedChange(**row._mapping) for row in session.execute(query)]  # noqa: SLF001
    return tuple(sorted(found, key=lambda one: (one.list_id, one.entity_id, one.version, one.change_id)))


def add_recorded(session: Session, rows: Sequence[RecordedChange]) -> None:
    """Record what counts from a version on."""
    members = RecordedChange.__dataclass_fields__
    if rows:
        values = [{name: getattr(row, name) for name in members} for row in rows]
        session.connection().execute(insert(EntityVersion), values)


def put_entities(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write entities, new or known; the version of a known one stays what it is."""
    if not rows:
        return
    statement = upsert(session, Entity)
    changed = {name: statement.excluded[name] for name in ("state", "is_recorded", "conflicts", "sealed")}
    session.connection().execute(
        statement.on_conflict_do_update(index_elements=["list_id", "entity_id"], set_=changed),
        [dict(row) for row in rows],
    )


def set_versions(session: Session, versions: Mapping[Key, int]) -> None:
    """Write the version that was recorded of each entity."""
    if versions:
        table: Any = Entity.__table__
        is_it = (table.c.list_id == bindparam("in_list")) & (table.c.entity_id == bindparam("of"))
        statement = update(table).where(is_it).values(version=bindparam("to"), is_recorded=True)
        rows = [{"in_list": key[0], "of": key[1], "to": version} for key, version in sorted(versions.items())]
        session.connection().execute(statement, rows)


def set_unrecorded(session: Session, list_id: int) -> None:
    """Say that all entities of a list have changed: whose they are is settled anew when they are next recorded."""
    session.execute(update(Entity).where(Entity.list_id == list_id).values(is_recorded=False))


def unrecorded(session: Session, list_id: int) -> frozenset[Key]:
    """Return the entities of a list that have changed since their last version."""
    query = select(Entity.entity_id).where(Entity.list_id == list_id, ~Entity.is_recorded)
    return frozenset((list_id, entity_id) for entity_id in session.scalars(query))


def entities(
    session: Session, list_id: int, *, states: Sequence[str] = (), in_conflict: bool = False
) -> tuple[StoredEntity, ...]:
    """Return the entities of a list, by id."""
    query = select(*_ENTITY).where(Entity.list_id == list_id)
    if states:
        query = query.where(Entity.state.in_(states))
    if in_conflict:
        query = query.where(Entity.conflicts > 0)
    rows = session.execute(query.order_by(Entity.entity_id))
    return tuple(StoredEntity(**row._mapping) for row in rows)  # noqa: SLF001


def entities_by_key(session: Session, keys: Iterable[Key]) -> Mapping[Key, StoredEntity]:
    """Return entities by list and id."""
    found: dict[Key, StoredEntity] = {}
    for list_id, chunk in _by_list(keys):
        query = select(*_ENTITY).where(Entity.list_id == list_id, Entity.entity_id.in_(chunk))
        for row in session.execute(query):
            stored = StoredEntity(**row._mapping)  # noqa: SLF001
            found[stored.list_id, stored.entity_id] = stored
    return found


def all_entities(session: Session) -> tuple[StoredEntity, ...]:
    """Return every entity."""
    rows = session.execute(select(*_ENTITY).order_by(Entity.list_id, Entity.entity_id))
    return tuple(StoredEntity(**row._mapping) for row in rows)  # noqa: SLF001


def drop_entities(session: Session) -> None:
    """Delete what the fold can make again; lists and recorded versions stay, for tablets have been told."""
    session.execute(delete(Entity))
    session.execute(delete(EntityChange))
    session.execute(update(EntityList).values(changes=EntityList.changes + 1))


def _by_list(keys: Iterable[Key]) -> Iterator[tuple[int, Sequence[bytes]]]:
    grouped: dict[int, list[bytes]] = {}
    for list_id, entity_id in sorted(set(keys)):
        grouped.setdefault(list_id, []).append(entity_id)
    for list_id, entity_ids in grouped.items():
        for chunk in _chunks(entity_ids):
            yield list_id, chunk


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
