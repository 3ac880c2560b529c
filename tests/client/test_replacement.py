"""A tablet is lost: its enumerator's next one goes on with the drafts, and corrects what the office gives back."""

from pathlib import Path
from uuid import UUID

from server.folding.batches import OpeningWorker
from server.services import enrol_device, review_interview
from sync_protocol.client.device import Device
from sync_protocol.client.drafts_instance import read_names
from tests.client.model_transport import CHEAP, interview_xml, uuid_of
from tests.client.test_device_against_server import NOW, Office, office

__all__ = ["office"]


def filled(number: int, name: str) -> bytes:
    return interview_xml(number).replace(b"<answer>yes</answer>", f"<name>{name}</name>".encode())


def open_all(office: Office) -> None:
    context = office.context
    OpeningWorker(
        database=context.database, keystore=context.keystore, microdata=context.microdata, clock=lambda: NOW
    ).run_until_idle()


def test_the_next_tablet_takes_up_drafts_and_returned_interviews(office: Office, tmp_path: Path) -> None:
    form = office.publish()
    with Device.create(tmp_path / "lost", pin="481516", pin_cost=CHEAP) as lost:
        lost.enrol(office.link())
        lost.sync(lost.transport(), NOW)
        for number, name in ((1, "Maya"), (2, "Hari")):
            lost.drafts.save_draft(filled(number, name), form_version_hash=form, now=NOW)
        lost.drafts.finalise(uuid_of(1), now=NOW)
        assert lost.sync(lost.transport(), NOW).sealed == 1
        lost_id = lost.device_id
    open_all(office)
    context = office.context
    with context.database.transaction() as session:
        review_interview.review(
            session,
            keystore=context.keystore,
            interview_id=uuid_of(1),
            verdict="returned",
            note="Who is it?",
            user="manager",
            now=NOW,
        )
        enrol_device.revoke(session, device_id=lost_id, user="manager", now=NOW)
    open_all(office)
    with Device.create(tmp_path / "next", pin="150100", pin_cost=CHEAP) as device:
        device.enrol(office.link())
        report = device.sync(device.transport(), NOW)
        assert (report.returned, report.drafts) == (1, 1)
        assert [(one.kind, one.instance_id) for one in device.handovers.list()] == [
            ("returned", uuid_of(1)),
            ("draft", uuid_of(2)),
        ]
        draft = device.handovers.take_up("draft", uuid_of(2), now=NOW)
        assert device.drafts.read(draft.instance_id).instance_xml == filled(2, "Hari")
        correction = device.handovers.take_up("returned", uuid_of(1), now=NOW)
        content = device.drafts.read(correction.instance_id)
        assert (content.note, read_names(content.instance_xml).deprecated_id) == (
            "Who is it?",
            f"uuid:{UUID(bytes=uuid_of(1))}",
        )
        corrected = content.instance_xml.replace(b"Maya", b"Maya Gurung")
        device.drafts.save_draft(corrected, form_version_hash=form, now=NOW)
        for one in device.drafts.list():
            device.drafts.finalise(one.instance_id, now=NOW)
        assert device.sync(device.transport(), NOW).sealed == 2
        open_all(office)
        device.sync(device.transport(), NOW)
        assert {verdict.state for verdict in device.verdicts()} == {"opened"}
        assert device.handovers.list() == (), "the correction has settled it, the draft is an interview"
