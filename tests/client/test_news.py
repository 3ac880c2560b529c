"""What a device does with everything that it can pull."""

from pathlib import Path

import pytest

from sync_protocol import hpke
from sync_protocol.assignments import seal_assignments
from sync_protocol.client.device import Device
from sync_protocol.client.receiving import LOCAL
from sync_protocol.client.transport import Fault, FaultyTransport
from sync_protocol.constants import SUITE_X25519
from sync_protocol.documents import document_hash, key_id
from sync_protocol.entity_rows import EntityRow
from sync_protocol.errors import LocalError
from sync_protocol.handover import Kind
from sync_protocol.pull_items import (
    EntitiesPull,
    FormFile,
    FormVersionPull,
    ReturnedPull,
    RevocationPull,
)
from tests.client.model_transport import CHEAP, FORM, ModelTransport, instance_id, no_wait, seal
from tests.client.told import HANDED, HOUSEHOLDS, PIN, assigned, everything_on_disk, handed, reading, rows
from tests.sync_protocol.model_server import NOW, ModelServer


class TestReceivingKeys:
    """Each exchange names a new key, and old ones go."""

    def test_each_exchange_names_a_new_key_and_old_ones_are_erased(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        for _ in range(3):
            assert device.sync(transport, NOW).outcome == "synced"
        assert len(set(server.named_keys[device.device_id])) == 3
        assert device._receiving.count() == 1

    def test_what_came_in_a_lost_answer_is_pulled_again_and_opens(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        server.feed = [assigned(server)]
        losing = FaultyTransport(transport, lambda number: Fault.ANSWER_LOST if number < 3 else Fault.NONE)
        assert device.sync(losing, NOW, wait=no_wait).outcome == "synced"
        assert device.assignments() == {"P1": HOUSEHOLDS}
        assert device._receiving.count() == 1

    def test_a_locked_device_keeps_what_it_pulls_and_opens_it_later(
        self, tmp_path: Path, server: ModelServer, transport: ModelTransport
    ) -> None:
        with Device.create(tmp_path / "d", pin=PIN) as device:
            device.enrol(server.link(), transport=transport)
            device.sync(transport, NOW)
        server.feed = [assigned(server), rows(server, EntityRow(entity_id="e1", version=1, label="Baa"))]
        with Device.open(tmp_path / "d") as locked:
            assert locked.sync(transport, NOW).outcome == "synced"
            assert len(server.named_keys["device-1"]) == 1, "a locked device names no key"
            with pytest.raises(LocalError, match="pin-needed"):
                locked.assignments()
        with Device.open(tmp_path / "d", pin=PIN) as device:
            assert device.assignments() == {"P1": HOUSEHOLDS}
            device.sync(transport, NOW)
            device.sync(transport, NOW)
            assert device._receiving.count() == 1
            assert [row.label for row in device.entities("villages")] == ["Baa"]
            assert device._database.rows("SELECT sealed_to FROM assignment") == [(LOCAL,)]
            assert device.assignments() == {"P1": HOUSEHOLDS}
        with Device.open(tmp_path / "d") as locked, pytest.raises(LocalError, match="pin-needed"):
            locked.assignments()
        assert b"Canary" not in everything_on_disk(tmp_path / "d")

    def test_a_key_stays_as_long_as_something_is_sealed_to_it(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        server.feed = [handed(server, "returned")]
        for _ in range(3):
            device.sync(transport, NOW)
        assert device._receiving.count() == 2
        assert reading(device).handover("returned", instance_id(1)) == HANDED
        server.feed.append(
            ReturnedPull(instance_id=instance_id(1), form_version_hash=FORM, state="settled", sealed=None)
        )
        device.sync(transport, NOW)
        assert reading(device).handover("returned", instance_id(1)) is None
        assert device._receiving.count() == 1


class TestNews:
    """Every kind that can be pulled."""

    @pytest.mark.parametrize("kind", ["returned", "draft"])
    def test_what_the_office_hands_over_is_kept_sealed(
        self, device: Device, server: ModelServer, transport: ModelTransport, kind: Kind, tmp_path: Path
    ) -> None:
        server.feed = [handed(server, kind)]
        report = device.sync(transport, NOW)
        assert (report.returned, report.drafts) == ((1, 0) if kind == "returned" else (0, 1))
        assert reading(device).handover(kind, instance_id(1)) == HANDED
        assert b"Canary" not in everything_on_disk(tmp_path / "device")

    def test_what_no_decision_key_has_signed_is_passed_over(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        server.feed = [handed(server, "returned", signer="usurper")]
        assert device.sync(transport, NOW).outcome == "synced"
        assert reading(device).handover("returned", instance_id(1)) is None

    def test_entities_are_new_changed_and_gone(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        baa = EntityRow(entity_id="e1", version=1, label="Baa", values={"chief": "Canary"})
        server.feed = [rows(server, baa, EntityRow(entity_id="e2", version=1, label="Bo"))]
        device.sync(transport, NOW)
        assert device.entities("villages")[0] == baa
        changed = EntityRow(entity_id="e1", version=2, label="Baa II")
        server.feed.append(rows(server, changed, EntityRow(entity_id="e2", is_gone=True)))
        device.sync(transport, NOW)
        assert device.entities("villages") == (changed,)
        assert device.entities("schools") == ()
        assert b"Baa" not in everything_on_disk(device._database.directory)

    def test_entities_that_do_not_open_are_kept_as_they_came(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        sealed_to = key_id(server.receiving_keys[device.device_id])
        server.feed = [EntitiesPull(list_name="villages", sealed=b"garbage", sealed_to=sealed_to)]
        assert device.sync(transport, NOW).outcome == "synced"
        assert device._database.rows("SELECT count(*) FROM entity_delta") == [(1,)]

    def test_a_revoked_device_knows_it_and_still_delivers(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        server.feed = [RevocationPull(device_id="device-9", revoked_at=NOW)]
        device.sync(transport, NOW)
        assert not device.is_revoked
        server.feed.append(RevocationPull(device_id=device.device_id, revoked_at=NOW))
        device.sync(transport, NOW)
        assert device.is_revoked
        seal(device, 1)
        assert device.sync(transport, NOW).stored == 2

    def test_files_of_forms_are_fetched_in_ranges_and_compared_with_their_hash(
        self, device: Device, server: ModelServer, transport: ModelTransport
    ) -> None:
        xform, dictionary, picture = b"<h:html/>", b"words" * 100, b"flag" * 50_000
        files = tuple(
            FormFile(name=name, type="x", length_bytes=len(content), sha256=document_hash(content))
            for name, content in (("flag.png", picture), ("dictionary", dictionary), ("empty", b""), ("gone", b"?"))
        )
        form_hash = document_hash(xform)
        server.feed = [
            FormVersionPull(
                form_id="f",
                version="1",
                title="F",
                hash=form_hash,
                xform=xform,
                files=files,
                dictionary=document_hash(dictionary),
            )
        ]
        server.files = {document_hash(dictionary): dictionary, document_hash(picture): b"another" + picture[7:]}
        report = device.sync(transport, NOW)
        assert (report.outcome, report.files) == ("synced", 2)
        assert device.files.dictionary(form_hash) == dictionary
        assert device.files.path(document_hash(picture)) is None, "it had another hash"
        server.files[document_hash(picture)] = picture
        cut = FaultyTransport(transport, lambda number: Fault.ANSWER_LOST if number == 2 else Fault.NONE)
        assert device.sync(cut, NOW, wait=no_wait).files == 1
        found = {file.name: file.path for file in device.files.of(form_hash)}
        assert found["flag.png"] is not None
        assert found["flag.png"].read_bytes() == picture
        assert found["gone"] is None
        server.feed.append(FormVersionPull(
            form_id="f", version="1", title="F", hash=form_hash, state="withdrawn", xform=None
        ))  # fmt: skip
        device.sync(transport, NOW)
        assert device.files.dictionary(form_hash) == dictionary, "an interview that is given back may need it"


def test_what_is_sealed_to_a_key_that_is_gone_is_pulled_anew(
    server: ModelServer, transport: ModelTransport, tmp_path: Path
) -> None:
    """A restored office knows a former key of the device, and the device syncs while it is locked."""
    with Device.create(tmp_path / "locked", pin=PIN, pin_cost=CHEAP) as device:
        device.enrol(server.link(), transport=transport)
        former = server.receiving_keys[device.device_id]
        for _ in range(3):
            device.sync(transport, NOW)
        server.receiving_keys[device.device_id] = former
        server.feed = [assigned(server)]
    with Device.open(tmp_path / "locked") as device:
        assert device.sync(transport, NOW).assignments == 1
    with Device.open(tmp_path / "locked", pin=PIN) as device:
        assert device.sync(transport, NOW).assignments == 1
        assert device.assignments() == {"P1": HOUSEHOLDS}
        assert device.sync(transport, NOW).assignments == 0


def test_the_key_of_the_certificate_opens_what_names_no_key(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    certificate_key = server.receiving_keys[device.device_id]
    item = seal_assignments(HOUSEHOLDS, psu="P1", device_id=device.device_id, receiving_key=certificate_key)
    assert item.sealed_to == ""
    assert hpke.public_key(SUITE_X25519, device._receiving.seed(key_id(certificate_key))) == certificate_key
    server.feed = [item]
    device.sync(transport, NOW)
    assert device.assignments() == {"P1": HOUSEHOLDS}
