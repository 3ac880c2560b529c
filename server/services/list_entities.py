"""What the office sees of entity lists: how many entities there are, each with its values, and what is in conflict.

Who is bound to a team sees of an assigned list what is assigned to it; of a list that every tablet has, all.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from server.db.queries import audit, entities, entity_lists
from server.db.queries.entities import DELETED, LIVE, PENDING, WAITING, StoredEntity
from server.db.queries.entity_lists import StoredList
from server.db.scope import EVERYTHING, Scope
from server.errors import BadRequest, NotFound
from server.export.entity_csv import entity_csv
from server.folding.entities import EntityContent
from server.folding.entity_files import live_rows
from server.keystore import KeyStore
from sync_protocol.entities import LABEL

READ_ENTITIES: Final = "read-entities"
STATES = (LIVE, DELETED, WAITING, PENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedList:
    """A list and how many entities of each state it has."""

    of: StoredList
    live: int
    deleted: int
    waiting: int
    pending: int
    conflict: int

    def members(self) -> dict[str, Any]:
        """Return what JSON shows of it."""
        return {
            "list_id": self.of.list_id,
            "project": self.of.project_id,
            "name": self.of.name,
            "mode": self.of.mode,
            "needs_approval": self.of.needs_approval,
            "properties": list(self.of.properties),
            "assigned_property": self.of.assigned_property,
            "assigned_to": self.of.assigned_to,
            "created_at": self.of.created_at.isoformat(),
            "created_by": self.of.created_by,
            "entities": {name: getattr(self, name) for name in (*STATES, "conflict")},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownClaim:
    """One of several differing values of a property, and the change that says so."""

    value: str
    change: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEntity:
    """An entity as the office sees it; the first claim about a property in conflict is the one that counts."""

    id: str
    state: str
    version: int
    label: str
    properties: Mapping[str, str]
    conflicts: Mapping[str, Sequence[ShownClaim]]


def list_lists(session: Session, scope: Scope = EVERYTHING) -> Sequence[CountedList]:
    """Return the lists of an account's projects with their counts."""
    counts = entity_lists.counts(session)
    return [
        CountedList(of=one, **{name: counts.get(one.list_id, {}).get(name, 0) for name in (*STATES, "conflict")})
        for one in entity_lists.all_lists(session)
        if scope.projects is None or one.project_id in scope.projects
    ]


def find(session: Session, list_id: int, scope: Scope = EVERYTHING) -> CountedList:
    """Return a list of an account's projects.

    Raises:
        NotFound: there is none of this number.
    """
    for one in list_lists(session, scope):
        if one.of.list_id == list_id:
            return one
    raise NotFound(f"there is no entity list {list_id}")


def list_entities(
    session: Session,
    list_id: int,
    *,
    keystore: KeyStore,
    scope: Scope = EVERYTHING,
    state: str = "",
    in_conflict: bool = False,
) -> Sequence[ShownEntity]:
    """Return the entities of a list that an account may see, by id.

    Raises:
        NotFound: there is no such list.
        BadRequest: no such state.
        KeyStoreLocked: without the vault.
    """
    if state and state not in STATES:
        raise BadRequest(f"a state is one of {', '.join(STATES)}")
    of = find(session, list_id, scope).of
    found = entities.entities(session, list_id, states=(state,) if state else (), in_conflict=in_conflict)
    return _visible(session, of, [_shown(one, {}, keystore) for one in found], scope)


def show_entity(
    session: Session, list_id: int, entity_id: bytes, *, keystore: KeyStore, scope: Scope = EVERYTHING
) -> ShownEntity:
    """Return one entity, with who says what where values differ.

    Raises:
        NotFound: there is no such list, or no such entity in it that the account may see.
        KeyStoreLocked: without the vault.
    """
    of = find(session, list_id, scope).of
    found = entities.entities_by_key(session, [(list_id, entity_id)]).get((list_id, entity_id))
    if found is not None:
        sources = {
            change.change_id: "office" if change.instance_id is None else change.instance_id.hex()
            for change in entities.changes_of(session, [(list_id, entity_id)])
        }
        for shown in _visible(session, of, [_shown(found, sources, keystore)], scope):
            return shown
    raise NotFound("the list has no such entity")


def note_look(
    session: Session, list_id: int, *, user: str, now: datetime, scope: Scope = EVERYTHING, detail: str = ""
) -> StoredList:
    """Record that somebody reads what is known of entities, before it is shown; return the list.

    Raises:
        NotFound: there is no such list.
    """
    of = find(session, list_id, scope).of
    audit.write(session, at=now, actor=user, action=READ_ENTITIES, subject=f"{of.project_id}/{of.name}", detail=detail)
    return of


def export_list(session: Session, list_id: int, *, keystore: KeyStore, scope: Scope = EVERYTHING) -> bytes:
    """Return a list as a CSV file, as it is now: `import` takes it back.

    Raises:
        NotFound: there is no such list.
        KeyStoreLocked: without the vault.
    """
    of = find(session, list_id, scope).of
    codes = _codes(session, of, scope)
    rows = live_rows(session, list_id, keystore)
    if codes is not None:
        rows = [row for row in rows if row.values.get(of.assigned_property, "") in codes]
    return entity_csv(of.properties, rows)


def _visible(session: Session, of: StoredList, found: Sequence[ShownEntity], scope: Scope) -> Sequence[ShownEntity]:
    codes = _codes(session, of, scope)
    if codes is None:
        return found
    return [one for one in found if one.properties.get(of.assigned_property, "") in codes]


def _codes(session: Session, of: StoredList, scope: Scope) -> frozenset[str] | None:
    """Return whose entities an account sees, None for everybody's."""
    if not of.assigned_property or (scope.team is None and scope.enumerator is None):
        return None
    if of.assigned_to == "team" and scope.team is not None:
        return frozenset((scope.team,))
    return entity_lists.enumerators(session, scope)


def _shown(stored: StoredEntity, sources: Mapping[bytes, str], keystore: KeyStore) -> ShownEntity:
    content = EntityContent.open(stored.sealed, (stored.list_id, stored.entity_id), keystore)
    return ShownEntity(
        id=str(uuid.UUID(bytes=stored.entity_id)),
        state=stored.state,
        version=stored.version,
        label=content.values.get(LABEL, ""),
        properties={name: value for name, value in content.values.items() if name != LABEL},
        conflicts={
            name: [
                ShownClaim(value=claim.value, change=claim.change_id.hex(), source=sources.get(claim.change_id, ""))
                for claim in claims
            ]
            for name, claims in content.conflicts.items()
        },
    )
