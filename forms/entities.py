"""Entities that an interview creates or updates, from its `meta/entity` elements; and the lists that a form uses.

Sources: ODK XForms specification, Entities, https://getodk.github.io/xforms-spec/entities; ODK Collect, which takes
version 4 UUIDs alone for ids.
"""

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from forms.definition import FormDefinition
from forms.documents import local_name
from forms.findings import Finding
from forms.instance import Instance, indexed_path
from forms.media_references import asked_files
from forms.metadata import EntityDeclaration

NAME_CHARACTERS: Final = 100
MOST_VERSION: Final = 1 << 31
"""Collect reads versions as 32-bit integers, and gives up the whole list at one that is larger."""
RESERVED: Final = frozenset({"name", "label"})

VALUE_CHARACTERS: Final = 10_000

_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]").search
_LIST: Final = re.compile(r"(?!__)[^\W\d][\w-]*\Z").match
_PROPERTY: Final = re.compile(r"(?!__)[^\W\d][\w.-]*\Z").match
_TRUE: Final = frozenset({"1", "true"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityWrite:
    """What one `meta/entity` of an interview says.

    Attributes:
        path: of the element, with the positions of repeated siblings.
        entity_id: (16,) of a version 4 UUID.
        base_version, trunk_version: 0 where none is named.
        branch_id: (16,), empty where none is named.
        label: None where none is written; so is a property that does not stand in `properties`.
    """

    dataset: str
    path: str
    entity_id: bytes
    creates: bool
    updates: bool
    base_version: int
    trunk_version: int
    branch_id: bytes
    label: str | None
    properties: Mapping[str, str]


def is_list_name(name: str) -> bool:
    """Say whether a list may be called so: its file is `<name>.csv`."""
    return len(name) <= NAME_CHARACTERS and _LIST(name) is not None


def is_property_name(name: str) -> bool:
    """Say whether a property may be called so: an element and a column of a table on the tablet have its name."""
    is_free = name.lower() not in RESERVED and len(name) <= NAME_CHARACTERS
    return is_free and _PROPERTY(name) is not None


def is_value(text: str) -> bool:
    """Say whether a text may be a label or a value: forms put it into XML, which holds no control characters."""
    return len(text) <= VALUE_CHARACTERS and _NOT_IN_XML(text) is None


def entity_id_bytes(text: str | None) -> bytes | None:
    """Return the 16 bytes of a version 4 UUID as Collect takes it; None for anything else."""
    try:
        value = uuid.UUID(text or "")
    except ValueError:
        return None
    return value.bytes if value.version == 4 and str(value) == (text or "").lower() else None


def declared_lists(definition: FormDefinition) -> Mapping[str, tuple[str, ...]]:
    """Return the lists that a form writes to, each with the properties that it saves."""
    found: dict[str, dict[str, None]] = {}
    for declared in definition.metadata.entities:
        if is_list_name(declared.dataset):
            names = found.setdefault(declared.dataset, {})
            names.update(dict.fromkeys(name for name in declared.properties if is_property_name(name)))
    return {name: tuple(properties) for name, properties in found.items()}


def possible_lists(definition: FormDefinition, xform: bytes, media: Iterable[str]) -> frozenset[str]:
    """Return the names of lists that a form reads or writes, if there are such; a file of its own is no list.

    Args:
        definition: of the form.
        xform: its bytes.
        media: names of its own files.
    """
    own = {name.casefold() for name in media}
    files = {name for name in asked_files(xform) if name.lower().endswith(".csv")}
    names = {name[:-4] for name in files} | set(declared_lists(definition))
    return frozenset(name for name in names if is_list_name(name) and f"{name}.csv".casefold() not in own)


def entity_writes(
    definition: FormDefinition, instance: Instance
) -> tuple[tuple[EntityWrite, ...], tuple[Finding, ...]]:
    """Return what an interview writes to entities, in document order, and what cannot be meant.

    Findings: ``entity-id`` (no version 4 UUID), ``entity-label`` (created without a label); none holds an answer.
    """
    if not definition.metadata.entities:
        return (), ()
    writes: list[EntityWrite] = []
    findings: list[Finding] = []
    for declared in definition.metadata.entities:
        if not is_list_name(declared.dataset):
            continue
        for element, path in _at(instance.root, declared.path.split("/")[2:], indexed_path(instance.root)):
            write = _read(declared, element, path, findings)
            if write is not None:
                writes.append(write)
    return tuple(writes), tuple(findings)


def _read(
    declared: EntityDeclaration, element: etree._Element, path: str, findings: list[Finding]
) -> EntityWrite | None:
    says = {str(name).rpartition("}")[2]: str(value).strip() for name, value in element.items()}
    updates = declared.updates and says.get("update", "").lower() in _TRUE
    # 2022.1.0 wrote no condition where every interview creates.
    creates = declared.creates and says.get("create", "" if declared.updates else "1").lower() in _TRUE
    if not (creates or updates):
        return None
    entity_id = entity_id_bytes(says.get("id"))
    if entity_id is None:
        findings.append(Finding("entity-id", "error", path[:500], "An entity is named by a version 4 UUID."))
        return None
    label = next((child.text for child in element if local_name(child) == "label"), None)
    label = label.strip() or None if label else None
    if label is None and not updates:
        findings.append(Finding("entity-label", "warning", path[:500], "An entity is created without a label."))
    return EntityWrite(
        dataset=declared.dataset,
        path=path,
        entity_id=entity_id,
        creates=creates,
        updates=updates,
        base_version=_version(says.get("baseVersion", "")),
        trunk_version=_version(says.get("trunkVersion", "")),
        branch_id=entity_id_bytes(says.get("branchId")) or b"",
        label=label,
        properties=dict(_properties(declared, element)),
    )


def _properties(declared: EntityDeclaration, element: etree._Element) -> Iterator[tuple[str, str]]:
    meta = element.getparent()
    scope = None if meta is None else meta.getparent()
    if scope is None:
        return
    for name, path in declared.properties.items():
        if is_property_name(name) and path.startswith(declared.scope + "/"):
            answer, _ = next(_at(scope, path.removeprefix(declared.scope + "/").split("/")), (None, ""))
            if answer is not None:  # what is not relevant is not there, and is not written
                yield name, answer.text or ""


def _at(root: etree._Element, steps: list[str], path: str = "") -> Iterator[tuple[etree._Element, str]]:
    """Yield the elements at a path below an element, by local names; each with its path as `indexed_path` gives it.

    Siblings are counted on the way: a repeat may have thousands of rows.
    """
    if not steps:
        yield root, path
        return
    place = 0
    for child in root:
        if local_name(child) == steps[0]:
            place += 1
            step = f"{steps[0]}[{place}]" if place > 1 else steps[0]
            yield from _at(child, steps[1:], f"{path}/{step}")


def _version(text: str) -> int:
    """Read a version: whatever is no positive integer is 0 (Entities 2023.1.0)."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= 10
    return int(text) if is_number and int(text) < MOST_VERSION else 0
