"""Change entities at the office: each change is a row of a signed decision, which names what whoever made it had seen.

A decision is folded in the transaction that stores it, so that the next one builds upon it.
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from forms.entities import is_property_name, is_value
from server.db.queries import audit, entities, entity_lists, opening
from server.db.queries.entities import DELETED, LIVE, StoredEntity
from server.db.queries.entity_lists import StoredList
from server.errors import EntitiesInvalid, NotFound
from server.export.entity_file import AskedEntity, read_entity_file
from server.folding.deciding import NOTE_CHARACTERS, store_sealed_decision
from server.folding.entities import EntityContent, fold_decision
from server.folding.entity_decisions import ENTITIES, office_row
from server.keystore import KeyStore
from sync_protocol.documents import canonical_json
from sync_protocol.entities import LABEL, Action
from sync_protocol.envelope import NO_HASH

DECISION_BYTES: Final = 512 << 10
"""Of the rows of one decision; an envelope has at most a megabyte."""
SHOWN: Final = 100
_IMPORTED: Final = b"passerelle/1 imported entity\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Who changes entities, with which keys, when and why; `note` is sealed with the decision."""

    keystore: KeyStore
    user: str
    now: datetime
    note: str = ""


@dataclass(slots=True)
class Imported:
    """What an import came to."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    decisions: int = 0


@dataclass(slots=True)
class _Batch:
    """Rows for decisions about one list, and what is wrong with what was asked."""

    of: StoredList
    known: dict[bytes, StoredEntity]
    keystore: KeyStore
    rows: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def content(self, stored: StoredEntity) -> EntityContent:
        return EntityContent.open(stored.sealed, (stored.list_id, stored.entity_id), self.keystore)


def create(session: Session, list_id: int, asked: Sequence[AskedEntity], *, office: Office) -> Sequence[str]:
    """Create entities; return their ids.

    Raises:
        NotFound: there is no such list.
        EntitiesInvalid: an entity is there already, has no label, or an unknown property.
        KeyStoreLocked: without the vault.
    """
    batch = _open(session, list_id, [one.entity_id for one in asked if one.entity_id], office)
    made = [(one.entity_id or uuid.uuid4().bytes, one) for one in asked]
    for entity_id, one in made:
        if entity_id in batch.known:
            batch.errors.append(f"{one.place}: {uuid.UUID(bytes=entity_id)} is there already")
        _check(batch, one, is_new=True)
        batch.rows.append(office_row(entity_id, Action.CREATE, one.values))
    _decide(session, batch, office, action="create-entities")
    return [str(uuid.UUID(bytes=entity_id)) for entity_id, _ in made]


def update(session: Session, list_id: int, entity_id: bytes, values: Mapping[str, str], *, office: Office) -> None:
    """Write the label and properties of an entity; what was in conflict about them is settled.

    Raises:
        NotFound: there is no such list or entity.
        EntitiesInvalid: an unknown property, or nothing to write.
        KeyStoreLocked: without the vault.
    """
    batch = _open(session, list_id, [entity_id], office)
    heads = batch.content(_known(batch, entity_id, (LIVE, DELETED))).heads
    asked = AskedEntity(place=str(uuid.UUID(bytes=entity_id)), entity_id=entity_id, values=values)
    _check(batch, asked, is_new=False)
    if not values:
        batch.errors.append("no label and no property is given")
    batch.rows.append(office_row(entity_id, Action.UPDATE, values, heads))
    _decide(session, batch, office, action="update-entity", subject=asked.place)


def delete(session: Session, list_id: int, entity_id: bytes, *, office: Office) -> None:
    """Delete an entity: tablets forget it, whatever they send about it later; it can be restored.

    Raises:
        NotFound: there is no such list, or no such entity that is not deleted.
        KeyStoreLocked: without the vault.
    """
    batch = _open(session, list_id, [entity_id], office)
    stored = next((one for one in batch.known.values() if one.state != DELETED), None)
    if stored is None:
        raise NotFound(f"the list {batch.of.name} has no such entity, or it is deleted already")
    batch.rows.append(office_row(entity_id, Action.DELETE, {}, batch.content(stored).heads))
    _decide(session, batch, office, action="delete-entity", subject=str(uuid.UUID(bytes=entity_id)))


def restore(session: Session, list_id: int, entity_id: bytes, *, office: Office) -> None:
    """Take back that an entity is deleted.

    Raises:
        NotFound: there is no such list, or no such entity that is deleted.
        KeyStoreLocked: without the vault.
    """
    batch = _open(session, list_id, [entity_id], office)
    heads = batch.content(_known(batch, entity_id, (DELETED,))).heads
    batch.rows.append(office_row(entity_id, Action.RESTORE, {}, heads))
    _decide(session, batch, office, action="restore-entity", subject=str(uuid.UUID(bytes=entity_id)))


def import_file(session: Session, list_id: int, content: bytes, *, office: Office) -> Imported:
    """Create what a CSV file has and the list has not, and update what differs; the same file again changes nothing.

    Args:
        session: of the transaction.
        list_id: which list.
        content: with a column `label`, the ids in `name` where they are known, and one column a property. An entity
            without an id gets one that is made of what the file says of it.
        office: who imports.

    Raises:
        NotFound: there is no such list.
        EntitiesInvalid: with `errors`, each with its line.
        KeyStoreLocked: without the vault.
    """
    opening.lock_fold(session)
    columns, asked = read_entity_file(content)
    of = _united(session, list_id, columns, office)
    named = [(one.entity_id or _made_id(of, one), one) for one in asked]
    batch = _open(session, list_id, [entity_id for entity_id, _ in named], office)
    report = Imported()
    for entity_id, one in named:
        _import(batch, entity_id, one, report)
    report.decisions = _decide(session, batch, office, action="import-entities")
    return report


def _import(batch: _Batch, entity_id: bytes, one: AskedEntity, report: Imported) -> None:
    stored = batch.known.get(entity_id)
    if stored is None:
        _check(batch, one, is_new=True)
        batch.rows.append(office_row(entity_id, Action.CREATE, one.values))
        report.created += 1
        return
    if stored.state == DELETED:
        batch.errors.append(f"{one.place}: the entity is deleted; restore it, or leave it out")
    content = batch.content(stored)
    news = {name: value for name, value in one.values.items() if content.values.get(name, "") != value}
    if not news:
        report.unchanged += 1
        return
    action = Action.UPDATE if stored.state == LIVE else Action.CREATE  # what waits for its creation gets it
    batch.rows.append(office_row(entity_id, action, news, content.heads))
    report.updated += 1


def _open(session: Session, list_id: int, entity_ids: Sequence[bytes], office: Office) -> _Batch:
    """Begin a change: nothing else changes entities until the commit."""
    opening.lock_fold(session)
    of = entity_lists.entity_list(session, list_id)
    if of is None:
        raise NotFound(f"there is no entity list {list_id}")
    known = entities.entities_by_key(session, ((list_id, entity_id) for entity_id in entity_ids))
    batch = _Batch(of, {entity_id: stored for (_, entity_id), stored in known.items()}, office.keystore)
    twice = len(entity_ids) - len(set(entity_ids))
    if twice:
        batch.errors.append(f"{twice} entities are named more than once")
    return batch


def _known(batch: _Batch, entity_id: bytes, states: tuple[str, ...]) -> StoredEntity:
    stored = batch.known.get(entity_id)
    if stored is None or stored.state not in states:
        raise NotFound(f"the list {batch.of.name} has no such entity that is {' or '.join(states)}")
    return stored


def _check(batch: _Batch, asked: AskedEntity, *, is_new: bool) -> None:
    known = {LABEL, *batch.of.properties}
    batch.errors += [
        f"{asked.place}: the list {batch.of.name} has no property {name}" for name in asked.values if name not in known
    ]
    if not all(map(is_value, asked.values.values())):
        batch.errors.append(f"{asked.place}: a value is too long, or has a character that no form can hold")
    if not asked.values.get(LABEL, "" if is_new else LABEL).strip():
        batch.errors.append(f"{asked.place}: the label is empty")


def _united(session: Session, list_id: int, columns: Sequence[str], office: Office) -> StoredList:
    of = entity_lists.entity_list(session, list_id)
    if of is None:
        raise NotFound(f"there is no entity list {list_id}")
    bad = [name for name in columns if not is_property_name(name)]
    if bad:
        raise EntitiesInvalid(f"line 1: no property can be called {', '.join(bad[:5])}", errors=bad)
    return entity_lists.ensure_list(
        session, project_id=of.project_id, name=of.name, properties=columns, by=office.user, now=office.now
    )


def _made_id(of: StoredList, asked: AskedEntity) -> bytes:
    """Make a version 4 UUID out of what a file says of an entity: the same file gives the same entities."""
    told = canonical_json([of.project_id, of.name, asked.occurrence, dict(asked.values)])
    digest = hashlib.sha256(_IMPORTED + told).digest()
    return uuid.UUID(bytes=digest[:16], version=4).bytes


def _decide(session: Session, batch: _Batch, office: Office, *, action: str, subject: str = "") -> int:
    """Seal the rows into decisions, fold them, and return how many decisions it took.

    Raises:
        EntitiesInvalid: something asked for is wrong; nothing is stored.
    """
    if batch.errors:
        more = f" and {len(batch.errors) - 1} more" if len(batch.errors) > 1 else ""
        raise EntitiesInvalid(batch.errors[0] + more, errors=batch.errors[:SHOWN])
    decisions = 0
    for rows in _parts(batch.rows):
        decision = {
            "action": ENTITIES,
            "project": batch.of.project_id,
            "list": batch.of.name,
            "rows": rows,
            "note": office.note[:NOTE_CHARACTERS],
            "user": office.user,
        }
        envelope_id = store_sealed_decision(
            session,
            keystore=office.keystore,
            decision=decision,
            about=(),
            mode=batch.of.mode,
            form_version_hash=NO_HASH,
            now=office.now,
        )
        fold_decision(session, envelope_id, decision, keystore=office.keystore, now=office.now)
        decisions += 1
    detail = f"{len(batch.rows)} rows"
    audit.write(
        session, at=office.now, actor=office.user, action=action, subject=subject or batch.of.name, detail=detail
    )
    return decisions


def _parts(rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        length = len(canonical_json(row))
        if part and size + length > DECISION_BYTES:
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part
