"""From revisions to interviews: a pure fold that no order, repetition or batching of arrivals can change.

A revision is one instanceID with one set of canonical answers. An interview is a connected graph of revisions by
their parents, named by its root. Clocks and arrival are not looked at. Nothing is dropped: every revision is the
current one, in a conflict, or superseded by a descendant of its own mode and project (training never hides a survey's
answers, nor one project another's) or by a person's resolution, which holds until a head comes that was not there when
it was made.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from sync_protocol.constants import LABEL_STATE
from sync_protocol.documents import canonical_json

ROLE_RANK: Final[Mapping[str, int]] = {
    "administrator": 3,
    "manager": 3,
    "supervisor": 2,
    "enumerator": 1,
    "door": 1,
}
"""Whose concurrent edit is shown until a person decides: the office before the supervisor before the enumerator."""

MODE_RANK: Final[Mapping[str, int]] = {"survey": 2, "pilot": 1, "training": 0}
"""Which mode is shown where one interview has several, which only a mistake or malice makes."""


Kind = tuple[str, int]
"""Mode and project."""


class State(StrEnum):
    """What the history of an interview looks like; the first that holds, in this order."""

    CYCLE = "cycle"
    MIXED_PROJECTS = "mixed-projects"
    MIXED_MODES = "mixed-modes"
    ID_COLLISION = "id-collision"
    CONFLICT = "conflict"
    INCOMPLETE_HISTORY = "incomplete-history"
    CURRENT = "current"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One version of an interview.

    Attributes:
        instance_id: (16,).
        answers_hash: (32,) of the canonical answers.
        parents: instanceIDs, (16,) each, that it edits.
        envelope_id: (32,) of an envelope that holds it; which one where several do, `unique` says.
        role: of the device that sealed it.
        mode: of the survey key that it was sealed to.
        project: of its form.
    """

    instance_id: bytes
    answers_hash: bytes
    parents: tuple[bytes, ...]
    envelope_id: bytes
    form_version_hash: bytes
    role: str
    mode: str
    project: int = 0

    @property
    def key(self) -> tuple[bytes, bytes]:
        """What makes it one revision, whatever the ciphertext."""
        return (self.instance_id, self.answers_hash)

    @property
    def kind(self) -> "Kind":
        """What a later revision must share to supersede it."""
        return (self.mode, self.project)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a person decided about a conflict, having seen certain heads.

    Attributes:
        rank: place in the office's chain of decisions, then the envelope id: of several that hold, the highest counts.
        chosen: key of the revision that counts.
        seen: keys of the heads that were there.
    """

    rank: tuple[int, bytes]
    chosen: tuple[bytes, bytes]
    seen: frozenset[tuple[bytes, bytes]]

    def holds(self, heads: Set[tuple[bytes, bytes]]) -> bool:
        """Say whether it still decides: the chosen one is a head, and none has come that was not seen."""
        return self.chosen in heads and heads <= self.seen


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedInterview:
    """What a set of revisions and resolutions means.

    Attributes:
        interview_id: (16,) instanceID of the root, which may not have arrived yet.
        current: key of the revision whose answers count, provisionally where `conflicts` names others.
        conflicts: keys of the other revisions that no descendant supersedes, sorted.
        superseded: keys of the revisions with a descendant of their kind, or that a resolution set aside, sorted.
        missing: instanceIDs of parents that have not arrived, sorted.
    """

    interview_id: bytes
    state: State
    current: tuple[bytes, bytes]
    conflicts: tuple[tuple[bytes, bytes], ...]
    superseded: tuple[tuple[bytes, bytes], ...]
    missing: tuple[bytes, ...]
    mode: str
    form_version_hash: bytes


def unique(revisions: Iterable[Revision]) -> tuple[Revision, ...]:
    """Make one of the revisions that are the same; sorted by key.

    Copies may differ in what surrounds the answers: the union of their parents counts, the highest role, and the mode,
    envelope id, project and form version of one copy, that of the highest mode, the first project and the lowest
    envelope id.
    """
    merged: dict[tuple[bytes, bytes], Revision] = {}
    for revision in revisions:
        known = merged.get(revision.key)
        merged[revision.key] = revision if known is None else _merge(known, revision)
    return tuple(
        replace(revision, parents=tuple(sorted(set(revision.parents)))) for _, revision in sorted(merged.items())
    )


def _merge(first: Revision, second: Revision) -> Revision:
    if first.mode != second.mode:
        leader = max(first, second, key=lambda copy: _mode_rank(copy.mode))
    else:
        leader = min(first, second, key=lambda copy: (copy.project, copy.envelope_id, copy.form_version_hash))
    return replace(
        leader,
        parents=tuple(sorted({*first.parents, *second.parents})),
        role=max(first.role, second.role, key=lambda role: (ROLE_RANK.get(role, 0), role)),
    )


def _mode_rank(mode: str) -> tuple[int, str]:
    return (MODE_RANK.get(mode, -1), mode)


def components(revisions: Iterable[Revision]) -> tuple[tuple[Revision, ...], ...]:
    """Part revisions into interviews: those connected by parents, also through a parent that has not arrived."""
    leader: dict[bytes, bytes] = {}

    def find(node: bytes) -> bytes:
        leader.setdefault(node, node)
        while leader[node] != node:
            leader[node] = node = leader[leader[node]]
        return node

    known = unique(revisions)
    for revision in known:
        for parent in revision.parents:
            leader[find(parent)] = find(revision.instance_id)
    groups: defaultdict[bytes, list[Revision]] = defaultdict(list)
    for revision in known:
        groups[find(revision.instance_id)].append(revision)
    return tuple(sorted((tuple(group) for group in groups.values()), key=lambda group: group[0].key))


def fold_component(revisions: Iterable[Revision], resolutions: Iterable[Resolution] = ()) -> FoldedInterview:
    """Fold the revisions of one interview.

    Args:
        revisions: at least one, all connected by their parents; any order, with repetitions.
        resolutions: what was decided about it; any order, with repetitions. What is about another decides nothing.
    """
    known = unique(revisions)
    history = _History.of(known)
    heads = [revision for revision in known if revision.kind not in history.kinds_below[revision.instance_id]]
    chosen = _chosen({head.key for head in heads}, resolutions)
    if chosen is not None:
        heads = [head for head in heads if head.key == chosen]
    home = _home(known, history.root)
    current = max(heads, key=lambda head: (head.project == home, _precedence(head, history.depth[head.instance_id])))
    keys = {head.key for head in heads}
    return FoldedInterview(
        interview_id=history.root,
        state=_state(known, history, heads) if chosen is None else _complete(history),
        current=current.key,
        conflicts=tuple(sorted(keys - {current.key})),
        superseded=tuple(revision.key for revision in known if revision.key not in keys),
        missing=tuple(sorted(history.missing)),
        mode=current.mode,
        form_version_hash=current.form_version_hash,
    )


def _home(known: Sequence[Revision], root: bytes) -> int:
    """Return the project in which an interview was begun; of several, or before its root has come, the first."""
    begun = [revision.project for revision in known if revision.instance_id == root]
    return min(begun or [revision.project for revision in known])


def _chosen(heads: Set[tuple[bytes, bytes]], resolutions: Iterable[Resolution]) -> tuple[bytes, bytes] | None:
    """Return the head that the last resolution which still holds has chosen."""
    holding = [resolution for resolution in resolutions if resolution.holds(heads)]
    return max(holding, key=lambda resolution: (resolution.rank, resolution.chosen)).chosen if holding else None


def _precedence(head: Revision, depth: int) -> tuple[object, ...]:
    """Order heads by mode, role, depth and envelope id; the key settles what is equal even then."""
    return (_mode_rank(head.mode), ROLE_RANK.get(head.role, 0), depth, head.envelope_id, head.key)


def fold(revisions: Iterable[Revision], resolutions: Iterable[Resolution] = ()) -> tuple[FoldedInterview, ...]:
    """Fold any set of revisions and resolutions into interviews, sorted by id."""
    about: defaultdict[bytes, list[Resolution]] = defaultdict(list)
    for resolution in resolutions:
        about[resolution.chosen[0]].append(resolution)
    folded = [
        fold_component(
            part, [one for node in {revision.instance_id for revision in part} for one in about.get(node, ())]
        )
        for part in components(revisions)
    ]
    return tuple(sorted(folded, key=lambda item: item.interview_id))


def state_hash(interviews: Iterable[FoldedInterview]) -> bytes:
    """Return the canonical hash of a folded state, (32,), whatever the order it is given in."""
    digest = hashlib.sha256(LABEL_STATE)
    for line in sorted(canonical_json(_line(interview)) for interview in interviews):
        digest.update(len(line).to_bytes(4, "big") + line)
    return digest.digest()


def _line(interview: FoldedInterview) -> list[object]:
    return [
        interview.interview_id.hex(),
        interview.state.value,
        [part.hex() for part in interview.current],
        [[part.hex() for part in key] for key in interview.conflicts],
        [[part.hex() for part in key] for key in interview.superseded],
        [node.hex() for node in interview.missing],
        interview.mode,
        interview.form_version_hash.hex(),
    ]


def _state(known: Sequence[Revision], history: "_History", heads: Sequence[Revision]) -> State:
    if history.has_cycle:
        return State.CYCLE
    if len({revision.project for revision in known}) > 1:
        return State.MIXED_PROJECTS
    if len({revision.mode for revision in known}) > 1:
        return State.MIXED_MODES
    if len({revision.instance_id for revision in known}) < len(known):
        return State.ID_COLLISION
    if len(heads) > 1:
        return State.CONFLICT
    return _complete(history)


def _complete(history: "_History") -> State:
    return State.INCOMPLETE_HISTORY if history.missing else State.CURRENT


@dataclass(frozen=True, slots=True, kw_only=True)
class _History:
    """The graph of one interview's instanceIDs.

    A well-made history has no cycles. A hostile one may: a cycle counts as one place in the history, so every
    member of a last cycle is a head, and the fold still ends and is still the same for everyone.

    Attributes:
        kinds_below: by instanceID, the kinds of its descendants: each supersedes what is of its own kind.
        depth: by instanceID, places on the longest way from a root; 0 for a root.
    """

    root: bytes
    kinds_below: Mapping[bytes, Set[Kind]]
    depth: Mapping[bytes, int]
    missing: frozenset[bytes]
    has_cycle: bool

    @classmethod
    def of(cls, known: Sequence[Revision]) -> "_History":
        parents: dict[bytes, set[bytes]] = {}
        kinds: defaultdict[bytes, set[Kind]] = defaultdict(set)
        for revision in known:
            parents.setdefault(revision.instance_id, set()).update(revision.parents)
            kinds[revision.instance_id].add(revision.kind)
        missing = frozenset(parent for found in parents.values() for parent in found if parent not in parents)
        parents |= {node: set() for node in missing}
        places = strong_components(parents)
        member = {node: place for place, nodes in enumerate(places) for node in nodes}
        above = [{member[up] for node in nodes for up in parents[node]} - {place} for place, nodes in enumerate(places)]
        depth: list[int] = []
        for ups in above:  # ancestors come first
            depth.append(1 + max((depth[up] for up in ups), default=-1))
        below: list[set[Kind]] = [set() for _ in places]
        for place in reversed(range(len(places))):  # descendants come first
            here = below[place].union(*(kinds[node] for node in places[place]))
            for up in above[place]:
                below[up] |= here
        return cls(
            root=min(node for place, nodes in enumerate(places) if not above[place] for node in nodes),
            kinds_below={node: below[member[node]] for node in parents},
            depth={node: depth[member[node]] for node in parents},
            missing=missing,
            has_cycle=any(len(nodes) > 1 or nodes[0] in parents[nodes[0]] for nodes in places),
        )


def strong_components(parents: Mapping[bytes, set[bytes]]) -> list[list[bytes]]:
    """Return the strongly connected components, ancestors first (Tarjan 1972, without recursion)."""
    order: dict[bytes, int] = {}
    low: dict[bytes, int] = {}
    stack: list[bytes] = []
    on_stack: set[bytes] = set()
    places: list[list[bytes]] = []
    for start in sorted(parents):
        if start in order:
            continue
        walk = [(start, iter(sorted(parents[start])))]
        while walk:
            node, ups = walk[-1]
            if node not in order:
                order[node] = low[node] = len(order)
                stack.append(node)
                on_stack.add(node)
            up = next((up for up in ups if up not in order or up in on_stack), None)
            if up is not None and up not in order:
                walk.append((up, iter(sorted(parents[up]))))
                continue
            if up is not None:
                low[node] = min(low[node], order[up])
                continue
            walk.pop()
            if walk:
                low[walk[-1][0]] = min(low[walk[-1][0]], low[node])
            if low[node] == order[node]:
                place = [stack.pop()]
                while place[-1] != node:
                    place.append(stack.pop())
                on_stack.difference_update(place)
                places.append(sorted(place))
    return places
