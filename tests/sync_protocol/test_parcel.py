"""Parcels: what was written comes back, and of a damaged one all that was not hit, and it is said what was lost."""

import hashlib
import io
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sync_protocol import parcel
from sync_protocol.documents import sign_document
from sync_protocol.errors import LocalError, RemoteError
from sync_protocol.file_receipts import LABEL_RECEIPTS, FileReceipts
from sync_protocol.messages import ReceiptCode
from sync_protocol.parcel import Label, Reading, RecordKind, SealedMedium, read_parcel, write_parcel

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
CONTENTS = st.lists(st.binary(max_size=60), max_size=6)


def label(envelopes: int, media: int) -> Label:
    return Label(device_id="device-1", written_at="2026-11-24T08:00:00Z", envelopes=envelopes, media=media)


def medium(content: bytes) -> SealedMedium:
    chunks = [content[start : start + 7] for start in range(0, len(content), 7)]
    return SealedMedium(hashlib.sha256(content).digest(), len(content), chunks)


def written(envelopes: list[bytes], media: list[bytes]) -> bytes:
    file = io.BytesIO()
    write_parcel(file, label(len(envelopes), len(media)), envelopes, map(medium, media))
    return file.getvalue()


def read(content: bytes) -> tuple[list[bytes], list[bytes], Reading]:
    reading = Reading()
    found: dict[RecordKind, list[bytes]] = {RecordKind.ENVELOPE: [], RecordKind.MEDIUM: []}
    for record in read_parcel(io.BytesIO(content), reading):
        taken = record.read()
        assert (hashlib.sha256(taken).digest(), len(taken)) == (record.sha256, record.length_bytes)
        found[record.kind].append(taken)
    return found[RecordKind.ENVELOPE], found[RecordKind.MEDIUM], reading


@given(CONTENTS, CONTENTS)
def test_what_is_written_is_read(envelopes: list[bytes], media: list[bytes]) -> None:
    found = read(written(envelopes, media))
    assert found[:2] == (envelopes, media)
    assert found[2] == Reading(
        label=label(len(envelopes), len(media)), is_whole=True, envelopes=len(envelopes), media=len(media)
    )


ENVELOPES = [bytes([number]) * (40 + number) for number in range(6)]
MEDIA = [b"photo" * 30, b"sound" * 50]
WHOLE = written(ENVELOPES, MEDIA)
PLACES = [(WHOLE.index(one) - parcel.HEAD_BYTES, WHOLE.index(one) + len(one)) for one in [*ENVELOPES, *MEDIA]]


def test_of_a_parcel_that_was_cut_anywhere_all_that_came_is_there() -> None:
    for cut in range(len(parcel.FRONT), len(WHOLE)):
        envelopes, media, reading = read(WHOLE[:cut])
        kept = [content for content, (_, end) in zip([*ENVELOPES, *MEDIA], PLACES, strict=True) if end <= cut]
        assert [*envelopes, *media] == kept
        assert not reading.is_whole
        if reading.label is not None:
            assert reading.missing_envelopes == 6 - len(envelopes)
            assert reading.missing_media == 2 - len(media)


def test_of_a_parcel_with_a_flipped_byte_anywhere_all_else_is_there() -> None:
    for place in range(len(WHOLE)):
        altered = bytearray(WHOLE)
        altered[place] ^= 0x41
        if place == 4:
            with pytest.raises(RemoteError, match="unknown-version"):
                read(bytes(altered))
            continue
        envelopes, media, reading = read(bytes(altered))
        kept = [
            content
            for content, (start, end) in zip([*ENVELOPES, *MEDIA], PLACES, strict=True)
            if not start <= place < end
        ]
        assert [*envelopes, *media] == kept, place
        assert not reading.is_whole
        assert len(reading.lost) <= 1


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 300), st.binary(max_size=100))
def test_a_stretch_that_was_overwritten_loses_only_what_it_hit(start: int, length: int, noise: bytes) -> None:
    content = WHOLE[:start] + noise + WHOLE[start + length :]
    try:
        envelopes, media, reading = read(content)
    except RemoteError:
        return
    hit = {one for one, (begin, end) in zip([*ENVELOPES, *MEDIA], PLACES, strict=True) if not (
        end <= start or begin >= start + length
    )}  # fmt: skip
    assert set(ENVELOPES + MEDIA) - hit <= {*envelopes, *media} <= set(ENVELOPES + MEDIA)
    assert reading.is_whole is (content == WHOLE)


@given(st.binary(max_size=400))
def test_any_other_file_is_no_parcel(garbage: bytes) -> None:
    with pytest.raises(RemoteError, match="malformed"):
        read(b"x" + garbage)


def test_two_parcels_in_one_file_are_read_and_not_taken_for_one() -> None:
    envelopes, media, reading = read(WHOLE + WHOLE)
    assert (envelopes, media) == (ENVELOPES * 2, MEDIA * 2)
    assert not reading.is_whole


@pytest.mark.parametrize("place", range(len(PLACES)))
def test_a_record_that_was_taken_out_is_missed(place: int) -> None:
    start, end = PLACES[place]
    envelopes, media, reading = read(WHOLE[:start] + WHOLE[end:])
    assert len(envelopes) + len(media) == len(PLACES) - 1
    assert (reading.lost, reading.is_whole) == ([], False)
    assert (reading.missing_envelopes or 0) + (reading.missing_media or 0) == 1


def test_a_parcel_without_its_end_or_with_something_after_it_is_not_whole() -> None:
    for content in (WHOLE[: PLACES[-1][1]], WHOLE + b"\x00", WHOLE + WHOLE[len(parcel.FRONT) :]):
        assert not read(content)[2].is_whole


