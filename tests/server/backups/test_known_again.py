"""A tablet that enrolled after the backup makes itself known again after the restore."""

import io
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from server.app import create_app
from server.context import Context
from server.db.queries import audit, devices
from server.db.tables import Envelope
from server.services.open_items import OpeningWorker
from sync_protocol import messages
from sync_protocol.client.device import Device
from sync_protocol.enrolment import make_request_again
from tests.client.model_transport import no_wait, seal
from tests.office import NOW, ClientTransport, Tablet, publish, revoke
from tests.server.backups.conftest import make, sqlite_only

Restore = Callable[[Path], Context]


def reasons(context: Context) -> set[str | None]:
    """Open what can be opened; return why the rest is in quarantine."""
    OpeningWorker(
        database=context.database,
        keystore=context.keystore,
        microdata=context.microdata,
        clock=lambda: NOW,
        blobs=context.blobs,
    ).run_until_idle()
    with context.database.read() as session:
        return set(session.scalars(select(Envelope.reason)))


def test_what_a_tablet_sealed_that_the_backup_does_not_know_is_opened_when_it_comes(
    office: Context, enrol: Callable[..., Device], transport: ClientTransport, restore: Restore, tmp_path: Path
) -> None:
    publish(office)
    former = enrol("0001")
    made = make(office, tmp_path / "one")
    later = enrol("0002")
    seal(later, 1)

    restored = restore(made.folder)
    there = ClientTransport(create_app(restored.config, restored).test_client())
    parcel = io.BytesIO()
    later.parcels.export(parcel, now=NOW)
    parcel.seek(0)
    former.parcels.carry(parcel)
    assert former.sync(there, NOW, wait=no_wait).outcome == "synced"
    assert "unknown-certificate" in reasons(restored)
    report = later.sync(there, NOW, wait=no_wait)

    assert (report.outcome, report.duplicates, report.waiting) == ("synced", 2, 0)
    assert "unknown-certificate" not in reasons(restored)
    with restored.database.read() as session:
        known = devices.device(session, later.device_id)
        told = [(entry.action, entry.actor) for entry in audit.latest(session)]
    assert known is not None
    assert (known.enumerator, known.project_id, known.revoked_at) == ("0002", 1, None)
    assert ("readmit-device", later.device_id) in told
    seal(later, 2)
    assert later.sync(there, NOW, wait=no_wait).stored == 1


@sqlite_only
def test_a_certificate_lets_nobody_in_who_is_revoked_or_of_another_office(office: Context) -> None:
    client = create_app(office.config, office).test_client()
    tablet = Tablet(office, client).enrol()
    with office.database.read() as session:
        device = devices.device(session, tablet.device_id)
        assert device is not None
        certificate = devices.certificate(session, device.certificate_hash)
    assert certificate is not None

    def ask(document: bytes, **changed: bytes) -> tuple[int, str]:
        request = make_request_again(
            certificate=document,
            root_key=office.keystore.root_key,
            signer=tablet.key,
            **{"signing_key": device.signing_key, "receiving_key": device.receiving_key, **changed},
        )
        body = messages.encode_enrol_request(request)
        answer = client.post("/sync/v1/enrol", data=body, content_type="application/json")
        if answer.status_code == 201:
            return 201, messages.decode_enrol_answer(answer.get_data()).device_id
        return answer.status_code, messages.decode_problem(answer.status_code, answer.get_data()).slug

    assert ask(certificate) == (201, tablet.device_id)
    assert ask(certificate, receiving_key=bytes(32)) == (403, "token-invalid")
    assert ask(certificate.replace(b"0001", b"0002"))[1] == "signature-invalid"
    revoke(office, tablet.device_id)
    assert ask(certificate) == (403, "token-invalid")
