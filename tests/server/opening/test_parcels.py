"""What comes by file is taken in as if its device had sent it."""

import hashlib
import io
from datetime import timedelta

import pytest
from sqlalchemy import select

from server.context import Context
from server.db.tables import Envelope, Erasure, Upload
from server.errors import StorageFull
from server.services import take_parcel
from server.services.take_parcel import Intake
from sync_protocol.errors import RemoteError
from sync_protocol.file_receipts import FileReceipts
from sync_protocol.messages import ReceiptCode
from sync_protocol.parcel import Label, SealedMedium, write_parcel
from tests.office import NOW, revoke
from tests.server.opening.kit import Answers, Tablet, open_all, publish, raw_id

MEDIUM = b"a sealed photo" * 9


@pytest.fixture
def tablet(context: Context) -> Tablet:
    publish(context)
    return Tablet(context.keystore).enrol(context)


def written(tablet: Tablet, *envelopes: bytes, media: tuple[bytes, ...] = (MEDIUM,), by: str | None = None) -> bytes:
    file = io.BytesIO()
    label = Label(
        device_id=by or tablet.device_id, written_at=NOW.isoformat(), envelopes=len(envelopes), media=len(media)
    )
    sealed = [SealedMedium(hashlib.sha256(one).digest(), len(one), [one]) for one in media]
    write_parcel(file, label, envelopes, sealed)
    return file.getvalue()


def taken(context: Context, content: bytes) -> Intake:
    intake = Intake()
    take_parcel.take(context.database, io.BytesIO(content), intake, blobs=context.blobs, now=NOW, user="m")
    return intake


def rows(context: Context) -> list[tuple[str, str, str | None]]:
    with context.database.read() as session:
        query = select(Envelope.carrier, Envelope.state, Envelope.reason).order_by(Envelope.sequence)
        return [(carrier, state, reason) for carrier, state, reason in session.execute(query)]


def test_envelopes_and_media_of_a_file_are_stored_once_and_opened(context: Context, tablet: Tablet) -> None:
    content = written(tablet, tablet.epoch(), tablet.seal(Answers(number=1)))
    first, second = taken(context, content), taken(context, content)
    assert first.is_complete
    assert [code for _, code, _ in first.receipts] == [ReceiptCode.STORED] * 2
    assert [code for _, code, _ in second.receipts] == [ReceiptCode.DUPLICATE] * 2
    assert [sequence for _, _, sequence in first.receipts] == [sequence for _, _, sequence in second.receipts]
    assert (first.known_media, second.known_media, second.media) == (0, 1, [hashlib.sha256(MEDIUM).digest()])
    open_all(context)
    assert rows(context) == [(tablet.device_id, "opened", None)] * 2
    with context.database.read() as session:
        (upload,) = session.scalars(select(Upload))
        assert (upload.length_bytes, upload.received_bytes, upload.completed_at) == (len(MEDIUM), len(MEDIUM), NOW)
    assert b"".join(context.blobs.chunks(first.media[0])) == MEDIUM


def test_another_device_or_nobody_known_may_have_written_the_file(context: Context, tablet: Tablet) -> None:
    taken(context, written(tablet, tablet.epoch(), by="nobody-here"))
    assert rows(context) == [("file", "received", None)]


def test_what_a_revoked_device_sealed_is_set_aside_whoever_wrote_the_file(context: Context, tablet: Tablet) -> None:
    revoke(context, tablet.device_id, at=NOW - timedelta(hours=1))
    taken(context, written(tablet, tablet.epoch(), by="nobody-here"))
    taken(context, written(tablet, tablet.seal(Answers(number=1))))
    open_all(context)
    assert {(state, reason) for _, state, reason in rows(context)} == {("quarantined", "after-revocation")}


def test_of_a_damaged_file_the_rest_is_taken_and_receipted(context: Context, tablet: Tablet) -> None:
    bodies = [tablet.epoch(), *(tablet.seal(Answers(number=number)) for number in (1, 2))]
    content = bytearray(written(tablet, *bodies))
    content[content.index(bodies[1]) + 50] ^= 1
    intake = taken(context, bytes(content))
    assert not intake.is_complete
    assert [one for one, _, _ in intake.receipts] == [hashlib.sha256(bodies[place]).digest() for place in (0, 2)]
    assert intake.members()["missing_envelopes"] == 1
    document = context.keystore.sign_receipts(take_parcel.receipts_of([intake, intake], server_id="a", now=NOW))
    read = FileReceipts.read(document, context.keystore.keyring.receipt_keys)
    assert read.receipts == tuple(intake.receipts)
    assert read.media == tuple(intake.media)


class Flaky(io.BytesIO):
    """A stick that reads a stretch otherwise after it has read it once."""

    def __init__(self, content: bytes, worn: bytes) -> None:
        super().__init__(content)
        self._worn = content.index(worn), len(worn)
        self._was_read = False

    def read(self, size: int | None = -1, /) -> bytes:
        start, length = self._worn
        is_worn = self.tell() == start
        content = super().read(size)
        if is_worn and len(content) == length:
            if self._was_read:
                return bytes(len(content))
            self._was_read = True
        return content


def test_what_a_stick_reads_otherwise_the_second_time_is_not_kept(context: Context, tablet: Tablet) -> None:
    bodies = [tablet.epoch(), tablet.seal(Answers(number=1))]
    content = written(tablet, *bodies, media=(b"another photo", MEDIUM))
    sha256 = hashlib.sha256(MEDIUM).digest()
    for worn in (MEDIUM, bodies[1]):
        intake = Intake()
        file = Flaky(content, worn)
        take_parcel.take(context.database, file, intake, blobs=context.blobs, now=NOW, user="m")
        assert not intake.is_complete
        if worn == MEDIUM:
            assert (intake.members()["missing_media"], len(intake.media)) == (1, 1)
            assert not context.blobs.has(sha256)
        else:
            assert intake.receipts == [(hashlib.sha256(bodies[0]).digest(), ReceiptCode.DUPLICATE, 1)]
    assert taken(context, content).is_complete
    assert b"".join(context.blobs.chunks(sha256)) == MEDIUM


def test_a_late_copy_of_what_was_erased_is_answered_so_and_not_kept(context: Context, tablet: Tablet) -> None:
    body = tablet.seal(Answers(number=1))
    with context.database.transaction() as session:
        session.add(
            Erasure(
                instance_id=raw_id(1),
                interview_id=raw_id(1),
                project_id=1,
                decision_id=bytes(32),
                erased_at=NOW,
                feed_position=1,
            )
        )
    intake = taken(context, written(tablet, tablet.epoch(), body))
    assert [code for _, code, _ in intake.receipts] == [ReceiptCode.STORED, ReceiptCode.ERASED]
    with context.database.read() as session:
        assert body not in session.scalars(select(Envelope.body)).all()


def test_a_file_of_something_else_changes_nothing(context: Context) -> None:
    with pytest.raises(RemoteError, match="malformed"):
        taken(context, b"%PDF-1.7")
    assert rows(context) == []


def test_what_was_committed_before_the_disk_was_full_is_receipted(
    context: Context, tablet: Tablet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise StorageFull("no space")

    monkeypatch.setattr(context.blobs, "incoming", full)
    intake = Intake()
    with pytest.raises(StorageFull):
        take_parcel.take(
            context.database,
            io.BytesIO(written(tablet, tablet.epoch())),
            intake,
            blobs=context.blobs,
            now=NOW,
            user="m",
        )
    assert [code for _, code, _ in intake.receipts] == [ReceiptCode.STORED]
    assert (intake.media, len(rows(context))) == ([], 1)
