"""The received XML of one interview: parsing it safely, and what makes two of them the same answers.

Identity rule: two instances hold the same answers when their canonical leaves are equal. Leaves are compared as a
sorted list, so neither the order of different questions nor white space between elements counts; ``meta/instanceID``
and ``meta/deprecatedID`` say which revision it is, not what was answered, and are left out.
"""

import hashlib
import uuid
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from forms.documents import DocumentError, local_name, parse_xml

MAX_INSTANCE_BYTES: Final = 1 << 20
MAX_PATHS_CHARACTERS: Final = 16 << 20
ANSWERS_LABEL: Final = "passerelle/1 answers"
INSTANCE_ID_LABEL: Final = b"passerelle/1 instance-id"

Leaves = tuple[tuple[str, str], ...]

_IDENTITY: Final = frozenset({"instanceID", "deprecatedID"})
_HAS_ATTRIBUTES: Final = etree.XPath("count(/descendant::*/@*) > count(/*/@*)")
_IS_MIXED: Final = etree.XPath("boolean(/descendant::*[*]/text()[normalize-space()])")
_PLACE: Final = etree.XPath("count(preceding-sibling::*[local-name() = $name]) + 1")
_XFORMS: Final = "http://www.w3.org/2002/xforms"


class InstanceError(Exception):
    """An instance cannot be read at all.

    Attributes:
        code: ``doctype``, ``too-large``, ``too-deep``, ``malformed`` or ``no-form-id``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Instance:
    """A parsed instance; ``root`` is its main element."""

    form_id: str
    version: str
    instance_id: str | None
    deprecated_id: str | None
    root: etree._Element


def parse_instance(xml: bytes) -> Instance:
    """Parse the XML of an interview.

    Raises:
        InstanceError: ``doctype``, ``too-large`` (over 1 MiB), ``too-deep`` (over 100 levels), ``malformed`` or
            ``no-form-id``.
    """
    try:
        root = parse_xml(xml, max_bytes=MAX_INSTANCE_BYTES)
    except DocumentError as error:
        raise InstanceError(error.code, error.message) from None
    form_id = root.get("id") or _namespace_as_form_id(root)
    if not form_id:
        raise InstanceError("no-form-id", "The root element names no form: its attribute id is missing.")
    meta = _child(root, "meta")
    return Instance(
        form_id=form_id,
        version=root.get("version") or "",
        instance_id=_child_text(meta, "instanceID"),
        deprecated_id=_child_text(meta, "deprecatedID"),
        root=root,
    )


def canonical_leaves(instance: Instance) -> Leaves:
    """Return the sorted (path, value) pairs of an instance.

    The second and later of equally named siblings carry their 1-based position (``/data/c/member[2]/c_age``), the
    first none. A value is the text as written, or empty where it is only white space. Attributes below the root are
    leaves too (``…/entity/@id``), as is text beside child elements.

    Raises:
        InstanceError: ``too-large`` when the paths would take more than 16 MiB, as only a hostile document's do.
    """
    root = instance.root
    path = "/" + local_name(root)
    leaves = _Leaves(is_unusual=bool(_HAS_ATTRIBUTES(root)) or bool(_IS_MIXED(root)))
    if leaves.is_unusual:
        leaves.take(path, len(root) + 1)
        leaves.found.extend((f"{path}/text()", text) for text in _texts_beside_children(root))
    _collect(root, path, leaves)
    leaves.found.sort()
    return tuple(leaves.found)


def answers_hash(leaves: Leaves) -> bytes:
    """Return the SHA-256 (32 bytes) of canonical leaves.

    The separators U+001F and U+001E cannot occur in XML, so that different leaves never give the same bytes.
    """
    text = "\x1e".join([ANSWERS_LABEL, *map("\x1f".join, leaves)])
    return hashlib.sha256(text.encode()).digest()


def instance_id_bytes(text: str) -> bytes:
    """Return the 16 bytes that stand for an instanceID: those of its UUID, else a labelled hash of it."""
    if text.startswith("uuid:") and len(text) == 41:
        try:
            value = uuid.UUID(text[5:])
        except ValueError:
            pass
        else:
            if str(value) == text[5:].lower():
                return value.bytes
    return hashlib.sha256(INSTANCE_ID_LABEL + text.encode()).digest()[:16]


def indexed_path(element: etree._Element) -> str:
    """Return the path of an element with the positions of repeated siblings, from the second on."""
    steps: list[str] = []
    node: etree._Element | None = element
    while node is not None:
        name = local_name(node)
        place: Any = _PLACE(node, name=name)  # counted in C: a hostile document has 200 000 siblings
        steps.append(f"{name}[{place:.0f}]" if place > 1 else name)
        node = node.getparent()
    return "/" + "/".join(reversed(steps))


class _Leaves:
    """Leaves as they are found, and what their paths may still take: long names in deep documents multiply."""

    __slots__ = ("_left", "found", "is_unusual")

    def __init__(self, *, is_unusual: bool) -> None:
        self.found: list[tuple[str, str]] = []
        self.is_unusual = is_unusual
        self._left = MAX_PATHS_CHARACTERS

    def take(self, path: str, times: int) -> None:
        """Count a path that is about to be written so many times."""
        self._left -= len(path) * times
        if self._left < 0:
            raise InstanceError("too-large", "The names of its questions are too long and too deep to be compared.")


def _collect(parent: etree._Element, path: str, leaves: _Leaves) -> None:
    leaves.take(path, len(parent))
    seen: dict[str, int] = {}
    is_meta = path.endswith("/meta") and path.count("/") == 2
    prefix = path + "/"
    for child in parent:
        tag = child.tag
        if type(tag) is not str:  # an unresolved entity reference
            continue
        name = tag if tag[0] != "{" else tag.rpartition("}")[2]
        if is_meta and name in _IDENTITY:
            continue
        count = seen.get(name, 0) + 1
        seen[name] = count
        step = prefix + name if count == 1 else f"{prefix}{name}[{count}]"
        text = child.text
        if leaves.is_unusual:
            _add_unusual(child, step, leaves)
        elif text and not text.isspace():
            leaves.found.append((step, text))
            continue
        if len(child):
            _collect(child, step, leaves)
        else:
            leaves.found.append((step, text if text and not text.isspace() else ""))


def _texts_beside_children(element: etree._Element) -> list[str]:
    texts = [element.text, *(child.tail for child in element)]
    return [text for text in texts if text and not text.isspace()]


def _add_unusual(element: etree._Element, path: str, leaves: _Leaves) -> None:
    leaves.take(path, len(element.attrib) + len(element) + 1)
    leaves.found.extend((f"{path}/@{name}", element.get(name) or "") for name in map(str, element.keys()))
    if len(element):
        leaves.found.extend((f"{path}/text()", text) for text in _texts_beside_children(element))


def _namespace_as_form_id(root: etree._Element) -> str | None:
    # Old forms name themselves by the default namespace of the instance (OpenRosa, before the id attribute).
    namespace = etree.QName(root).namespace
    return namespace if namespace and namespace != _XFORMS else None


def _child(parent: etree._Element | None, name: str) -> etree._Element | None:
    if parent is None:
        return None
    for child in parent:
        if local_name(child) == name:
            return child
    return None


def _child_text(parent: etree._Element | None, name: str) -> str | None:
    child = _child(parent, name)
    text = None if child is None else child.text
    return text.strip() or None if text else None
