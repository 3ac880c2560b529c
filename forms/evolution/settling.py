"""Which declaration of a map settles which change."""

from collections.abc import Mapping
from typing import Final

from forms.definition import FormDefinition
from forms.evolution.declared import (
    CONVERTED,
    DROPPED,
    KEPT,
    NOT_COMPARABLE,
    RECODED,
    RECOMPUTED,
    RETYPED,
    SAME_MEANING,
    MigrationMap,
)
from forms.evolution.matching import paths_named

_MEANING: Final = (SAME_MEANING, RECOMPUTED, NOT_COMPARABLE)
SETTLES: Final[Mapping[str, tuple[str, ...]]] = {
    "added": _MEANING,
    "removed": (KEPT, DROPPED),
    "removed-repeat": (KEPT, DROPPED),
    "moved-scope": (RECOMPUTED, NOT_COMPARABLE, KEPT, DROPPED),
    "retyped": (RETYPED, CONVERTED, RECOMPUTED, NOT_COMPARABLE),
    "choices-removed": (RECOMPUTED, NOT_COMPARABLE),
    "choices-recoded": _MEANING,
    "choices-unknown": _MEANING,
    "label-meaning": (*_MEANING, CONVERTED),
    "relevance-narrower": _MEANING,
    "relevance-wider": _MEANING,
    "relevance-changed": _MEANING,
    "calculation": _MEANING,
    "list-filter": _MEANING,
    "repeat-count": (SAME_MEANING, NOT_COMPARABLE),
    "store-identifiers": (SAME_MEANING, NOT_COMPARABLE),
    "store-analysis": (SAME_MEANING, NOT_COMPARABLE),
}
"""Kind of change → declarations about the question, group or repeat as a whole that settle it."""
OF_CODES: Final = (RECODED, KEPT, DROPPED, SAME_MEANING)


class Settlements:
    """What a map says, by the node that it says it of."""

    def __init__(self, before: FormDefinition, after: FormDefinition, declared: MigrationMap) -> None:
        self.whole: dict[str, list[str]] = {}
        self.codes: dict[str, dict[str, str]] = {}
        for row in declared.rows:
            news = paths_named(after, row.question)
            olds = paths_named(before, row.question) if row.change in (KEPT, DROPPED) and not row.old else ()
            if row.old and row.change in OF_CODES and len(news) == 1:
                self.codes.setdefault(news[0], {}).setdefault(row.old, row.change)
            elif not row.old:
                for path in (*news[:2], *olds[:2]) if len(news) < 2 and len(olds) < 2 else ():
                    self.whole.setdefault(path, []).append(row.change)

    def of(self, kind: str, before: str, after: str) -> str:
        """Return the declaration that settles a change of a node; empty where none does."""
        said = [*self.whole.get(after, ()), *(self.whole.get(before, ()) if before != after else ())]
        wanted = SETTLES.get(kind, ())
        return next((change for change in said if change in wanted), "")

    def of_codes(self, kind: str, path: str, codes: tuple[str, ...]) -> str:
        """Return the declarations that settle a change of these codes, every one of them; empty where one is open."""
        whole = self.of(kind, "", path)
        if whole:
            return whole
        said = self.codes.get(path, {})
        excluded = SAME_MEANING if kind == "choices-removed" else KEPT
        found = [said.get(code, "") for code in codes]
        if not codes or any(change in ("", excluded) for change in found):
            return ""
        return ", ".join(dict.fromkeys(found))
