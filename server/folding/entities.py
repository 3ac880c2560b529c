"""Folding entities: the changes of a batch are kept, and the entities that they touch are folded anew.

Changes come out of interviews and out of decisions of the office (action `entities`), so that the envelopes are the
truth of entities too. Which of them count is asked of the interview as it stands: its mode, and in a list with approval
what the office said of it. An interview without entities costs one look at an index.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy.orm import Session

from forms.entities import EntityWrite
from server.db.queries import entities as queries
from server.db.queries import entity_lists
from server.db.queries.entities import DELETED, LIVE, PENDING, WAITING, Key, RecordedChange, StoredChange
from server.db.queries.entity_lists import StoredList
from server.folding.entity_decisions import change_id_of, read_decision
from server.folding.fold import Filed
from server.folding.opener import OpenedDecision
from server.keystore import KeyStore
from sync_protocol.documents import canonical_json
from sync_protocol.entities import LABEL, OFFICE_RANK, Action, Claim, EntityChange, FoldedEntity, fold_entity
from sync_protocol.reconcile import ROLE_RANK

APPROVED: Final = "approved"
WORKER: Final = "worker"
_CHANGE: Final = b"entity-change:"
_ENTITY: Final = b"entity:"
_NO_CHANGES: Final[FoldedEntity] = FoldedEntity(is_created=False, is_deleted=False, values={}, conflicts={}, heads=())


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityContent:
    """What is sealed of an entity: values, differing claims, and the changes that no other had seen."""

    values: Mapping[str, str]
    conflicts: Mapping[str, tuple[Claim, ...]]
    heads: tuple[bytes, ...]

    @classmethod
    def open(cls, sealed: bytes, key: Key, keystore: KeyStore) -> Self:
        """Unseal the content of an entity.

        Raises:
            KeyStoreLocked: without the vault.
        """
        members = json.loads(keystore.open_projection(sealed, _context(key)))
        return cls(
            values=members["values"],
            conflicts={
                name: tuple(Claim(bytes.fromhex(change), value) for change, value in claims)
                for name, claims in members["conflicts"].items()
            },
            heads=tuple(bytes.fromhex(head) for head in members["heads"]),
        )


def _sealed(folded: FoldedEntity, key: Key, keystore: KeyStore) -> bytes:
    members = {
        "values": dict(folded.values),
        "conflicts": {
            name: [[claim.change_id.hex(), claim.value] for claim in claims]
            for name, claims in folded.conflicts.items()
        },
        "heads": [head.hex() for head in folded.heads],
    }
    return keystore.seal_projection(canonical_json(members), _context(key))


def _context(key: Key) -> bytes:
    return _ENTITY + key[0].to_bytes(8, "big") + key[1]


def fold_batch(
    session: Session,
    filed: Sequence[Filed],
    decisions: Sequence[OpenedDecision],
    touched: Iterable[bytes],
    *,
    keystore: KeyStore,
    now: datetime,
) -> None:
    """Keep the changes of a batch and fold the entities that they touch.

    Args:
        session: of the fold, which holds its lock.
        filed: the interviews that were opened.
        decisions: those of the office that were opened.
        touched: (16,) instanceIDs of all interviews that were folded: a review makes changes count, and a revision in
            between says what a later one had seen.
        keystore: seals and opens.
        now: goes into lists that are made.
    """
    shelf = _Lists(session, now)
    rows = [row for item in filed if item.opened.entities for row in _of_interview(item, shelf, keystore)]
    for opened in decisions:
        rows += _of_decision(opened.envelope.envelope_id, opened.decision, shelf, keystore)
    queries.add_changes(session, rows)
    keys = {(row["list_id"], row["entity_id"]) for row in rows}
    if rows or entity_lists.has_lists(session):
        keys |= queries.entities_of_instances(session, touched)
    refold(session, keys, keystore=keystore)


def fold_decision(
    session: Session, envelope_id: bytes, decision: Mapping[str, Any], *, keystore: KeyStore, now: datetime
) -> None:
    """Fold a decision in the transaction that stores it, so that the next one sees it."""
    rows = _of_decision(envelope_id, decision, _Lists(session, now), keystore)
    queries.add_changes(session, rows)
    refold(session, {(row["list_id"], row["entity_id"]) for row in rows}, keystore=keystore)


def refold(session: Session, keys: Iterable[Key], *, keystore: KeyStore) -> None:
    """Fold these entities anew, and mark their lists as behind."""
    wanted = frozenset(keys)
    if not wanted:
        return
    found = folded_entities(session, queries.changes_of(session, wanted), keystore)
    # What no change is left of, for its interview was erased, is gone for tablets and empty.
    gone = dict.fromkeys(sorted(wanted - found.keys()), (DELETED, _NO_CHANGES))
    rows = []
    for key, (state, folded) in {**found, **gone}.items():
        rows.append(
            {
                "list_id": key[0],
                "entity_id": key[1],
                "state": state,
                "version": 0,
                "is_recorded": False,
                "conflicts": len(folded.conflicts),
                "sealed": _sealed(folded, key, keystore),
            }
        )
    queries.put_entities(session, rows)
    entity_lists.mark_stale(session, (list_id for list_id, _ in wanted))


def folded_entities(
    session: Session, changes: Sequence[StoredChange], keystore: KeyStore
) -> Mapping[Key, tuple[str, FoldedEntity]]:
    """Fold the changes of entities; return the state and content of each."""
    lists = {one.list_id: one for one in entity_lists.all_lists(session)}
    grouped: dict[Key, list[StoredChange]] = defaultdict(list)
    for change in changes:
        grouped[change.list_id, change.entity_id].append(change)
    first = first_versions(queries.recorded_of(session, grouped))
    edits = _edits(session, {change.instance_id for change in changes if change.instance_id is not None})
    found: dict[Key, tuple[str, FoldedEntity]] = {}
    for key, own in grouped.items():
        found[key] = fold_counted(
            [_change(one, first, edits, keystore) for one in own if is_counted(one, lists[key[0]])]
        )
    return found


def fold_counted(counted: Sequence[EntityChange]) -> tuple[str, FoldedEntity]:
    """Fold the changes of an entity that count; return its state and content."""
    if not counted:
        return PENDING, _NO_CHANGES
    folded = fold_entity(counted)
    if folded.is_deleted:
        return DELETED, folded
    return (LIVE if folded.is_created else WAITING), folded


def is_counted(change: StoredChange, of: StoredList) -> bool:
    """Say whether a change counts now: the office's always do."""
    return change.instance_id is None or may_count(of, mode=change.mode, review=change.review)


