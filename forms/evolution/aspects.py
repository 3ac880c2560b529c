"""What changed in one question, group or repeat that both versions have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from forms.columns import Column
from forms.definition import FormDefinition
from forms.evolution.conditions import Relation, normal, relation
from forms.evolution.crosswalk import MANY
from forms.evolution.matching import Pairing, places
from forms.evolution.wording import changed_pairs, text_signals
from forms.evolution.words import EFFECTS, KINDS_OF_ANSWER, Words, both, joined
from forms.model import Bind, Texts
from forms.xpath.syntax import Binary, Call, Expression

Weight = Literal["safe", "needs-map", "needed", "meaning", "breaks"]
"""What a change asks for: ``needed`` a map where a published figure rests on it, else nothing; ``meaning`` breaks the
figures that rest on it, and needs a map anyway."""
WHOLE: Final = frozenset({"integer", "date"})
_RELEVANCE: Final[Mapping[Relation, str]] = {
    "tighter": "relevance-narrower",
    "looser": "relevance-wider",
    "other": "relevance-changed",
}
_CONSTRAINT: Final[Mapping[Relation, str]] = {
    "tighter": "constraint-tightened",
    "looser": "constraint-loosened",
    "other": "constraint-changed",
}
_NOTHING: Final = frozenset({"", "true()"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A change before anybody has looked at figures and maps."""

    kind: str
    weight: Weight
    words: Mapping[str, Words] = field(default_factory=dict)
    codes: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Versions:
    """Two versions and which node is which."""

    before: FormDefinition
    after: FormDefinition
    pairing: Pairing

    @property
    def numbers(self) -> Mapping[str, bool]:
        """Questions of the new version that are answered by numbers or dates → whether only by whole ones."""
        return {
            path: place.column.type in WHOLE
            for path, place in places(self.after).items()
            if place.column and place.column.type in (*WHOLE, "decimal")
        }

    def conditions(self, old: str, new: str, was: str, now: str) -> tuple[Expression | str, Expression | str]:
        """Return two conditions of a node, written against the new version."""
        return normal(was, old, self.pairing.pairs), normal(now, new, {})


def node_changes(versions: Versions, old: str, new: str) -> Iterator[Draft]:
    """Yield what changed in a group, repeat or question beside its choices."""
    was, now = places(versions.before)[old], places(versions.after)[new]
    if old in versions.pairing.renamed:
        yield Draft(kind="renamed", weight="safe", words={"old": was.node.name})
    elif versions.pairing.pairs.get(was.parent) != now.parent:
        yield Draft(kind="moved", weight="safe", words={"old": _place(was.parent), "new": _place(now.parent)})
    yield from _relevance(versions, old, new)
    if now.kind == "leaf":
        yield from question_changes(versions, old, new)
    elif now.kind == "repeat":
        yield from _count(versions, old, new)


def _place(parent: str) -> Words:
    name = parent.rpartition("/")[2]
    return EFFECTS["form"] if parent.count("/") == 1 else name


def _relevance(versions: Versions, old: str, new: str) -> Iterator[Draft]:
    before, after = _chain(versions.before, old), _chain(versions.after, new)
    shared = {(path, versions.pairing.pairs[path]) for path in before if versions.pairing.pairs.get(path) in after}
    reported = {(path, image) for path, image in shared if path != old}
    was = [
        normal(rule, path, versions.pairing.pairs)
        for path, rule in before.items()
        if not any(path == mine for mine, _ in reported)
    ]
    now = [normal(rule, path, {}) for path, rule in after.items() if not any(path == image for _, image in reported)]
    related = relation(_all_of(was), _all_of(now), numbers=versions.numbers)
    if related != "same":
        yield Draft(kind=_RELEVANCE[related], weight="meaning", details=_rules(_own(versions, old, new, "relevant")))


def _chain(definition: FormDefinition, path: str) -> dict[str, str]:
    known = places(definition)
    found: dict[str, str] = {}
    while path in known:
        found[path] = known[path].node.bind.relevant
        path = known[path].parent
    return found


def _all_of(conditions: list[Expression | str]) -> Expression | str:
    texts = [condition for condition in conditions if isinstance(condition, str)]
    if texts:
        return " and ".join(texts)
    parsed = [condition for condition in conditions if not isinstance(condition, str)]
    useful = [condition for condition in parsed if condition != Call("true", (), 0)]
    if not useful:
        return Call("true", (), 0)
    whole = useful[0]
    for condition in useful[1:]:
        whole = Binary("and", whole, condition)
    return whole


def _own(versions: Versions, old: str, new: str, rule: str) -> tuple[str, str]:
    was, now = _binds(versions, old, new)
    return str(getattr(was, rule)), str(getattr(now, rule))


def _binds(versions: Versions, old: str, new: str) -> tuple[Bind, Bind]:
    return places(versions.before)[old].node.bind, places(versions.after)[new].node.bind


