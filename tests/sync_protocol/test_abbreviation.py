"""Envelopes that leave out what the one before says: the same bytes come back, whatever they were."""

import contextlib
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_protocol.abbreviation import ALL, restore, shorten
from sync_protocol.constants import ENVELOPE_BYTES, Kind
from sync_protocol.errors import RemoteError
from sync_protocol.frames import decode_body, encode_body, encoded_frame_bytes
from tests.sync_protocol.sealed import header, sealed

HASHES = st.sampled_from([bytes(32), b"a" * 32, b"b" * 32])


@st.composite
def envelopes(draw: st.DrawFn) -> bytes:
    head = header(
        draw(HASHES),
        kind=draw(st.sampled_from([Kind.INTERVIEW, Kind.DRAFT, Kind.ATTACHMENT, Kind.DECISION])),
        previous=draw(HASHES),
        parents=tuple(draw(st.lists(st.binary(min_size=16, max_size=16), max_size=3))),
        form_version_hash=draw(HASHES),
        dictionary_hash=draw(HASHES),
        certificate_hash=draw(HASHES),
    )
    return head.encode() + draw(st.binary(max_size=80))


def chained(count: int) -> list[bytes]:
    """An epoch and interviews of one day, as a tablet sends them."""
    made = [sealed().epoch]
    epoch_hash = hashlib.sha256(made[0]).digest()
    for number in range(count):
        previous = hashlib.sha256(made[-1]).digest()
        head = replace(
            sealed().header,
            epoch_hash=epoch_hash,
            index=number,
            sequence=5 + number,
            previous=previous,
            parents=(),
        )
        made.append(head.encode() + bytes([number]) * 300)
    return made


@given(st.lists(envelopes() | st.just(sealed().epoch) | st.binary(max_size=300), max_size=6))
def test_frames_come_back_as_they_were(frames: list[bytes]) -> None:
    body = encode_body(b"{}", frames, shortens=True)
    assert decode_body(body).frames == tuple(frames)
    assert len(body) <= len(encode_body(b"{}", frames))


def test_each_interview_of_a_day_is_a_hundred_and_seventy_bytes_shorter() -> None:
    frames = chained(40)
    plain, short = encode_body(b"{}", frames), encode_body(b"{}", frames, shortens=True)
    # The first names epoch, certificate and the envelope before it, and counts on; an epoch has no form.
    assert len(plain) - len(short) == 39 * 177 + 113
    assert decode_body(short).frames == tuple(frames)
    assert len(short) <= len(encode_body(b"{}", [])) + sum(encoded_frame_bytes(len(frame)) for frame in frames)


def test_everything_that_follows_may_be_left_out() -> None:
    first, second = chained(2)[1:]
    short = shorten(second, first)
    assert short is not None
    assert short[0] == ALL
    assert restore(short, first) == second


@given(
    short=st.binary(max_size=400) | st.binary(max_size=400).map(b"\x7f\x02".__add__),
    before=envelopes() | st.just(sealed().epoch) | st.binary(max_size=50),
)
def test_any_bytes_end_as_an_envelope_or_as_a_refusal(short: bytes, before: bytes) -> None:
    with contextlib.suppress(RemoteError):
        assert restore(short, before).startswith(b"PSRL")


@pytest.mark.parametrize("length", range(0, 240, 7))
def test_a_shortened_frame_that_was_cut_inside_its_header_is_malformed(length: int) -> None:
    first, second = chained(2)[1:]
    short = shorten(second, first)
    assert short is not None
    if length < len(short) - 300:
        with pytest.raises(RemoteError, match="malformed"):
            restore(short[:length], first)


def test_what_the_frame_before_does_not_say_cannot_be_left_out() -> None:
    epoch, first, second = chained(2)
    short = shorten(second, first)
    assert short is not None
    with pytest.raises(RemoteError, match="malformed"):
        restore(short, epoch)  # an epoch has no form version


def _short(body: bytes) -> bytes:
    return (1 << 31 | len(body)).to_bytes(4, "big") + body


def test_nothing_is_before_the_first_frame_nor_before_the_control() -> None:
    first, second = chained(2)[1:]
    short = shorten(second, first)
    assert short is not None
    control = encode_body(b"{}", [])
    for body in (control + _short(short), b"\x80" + control[1:]):
        with pytest.raises(RemoteError, match="malformed"):
            decode_body(body)


def test_a_frame_that_is_too_large_when_it_is_whole_is_refused() -> None:
    first, second = chained(2)[1:]
    long = second + bytes(ENVELOPE_BYTES - len(second))
    assert decode_body(encode_body(b"{}", [first, long], shortens=True)).frames == (first, long)
    with pytest.raises(RemoteError, match="too-large"):
        decode_body(encode_body(b"{}", [first, long + b"x"], frame_bytes=ENVELOPE_BYTES + 1, shortens=True))
