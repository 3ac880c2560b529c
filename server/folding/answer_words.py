"""Answers in words of their form, for a person who reads them: labels, and the labels of choices."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from forms.codebook.languages import form_language, text_in
from forms.definition import FormDefinition

_POSITION: Final = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer for a reader; `values` has one text for each of the revisions that were asked for."""

    path: str
    label: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """The revisions do not agree."""
        return len(set(self.values)) > 1


def side_by_side(
    columns: Sequence[Mapping[str, str]], definition: FormDefinition | None, language: str
) -> tuple[Answer, ...]:
    """Return the answers of some revisions beside each other, in the order of their form.

    Args:
        columns: value by path, of each revision.
        definition: of the form; without it paths stand alone.
        language: that the reader reads.
    """
    words = _Words.of(definition, language)
    paths = words.in_order(dict.fromkeys(path for column in columns for path in column))
    return tuple(
        Answer(path, words.label(path), tuple(words.value(path, column.get(path, "")) for column in columns))
        for path in paths
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a form in a reader's language."""

    definition: FormDefinition | None
    language: str

    @classmethod
    def of(cls, definition: FormDefinition | None, wanted: str) -> "_Words":
        if definition is None:
            return cls(None, wanted)
        return cls(definition, form_language(definition.languages, definition.default_language, wanted))

    def in_order(self, paths: Iterable[str]) -> list[str]:
        """Return paths in the order of the form; those of one question, and those unknown to it, as they came."""
        questions = () if self.definition is None else self.definition.questions
        order = {path: place for place, path in enumerate(questions)}
        return sorted(paths, key=lambda path: order.get(_POSITION.sub("", path), len(order)))

    def label(self, path: str) -> str:
        question = None if self.definition is None else self.definition.questions.get(_POSITION.sub("", path))
        if question is None or self.definition is None:
            return ""
        return text_in(question.labels, self.language, self.definition.default_language)

    def value(self, path: str, value: str) -> str:
        plain = _POSITION.sub("", path)
        if self.definition is None or plain not in self.definition.questions or not value:
            return value
        choices = {choice.value: choice for choice in self.definition.choices_of(plain) or ()}
        if not choices:
            return value
        default = self.definition.default_language
        parts = [
            f"{text_in(choices[code].labels, self.language, default)} ({code})" if code in choices else code
            for code in ([value] if value in choices else value.split())
        ]
        return ", ".join(parts)