def test_a_record_of_a_later_kind_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    writer = parcel._Writer(file)
    writer.write(parcel.FRONT)
    writer.record(9, b"of tomorrow")  # type: ignore[arg-type]
    writer.record(RecordKind.ENVELOPE, b"envelope")
    writer.record(RecordKind.END, writer.digest())
    envelopes, _, reading = read(file.getvalue())
    assert envelopes == [b"envelope"]
    assert (reading.unknown, reading.is_whole, reading.missing_envelopes) == (1, True, None)
    monkeypatch.setattr(parcel, "CHUNK_BYTES", 16)
    assert read(b"????????" + file.getvalue()[8:])[0] == [b"envelope"]


@pytest.mark.parametrize(
    "members",
    [
        '{"device_id":"d","written_at":"2026-11-24","envelopes":Infinity,"media":0}',
        '{"device_id":"d","written_at":"2026-11-24","envelopes":true,"media":0}',
        '{"device_id":"d","written_at":"2026-11-24","envelopes":-1,"media":0}',
        '{"device_id":"d","written_at":"2026-11-24","envelopes":1,"media":1e999}',
        '{"device_id":"\\ud800","written_at":"2026-11-24","envelopes":0,"media":0}',
        '{"device_id":"d\\u0000","written_at":"2026-11-24","envelopes":0,"media":0}',
        '{"device_id":"\\u001b[2J","written_at":"2026-11-24","envelopes":0,"media":0}',
        '{"device_id":1,"written_at":"2026-11-24","envelopes":0,"media":0}',
        '{"device_id":"d","written_at":"\\u001b[2J","envelopes":0,"media":0}',
        '{"device_id":"d","written_at":7,"envelopes":0,"media":0}',
        "[]",
    ],
)
def test_a_label_that_is_none_is_no_label(members: str) -> None:
    file = io.BytesIO()
    writer = parcel._Writer(file)
    writer.write(parcel.FRONT)
    writer.record(RecordKind.LABEL, members.encode())
    writer.record(RecordKind.ENVELOPE, b"envelope")
    envelopes, _, reading = read(file.getvalue())
    assert (envelopes, reading.label) == ([b"envelope"], None)


class Counted(io.BytesIO):
    """A file that counts what is read of it."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.count += len(content)
        return content


@pytest.mark.parametrize("front", [parcel.FRONT, b"????????"])
def test_heads_that_claim_the_same_long_content_cost_no_more_than_a_few_readings(front: bytes) -> None:
    """400 heads of 57 bytes before 256 KiB that each of them claims: hashed for each it would be 100 MiB."""
    heads = parcel._head(RecordKind.MEDIUM, 1 << 18, bytes(32)) * 400
    file = Counted(front + heads + bytes(1 << 18) + WHOLE[len(parcel.FRONT) :])
    found = [record.read() for record in read_parcel(file)]
    assert found[-2:] == MEDIA
    assert file.count < 16 * len(file.getvalue()) + 400 * parcel.CHUNK_BYTES


@pytest.mark.parametrize("after", [b"B" * len(MEDIA[0]), b""])
def test_a_stick_that_reads_otherwise_the_second_time_is_found_out(after: bytes) -> None:
    file = io.BytesIO(WHOLE)
    reading = Reading()
    taken = []
    for record in read_parcel(file, reading):
        if record.sha256 == hashlib.sha256(MEDIA[0]).digest():
            start = WHOLE.index(MEDIA[0])
            file.seek(start)
            file.write(after)
            if not after:
                file.truncate(start + 5)
            with pytest.raises(RemoteError, match="altered"):
                record.read()
            reading.lose(record)
        else:
            taken.append(record.read())
    assert taken[: len(ENVELOPES)] == ENVELOPES
    assert (reading.is_whole, reading.envelopes, reading.missing_media) == (False, 6, 2 if not after else 1)


def test_a_record_longer_than_its_kind_may_be_is_passed_over() -> None:
    file = io.BytesIO()
    writer = parcel._Writer(file)
    writer.write(parcel.FRONT)
    writer.record(RecordKind.ENVELOPE, bytes((1 << 20) + 1))
    assert read(file.getvalue())[0] == []


def test_a_medium_that_is_not_what_it_says_is_not_written() -> None:
    false = SealedMedium(bytes(32), 3, [b"abc"])
    with pytest.raises(LocalError, match="malformed"):
        write_parcel(io.BytesIO(), label(0, 1), [], [false])


RECEIPTS = FileReceipts(
    server_id="ab" * 16,
    issued_at="2026-11-24T08:00:00Z",
    receipts=((bytes(32), ReceiptCode.STORED, 7), (b"\x01" * 32, ReceiptCode.QUOTA, None)),
    media=(b"\x02" * 32,),
)


def test_receipts_come_back_and_are_believed_of_a_receipt_key_only() -> None:
    document = RECEIPTS.sign(KEY)
    assert FileReceipts.read(document, [PUBLIC]) == RECEIPTS
    for trusted in ([], [bytes(32)]):
        with pytest.raises(LocalError, match="signature-invalid"):
            FileReceipts.read(document, trusted)
    with pytest.raises(LocalError):
        FileReceipts.read(document.replace(b",0,7]", b",0,8]"), [PUBLIC])


@pytest.mark.parametrize(
    "change", [{"receipts": [["AA", 0, 1]]}, {"receipts": [[1, 2]]}, {"media": ["?"]}, {"receipts": 3}, {"media": None}]
)
def test_receipts_of_another_shape_are_malformed(change: dict[str, Any]) -> None:
    payload = {"server_id": "a", "issued_at": "now", "receipts": [], "media": []} | change
    with pytest.raises(LocalError, match="malformed"):
        FileReceipts.read(sign_document(payload, KEY, LABEL_RECEIPTS), [PUBLIC])
