"""Media that come in parts: every byte that is acknowledged is on disk, whoever sends them and whatever is cut."""

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from server.clock import utc_now
from server.config import Quota
from server.context import Context
from server.db.queries import uploads
from server.db.tables import Envelope, ManifestMedium, Upload
from server.jobs import scheduled
from server.services import receive_medium
from server.services.receive_medium import KEPT
from sync_protocol.constants import MEDIUM_BYTES, PART_BYTES
from sync_protocol.messages import MediumOffer, MediumOffset
from sync_protocol.signatures import Place
from tests.office import PartReply, Tablet, envelope, revoke

MEDIUM = bytes(range(256)) * 40
SHA256 = hashlib.sha256(MEDIUM).digest()
LENGTH = len(MEDIUM)


def slug(reply: PartReply) -> tuple[int, str, int | None]:
    assert reply.problem is not None
    return reply.status, reply.problem.slug, reply.problem.next_offset


def offered(tablet: Tablet, *offers: MediumOffer) -> tuple[MediumOffset, ...]:
    answer = tablet.exchange(media=offers or (MediumOffer(SHA256, LENGTH),)).answer
    assert answer is not None
    return answer.media


def blob(context: Context, sha256: bytes = SHA256) -> bytes:
    return b"".join(context.blobs.chunks(sha256))


def partial_of(context: Context, sha256: bytes, tablet: Tablet) -> Path:
    with context.media.partials.hold(sha256, tablet.device_id) as file:
        return file._path


def test_a_medium_comes_in_parts_and_is_whole_at_the_last(tablet: Tablet, context: Context) -> None:
    assert offered(tablet) == (MediumOffset(0, 0),)
    first = tablet.part(SHA256, MEDIUM[:4000], Place(0, LENGTH), headers={"Upload-Complete": "?0"})
    assert (first.status, first.answer.offset, first.answer.complete) == (200, 4000, False)  # type: ignore[union-attr]
    assert first.headers["Upload-Offset"] == "4000"
    assert offered(tablet) == (MediumOffset(0, 4000),)
    assert not context.blobs.has(SHA256)
    last = tablet.part(SHA256, MEDIUM[4000:], Place(4000, LENGTH), headers={"Upload-Complete": "?1"})
    assert (last.status, last.answer.offset, last.answer.complete) == (201, LENGTH, True)  # type: ignore[union-attr]
    assert blob(context) == MEDIUM
    assert offered(tablet) == (MediumOffset(0, LENGTH),)
    assert list((context.config.blobs_dir / "partial").glob("*.*")) == []


def test_head_says_how_much_is_here(sqlite_tablet: Tablet) -> None:
    nothing = sqlite_tablet.head(SHA256)
    assert (nothing["Upload-Offset"], nothing["Upload-Complete"], "Upload-Length" in nothing) == ("0", "?0", False)
    sqlite_tablet.part(SHA256, MEDIUM[:9], Place(0, LENGTH))
    some = sqlite_tablet.head(SHA256)
    assert [some[name] for name in ("Upload-Offset", "Upload-Length", "Upload-Complete")] == ["9", str(LENGTH), "?0"]
    assert some["Upload-Limit"] == f"max-size={MEDIUM_BYTES}, max-append-size={PART_BYTES}"
    sqlite_tablet.part(SHA256, MEDIUM[9:], Place(9, LENGTH))
    assert sqlite_tablet.head(SHA256)["Upload-Complete"] == "?1"


def test_a_part_that_does_not_fit_is_told_where_to_go_on(sqlite_tablet: Tablet) -> None:
    assert slug(sqlite_tablet.part(SHA256, MEDIUM[5:9], Place(5, LENGTH))) == (409, "offset-mismatch", 0)
    sqlite_tablet.part(SHA256, MEDIUM[:100], Place(0, LENGTH))
    for offset in (0, 50, 101):
        again = sqlite_tablet.part(SHA256, MEDIUM[offset : offset + 60], Place(offset, LENGTH))
        assert slug(again) == (409, "offset-mismatch", 100)


