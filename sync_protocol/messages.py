"""What a device and a server say to each other, as frozen dataclasses, and their encoding as bytes.

`encode_request` and `decode_answer` are the device's side, `decode_request` and `encode_answer` the server's. The shape
of each JSON document is in `schemas`. Members that nobody here knows are ignored, and so are pulled items of an unknown
kind: an older device keeps working beside a newer server. Decoding checks shape only.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Final

from sync_protocol import frames, pull_items, schemas
from sync_protocol.constants import EXCHANGE_BYTES, VERSION
from sync_protocol.documents import encode_bytes
from sync_protocol.errors import RemoteError
from sync_protocol.pull_items import PullItem

PATH_HELLO: Final = "/sync/v1/hello"
PATH_ENROL: Final = "/sync/v1/enrol"
PATH_EXCHANGE: Final = "/sync/v1/exchange"
PATH_MEDIA: Final = "/sync/v1/media/"
PATH_BLOBS: Final = "/sync/v1/blobs/"
MEDIA_TYPE_EXCHANGE: Final = "application/vnd.passerelle.exchange"
MEDIA_TYPE_JSON: Final = "application/json"
MEDIA_TYPE_DICTIONARY: Final = "application/vnd.passerelle.dictionary"
MEDIA_TYPE_PART: Final = "application/partial-upload"
HEADER_OFFSET: Final = "Upload-Offset"
HEADER_LENGTH: Final = "Upload-Length"
HEADER_COMPLETE: Final = "Upload-Complete"
HEADER_LIMIT: Final = "Upload-Limit"
COMPLETE: Final = "?1"
INCOMPLETE: Final = "?0"
HAVE_BYTES: Final = 16  # of an envelope id: 2^-64 odds of a false match among 2^32 envelopes of one round


class ReceiptCode(IntEnum):
    """What became of one envelope."""

    STORED = 0
    DUPLICATE = 1
    ERASED = 2
    QUARANTINED = 3
    TOO_LARGE = 4
    QUOTA = 5
    STORAGE_FAULT = 6

    @property
    def is_kept(self) -> bool:
        """The server answers for the envelope: its bytes, or a tombstone, survive a crash."""
        return self <= ReceiptCode.QUARANTINED


class Retry(StrEnum):
    """What a refused device may do: nothing, the same again, the same later, or less at once."""

    NEVER = "never"
    SAME = "same"
    AFTER = "after"
    SMALLER = "smaller"


PROBLEMS: Final[dict[str, tuple[int, Retry]]] = {
    "version-unsupported": (400, Retry.NEVER),
    "malformed": (400, Retry.NEVER),
    "digest-mismatch": (400, Retry.SAME),
    "signature-invalid": (401, Retry.NEVER),
    "token-invalid": (403, Retry.NEVER),
    "device-unknown": (403, Retry.NEVER),
    "device-revoked": (403, Retry.NEVER),
    "counter-replayed": (409, Retry.SAME),
    "counter-behind": (409, Retry.SAME),
    "offset-mismatch": (409, Retry.SAME),
    "cursor-expired": (410, Retry.SAME),
    "too-large": (413, Retry.SMALLER),
    "unsupported-media": (415, Retry.NEVER),
    "rate-limited": (429, Retry.AFTER),
    "maintenance": (503, Retry.AFTER),
    "storage-full": (507, Retry.AFTER),
}
"""Slug of each problem of the sync door: its HTTP status and what the device may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one exchange may carry."""

    envelope_bytes: int
    exchange_bytes: int
    exchange_envelopes: int
    control_bytes: int
    inflate_ratio: int
    media_bytes: int
    part_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who answers here. Unsigned, so advice only: the pinned root decides."""

    server_id: str
    versions: tuple[int, ...]
    suites: tuple[int, ...]
    limits: Limits
    keyring_serial: int
    root_key: bytes
    server_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolRequest:
    """A device asks to be known: its two public keys, the proof that it holds the signing key, and one of two words.

    Attributes:
        token: of the office's code; empty when the device asks to be known again.
        certificate: that the office has given it before, to be known again after a restore; else None.
    """

    token: str = ""
    signing_key: bytes
    receiving_key: bytes
    proof: bytes
    certificate: bytes | None = None
    version: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolAnswer:
    """A device is known. `certificate` and `keyring` are signed documents, checked against the pinned root."""

    device_id: str
    server_id: str
    certificate: bytes
    keyring: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What a device still has to send when it writes a request.

    Attributes:
        envelopes, interviews, body_bytes: envelopes, interviews among them, and the bytes of all.
        media, media_bytes: sealed media that are not whole on the server, and their bytes.
        unsealed: finished interviews that are not sealed yet.
    """

    envelopes: int = 0
    interviews: int = 0
    body_bytes: int = 0
    media: int = 0
    media_bytes: int = 0
    unsealed: int = 0


@dataclass(frozen=True, slots=True)
class MediumOffer:
    """A sealed medium that a device wants to send: SHA-256 and length of its ciphertext."""

    sha256: bytes
    length_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRequest:
    """Push and pull in one.

    Attributes:
        device_id: who carries; must equal the key id of the request's signature.
        counter: strictly increasing for each device.
        since: the cursor of the last answer, None to be told everything.
        have: 16-byte beginnings of the ids of envelopes whose fate is unknown.
        envelopes: the sealed envelopes, any device's, oldest first.
        device_time: what the device's clock says, UTC; data, never a rule.
        keyring_serial: of the newest keyring that the device holds.
        receiving_key: (32,) raw X25519: what this answer and later ones bring is sealed to it; None to keep the last.
        media: sealed media that the device wants to send, small ones first.
    """

    device_id: str
    counter: int
    since: str | None
    have: tuple[bytes, ...]
    envelopes: tuple[bytes, ...]
    device_time: datetime
    capabilities: tuple[str, ...] = ()
    backlog: Backlog = field(default_factory=Backlog)
    keyring_serial: int = 0
    receiving_key: bytes | None = None
    media: tuple[MediumOffer, ...] = ()
    version: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class PartAnswer:
    """How much of a medium is on the server's disk after a part, and whether that is all of it."""

    offset: int
    complete: bool


