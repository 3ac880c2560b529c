"""What changed for a variable from one version to the next, as notes on comparability.

The notes say what differs and how grave that looks; whether the answers still measure the same is for a person to say.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from forms.codebook.languages import Language, tag
from forms.codebook.variables import Category, Variable
from forms.model import Texts


@dataclass(frozen=True, slots=True)
class Note:
    """A difference of one variable between two versions.

    Attributes:
        code: ``label``, ``spelling``, ``type``, ``kind``, ``choice-added``, ``choice-removed``, ``choice-label``,
            ``universe``, ``constraint``, ``required``, ``calculation``, ``table``, ``renamed``, ``classification`` or
            ``absent``.
        is_grave: the answers may not be comparable across this change.
        text: the note in English and French.
    """

    code: str
    before: str
    after: str
    is_grave: bool
    text: Mapping[Language, str]


_TEMPLATES: Final[Mapping[str, tuple[str, str]]] = {
    "label": ("The wording ({0}) was “{1}” and is “{2}”.", "Le libellé ({0}) était « {1} » et devient « {2} »."),
    "spelling": (
        "The wording ({0}) changed in spelling or punctuation only.",
        "Le libellé ({0}) ne change que d'orthographe ou de ponctuation.",
    ),
    "type": ("The type was {0} and is {1}.", "Le type était {0} et devient {1}."),
    "kind": ("The kind of question was {0} and is {1}.", "La forme de la question était {0} et devient {1}."),
    "choice-added": ("New choice {0}.", "Nouvelle modalité {0}."),
    "choice-removed": ("Choice {0} is no longer offered.", "La modalité {0} n'est plus proposée."),
    "choice-label": (
        "Choice {0} ({1}) was “{2}” and is “{3}”.",
        "La modalité {0} ({1}) était « {2} » et devient « {3} ».",
    ),
    "universe": ("Asked of others: was {0}; is {1}.", "Population différente : c'était {0} ; c'est {1}."),
    "constraint": ("What is accepted was: {0}; is: {1}.", "Était accepté : {0} ; est accepté : {1}."),
    "required": ("Whether an answer is required was: {0}; is: {1}.", "Réponse obligatoire : c'était {0} ; c'est {1}."),
    "calculation": ("The calculation was: {0}; is: {1}.", "Le calcul était : {0} ; devient : {1}."),
    "table": ("Was in the table {0}, is in {1}.", "Était dans la table {0}, est dans {1}."),
    "renamed": ("Was named {0}.", "S'appelait {0}."),
    "classification": ("The classification was {0} and is {1}.", "La classification était {0} et devient {1}."),
}
_GRAVE: Final = frozenset(
    {"label", "type", "kind", "choice-added", "choice-removed", "choice-label", "universe", "calculation", "table"}
)


def compare_variables(before: Variable, after: Variable, *, versions: tuple[str, str]) -> tuple[Note, ...]:
    """Return the notes on a variable from one version to a later one."""
    return tuple(_notes(before, after, versions))


def _notes(before: Variable, after: Variable, versions: tuple[str, str]) -> Iterator[Note]:
    def note(code: str, *parts: str) -> Note:
        return _note(code, versions, parts, parts)

    if before.name != after.name:
        yield note("renamed", before.name)
    yield from _label_notes(before.labels, after.labels, note)
    for code, old, new in (
        ("type", before.type, after.type),
        ("kind", before.kind, after.kind),
        ("table", before.table, after.table),
        ("classification", before.pii or "–", after.pii or "–"),
    ):
        if old != new:
            yield note(code, old, new)
    yield from _choice_notes(before, after, note)
    for code, was, becomes in (
        ("universe", before.universe, after.universe),
        ("constraint", before.constraint, after.constraint),
        ("required", before.required, after.required),
        ("calculation", before.calculation, after.calculation),
    ):
        if was["en"] != becomes["en"]:
            english, french = ((one[language] or "–" for one in (was, becomes)) for language in ("en", "fr"))
            yield _note(code, versions, tuple(english), tuple(french))


def _label_notes(before: Texts, after: Texts, note: Callable[..., Note]) -> Iterator[Note]:
    for language in after:
        old, new = before.get(language), after[language]
        if old is None or old == new:
            continue
        if is_same_wording(old, new):
            yield note("spelling", _shown(language))
        else:
            yield note("label", _shown(language), old, new)


def _choice_notes(before: Variable, after: Variable, note: Callable[..., Note]) -> Iterator[Note]:
    old = {category.code: category for category in before.categories or ()}
    new = {category.code: category for category in after.categories or ()}
    if before.categories is None or after.categories is None:
        return
    for code, category in new.items():
        if code not in old:
            yield note("choice-added", _named(category))
    for code, category in old.items():
        if code not in new:
            yield note("choice-removed", _named(category))
    for code, category in new.items():
        was = old[code].labels if code in old else {}
        for language, label in category.labels.items():
            if language in was and not is_same_wording(was[language], label):
                yield note("choice-label", code, _shown(language), was[language], label)


def _note(code: str, versions: tuple[str, str], english: tuple[str, ...], french: tuple[str, ...]) -> Note:
    in_english, in_french = _TEMPLATES[code]
    text: dict[Language, str] = {"en": in_english.format(*english), "fr": in_french.format(*french)}
    return Note(code, *versions, is_grave=code in _GRAVE, text=text)


def is_same_wording(one: str, other: str) -> bool:
    """Say whether two texts differ in case, accents, spaces and punctuation at most."""
    return _letters(one) == _letters(other)


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in plain if character.isalnum())


def _named(category: Category) -> str:
    label = next(iter(category.labels.values()), "")
    return f"{category.code} ({label})" if label else category.code


def _shown(language: str) -> str:
    return tag(language) if language else "–"
