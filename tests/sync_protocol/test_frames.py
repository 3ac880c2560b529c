"""Bodies of an exchange: what comes back, and what hostile ones cost."""

import contextlib
import struct
import zlib
from random import Random
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_protocol.constants import CONTROL_BYTES, ENVELOPE_BYTES, EXCHANGE_BYTES, EXCHANGE_ENVELOPES
from sync_protocol.errors import LocalError, RemoteError
from sync_protocol.frames import decode_body, encode_body, encoded_frame_bytes


def deflate(data: bytes, level: int = 9) -> bytes:
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def part(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def refusal(body: bytes, **limits: int) -> str:
    with pytest.raises(RemoteError) as caught:
        decode_body(body, **limits)
    return caught.value.code


@given(control=st.binary(max_size=500), frames=st.lists(st.binary(max_size=300), max_size=10))
def test_what_is_encoded_is_decoded(control: bytes, frames: list[bytes]) -> None:
    body = decode_body(encode_body(control, frames))
    assert body.control == control
    assert body.frames == tuple(frames)


@given(frames=st.lists(st.binary(max_size=50), max_size=4), data=st.data())
def test_a_body_torn_at_any_byte_is_malformed_or_ends_between_frames(frames: list[bytes], data: st.DataObject) -> None:
    whole = encode_body(b'{"version":1}', frames)
    cut = data.draw(st.integers(0, len(whole) - 1))
    ends = {len(encode_body(b'{"version":1}', frames[:count])) for count in range(len(frames))}
    if cut in ends:
        body = decode_body(whole[:cut])
        assert body.frames == tuple(frames)[: len(body.frames)]
    else:
        assert refusal(whole[:cut]) == "malformed"


@given(st.binary(max_size=300))
def test_any_bytes_end_as_a_body_or_as_a_refusal(garbage: bytes) -> None:
    with contextlib.suppress(RemoteError):
        assert isinstance(decode_body(garbage).control, bytes)


@given(
    control=st.builds(
        lambda seed, length, repeats: Random(seed).randbytes(length) * repeats,
        st.integers(0, 9),
        st.sampled_from([1, 50]),
        st.sampled_from([1, 40, 1500, 20_000]),
    )
    | st.sampled_from([CONTROL_BYTES, CONTROL_BYTES + 1]).map(Random(1).randbytes),
    lengths=st.lists(st.sampled_from([0, 9, 1000, ENVELOPE_BYTES, ENVELOPE_BYTES + 1]), max_size=5)
    | st.sampled_from([[1] * EXCHANGE_ENVELOPES, [1] * (EXCHANGE_ENVELOPES + 1)]),
    frame_bytes=st.sampled_from([ENVELOPE_BYTES, EXCHANGE_BYTES]),
)
@settings(max_examples=60, deadline=None)
def test_a_body_that_would_be_refused_is_not_made(control: bytes, lengths: list[int], frame_bytes: int) -> None:
    frames = [bytes(length) for length in lengths]
    limits = dict.fromkeys(("CONTROL_BYTES", "INFLATE_RATIO", "EXCHANGE_BYTES", "EXCHANGE_ENVELOPES"), 1 << 30)
    with mock.patch.dict(encode_body.__globals__, limits):
        body = encode_body(control, frames, frame_bytes=1 << 30)
    try:
        assert encode_body(control, frames, frame_bytes=frame_bytes) == body
    except LocalError:
        assert refusal(body, frame_bytes=frame_bytes) == "too-large"
    else:
        assert decode_body(body, frame_bytes=frame_bytes).control == control


def test_the_size_of_a_frame_counts_its_length() -> None:
    assert len(encode_body(b"{}", [b"x" * 70])) - len(encode_body(b"{}", [])) == encoded_frame_bytes(70)


def test_a_control_that_inflates_beyond_its_limit_is_too_large() -> None:
    # printable noise: a low ratio, so that it is the size that is refused
    noise = b"".join(struct.pack(">I", (n * 2654435761) % 2**32) for n in range(CONTROL_BYTES // 4 + 1))
    assert refusal(part(deflate(noise))) == "too-large"


def test_a_control_at_its_limit_is_accepted() -> None:
    noise = b"".join(struct.pack(">I", (n * 2654435761) % 2**32) for n in range(CONTROL_BYTES // 4))
    assert decode_body(part(deflate(noise))).control == noise


def test_a_control_that_inflates_more_than_two_hundredfold_is_too_large() -> None:
    assert refusal(part(deflate(bytes(200_000)))) == "too-large"


def test_a_bomb_of_many_megabytes_is_refused_without_inflating_it() -> None:
    assert refusal(part(deflate(bytes(50 * 2**20)))) == "too-large"


def test_bytes_after_the_deflate_stream_are_malformed() -> None:
    assert refusal(part(deflate(b"{}") + b"\x00")) == "malformed"


def test_a_torn_deflate_stream_is_malformed() -> None:
    assert refusal(part(deflate(b'{"version":1}' * 9)[:-1])) == "malformed"


def test_a_length_beyond_the_body_is_malformed() -> None:
    assert refusal(struct.pack(">I", 2**32 - 1) + b"x") == "malformed"
    assert refusal(part(deflate(b"{}")) + struct.pack(">I", 2**32 - 1)) == "malformed"


def test_an_envelope_over_a_mebibyte_is_too_large() -> None:
    long = encode_body(b"{}", [bytes(ENVELOPE_BYTES + 1)], frame_bytes=EXCHANGE_BYTES)
    assert refusal(long) == "too-large"
    assert len(decode_body(encode_body(b"{}", [bytes(ENVELOPE_BYTES)])).frames) == 1


def test_a_pulled_frame_may_be_longer_than_an_envelope() -> None:
    body = encode_body(b"{}", [bytes(ENVELOPE_BYTES + 1)], frame_bytes=EXCHANGE_BYTES)
    assert len(decode_body(body, frame_bytes=EXCHANGE_BYTES).frames[0]) == ENVELOPE_BYTES + 1


def test_more_than_five_hundred_envelopes_are_too_large() -> None:
    whole = encode_body(b"{}", [b"x"] * EXCHANGE_ENVELOPES)
    assert refusal(whole + part(b"x")) == "too-large"
    assert len(decode_body(encode_body(b"{}", [b"x"] * EXCHANGE_ENVELOPES)).frames) == EXCHANGE_ENVELOPES


def test_a_body_over_four_mebibytes_is_too_large() -> None:
    assert refusal(bytes(EXCHANGE_BYTES + 1)) == "too-large"