def test_the_same_again_after_the_end_is_no_trouble(tablet: Tablet, another_tablet: Callable[..., Tablet]) -> None:
    tablet.upload(MEDIUM, part_bytes=6000)
    for one in (tablet, another_tablet()):
        for offset in (0, 6000):
            again = one.part(SHA256, MEDIUM[offset : offset + 6000], Place(offset, LENGTH))
            assert (again.status, again.offset) == (201, LENGTH)


def test_the_prefix_of_a_torn_part_is_kept(sqlite_tablet: Tablet, sqlite_context: Context) -> None:
    torn = sqlite_tablet.part(SHA256, MEDIUM[:5000], Place(0, LENGTH), cut=1234)
    assert torn.offset == 1234
    nothing = sqlite_tablet.part(SHA256, MEDIUM[1234:], Place(1234, LENGTH), cut=0)
    assert nothing.offset == 1234
    assert sqlite_tablet.part(SHA256, MEDIUM[1234:], Place(1234, LENGTH)).status == 201
    assert blob(sqlite_context) == MEDIUM


def test_a_part_that_was_altered_leaves_nothing(sqlite_tablet: Tablet, sqlite_context: Context) -> None:
    sqlite_tablet.part(SHA256, MEDIUM[:100], Place(0, LENGTH))
    altered = bytearray(MEDIUM[100:200])
    altered[7] ^= 1
    path = f"/sync/v1/media/{SHA256.hex()}"
    from sync_protocol import signatures

    headers = signatures.sign_request(
        "POST",
        path,
        MEDIUM[100:200],
        device_id=sqlite_tablet.device_id,
        key=sqlite_tablet.key,
        place=Place(100, LENGTH),
    )
    response = sqlite_tablet.client.post(path, data=bytes(altered), headers=headers)
    assert (response.status_code, response.get_json()["retry"]) == (400, "same")
    assert offered(sqlite_tablet) == (MediumOffset(0, 100),)
    moved = sqlite_tablet.client.post(path, data=MEDIUM[100:200], headers={**headers, "Upload-Offset": "0"})
    assert moved.status_code == 401
    assert sqlite_tablet.part(SHA256, MEDIUM[100:], Place(100, LENGTH)).status == 201
    assert blob(sqlite_context) == MEDIUM


def test_another_medium_under_this_hash_is_dropped_and_begins_anew(tablet: Tablet, context: Context) -> None:
    wrong = bytearray(MEDIUM)
    wrong[3] ^= 1
    tablet.part(SHA256, bytes(wrong[:4000]), Place(0, LENGTH))
    assert slug(tablet.part(SHA256, bytes(wrong[4000:]), Place(4000, LENGTH))) == (400, "digest-mismatch", 0)
    assert offered(tablet) == (MediumOffset(0, 0),)
    assert not context.blobs.has(SHA256)
    assert tablet.upload(MEDIUM, part_bytes=4000).status == 201
    assert blob(context) == MEDIUM


def test_who_lies_about_the_length_never_makes_a_medium_seem_whole(
    sqlite_tablet: Tablet, sqlite_context: Context
) -> None:
    sqlite_tablet.part(SHA256, bytes(LENGTH), Place(0, LENGTH + 5))
    assert offered(sqlite_tablet) == (MediumOffset(0, 0),)
    assert slug(sqlite_tablet.part(SHA256, MEDIUM[4:], Place(4, LENGTH))) == (409, "offset-mismatch", 0)
    assert sqlite_tablet.upload(MEDIUM, part_bytes=4000).status == 201
    assert blob(sqlite_context) == MEDIUM


