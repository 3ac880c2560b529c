"""One step from a version to the next, compiled: for every column of the old version what becomes of its answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from forms.columns import Column, Store
from forms.definition import FormDefinition
from forms.evolution.conversions import Conversion, read_factor
from forms.evolution.crosswalk import MANY, codes_of, crosswalk
from forms.evolution.declared import CONVERTED, DROPPED, NOT_COMPARABLE, RECOMPUTED, MigrationMap
from forms.evolution.matching import Pairing, Place, pair, paths_named, places
from forms.evolution.recomputation import ColumnTree, Recomputation, RuleError, needs_of


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of the answers of one column.

    Attributes:
        target: column that they go to, empty where they end here.
        conversion: how, None for as they are. ``raw``: column for those that cannot be had.
        remark: for each of them, empty for none.
        rows: what becomes of the rows of a repeat.
    """

    target: str
    conversion: Conversion | None = None
    raw: str = ""
    remark: str = ""
    rows: "ScopePlan | None" = None


@dataclass(frozen=True, slots=True)
class ScopePlan:
    """What becomes of a row: of the interview or of a repeat.

    Attributes:
        fates: by column name before.
        computed: what is computed from the old row.
        columns: of the row afterwards: those of the new version, then those that are kept.
        taken: names of all columns here, and of those of the other store: a kept column never takes one of them.
    """

    fates: Mapping[str, Fate]
    computed: tuple[Recomputation, ...]
    columns: tuple[Column, ...]
    taken: frozenset[str]


@dataclass(frozen=True, slots=True)
class Step:
    """A step as it is declared; compared by content, so that its plan is made once."""

    before: FormDefinition
    after: FormDefinition
    declared: MigrationMap


def kept_name(name: str, taken: Iterable[str]) -> str:
    """Return the column name under which old answers stay readable beside the columns of the new version."""
    used = set(taken)
    if name not in used:
        return name
    candidate, number = f"{name}_before", 1
    while candidate in used:
        number += 1
        candidate = f"{name}_before_{number}"
    return candidate


@lru_cache(maxsize=256)
def plan_of(step: Step, store: Store, columns: tuple[Column, ...]) -> ScopePlan:
    """Compile a step for rows that have these columns: those of ``before``, and those kept from earlier versions."""
    return _Planner(step, store).scope(columns, step.before.root.path, step.after.root.path)


@lru_cache(maxsize=64)
def column_tree(definition: FormDefinition) -> ColumnTree:
    """Return the analysis columns of a version as expressions see them."""
    return ColumnTree(definition)


