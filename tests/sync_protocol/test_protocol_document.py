"""The specification says what the code does."""

import re
from pathlib import Path

import marshmallow
import pytest

from sync_protocol import (
    abbreviation,
    assignments,
    constants,
    file_receipts,
    handover,
    messages,
    orders,
    parcel,
    pull_items,
    schemas,
)
from sync_protocol.envelope import BACK, FRONT
from sync_protocol.exchange import HAVE_LIMIT, OFFER_LIMIT
from sync_protocol.messages import PROBLEMS, ReceiptCode
from sync_protocol.signatures import COMPONENTS_ANSWER, COMPONENTS_PART, COMPONENTS_REQUEST, TAG_ANSWER, TAG_REQUEST
from sync_protocol.transitions import FATES, MEDIA, TRANSITIONS, UPLOADS, diagram

DOCUMENT = (Path(__file__).parents[2] / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")
LIMITS = DOCUMENT[DOCUMENT.index("| limit | |") : DOCUMENT.index("A receiver MUST check each limit")]
ROWS = dict(re.findall(r"^\| ([^|]+?) \| (.+?) \|$", LIMITS, re.MULTILINE))
SCHEMAS = [
    found
    for found in vars(schemas).values()
    if isinstance(found, type) and issubclass(found, schemas.Message) and found is not schemas.Message
]


def test_the_diagrams_are_drawn_from_the_transition_tables() -> None:
    drawn = [diagram(table) for table in (UPLOADS, MEDIA, TRANSITIONS, FATES)]
    assert re.findall(r"```mermaid\n(.*?)\n```", DOCUMENT, re.DOTALL) == drawn


def test_every_refusal_is_listed_with_its_status_and_retry() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| `([a-z]+)` \|$", DOCUMENT, re.MULTILINE)
    assert listed == [(slug, str(status), retry.value) for slug, (status, retry) in PROBLEMS.items()]


def test_every_receipt_code_is_listed() -> None:
    table = DOCUMENT[DOCUMENT.index("| receipt code |") : DOCUMENT.index("A code 0–3 MUST")]
    listed = re.findall(r"^\| (\d) \| ([a-z ]+)", table, re.MULTILINE)
    assert [(int(code), name.strip().replace(" ", "_")) for code, name in listed] == [
        (code.value, code.name.lower()) for code in ReceiptCode
    ]


@pytest.mark.parametrize(
    "literal",
    [
        *(getattr(messages, name) for name in vars(messages) if name.startswith(("PATH_", "HEADER_"))),
        messages.MEDIA_TYPE_EXCHANGE,
        messages.MEDIA_TYPE_PART,
        messages.COMPLETE,
        messages.INCOMPLETE,
        TAG_REQUEST,
        TAG_ANSWER,
        *(components[1:-1] for components in (COMPONENTS_REQUEST, COMPONENTS_ANSWER, COMPONENTS_PART)),
        *(
            label.decode().rstrip("\x00")
            for label in (constants.LABEL_HANDOVER, constants.LABEL_ENTITIES, assignments.INFO_LABEL)
        ),
        orders.LABEL_WIPE,
        file_receipts.LABEL_RECEIPTS,
        orders.LABEL_ERASURE,
        parcel.MAGIC.decode(),
        parcel.MARKER.hex(),
    ],
)
def test_paths_headers_components_tags_and_labels_are_those_of_the_code(literal: str) -> None:
    assert literal in DOCUMENT


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
def test_every_member_of_every_message_is_named(schema: type[schemas.Message]) -> None:
    members = set(schema().fields)
    assert {member for member in members if f"`{member}`" not in DOCUMENT} == set()


def test_every_list_in_a_message_has_its_bound_on_the_page() -> None:
    request, answer = schemas.ExchangeRequestSchema().fields, schemas.EnrolAnswerSchema().fields
    bounds = {
        "`have` hashes in a request": _most(request["have"]),
        "`media` offered in a request": _most(request["media"]),
        "`capabilities`": _most(request["capabilities"]),
        "`certificate`": answer["certificate"].at_most,  # type: ignore[attr-defined]
        "`keyring`": answer["keyring"].at_most,  # type: ignore[attr-defined]
    }
    told = {start: re.sub(r"(?<=\d) (?=\d{3})", "", _row_of(start)) for start in bounds}
    assert {start for start, bound in bounds.items() if str(bound) not in told[start]} == set()


def _row_of(start: str) -> str:
    return "\n".join(line for line in DOCUMENT.splitlines() if line.startswith(f"| {start} |"))


def _most(field: marshmallow.fields.Field) -> int:  # type: ignore[type-arg]
    if isinstance(field, schemas.Pairs):
        return field.at_most
    (length,) = [one for one in field.validators if isinstance(one, marshmallow.validate.Length)]
    assert length.max is not None
    return length.max


def test_every_kind_that_is_pulled_is_listed_with_its_members() -> None:
    for kind, (_, schema, content) in pull_items._TYPES.items():
        row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `{kind}` | ") and "`" in line)
        assert {member for member in schema.fields if f"`{member}`" not in row} == set()
        assert (content is None) == ("| none" in row), kind
        for field in schema.fields.values():
            for choices in (one for one in field.validators if isinstance(one, marshmallow.validate.OneOf)):
                assert all(f"`{choice}`" in row for choice in choices.choices)


def test_limits_are_those_of_the_code() -> None:
    assert ROWS["envelope"] == f"{constants.ENVELOPE_BYTES >> 20} MiB"
    assert ROWS["body of an exchange, either way"] == f"{constants.EXCHANGE_BYTES >> 20} MiB"
    assert ROWS["frames in a body"] == str(constants.EXCHANGE_ENVELOPES)
    control = f"{constants.CONTROL_BYTES >> 10} KiB, and at most {constants.INFLATE_RATIO} times its deflated size"
    assert ROWS["control, inflated"] == control
    assert f"asks for {HAVE_LIMIT:,}".replace(",", " ") in ROWS["`have` hashes in a request"]
    assert f"offers {OFFER_LIMIT} at once" in ROWS["`media` offered in a request"]
    assert ROWS["medium"] == f"{constants.MEDIUM_BYTES >> 20} MiB"
    assert ROWS["part of a medium"] == f"{constants.PART_BYTES >> 20} MiB"
    assert ROWS["dictionary"] == f"{constants.DICTIONARY_BYTES >> 10} KiB"
    assert f"parts of {constants.FIRST_PART_BYTES >> 10} KiB" in DOCUMENT


def test_what_a_shortened_frame_leaves_out_is_listed_with_its_place() -> None:
    table = DOCUMENT[DOCUMENT.index("| mask |") : DOCUMENT.index("`p` is the number of parents")]
    listed = re.findall(r"^\| (\d+) \| \d+ bytes at (\d+)( \+ 16 p)?, ", table, re.MULTILINE)
    starts = dict(abbreviation._starts(0))
    assert [(int(mask), int(start)) for mask, start, _ in listed] == [
        (field.value, starts[field]) for field in abbreviation.Field
    ]
    assert FRONT.size == abbreviation.PARENTS_START
    assert BACK.size == abbreviation.BACK_BYTES


def test_records_of_a_parcel_are_listed_with_their_limits() -> None:
    for kind in parcel.RecordKind:
        row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| kind {kind.value} | "))
        longest = parcel.LONGEST[kind]
        shown = f"{longest >> 20} MiB" if longest >= 1 << 20 else f"{longest >> 10} KiB"
        assert (f"{longest} bytes" if longest < 1 << 10 else shown) in row


def test_members_of_what_is_sealed_and_signed_are_named() -> None:
    for members in (
        handover.Handover.__slots__,
        parcel.Label.__slots__,
        file_receipts.FileReceipts.__slots__,
        orders.WipeOrder.__slots__,
        orders.ErasureOrder.__slots__,
    ):
        assert {one for one in members if one != "instance_xml" and not re.search(rf"\b{one}\b", DOCUMENT)} == set()
