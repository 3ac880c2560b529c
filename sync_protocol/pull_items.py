"""What the office tells a device in the answer of an exchange: each kind of news, and how it is written.

An item is an object of the answer's control; the bytes of it, where it has any, are a frame that the object names.
Kinds that nobody here knows are passed over.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sync_protocol import frames, schemas
from sync_protocol.constants import EXCHANGE_BYTES, EXCHANGE_ENVELOPES
from sync_protocol.errors import RemoteError


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFile:
    """A file that belongs to a form version, to be fetched from `PATH_BLOBS` by its hash."""

    name: str
    type: str
    length_bytes: int
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FormVersionPull:
    """A form version that is or was published.

    Attributes:
        hash: (32,) SHA-256 of the XForm.
        state: ``published``; ``withdrawn`` when no new interview is begun on it.
        xform: the frame, deflated on the wire; None when the version is only withdrawn.
        files: pictures, recordings and lists.
        dictionary: (32,) SHA-256 of the file with which interviews on it are deflated, one of `files`; None for none.
    """

    form_id: str
    version: str
    title: str
    hash: bytes
    state: Literal["published", "withdrawn"] = "published"
    xform: bytes | None
    files: tuple[FormFile, ...] = ()
    dictionary: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentsPull:
    """All drawn households of one PSU for this device; the frame is sealed to its receiving key. Empty: taken back.

    `sealed_to` is the id of the receiving key, empty for that of the device's certificate; `closed` says that
    fieldwork in the PSU is over.
    """

    psu: str
    households: tuple[str, ...]
    sealed: bytes
    sealed_to: str = ""
    closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictPull:
    """What opening an envelope found."""

    instance_id: bytes
    envelope_id: bytes
    state: Literal["opened", "quarantined", "held", "listed"]
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedPull:
    """An interview that the office gives back to be corrected, or, when `state` is ``settled``, no longer wants back.

    Attributes:
        instance_id: (16,) of the revision that is given back: the parent of the correction.
        form_version_hash: (32,) of the form version that it answers.
        sealed: the frame, as `sync_protocol.handover` makes it; None when it is settled.
        sealed_to: id of the receiving key.
    """

    instance_id: bytes
    form_version_hash: bytes
    state: Literal["returned", "settled"] = "returned"
    sealed: bytes | None
    sealed_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPull:
    """An unfinished interview of the enumerator's former device; the frame is as that of `ReturnedPull`."""

    instance_id: bytes
    form_version_hash: bytes
    sealed: bytes
    sealed_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitiesPull:
    """Entities of one list that are new, changed or gone; the frame is sealed as `sync_protocol.entity_rows` says."""

    list_name: str
    sealed: bytes
    sealed_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationPull:
    """The device itself has been revoked: it delivers what it holds, and gets wipe orders only."""

    device_id: str
    revoked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasurePull:
    """An order, signed by a decision key: nothing of the interviews that it names stays on any device."""

    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WipePull:
    """An order, signed by a decision key, to wipe this device once all that it holds has been receipted."""

    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringPull:
    """A newer keyring, signed by the root."""

    document: bytes


PullItem = (
    FormVersionPull
    | AssignmentsPull
    | VerdictPull
    | KeyringPull
    | ReturnedPull
    | DraftPull
    | EntitiesPull
    | RevocationPull
    | ErasurePull
    | WipePull
)


def encode(items: Iterable[PullItem]) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Return the objects of items, and the frames that they name."""
    told: list[dict[str, Any]] = []
    carried: list[bytes] = []
    for item in items:
        kind, schema, content = _KINDS[type(item)]
        members = {"kind": kind, **schema.dump(item)}
        payload = getattr(item, content) if content is not None else None
        if payload is not None:
            members["frame"] = len(carried)
            carried.append(frames.deflate(payload) if kind in _FRAME_IS_DEFLATED else payload)
        told.append(members)
    return told, carried


def decode(told: Iterable[dict[str, Any]], carried: Sequence[bytes]) -> tuple[PullItem, ...]:
    """Return the items of those kinds that this version knows.

    Raises:
        RemoteError: ``malformed``.
    """
    found = (_item(members, carried) for members in told)
    return tuple(item for item in found if item is not None)


def control_bytes(item: PullItem) -> int:
    """Return what a pulled item takes of an answer's control at most, before it is deflated."""
    kind, schema, _ = _KINDS[type(item)]
    return len(schemas.write_object({"kind": kind, "frame": EXCHANGE_ENVELOPES, **schema.dump(item)})) + len(",")


_KINDS: Final[dict[type, tuple[str, schemas.Message, str | None]]] = {
    FormVersionPull: ("form-version", schemas.FORM_VERSION, "xform"),
    AssignmentsPull: ("assignments", schemas.ASSIGNMENTS, "sealed"),
    VerdictPull: ("verdict", schemas.VERDICT, None),
    KeyringPull: ("keyring", schemas.KEYRING, "document"),
    ReturnedPull: ("returned", schemas.RETURNED, "sealed"),
    DraftPull: ("draft", schemas.DRAFT, "sealed"),
    EntitiesPull: ("entities", schemas.ENTITIES, "sealed"),
    RevocationPull: ("revocation", schemas.REVOCATION, None),
    ErasurePull: ("erasure", schemas.ERASURE, "document"),
    WipePull: ("wipe", schemas.WIPE, "document"),
}
_TYPES: Final = {kind: (made, schema, content) for made, (kind, schema, content) in _KINDS.items()}
_FRAME_IS_OPTIONAL: Final = frozenset({"form-version", "returned"})
_FRAME_IS_DEFLATED: Final = frozenset({"form-version"})


def _item(members: dict[str, Any], carried: Sequence[bytes]) -> PullItem | None:
    """Make one pulled item, None for a kind that this version does not know."""
    kind = members.get("kind")
    if not isinstance(kind, str) or kind not in _TYPES:
        return None
    made, schema, content = _TYPES[kind]
    values = schemas.load(schema, members)
    if content is not None:
        frame = _frame(members, carried, is_optional=kind in _FRAME_IS_OPTIONAL)
        if frame is not None and kind in _FRAME_IS_DEFLATED:
            frame = frames.inflate(frame, EXCHANGE_BYTES)
        values[content] = frame
    if "files" in values:
        values["files"] = tuple(FormFile(**file) for file in values["files"])
    item: PullItem = made(**values)
    return item


def _frame(members: dict[str, Any], carried: Sequence[bytes], *, is_optional: bool) -> bytes | None:
    number = members.get("frame")
    if number is None and is_optional:
        return None
    if type(number) is not int or not 0 <= number < len(carried):
        raise RemoteError("malformed", "a pulled item names a frame that is not there")
    return carried[number]
