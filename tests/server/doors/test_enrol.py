"""Enrolment: a code lets one device in, once, and the device can tell that it is the right office."""

from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient

from server.context import Context
from server.db.queries import devices
from server.errors import BadRequest, Conflict, NotFound
from server.services import app_users, enrol_device
from sync_protocol import messages
from sync_protocol.constants import EXCHANGE_BYTES
from sync_protocol.documents import DeviceCertificate
from sync_protocol.enrolment import server_id
from tests.office import NOW, Tablet, revoke


def post(client: FlaskClient, body: bytes, content_type: str = "application/json") -> tuple[int, str]:
    """Return status and slug of a refusal, or an empty slug."""
    response = client.post("/sync/v1/enrol", data=body, content_type=content_type)
    if response.status_code == 201:
        return 201, ""
    return response.status_code, messages.decode_problem(response.status_code, response.get_data()).slug


def test_hello_says_who_answers_and_within_which_limits(client: FlaskClient, context: Context) -> None:
    hello = messages.decode_hello(client.get("/sync/v1/hello").get_data())
    assert hello.root_key == context.keystore.root_key
    assert hello.server_id == server_id(hello.root_key)
    assert (hello.versions, hello.limits.exchange_bytes) == ((1,), EXCHANGE_BYTES)


def test_a_device_gets_the_certificate_of_its_code(tablet: Tablet, context: Context) -> None:
    with context.database.read() as session:
        device = devices.device(session, tablet.device_id)
        assert device is not None
        document = devices.certificate(session, device.certificate_hash)
    assert document is not None
    certificate = DeviceCertificate.read(document, context.keystore.keyring.issuer_keys)
    assert (certificate.device_id, certificate.enumerator, certificate.role) == (tablet.device_id, "0001", "enumerator")
    assert certificate.signing_key == tablet.key.public_key().public_bytes_raw()
    assert device.enumerator == "0001"


def test_the_same_device_may_ask_again_when_the_answer_was_lost(client: FlaskClient, context: Context) -> None:
    tablet = Tablet(context, client)
    body = tablet.enrol_request()
    answers = [client.post("/sync/v1/enrol", data=body, content_type="application/json") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].get_data() == answers[1].get_data()
    with context.database.read() as session:
        assert len(devices.devices(session)) == 1


def test_a_code_lets_in_one_device(client: FlaskClient, context: Context) -> None:
    first, second = Tablet(context, client), Tablet(context, client)
    first.enrol()
    second.link = first.link
    assert post(client, second.enrol_request()) == (403, "token-invalid")
    with context.database.read() as session:
        assert len(devices.devices(session)) == 1


def test_a_revoked_device_cannot_come_back_by_its_code(client: FlaskClient, context: Context) -> None:
    tablet = Tablet(context, client).enrol()
    revoke(context, tablet.device_id)
    assert post(client, tablet.enrol_request()) == (403, "token-invalid")


def test_a_code_that_nobody_made_is_refused(sqlite_client: FlaskClient, sqlite_context: Context) -> None:
    tablet = Tablet(sqlite_context, sqlite_client)
    assert post(sqlite_client, tablet.enrol_request(token="another")) == (401, "signature-invalid")
    tablet.link = type(tablet.link)(tablet.link.base_url, "another", tablet.link.root_key)
    assert post(sqlite_client, tablet.enrol_request()) == (403, "token-invalid")


def test_a_code_is_valid_for_fourteen_days(sqlite_client: FlaskClient, sqlite_context: Context) -> None:
    tablet = Tablet(sqlite_context, sqlite_client)
    long_ago = datetime.now(UTC) - timedelta(days=15)
    with sqlite_context.database.transaction() as session:
        token = enrol_device.issue_token(session, enumerator="0001", user="manager", now=long_ago)
    tablet.link = type(tablet.link)(tablet.link.base_url, token, tablet.link.root_key)
    assert post(sqlite_client, tablet.enrol_request()) == (403, "token-invalid")


def test_a_device_must_show_that_it_holds_its_key(sqlite_client: FlaskClient, sqlite_context: Context) -> None:
    tablet = Tablet(sqlite_context, sqlite_client)
    assert post(sqlite_client, tablet.enrol_request(proof=bytes(64))) == (401, "signature-invalid")
    assert post(sqlite_client, tablet.enrol_request(receiving_key=bytes(32))) == (401, "signature-invalid")
    with sqlite_context.database.read() as session:
        assert devices.devices(session) == []


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"", "application/json", (400, "version-unsupported")),
        (b"[]", "application/json", (400, "malformed")),
        (b"{", "application/json", (400, "malformed")),
        (b'{"version": 1}', "application/json", (400, "malformed")),
        (b'{"version": 2}', "application/json", (400, "version-unsupported")),
        (b"[" * 60_000, "application/json", (400, "malformed")),
        (b" " * 70_000, "application/json", (413, "too-large")),
        (b"{}", "text/plain", (415, "unsupported-media")),
    ],
)
def test_a_request_that_is_none_is_refused_by_name(
    sqlite_client: FlaskClient, body: bytes, content_type: str, expected: tuple[int, str]
) -> None:
    assert post(sqlite_client, body or b"{}", content_type) == expected


