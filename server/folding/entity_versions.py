"""Recording versions of entities: what counts now gets its number, and tablets with our own client find it in the feed.

A version is the set of changes that counted when it was recorded; tablets name it later, so it never changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlalchemy.orm import Session

from server.db.queries import entities as queries
from server.db.queries import feed, holders
from server.db.queries.entities import LIVE, Key, RecordedChange, StoredEntity
from server.db.queries.entity_lists import WHOLE, StoredList
from server.folding.entities import EntityContent, is_counted
from server.keystore import KeyStore
from sync_protocol.documents import canonical_json
from sync_protocol.entities import count_changes


def record_versions(session: Session, of: StoredList, *, keystore: KeyStore) -> None:
    """Record what counts now of the entities that have changed, and put them into the feed of those whose they are.

    Args:
        session: of a transaction that holds the fold lock.
        of: the list.
        keystore: says whose an entity is.

    Raises:
        KeyStoreLocked: without the vault, where entities are assigned.
    """
    keys = queries.unrecorded(session, of.list_id)
    counts: dict[Key, dict[bytes, bool]] = {key: {} for key in keys}
    for change in queries.changes_of(session, keys):
        counts[change.list_id, change.entity_id][change.change_id] = is_counted(change, of)
    recorded: dict[Key, dict[bytes, bool]] = {key: {} for key in keys}
    last: dict[Key, int] = {}
    for one in queries.recorded_of(session, keys):  # ascending: the last word stays
        key = (one.list_id, one.entity_id)
        recorded[key][one.change_id] = one.is_counted
        last[key] = one.version
    versions: dict[Key, int] = {}
    rows: list[RecordedChange] = []
    for key in sorted(keys):
        versions[key], news = count_changes(recorded[key], counts[key], last_version=last.get(key, 0))
        rows += [
            RecordedChange(
                list_id=key[0], entity_id=key[1], version=versions[key], change_id=change_id, is_counted=is_counted
            )
            for change_id, is_counted in sorted(news.items())
        ]
    queries.add_recorded(session, rows)
    queries.set_versions(session, versions)
    _feed(session, of, keys | holders.gone(session, of.list_id), keystore)


def _feed(session: Session, of: StoredList, keys: Iterable[Key], keystore: KeyStore) -> None:
    """Put entities at one position, taken before any of these rows is written: so nobody waits in a circle."""
    wanted = frozenset(keys)
    if not wanted:
        return
    stored = queries.entities_by_key(session, wanted)
    tags = {key: tag for key, one in stored.items() if (tag := _tag(of, one, keystore)) is not None}
    before = holders.current_tags(session, wanted)
    position = feed.next_position(session)
    holders.give(session, tags, position=position)
    taken = [(key, tag) for key, held in before.items() for tag in held if tag != tags.get(key)]
    holders.take(session, taken, position=position)
    holders.mark_fed(session, [of.list_id], position=position)


def _tag(of: StoredList, stored: StoredEntity, keystore: KeyStore) -> bytes | None:
    """Return whose an entity is, None for nobody's: it is deleted, waits for its creation, or names no one."""
    if stored.state != LIVE:
        return None
    if not of.assigned_property:
        return WHOLE
    values: Mapping[str, str] = EntityContent.open(stored.sealed, (of.list_id, stored.entity_id), keystore).values
    whose = values.get(of.assigned_property, "")
    return assigned_tag(of, whose, keystore) if whose else None  # not everybody's who has no code


def former_tags(of: StoredList, *, enumerator: str, team: str, keystore: KeyStore) -> frozenset[bytes]:
    """Return the tags of what a person may have got of a list under any settings that it ever had."""
    parts = {
        assigned_tag(replace(of, assigned_property=name), whose, keystore)
        for name in of.properties
        for whose in (enumerator, team)
    }
    return frozenset((WHOLE, *parts))


def tag_of(of: StoredList, *, enumerator: str, team: str, keystore: KeyStore) -> bytes:
    """Return the tag of what a person gets of a list: of all of it, or of that person's or team's part."""
    if not of.assigned_property:
        return WHOLE
    return assigned_tag(of, team if of.assigned_to == "team" else enumerator, keystore)


def assigned_tag(of: StoredList, whose: str, keystore: KeyStore) -> bytes:
    """Return the name of somebody's part of a list, (32,); made by a service key, so that manifests need no vault."""
    return keystore.door_tag(canonical_json(["entities", of.list_id, of.assigned_property, whose]))
