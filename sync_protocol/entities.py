"""From changes to entities: a pure fold that follows what the writer of a change had seen, never when it arrived.

A change is one `meta/entity` of one revision of an interview, or one row of an office decision. What its writer had
seen is said by the change itself: a later row of the same interview has seen the earlier ones, an edit what it edits,
an update in an offline branch the change before it in the branch, any other update the server version that it names,
an office change the changes that it names. A server version is the set of changes that had been counted when it was
recorded; it never changes. A change whose base has not come counts at once, under the nearest ancestor that has.

Each property is merged by itself. A write that says what its writer had before them is no write, so that forms which
save every property do not collide where people did not. Writes of which neither had seen the other are a conflict if
they differ; all values are kept, and one is shown by rank, depth and id until a person decides. Source: ODK XForms
specification, Entities, https://getodk.github.io/xforms-spec/entities, and ODK Collect's `LocalEntityUseCases`.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sync_protocol.reconcile import ROLE_RANK, strong_components

LABEL: Final = "label"
"""The label of an entity is a property like others; ODK reserves its name."""
OFFICE_RANK: Final = 1 + max(ROLE_RANK.values())


class Action(StrEnum):
    """What a change does; deleting and restoring are the office's."""

    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"
    DELETE = "delete"
    RESTORE = "restore"

    @property
    def creates(self) -> bool:
        """The entity may begin with it."""
        return self in (Action.CREATE, Action.UPSERT)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityChange:
    """One change of one entity.

    Attributes:
        change_id: (16,).
        values: property → value, of those that it writes; `label` among them.
        rank: of the writer's role; `OFFICE_RANK` for the office.
        revision: instanceID and answers hash of the interview that it stands in, None for the office's.
        row: its place among the changes of this revision.
        edits: instanceIDs of the revisions that its own edits, and that those edit.
        base_version: the version that its writer had; 0 where it names none.
        trunk_version: the server version that the offline branch began at; 0 where the entity was created offline.
        branch_id: of the offline branch, empty outside one.
        parents: ids of the changes that an office change had seen.
        first_version: the server version that first counted it; 0 until one is recorded.
    """

    change_id: bytes
    action: Action
    values: Mapping[str, str]
    rank: int
    revision: tuple[bytes, bytes] | None = None
    row: int = 0
    edits: frozenset[bytes] = frozenset()
    base_version: int = 0
    trunk_version: int = 0
    branch_id: bytes = b""
    parents: tuple[bytes, ...] = ()
    first_version: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A value, and the change that says so."""

    change_id: bytes
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedEntity:
    """What a set of changes makes of an entity.

    Attributes:
        is_created: some change creates it; until then it waits.
        is_deleted: the office deleted it and has not restored it since.
        values: property → value that counts, provisionally where `conflicts` has others.
        conflicts: property → differing claims, the one that is shown first.
        heads: ids of the changes that no other had seen, sorted: what a decision of the office has to name.
    """

    is_created: bool
    is_deleted: bool
    values: Mapping[str, str]
    conflicts: Mapping[str, tuple[Claim, ...]]
    heads: tuple[bytes, ...]


def fold_entity(changes: Iterable[EntityChange]) -> FoldedEntity:
    """Fold the changes of one entity that count; any order, with repetitions.

    Args:
        changes: at least one.
    """
    history = _History.of({change.change_id: change for change in changes})
    written: dict[str, int] = {}
    for place, change in enumerate(history.changes):
        for name, value in change.values.items():
            before = history.seen[place] & written.get(name, 0)
            is_new = change.revision is None or not before or history.shown(before, name)[0].value != value
            if is_new:
                written[name] = written.get(name, 0) | 1 << place
    claims = {name: history.shown(mask, name) for name, mask in sorted(written.items())}
    return FoldedEntity(
        is_created=any(change.action.creates for change in history.changes),
        is_deleted=history.is_deleted(),
        values={name: found[0].value for name, found in claims.items()},
        conflicts={name: found for name, found in claims.items() if len({claim.value for claim in found}) > 1},
        heads=tuple(sorted(history.changes[place].change_id for place in history.last(history.everything))),
    )


def count_changes(
    recorded: Mapping[bytes, bool], counts: Mapping[bytes, bool], *, last_version: int
) -> tuple[int, Mapping[bytes, bool]]:
    """Return the version of an entity now, and what has to be recorded of it.

    The version grows by one with each change, so that a tablet that has made as many in its branch finds the server at
    or beyond its own version when all have come. What ceases to count is a change of the entity too.

    Args:
        recorded: change → whether the last recorded version counts it.
        counts: change → whether it counts now, of all changes that are here.
        last_version: 0 for none.
    """
    news = {change: does for change, does in counts.items() if does != recorded.get(change, False)}
    return last_version + len(news), news


@dataclass(frozen=True, slots=True)
class _History:
    """The changes of one entity, each after all that it had seen.

    Attributes:
        seen: bit mask of the places of the changes that each had seen.
        depth: longest way from a change that had seen none.
    """

    changes: Sequence[EntityChange]
    seen: Sequence[int]
    depth: Sequence[int]

    @property
    def everything(self) -> int:
        """The places of all changes."""
        return (1 << len(self.changes)) - 1

    @classmethod
    def of(cls, known: Mapping[bytes, EntityChange]) -> "_History":
        if len(known) == 1:  # as most are
            return cls(tuple(known.values()), (0,), (0,))
        parents = _Causes(known).parents()
        order: list[EntityChange] = []
        masks: dict[bytes, int] = {}
        depths: dict[bytes, int] = {}
        seen: list[int] = []
        depth: list[int] = []
        for nodes in strong_components(parents):  # ancestors come first; only hostile changes make a circle
            above = {up for node in nodes for up in parents[node]} - set(nodes)
            mask = 0
            for up in above:
                mask |= masks[up]
            level = 1 + max((depths[up] for up in above), default=-1)
            here = [known[node] for node in nodes if node in known]
            own = 0
            for change in here:
                own |= 1 << len(order)
                order.append(change)
                seen.append(mask)
                depth.append(level)
            for node in nodes:
                masks[node] = mask | own
                depths[node] = level if here else level - 1  # a recorded version is no step of its own
        return cls(tuple(order), tuple(seen), tuple(depth))

    def last(self, mask: int) -> Iterator[int]:
        """Yield the places in a mask that no other place in it had seen."""
        while mask:
            place = mask.bit_length() - 1
            yield place
            mask &= ~(self.seen[place] | 1 << place)

    def shown(self, mask: int, name: str) -> tuple[Claim, ...]:
        """Return the last claims among writes of a property, the one to be shown first."""
        last = sorted(self.last(mask), key=self._precedence, reverse=True)
        return tuple(Claim(self.changes[place].change_id, self.changes[place].values[name]) for place in last)

    def is_deleted(self) -> bool:
        """Say whether some deletion was never seen by who restored it: what was deleted twice is restored twice."""
        restored = 0
        for place, change in enumerate(self.changes):
            if change.action is Action.RESTORE:
                restored |= self.seen[place]
        return any(
            change.action is Action.DELETE and not restored >> place & 1 for place, change in enumerate(self.changes)
        )

    def _precedence(self, place: int) -> tuple[int, int, bytes]:
        change = self.changes[place]
        return (change.rank, self.depth[place], change.change_id)


@dataclass(slots=True)
class _Causes:
    """What each change of an entity had seen, as far as it is here."""

    known: Mapping[bytes, EntityChange]
    by_instance: dict[bytes, list[EntityChange]] = field(default_factory=lambda: defaultdict(list))
    by_revision: dict[tuple[bytes, bytes], list[EntityChange]] = field(default_factory=lambda: defaultdict(list))
    branches: dict[bytes, dict[int, list[EntityChange]]] = field(default_factory=lambda: defaultdict(dict))
    versions: list[int] = field(default_factory=list)
    creations: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        for _, change in sorted(self.known.items()):
            if change.revision is not None:
                self.by_instance[change.revision[0]].append(change)
                self.by_revision[change.revision].append(change)
            if change.branch_id and change.base_version:
                self.branches[change.branch_id].setdefault(change.base_version, []).append(change)
        self.creations = _originals([change for change in self.known.values() if change.action.creates])
        self.versions = sorted({change.first_version for change in self.known.values()} - {0})

    def parents(self) -> dict[bytes, set[bytes]]:
        """Return the graph: of each change and each recorded version, what it comes after."""
        graph: dict[bytes, set[bytes]] = {change_id: self._of(change) for change_id, change in self.known.items()}
        before: set[bytes] = set()
        for version in self.versions:
            graph[_node(version)] = before
            before = {_node(version)}
        for change_id, change in self.known.items():
            if change.first_version:
                graph[_node(change.first_version)] = graph[_node(change.first_version)] | {change_id}
        return graph

    def _of(self, change: EntityChange) -> set[bytes]:
        if change.revision is None:
            return {parent for parent in change.parents if parent in self.known}
        earlier = [one for one in self.by_revision[change.revision] if one.row < change.row]
        found = {max(earlier, key=lambda one: one.row).change_id} if earlier else set()
        found |= {one.change_id for edited in change.edits for one in self.by_instance.get(edited, ())}
        begins = change.action is Action.CREATE or (change.action is Action.UPSERT and not change.base_version)
        return (found if begins else found | self._base(change)) - {change.change_id}

    def _base(self, change: EntityChange) -> set[bytes]:
        """Return what an update is based on: the change that made its base, or the nearest before it."""
        base = change.base_version
        if not change.branch_id or base == change.trunk_version:
            return self._version(change, base)
        made = max((earlier for earlier in self.branches[change.branch_id] if earlier < base), default=None)
        if made is not None:
            return _originals(self.branches[change.branch_id][made])
        return self._version(change, change.trunk_version)

    def _version(self, change: EntityChange, version: int) -> set[bytes]:
        """Return the newest recorded version that a change may have seen: none that counts the change itself."""
        most = min(version, change.first_version - 1) if change.first_version else version
        place = bisect_right(self.versions, most)
        if place:
            return {_node(self.versions[place - 1])}
        return self.creations


def _originals(found: Sequence[EntityChange]) -> set[bytes]:
    """Leave out what edits another of them: what a tablet does next it does upon what it made first."""
    instances = {one.revision[0] for one in found if one.revision is not None}
    return {one.change_id for one in found if not one.edits & instances}


def _node(version: int) -> bytes:
    return b"version:" + version.to_bytes(8, "big")
