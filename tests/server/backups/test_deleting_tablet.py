"""A tablet that has deleted what a backup has, as the reference device does it, and the loss of the server's disk."""

from collections.abc import Callable
from pathlib import Path

from server.app import create_app
from server.context import Context
from server.services import publish_form
from sync_protocol.client.device import Device
from tests.client.model_transport import no_wait
from tests.office import NOW, ClientTransport, stored
from tests.server.backups.conftest import make
from tests.server.opening import kit


def test_nothing_is_lost_that_the_reference_device_has_deleted(
    office: Context,
    enrol: Callable[..., Device],
    transport: ClientTransport,
    restore: Callable[[Path], Context],
    tmp_path: Path,
) -> None:
    kit.publish(office)
    device = enrol("0001")

    def seal(number: int) -> None:
        xml = kit.Answers(number=number).xml()
        device.seal_interview(xml, instance_id=kit.raw_id(number), form_version_hash=kit.form_hash(), now=NOW)

    for number in (1, 2):
        seal(number)
    device.sync(transport, NOW)
    assert kit.open_all(office).opened == 3
    made = make(office, tmp_path / "one")
    office._backed_up = ("", 0.0, None)  # some seconds later
    device.sync(transport, NOW)
    with office.database.transaction() as session:
        publish_form.change_state(
            session, form_id=kit.FORM_ID, version=kit.VERSION, state="closed", note="over", user="m", now=NOW
        )
    seal(3)
    report = device.sync(transport, NOW)
    assert report.outcome == "synced"
    assert device.sync(transport, NOW).pruned + report.pruned == 2
    everything = sorted(body for _, _, _, body in stored(office))

    restored = restore(made.folder)
    client = create_app(restored.config, restored).test_client()
    again = device.sync(ClientTransport(client), NOW, wait=no_wait)

    assert (again.outcome, again.waiting) == ("synced", 0)
    assert sorted(body for _, _, _, body in stored(restored)) == everything
