"""The two names inside an instance, `meta/instanceID` and `meta/deprecatedID`, read and replaced in place.

Everything else stays byte for byte as it is: a correction differs from what was given back only where a person
corrected it. No form is needed, no namespace prefix is assumed, and a document type declaration is refused.
"""

import hashlib
from dataclasses import dataclass
from typing import Final
from uuid import UUID
from xml.parsers import expat
from xml.sax.saxutils import escape

from sync_protocol.constants import INSTANCE_ID_BYTES
from sync_protocol.errors import LocalError

META_DEPTH: Final = 2
PREFIX: Final = "uuid:"
LABEL_INSTANCE_ID: Final = b"passerelle/1 instance-id"


@dataclass(frozen=True, slots=True)
class InstanceNames:
    """The names of a revision as its instance has them; `deprecated_id` is that of the revision which it edits."""

    instance_id: str
    deprecated_id: str | None


@dataclass(slots=True)
class _Place:
    """Where one element of the meta block stands: the byte of its start tag, and that where its text has ended."""

    tag: str
    start: int
    text_end: int = -1
    text: str = ""


def read_names(instance_xml: bytes) -> InstanceNames:
    """Read the names of an instance.

    Raises:
        LocalError: ``malformed`` when it is not well-formed, has a document type, or has no instanceID.
    """
    places = _Finder(instance_xml).find()
    deprecated = places.get("deprecatedID")
    return InstanceNames(places["instanceID"].text.strip(), (deprecated.text.strip() or None) if deprecated else None)


def read_form(instance_xml: bytes) -> tuple[str, str]:
    """Return the form id and version that the root of an instance names, empty for what it does not name.

    Raises:
        LocalError: ``malformed``.
    """
    finder = _Finder(instance_xml)
    finder.find()
    return finder.root.get("id", ""), finder.root.get("version", "")


def read_instance_id(instance_xml: bytes) -> bytes:
    """Return the 16 bytes that stand for the instanceID of an instance.

    Raises:
        LocalError: ``malformed``.
    """
    return id_bytes(read_names(instance_xml).instance_id)


def id_bytes(text: str) -> bytes:
    """Return the 16 bytes that stand for an instanceID: those of its UUID, else a labelled hash of it."""
    try:
        value = UUID(text.removeprefix(PREFIX))
    except ValueError:
        value = None
    if value is not None and text.startswith(PREFIX) and str(value) == text.removeprefix(PREFIX).lower():
        return value.bytes
    return hashlib.sha256(LABEL_INSTANCE_ID + text.encode("utf-8")).digest()[:INSTANCE_ID_BYTES]


def as_edit(instance_xml: bytes, *, new_id: str) -> bytes:
    """Return an instance as the beginning of its own correction: a new instanceID, its former one deprecated.

    Raises:
        LocalError: ``malformed``.
    """
    places = _Finder(instance_xml).find()
    named, former = places["instanceID"], places["instanceID"].text.strip()
    deprecated = places.get("deprecatedID")
    changes = [_replaced(instance_xml, named, new_id, follow="" if deprecated else _sibling(named.tag, former))]
    if deprecated is not None:
        changes.append(_replaced(instance_xml, deprecated, former))
    for start, end, text in sorted(changes, reverse=True):  # from the end, so that offsets stay true
        instance_xml = instance_xml[:start] + text + instance_xml[end:]
    return instance_xml


def _sibling(tag: str, former: str) -> str:
    prefix, colon, _ = tag.rpartition(":")
    name = f"{prefix}{colon}deprecatedID"
    return f"<{name}>{escape(former)}</{name}>"


def _replaced(xml: bytes, place: _Place, text: str, *, follow: str = "") -> tuple[int, int, bytes]:
    """Return start, end and new bytes of an element whose text is another, with a sibling after it."""
    close = f"</{place.tag}>".encode()
    end = _tag_end(xml, place.start)
    start_tag = xml[place.start : end]
    if start_tag.endswith(b"/>"):
        start_tag = start_tag.removesuffix(b"/>").rstrip() + b">"
    else:
        end = _tag_end(xml, place.text_end)
    return place.start, end, start_tag + escape(text).encode() + close + follow.encode()


def _tag_end(xml: bytes, start: int) -> int:
    """Return where a tag ends; a quoted value may hold a `>`."""
    quote = 0
    for position in range(start, len(xml)):
        byte = xml[position]
        if quote:
            quote = 0 if byte == quote else quote
        elif byte in b"\"'":
            quote = byte
        elif byte == ord(">"):
            return position + 1
    raise LocalError("malformed", "a tag has no end")


class _Finder:
    """Finds the meta block of an instance: the first element of that local name below the root."""

    def __init__(self, instance_xml: bytes) -> None:
        self._xml = instance_xml
        self._parser = expat.ParserCreate("UTF-8")
        self._path: list[str] = []
        self._open: _Place | None = None
        self._found: dict[str, _Place] = {}
        self._is_past_meta = False
        self.root: dict[str, str] = {}
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def find(self) -> dict[str, _Place]:
        """Return the places of `instanceID` and, if there, `deprecatedID`.

        Raises:
            LocalError: ``malformed``.
        """
        try:
            self._parser.Parse(self._xml, True)  # noqa: FBT003 - expat takes it by position only
        except (expat.ExpatError, ValueError):
            raise LocalError("malformed", "the interview is not well-formed XML") from None
        if "instanceID" not in self._found or not self._found["instanceID"].text.strip():
            raise LocalError("malformed", "the interview has no meta/instanceID")
        return self._found

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._path:
            self.root = attributes
        self._path.append(_local(tag))
        in_meta = len(self._path) == META_DEPTH + 1 and self._path[1] == "meta" and not self._is_past_meta
        if in_meta and self._path[-1] in ("instanceID", "deprecatedID") and self._path[-1] not in self._found:
            self._open = _Place(tag, self._parser.CurrentByteIndex)

    def _text(self, text: str) -> None:
        if self._open is not None:
            self._open.text += text

    def _end(self, _: str) -> None:
        name = self._path.pop()
        if self._open is not None and len(self._path) == META_DEPTH:
            self._open.text_end = self._parser.CurrentByteIndex
            self._found[name] = self._open
            self._open = None
        elif len(self._path) == META_DEPTH - 1 and name == "meta":
            self._is_past_meta = True

    @staticmethod
    def _refuse_doctype(*_: object) -> None:
        raise LocalError("malformed", "an interview has no document type declaration")


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]
