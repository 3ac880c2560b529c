"""The shape of each JSON document on the wire, as marshmallow schemas.

Bytes are base64url without padding, in their one canonical spelling; times are RFC 3339 with an offset; counters and
sequences fit 63 bits, which both databases and the devices' SQLite can hold. Unknown members are ignored.
"""
# ruff: noqa: ARG002 -- marshmallow fixes what a field's methods are handed

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from marshmallow import EXCLUDE, Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf, Range, Regexp

from sync_protocol import documents
from sync_protocol.constants import CONTROL_BYTES, HASH_BYTES
from sync_protocol.errors import RemoteError

MAX_INTEGER: Final = 2**63 - 1
RECEIPT_CODES: Final = 7
TEXT = Length(min=1, max=200)
DEVICE_ID = Regexp(r"\A[A-Za-z0-9._-]{1,64}\Z")
CURSOR = Length(min=1, max=500)
KEY_ID = Length(max=64)


class Bytes(fields.Field[bytes]):
    """Bytes of one exact length, or of at most a length, as base64url without padding."""

    def __init__(self, *, exactly: int | None = None, at_most: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.exactly = exactly
        self.at_most = at_most

    def _serialize(self, value: bytes | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else documents.encode_bytes(value)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bytes:
        decoded = decode_bytes(value)
        if self.exactly is not None and len(decoded) != self.exactly:
            raise ValidationError(f"must have {self.exactly} bytes")
        if self.at_most is not None and len(decoded) > self.at_most:
            raise ValidationError(f"must have at most {self.at_most} bytes")
        return decoded


class Time(fields.Field[datetime]):
    """An instant, written in UTC to the millisecond."""

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        if value is None:
            return None
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        try:
            instant = datetime.fromisoformat(value)
            if instant.tzinfo is None:
                raise ValidationError("needs an offset from UTC")
            return instant.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            raise ValidationError("is not an RFC 3339 time") from None


class Text(fields.String):
    """Text that every database and encoder can hold: no NUL, no lone surrogate (JSON can spell both)."""

    def _deserialize(self, value: Any, *context: Any, **kwargs: Any) -> Any:
        text: str = super()._deserialize(value, *context, **kwargs)
        if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise ValidationError("holds a character that is not text")
        return text


class Receipts(fields.Field[tuple[tuple[int, int, int | None], ...]]):
    """`[index, code, sequence]` triples; by hand, because five hundred of them come in one answer."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[list[int | None]]:
        return [[receipt.index, int(receipt.code), receipt.sequence] for receipt in value]

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[tuple[int, int, int | None], ...]:
        if not isinstance(value, list) or not all(_is_receipt(entry) for entry in value):
            raise ValidationError("must be a list of [index, code, sequence]")
        return tuple((index, code, sequence) for index, code, sequence in value)


class Pairs(fields.Field[tuple[tuple[Any, int], ...]]):
    """`[first, number]` pairs; `first` is an index, or 32 bytes in base64url."""

    def __init__(self, first: str, second: str, *, at_most: int, is_hash: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.names = (first, second)
        self.at_most = at_most
        self.is_hash = is_hash

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[list[Any]]:
        pairs = [[getattr(pair, name) for name in self.names] for pair in value]
        return [[documents.encode_bytes(first), number] for first, number in pairs] if self.is_hash else pairs

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[tuple[Any, int], ...]:
        if not isinstance(value, list) or len(value) > self.at_most or not all(map(_is_pair, value)):
            raise ValidationError(f"must be a list of at most {self.at_most} pairs")
        if not all(_is_hash(first) if self.is_hash else _is_count(first) for first, _ in value):
            raise ValidationError("the first of a pair is not what it should be")
        return tuple((decode_bytes(first) if self.is_hash else first, number) for first, number in value)


class Many(fields.List[Any]):
    """A list of one kind of field, as a tuple, with a bound on its length."""

    def __init__(self, inner: fields.Field[Any], *, at_most: int, **options: Any) -> None:
        super().__init__(inner, validate=Length(max=at_most), **options)

    def _deserialize(self, value: Any, *context: Any, **kwargs: Any) -> Any:
        return tuple(super()._deserialize(value, *context, **kwargs))


def _count(**options: Any) -> fields.Integer:
    return fields.Integer(strict=True, validate=Range(min=0, max=MAX_INTEGER), **options)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_INTEGER


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) == len(("first", "number")) and _is_count(entry[1])


def _is_hash(value: Any) -> bool:
    return len(decode_bytes(value)) == HASH_BYTES


def _is_receipt(entry: Any) -> bool:
    if not isinstance(entry, list) or len(entry) != len(("index", "code", "sequence")):
        return False
    index, code, sequence = entry
    if type(index) is not int or type(code) is not int:
        return False
    is_number = type(sequence) is int and 0 <= sequence <= MAX_INTEGER
    return index >= 0 and 0 <= code < RECEIPT_CODES and (sequence is None or is_number)


class Message(Schema):
    """A document whose unknown members are ignored."""

    class Meta:
        """Schema options."""

        unknown = EXCLUDE


class LimitsSchema(Message):
    """`limits` of hello."""

    envelope_bytes = _count(required=True)
    exchange_bytes = _count(required=True)
    exchange_envelopes = _count(required=True)
    control_bytes = _count(required=True)
    inflate_ratio = _count(required=True)
    media_bytes = _count(load_default=0)
    part_bytes = _count(load_default=0)


class HelloSchema(Message):
    """The answer of hello."""

    server_id = Text(required=True, validate=TEXT)
    versions = Many(_count(), at_most=100, required=True)
    suites = Many(_count(), at_most=100, required=True)
    limits = fields.Nested(LimitsSchema, required=True)
    keyring_serial = _count(required=True)
    root_key = Bytes(exactly=32, required=True)
    server_time = Time(required=True)


class EnrolRequestSchema(Message):
    """A device asks to be known."""

    version = _count(required=True)
    token = Text(load_default="", validate=TEXT)
    signing_key = Bytes(exactly=32, required=True)
    receiving_key = Bytes(exactly=32, required=True)
    proof = Bytes(exactly=64, required=True)
    certificate = Bytes(at_most=16_384, load_default=None)


class EnrolAnswerSchema(Message):
    """A device is known."""

    device_id = Text(required=True, validate=DEVICE_ID)
    server_id = Text(required=True, validate=TEXT)
    certificate = Bytes(at_most=16_384, required=True)
    keyring = Bytes(at_most=131_072, required=True)


class BacklogSchema(Message):
    """What a device still has to send."""

    envelopes = _count(load_default=0)
    interviews = _count(load_default=0)
    body_bytes = _count(load_default=0)
    media = _count(load_default=0)
    media_bytes = _count(load_default=0)
    unsealed = _count(load_default=0)


class ExchangeRequestSchema(Message):
    """Control of an exchange's request."""

    version = _count(required=True)
    device_id = Text(required=True, validate=DEVICE_ID)
    counter = _count(required=True)
    since = Text(allow_none=True, load_default=None, validate=CURSOR)
    have = Many(Bytes(exactly=16), at_most=5_000, load_default=())
    device_time = Time(required=True)
    capabilities = Many(Text(validate=TEXT), at_most=50, load_default=())
    backlog = fields.Nested(BacklogSchema, load_default=dict)
    keyring_serial = _count(load_default=0)
    receiving_key = Bytes(exactly=32, allow_none=True, load_default=None)
    media = Pairs("sha256", "length_bytes", at_most=1_000, is_hash=True, load_default=())


class ExchangeAnswerSchema(Message):
    """Control of an exchange's answer; pulled items are read one by one, by their kind."""

    version = _count(required=True)
    server_time = Time(required=True)
    receipts = Receipts(required=True)
    cursor = Text(allow_none=True, load_default=None, validate=CURSOR)
    pull = Many(fields.Dict(keys=Text()), at_most=5_000, load_only=True, load_default=())
    more = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    backoff_seconds = fields.Integer(strict=True, load_default=0, validate=Range(min=0, max=86_400))
    backed_up_sequence = _count(allow_none=True, load_default=None)
    deletes_without_backup = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    media = Pairs("index", "offset", at_most=1_000, load_default=())


class FormFileSchema(Message):
    """A file of a form version."""

    name = Text(required=True, validate=Length(min=1, max=255))
    type = Text(required=True, validate=Length(max=255))
    length_bytes = _count(required=True)
    sha256 = Bytes(exactly=32, required=True)


class FormVersionSchema(Message):
    """A pulled form version."""

    form_id = Text(required=True, validate=TEXT)
    version = Text(required=True, validate=Length(max=200))
    title = Text(required=True, validate=Length(max=1000))
    hash = Bytes(exactly=32, required=True)
    state = Text(load_default="published", validate=OneOf(["published", "withdrawn"]))
    files = Many(fields.Nested(FormFileSchema), at_most=1_001, load_default=())
    dictionary = Bytes(exactly=32, allow_none=True, load_default=None)


class AssignmentsSchema(Message):
    """Pulled households of one PSU."""

    psu = Text(required=True, validate=TEXT)
    households = Many(Text(validate=TEXT), at_most=5_000, required=True)
    sealed_to = Text(load_default="", validate=KEY_ID)
    closed = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class VerdictSchema(Message):
    """A pulled verdict."""

    instance_id = Bytes(exactly=16, required=True)
    envelope_id = Bytes(exactly=32, required=True)
    state = Text(required=True, validate=OneOf(["opened", "quarantined", "held", "listed"]))
    reason = Text(allow_none=True, load_default=None, validate=Length(max=200))


class KeyringSchema(Message):
    """A pulled keyring: all of it is in its frame."""


class ReturnedSchema(Message):
    """A pulled interview that is given back, or wanted back no longer."""

    instance_id = Bytes(exactly=16, required=True)
    form_version_hash = Bytes(exactly=32, required=True)
    state = Text(load_default="returned", validate=OneOf(["returned", "settled"]))
    sealed_to = Text(load_default="", validate=KEY_ID)


class DraftSchema(Message):
    """A pulled draft of a former device."""

    instance_id = Bytes(exactly=16, required=True)
    form_version_hash = Bytes(exactly=32, required=True)
    sealed_to = Text(load_default="", validate=KEY_ID)


class EntitiesSchema(Message):
    """Pulled rows of one entity list."""

    list_name = Text(required=True, validate=TEXT)
    sealed_to = Text(load_default="", validate=KEY_ID)


class RevocationSchema(Message):
    """The device itself is revoked."""

    device_id = Text(required=True, validate=DEVICE_ID)
    revoked_at = Time(required=True)


class ErasureSchema(Message):
    """An order to erase: all of it is in its frame."""


class WipeSchema(Message):
    """A wipe order: all of it is in its frame."""


class PartAnswerSchema(Message):
    """How much of a medium is on the server."""

    offset = _count(required=True)
    complete = fields.Boolean(required=True, truthy={True}, falsy={False})


class ProblemSchema(Message):
    """A refusal, as far as a device reads it."""

    type = Text(required=True, validate=Length(max=500))
    retry = Text(required=True, validate=OneOf(["never", "same", "after", "smaller"]))
    detail = Text(load_default="", validate=Length(max=10_000))
    next_counter = _count(allow_none=True, load_default=None)
    next_offset = _count(allow_none=True, load_default=None)
    retry_after_seconds = _count(allow_none=True, load_default=None)
    keyring = Bytes(at_most=131_072, load_default=None)


HELLO: Final = HelloSchema()
ENROL_REQUEST: Final = EnrolRequestSchema()
ENROL_ANSWER: Final = EnrolAnswerSchema()
EXCHANGE_REQUEST: Final = ExchangeRequestSchema()
EXCHANGE_ANSWER: Final = ExchangeAnswerSchema()
FORM_VERSION: Final = FormVersionSchema()
ASSIGNMENTS: Final = AssignmentsSchema()
VERDICT: Final = VerdictSchema()
KEYRING: Final = KeyringSchema()
RETURNED: Final = ReturnedSchema()
DRAFT: Final = DraftSchema()
ENTITIES: Final = EntitiesSchema()
REVOCATION: Final = RevocationSchema()
ERASURE: Final = ErasureSchema()
WIPE: Final = WipeSchema()
PART_ANSWER: Final = PartAnswerSchema()
PROBLEM: Final = ProblemSchema()


def load(schema: Schema, members: dict[str, Any]) -> dict[str, Any]:
    """Check a document against its schema and return its members.

    Raises:
        RemoteError: ``malformed``, naming the members at fault but not their values.
    """
    try:
        loaded: dict[str, Any] = schema.load(members)
    except ValidationError as error:
        names = ", ".join(sorted(str(name) for name in error.messages_dict))
        raise RemoteError("malformed", f"these members are missing or of a wrong shape: {names}") from None
    return loaded


def write_object(members: dict[str, Any]) -> bytes:
    """Write one JSON object, compact, in UTF-8."""
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def read_object(body: bytes) -> dict[str, Any]:
    """Read one JSON object; deep nesting and huge numbers end as a refusal, not as a traceback.

    Raises:
        RemoteError: ``malformed``, ``too-large``.
    """
    if len(body) > CONTROL_BYTES:
        raise RemoteError("too-large", f"the document has {len(body)} bytes, at most {CONTROL_BYTES}")
    try:
        members = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise RemoteError("malformed", "the document is not JSON in UTF-8") from None
    if not isinstance(members, dict):
        raise RemoteError("malformed", "the document is not a JSON object")
    return members


def decode_bytes(value: Any) -> bytes:
    """Read base64url without padding, in its canonical spelling only.

    Raises:
        ValidationError: when it is not that.
    """
    if not isinstance(value, str):
        raise ValidationError("must be a string")
    try:
        decoded = documents.decode_bytes(value)
    except ValueError:
        raise ValidationError("is not base64url") from None
    if documents.encode_bytes(decoded) != value:
        raise ValidationError("is not the canonical base64url of its bytes")
    return decoded