@dataclass(frozen=True, slots=True)
class MediumOffset:
    """How much of medium `index` of the request the server has; all of it when `offset` is its length."""

    index: int
    offset: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The fate of entry `index`: the envelopes of the request first, then its `have` hashes, counted through.

    `sequence` is the server's number for the envelope, None for the codes that did not store it. A `have` hash that the
    server does not know has no receipt.
    """

    index: int
    code: ReceiptCode
    sequence: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeAnswer:
    """What the server has committed, and what is new for the device.

    Attributes:
        server_time: UTC.
        receipts: entries of the request, in any order.
        cursor: opaque; comes back as `since`.
        pull: in the order in which they are applied.
        more: there is more to pull right now.
        backoff_seconds: how long the server asks to be left alone; 0 for not at all.
        backed_up_sequence: envelopes up to this number survive the loss of the server's disk; None without backups.
        deletes_without_backup: the office makes no backups and said so: receipts are enough to delete by.
        media: how much of each offered medium is here.
    """

    server_time: datetime
    receipts: tuple[Receipt, ...]
    cursor: str | None
    pull: tuple[PullItem, ...] = ()
    more: bool = False
    backoff_seconds: int = 0
    backed_up_sequence: int | None = None
    deletes_without_backup: bool = False
    media: tuple[MediumOffset, ...] = ()
    version: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A refusal (RFC 9457).

    Attributes:
        next_counter: with the counter problems.
        next_offset: with ``offset-mismatch``: where the next part of the medium begins.
        retry_after_seconds: with retry `after`.
        keyring: the server's newest; without it a device that missed a rotation could not verify any refusal.
    """

    slug: str
    status: int
    retry: Retry
    detail: str = ""
    next_counter: int | None = None
    next_offset: int | None = None
    retry_after_seconds: int | None = None
    keyring: bytes | None = None


def encode_hello(hello: Hello) -> bytes:
    """Encode the answer of `GET /sync/v1/hello`."""
    return schemas.write_object(schemas.HELLO.dump(hello))


def decode_hello(body: bytes) -> Hello:
    """Decode it.

    Raises:
        RemoteError: ``malformed``.
    """
    members = schemas.load(schemas.HELLO, schemas.read_object(body))
    return Hello(**{**members, "limits": Limits(**members["limits"])})


def encode_enrol_request(request: EnrolRequest) -> bytes:
    """Encode the body of `POST /sync/v1/enrol`."""
    absent = "token" if request.certificate is not None else "certificate"
    members = schemas.ENROL_REQUEST.dump(request)
    return schemas.write_object({name: value for name, value in members.items() if name != absent})


def decode_enrol_request(body: bytes) -> EnrolRequest:
    """Decode it.

    Raises:
        RemoteError: ``malformed``, ``version-unsupported``, ``too-large``.
    """
    asked = EnrolRequest(**schemas.load(schemas.ENROL_REQUEST, _versioned(body)))
    if bool(asked.token) == (asked.certificate is not None):
        raise RemoteError("malformed", "an enrolment names a token or a certificate, and not both")
    return asked


def encode_enrol_answer(answer: EnrolAnswer) -> bytes:
    """Encode the answer of an enrolment."""
    return schemas.write_object(schemas.ENROL_ANSWER.dump(answer))