def may_count(of: StoredList, *, mode: str | None, review: str | None) -> bool:
    """Say whether an interview of a mode may change a list, with what the office has said of it."""
    return mode == of.mode and (not of.needs_approval or review == APPROVED)


def first_versions(recorded: Iterable[RecordedChange]) -> Mapping[bytes, int]:
    """Return the first version that counted each change."""
    found: dict[bytes, int] = {}
    for one in recorded:
        if one.is_counted:
            found[one.change_id] = min(one.version, found.get(one.change_id, one.version))
    return found


def _change(
    stored: StoredChange, first: Mapping[bytes, int], edits: Mapping[bytes, frozenset[bytes]], keystore: KeyStore
) -> EntityChange:
    members = json.loads(keystore.open_projection(stored.sealed, _CHANGE + stored.change_id))
    is_office = stored.instance_id is None
    return EntityChange(
        change_id=stored.change_id,
        action=Action(stored.action),
        values=members["values"],
        rank=OFFICE_RANK if is_office else ROLE_RANK.get(stored.role or "", 0),
        revision=None if stored.instance_id is None else (stored.instance_id, stored.answers_hash or b""),
        row=stored.row,
        edits=edits.get(stored.instance_id or b"", frozenset()),
        base_version=stored.base_version,
        trunk_version=stored.trunk_version,
        branch_id=stored.branch_id,
        parents=tuple(bytes.fromhex(parent) for parent in members["parents"]),
        first_version=first.get(stored.change_id, 0),
    )


def _edits(session: Session, instance_ids: Iterable[bytes]) -> Mapping[bytes, frozenset[bytes]]:
    """Return the instanceIDs that each of these edits, and that those edit; only of those that edit any."""
    direct: dict[bytes, frozenset[bytes]] = {}
    asked: set[bytes] = set()
    frontier = set(instance_ids)
    while frontier:
        found = queries.parents_of(session, frontier)
        direct |= found
        asked |= frontier
        frontier = {parent for parents in found.values() for parent in parents} - asked
    return {child: edited_by(child, direct) for child in direct}


def edited_by(child: bytes, direct: Mapping[bytes, frozenset[bytes]]) -> frozenset[bytes]:
    """Return the instanceIDs that one edits, directly or not."""
    found: set[bytes] = set()
    waiting = list(direct.get(child, ()))
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting.extend(direct.get(parent, ()))
    return frozenset(found - {child})


