"""SQL of whose tablets with our own client an entity was given to, and where in the feed they find it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, and_, bindparam, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from server.db.insert import upsert
from server.db.queries.entities import Key
from server.db.queries.forms import DRAFT
from server.db.queries.pull import ENTITIES, Place
from server.db.tables import Entity, EntityHolder, EntityList, Envelope, Form, FormEntityList, FormVersion
from server.db.tables.envelopes import IS_UNOPENED, RECEIVED

T = TypeVar("T")
CHUNK: Final = 400
LIST_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class HeldEntity:
    """An entity that was given to somebody, and its place in the feed; `is_current` while it is theirs."""

    place: Place
    entity_id: bytes
    is_current: bool


def place_of(position: int, key: Key) -> Place:
    """Return the place of an entity in the feed: within a position by list, then by id."""
    return Place(position, ENTITIES, key[0].to_bytes(LIST_BYTES, "big") + key[1])


def current_tags(session: Session, keys: Iterable[Key]) -> Mapping[Key, frozenset[bytes]]:
    """Return whose each of these entities is, of those that are anybody's."""
    grouped: dict[int, list[bytes]] = {}
    for list_id, entity_id in sorted(set(keys)):
        grouped.setdefault(list_id, []).append(entity_id)
    found: dict[Key, frozenset[bytes]] = {}
    for list_id, entity_ids in grouped.items():
        for chunk in _chunks(entity_ids):
            query = select(EntityHolder.entity_id, EntityHolder.tag).where(
                EntityHolder.list_id == list_id, EntityHolder.entity_id.in_(chunk), EntityHolder.is_current
            )
            for entity_id, tag in session.execute(query):
                found[list_id, entity_id] = found.get((list_id, entity_id), frozenset()) | {tag}
    return found


def gone(session: Session, list_id: int) -> frozenset[Key]:
    """Return what somebody holds of a list and what no longer has a single change; none while envelopes are opened.

    A rebuild derives entities one after the other: what is not there yet may come.
    """
    is_rebuilt = ~exists().where(IS_UNOPENED, Envelope.state == RECEIVED)
    query = select(EntityHolder.entity_id).where(_is_held_for_nothing(list_id), is_rebuilt)
    return frozenset((list_id, entity_id) for entity_id in session.scalars(query))


def has_gone(session: Session, list_id: int) -> bool:
    """Say whether somebody holds of a list what is not there, or not there yet."""
    return bool(session.scalar(select(exists().where(_is_held_for_nothing(list_id)))))


def _is_held_for_nothing(list_id: int) -> ColumnElement[bool]:
    is_there = exists().where(Entity.list_id == EntityHolder.list_id, Entity.entity_id == EntityHolder.entity_id)
    return and_(EntityHolder.list_id == list_id, EntityHolder.is_current, ~is_there)


def give(session: Session, tags: Mapping[Key, bytes], *, position: int) -> None:
    """Write whose these entities are now, or still: they find them at this position."""
    if tags:
        rows = [
            {"list_id": key[0], "entity_id": key[1], "tag": tag, "is_current": True, "feed_position": position}
            for key, tag in sorted(tags.items())
        ]
        statement = upsert(session, EntityHolder)
        changed = {name: statement.excluded[name] for name in ("is_current", "feed_position")}
        keys = ["list_id", "entity_id", "tag"]
        session.connection().execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def take(session: Session, tags: Iterable[tuple[Key, bytes]], *, position: int) -> None:
    """Write whose these entities are no more: they hear of it at this position."""
    rows = [{"in_list": key[0], "of": key[1], "from_tag": tag} for key, tag in sorted(tags)]
    if rows:
        table: Any = EntityHolder.__table__
        is_it = (
            (table.c.list_id == bindparam("in_list"))
            & (table.c.entity_id == bindparam("of"))
            & (table.c.tag == bindparam("from_tag"))
        )
        statement = update(table).where(is_it).values(is_current=False, feed_position=position)
        session.connection().execute(statement, rows)


def mark_fed(session: Session, list_ids: Iterable[int], *, position: int) -> None:
    """Write that something of these lists is found at a position of the feed."""
    fed = update(EntityList).where(EntityList.list_id.in_(sorted(set(list_ids))))
    session.execute(fed.values(feed_position=position))


def feed_again(session: Session, list_ids: Collection[int], *, position: int) -> None:
    """Put all of these lists at a position of the feed: devices get them that were not told of them before."""
    again = update(EntityHolder).where(EntityHolder.list_id.in_(sorted(set(list_ids))))
    session.execute(again.values(feed_position=position))
    mark_fed(session, list_ids, position=position)


def held_since(
    session: Session, list_id: int, *, own: bytes, former: Collection[bytes], after: Place, limit: int
) -> Sequence[HeldEntity]:
    """Return what of a list became somebody's, changed, or is theirs no more after a place, in order.

    What has changed since it was last recorded is left out: it comes when it is recorded, at a later position.

    Args:
        session: on one snapshot.
        list_id: of the list.
        own: (32,) tag of what they get now.
        former: tags of what they may have got under other settings of the list.
        after: the place.
        limit: so many at most.
    """
    position, entity_id, tag = EntityHolder.feed_position, EntityHolder.entity_id, EntityHolder.tag
    kept = aliased(EntityHolder)
    is_kept = exists().where(kept.list_id == list_id, kept.entity_id == entity_id, kept.tag == own, kept.is_current)
    changes = exists().where(Entity.list_id == list_id, Entity.entity_id == entity_id, ~Entity.is_recorded)
    is_theirs = and_(tag.in_(sorted({own, *former})), or_(tag == own, ~is_kept))
    query = (
        select(position, entity_id, and_(EntityHolder.is_current, tag == own))
        .where(EntityHolder.list_id == list_id, is_theirs, _is_later(list_id, after), ~changes)
        .order_by(position, entity_id)
        .limit(limit)
    )
    return [
        HeldEntity(place_of(at, (list_id, found)), found, is_current)
        for at, found, is_current in session.execute(query)
    ]


def _is_later(list_id: int, after: Place) -> ColumnElement[bool]:
    position, mark = EntityHolder.feed_position, list_id.to_bytes(LIST_BYTES, "big")
    if after.kind < ENTITIES or (after.kind == ENTITIES and after.key[:LIST_BYTES] < mark):
        return position >= after.position
    if after.kind > ENTITIES or after.key[:LIST_BYTES] > mark:
        return position > after.position
    is_behind = or_(position > after.position, EntityHolder.entity_id > after.key[LIST_BYTES:])
    return and_(position >= after.position, is_behind)


def lists_in_use(session: Session, project_id: int, *, fed_since: int = 0) -> frozenset[int]:
    """Return the lists of a project that forms use which are or were published; those fed at a position or later."""
    query = (
        select(EntityList.list_id)
        .join(FormEntityList, FormEntityList.name == EntityList.name)
        .join(FormVersion, FormVersion.hash == FormEntityList.form_version_hash)
        .join(Form, Form.form_id == FormVersion.form_id)
        .where(EntityList.project_id == project_id, Form.project_id == project_id, FormVersion.state != DRAFT)
    )
    return frozenset(session.scalars(query.where(EntityList.feed_position >= fed_since).distinct()))


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
