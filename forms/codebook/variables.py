"""The codebook of one form version: its tables and their variables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from forms.codebook.bounds import Bounds, bounds
from forms.codebook.languages import LANGUAGES, Language, present
from forms.codebook.naming import prefixes
from forms.codebook.sentences import Speaker
from forms.columns import CLOSED, Column, Store
from forms.definition import FormDefinition
from forms.media import search_file
from forms.model import Bind, BodyItem, Question, Texts

HOUSEHOLD: Final = "household"
"""Name of the table of interviews, as in the microdata that are handed out."""
STORES: Final[tuple[Store, ...]] = ("analysis", "identifiers")


@dataclass(frozen=True, slots=True)
class Category:
    """A code of a variable with its labels by language of the form, and its further columns (``rate``)."""

    code: str
    labels: Texts
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Variable:
    """One column of the microdata.

    ``labels``, ``hints``, ``guidance`` and ``constraint_messages`` are by language of the form; ``universe``,
    ``required``, ``constraint`` and ``calculation`` are sentences by ``en`` and ``fr``.

    Attributes:
        table: ``household`` or the name of a repeat.
        type: of the column: string, integer, decimal or date.
        kind: ``select_one``, ``select_multiple``, ``rank``, ``calculate`` or the type of the question.
        source: ``asked``, ``calculated``, ``preloaded`` or ``set``: how the answer comes about.
        introduction: what is read out or shown right before the question.
        categories: every code of a list that is part of the form; None otherwise. A list in a file beside the form is
            named only: such a file may hold the households of an earlier round.
        choice_list: name of the list; a file's where the codes are in one.
        pii: the classification that the form gives; None where nobody gave one.
        is_exported: whether its answers can leave the office with the microdata.
        group: path of the innermost group around it; empty at the top.
    """

    name: str
    path: str
    table: str
    type: str
    kind: str
    source: str
    labels: Texts
    introduction: Texts
    hints: Texts
    guidance: Texts
    categories: tuple[Category, ...] | None
    choice_list: str
    universe: Mapping[Language, str]
    required: Mapping[Language, str]
    constraint: Mapping[Language, str]
    constraint_messages: Texts
    constraint_expression: str
    calculation: Mapping[Language, str]
    calculation_expression: str
    bounds: Bounds | None
    pii: str | None
    store: Store
    is_exported: bool
    group: str
    save_to: str = ""


@dataclass(frozen=True, slots=True)
class RecordTable:
    """A table of the microdata: one row an interview, or one row of a repeat.

    Attributes:
        above: name of the table that its rows belong to; empty for ``household``.
        count: how many rows there are, in words; empty where the enumerator adds them.
    """

    name: str
    path: str
    above: str
    labels: Texts
    count: Mapping[Language, str]
    variables: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class VariableGroup:
    """A group of the questionnaire with the paths of the variables directly in it."""

    path: str
    labels: Texts
    universe: Mapping[Language, str]
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Codebook:
    """Everything that a reader of the data needs to know of one form version."""

    form_id: str
    version: str
    title: str
    hash: bytes
    languages: tuple[str, ...]
    default_language: str
    tables: tuple[RecordTable, ...]
    groups: tuple[VariableGroup, ...]

    def variables(self) -> Iterator[Variable]:
        """Yield all variables, table by table."""
        for table in self.tables:
            yield from table.variables


@dataclass(frozen=True, slots=True)
class _Reader:
    definition: FormDefinition
    speakers: Mapping[Language, Speaker]
    introductions: Mapping[str, Texts]


def read_codebook(definition: FormDefinition) -> Codebook:
    """Make the codebook of a form version."""
    speakers = {language: Speaker.of(definition, language) for language in LANGUAGES}
    reader = _Reader(definition, speakers, _introductions(definition))
    columns = [(column, store) for store in STORES for column in definition.columns(store)]
    tables: dict[str, RecordTable] = {}
    _read_table(reader, HOUSEHOLD, definition.root.path, "", columns, tables)
    found = tuple(tables.values())
    return Codebook(
        form_id=definition.form_id,
        version=definition.version,
        title=definition.title,
        hash=definition.hash,
        languages=definition.languages,
        default_language=definition.default_language,
        tables=found,
        groups=tuple(_groups(reader, found)),
    )


def _read_table(
    reader: _Reader,
    name: str,
    path: str,
    above: str,
    columns: list[tuple[Column, Store]],
    tables: dict[str, RecordTable],
) -> None:
    definition = reader.definition
    order = {place: number for number, place in enumerate(definition.questions)}
    leaves = [(column, store) for column, store in columns if column.type != "repeat"]
    leaves.sort(key=lambda leaf: order[leaf[0].path])
    repeat = definition.repeats.get(path)
    tables[path] = RecordTable(
        name=name,
        path=path,
        above=above,
        labels=present(repeat.labels) if repeat is not None else {},
        count=_said(reader, repeat.count, path) if repeat is not None else {},
        variables=tuple(_variable(reader, column, store, name) for column, store in leaves),
    )
    inner: dict[str, list[tuple[Column, Store]]] = {}
    names: dict[str, str] = {}
    for column, store in columns:
        if column.type == "repeat":
            names[column.path] = column.name
            inner.setdefault(column.path, []).extend((child, store) for child in column.children)
    for place in sorted(inner, key=list(definition.repeats).index):
        _read_table(reader, names[place], place, name, inner[place], tables)


def _variable(reader: _Reader, column: Column, store: Store, table: str) -> Variable:
    definition, path = reader.definition, column.path
    question = definition.questions[path]
    bind = definition.binds.get(path) or Bind(path)
    groups = [place for place in prefixes(path)[:-1] if place in definition.groups]
    return Variable(
        name=column.name,
        path=path,
        table=table,
        type=column.type,
        kind=_kind(question, bind),
        source=_source(definition, question, bind),
        labels=present(question.labels),
        introduction=reader.introductions.get(path, {}),
        hints=present(question.hints),
        guidance=present(question.guidance),
        categories=_categories(definition, question),
        choice_list=_list_name(definition, question),
        universe={language: speaker.universe(path) for language, speaker in reader.speakers.items()},
        required={language: speaker.required(path) for language, speaker in reader.speakers.items()},
        constraint={
            language: speaker.condition(bind.constraint, at=path) for language, speaker in reader.speakers.items()
        },
        constraint_messages=present(bind.constraint_message),
        constraint_expression=bind.constraint.strip(),
        calculation=_said(reader, bind.calculate, path),
        calculation_expression=bind.calculate.strip(),
        bounds=_bounds(question, bind) if column.type in ("integer", "decimal") else None,
        pii=column.pii,
        store=store,
        is_exported=store == "analysis" and column.pii not in CLOSED,
        group=groups[-1] if groups else "",
        save_to=bind.save_to,
    )


def _said(reader: _Reader, expression: str, path: str) -> dict[Language, str]:
    return {language: speaker.calculation(expression, at=path) for language, speaker in reader.speakers.items()}


def _kind(question: Question, bind: Bind) -> str:
    by_control = {"select1": "select_one", "select": "select_multiple", "rank": "rank", "range": "range"}
    if question.control in by_control:
        return by_control[question.control]
    if not question.control and bind.calculate:
        return "calculate"
    return {"string": "text", "int": "integer", "binary": "file"}.get(bind.type, bind.type)


def _source(definition: FormDefinition, question: Question, bind: Bind) -> str:
    if question.path in definition.metadata.preloads:
        return "preloaded"
    if bind.calculate:
        return "calculated"
    return "asked" if question.control else "set"


def _list_name(definition: FormDefinition, question: Question) -> str:
    source = question.choices
    if source is None or source.list_name in (None, question.path):
        return search_file(question.appearance) or ""
    instance = definition.instances.get(source.list_name or "")
    is_file = instance is not None and instance.kind == "external"
    return instance.source.rpartition("/")[2] if is_file and instance is not None else source.list_name or ""


def _categories(definition: FormDefinition, question: Question) -> tuple[Category, ...] | None:
    choices = definition.choices_of(question.path)
    instance = definition.instances.get(question.choices.list_name or "") if question.choices is not None else None
    is_searched = search_file(question.appearance) is not None
    if choices is None or is_searched or (instance is not None and instance.kind != "internal"):
        return None
    source = question.choices
    known = {"itextId"} | (set() if source is None else {source.value_ref, source.label_ref})
    return tuple(
        Category(
            code=choice.value,
            labels=present(choice.labels),
            columns={name: value for name, value in choice.columns.items() if name not in known},
        )
        for choice in choices
    )


def _introductions(definition: FormDefinition) -> dict[str, Texts]:
    """Return the notes right before each question, joined; a group or repeat in between ends them."""
    found: dict[str, Texts] = {}
    waiting: list[BodyItem] = list(reversed(definition.body))
    pending: list[dict[str, str]] = []
    while waiting:
        item = waiting.pop()
        if item.path in definition.notes and item.kind == "question":
            pending.append(present(definition.notes[item.path].labels))
            continue
        if pending and item.path in definition.questions:
            languages = dict.fromkeys(language for texts in pending for language in texts)
            found[item.path] = {
                language: " ".join(texts[language] for texts in pending if language in texts) for language in languages
            }
        pending = []
        waiting.extend(reversed(item.children))
    return found


def _bounds(question: Question, bind: Bind) -> Bounds | None:
    if question.range is not None:
        return Bounds(low=question.range.start, high=question.range.end)
    return bounds(bind.constraint) if bind.constraint else None


def _groups(reader: _Reader, tables: tuple[RecordTable, ...]) -> Iterator[VariableGroup]:
    members: dict[str, list[str]] = {}
    for table in tables:
        for variable in table.variables:
            members.setdefault(variable.group, []).append(variable.path)
    for path, group in reader.definition.groups.items():
        yield VariableGroup(
            path=path,
            labels=present(group.labels),
            universe={language: speaker.universe(path) for language, speaker in reader.speakers.items()},
            variables=tuple(members.get(path, ())),
        )