def test_limits(sqlite_tablet: Tablet) -> None:
    too_long = sqlite_tablet.part(SHA256, b"x", Place(0, MEDIUM_BYTES + 1))
    assert slug(too_long)[:2] == (413, "too-large")
    too_much = sqlite_tablet.part(SHA256, bytes(PART_BYTES + 1), Place(0, PART_BYTES + 1))
    assert slug(too_much)[:2] == (413, "too-large")
    assert slug(sqlite_tablet.part(SHA256, b"xy", Place(0, 1)))[:2] == (400, "malformed")
    assert slug(sqlite_tablet.part(SHA256, b"", Place(0, 0)))[:2] == (400, "malformed")
    assert not too_much.is_signed, "whoever pads a part makes no word of the office"
    assert sqlite_tablet.part(SHA256, b"x", Place(0, 2), headers={"Upload-Complete": "?1"}).offset == 1, "not looked at"
    assert sqlite_tablet.client.post("/sync/v1/media/abc", data=b"x").status_code == 404
    assert sqlite_tablet.client.post(f"/sync/v1/media/{SHA256.hex().upper()}", data=b"x").status_code == 404


def test_nobody_sends_media_unsigned_and_a_revoked_device_still_delivers(tablet: Tablet, context: Context) -> None:
    path = f"/sync/v1/media/{SHA256.hex()}"
    assert tablet.client.post(path, data=MEDIUM).status_code == 401
    assert tablet.client.head(path).status_code == 401
    revoke(context, tablet.device_id)
    assert tablet.upload(MEDIUM).status == 201


