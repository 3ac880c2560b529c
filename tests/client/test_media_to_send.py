"""Media go after interviews, in parts, once, and to the end; and what a person is told of it."""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from sync_protocol.client.device import Device
from sync_protocol.client.report import Progress
from sync_protocol.client.transport import Answer, Fault, FaultyTransport
from sync_protocol.documents import document_hash
from sync_protocol.errors import LocalError
from sync_protocol.media import open_medium, verify_medium
from sync_protocol.pull_items import (
    FormFile,
    FormVersionPull,
)
from tests.client.model_transport import ModelTransport, instance_id, no_wait, seal
from tests.client.told import everything_on_disk, name_by, photograph
from tests.sync_protocol.model_server import NOW, ModelServer


class TestMedia:
    """Pictures on the device and on their way."""

    def test_a_picture_is_sealed_sent_and_opens_at_the_office(
        self, device: Device, server: ModelServer, transport: ModelTransport, tmp_path: Path
    ) -> None:
        content = b"Canary" * 20_000
        medium = photograph(device, content)
        assert device.sync(transport, NOW).parts == 0, "nothing names it yet"
        seal(device, 1)
        name_by(device, 1, medium)
        assert device.progress() == Progress(0, 1, media=1, bytes_left=device.progress().bytes_left)
        said: list[str] = []
        report = device.sync(transport, NOW, on_progress=lambda progress: said.append(progress.sentence()))
        assert (report.outcome, report.media, report.media_waiting, report.exchanges) == ("synced", 1, 0, 1)
        sha256 = bytes.fromhex(medium.sha256)
        sealed = server.media[sha256]
        verify_medium([sealed], sha256)
        assert b"".join(open_medium([sealed], bytes.fromhex(medium.key))) == content
        assert b"CanaryCanary" not in everything_on_disk(tmp_path / "device")
        assert said[0].startswith("1 of 1 interview safe, 1 photo to go")
        assert said[-1] == "1 of 1 interview safe"

    def test_a_picture_of_a_path_and_an_empty_one_are_sealed_too(self, device: Device, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        medium = device.media.add(tmp_path / "empty", "empty", "audio/ogg")
        with pytest.raises(OSError, match="missing"):
            device.media.add(tmp_path / "missing", "x", "y")
        assert [path.name for path in (tmp_path / "device" / "media").iterdir()] == [medium.sha256]

    def test_a_picture_that_is_too_large_leaves_no_trace(
        self, device: Device, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("sync_protocol.client.media.MEDIUM_BYTES", 1_000)
        with pytest.raises(LocalError, match="too-large"):
            photograph(device)
        assert not list((tmp_path / "device" / "media").iterdir())

    def test_a_later_revision_names_a_picture_again_without_sending_it(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        medium = photograph(device)
        for number in (1, 2):
            seal(device, number)
            name_by(device, number, medium)
            device.sync(transport, NOW)
        assert len(server.media) == 1
        assert device.sync(transport, NOW).parts == 0

    def test_a_lost_answer_to_the_last_part_costs_a_question_and_an_exchange(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        seal(device, 1)
        name_by(device, 1, photograph(device, b"x"))
        losing = FaultyTransport(transport, lambda number: Fault.ANSWER_LOST if number == 1 else Fault.NONE)
        report = device.sync(losing, NOW, wait=no_wait)
        assert (report.outcome, report.media, report.parts, report.exchanges) == ("synced", 1, 1, 2)

    def test_a_discarded_picture_goes_with_the_next_sync(
        self, device: Device, transport: ModelTransport, tmp_path: Path
    ) -> None:
        medium = photograph(device)
        with device._database.transaction():
            device.media.discard(instance_id(1), [medium])
        device.sync(transport, NOW)
        assert not list((tmp_path / "device" / "media").iterdir())

    def test_a_picture_goes_when_a_later_number_is_backed_up(
        self, device: Device, server: ModelServer, transport: ModelTransport, tmp_path: Path
    ) -> None:
        seal(device, 1)
        name_by(device, 1, photograph(device))
        server.backed_up_sequence = 99
        assert device.sync(transport, NOW).pruned == 0, "the backup may be older than the picture"
        seal(device, 2)
        assert device.sync(transport, NOW).pruned == 1
        assert not list((tmp_path / "device" / "media").iterdir())
        assert device.envelope_of(instance_id(1)) is not None

    def test_after_a_restore_pictures_that_are_here_are_sent_again(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        seal(device, 1)
        name_by(device, 1, photograph(device))
        server.backed_up_sequence = 2
        device.sync(transport, NOW)
        server.restore(kept=1)
        server.lose_media()
        server.backed_up_sequence = None
        assert device.sync(transport, NOW).media == 1
        assert (len(server.media), device.backed_up_sequence) == (1, None)

    def test_a_picture_whose_file_is_gone_is_no_reason_to_lose_an_interview(
        self, device: Device, server: ModelServer, transport: ModelTransport, tmp_path: Path
    ) -> None:
        seal(device, 1)
        name_by(device, 1, photograph(device))
        for path in (tmp_path / "device" / "media").iterdir():
            path.unlink()
        report = device.sync(transport, NOW)
        assert (report.stored, report.outcome, len(report.unreadable)) == (2, "synced", 1)
        assert f"({report.unreadable[0][:8]})" in report.warnings()[0]
        device.wipe()
        assert not (tmp_path / "device" / "media").exists()

    def test_pictures_that_rotted_are_passed_over_and_sent_when_they_are_whole_again(
        self, device: Device, server: ModelServer, transport: ModelTransport, tmp_path: Path
    ) -> None:
        seal(device, 1)
        rotten = [device.media.add(io.BytesIO(bytes([number])), "a.jpg", "image/jpeg") for number in range(51)]
        good = device.media.add(io.BytesIO(bytes(90_000)), "b.jpg", "image/jpeg")
        name_by(device, 1, *rotten, good)
        folder = tmp_path / "device" / "media"
        former = {one.sha256: (folder / one.sha256).read_bytes() for one in rotten}
        for name, content in former.items():
            (folder / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])
        report = device.sync(transport, NOW)
        assert (report.outcome, report.media, len(report.unreadable)) == ("synced", 1, 51)
        assert report.parts < 5
        (folder / rotten[0].sha256).write_bytes(former[rotten[0].sha256])
        report = device.sync(transport, NOW)
        assert (report.media, len(report.unreadable), len(server.media)) == (1, 50, 2)

    def test_a_picture_that_is_just_being_added_is_not_swept(self, device: Device, tmp_path: Path) -> None:
        photograph(device)
        folder = tmp_path / "device" / "media"
        young, old = folder / "a.unfinished", folder / "b.unfinished"
        for path in (young, old):
            path.write_bytes(b"half")
        os.utime(old, (0, 0))
        assert device.media.sweep() == 1
        assert (young.exists(), old.exists(), len(list(folder.iterdir()))) == (True, False, 2)


def test_progress_says_what_is_safe_what_is_to_go_and_how_long_it_takes() -> None:
    progress = Progress(37, 40, media=6, bytes_left=900_000, seconds_left=118.0)
    assert progress.sentence() == "37 of 40 interviews safe, 6 photos to go, 2 min"
    assert progress.sentence("fr") == "37 entretiens sur 40 en sécurité, encore 6 photos, 2 min"
    assert Progress(40, 40, media=1).sentence() == "40 of 40 interviews safe, 1 photo to go"


def test_the_rate_of_the_link_is_measured(device: Device, server: ModelServer, transport: ModelTransport) -> None:
    seal(device, 1)
    name_by(device, 1, photograph(device, bytes(200_000)))
    said: list[Progress] = []
    device.sync(transport, NOW, on_progress=said.append)
    assert any(progress.seconds_left is not None and progress.bytes_left for progress in said)
    assert said[-1].seconds_left is None


class CountingTransport(ModelTransport):
    """Notes the method and path of each request."""

    def __init__(self, server: ModelServer) -> None:
        super().__init__(server)
        self.asked: list[str] = []

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.asked.append(path.split("/")[3])
        return super().send(method, path, headers, body)


def test_the_order_is_interviews_dictionaries_media_files(device: Device, server: ModelServer) -> None:
    seal(device, 1)
    name_by(device, 1, photograph(device, b"small"))
    contents = (b"dictionary", b"file")
    files = tuple(
        FormFile(name=content.decode(), type="x", length_bytes=len(content), sha256=document_hash(content))
        for content in contents
    )
    server.files = {document_hash(content): content for content in contents}
    xform = b"<h:html/>"
    server.feed = [
        FormVersionPull(
            form_id="f",
            version="1",
            title="F",
            hash=document_hash(xform),
            xform=xform,
            files=files,
            dictionary=document_hash(b"dictionary"),
        )
    ]
    transport = CountingTransport(server)
    device.sync(transport, NOW)
    assert transport.asked == ["exchange", "blobs", "media", "blobs"]
