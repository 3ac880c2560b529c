"""Entities of the lists that forms of the device's project use: what is new, changed, or no longer this device's."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Final

from server.db.queries import devices, entities, entity_lists, holders
from server.db.queries.entities import LIVE, StoredEntity
from server.db.queries.entity_lists import StoredList
from server.db.queries.holders import HeldEntity
from server.db.queries.pull import ENTITIES
from server.folding.entities import EntityContent
from server.folding.entity_versions import former_tags, tag_of
from server.keystore import KeyStore
from server.services.news.source import Asked, Entry
from sync_protocol.documents import key_id
from sync_protocol.entities import LABEL
from sync_protocol.entity_rows import EntityRow, seal_rows
from sync_protocol.pull_items import EntitiesPull

ROWS: Final = 200
"""In one item: some 20 kB sealed, so that a cut costs little and a phone can apply them at once."""


def entity_rows(asked: Asked) -> Iterator[Entry]:
    """Yield the rows of each list that came to the device, changed or left it, a few at a time."""
    carrier, session = asked.carrier, asked.session
    if ENTITIES not in asked.kinds:
        return
    used = holders.lists_in_use(session, carrier.project_id, fed_since=asked.after.position)
    lists = [one for one in entity_lists.all_lists(session, project_id=carrier.project_id) if one.list_id in used]
    team = _team(asked)
    for of in lists:
        own = tag_of(of, enumerator=carrier.enumerator, team=team, keystore=asked.keystore)
        former = former_tags(of, enumerator=carrier.enumerator, team=team, keystore=asked.keystore) - {own}
        held = holders.held_since(
            session, of.list_id, own=own, former=former, after=asked.after, limit=(asked.limit + 1) * ROWS
        )
        for part in _parts(held):
            yield part[-1].place, partial(_item, asked, of, part)


def _team(asked: Asked) -> str:
    device = devices.device(asked.session, asked.carrier.device_id)
    return "" if device is None else device.team


def _parts(held: Iterable[HeldEntity]) -> Iterator[Sequence[HeldEntity]]:
    for _, group in groupby(held, key=lambda one: one.place.position):
        rows = list(group)
        for start in range(0, len(rows), ROWS):
            yield rows[start : start + ROWS]


def _item(asked: Asked, of: StoredList, part: Sequence[HeldEntity]) -> EntitiesPull | None:
    keystore, carrier = asked.keystore, asked.carrier
    if keystore.is_locked:
        return None
    known = entities.entities_by_key(asked.session, ((of.list_id, one.entity_id) for one in part if one.is_current))
    rows = [_row(of, one, known.get((of.list_id, one.entity_id)), keystore) for one in part]
    return EntitiesPull(
        list_name=of.name,
        sealed=seal_rows(rows, list_name=of.name, device_id=carrier.device_id, receiving_key=carrier.receiving_key),
        sealed_to=key_id(carrier.receiving_key),
    )


def _row(of: StoredList, held: HeldEntity, stored: StoredEntity | None, keystore: KeyStore) -> EntityRow:
    entity_id = str(uuid.UUID(bytes=held.entity_id))
    if stored is None or stored.state != LIVE:
        return EntityRow(entity_id=entity_id, is_gone=True)
    values = EntityContent.open(stored.sealed, (of.list_id, held.entity_id), keystore).values
    return EntityRow(
        entity_id=entity_id,
        version=stored.version,
        label=values.get(LABEL) or entity_id,
        values={name: value for name in of.properties if (value := values.get(name, ""))},
    )