def _rules(rules: tuple[str, str]) -> dict[str, str]:
    return {"before": " ".join(rules[0].split()), "after": " ".join(rules[1].split())}


def _count(versions: Versions, old: str, new: str) -> Iterator[Draft]:
    was, now = versions.before.repeats.get(old), versions.after.repeats.get(new)
    counts = (was.count if was else "", now.count if now else "")
    if versions.conditions(old, new, *counts)[0] != versions.conditions(old, new, *counts)[1]:
        yield Draft(kind="repeat-count", weight="meaning", details=_rules(counts))


def question_changes(versions: Versions, old: str, new: str) -> Iterator[Draft]:
    """Yield what changed in a question beside its place, its relevance and its choices."""
    yield from _type(versions, old, new)
    yield from _wording(versions, old, new)
    yield from _constraint(versions, old, new)
    yield from _required(versions, old, new)
    yield from _values(versions, old, new)
    yield from _privacy(versions, old, new)


def _type(versions: Versions, old: str, new: str) -> Iterator[Draft]:
    was, now = answer_kind(versions.before, old), answer_kind(versions.after, new)
    if was == now:
        return
    is_exact = (was, now) in _EXACT or (now == "string" and was in ("integer", "decimal", "date"))
    yield Draft(
        kind="retyped",
        weight="safe" if is_exact else "needs-map",
        words={
            "old": KINDS_OF_ANSWER[was],
            "new": KINDS_OF_ANSWER[now],
            "effect": EFFECTS["exact" if is_exact else "partial"],
        },
        details={"before": was, "after": now},
    )


_EXACT: Final = frozenset({("integer", "decimal"), ("one", "many"), ("rank", "many"), ("one", "string")})


def answer_kind(definition: FormDefinition, path: str) -> str:
    """Return what kind of answer a question takes, as ``KINDS_OF_ANSWER`` names them."""
    question = definition.questions[path]
    if question.control == "rank":
        return "rank"
    if question.choices is not None:
        return "many" if question.control in MANY else "one"
    column: Column | None = places(definition)[path].column
    return "string" if column is None else column.type


def _wording(versions: Versions, old: str, new: str) -> Iterator[Draft]:
    was, now = versions.before.questions[old], versions.after.questions[new]
    found: set[str] = set()
    changed: list[tuple[Texts, Texts]] = []
    for before, after in ((was.labels, now.labels), (was.hints, now.hints)):
        if changed_pairs(before, after):
            changed.append((before, after))
            found.update(text_signals(before, after))
    if not changed:
        return
    texts: dict[str, Words] = {"old": both(changed[0][0]), "new": both(changed[0][1])}
    if found:
        ordered = [name for name in ("number", "unit", "currency", "negation") if name in found]
        effect = joined([EFFECTS[name] for name in ordered], ", ")
        details = {"signals": " ".join(ordered)}
        yield Draft(kind="label-meaning", weight="meaning", words={**texts, "effect": effect}, details=details)
    else:
        yield Draft(kind="label", weight="safe", words=texts)


def _constraint(versions: Versions, old: str, new: str) -> Iterator[Draft]:
    rules = _own(versions, old, new, "constraint")
    related = relation(*versions.conditions(old, new, *rules), numbers=versions.numbers, asked=new)
    if related != "same":
        yield Draft(kind=_CONSTRAINT[related], weight="safe", details=_rules(rules))


def _required(versions: Versions, old: str, new: str) -> Iterator[Draft]:
    rules = _own(versions, old, new, "required")
    was, now = (rule.strip().replace("false()", "") for rule in rules)
    before, after = versions.conditions(old, new, was, now)
    if before == after and bool(was) == bool(now):
        return
    kind = "not-required" if not now else "required" if now == "true()" else "required-changed"
    yield Draft(kind=kind, weight="safe", details=_rules(rules))


def _values(versions: Versions, old: str, new: str) -> Iterator[Draft]:
    rules = _own(versions, old, new, "calculate")
    before, after = versions.conditions(old, new, *rules)
    if before != after:
        yield Draft(kind="calculation", weight="needed", details=_rules(rules))
    defaults = (places(versions.before)[old].node.default, places(versions.after)[new].node.default)
    if defaults[0] != defaults[1]:
        yield Draft(kind="default", weight="safe", details=_rules(defaults))


def _privacy(versions: Versions, old: str, new: str) -> Iterator[Draft]:
    was, now = places(versions.before)[old], places(versions.after)[new]
    if was.store != now.store:
        yield Draft(kind=f"store-{now.store}", weight="meaning")
    elif was.node.bind.pii != now.node.bind.pii:
        words: dict[str, Words] = {
            "old": was.node.bind.pii or EFFECTS["none"],
            "new": now.node.bind.pii or EFFECTS["none"],
        }
        yield Draft(kind="pii", weight="safe", words=words)
