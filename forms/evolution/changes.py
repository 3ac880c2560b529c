"""The changes between two versions of a form, in the words of whoever manages the survey."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from forms.model import Texts

Verdict = Literal["safe", "needs-map", "breaks"]
"""safe: what was collected reads on as it is. needs-map: it reads on once a map says how. breaks: it means something
else now, or has no place, unless a map declares what becomes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change.

    Attributes:
        kind: ``added``, ``removed``, ``renamed``, ``moved``, ``retyped``, ``choices-added``, ``choices-removed``,
            ``choices-recoded``, ``label``, ``constraint-tightened``, ``constraint-loosened`` and so on.
        name: the question, group or repeat, as the manager calls it; by its name after, where it has one.
        before, after: paths in the two versions, empty where it is not in one.
        verdict: without any map; ``is_settled`` says that the map settles it.
        words: one sentence a language.
        indicators: published figures that rest on it.
        codes: of choices that the change is about.
    """

    kind: str
    name: str
    before: str
    after: str
    verdict: Verdict
    is_settled: bool
    words: Texts
    indicators: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All changes from one version to another."""

    form_id: str
    before: str
    after: str
    changes: tuple[Change, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict that no map has settled."""
        open_ones = {change.verdict for change in self.unsettled}
        return "breaks" if "breaks" in open_ones else "needs-map" if open_ones else "safe"

    @property
    def unsettled(self) -> tuple[Change, ...]:
        """What stands in the way of publishing."""
        return tuple(change for change in self.changes if change.verdict != "safe" and not change.is_settled)