def test_tokens_are_kept_as_hashes_only(sqlite_client: FlaskClient, sqlite_context: Context) -> None:
    tablet = Tablet(sqlite_context, sqlite_client).enrol()
    with sqlite_context.database.transaction() as session:
        app_token = app_users.create_app_user(session, name="a", enumerator="1", user="m", now=NOW)
    sqlite_context.database.dispose()
    content = b"".join(path.read_bytes() for path in sqlite_context.config.data_dir.glob("passerelle.db*"))
    assert tablet.link.token.encode() not in content
    assert app_token.encode() not in content


def test_what_the_office_asks_wrongly_is_refused_in_one_sentence(sqlite_context: Context) -> None:
    with sqlite_context.database.read() as session:
        with pytest.raises(BadRequest, match="not of a manager"):
            enrol_device.issue_token(session, enumerator="1", role="manager", user="m", now=NOW)
        with pytest.raises(BadRequest, match="at most 200"):
            enrol_device.issue_token(session, enumerator="1" * 201, user="m", now=NOW)
        with pytest.raises(BadRequest, match="mode"):
            app_users.create_app_user(session, name="a", enumerator="1", mode="real", user="m", now=NOW)
        with pytest.raises(NotFound):
            enrol_device.revoke(session, device_id="nobody", user="m", now=NOW)
        with pytest.raises(NotFound):
            app_users.revoke_app_user(session, name="nobody", user="m", now=NOW)
        app_users.create_app_user(session, name="a", enumerator="1", user="m", now=NOW)
        with pytest.raises(Conflict):
            app_users.create_app_user(session, name="a", enumerator="2", user="m", now=NOW)


def test_a_device_is_revoked_once(client: FlaskClient, context: Context) -> None:
    tablet = Tablet(context, client).enrol()
    with context.database.transaction() as session:
        enrol_device.revoke(session, device_id=tablet.device_id, user="m", now=NOW)
        with pytest.raises(Conflict):
            enrol_device.revoke(session, device_id=tablet.device_id, user="m", now=NOW)
        assert enrol_device.list_devices(session)[0].revoked_at == NOW


def test_a_blob_is_given_to_devices_only_whole_or_in_ranges(
    sqlite_tablet: Tablet, sqlite_client: FlaskClient, sqlite_context: Context
) -> None:
    import hashlib

    from sync_protocol.signatures import sign_request
    from tests.office import publish

    xform = publish(sqlite_context)
    path = f"/sync/v1/blobs/{hashlib.sha256(xform).hexdigest()}"
    assert sqlite_client.get(path).status_code == 401
    headers = sign_request("GET", path, b"", device_id=sqlite_tablet.device_id, key=sqlite_tablet.key)
    whole = sqlite_client.get(path, headers=headers)
    part = sqlite_client.get(path, headers={**headers, "Range": "bytes=10-19"})
    assert (whole.status_code, whole.get_data()) == (200, xform)
    assert (part.status_code, part.get_data()) == (206, xform[10:20])
    assert sqlite_client.get(path, headers={**headers, "If-None-Match": whole.headers["ETag"]}).status_code == 304


def test_a_blob_that_was_cut_goes_on_where_it_ended_and_only_if_it_is_the_same(
    sqlite_tablet: Tablet, sqlite_client: FlaskClient, sqlite_context: Context
) -> None:
    import hashlib

    from sync_protocol.signatures import sign_request
    from tests.office import publish

    xform = publish(sqlite_context)
    path = f"/sync/v1/blobs/{hashlib.sha256(xform).hexdigest()}"
    headers = sign_request("GET", path, b"", device_id=sqlite_tablet.device_id, key=sqlite_tablet.key)
    tag = sqlite_client.get(path, headers=headers).headers["ETag"]
    assert tag.startswith('"')  # a strong one: the bytes, not the likes of them
    rest = sqlite_client.get(path, headers={**headers, "Range": "bytes=10-", "If-Range": tag})
    assert (rest.status_code, rest.get_data()) == (206, xform[10:])
    assert rest.headers["Content-Range"] == f"bytes 10-{len(xform) - 1}/{len(xform)}"
    other = sqlite_client.get(path, headers={**headers, "Range": "bytes=10-", "If-Range": '"another"'})
    assert (other.status_code, other.get_data()) == (200, xform)
    beyond = sqlite_client.get(path, headers={**headers, "Range": f"bytes={len(xform)}-"})
    assert beyond.status_code == 400
