"""What the office hands over: an interview to be corrected, a draft of a former device."""

import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from sync_protocol.client.device import Device
from sync_protocol.client.drafts_instance import read_names
from sync_protocol.client.drafts_store import DraftState
from sync_protocol.documents import key_id
from sync_protocol.envelope import Header, open_interview, peek
from sync_protocol.handover import Address, Handover, Kind, seal_handover
from sync_protocol.plaintext import Medium
from sync_protocol.ratchet import EpochKeys
from tests.client.model_transport import CHEAP, FORM, ModelTransport, interview_xml, uuid_of
from tests.client.test_device import code_of, opened
from tests.client.test_drafts import epoch_key, finalised
from tests.sync_protocol.model_server import NOW, ModelServer, private_key

ROOF = Medium(name="roof.jpg", type="image/jpeg", length_bytes=3, sha256="00" * 32, key="11" * 32)


def hand_over(device: Device, kind: Kind, number: int, xml: bytes | None = None, **members: object) -> bytes:
    """Put what the office hands over where an exchange would put it, after it has checked the signature."""
    database = device._database
    ((public_key,),) = database.rows("SELECT public_key FROM receiving_key ORDER BY position DESC LIMIT 1")
    handover = Handover(instance_xml=xml or interview_xml(number, "no"), mode="survey", **members)  # type: ignore[arg-type]
    address = Address(kind, device.device_id, uuid_of(number), FORM)
    frame = seal_handover(handover, address, receiving_key=bytes(public_key), signer=private_key("decision"))
    database.execute(
        "INSERT OR REPLACE INTO handover (kind, instance_id, form_version_hash, frame, sealed_to)"
        " VALUES (?, ?, ?, ?, ?)",
        *(kind, uuid_of(number), FORM, frame, key_id(bytes(public_key))),
    )
    return uuid_of(number)


def test_a_returned_interview_is_corrected_under_a_name_of_its_own(device: Device, server: ModelServer) -> None:
    former = hand_over(device, "returned", 1, note="The year cannot be right.", media=(ROOF,))
    (listed,) = device.handovers.list()
    assert (listed.kind, listed.instance_id, listed.standing) == ("returned", former, "new")
    draft = device.handovers.take_up("returned", former, now=NOW)
    assert draft.instance_id not in (former, bytes(16))
    assert (draft.parents, draft.state, draft.form_version_hash) == ((former,), DraftState.DRAFT, FORM)
    content = device.drafts.read(draft.instance_id)
    assert (content.note, content.media) == ("The year cannot be right.", (ROOF,))
    names = read_names(content.instance_xml)
    assert (names.instance_id, names.deprecated_id) == (
        f"uuid:{UUID(bytes=draft.instance_id)}",
        f"uuid:{UUID(bytes=former)}",
    )
    corrected = content.instance_xml.replace(b"no", b"yes")
    device.drafts.save_draft(corrected, form_version_hash=FORM, now=NOW)
    device.drafts.finalise(draft.instance_id, now=NOW)
    device.drafts.seal(draft.instance_id, now=NOW)
    assert opened(device, server) == {draft.instance_id: corrected}
    body = list(device.envelope_bodies())[-1]
    header = peek(body)
    assert isinstance(header, Header)
    assert header.parents == (former,)
    key = EpochKeys(epoch_key(device, server), header.epoch_hash).content_key(header.index)
    assert open_interview(body, key)[0].media == (ROOF,), "named again"
    assert device.media.waiting_media() == (), "and not sent again"
    assert [one.standing for one in device.handovers.list()] == ["sealed"]
    assert code_of(device.handovers.take_up, "returned", former, now=NOW) == "taken-up"


def test_a_correction_that_was_thrown_away_is_begun_anew(device: Device) -> None:
    former = hand_over(device, "returned", 1)
    first = device.handovers.take_up("returned", former, now=NOW)
    assert code_of(device.handovers.take_up, "returned", former, now=NOW) == "taken-up"
    device.drafts.discard(first.instance_id)
    second = device.handovers.take_up("returned", former, now=NOW)
    assert second.instance_id != first.instance_id


def test_the_unit_of_a_returned_interview_is_that_of_its_household(device: Device) -> None:
    database = device._database
    for psu, household in (("P1", "P1-07"), ("P2", "P2-01")):
        database.execute("INSERT INTO assignment VALUES (?, ?, x'', 'x')", psu, json.dumps([household]))
    former = hand_over(device, "returned", 1, household_key="P2-01")
    assert device.handovers.take_up("returned", former, now=NOW).psu == "P2"


def test_a_draft_of_a_former_device_goes_on_under_its_own_name(
    device: Device, server: ModelServer, transport: ModelTransport
) -> None:
    xml = interview_xml(1, "half").replace(b"</orx:meta>", b"<orx:deprecatedID>uuid:x</orx:deprecatedID></orx:meta>")
    instance_id = hand_over(device, "draft", 1, xml)
    draft = device.handovers.take_up("draft", instance_id, now=NOW)
    assert draft.instance_id == instance_id
    assert len(draft.parents) == 1, "it was a correction"
    assert device.drafts.read(instance_id).instance_xml == xml
    assert draft.is_changed, "this device is the one that holds it now"
    finalised(device, 1, "whole", now=NOW + timedelta(minutes=1))
    device.sync(transport, NOW)
    assert opened(device, server) == {instance_id: interview_xml(1, "whole")}
    assert device.handovers.list() == ()


@pytest.mark.parametrize("kind", ["returned", "draft"])
def test_what_was_not_handed_over_cannot_be_taken_up(device: Device, kind: Kind) -> None:
    assert code_of(device.handovers.take_up, kind, uuid_of(1), now=NOW) == "handover-unknown"
    assert device.handovers.list() == ()


def test_a_locked_device_lists_what_was_handed_over_and_opens_it_later(
    tmp_path: Path, server: ModelServer, transport: ModelTransport
) -> None:
    with Device.create(tmp_path / "pin", pin="481516", pin_cost=CHEAP) as device:
        device.enrol(server.link(), transport=transport)
        former = hand_over(device, "returned", 1)
    with Device.open(tmp_path / "pin") as locked:
        assert [one.standing for one in locked.handovers.list()] == ["new"]
        assert code_of(locked.handovers.take_up, "returned", former, now=NOW) == "pin-needed"
    with Device.open(tmp_path / "pin", pin="481516") as device:
        assert device.handovers.take_up("returned", former, now=NOW).parents == (former,)


def test_what_is_sealed_to_another_device_does_not_open_and_begins_nothing(device: Device) -> None:
    former = hand_over(device, "returned", 1)
    device._database.execute("UPDATE handover SET instance_id = ?", uuid_of(2))
    assert code_of(device.handovers.take_up, "returned", uuid_of(2), now=NOW) == "undecryptable"
    assert code_of(device.handovers.take_up, "returned", former, now=NOW) == "handover-unknown"
    assert device.drafts.list() == ()
