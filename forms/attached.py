"""Which files an interview names: photos, recordings, signatures, and the log that the tablet kept."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from lxml import etree

from forms.definition import FormDefinition
from forms.instance import Instance

_LONGEST: Final = 255
"""Characters of a file name, as file systems have it."""
_Way = Mapping[str, "_Way | None"]
"""By the name of a node: the way on to nodes that name files; None where it is one itself."""


def attached_names(definition: FormDefinition, instance: Instance) -> tuple[str, ...]:
    """Return the file names that an instance gives in answers to questions for a file, and as its audit log, sorted.

    Only those branches are walked that can hold one. A name longer than a file can have is no name.
    """
    way = _way(definition)
    if not way:
        return ()
    return tuple(sorted({name for name in _names(instance.root, way) if 0 < len(name) <= _LONGEST}))


def _names(parent: etree._Element, way: _Way) -> Iterator[str]:
    for child in parent:
        tag = child.tag
        name = tag.rpartition("}")[2] if type(tag) is str else ""
        if name in way:
            further = way[name]
            if further is None:
                yield (child.text or "").strip()
            else:
                yield from _names(child, further)


@lru_cache(maxsize=64)
def _way(definition: FormDefinition) -> _Way:
    audit = definition.metadata.audit
    asked = {path for path, question in definition.questions.items() if _is_file(question.type, question.control)}
    found: dict[str, _Way | None] = {}
    for path in sorted(asked if audit is None else asked | {audit.path}):
        *branches, leaf = path.split("/")[2:]  # below the root
        here = found
        for branch in branches:
            here = here.setdefault(branch, {})  # type: ignore[assignment]
        here[leaf] = None
    return found


def _is_file(of_type: str, control: str) -> bool:
    return of_type == "binary" or control == "upload"
