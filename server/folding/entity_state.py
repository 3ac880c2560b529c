"""Entities as canonical lines, as they are stored and as all envelopes together make them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy.orm import Session

from forms.entities import EntityWrite
from server.db.queries import entities as queries
from server.db.queries import entity_lists
from server.db.queries.entities import Key
from server.db.queries.entity_lists import StoredList
from server.folding.entities import (
    EntityContent,
    action_of,
    edited_by,
    first_versions,
    fold_counted,
    id_of_write,
    may_count,
    spelt,
    values_of,
)
from server.folding.entity_decisions import EntityDecision, read_decision
from server.folding.opener import OpenedDecision, OpenedInterview
from server.keystore import KeyStore
from sync_protocol.documents import canonical_json
from sync_protocol.entities import Claim, EntityChange
from sync_protocol.reconcile import ROLE_RANK, Revision

Lines = Mapping[bytes, bytes]
"""By entity id and list."""


def stored_entities(session: Session, keystore: KeyStore) -> Lines:
    """Return the lines of all stored entities.

    Raises:
        KeyStoreLocked: without the vault.
    """
    lines = {}
    changed = queries.all_keys(session)
    for one in queries.all_entities(session):
        key = (one.list_id, one.entity_id)
        if key not in changed:
            continue  # its interview was erased: the row tells tablets so, and holds nothing
        content = EntityContent.open(one.sealed, key, keystore)
        lines[_name(key)] = _line(key, one.state, content.values, content.conflicts, content.heads)
    return lines


@dataclass(slots=True)
class WholeEntities:
    """All changes of a store, gathered in any order."""

    _writes: dict[bytes, tuple[tuple[bytes, bytes], str, int, EntityWrite]] = field(default_factory=dict)
    _decisions: dict[bytes, EntityDecision] = field(default_factory=dict)

    def add_interview(self, opened: OpenedInterview) -> None:
        """Take what one opened interview writes; the same may come often."""
        for number, write in enumerate(opened.entities):
            change_id = id_of_write(opened.revision.key, write)
            self._writes[change_id] = (opened.revision.key, opened.definition.form_id, number, write)

    def add_decision(self, opened: OpenedDecision) -> None:
        """Take one decision, opened or not yet: it is folded in the transaction that stores it."""
        read = read_decision(opened.envelope.envelope_id, opened.decision)
        if read is not None:
            self._decisions[opened.envelope.envelope_id] = read

    def lines(
        self, session: Session, revisions: Mapping[tuple[bytes, bytes], Revision], reviews: Mapping[bytes, str]
    ) -> Lines:
        """Fold all; the session is asked for the lists and the recorded versions only.

        Args:
            session: on one snapshot.
            revisions: of all interviews.
            reviews: what the office has said of the interview that holds an instanceID.
        """
        lists = {(one.project_id, one.name): one for one in entity_lists.all_lists(session)}
        counted: dict[Key, list[EntityChange]] = defaultdict(list)
        for decision in self._decisions.values():
            of = lists.get((decision.project_id, decision.name))
            if of is not None:
                for entity_id, change in decision.changes:
                    counted[of.list_id, entity_id].append(change)
        self._count_writes(session, counted, lists, revisions, reviews)
        first = first_versions(queries.recorded_of(session, counted))
        spellings = {one.list_id: {name.casefold(): name for name in one.properties} for one in lists.values()}
        lines = {}
        for key, changes in counted.items():
            state, folded = fold_counted([_placed(one, spellings[key[0]], first) for one in changes])
            lines[_name(key)] = _line(key, state, folded.values, folded.conflicts, folded.heads)
        return lines

    def _count_writes(
        self,
        session: Session,
        counted: dict[Key, list[EntityChange]],
        lists: Mapping[tuple[int, str], StoredList],
        revisions: Mapping[tuple[bytes, bytes], Revision],
        reviews: Mapping[bytes, str],
    ) -> None:
        direct: dict[bytes, frozenset[bytes]] = {}
        for revision in revisions.values():
            direct[revision.instance_id] = direct.get(revision.instance_id, frozenset()).union(revision.parents)
        forms = {form_id for _, form_id, _, _ in self._writes.values()}
        projects = {form_id: entity_lists.project_of_form(session, form_id) for form_id in forms}
        for change_id, (key, form_id, number, write) in self._writes.items():
            of = lists.get((projects[form_id], write.dataset))
            if of is None:
                continue
            own = counted[of.list_id, write.entity_id]
            if may_count(of, mode=revisions[key].mode, review=reviews.get(key[0], "")):
                edits = edited_by(key[0], direct)
                own.append(_of_write(change_id, key, number, write, revisions[key].role, edits))


def _of_write(
    change_id: bytes, key: tuple[bytes, bytes], number: int, write: EntityWrite, role: str, edits: frozenset[bytes]
) -> EntityChange:
    return EntityChange(
        change_id=change_id,
        action=action_of(write),
        values=values_of(write),
        rank=ROLE_RANK.get(role, 0),
        revision=key,
        row=number,
        edits=edits,
        base_version=write.base_version,
        trunk_version=write.trunk_version,
        branch_id=write.branch_id,
    )


def _placed(change: EntityChange, spelling: Mapping[str, str], first: Mapping[bytes, int]) -> EntityChange:
    return replace(change, values=spelt(change.values, spelling), first_version=first.get(change.change_id, 0))


def _name(key: Key) -> bytes:
    return key[1] + key[0].to_bytes(8, "big")


def _line(
    key: Key,
    state: str,
    values: Mapping[str, str],
    conflicts: Mapping[str, tuple[Claim, ...]],
    heads: tuple[bytes, ...],
) -> bytes:
    claims = {name: [[one.change_id.hex(), one.value] for one in found] for name, found in conflicts.items()}
    members = [key[0], key[1].hex(), state, dict(values), claims, [head.hex() for head in heads]]
    return canonical_json(["entity", *members])