def decode_enrol_answer(body: bytes) -> EnrolAnswer:
    """Decode it.

    Raises:
        RemoteError: ``malformed``.
    """
    return EnrolAnswer(**schemas.load(schemas.ENROL_ANSWER, schemas.read_object(body)))


def encode_request(request: ExchangeRequest) -> bytes:
    """Encode the body of `POST /sync/v1/exchange`: control, then one frame an envelope.

    An envelope that is too large goes all the same: the server's word sets it aside, and it delays no other.

    Raises:
        LocalError: ``too-large`` when it fits into no exchange.
    """
    control = schemas.write_object(_told(schemas.EXCHANGE_REQUEST.dump(request)))
    return frames.encode_body(control, request.envelopes, frame_bytes=EXCHANGE_BYTES, shortens=True)


def _told(members: dict[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing: on the thinnest links a hundred bytes are a sixth of a second."""
    told = {name: _told(value) if isinstance(value, dict) else value for name, value in members.items()}
    return {name: value for name, value in told.items() if name == "counter" or value not in (None, 0, [], {})}


def decode_request(body: bytes) -> ExchangeRequest:
    """Decode an exchange's request.

    Raises:
        RemoteError: ``malformed``, ``version-unsupported``, ``too-large``.
    """
    parts = frames.decode_body(body)
    members = schemas.load(schemas.EXCHANGE_REQUEST, _versioned(parts.control))
    backlog = Backlog(**members.pop("backlog"))
    media = tuple(MediumOffer(sha256, length_bytes) for sha256, length_bytes in members.pop("media"))
    return ExchangeRequest(**members, backlog=backlog, media=media, envelopes=parts.frames)


def encode_answer(answer: ExchangeAnswer) -> bytes:
    """Encode an exchange's answer; each pulled item that has bytes names its frame.

    Raises:
        LocalError: ``too-large`` when no device would decode it.
    """
    pull, carried = pull_items.encode(answer.pull)
    control = schemas.write_object({**schemas.EXCHANGE_ANSWER.dump(answer), "pull": pull})
    return frames.encode_body(control, carried, frame_bytes=EXCHANGE_BYTES)


def decode_answer(body: bytes) -> ExchangeAnswer:
    """Decode an exchange's answer.

    Raises:
        RemoteError: ``malformed``, ``version-unsupported``, ``too-large``.
    """
    parts = frames.decode_body(body, frame_bytes=EXCHANGE_BYTES)
    members = schemas.load(schemas.EXCHANGE_ANSWER, _versioned(parts.control))
    receipts = tuple(Receipt(index, ReceiptCode(code), sequence) for index, code, sequence in members.pop("receipts"))
    media = tuple(MediumOffset(index, offset) for index, offset in members.pop("media"))
    pull = pull_items.decode(members.pop("pull"), parts.frames)
    return ExchangeAnswer(**members, receipts=receipts, media=media, pull=pull)


def encode_part_answer(answer: PartAnswer) -> bytes:
    """Encode the answer of `POST /sync/v1/media/{sha256}`."""
    return schemas.write_object(schemas.PART_ANSWER.dump(answer))


def decode_part_answer(body: bytes) -> PartAnswer:
    """Decode it.

    Raises:
        RemoteError: ``malformed``.
    """
    return PartAnswer(**schemas.load(schemas.PART_ANSWER, schemas.read_object(body)))


def encode_problem(problem: Problem, *, title: str) -> bytes:
    """Encode a refusal as `application/problem+json`."""
    members: dict[str, Any] = {
        "type": f"/problems/{problem.slug}",
        "title": title,
        "status": problem.status,
        "detail": problem.detail,
        "retry": problem.retry.value,
        "next_counter": problem.next_counter,
        "next_offset": problem.next_offset,
        "retry_after_seconds": problem.retry_after_seconds,
        "keyring": None if problem.keyring is None else encode_bytes(problem.keyring),
    }
    return schemas.write_object({name: value for name, value in members.items() if value is not None})


def decode_problem(status: int, body: bytes) -> Problem:
    """Decode a refusal.

    Raises:
        RemoteError: ``malformed`` when it is not a problem of this protocol, e.g. a proxy's error page.
    """
    members = schemas.load(schemas.PROBLEM, schemas.read_object(body))
    slug = members.pop("type").rpartition("/")[2]
    return Problem(**{**members, "retry": Retry(members["retry"])}, slug=slug, status=status)


def _versioned(body: bytes) -> dict[str, Any]:
    members = schemas.read_object(body)
    if members.get("version") != VERSION:
        raise RemoteError("version-unsupported", f"this side speaks version {VERSION}")
    return members
