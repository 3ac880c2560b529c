"""Answers of one version as answers of a later one: a pure and total function made from two definitions and a map.

Nothing stored is rewritten. Amounts stay exact (Decimal). A value that has no place in the later version stays raw
with a remark, or stays readable under its old column name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from forms.columns import Column, Store
from forms.definition import FormDefinition
from forms.evolution.conversions import UnconvertibleError, typed
from forms.evolution.declared import MigrationMap
from forms.evolution.plan import Fate, ScopePlan, Step, column_tree, kept_name, plan_of
from forms.evolution.recomputation import Recomputation, RowTree, written
from forms.structure import Answer, Row
from forms.xpath.values import Value


class Remark(NamedTuple):
    """What became of one answer that the later version has no exact place for; holds no answer but a choice code.

    Attributes:
        code: ``no-counterpart`` (the raw code stays), ``unconvertible`` (the raw value is kept in a column of its
            own), ``dropped``, ``reclassified`` (the question went to the other store; readable as collected only).
        column: name in the version that the step leads to, below the names of its repeats: ``member/c_educ``.
        choice: the code of the choice, empty for anything else.
    """

    code: str
    column: str
    choice: str = ""


@dataclass(frozen=True, slots=True)
class Upgraded:
    """A row as of the later version, and what stands out."""

    row: Row
    remarks: tuple[Remark, ...]


class Upgrade:
    """A chain of steps, each from one version to the next; none for the identity.

    Args:
        definition: of the version that the chain starts from.
        steps: each starts from the version that the one before leads to.
    """

    def __init__(self, definition: FormDefinition, steps: tuple[Step, ...] = ()) -> None:
        self.before = definition
        self.steps = steps

    @property
    def after(self) -> FormDefinition:
        """The version that the chain leads to."""
        return self.steps[-1].after if self.steps else self.before

    def apply(self, row: Row, store: Store) -> Upgraded:
        """Upgrade the row of one interview in one store; never raises, never changes its input.

        Args:
            row: as ``forms.structure.read_answers`` gives it, or as it comes back from a store; None counts as not
                asked.
        """
        remarks: list[Remark] = []
        for link in self._links[store]:
            row = link.apply(row, remarks)
        return Upgraded(dict(row), tuple(remarks))

    def columns(self, store: Store) -> tuple[Column, ...]:
        """Return the columns of the later version, then those that are kept from earlier ones."""
        links = self._links[store]
        return links[-1].plan.columns if links else self.before.columns(store)

    def then(self, other: "Upgrade") -> "Upgrade":
        """Return the upgrade that does this one and then the other."""
        return Upgrade(self.before, (*self.steps, *other.steps))

    @cached_property
    def _links(self) -> Mapping[Store, Sequence["_Link"]]:
        return {"analysis": self._linked("analysis"), "identifiers": self._linked("identifiers")}

    def _linked(self, store: Store) -> list["_Link"]:
        links: list[_Link] = []
        columns = self.before.columns(store)
        for step in self.steps:
            plan = plan_of(step, store, columns)
            links.append(_Link(step, plan))
            columns = plan.columns
        return links


class _Link:
    """One step in one store."""

    def __init__(self, step: Step, plan: ScopePlan) -> None:
        self.step, self.plan = step, plan
        self.needs = _needs(plan)

    def apply(self, row: Row, remarks: list[Remark]) -> Row:
        tree = RowTree(column_tree(self.step.before), self.needs, row) if self.needs else None
        return _Walk(tree, remarks).row(row, self.plan, "")


def _needs(plan: ScopePlan) -> frozenset[str]:
    found = [rule.needs for rule in plan.computed]
    found += [_needs(fate.rows) for fate in plan.fates.values() if fate.rows is not None]
    return frozenset().union(*found)


class _Walk:
    """One upgrade of one row: through its repeats, gathering remarks."""

    def __init__(self, tree: RowTree | None, remarks: list[Remark]) -> None:
        self.tree = tree
        self.remarks = remarks

    def row(self, row: Mapping[str, Any], plan: ScopePlan, above: str) -> dict[str, Any]:
        """Return a row as of the later version; ``above`` leads the names of its columns in remarks."""
        found: dict[str, Any] = {}
        fates = plan.fates
        for name, value in row.items():
            fate = fates.get(name)
            if fate is None:  # kept from a version before those of this chain
                found[kept_name(name, plan.taken | found.keys())] = value
            elif fate.conversion is None and fate.rows is None and not fate.remark:
                found[fate.target] = value
            elif value is None:
                continue
            elif fate.rows is None:
                self._answer(value, fate, found, column=above + (fate.target or name))
            else:
                inside = f"{above}{fate.target or name}/"
                rows = [self.row(inner, fate.rows, inside) for inner in value]
                if fate.target:
                    found[fate.target] = rows
        if self.tree is not None:
            for rule in plan.computed:
                self._compute(rule, self.tree.compute(rule, row), found, column=above + rule.column)
        return found

    def _answer(self, value: Answer, fate: Fate, found: dict[str, Any], *, column: str) -> None:
        if fate.conversion is None:
            self.remarks.append(Remark(fate.remark, column))
            return
        try:
            converted = fate.conversion(value, lambda code, choice: self.remarks.append(Remark(code, column, choice)))
        except UnconvertibleError:
            self.remarks.append(Remark("unconvertible", column))
            found[fate.raw] = value
            return
        if converted is not None:
            found[fate.target] = converted

    def _compute(self, rule: Recomputation, value: Value | None, found: dict[str, Any], *, column: str) -> None:
        text = "" if value is None else written(value, rule.type)
        answer: Answer | None = None
        try:
            answer = typed(text, rule.type) if text else None
        except UnconvertibleError:
            value = None
        codes = str(answer).split() if rule.is_many else [str(answer)]
        if value is None or (answer is not None and rule.codes is not None and not rule.codes.issuperset(codes)):
            self.remarks.append(Remark("unconvertible", column))
        elif answer is not None:
            found[rule.column] = answer


def upgrade_between(before: FormDefinition, after: FormDefinition, declared: MigrationMap) -> Upgrade:
    """Return the upgrade from a version to the next; rows of the map that make no sense are passed over.

    ``check_map`` says which those are; an upgrade is total all the same.
    """
    return Upgrade(before, (Step(before, after, declared),))


def identity(definition: FormDefinition) -> Upgrade:
    """Return the upgrade of a version to itself."""
    return Upgrade(definition)
