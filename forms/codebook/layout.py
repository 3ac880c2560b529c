"""The order of a printed questionnaire: modules, numbered questions, rosters, long lists, and what is worked out.

Questions are numbered within their module: ``A3`` where the module's own label begins ``A.``, else ``2.3``. Conditions
speak of numbers, since paper has no variable names to jump to.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from forms.codebook.languages import LANGUAGES, Language, present
from forms.codebook.naming import Names
from forms.codebook.sentences import Speaker
from forms.codebook.variables import Category, Variable, read_codebook
from forms.definition import FormDefinition
from forms.model import BodyItem, Texts

LONG_LIST: Final = 12
"""Codes that a question shows beside it; a longer list stands at the end."""
LONG_MARKED: Final = 24
"""The same where several codes are marked: they are marked in place, so they go to the end only when very many."""
ROSTER_ROWS: Final = 6
"""Columns of a roster: what fits across A4."""

_ROW_NUMBER: Final = re.compile(r"position\(\s*\.\.\s*\)")
_PREFIX: Final = re.compile(r"\s*([A-Z]{1,2}|[0-9]{1,2})\s*[.):]\s")

Said = Mapping[Language, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its number; ``condition`` is its own, ``check`` what the answer must satisfy."""

    number: str
    variable: Variable
    condition: Said
    check: Said
    appearance: str
    lines: int
    is_filtered: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A text to read or to read out."""

    texts: Texts
    condition: Said


@dataclass(frozen=True, slots=True)
class Block:
    """A module or a group within one."""

    labels: Texts
    condition: Said
    items: "tuple[Item, ...]"


@dataclass(frozen=True, slots=True)
class Roster:
    """A repeat: questions down, its first rows across; a repeat inside it follows as a roster of its own.

    Attributes:
        above: labels of the repeat that it stands in; empty at the top.
        count: how many rows there are, in words; empty where one goes on until there is no more.
    """

    path: str
    labels: Texts
    above: Texts
    condition: Said
    count: Said
    rows: int
    items: "tuple[Item, ...]"


Item = Asked | Shown | Block | Roster


@dataclass(frozen=True, slots=True)
class LongList:
    """A list of codes at the end, with the numbers of the questions that use it."""

    name: str
    categories: tuple[Category, ...]
    used_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkedOut:
    """A value that conditions or texts speak of and nobody is asked."""

    name: str
    calculation: Said


@dataclass(frozen=True, slots=True)
class Layout:
    """A questionnaire as it goes on paper."""

    definition: FormDefinition
    modules: tuple[Block, ...]
    lists: tuple[LongList, ...]
    worked_out: tuple[WorkedOut, ...]


def lay_out(definition: FormDefinition) -> Layout:
    """Lay out the questionnaire of a form."""
    modules = tuple(_modules(definition))
    builder = _Builder.of(definition, modules)
    blocks = tuple(builder.module(module) for module in modules)
    asked = [item for block in blocks for item in walk(block.items) if isinstance(item, Asked)]
    return Layout(definition, blocks, tuple(_long_lists(asked)), tuple(builder.worked_out()))


def walk(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items and what is inside them, in order."""
    for item in items:
        yield item
        if isinstance(item, Block | Roster):
            yield from walk(item.items)


def is_long(variable: Variable) -> bool:
    """Say whether the codes of a variable stand at the end."""
    most = LONG_LIST if variable.kind == "select_one" else LONG_MARKED
    return variable.categories is not None and len(variable.categories) > most


def _modules(definition: FormDefinition) -> Iterator[BodyItem]:
    """Yield the top-level groups; what stands between them is a module without a name."""
    loose: list[BodyItem] = []
    for item in map(_unwrapped, definition.body):
        if item.kind == "group":
            if loose:
                yield BodyItem("group", "", tuple(loose))
                loose = []
            yield item
        else:
            loose.append(item)
    if loose:
        yield BodyItem("group", "", tuple(loose))


def _unwrapped(item: BodyItem) -> BodyItem:
    """Return the repeat in place of the group that only carries its label."""
    if item.kind == "group" and len(item.children) == 1 and item.children[0].kind == "repeat":
        inner = item.children[0]
        if item.path in ("", inner.path):
            return inner
    return item


