"""The reference device and the real server, over a real socket."""

import http.client
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from werkzeug.serving import make_server

from server import migrations
from server.app import create_app
from server.config import Config
from server.context import Context
from server.db.queries import erasures, feed
from server.folding.batches import OpeningWorker
from server.keystore import KeyStore
from server.services import enrol_device, proposals, publish_form
from sync_protocol import messages, signatures
from sync_protocol.client.device import Device
from sync_protocol.client.transport import Fault, FaultyTransport, HttpTransport
from sync_protocol.enrolment import EnrolmentLink
from sync_protocol.envelope import envelope_id
from sync_protocol.errors import LocalError, RemoteError
from sync_protocol.frames import LENGTH, deflate, encode_body
from tests.client.model_transport import instance_id, no_wait

NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
XFORM = b"""<?xml version="1.0"?>
<h:html xmlns="http://www.w3.org/2002/xforms" xmlns:h="http://www.w3.org/1999/xhtml"
    xmlns:orx="http://openrosa.org/xforms">
  <h:head><h:title>Visit</h:title>
    <model>
      <instance><data id="visit" version="1"><name/><orx:meta><orx:instanceID/></orx:meta></data></instance>
      <bind nodeset="/data/name" type="string"/>
      <bind nodeset="/data/orx:meta/orx:instanceID" type="string" readonly="true()" jr:preload="uid"
        xmlns:jr="http://openrosa.org/javarosa"/>
    </model>
  </h:head>
  <h:body><input ref="/data/name"><label>Name</label></input></h:body>
</h:html>
"""


