"""Answers of one version as answers of a later one: a pure and total function made from two definitions and a map.

Nothing stored is rewritten. Amounts stay exact (Decimal). A value that has no place in the later version stays raw
with a remark, or stays readable under its old column name.
"""

from dataclasses import dataclass
from typing import NamedTuple

from forms.columns import Column, Store
from forms.definition import FormDefinition
from forms.evolution.declared import MigrationMap
from forms.structure import Row


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
    """A chain of steps, each from one version to the next; none for the identity."""

    def apply(self, row: Row, store: Store) -> Upgraded:
        """Upgrade the row of one interview in one store; never raises, never changes its input.

        Args:
            row: as ``forms.structure.read_answers`` gives it, or as it comes back from a store; None counts as not
                asked.
        """
        raise NotImplementedError

    def columns(self, store: Store) -> tuple[Column, ...]:
        """Return the columns of the later version, then those that are kept from earlier ones."""
        raise NotImplementedError

    def then(self, other: "Upgrade") -> "Upgrade":
        """Return the upgrade that does this one and then the other."""
        raise NotImplementedError


def upgrade_between(before: FormDefinition, after: FormDefinition, declared: MigrationMap) -> Upgrade:
    """Return the upgrade from a version to the next; rows of the map that make no sense are passed over.

    ``check_map`` says which those are; an upgrade is total all the same.
    """
    raise NotImplementedError


def identity(definition: FormDefinition) -> Upgrade:
    """Return the upgrade of a version to itself."""
    raise NotImplementedError
