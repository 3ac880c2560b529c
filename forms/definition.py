"""The definition of a form, read once from its XForm and immutable.

The bytes of the XForm decide everything: equal hash, equal definition. A definition is compared by identity, so that
compiled tables can hang on it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from forms.choices import inline_choices, listed_choices
from forms.columns import Column, Store, all_columns
from forms.media import search_file, searched_codes, table_of, with_media
from forms.metadata import FormMetadata
from forms.model import Bind, BodyItem, Choice, Group, ModelNode, Question, Repeat, SecondaryInstance, SetValue, Texts
from forms.questions import answerable, shown_only
from forms.texts import TextTable
from forms.xform import Control, XFormError, XFormParts, read_xform

__all__ = ["Column", "FormDefinition", "Store", "XFormError"]

_IDENTITY: Final = frozenset({"instanceID", "deprecatedID"})
_NO_MEDIA: Final[Mapping[str, bytes]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class FormDefinition:
    """What a form version asks and how its answers are laid out.

    Attributes:
        hash: SHA-256 of the XForm bytes (32 bytes); ``md5`` is what OpenRosa form lists show.
        questions: answerable nodes by absolute path without indices, in document order; notes are not among them.
        notes: what the body shows and nobody answers, by path.
        groups: groups of the body by path; a repeat is not among them.
        binds: by path; every node of the main instance that the form says something about.
        choice_lists: by name of the secondary instance, or by the path of a question with inline choices;
            None for a list in a file that is not here.
        texts: translations by id, then language.
        root: the main instance as a tree, with defaults.
        body: what is asked, in order.
        metadata: entities, audit, preloads, submission and instance name.
        media: the files beside the form, by name; a list or table in a file that is not among them is unknown.
    """

    form_id: str
    version: str
    title: str
    hash: bytes
    md5: str
    root_name: str
    languages: tuple[str, ...]
    default_language: str
    questions: Mapping[str, Question]
    notes: Mapping[str, Question]
    groups: Mapping[str, Group]
    binds: Mapping[str, Bind]
    repeats: Mapping[str, Repeat]
    choice_lists: Mapping[str, tuple[Choice, ...] | None]
    instances: Mapping[str, SecondaryInstance]
    actions: tuple[SetValue, ...]
    metadata: FormMetadata
    texts: Mapping[str, Texts]
    root: ModelNode
    body: tuple[BodyItem, ...]
    media: Mapping[str, bytes]
    _columns: tuple[tuple[Column, Store], ...]

    @classmethod
    def parse(cls, xform: bytes, media: Mapping[str, bytes] = _NO_MEDIA) -> "FormDefinition":
        """Read a definition from the bytes of an XForm and the files beside it.

        Raises:
            XFormError: the document is not a usable form; a file that cannot be read is as one that is not here.
        """
        parts = read_xform(xform)
        instances = with_media(parts.instances, media)
        questions = answerable(parts)
        return cls(
            form_id=parts.form_id,
            version=parts.version,
            title=parts.title,
            hash=hashlib.sha256(xform).digest(),
            md5=hashlib.md5(xform, usedforsecurity=False).hexdigest(),
            root_name=parts.root.name,
            languages=parts.texts.languages,
            default_language=parts.texts.default_language,
            questions=questions,
            notes=shown_only(parts, questions),
            groups=parts.groups,
            binds=parts.binds,
            repeats=parts.repeats,
            choice_lists=_choice_lists(parts, questions, instances, media),
            instances=instances,
            actions=parts.actions,
            metadata=parts.metadata,
            texts=parts.texts.texts,
            root=parts.root,
            body=parts.body,
            media=media,
            _columns=all_columns(parts.root, questions),
        )

    def columns(self, store: Store) -> tuple[Column, ...]:
        """Return the columns of a store in document order; see ``forms.columns`` for the rule."""
        return tuple(column for column, its_store in self._columns if its_store == store)

    def choices_of(self, path: str) -> tuple[Choice, ...] | None:
        """Return every choice that a question can ever offer; None where it has no list or the list is not here."""
        source = self.questions[path].choices
        return None if source is None or source.list_name is None else self.choice_lists.get(source.list_name)

    def nodes(self) -> Iterator[ModelNode]:
        """Yield every node of the main instance, parents first."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


def _choice_lists(
    parts: XFormParts,
    questions: Mapping[str, Question],
    instances: Mapping[str, SecondaryInstance],
    media: Mapping[str, bytes],
) -> dict[str, tuple[Choice, ...] | None]:
    lists: dict[str, tuple[Choice, ...] | None] = {}
    for question in questions.values():
        source = question.choices
        if source is None or source.list_name is None or source.list_name in lists:
            continue
        if source.list_name == question.path:
            lists[question.path] = _inline(question, parts.controls[question.path], parts.texts, media)
        else:
            instance = instances.get(source.list_name)
            lists[source.list_name] = None if instance is None else listed_choices(instance, source, parts.texts)
    return lists


def _inline(
    question: Question, control: Control, texts: TextTable, media: Mapping[str, bytes]
) -> tuple[Choice, ...] | None:
    written = inline_choices(control, texts)
    file = search_file(question.appearance)
    if file is None:
        return written
    # search('file') replaces the items by rows of a CSV file: their values and labels are names of its columns.
    table = table_of(media, file)
    if table is None:
        return None
    label = next((text for choice in written for text in choice.labels.values()), "")
    return tuple(
        Choice(row[""], dict.fromkeys(texts.languages or ("",), row.get(label, "")), row)
        for row in searched_codes(table, tuple(choice.value for choice in written))
    )