class _Planner:
    def __init__(self, step: Step, store: Store) -> None:
        self.before, self.after, self.declared = step.before, step.after, step.declared
        self.store = store
        self.pairing: Pairing = pair(step.before, step.after, step.declared)
        self.old, self.new = places(step.before), places(step.after)
        self.recomputed = self._rules()
        self.apart = {
            leaf
            for row in step.declared.of(NOT_COMPARABLE)
            for path in self._after(row.question)
            for leaf in self.new
            if leaf == path or leaf.startswith(f"{path}/")
        }
        self.ending = {
            path
            for row in step.declared.of(DROPPED)
            if not row.old
            for path in paths_named(step.before, row.question)
            if path not in self.pairing.pairs
        }
        self.factors = {
            path: factor
            for row in step.declared.of(CONVERTED)
            if (factor := read_factor(row.rule)) is not None
            for path in self._after(row.question)
        }

    def _after(self, name: str) -> tuple[str, ...]:
        found = paths_named(self.after, name)
        return found if len(found) == 1 else ()

    def _rules(self) -> dict[str, Recomputation]:
        back = {new: old for old, new in self.pairing.pairs.items()}
        found: dict[str, Recomputation] = {}
        for row in self.declared.of(RECOMPUTED):
            for path in self._after(row.question):
                place = self.new[path]
                scope = back.get(place.scope)
                if place.kind == "leaf" and place.store == "analysis" and scope is not None and path not in found:
                    rule = self._rule(row.rule, place, scope)
                    if rule is not None:
                        found[path] = rule
        return found

    def _rule(self, rule: str, place: Place, scope: str) -> Recomputation | None:
        tree = column_tree(self.before)
        try:
            compiled = tree.compile(rule, scope)
        except RuleError:
            return None
        if place.column is None or scope not in tree.specs:
            return None
        codes = codes_of(self.after, place.node.path)
        return Recomputation(
            column=place.column.name,
            type=place.column.type,
            codes=None if codes is None else frozenset(codes),
            is_many=self.after.questions[place.node.path].control in MANY,
            evaluate=compiled.evaluate,
            needs=needs_of(compiled, tree, scope),
        )

    def scope(self, columns: tuple[Column, ...], old: str, new: str) -> ScopePlan:
        """Plan the rows of a scope that both versions have."""
        names = {place.column.name for place in self.new.values() if place.scope == new and place.column is not None}
        builder = _ScopeBuilder(self._columns_after(new), frozenset(names))
        own = {place.column.name for place in self.old.values() if place.scope == old and place.column is not None}
        for column in columns:  # kept ones first: their names hold through all versions
            if column.name not in own:
                builder.keep(column)
        for column in columns:
            if column.name in own:
                self._plan(column, builder)
        computed = [
            rule for path, rule in self.recomputed.items() if self.store == "analysis" and self.new[path].scope == new
        ]
        return builder.plan(tuple(computed))

    def _columns_after(self, scope: str) -> tuple[Column, ...]:
        columns = self.after.columns(self.store)
        if scope == self.after.root.path:
            return columns
        waiting = list(columns)
        while waiting:
            column = waiting.pop()
            if column.path == scope:
                return column.children
            waiting.extend(column.children)
        return ()

    def _plan(self, column: Column, builder: "_ScopeBuilder") -> None:
        new = self.pairing.pairs.get(column.path)
        if column.path in self.ending:
            builder.end(column)
        elif new is None:
            builder.keep(column)
        elif column.type == "repeat":
            self._plan_repeat(column, new, builder)
        else:
            self._plan_leaf(column, new, builder)

    def _plan_repeat(self, column: Column, new: str, builder: "_ScopeBuilder") -> None:
        target = self.new[new].column
        if target is None:
            builder.keep(column)
        else:
            builder.follow(column, target, self.scope(column.children, column.path, new))

    def _plan_leaf(self, column: Column, new: str, builder: "_ScopeBuilder") -> None:
        place = self.new[new]
        if place.column is None:
            builder.keep(column)
        elif place.store != self.store:
            builder.part(column) if self.store == "analysis" else builder.keep(column)
        elif new in self.apart or new in self.recomputed:
            builder.keep(column)
        else:
            conversion = self.conversion(column, new, place.column)
            builder.convert(column, place.column, None if conversion.is_copy else conversion)

    def conversion(self, column: Column, new: str, target: Column) -> Conversion:
        """Return how the answers of a paired question are converted."""
        old_control = self.before.questions[column.path].control
        new_control = self.after.questions[new].control
        codes = crosswalk(self.before, self.after, column.path, new, self.declared)
        offered = codes_of(self.after, new)
        had_none = codes_of(self.before, column.path) is None and not _has_list(self.before, column.path)
        return Conversion(
            old_type=column.type,
            new_type=target.type,
            codes=codes,
            new_codes=frozenset(offered) if offered is not None and had_none else None,
            factor=self.factors.get(new),
            to_one=old_control in MANY and new_control not in MANY and _has_list(self.after, new),
            is_many=new_control in MANY,
        )


def _has_list(definition: FormDefinition, path: str) -> bool:
    return definition.questions[path].choices is not None


class _ScopeBuilder:
    """Gathers the fates of the columns of one scope, and the columns that come of them."""

    def __init__(self, columns: tuple[Column, ...], names: frozenset[str]) -> None:
        self.columns = list(columns)
        self.taken = set(names)
        self.fates: dict[str, Fate] = {}

    def _kept(self, column: Column) -> str:
        name = kept_name(column.name, self.taken)
        self.taken.add(name)
        self.columns.append(replace(column, name=name))
        return name

    def keep(self, column: Column) -> None:
        """Keep answers beside the columns of the new version."""
        self.fates[column.name] = Fate(self._kept(column))

    def end(self, column: Column) -> None:
        """Let answers end, as the map says."""
        self.fates[column.name] = Fate("", remark="dropped")

    def part(self, column: Column) -> None:
        """Withhold answers of a question that identifies in the new version: they are in the wrong store for it."""
        self.fates[column.name] = Fate("", remark="reclassified")

    def convert(self, column: Column, target: Column, conversion: Conversion | None) -> None:
        """Lead answers into their column of the new version."""
        raw = self._kept(column) if conversion is not None and conversion.may_fail else ""
        self.fates[column.name] = Fate(target.name, conversion, raw)

    def follow(self, column: Column, target: Column, rows: ScopePlan) -> None:
        """Lead the rows of a repeat into theirs; rows of which nothing is left in this store end."""
        if not rows.columns:
            self.fates[column.name] = Fate("", rows=rows)
            return
        self.fates[column.name] = Fate(target.name, rows=rows)
        after = replace(target, children=rows.columns)
        for place, known in enumerate(self.columns):
            if known.name == target.name:
                self.columns[place] = after
                return
        self.columns.append(after)

    def plan(self, computed: tuple[Recomputation, ...]) -> ScopePlan:
        """Return the plan."""
        return ScopePlan(self.fates, computed, tuple(self.columns), frozenset(self.taken))
