"""What sentences call the nodes of a form: the name of the column, the label, the label of a code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from forms.codebook.languages import Language, form_language, shortened, text_in
from forms.columns import Column
from forms.definition import FormDefinition

LABEL_LENGTH: Final = 80
"""Characters of a label inside a sentence."""


@dataclass(frozen=True, slots=True)
class Names:
    """What sentences call the nodes of a form.

    Attributes:
        columns: path of a question or repeat → name in the microdata.
        language: of the form's labels.
    """

    definition: FormDefinition
    columns: Mapping[str, str]
    language: str

    @classmethod
    def of(cls, definition: FormDefinition, language: Language) -> "Names":
        """Collect the names of a form for sentences in a language."""
        found: dict[str, str] = {}
        for store in ("analysis", "identifiers"):
            _collect(definition.columns(store), found)
        return cls(definition, found, form_language(definition.languages, definition.default_language, language))

    def label(self, path: str) -> str:
        """Return the label of a question, group or repeat, short enough for a sentence."""
        asked = self.definition.questions.get(path) or self.definition.notes.get(path)
        labels = asked.labels if asked is not None else {}
        if path in self.definition.repeats:
            labels = self.definition.repeats[path].labels
        return shortened(text_in(labels, self.language, self.definition.default_language), LABEL_LENGTH)

    def choice(self, path: str, code: str) -> str:
        """Return the label of a code of a question; empty where it has no list or no such code."""
        choices = self.definition.choices_of(path) if path in self.definition.questions else None
        labels = next((choice.labels for choice in choices or () if choice.value == code), {})
        return shortened(text_in(labels, self.language, self.definition.default_language), LABEL_LENGTH)


def prefixes(path: str) -> list[str]:
    """Return the paths of everything around a node, outermost first, and its own."""
    steps = path.strip("/").split("/")
    return ["/" + "/".join(steps[: place + 1]) for place in range(len(steps))]


def _collect(columns: Iterable[Column], found: dict[str, str]) -> None:
    for column in columns:
        found[column.path] = column.name
        _collect(column.children, found)