@dataclass
class Office:
    """A running server."""

    url: str
    context: Context

    def link(self, enumerator: str = "E01") -> EnrolmentLink:
        with self.context.database.transaction() as session:
            token = enrol_device.issue_token(session, enumerator=enumerator, user="admin", now=datetime.now(UTC))
        return EnrolmentLink(self.url, token, self.context.keystore.root_key)

    def publish(self, xform: bytes = XFORM) -> bytes:
        prepared = publish_form.prepare(xform, "visit.xml")
        with self.context.database.transaction() as session:
            return publish_form.publish(session, prepared, note="", user="admin", now=NOW).hash

    def stored(self) -> list[bytes]:
        """Bodies of all stored envelopes, in the order of their sequence."""
        from server.db.tables import Envelope

        with self.context.database.read() as session:
            return [row.body for row in session.query(Envelope).order_by(Envelope.sequence)]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    config = Config.in_directory(tmp_path / "office")
    config.data_dir.mkdir()
    KeyStore.create(config.keys_dir, None, tmp_path / "root.key", now=NOW)
    context = Context.open(config)
    migrations.upgrade(context.database)
    server = make_server("127.0.0.1", 0, create_app(config, context), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Office(f"http://127.0.0.1:{server.server_port}", context)
    server.shutdown()
    thread.join()
    server.server_close()
    context.close()


@pytest.fixture
def device(office: Office, tmp_path: Path) -> Iterator[Device]:
    with Device.create(tmp_path / "device") as made:
        made.enrol(office.link())
        yield made


def seal(device: Device, number: int, form_version_hash: bytes) -> None:
    chosen = instance_id(number)
    xml = (
        '<data id="visit" version="1"><name>name</name><orx:meta xmlns:orx="http://openrosa.org/xforms">'
        f"<orx:instanceID>uuid:{UUID(bytes=chosen)}</orx:instanceID></orx:meta></data>"
    )
    device.seal_interview(xml.encode(), instance_id=chosen, form_version_hash=form_version_hash, now=NOW)


def post(url: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("POST", path, body=body, headers=headers)
    response = connection.getresponse()
    answer = response.status, dict(response.getheaders()), response.read()
    connection.close()
    return answer


def problem(answer: tuple[int, dict[str, str], bytes]) -> str:
    return messages.decode_problem(answer[0], answer[2]).slug


def test_an_enrolled_device_pulls_forms_and_its_interviews_are_stored(office: Office, device: Device) -> None:
    form_version_hash = office.publish()
    report = device.sync(device.transport(), NOW)
    assert (report.outcome, report.forms) == ("synced", 1)
    (form,) = device.form_versions()
    assert (form.form_id, form.hash, sha256(form.xform or b"").digest()) == ("visit", form_version_hash, form.hash)
    for number in range(5):
        seal(device, number, form.hash)
    report = device.sync(device.transport(), NOW)
    assert (report.outcome, report.exchanges, report.stored, report.waiting) == ("synced", 1, 6, 0)
    assert office.stored() == list(device.envelope_bodies())


def test_lost_requests_and_answers_lose_and_double_nothing(office: Office, device: Device) -> None:
    form_version_hash = office.publish()
    for number in range(7):
        seal(device, number, form_version_hash)
    faults = [Fault.REQUEST_LOST, Fault.ANSWER_LOST, Fault.REPEATED, Fault.ANSWER_TORN]
    choose = dict(enumerate(faults))
    transport = FaultyTransport(device.transport(), lambda number: choose.get(number, Fault.NONE))
    report = device.sync(transport, NOW, pauses=10, wait=no_wait)
    assert (report.outcome, report.waiting, report.progress.safe) == ("synced", 0, 7)
    assert office.stored() == list(device.envelope_bodies())


def test_six_devices_sync_at_once(office: Office, tmp_path: Path) -> None:
    form_version_hash = office.publish()

    def work(number: int) -> list[bytes]:
        with Device.create(tmp_path / f"device {number}") as device:
            device.enrol(office.link(f"E{number:02}"))
            with device.bulk():
                for interview in range(8):
                    seal(device, 100 * number + interview, form_version_hash)
            assert device.sync(device.transport(), NOW).outcome == "synced"
            return list(device.envelope_bodies())

    with ThreadPoolExecutor(6) as pool:
        sealed = [body for bodies in pool.map(work, range(6)) for body in bodies]
    assert sorted(office.stored()) == sorted(sealed)


def test_a_lost_answer_to_an_enrolment_is_given_again(office: Office, tmp_path: Path) -> None:
    link = office.link()
    losing = FaultyTransport(
        HttpTransport(link.base_url), lambda number: Fault.ANSWER_TORN if number == 0 else Fault.NONE
    )
    with Device.create(tmp_path / "d") as device:
        with pytest.raises(RemoteError):
            device.enrol(link, transport=losing)
        device.enrol(link, transport=losing)
        losing.close()
        assert device.sync(device.transport(), NOW).outcome == "synced"


def test_a_used_link_lets_no_other_device_in(office: Office, tmp_path: Path) -> None:
    link = office.link()
    with Device.create(tmp_path / "first") as first:
        first.enrol(link)
    with Device.create(tmp_path / "second") as second:
        with pytest.raises(RemoteError) as caught:
            second.enrol(link)
        assert caught.value.code == "token-invalid"


def test_a_device_restored_from_a_backup_takes_the_next_counter(office: Office, device: Device) -> None:
    device.sync(device.transport(), NOW)
    device.sync(device.transport(), NOW)
    device._store.put_setting("counter", 0)
    seal(device, 1, bytes(32))
    report = device.sync(device.transport(), NOW)
    assert (report.outcome, report.exchanges, report.stored) == ("synced", 2, 2)


def test_a_revoked_device_still_delivers_into_quarantine(office: Office, device: Device) -> None:
    seal(device, 1, bytes(32))
    with office.context.database.transaction() as session:
        enrol_device.revoke(session, device_id=device.device_id, user="admin", now=NOW)
    office.publish()
    report = device.sync(device.transport(), NOW)
    assert (report.outcome, report.quarantined, report.forms) == ("synced", 2, 0)
    assert office.stored() == list(device.envelope_bodies())


def test_after_a_restore_of_the_office_everything_is_offered_again(office: Office, device: Device) -> None:
    from server.db.queries import feed
    from server.db.tables import Envelope

    for number in range(3):
        seal(device, number, bytes(32))
    device.sync(device.transport(), NOW)
    with office.context.database.transaction() as session:
        lost = session.query(Envelope).filter(Envelope.envelope_id == envelope_id(list(device.envelope_bodies())[2]))
        session.delete(lost.one())
        feed.start_anew(session, "another-life")
    report = device.sync(device.transport(), NOW)
    assert (report.outcome, report.sent, report.stored, report.duplicates) == ("synced", 1, 1, 3)
    assert sorted(office.stored()) == sorted(device.envelope_bodies())


def test_an_unknown_device_is_told_so_under_signature(office: Office, device: Device) -> None:
    key = Ed25519PrivateKey.generate()
    headers = signatures.sign_request("POST", messages.PATH_EXCHANGE, b"", device_id="nobody", key=key)
    answer = post(office.url, messages.PATH_EXCHANGE, b"", {"Content-Type": messages.MEDIA_TYPE_EXCHANGE, **headers})
    assert (answer[0], problem(answer)) == (403, "device-unknown")
    keyring = office.context.keystore.keyring
    refusal = messages.decode_problem(answer[0], answer[2])
    assert refusal.keyring == office.context.keystore.keyring_document
    signatures.verify_answer(
        answer[0],
        answer[2],
        headers=answer[1],
        method="POST",
        path=messages.PATH_EXCHANGE,
        request_digest=signatures.request_digest(b""),
        public_key=keyring.receipt_key(signatures.answer_key_id(answer[1])) or b"",
    )


def _body(control: bytes) -> bytes:
    """A body that no honest side makes: its control may be anything."""
    deflated = deflate(control)
    return LENGTH.pack(len(deflated)) + deflated


class TestHostileRequests:
    """Signed by an enrolled device, and still refused; nothing of them is stored."""

    def refusal(self, office: Office, device: Device, body: bytes, **changed: str) -> tuple[int, str]:
        headers = signatures.sign_request(
            "POST", messages.PATH_EXCHANGE, body, device_id=device.device_id, key=device._signer
        )
        sent = {"Content-Type": messages.MEDIA_TYPE_EXCHANGE, **headers, **changed}
        answer = post(office.url, messages.PATH_EXCHANGE, body, sent)
        assert office.stored() == []
        return answer[0], problem(answer)

    def test_garbage_is_malformed(self, office: Office, device: Device) -> None:
        assert self.refusal(office, device, b"garbage") == (400, "malformed")

    def test_a_bomb_is_too_large(self, office: Office, device: Device) -> None:
        assert self.refusal(office, device, _body(bytes(10_000_000))) == (413, "too-large")

    def test_an_envelope_over_a_mebibyte_is_too_large(self, office: Office, device: Device) -> None:
        long = encode_body(b"{}", [bytes(2**20 + 1)], frame_bytes=2**21)
        assert self.refusal(office, device, long) == (413, "too-large")

    def test_another_version_is_unsupported(self, office: Office, device: Device) -> None:
        assert self.refusal(office, device, encode_body(b'{"version":9}', [])) == (400, "version-unsupported")

    def test_another_body_than_the_signed_one_is_a_mismatch(self, office: Office, device: Device) -> None:
        another = signatures.sign_request(
            "POST", messages.PATH_EXCHANGE, b"another", device_id=device.device_id, key=device._signer
        )
        assert self.refusal(office, device, b"body", **another) == (400, "digest-mismatch")

    def test_a_digest_put_over_the_signed_one_is_no_signature(self, office: Office, device: Device) -> None:
        digest = signatures.content_digest(b"another")
        assert self.refusal(office, device, b"body", **{"Content-Digest": digest}) == (401, "signature-invalid")

    def test_a_signature_of_another_key_is_invalid(self, office: Office, device: Device) -> None:
        key = Ed25519PrivateKey.generate()
        other = signatures.sign_request("POST", messages.PATH_EXCHANGE, b"x", device_id=device.device_id, key=key)
        assert self.refusal(office, device, b"x", **other) == (401, "signature-invalid")

    def test_another_media_type_is_unsupported(self, office: Office, device: Device) -> None:
        refused = self.refusal(office, device, b"x", **{"Content-Type": "text/plain"})
        assert refused == (415, "unsupported-media")


def test_hello_says_who_answers(office: Office) -> None:
    answer = HttpTransport(office.url).send("GET", messages.PATH_HELLO, {}, b"")
    hello = messages.decode_hello(answer.body)
    assert (hello.server_id, hello.root_key) == (office.context.keystore.server_id, office.context.keystore.root_key)


def test_what_was_opened_is_said_in_the_next_exchange(office: Office, device: Device) -> None:
    form_version_hash = office.publish()
    seal(device, 1, form_version_hash)
    device.sync(device.transport(), NOW)
    context = office.context
    worker = OpeningWorker(
        database=context.database, keystore=context.keystore, microdata=context.microdata, clock=lambda: NOW
    )
    worker.run_until_idle()
    report = device.sync(device.transport(), NOW)
    (verdict,) = device.verdicts()
    assert (report.verdicts, verdict.instance_id, verdict.state, verdict.reason) == (1, instance_id(1), "opened", None)


def test_a_picture_comes_whole_whatever_answers_are_lost(office: Office, device: Device) -> None:
    form_version_hash = office.publish()
    seal(device, 1, form_version_hash)
    medium = device.media.add(io.BytesIO(bytes(300_000)), "dwelling.jpg", "image/jpeg")
    with device._database.transaction():
        device.media.name_by(instance_id(1), [medium])
    transport = HttpTransport(office.url)
    losing = FaultyTransport(transport, lambda number: Fault.ANSWER_LOST if number in (3, 5) else Fault.NONE)
    report = device.sync(losing, NOW, wait=no_wait)
    assert (report.outcome, report.media, report.media_waiting) == ("synced", 1, 0)
    assert transport.bytes_written < 1.05 * medium.length_bytes, "nothing was sent twice"
    assert device.files.dictionary(form_version_hash), "it was fetched on the way"
    assert device.sync(transport, NOW).parts == 0


def test_what_the_office_erases_goes_and_a_wipe_is_obeyed_once_everything_is_delivered(
    office: Office, device: Device, tmp_path: Path
) -> None:
    form_version_hash = office.publish()
    seal(device, 1, form_version_hash)
    device.sync(device.transport(), NOW)
    with office.context.database.transaction() as session:
        erased = erasures.NewErasure(
            instance_id=instance_id(1),
            interview_id=instance_id(1),
            project_id=1,
            decision_id=b"d" * 32,
            erased_at=NOW,
        )
        erasures.add(session, [erased], feed_position=feed.next_position(session))
    assert device.sync(device.transport(), NOW).erasures == 1
    assert device.envelope_of(instance_id(1)) is None
    seal(device, 2, form_version_hash)
    with office.context.database.transaction() as session:
        enrol_device.revoke(session, device_id=device.device_id, user="amina", now=NOW)
        number = proposals.propose_wipe(
            session, keystore=office.context.keystore, device_id=device.device_id, note="stolen", user="amina", now=NOW
        )
        proposals.agree(session, keystore=office.context.keystore, proposal_id=number, user="sami", now=NOW)
    report = device.sync(device.transport(), NOW)
    assert (report.outcome, report.sent, report.quarantined) == ("wiped", 1, 1)
    with pytest.raises(LocalError, match="device-wiped"):
        Device.open(tmp_path / "device")
