"""Sealed media: however they are cut on their way in and out, the same bytes come out, or an error does."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_protocol import envelope
from sync_protocol.constants import Kind
from sync_protocol.envelope import Header
from sync_protocol.errors import EnvelopeError, LocalError
from sync_protocol.media import MediumSealer, open_medium, verify_medium
from sync_protocol.plaintext import Manifest, Medium
from tests.sync_protocol.sealed import DEVICE, DEVICE_PUBLIC, MANIFEST, header

KEY = bytes(range(32))
CHUNK = 16384

keys = st.binary(min_size=32, max_size=32)
lengths = st.integers(0, 3 * CHUNK) | st.sampled_from([CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
sizes = st.lists(st.integers(1, 2 * CHUNK), min_size=1, max_size=4)
hexadecimal = st.binary(min_size=32, max_size=32).map(bytes.hex)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=255)
media = st.builds(Medium, name=texts, type=texts, length_bytes=st.integers(0), sha256=hexadecimal, key=hexadecimal)


def content(length: int) -> bytes:
    return (bytes(range(251)) * (length // 251 + 1))[:length]


def cut(whole: bytes, pieces: list[int]) -> Iterator[bytes]:
    start, number = 0, 0
    while start < len(whole):
        size = pieces[number % len(pieces)]
        yield whole[start : start + size]
        start, number = start + size, number + 1


def seal(plain: bytes, pieces: list[int], key: bytes = KEY) -> tuple[bytes, MediumSealer]:
    sealer = MediumSealer(key)
    return b"".join([*map(sealer.update, cut(plain, pieces)), sealer.finalize()]), sealer


@given(length=lengths, on_the_way_in=sizes, on_the_way_out=sizes, key=keys)
def test_any_cutting_on_the_way_in_and_out_gives_the_same_bytes(
    length: int, on_the_way_in: list[int], on_the_way_out: list[int], key: bytes
) -> None:
    stream, sealer = seal(content(length), on_the_way_in, key)
    assert sealer.length_bytes == len(stream)
    assert sealer.digest == hashlib.sha256(stream).digest()
    verify_medium(cut(stream, on_the_way_out), sealer.digest)
    assert b"".join(open_medium(cut(stream, on_the_way_out), key)) == content(length)


def test_the_digest_grows_with_the_stream_so_that_memory_does_not() -> None:
    sealer = MediumSealer(KEY)
    first = sealer.update(content(5 * CHUNK))
    assert len(first) >= 4 * CHUNK
    assert sealer.digest == hashlib.sha256(first).digest()


def test_the_same_medium_is_never_sealed_the_same_twice() -> None:
    assert seal(b"photo", [5])[0] != seal(b"photo", [5])[0]


def test_every_flipped_byte_of_a_sealed_medium_is_found_by_its_digest_and_by_its_stream() -> None:
    stream, sealer = seal(content(CHUNK + 20), [CHUNK])
    for position in [*range(300), *range(300, len(stream), 97), *range(len(stream) - 60, len(stream))]:
        altered = bytearray(stream)
        altered[position] ^= 0x01
        with pytest.raises(EnvelopeError) as by_digest:
            verify_medium([bytes(altered)], sealer.digest)
        with pytest.raises(EnvelopeError) as by_stream:
            list(open_medium([bytes(altered)], KEY))
        assert (by_digest.value.code, by_stream.value.code) == ("medium-altered", "undecryptable")


@given(length=st.sampled_from([0, 7, CHUNK, CHUNK + 7]), data=st.data())
def test_a_medium_that_is_cut_or_has_more_behind_it_is_never_opened(length: int, data: st.DataObject) -> None:
    stream, _ = seal(content(length), [CHUNK])
    shorter = stream[: data.draw(st.integers(0, len(stream) - 1))]
    longer = stream + data.draw(st.binary(min_size=1, max_size=40))
    for broken in (shorter, longer):
        with pytest.raises(EnvelopeError, match="sealed under another key"):
            list(open_medium([broken], KEY))


@given(key=keys.filter(lambda key: key != KEY))
def test_a_medium_opens_under_no_other_key(key: bytes) -> None:
    with pytest.raises(EnvelopeError):
        list(open_medium([seal(b"photo", [5])[0]], key))


def attachment_header() -> Header:
    return header(bytes(32), kind=Kind.ATTACHMENT, parents=())


@given(medium=media, key=keys)
def test_an_attachment_opens_the_same_and_names_its_medium(medium: Medium, key: bytes) -> None:
    manifest = Manifest(device_time="now", media=(medium,), app_user="tablet 12")
    body = envelope.seal_attachment(header=attachment_header(), content_key=key, signer=DEVICE, manifest=manifest)
    assert envelope.peek(body) == attachment_header()
    envelope.verify(body, DEVICE_PUBLIC)
    assert envelope.open_attachment(body, key) == (manifest, medium)


MEDIUM = Medium(name="a.jpg", type="image/jpeg", length_bytes=7, sha256="ab" * 32, key="cd" * 32)


def test_every_flipped_byte_of_an_attachment_is_found() -> None:
    manifest = replace(MANIFEST, media=(MEDIUM,))
    whole = envelope.seal_attachment(header=attachment_header(), content_key=KEY, signer=DEVICE, manifest=manifest)
    for position in range(len(whole)):
        altered = bytearray(whole)
        altered[position] ^= 0x01
        with pytest.raises(EnvelopeError):
            envelope.verify(bytes(altered), DEVICE_PUBLIC)


@pytest.mark.parametrize("named", [(), (MEDIUM, MEDIUM)])
def test_an_attachment_of_no_medium_or_of_two_is_never_made(named: tuple[Medium, ...]) -> None:
    with pytest.raises(LocalError, match="one medium"):
        envelope.seal_attachment(
            header=attachment_header(), content_key=KEY, signer=DEVICE, manifest=replace(MANIFEST, media=named)
        )


def test_an_attachment_and_an_interview_never_pass_for_each_other() -> None:
    manifest = replace(MANIFEST, media=(MEDIUM,))
    attachment = envelope.seal_attachment(header=attachment_header(), content_key=KEY, signer=DEVICE, manifest=manifest)
    interview = envelope.seal_interview(
        header=header(bytes(32)), content_key=KEY, signer=DEVICE, manifest=manifest, instance_xml=b""
    )
    for opening, body in ((envelope.open_interview, attachment), (envelope.open_attachment, interview)):
        with pytest.raises(EnvelopeError) as caught:
            opening(body, KEY)  # type: ignore[operator]
        assert caught.value.code == "unknown-kind"
    with pytest.raises(LocalError):
        envelope.seal_attachment(header=header(bytes(32)), content_key=KEY, signer=DEVICE, manifest=manifest)
