"""What becomes of the codes of a question's choice list."""

from collections.abc import Mapping
from dataclasses import dataclass

from forms.definition import FormDefinition
from forms.evolution.declared import DROPPED, KEPT, RECODED, MapRow, MigrationMap
from forms.evolution.matching import paths_named

MANY: frozenset[str] = frozenset({"select", "rank"})
"""Controls whose answers are several codes."""


@dataclass(frozen=True, slots=True)
class Crosswalk:
    """The codes of a question in two versions.

    Attributes:
        image: code before → code after; codes with a fate only.
        dropped, kept: codes that end on purpose, and that stay raw on purpose.
        missing: codes that the new list lacks and of which nobody has said what becomes.
        harmonised: codes that only the map gives a label, code → label: no version has them.
    """

    before: Mapping[str, Mapping[str, str]]
    after: Mapping[str, Mapping[str, str]]
    image: Mapping[str, str]
    dropped: frozenset[str]
    kept: frozenset[str]
    missing: tuple[str, ...]
    harmonised: Mapping[str, str]

    @property
    def is_plain(self) -> bool:
        """Say whether every code is its own image."""
        return not self.dropped and not self.kept and not self.missing and all(a == b for a, b in self.image.items())


def codes_of(definition: FormDefinition, path: str) -> Mapping[str, Mapping[str, str]] | None:
    """Return the labels of a question's choices by code; None where it has no list, or one that is not here."""
    choices = definition.choices_of(path)
    return None if choices is None else {choice.value: choice.labels for choice in choices}


def code_rows(declared: MigrationMap, after: FormDefinition, path: str) -> tuple[MapRow, ...]:
    """Return the rows of a map about single codes of a question, by its path in the new version."""
    return tuple(
        row
        for row in declared.rows
        if row.old and row.change in (RECODED, KEPT, DROPPED) and paths_named(after, row.question) == (path,)
    )


def crosswalk(
    before: FormDefinition, after: FormDefinition, old: str, new: str, declared: MigrationMap
) -> Crosswalk | None:
    """Return what becomes of the codes of a paired question; None where one version has no list that is known."""
    olds, news = codes_of(before, old), codes_of(after, new)
    if olds is None or news is None:
        return None
    image: dict[str, str] = {code: code for code in olds if code in news}
    fates: dict[str, set[str]] = {KEPT: set(), DROPPED: set()}
    harmonised: dict[str, str] = {}
    decided: set[str] = set()
    for row in code_rows(declared, after, new):
        if row.old not in olds or row.old in decided:
            continue
        if row.change == RECODED:
            if row.new not in news:
                if not _is_code(row.new) or not row.rule:
                    continue
                harmonised[row.new] = row.rule
            image[row.old] = row.new
        else:
            image.pop(row.old, None)
            fates[row.change].add(row.old)
        decided.add(row.old)
    return Crosswalk(
        before=olds,
        after=news,
        image=image,
        dropped=frozenset(fates[DROPPED]),
        kept=frozenset(fates[KEPT]),
        missing=tuple(code for code in olds if code not in image and code not in decided),
        harmonised=harmonised,
    )


def _is_code(text: str) -> bool:
    return bool(text) and " " not in text
