"""The codebook over all versions of a form: each variable once, where it is present and what changed.

Versions come in the order of their publication. A variable is followed by its name within its table, and across a name
that was declared as renamed.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from forms.codebook.comparing import Note, compare_variables
from forms.codebook.languages import Language
from forms.codebook.variables import Category, Codebook, Variable

Renames = Mapping[str, Mapping[str, str]]
"""Version → name in the version before it → name in this version."""

_Chain = list[tuple[str, Variable]]
"""A variable through the versions that have it, each with its version."""
_NO_RENAMES: Final[Renames] = MappingProxyType({})
_ABSENT: Final[Mapping[Language, str]] = {
    "en": "Not asked in version {0}; asked again later.",
    "fr": "Pas demandée dans la version {0} ; redemandée ensuite.",
}


@dataclass(frozen=True, slots=True)
class HarmonisedCategory:
    """A code of a variable in any version; the labels are those of the last version that has it."""

    category: Category
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HarmonisedVariable:
    """A variable over all versions.

    Attributes:
        latest: as it is in the last version that has it.
        versions: that have it, in order.
        names: version → its name there.
        categories: union of the codes; None where no version has a list.
    """

    latest: Variable
    versions: tuple[str, ...]
    names: Mapping[str, str]
    categories: tuple[HarmonisedCategory, ...] | None
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class HarmonisedCodebook:
    """All variables of all versions; ``latest`` is the codebook of the last version."""

    latest: Codebook
    versions: tuple[str, ...]
    variables: tuple[HarmonisedVariable, ...]


def harmonise(codebooks: Sequence[Codebook], renames: Renames = _NO_RENAMES) -> HarmonisedCodebook:
    """Join the codebooks of a form's versions.

    Args:
        codebooks: one or more, in the order of publication.
        renames: declared changes of name, by the version that brought them.
    """
    chains: list[_Chain] = []
    open_chains: dict[tuple[str, str], _Chain] = {}
    for codebook in codebooks:
        new_names = renames.get(codebook.version, {})
        old_names = {new: old for old, new in new_names.items()}
        found = {(variable.table, variable.name): variable for variable in codebook.variables()}
        moved: dict[tuple[str, str], _Chain] = {}
        for key, variable in found.items():
            # A name that another variable has taken over by a rename starts afresh.
            is_anew = variable.name in new_names and variable.name not in old_names
            chain = None if is_anew else _chain_of(variable, open_chains, old_names)
            if chain is None or not _is_free(chain, moved):
                chain = []
                chains.append(chain)
            chain.append((codebook.version, variable))
            moved[key] = chain
        open_chains = {key: chain for key, chain in open_chains.items() if _is_free(chain, moved)} | moved
    versions = tuple(codebook.version for codebook in codebooks)
    return HarmonisedCodebook(codebooks[-1], versions, _in_order(chains, codebooks[-1], versions))


def _chain_of(
    variable: Variable, chains: Mapping[tuple[str, str], _Chain], old_names: Mapping[str, str]
) -> _Chain | None:
    if variable.name in old_names:
        old = old_names[variable.name]
        # A rename may come with a move into another table: the name is what was declared.
        moved = (chain for (_, name), chain in chains.items() if name == old)
        return chains.get((variable.table, old)) or next(moved, None)
    return chains.get((variable.table, variable.name))


def _is_free(chain: _Chain, moved: Mapping[tuple[str, str], _Chain]) -> bool:
    return not any(chain is other for other in moved.values())


def _in_order(chains: list[_Chain], latest: Codebook, versions: Sequence[str]) -> tuple[HarmonisedVariable, ...]:
    """Put the variables in the order of the last version; what it lacks comes after, table by table."""
    places = {(variable.table, variable.name): place for place, variable in enumerate(latest.variables())}
    tables = {table.name: number for number, table in enumerate(latest.tables)}

    def place(chain: _Chain) -> tuple[int, int]:
        variable = chain[-1][1]
        return tables.get(variable.table, len(tables)), places.get((variable.table, variable.name), len(places))

    return tuple(_joined(chain, versions) for chain in sorted(chains, key=place))


def _joined(chain: _Chain, versions: Sequence[str]) -> HarmonisedVariable:
    present = tuple(version for version, _ in chain)
    notes: list[Note] = []
    for (before, old), (after, new) in itertools.pairwise(chain):
        between = versions[versions.index(before) + 1 : versions.index(after)]
        notes.extend(_absence(before, after, missing) for missing in between)
        notes.extend(compare_variables(old, new, versions=(before, after)))
    return HarmonisedVariable(
        latest=chain[-1][1],
        versions=present,
        names={version: variable.name for version, variable in chain},
        categories=_union(chain),
        notes=tuple(notes),
    )


def _absence(before: str, after: str, missing: str) -> Note:
    text = {language: phrase.format(missing) for language, phrase in _ABSENT.items()}
    return Note("absent", before, after, is_grave=True, text=text)


def _union(chain: _Chain) -> tuple[HarmonisedCategory, ...] | None:
    if all(variable.categories is None for _, variable in chain):
        return None
    found: dict[str, Category] = {}
    versions: dict[str, list[str]] = {}
    for version, variable in chain:
        for category in variable.categories or ():
            found[category.code] = category
            of_code = versions.setdefault(category.code, [])
            if version not in of_code:  # a list may repeat a code
                of_code.append(version)
    return tuple(HarmonisedCategory(category, tuple(versions[code])) for code, category in found.items())
