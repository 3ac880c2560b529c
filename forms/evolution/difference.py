"""The difference of two versions in the manager's words, each change with a verdict and what a map settles."""

from collections.abc import Iterator, Mapping
from typing import Final

from forms.definition import FormDefinition
from forms.evolution.aspects import Draft, Versions, Weight, answer_kind, node_changes
from forms.evolution.changes import Change, Difference, Verdict
from forms.evolution.choices_changed import choice_changes
from forms.evolution.crosswalk import codes_of
from forms.evolution.declared import EMPTY_MAP, MigrationMap
from forms.evolution.matching import Place, pair, places
from forms.evolution.settling import Settlements
from forms.evolution.wording import likeness
from forms.evolution.words import EFFECTS, Words, phrase, sentence
from forms.program import deciding

ALIKE: Final = 0.75
"""From this likeness of their labels on, a question that went and one that came are taken for one renamed."""
_OF_CODES: Final = frozenset({"choices-removed", "choices-recoded"})


def compare(
    before: FormDefinition,
    after: FormDefinition,
    declared: MigrationMap = EMPTY_MAP,
    *,
    indicators: Mapping[str, tuple[str, ...]] | None = None,
) -> Difference:
    """Compare two versions of a form; never raises, whatever the map says (``check_map`` judges the map).

    Args:
        declared: the map from ``before`` to ``after``; it pairs renamed questions and settles changes.
        indicators: question name → ids of the published figures that rest on it.
    """
    comparer = _Comparer(before, after, declared, indicators or {})
    return Difference(
        form_id=after.form_id, before=before.version, after=after.version, changes=tuple(comparer.changes())
    )


class _Comparer:
    def __init__(
        self,
        before: FormDefinition,
        after: FormDefinition,
        declared: MigrationMap,
        indicators: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.versions = Versions(before, after, pair(before, after, declared))
        self.settlements = Settlements(before, after, declared)
        self.old, self.new = places(before), places(after)
        olds, news = _figures(before, indicators), _figures(after, indicators)
        self.figures = {path: olds.get(path, frozenset()) | news.get(path, frozenset()) for path in {*olds, *news}}

    def changes(self) -> Iterator[Change]:
        """Yield all changes, in the order of the new version; what is gone comes last."""
        pairing = self.versions.pairing
        back = {new: old for old, new in pairing.pairs.items()}
        moved_here = {new: old for old, new in pairing.moved.items()}
        for new, place in self.new.items():
            old = back.get(new)
            if old is not None:
                yield from self._paired(old, new)
            elif new in moved_here:
                yield self._moved(moved_here[new], new)
            elif place.kind != "group":
                yield self._change(_added(place), "", new)
        for old in pairing.removed:
            place = self.old[old]
            if place.kind != "group" and old not in pairing.moved and place.scope not in pairing.removed:
                yield self._change(self._removed(place), old, "")

    def _paired(self, old: str, new: str) -> Iterator[Change]:
        for draft in node_changes(self.versions, old, new):
            yield self._change(draft, old, new)
        if self.new[new].kind == "leaf":
            for draft in choice_changes(self.versions, old, new):
                yield self._change(draft, old, new)

    def _moved(self, old: str, new: str) -> Change:
        words: dict[str, Words] = {"old": _scope(self.old[old], self.old), "new": _scope(self.new[new], self.new)}
        return self._change(Draft(kind="moved-scope", weight="breaks", words=words), old, new)

    def _removed(self, place: Place) -> Draft:
        if place.kind == "repeat":
            return Draft(kind="removed-repeat", weight="needed")
        twin = self._twin(place)
        if not twin:
            return Draft(kind="removed", weight="needed")
        words = {"suggestion": phrase("suggestion", name=place.node.name, new=twin)}
        return Draft(kind="removed", weight="needed", words=words, details={"suggestion": twin})

    def _twin(self, place: Place) -> str:
        """Return the name of a new question that looks like one that is gone; empty where none does."""
        path = place.node.path
        scope = self.versions.pairing.pairs.get(place.scope)
        question = self.versions.before.questions[path]
        best, found = ALIKE, ""
        for new in self.versions.pairing.added:
            other = self.new[new]
            if other.kind != "leaf" or other.scope != scope or new in self.versions.pairing.moved.values():
                continue
            labels = self.versions.after.questions[new].labels
            shared = [language for language in question.labels if language in labels]
            alike = min((likeness(question.labels[one], labels[one]) for one in shared), default=0.0)
            same_kind = answer_kind(self.versions.before, path) == answer_kind(self.versions.after, new)
            same_list = codes_of(self.versions.before, path) == codes_of(self.versions.after, new)
            if alike >= best and same_kind and same_list:
                best, found = alike, other.node.name
        return found

    def _change(self, draft: Draft, before: str, after: str) -> Change:
        place = self.new[after] if after else self.old[before]
        indicators = self._resting(before, after)
        verdict = _verdict(draft.weight, indicators)
        by_code = draft.kind in _OF_CODES
        settled_by = ""
        if verdict != "safe":
            settled_by = (
                self.settlements.of_codes(draft.kind, after, draft.codes)
                if by_code
                else self.settlements.of(draft.kind, before, after)
            )
        words: dict[str, Words] = {"name": place.node.name, **draft.words}
        return Change(
            kind=draft.kind,
            name=place.node.name,
            before=before,
            after=after,
            verdict=verdict,
            is_settled=bool(settled_by),
            words=sentence(draft.kind, verdict, words, indicators, settled_by),
            indicators=indicators,
            codes=draft.codes,
            details={**draft.details, **({"settled_by": settled_by} if settled_by else {})},
        )

    def _resting(self, before: str, after: str) -> tuple[str, ...]:
        """Return the figures that rest on a node or on anything in it, in either version."""
        paths = {path for path in (before, after) if path}
        for known, path in ((self.old, before), (self.new, after)):
            if path and known[path].kind != "leaf":
                paths |= {inner for inner in known if inner.startswith(f"{path}/")}
        return tuple(sorted({figure for path in paths for figure in self.figures.get(path, ())}))


def _figures(definition: FormDefinition, indicators: Mapping[str, tuple[str, ...]]) -> Mapping[str, frozenset[str]]:
    """Return the figures that rest on each node: of its own, and of every question that it decides upon."""
    if not indicators:
        return {}
    reads = deciding(definition)
    found = {node.path: set(indicators.get(node.name, ())) for node in definition.nodes()}
    waiting = [path for path, figures in found.items() if figures]
    while waiting:
        path = waiting.pop()
        for decider in (*reads[path], path.rpartition("/")[0]):  # a repeat decides how many of its questions there are
            if not found[path] <= found.get(decider, found[path]):
                found[decider] |= found[path]
                waiting.append(decider)
    return {path: frozenset(figures) for path, figures in found.items()}


def _added(place: Place) -> Draft:
    return Draft(kind="added-repeat", weight="safe") if place.kind == "repeat" else Draft(kind="added", weight="needed")


def _scope(place: Place, known: Mapping[str, Place]) -> Words:
    repeat = known.get(place.scope)
    return EFFECTS["form"] if repeat is None else repeat.node.name


def _verdict(weight: Weight, indicators: tuple[str, ...]) -> Verdict:
    if weight == "meaning":
        return "breaks" if indicators else "needs-map"
    if weight == "needed":
        return "needs-map" if indicators else "safe"
    return weight
