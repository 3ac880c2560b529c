"""A small world of tablets and an office: it knows what every writer had seen, which the fold has to find out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from sync_protocol.entities import (
    OFFICE_RANK,
    Action,
    EntityChange,
    FoldedEntity,
    count_changes,
    fold_entity,
)

Fold = Callable[[Sequence[EntityChange]], FoldedEntity]
PROPERTIES = ("label", "crop", "persons")


def named(name: str) -> bytes:
    """Return a change id that reads as its name."""
    return name.encode().ljust(16, b"\x00")


def change(name: str, action: Action = Action.UPDATE, /, **members: object) -> EntityChange:
    """Make a change of an interview of its own, of an enumerator."""
    given: dict[str, object] = {"values": {}, "rank": 1, "revision": (named(name), bytes(32))}
    return EntityChange(change_id=named(name), action=action, **given | members)  # type: ignore[arg-type]


def office(name: str, action: Action = Action.UPDATE, /, *parents: str, **values: str) -> EntityChange:
    """Make a change of the office, which names what it has seen."""
    return EntityChange(
        change_id=named(name),
        action=action,
        values=values,
        rank=OFFICE_RANK,
        parents=tuple(named(parent) for parent in parents),
    )


@dataclass
class Server:
    """Receives in any order, and records a version whenever it is looked at."""

    fold: Fold = fold_entity
    here: dict[bytes, EntityChange] = field(default_factory=dict)
    recorded: dict[bytes, bool] = field(default_factory=dict)
    version: int = 0

    def receive(self, arrived: Sequence[EntityChange]) -> None:
        for one in arrived:
            self.here.setdefault(one.change_id, one)

    def record(self) -> None:
        counts = dict.fromkeys(self.here, True)
        self.version, news = count_changes(self.recorded, counts, last_version=self.version)
        for change_id in news:
            self.recorded[change_id] = True
            self.here[change_id] = replace(self.here[change_id], first_version=self.version)

    def folded(self) -> FoldedEntity:
        return self.fold(list(self.here.values()))


@dataclass
class Tablet:
    """What Collect does with one entity: a version of its own, the trunk, a branch, and a queue of finished forms."""

    name: str
    random: Random
    values: dict[str, str] = field(default_factory=dict)
    version: int = 0
    trunk: int = 0
    branch: bytes = b""
    seen: frozenset[bytes] = frozenset()
    queue: list[EntityChange] = field(default_factory=list)

    def sync(self, server: Server) -> None:
        """Take the list, as `updateLocalEntitiesFromServer` does, when nothing is waiting to be sent."""
        self.values = dict(server.folded().values)
        self.version = self.trunk = server.version
        self.branch = self.random.randbytes(16)
        self.seen = frozenset(server.here)

    def create(self, truth: dict[bytes, frozenset[bytes]]) -> None:
        made = change(f"{self.name}0", Action.CREATE, values={"label": self.name, "crop": "none"})
        self._keep(made, truth)
        self.version, self.trunk, self.branch = 1, 0, self.random.randbytes(16)

    def update(self, truth: dict[bytes, frozenset[bytes]]) -> None:
        """Finish a form that saves some properties, some of them unchanged, as forms do."""
        written = {name: self.random.choice(["a", "b", self.values.get(name, "a")]) for name in PROPERTIES}
        made = change(
            f"{self.name}{len(self.queue)}",
            values={name: value for name, value in written.items() if self.random.random() < 0.7},
            base_version=self.version,
            trunk_version=self.trunk,
            branch_id=self.branch,
            rank=self.random.choice([1, 1, 2]),
        )
        self._keep(made, truth)
        self.version += 1

    def _keep(self, made: EntityChange, truth: dict[bytes, frozenset[bytes]]) -> None:
        truth[made.change_id] = self.seen
        self.seen |= {made.change_id}
        self.values |= made.values
        self.queue.append(made)


def folded_by_truth(changes: Mapping[bytes, EntityChange], truth: Mapping[bytes, frozenset[bytes]]) -> FoldedEntity:
    """Fold the same changes with what their writers had really seen, each named one by one."""
    told = [
        replace(
            one,
            revision=(one.change_id, b"told"),
            edits=frozenset(truth[one.change_id]),
            action=Action.UPSERT,  # one without a base takes nothing but its edits for its causes
            base_version=0,
            trunk_version=0,
            branch_id=b"",
            first_version=0,
        )
        for one in changes.values()
    ]
    return fold_entity(told)
