"""Multipart bodies: however they are cut on their way, the parts come out as they were put in, or not at all."""

import io
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartEncoder, Preamble

from server.api.openrosa.multipart import PARTS, boundary_of, read_parts
from server.errors import Malformed, SubmissionUnreadable, TooLarge

Written = tuple[str, str | None, bytes]

names = st.text(st.characters(codec="utf-8", exclude_characters='\r\n"\\%\x00', exclude_categories=["Cs"]), min_size=1)
contents = st.binary(max_size=300) | st.lists(
    st.sampled_from([b"\r\n", b"--", b"\r\n--", b"\r\n--bound", b"\r\n--boundar", b"\r", b"\n", b"x"])
).map(b"".join)
bodies = st.lists(st.tuples(names, st.none() | names, contents), max_size=6)


def encode(parts: list[Written], boundary: str = "boundary") -> bytes:
    """Write a body with werkzeug's encoder."""
    encoder = MultipartEncoder(boundary.encode())
    written = [encoder.send_event(Preamble(data=b""))]
    for name, filename, content in parts:
        headers = Headers([("Content-Type", "image/jpeg")])
        event = Field(name=name, headers=headers) if filename is None else File(name, filename, headers)
        written += [encoder.send_event(event), b"\r\n" if not content else b""]
        written.append(encoder.send_event(Data(data=content, more_data=False)))
    return b"".join(written) + encoder.send_event(Epilogue(data=b""))


def in_pieces(body: bytes, sizes: Iterator[int]) -> Callable[[int], bytes]:
    stream = io.BytesIO(body)
    return lambda size: stream.read(min(size, next(sizes)))


def decode(body: bytes, *sizes: int) -> list[Written]:
    def repeated() -> Iterator[int]:
        while True:
            yield from sizes or (1 << 18,)

    parts = read_parts(in_pieces(body, repeated()), b"boundary")
    return [(part.name, part.filename, b"".join(part.pieces())) for part in parts]


def has_no_boundary(parts: list[Written]) -> bool:
    return not any(b"\r\n--boundary" in b"\r\n" + content + b"\r\n" for _, _, content in parts)


@given(parts=bodies.filter(has_no_boundary), sizes=st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_parts_come_out_as_they_were_put_in_however_the_body_is_cut(parts: list[Written], sizes: list[int]) -> None:
    assert decode(encode(parts), *sizes) == parts


@given(parts=bodies.filter(has_no_boundary), data=st.data())
def test_a_body_that_ends_too_early_never_passes_for_a_whole_one(parts: list[Written], data: st.DataObject) -> None:
    body = encode(parts)
    last = body.rindex(b"--boundary--") + len(b"--boundary--")
    with pytest.raises(Malformed):
        decode(body[: data.draw(st.integers(0, last - 1))])


@given(body=st.binary(max_size=500), sizes=st.lists(st.integers(1, 100), min_size=1))
def test_no_bytes_at_all_are_more_than_a_refusal(body: bytes, sizes: list[int]) -> None:
    for wrapped in (body, b"--boundary" + body, b"--boundary\r\n" + body + b"\r\n--boundary--"):
        try:
            decode(wrapped, *sizes)
        except Malformed:
            continue


def test_what_a_part_does_not_say_is_empty_and_what_nobody_reads_is_passed_over() -> None:
    body = b"\r\n".join(
        [
            b"a preamble",
            b"--boundary \t",
            b"",
            b"no headers",
            b"--boundary",
            b'content-disposition: form-data; name="\xe9t\xe9"; filename="\xc3\xa9.jpg"',
            b"Content-Type: IMAGE/Jpeg; charset=x",
            b"X: y",
            b"",
            b"latin",
            b"--boundary--",
            b"an epilogue",
        ]
    )
    parts = [(part.name, part.filename, part.media_type) for part in read_parts(io.BytesIO(body).read, b"boundary")]
    assert parts == [("", None, ""), ("été", "Ã©.jpg", "image/jpeg")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x" * 100_000,
        b"--boundary\r\nA: " + b"x" * 100_000 + b"\r\n\r\n\r\n--boundary--",
        b"--boundaryA: b\r\n\r\n\r\n--boundary--",
        b"--another\r\n\r\n\r\n--another--",
    ],
)
def test_a_body_of_another_kind_is_refused_before_it_fills_the_memory(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode(body, 1000)


def test_thousands_of_parts_are_too_many() -> None:
    part = b"--boundary\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n"
    assert len(decode(part * PARTS + b"--boundary--")) == PARTS
    with pytest.raises(TooLarge):
        decode(part * (PARTS + 1) + b"--boundary--")


def test_a_large_part_passes_through_the_memory_of_a_few_pieces() -> None:
    head, tail = b"--boundary\r\nContent-Disposition: form-data; name=a\r\n\r\n", b"\r\n--boundary--"
    left = [head, *[bytes(1 << 18)] * 200, tail]
    tracemalloc.start()
    length = sum(len(piece) for part in read_parts(lambda _: left.pop(0), b"boundary") for piece in part.pieces())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert length == 200 << 18
    assert peak < 4 << 20


@pytest.mark.parametrize("content_type", ["", "text/xml", "multipart/form-data", "multipart/mixed; boundary=x"])
def test_what_names_no_boundary_is_no_submission(content_type: str) -> None:
    with pytest.raises(SubmissionUnreadable):
        boundary_of(content_type)
    assert boundary_of('Multipart/Form-Data; boundary="a b"') == b"a b"
