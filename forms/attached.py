"""Which files an interview names: photos, recordings, signatures, and the log that the tablet kept."""

from functools import lru_cache
from typing import Final

from forms.definition import FormDefinition
from forms.documents import local_name
from forms.instance import Instance

_LONGEST: Final = 255
"""Characters of a file name, as file systems have it."""


def attached_names(definition: FormDefinition, instance: Instance) -> tuple[str, ...]:
    """Return the file names that an instance gives in answers to questions for a file, and as its audit log, sorted.

    A name longer than a file can have is no name; a form that asks for no file costs one look.
    """
    paths = _paths(definition)
    if not paths:
        return ()
    names: set[str] = set()
    waiting = [(instance.root, "/" + local_name(instance.root))]
    while waiting:
        element, path = waiting.pop()
        if path in paths:
            names.add((element.text or "").strip())
        waiting.extend((child, f"{path}/{local_name(child)}") for child in element if type(child.tag) is str)
    return tuple(sorted(name for name in names if 0 < len(name) <= _LONGEST))


@lru_cache(maxsize=64)
def _paths(definition: FormDefinition) -> frozenset[str]:
    audit = definition.metadata.audit
    asked = {path for path, question in definition.questions.items() if _is_file(question.type, question.control)}
    return frozenset(asked if audit is None else asked | {audit.path})


def _is_file(of_type: str, control: str) -> bool:
    return of_type == "binary" or control == "upload"