def test_two_devices_send_one_medium_at_the_same_time(
    tablet: Tablet, another_tablet: Callable[..., Tablet], context: Context
) -> None:
    medium = os.urandom(64_000)
    sha256 = hashlib.sha256(medium).digest()
    replies: list[int] = []

    def send(one: Tablet) -> None:
        offset = 0
        while offset < len(medium):
            reply = one.part(sha256, medium[offset : offset + 3000], Place(offset, len(medium)))
            replies.append(reply.status)
            offset = reply.offset if reply.problem is None else reply.problem.next_offset or 0

    threads = [threading.Thread(target=send, args=(one,)) for one in (tablet, another_tablet(), another_tablet("0003"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert blob(context, sha256) == medium
    assert {200, 201} <= set(replies) <= {200, 201, 409}


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([0, 0, 0, 0, -3, 5]),
            st.integers(0, 40),
            st.sampled_from(["whole", "torn", "lost", "longer"]),
        ),
        max_size=12,
    )
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_sent_what_is_acknowledged_is_on_disk(
    sqlite_tablet: Tablet, steps: list[tuple[int, int, str]]
) -> None:
    """Against a model: the offset is the length of what was taken, and what was taken is a prefix of the medium."""
    context = sqlite_tablet.context
    medium = os.urandom(100)
    sha256 = hashlib.sha256(medium).digest()
    path = partial_of(context, sha256, sqlite_tablet)
    acknowledged = here = 0
    for apart, size, how in steps:
        on_disk = path.stat().st_size if path.exists() else 0
        if how == "lost" and on_disk:  # another copy of the disk, a little older
            on_disk = max(0, on_disk - 10)
            os.truncate(path, on_disk)
        if how == "longer" and on_disk:  # a part that was written and never acknowledged
            with path.open("ab") as file:
                file.write(b"more" if on_disk >= acknowledged else medium[on_disk : on_disk + 4])
            on_disk += 4
        if here < 100:
            here = min(acknowledged, on_disk)
        place = Place(min(100, max(0, here + apart)), 100)
        content = medium[place.offset : place.offset + size]
        cut = len(content) // 2 if how == "torn" else None
        reply = sqlite_tablet.part(sha256, content, place, cut=cut)
        if here < 100 and place.offset == here:
            acknowledged = here = here + (len(content) if cut is None else cut)
            assert reply.offset == here
        elif here < 100:
            assert slug(reply)[::2] == (409, here)
        else:
            assert reply.offset == 100
        if 0 < here < 100:
            assert path.read_bytes()[:here] == medium[:here]
    if here == 100:
        assert blob(context, sha256) == medium


def test_a_medium_whose_row_or_file_is_lost_is_never_said_to_be_here(tablet: Tablet, context: Context) -> None:
    tablet.upload(MEDIUM)
    context.blobs.remove(SHA256)
    assert offered(tablet) == (MediumOffset(0, 0),)
    assert tablet.head(SHA256)["Upload-Complete"] == "?0"
    assert tablet.upload(MEDIUM, part_bytes=5000).status == 201
    from sqlalchemy import text

    with context.database.transaction() as session:
        session.execute(text("DELETE FROM upload"))
    first = tablet.part(SHA256, MEDIUM[:5], Place(0, LENGTH))
    assert (first.status, first.offset) == (201, LENGTH)
    assert offered(tablet) == (MediumOffset(0, LENGTH),)


def test_the_sweep_takes_what_nobody_names_when_nobody_can_name_it_any_more(
    sqlite_tablet: Tablet, sqlite_context: Context
) -> None:
    context = sqlite_context
    sqlite_tablet.upload(MEDIUM)
    started, recent = hashlib.sha256(b"a").digest(), hashlib.sha256(b"b").digest()
    for sha256 in (started, recent):
        sqlite_tablet.part(sha256, b"x", Place(0, 100))
    folder = context.config.blobs_dir
    long_ago = (utc_now() - KEPT - timedelta(days=1)).timestamp()
    for path in (*folder.glob("??/*"), partial_of(context, started, sqlite_tablet)):
        os.utime(path, (long_ago, long_ago))
    sqlite_tablet.exchange(envelope(1))
    _sweep(context, KEPT + timedelta(days=1))
    assert blob(context) == MEDIUM, "an interview that is not opened may name it"
    assert offered(sqlite_tablet, MediumOffer(started, 100), MediumOffer(recent, 100)) == (
        MediumOffset(0, 0),
        MediumOffset(1, 1),
    )
    assert not partial_of(context, started, sqlite_tablet).exists()
    with context.database.transaction() as session:
        session.execute(update(Envelope).values(state="opened"))
    _sweep(context, KEPT - timedelta(days=1))
    assert blob(context) == MEDIUM
    _sweep(context, KEPT + timedelta(days=1))
    assert not context.blobs.has(SHA256)
    assert offered(sqlite_tablet) == (MediumOffset(0, 0),)
    assert sqlite_tablet.upload(MEDIUM).status == 201


def test_the_sweep_leaves_what_an_interview_names(sqlite_tablet: Tablet, sqlite_context: Context) -> None:
    sqlite_tablet.upload(MEDIUM)
    row = {"envelope_id": bytes(32), "name_tag": bytes(32), "instance_id": bytes(16), "sealed": b""}
    with sqlite_context.database.transaction() as session:
        session.add(ManifestMedium(**row, blob_sha256=SHA256, length_bytes=LENGTH, received_at=utc_now()))
    for path in sqlite_context.config.blobs_dir.glob("??/*"):
        os.utime(path, (0, 0))
    _sweep(sqlite_context, KEPT + timedelta(days=1))
    assert blob(sqlite_context) == MEDIUM


def _sweep(context: Context, later: timedelta) -> None:
    (job,) = [job for job in scheduled.JOBS if job.name == "blobs"]
    job.prepare(context, None, utc_now() + later)  # type: ignore[arg-type]


def test_a_device_brings_no_more_media_in_a_day_than_its_quota(tablet: Tablet, context: Context) -> None:
    context.media = replace(context.media, quota_bytes=8192)
    tablet.part(SHA256, MEDIUM[:5000], Place(0, LENGTH))
    refused = tablet.part(SHA256, MEDIUM[5000:6000], Place(5000, LENGTH))
    assert slug(refused)[:2] == (429, "rate-limited"), "a part counts as a block of the disk, however short it is"
    assert refused.problem is not None
    assert 0 < (refused.problem.retry_after_seconds or 0) <= 3600
    assert refused.headers["Retry-After"] == str(refused.problem.retry_after_seconds)
    context.media = replace(context.media, quota_bytes=5000 + 4096)
    assert tablet.part(SHA256, MEDIUM[5000:6000], Place(5000, LENGTH)).offset == 6000
    assert Quota().media_bytes > 1 << 30


def test_a_revoked_device_brings_less(
    sqlite_tablet: Tablet, sqlite_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive_medium, "REVOKED_QUOTA_BYTES", 5000)
    assert sqlite_tablet.part(SHA256, MEDIUM[:5000], Place(0, LENGTH)).status == 200
    assert sqlite_tablet.part(SHA256, MEDIUM[5000:6000], Place(5000, LENGTH)).status == 200
    revoke(sqlite_context, sqlite_tablet.device_id)
    assert slug(sqlite_tablet.part(SHA256, MEDIUM[6000:7000], Place(6000, LENGTH)))[:2] == (429, "rate-limited")


def test_no_device_spoils_what_another_sends(
    tablet: Tablet, another_tablet: Callable[..., Tablet], context: Context
) -> None:
    other = another_tablet()
    assert tablet.part(SHA256, MEDIUM[:9000], Place(0, LENGTH)).offset == 9000
    assert (other.head(SHA256)["Upload-Offset"], offered(other)) == ("0", (MediumOffset(0, 0),))
    assert other.part(SHA256, b"x", Place(0, LENGTH + 1)).offset == 1
    assert slug(other.part(SHA256, bytes(LENGTH - 9000), Place(9000, LENGTH))) == (409, "offset-mismatch", 0)
    assert slug(other.part(SHA256, bytes(LENGTH), Place(0, LENGTH))) == (400, "digest-mismatch", 0)
    assert other.part(SHA256, bytes(50), Place(0, LENGTH)).offset == 50
    assert (tablet.head(SHA256)["Upload-Offset"], offered(tablet)) == ("9000", (MediumOffset(0, 9000),))
    assert tablet.part(SHA256, MEDIUM[9000:], Place(9000, LENGTH)).status == 201
    assert blob(context) == MEDIUM
    assert list((context.config.blobs_dir / "partial").glob("*.*")) == []
    assert (other.head(SHA256)["Upload-Complete"], offered(other)) == ("?1", (MediumOffset(0, LENGTH),))
    with context.database.read() as session:
        assert [(one.carrier, one.received_bytes) for one in session.scalars(select(Upload))] == [
            (tablet.device_id, LENGTH)
        ]


def test_whoever_sends_a_lost_blob_again_it_stays_settled(
    tablet: Tablet, another_tablet: Callable[..., Tablet], context: Context
) -> None:
    tablet.upload(MEDIUM)
    with context.database.transaction() as session:
        uploads.set_settled(session, [SHA256])
    context.blobs.remove(SHA256)
    other = another_tablet()
    other.part(SHA256, MEDIUM[:100], Place(0, LENGTH))
    tablet.part(SHA256, MEDIUM[:200], Place(0, LENGTH))
    assert (offered(other), offered(tablet)) == ((MediumOffset(0, 100),), (MediumOffset(0, 200),))
    with context.database.read() as session:
        assert uploads.settled(session, [SHA256]) == {SHA256}
    assert other.part(SHA256, MEDIUM[100:], Place(100, LENGTH)).status == 201
    with context.database.read() as session:
        assert uploads.settled(session, [SHA256]) == {SHA256}
        assert session.query(Upload).count() == 1
    assert blob(context) == MEDIUM


def test_a_full_disk_acknowledges_nothing(
    sqlite_tablet: Tablet, sqlite_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    sqlite_tablet.part(SHA256, MEDIUM[:1000], Place(0, LENGTH))
    path: Path = partial_of(sqlite_context, SHA256, sqlite_tablet)
    real = os.pwrite

    def half(handle: int, content: bytes, at: int) -> int:
        if at > 1000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, content[:10], at)

    monkeypatch.setattr(os, "pwrite", half)
    full = sqlite_tablet.part(SHA256, MEDIUM[1000:2000], Place(1000, LENGTH))
    assert slug(full)[:2] == (507, "storage-full")
    monkeypatch.undo()
    assert path.read_bytes() == MEDIUM[:1000]
    assert offered(sqlite_tablet) == (MediumOffset(0, 1000),)
    assert sqlite_tablet.part(SHA256, MEDIUM[1000:], Place(1000, LENGTH)).status == 201
    assert blob(sqlite_context) == MEDIUM