@dataclass(frozen=True, slots=True)
class _Builder:
    definition: FormDefinition
    variables: Mapping[str, Variable]
    numbers: Mapping[str, str]
    speakers: Mapping[Language, Speaker]

    @classmethod
    def of(cls, definition: FormDefinition, modules: tuple[BodyItem, ...]) -> "_Builder":
        variables = {variable.path: variable for variable in read_codebook(definition).variables()}
        numbers = dict(_numbers(definition, modules, variables))
        rows = [path for path, one in variables.items() if _ROW_NUMBER.fullmatch(one.calculation_expression)]
        speakers = {}
        for language in LANGUAGES:
            names = Names.of(definition, language)
            speaker = Speaker.of(definition, language)
            columns = {**names.columns, **numbers, **dict.fromkeys(rows, speaker.wording.values["position/0"])}
            speakers[language] = replace(speaker, names=replace(names, columns=columns))
        return cls(definition, variables, numbers, speakers)

    def module(self, item: BodyItem) -> Block:
        return Block(present(item.labels), self._condition(item.path), tuple(self._items(item.children, {})))

    def worked_out(self) -> Iterator[WorkedOut]:
        for path, variable in self.variables.items():
            if variable.calculation_expression and path not in self.numbers and not path.endswith("/instanceName"):
                yield WorkedOut(
                    variable.name,
                    {
                        language: speaker.calculation(variable.calculation_expression, at=path)
                        for language, speaker in self.speakers.items()
                    },
                )

    def _items(self, items: Iterable[BodyItem], above: Texts) -> Iterator[Item]:
        for item in map(_unwrapped, items):
            if item.kind == "repeat":
                yield self._roster(item, above)
            elif item.kind == "group":
                inside = tuple(self._items(item.children, above))
                yield Block(present(item.labels), self._condition(item.path), inside)
            elif item.path in self.numbers:
                yield self._asked(item.path)
            else:
                shown = self.definition.notes.get(item.path) or self.definition.questions.get(item.path)
                if shown is not None:
                    yield Shown(present(shown.labels), self._condition(item.path))

    def _asked(self, path: str) -> Asked:
        variable, question = self.variables[path], self.definition.questions[path]
        source = question.choices
        return Asked(
            number=self.numbers[path],
            variable=variable,
            condition=self._condition(path),
            check={
                language: speaker.condition(variable.constraint_expression, at=path)
                for language, speaker in self.speakers.items()
            },
            appearance=question.appearance,
            lines=_lines(question.parameters.get("rows", ""), question.appearance),
            is_filtered=source is not None and source.is_filtered,
        )

    def _roster(self, item: BodyItem, above: Texts) -> Roster:
        repeat = self.definition.repeats[item.path]
        labels = present(repeat.labels) or {"": item.path.rpartition("/")[2]}
        return Roster(
            path=item.path,
            labels=labels,
            above=above,
            condition=self._condition(item.path),
            count={
                language: speaker.calculation(repeat.count, at=item.path) for language, speaker in self.speakers.items()
            },
            rows=self._rows(repeat.count),
            items=tuple(self._items(item.children, labels)),
        )

    def _rows(self, count: str) -> int:
        counted = self.variables.get(count.strip())
        limits = counted.bounds if counted is not None else None
        most = int(limits.high) if limits is not None and limits.high.isdigit() else ROSTER_ROWS
        return max(1, min(most, ROSTER_ROWS))

    def _condition(self, path: str) -> Said:
        bind = self.definition.binds.get(path)
        relevant = "" if bind is None else bind.relevant
        return {language: speaker.condition(relevant, at=path) for language, speaker in self.speakers.items()}


def _numbers(
    definition: FormDefinition, modules: Sequence[BodyItem], variables: Mapping[str, Variable]
) -> Iterator[tuple[str, str]]:
    for module, prefix in zip(modules, _prefixes(modules), strict=True):
        asked = (path for path in _paths(module) if _is_asked(definition, variables, path))
        for number, path in enumerate(dict.fromkeys(asked), start=1):
            yield path, f"{prefix}{number}"


def _prefixes(modules: Sequence[BodyItem]) -> list[str]:
    """Return what the numbers of each module begin with: its label's own number or letter, else one that is free."""
    labels = [next(iter(present(module.labels).values()), "") for module in modules]
    own = [match.group(1) if (match := _PREFIX.match(f"{label} ")) else "" for label in labels]
    taken: set[str] = set()
    found: list[str] = []
    for place, wanted in enumerate(own, start=1):
        free = (str(number) for number in itertools.count(place) if str(number) not in taken.union(own))
        prefix = wanted if wanted and wanted not in taken else next(free)
        taken.add(prefix)
        found.append(f"{prefix}." if prefix.isdigit() else prefix)
    return found


def _paths(item: BodyItem) -> Iterator[str]:
    if item.kind == "question":
        yield item.path
    for child in item.children:
        yield from _paths(child)


def _is_asked(definition: FormDefinition, variables: Mapping[str, Variable], path: str) -> bool:
    bind = definition.binds.get(path)
    return path in variables and (bind is None or bind.readonly.strip() != "true()")


def _lines(rows: str, appearance: str) -> int:
    if rows.isdigit():
        return max(1, min(int(rows), 20))
    return 3 if "multiline" in appearance.split() else 1


def _long_lists(asked: Iterable[Asked]) -> Iterator[LongList]:
    found: dict[str, tuple[tuple[Category, ...], list[str]]] = {}
    for item in asked:
        if is_long(item.variable):
            name = item.variable.choice_list or item.variable.name
            _, numbers = found.setdefault(name, (item.variable.categories or (), []))
            numbers.append(item.number)
    for name, (categories, numbers) in found.items():
        yield LongList(name, categories, tuple(numbers))