class _Lists:
    """The lists of a batch, each made when it is first met, with the spelling of their properties."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session, self._now = session, now
        self._projects: dict[str, int] = {}
        self._lists: dict[tuple[int, str], tuple[int, dict[str, str]]] = {}

    def project_of(self, form_id: str) -> int:
        if form_id not in self._projects:
            self._projects[form_id] = entity_lists.project_of_form(self._session, form_id)
        return self._projects[form_id]

    def has(self, changes: Sequence[tuple[bytes, EntityChange]]) -> bool:
        """Say whether the changes of a decision are kept already: all of them are, or none."""
        return bool(changes) and queries.has_change(self._session, changes[0][1].change_id)

    def find(self, project_id: int, name: str, properties: Iterable[str]) -> tuple[int, Mapping[str, str]]:
        """Return the number of a list, and its spelling of each property by the name in lower case."""
        known = self._lists.get((project_id, name))
        missing = [one for one in properties if known is None or one.casefold() not in known[1]]
        if known is None or missing:
            found = entity_lists.ensure_list(
                self._session, project_id=project_id, name=name, properties=missing, by=WORKER, now=self._now
            )
            known = self._lists[project_id, name] = (found.list_id, {one.casefold(): one for one in found.properties})
        return known


def _of_interview(item: Filed, shelf: _Lists, keystore: KeyStore) -> list[dict[str, Any]]:
    opened = item.opened
    project_id = shelf.project_of(opened.definition.form_id)
    instance_id, answers_hash = opened.revision.key
    rows = []
    for number, write in enumerate(opened.entities):
        list_id, spelling = shelf.find(project_id, write.dataset, write.properties)
        change_id = id_of_write(opened.revision.key, write)
        rows.append(
            {
                "change_id": change_id,
                "list_id": list_id,
                "entity_id": write.entity_id,
                "action": action_of(write).value,
                "envelope_id": opened.envelope.envelope_id,
                "instance_id": instance_id,
                "answers_hash": answers_hash,
                "row": number,
                "base_version": write.base_version,
                "trunk_version": write.trunk_version,
                "branch_id": write.branch_id,
                "sealed": _sealed_change(change_id, spelt(values_of(write), spelling), (), keystore),
            }
        )
    return rows


def id_of_write(revision: tuple[bytes, bytes], write: EntityWrite) -> bytes:
    """Return the id of a change of an interview, (16,): the same whatever envelope brings it."""
    return change_id_of(revision[0].hex(), revision[1].hex(), write.path)


def values_of(write: EntityWrite) -> Mapping[str, str]:
    """Return what an interview writes, as its form spells the properties."""
    return write.properties if write.label is None else {**write.properties, LABEL: write.label}


def spelt(values: Mapping[str, str], spelling: Mapping[str, str]) -> dict[str, str]:
    """Return values as the list spells its properties."""
    return {spelling.get(name.casefold(), name): value for name, value in values.items()}


def action_of(write: EntityWrite) -> Action:
    """Return what a change of an interview does."""
    if write.creates:
        return Action.UPSERT if write.updates else Action.CREATE
    return Action.UPDATE


def _of_decision(
    envelope_id: bytes, decision: Mapping[str, Any], shelf: _Lists, keystore: KeyStore
) -> list[dict[str, Any]]:
    read = read_decision(envelope_id, decision)
    if read is None or shelf.has(read.changes):
        return []
    rows = []
    for entity_id, change in read.changes:
        list_id, spelling = shelf.find(read.project_id, read.name, [one for one in change.values if one != LABEL])
        rows.append(
            {
                "change_id": change.change_id,
                "list_id": list_id,
                "entity_id": entity_id,
                "action": change.action.value,
                "envelope_id": envelope_id,
                "instance_id": None,
                "answers_hash": None,
                "row": change.row,
                "base_version": 0,
                "trunk_version": 0,
                "branch_id": b"",
                "sealed": _sealed_change(change.change_id, spelt(change.values, spelling), change.parents, keystore),
            }
        )
    return rows


def _sealed_change(change_id: bytes, values: Mapping[str, str], parents: Iterable[bytes], keystore: KeyStore) -> bytes:
    members = {"values": dict(values), "parents": [parent.hex() for parent in parents]}
    return keystore.seal_projection(canonical_json(members), _CHANGE + change_id)
