"""Messages: encoding, and what a malformed one is answered."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_protocol import messages
from sync_protocol.errors import RemoteError
from sync_protocol.frames import decode_body, encode_body
from sync_protocol.messages import (
    PROBLEMS,
    Backlog,
    EnrolAnswer,
    EnrolRequest,
    ExchangeAnswer,
    ExchangeRequest,
    Hello,
    Limits,
    MediumOffer,
    MediumOffset,
    PartAnswer,
    Problem,
    Receipt,
    ReceiptCode,
    Retry,
)
from sync_protocol.pull_items import (
    AssignmentsPull,
    DraftPull,
    EntitiesPull,
    ErasurePull,
    FormFile,
    FormVersionPull,
    KeyringPull,
    ReturnedPull,
    RevocationPull,
    VerdictPull,
    WipePull,
)

NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
COUNTS = st.integers(0, 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30)
TIMES = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 -- Hypothesis adds the zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000))
DEVICE_IDS = st.from_regex(r"\A[A-Za-z0-9._-]{1,64}\Z")

HASHES = st.binary(min_size=32, max_size=32)
REQUESTS = st.builds(
    ExchangeRequest,
    device_id=DEVICE_IDS,
    counter=COUNTS,
    since=st.none() | TEXT,
    have=st.lists(st.binary(min_size=16, max_size=16), max_size=4).map(tuple),
    envelopes=st.lists(st.binary(max_size=60), max_size=4).map(tuple),
    device_time=TIMES,
    capabilities=st.lists(TEXT, max_size=3).map(tuple),
    backlog=st.builds(
        Backlog,
        envelopes=COUNTS,
        interviews=COUNTS,
        body_bytes=COUNTS,
        media=COUNTS,
        media_bytes=COUNTS,
        unsealed=COUNTS,
    ),
    keyring_serial=COUNTS,
    receiving_key=st.none() | HASHES,
    media=st.lists(st.builds(MediumOffer, sha256=HASHES, length_bytes=COUNTS), max_size=3).map(tuple),
    version=st.just(1),
)
INSTANCE_IDS = st.binary(min_size=16, max_size=16)
PULLED = st.one_of(
    st.builds(
        FormVersionPull,
        form_id=TEXT,
        version=TEXT,
        title=TEXT,
        hash=HASHES,
        state=st.sampled_from(["published", "withdrawn"]),
        xform=st.none() | st.binary(max_size=60),
        files=st.lists(st.builds(FormFile, name=TEXT, type=TEXT, length_bytes=COUNTS, sha256=HASHES), max_size=2).map(
            tuple
        ),
        dictionary=st.none() | HASHES,
    ),
    st.builds(
        AssignmentsPull,
        psu=TEXT,
        households=st.lists(TEXT, max_size=3).map(tuple),
        sealed=st.binary(),
        sealed_to=TEXT,
    ),
    st.builds(
        ReturnedPull,
        instance_id=INSTANCE_IDS,
        form_version_hash=HASHES,
        state=st.sampled_from(["returned", "settled"]),
        sealed=st.none() | st.binary(max_size=60),
        sealed_to=TEXT,
    ),
    st.builds(DraftPull, instance_id=INSTANCE_IDS, form_version_hash=HASHES, sealed=st.binary(), sealed_to=TEXT),
    st.builds(EntitiesPull, list_name=TEXT, sealed=st.binary(), sealed_to=TEXT),
    st.builds(RevocationPull, device_id=DEVICE_IDS, revoked_at=TIMES),
    st.builds(ErasurePull, document=st.binary(max_size=50)),
    st.builds(WipePull, document=st.binary(max_size=60)),
    st.builds(
        VerdictPull,
        instance_id=st.binary(min_size=16, max_size=16),
        envelope_id=HASHES,
        state=st.sampled_from(["opened", "quarantined", "held", "listed"]),
        reason=st.none() | TEXT,
    ),
    st.builds(KeyringPull, document=st.binary(max_size=60)),
)
ANSWERS = st.builds(
    ExchangeAnswer,
    server_time=TIMES,
    receipts=st.lists(
        st.builds(Receipt, index=COUNTS, code=st.sampled_from(ReceiptCode), sequence=st.none() | COUNTS), max_size=5
    ).map(tuple),
    cursor=st.none() | TEXT,
    pull=st.lists(PULLED, max_size=5).map(tuple),
    more=st.booleans(),
    backoff_seconds=st.integers(0, 86_400),
    backed_up_sequence=st.none() | COUNTS,
    deletes_without_backup=st.booleans(),
    media=st.lists(st.builds(MediumOffset, index=COUNTS, offset=COUNTS), max_size=3).map(tuple),
    version=st.just(1),
)


def request_body(**changed: Any) -> bytes:
    """A small request whose control has some members changed; None leaves one out."""
    control = {"version": 1, "device_id": "d", "counter": 1, "device_time": "2026-03-01T08:30:00Z", **changed}
    return encode_body(json.dumps({name: value for name, value in control.items() if value is not None}).encode(), [])


def refusal(body: bytes) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        messages.decode_request(body)
    return caught.value


@given(REQUESTS)
def test_a_request_comes_back_as_it_was(request_: ExchangeRequest) -> None:
    assert messages.decode_request(messages.encode_request(request_)) == request_


@given(ANSWERS)
def test_an_answer_comes_back_as_it_was(answer: ExchangeAnswer) -> None:
    assert messages.decode_answer(messages.encode_answer(answer)) == answer


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64), TEXT)
def test_an_enrolment_comes_back_as_it_was(key: bytes, proof: bytes, token: str) -> None:
    request = EnrolRequest(token=token, signing_key=key, receiving_key=key[::-1], proof=proof)
    assert messages.decode_enrol_request(messages.encode_enrol_request(request)) == request
    answer = EnrolAnswer(device_id="d-1", server_id="office", certificate=proof, keyring=key)
    assert messages.decode_enrol_answer(messages.encode_enrol_answer(answer)) == answer


def test_hello_comes_back_as_it_was() -> None:
    limits = Limits(
        envelope_bytes=1, exchange_bytes=2, exchange_envelopes=3, control_bytes=4, inflate_ratio=5, media_bytes=6,
        part_bytes=7,
    )  # fmt: skip
    hello = Hello(
        server_id="office", versions=(1,), suites=(1, 2), limits=limits, keyring_serial=3, root_key=bytes(32),
        server_time=NOW,
    )  # fmt: skip
    assert messages.decode_hello(messages.encode_hello(hello)) == hello


@pytest.mark.parametrize("slug", PROBLEMS)
def test_every_problem_comes_back_as_it_was(slug: str) -> None:
    status, retry = PROBLEMS[slug]
    problem = Problem(
        slug=slug,
        status=status,
        retry=retry,
        detail="why",
        next_counter=7,
        next_offset=8,
        retry_after_seconds=9,
        keyring=b"r",
    )
    assert messages.decode_problem(status, messages.encode_problem(problem, title="Title")) == problem


def test_an_error_page_of_a_proxy_is_no_problem_document() -> None:
    for page in (b"<html>502 Bad Gateway</html>", b"[]", b"{}", b'{"type": "about:blank"}', b"\xff"):
        with pytest.raises(RemoteError) as caught:
            messages.decode_problem(502, page)
        assert caught.value.code == "malformed"


def test_unknown_members_are_ignored() -> None:
    assert messages.decode_request(request_body(colour="blue")).counter == 1


def test_pulled_items_of_an_unknown_kind_are_passed_over() -> None:
    control = {
        "version": 1, "server_time": "2026-03-01T08:30:00Z", "receipts": [],
        "pull": [{"kind": "weather"}, {"kind": ["keyring"]}, {}, {"kind": "keyring", "frame": 0}],
    }  # fmt: skip
    answer = messages.decode_answer(encode_body(json.dumps(control).encode(), [b"ring"]))
    assert answer.pull == (KeyringPull(document=b"ring"),)


@pytest.mark.parametrize("frame", [None, -1, 1, True, "0", 0.0])
def test_an_item_that_names_no_frame_is_malformed(frame: object) -> None:
    control = {
        "version": 1, "server_time": "2026-03-01T08:30:00Z", "receipts": [],
        "pull": [{"kind": "keyring", "frame": frame}],
    }  # fmt: skip
    with pytest.raises(RemoteError) as caught:
        messages.decode_answer(encode_body(json.dumps(control).encode(), [b"ring"]))
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    "receipt", [[0, 0], [0, 7, 1], [0, -1, 1], [-1, 0, 1], [0, 0, -1], ["0", 0, 1], [0, True, 1], [0, 0, 2**63], 5]
)
def test_a_receipt_of_another_shape_is_malformed(receipt: object) -> None:
    control = {"version": 1, "server_time": "2026-03-01T08:30:00Z", "receipts": [receipt]}
    with pytest.raises(RemoteError) as caught:
        messages.decode_answer(encode_body(json.dumps(control).encode(), []))
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("device_id", None), ("device_id", ""), ("device_id", "a b"), ("device_id", "x" * 65), ("device_id", "d\n"),
        ("counter", None), ("counter", -1), ("counter", 2**63), ("counter", "1"), ("counter", True), ("counter", 1.5),
        ("since", 5), ("since", ""), ("since", "x" * 501), ("since", "a\x00"), ("since", "\ud800"),
        ("have", "x"), ("have", ["AA"]), ("have", ["A" * 21 + "B"]), ("have", ["é" * 22]), ("have", [5]),
        ("device_time", "yesterday"), ("device_time", "2026-03-01T08:30:00"), ("device_time", 5),
        ("device_time", "0001-01-01T00:00:00+23:59"),
        ("backlog", 5), ("backlog", {"envelopes": -1}), ("capabilities", [""]), ("keyring_serial", "1"),
    ],
)  # fmt: skip
def test_a_member_of_a_wrong_shape_is_malformed_and_named(member: str, value: object) -> None:
    error = refusal(request_body(**{member: value}))
    assert error.code == "malformed"
    assert member in str(error)


def test_a_refusal_does_not_repeat_the_value() -> None:
    assert "secret" not in str(refusal(request_body(counter="secret")))


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version_is_unsupported(version: object) -> None:
    assert refusal(request_body(version=version)).code == "version-unsupported"


@pytest.mark.parametrize(
    "control", [b"", b"[]", b"5", b"\xff\xfe", b'{"version":', b"[" * 100_000, b'{"version":' + b"1" * 5_000 + b"}"]
)
def test_a_control_that_is_no_json_object_is_malformed(control: bytes) -> None:
    error = refusal(encode_body(control, []) if len(control) < 100_000 else _stored(control))
    assert error.code == "malformed"


def _stored(control: bytes) -> bytes:
    """A body whose control is deflated without compression, so that its ratio is not what is refused."""
    import struct
    import zlib

    deflater = zlib.compressobj(0, zlib.DEFLATED, -15)
    deflated = deflater.compress(control) + deflater.flush()
    return struct.pack(">I", len(deflated)) + deflated


def test_times_are_read_with_any_offset_and_kept_in_utc() -> None:
    request = messages.decode_request(request_body(device_time="2026-03-01T14:15:00+05:45"))
    assert request.device_time == NOW
    assert request.device_time.utcoffset() == timedelta(0)


def test_times_are_written_in_utc() -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    answer = ExchangeAnswer(server_time=NOW.astimezone(kathmandu), receipts=(), cursor=None)
    control = json.loads(decode_body(messages.encode_answer(answer)).control)
    assert control["server_time"] == "2026-03-01T08:30:00.000Z"


def test_forty_receipts_take_less_than_a_hundred_and_fifty_bytes() -> None:
    receipts = tuple(Receipt(index, ReceiptCode.STORED, 100_000 + index) for index in range(40))
    body = messages.encode_answer(ExchangeAnswer(server_time=NOW, receipts=receipts, cursor="e1.5"))
    assert len(body) < 350


def test_the_codes_that_keep_an_envelope_are_the_first_four() -> None:
    assert [code.is_kept for code in ReceiptCode] == [True] * 4 + [False] * 3


def test_only_refusals_that_may_pass_are_retried() -> None:
    assert {slug for slug, (_, retry) in PROBLEMS.items() if retry is Retry.SMALLER} == {"too-large"}


@pytest.mark.parametrize("answer", [PartAnswer(offset=0, complete=False), PartAnswer(offset=1 << 28, complete=True)])
def test_the_answer_to_a_part_comes_back_as_it_was(answer: PartAnswer) -> None:
    assert messages.decode_part_answer(messages.encode_part_answer(answer)) == answer
