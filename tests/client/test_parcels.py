"""Delivery by file: what a tablet writes, what another carries, what the office's receipts do and do not do."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sync_protocol.client.device import Device
from sync_protocol.constants import MAGIC, Kind
from sync_protocol.deletion import Backup
from sync_protocol.enrolment import server_id
from sync_protocol.envelope import Header, envelope_id, peek
from sync_protocol.errors import RemoteError
from sync_protocol.file_receipts import FileReceipts
from sync_protocol.messages import ReceiptCode
from sync_protocol.parcel import Label, write_parcel
from sync_protocol.transitions import Fate
from tests.client.model_transport import CHEAP, FORM, ModelTransport, interview_xml, seal, uuid_of
from tests.client.test_device import code_of, headers, opened
from tests.client.test_drafts import finalised
from tests.sync_protocol.model_server import NOW, ModelServer, private_key

PHOTO = b"roof" * 1000
OFFICE = server_id(ModelServer().root_key)


@pytest.fixture
def other(tmp_path: Path, server: ModelServer, transport: ModelTransport) -> Iterator[Device]:
    """A second tablet of the same office."""
    with Device.create(tmp_path / "other") as made:
        made.enrol(server.link("another token"), transport=transport)
        yield made


def parcel(device: Device, *, everything: bool = False) -> io.BytesIO:
    file = io.BytesIO()
    device.parcels.export(file, now=NOW, everything=everything)
    return file


def photographed(device: Device, number: int) -> bytes:
    """Seal an interview with a photo; return the hash of the sealed photo."""
    medium = device.media.add(io.BytesIO(PHOTO), "roof.jpg", "image/jpeg")
    device.seal_interview(
        interview_xml(number), instance_id=uuid_of(number), form_version_hash=FORM, now=NOW, media=(medium,)
    )
    return bytes.fromhex(medium.sha256)


def receipts(server: ModelServer, device: Device, *, media: tuple[bytes, ...] = (), key: str = "receipt 1") -> bytes:
    entries = tuple(
        (envelope_id(body), ReceiptCode.STORED, number) for number, body in enumerate(device.envelope_bodies(), 1)
    )
    return FileReceipts(server_id=OFFICE, issued_at=NOW.isoformat(), receipts=entries, media=media).sign(
        private_key(key)
    )


def test_a_medium_that_is_not_what_its_hash_says_is_not_carried(device: Device) -> None:
    for chunks in ([b"abe"], [b"ab"], []):
        with pytest.raises(RemoteError, match="altered"):
            device.media.carry(hashlib.sha256(b"abc").digest(), 3, chunks)
    assert device.media.waiting_media() == ()
    assert [path.name for path in (device._database.directory / "media").iterdir()] == []


def test_another_tablet_delivers_what_a_dead_one_sealed(
    device: Device, other: Device, server: ModelServer, transport: ModelTransport
) -> None:
    photo = photographed(device, 1)
    seal(device, 2)
    file = parcel(device)
    carried = other.parcels.carry(file)
    assert (carried.device_id, carried.envelopes, carried.media, carried.is_whole) == (device.device_id, 3, 1, True)
    assert other.parcels.carry(file).known == 4, "twice is once"
    assert other.media.read_medium(photo, offset=0, length=4) == device.media.read_medium(photo, offset=0, length=4)
    assert [one.sha256 for one in other.media.waiting_media()] == [photo]
    seal(other, 9)
    assert other.progress().interviews == 1, "what it carries is not its own"
    assert [header.sequence for header in headers(other)] == [1, 2], "and not in its chain"
    report = other.sync(transport, NOW, pauses=0)
    assert report.waiting == 0
    bodies = list(server.bodies.values())
    assert bodies == [*other.envelope_bodies(), *device.envelope_bodies()], "its own first, each in its order"
    assert len(opened(device, server)) == 2


def test_what_was_carried_goes_once_it_is_in_a_backup(device: Device, other: Device, transport: ModelTransport) -> None:
    seal(device, 1)
    seal(other, 2)
    other.parcels.carry(parcel(device))
    assert other.parcels.prune(Backup(99, deletes_without_backup=False)) == 0, "not before it is receipted"
    other.sync(transport, NOW)
    assert other.parcels.prune(Backup(3, deletes_without_backup=False)) == 1
    assert other.parcels.prune(Backup(4, deletes_without_backup=False)) == 1
    assert len(list(other.envelope_bodies())) == 2
    seal(other, 3)
    assert [header.sequence for header in headers(other)] == [1, 2, 3]


def test_only_what_the_office_does_not_have_is_written(
    device: Device, other: Device, transport: ModelTransport
) -> None:
    seal(device, 1)
    device.sync(transport, NOW)
    seal(device, 2)
    assert other.parcels.carry(parcel(device)).envelopes == 1
    assert other.parcels.carry(parcel(device, everything=True)).envelopes == 2


def test_an_exported_envelope_is_asked_for_before_it_is_sent_again(
    device: Device, server: ModelServer, other: Device, transport: ModelTransport
) -> None:
    seal(device, 1)
    other.parcels.carry(parcel(device))
    other.sync(transport, NOW)
    report = device.sync(transport, NOW)
    assert (report.outcome, report.sent, report.progress.safe) == ("synced", 0, 1)
    assert len(server.bodies) == 2


def test_a_torn_file_gives_what_holds_and_says_so(device: Device, other: Device) -> None:
    seal(device, 1)
    seal(device, 2)
    whole = parcel(device).getvalue()
    carried = other.parcels.carry(io.BytesIO(whole[:-200]))
    assert not carried.is_whole
    assert carried.envelopes in (1, 2)
    assert code_of(other.parcels.carry, io.BytesIO(b"no parcel at all")) == "malformed"


def test_a_locked_tablet_writes_what_is_sealed(tmp_path: Path, server: ModelServer, transport: ModelTransport) -> None:
    with Device.create(tmp_path / "d", pin="481516") as device:
        device.enrol(server.link("third"), transport=transport)
        device.drafts.seal(finalised(device, 1), now=NOW)
        finalised(device, 2)
    with Device.open(tmp_path / "d") as locked:
        file = io.BytesIO()
        assert locked.parcels.export(file, now=NOW).envelopes == 2


class TestReceipts:
    """Receipts that came by file."""

    def test_they_make_interviews_safe_until_the_next_exchange_asks_again(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        photo = photographed(device, 1)
        parcel(device)
        assert device.parcels.import_receipts(receipts(server, device, media=(photo,))) == 2
        assert device.progress().sentence() == "1 of 1 interview safe"
        assert device.media.waiting_media() == ()
        stored = device.envelope_of(uuid_of(1))
        assert stored is not None
        assert (stored.fate, stored.server_sequence) == (Fate.RECEIPTED, None), "nothing is deleted by it"
        device.sync(transport, NOW, pauses=0)
        assert len(server.bodies) == 2, "this office never had them: the file was older than its restore"
        stored = device.envelope_of(uuid_of(1))
        assert stored is not None
        assert (stored.fate, stored.server_sequence) == (Fate.RECEIPTED, 2)

    def test_nothing_goes_by_a_file_alone(self, device: Device, server: ModelServer) -> None:
        photographed(device, 1)
        photo = device.media.waiting_media()[0].sha256
        device._database.execute(
            "INSERT INTO form_version (hash, form_id, version, title, state) VALUES (?, 'f', '1', 'F', 'withdrawn')",
            FORM,
        )
        device.parcels.import_receipts(receipts(server, device, media=(photo,)))
        assert device._store.erasing.prune(Backup(99, deletes_without_backup=True)) == 0
        assert device.media.read_medium(photo, offset=0, length=1)

    def test_a_refused_or_unknown_envelope_changes_nothing(self, device: Device, server: ModelServer) -> None:
        seal(device, 1)
        (epoch, _) = device.envelope_bodies()
        document = FileReceipts(
            server_id=OFFICE,
            issued_at="",
            receipts=((bytes(32), ReceiptCode.STORED, 1), (envelope_id(epoch), ReceiptCode.QUOTA, None)),
        ).sign(server.receipt)
        assert device.parcels.import_receipts(document) == 0
        assert device.progress().safe == 0

    def test_another_offices_are_not_believed(self, device: Device, server: ModelServer) -> None:
        seal(device, 1)
        assert code_of(device.parcels.import_receipts, receipts(server, device, key="other")) == "signature-invalid"
        assert code_of(device.parcels.import_receipts, b"{}") == "malformed"
        assert device.progress().safe == 0

    def test_an_erasure_by_file_deletes_nothing(self, device: Device, server: ModelServer) -> None:
        seal(device, 1)
        entries = tuple((envelope_id(body), ReceiptCode.ERASED, None) for body in device.envelope_bodies())
        document = FileReceipts(server_id=OFFICE, issued_at="", receipts=entries).sign(server.receipt)
        assert device.parcels.import_receipts(document) == 2
        assert len(list(device.envelope_bodies())) == 2

    def test_receipts_that_name_another_office_are_not_believed(self, device: Device, server: ModelServer) -> None:
        seal(device, 1)
        document = FileReceipts(server_id="0" * 32, issued_at="", receipts=()).sign(server.receipt)
        assert code_of(device.parcels.import_receipts, document) == "another-office"


def written(*bodies: bytes) -> io.BytesIO:
    """A parcel of whatever bytes."""
    file = io.BytesIO()
    write_parcel(file, Label(device_id="other", written_at="", envelopes=len(bodies), media=0), bodies, ())
    return file


def test_what_only_begins_like_an_envelope_is_not_carried(device: Device) -> None:
    garbage = MAGIC + bytes([1, 1, int(Kind.INTERVIEW)]) + b"garbage"
    carried = device.parcels.carry(written(garbage))
    assert (carried.envelopes, carried.refused) == (0, 1)


def test_a_forged_carried_envelope_erases_nothing_but_itself(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    seal(device, 1)
    withdrawn = b"w" * 16
    header = peek(list(device.envelope_bodies())[-1])
    assert isinstance(header, Header)
    forged = replace(header, parents=(withdrawn,)).encode() + b"sealed" + bytes(64)
    later = replace(header, instance_id=b"l" * 16, parents=(header.instance_id,)).encode() + b"sealed" + bytes(64)
    assert device.parcels.carry(written(forged, later)).envelopes == 2
    device._database.execute("UPDATE envelope SET body = CAST(? AS BLOB) WHERE sequence = -2", b"unreadable")
    server.feed = [server.erasure(withdrawn)]
    device.sync(transport, NOW)
    kept = device._database.rows("SELECT sequence FROM envelope WHERE length(body) > 0 ORDER BY sequence")
    assert [sequence for (sequence,) in kept] == [-2, 1, 2]


def test_an_erased_draft_takes_its_photos_along(tmp_path: Path, server: ModelServer, transport: ModelTransport) -> None:
    with Device.create(tmp_path / "d", pin="481516", pin_cost=CHEAP) as device:
        device.enrol(server.link("fourth"), transport=transport)
        own, shared = (device.media.add(io.BytesIO(content), "p.jpg", "image/jpeg") for content in (PHOTO, b"roof"))
        for number, media in ((1, (own, shared)), (2, (shared,))):
            device.drafts.save_draft(interview_xml(number), form_version_hash=FORM, now=NOW, media=media)
    server.feed = [server.erasure(uuid_of(1))]
    with Device.open(tmp_path / "d") as locked:
        locked.sync(transport, NOW)
        assert [draft.instance_id for draft in locked.drafts.list()] == [uuid_of(2)]
        assert [path.name for path in (tmp_path / "d" / "media").iterdir()] == [shared.sha256]


def test_a_tablet_is_wiped_only_when_all_is_at_the_office(
    device: Device, transport: ModelTransport, tmp_path: Path
) -> None:
    finalised(device, 1)
    assert code_of(device.wipe) == "not-all-sent"
    device.drafts.seal_all(now=NOW)
    assert code_of(device.wipe) == "not-all-sent"
    device.sync(transport, NOW)
    device.wipe()
    assert code_of(Device.open, tmp_path / "device") == "device-wiped"
