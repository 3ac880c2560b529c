"""The OpenRosa door, line by line as Collect reads it: forms down, submissions up, nothing left failed for ever."""

import hashlib
import os
import tempfile
from datetime import datetime
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from sqlalchemy import select
from werkzeug.test import TestResponse

from forms.instance import instance_id_bytes
from server.app import create_app
from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.db.tables import Envelope
from server.keystore import KeyStore
from server.microdata import Microdata
from server.services import app_users
from sync_protocol.constants import Kind
from sync_protocol.envelope import NO_HASH, Header, open_interview, peek
from sync_protocol.epoch import parse_epoch
from sync_protocol.ratchet import EpochKeys
from tests.office import MULTIPART, NOW, multipart, publish, stored

COLLECT = {
    "X-OpenRosa-Version": "1.0",
    "User-Agent": "org.odk.collect.android/v2026.3 Dalvik",
    "Date": "Tue, 24 Nov 2026 08:00:00 GMT",  # Collect's clock is twelve hours off after noon
}
LIST = "{http://openrosa.org/xforms/xformsList}"
UUID = "uuid:11111111-2222-4333-8444-555555555555"


def instance(
    name: str = "Amina", *, instance_id: str | None = UUID, version: str = "1", form_id: str = "visit", meta: str = ""
) -> bytes:
    identity = f"<instanceID>{instance_id}</instanceID>" if instance_id else ""
    return (
        f'<data id="{form_id}" version="{version}"><name>{name}</name><meta>{identity}{meta}</meta></data>'
    ).encode()


def submit(client: FlaskClient, token: str, xml: bytes, **others: tuple[str, bytes]) -> TestResponse:
    """Post as Collect does; `others` are further parts, each a Content-Disposition's rest and its content."""
    url = f"/key/{token}/submission?deviceID=collect%3Aabc"
    parts = [('name="xml_submission_file"; filename="visit.xml"', xml), *others.values()]
    return client.post(url, data=multipart(parts), headers={**COLLECT, "Content-Type": MULTIPART})


def message(response: TestResponse) -> str:
    root = etree.fromstring(response.get_data())
    assert root.tag == "{http://openrosa.org/http/response}OpenRosaResponse"
    return str(root[0].text)


def opened(context: Context) -> list[tuple[Header, str | None, bytes]]:
    """Open what the door has stored: header, app user, XML."""
    bodies = [body for _, _, _, body in stored(context)]
    keys = {}
    for body in bodies:
        if body[6] == Kind.EPOCH:
            epoch = parse_epoch(body)
            keys[epoch.hash] = EpochKeys(context.keystore.open_epoch(epoch), epoch.hash)
    found = []
    for body in bodies:
        shown = peek(body)
        if isinstance(shown, Header):
            manifest, xml = open_interview(body, keys[shown.epoch_hash].content_key(shown.index))
            found.append((shown, manifest.app_user, xml))
    return found


def test_the_list_names_each_form_as_collect_needs_it(client: FlaskClient, context: Context, app_token: str) -> None:
    publish(context, version="1")
    xform = publish(context, version="2")
    publish(context, form_id="b", title="B")
    response = client.get(
        f"/key/{app_token}/formList?deviceID=x", headers=COLLECT, base_url="http://office.example:8080"
    )
    assert response.status_code == 200
    assert response.headers["X-OpenRosa-Version"] == "1.0"
    assert "text/xml" in response.headers["Content-Type"]
    entries = [{child.tag.removeprefix(LIST): child.text for child in form} for form in etree.fromstring(response.data)]
    assert [entry["formID"] for entry in entries] == ["b", "visit"]
    visit = entries[1]
    assert visit["name"] == "Visit & return"
    assert visit["version"] == "2"
    assert visit["hash"] == "md5:" + hashlib.md5(xform, usedforsecurity=False).hexdigest()
    assert (visit["downloadUrl"] or "").startswith(f"http://office.example:8080/key/{app_token}/forms/")


def test_the_download_is_what_the_hash_says_and_is_fetched_once(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    xform = publish(context)
    listed = client.get(f"/key/{app_token}/formList")
    url = etree.fromstring(listed.data).findtext(f"{LIST}xform/{LIST}downloadUrl")
    download = client.get(f"{url}?deviceID=x", headers=COLLECT)
    assert download.get_data() == xform
    for path, first in ((f"/key/{app_token}/formList", listed), (url, download)):
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.get_data()) == (304, b"")


def test_the_office_may_name_its_own_address(sqlite_context: Context, app_token_sqlite: str) -> None:
    from dataclasses import replace

    publish(sqlite_context)
    sqlite_context.config = replace(sqlite_context.config, base_url="https://survey.example")
    client = create_app(sqlite_context.config, sqlite_context).test_client()
    assert b"<downloadUrl>https://survey.example/key/" in client.get(f"/key/{app_token_sqlite}/formList").data


@pytest.fixture
def app_token_sqlite(sqlite_context: Context) -> str:
    with sqlite_context.database.transaction() as session:
        return app_users.create_app_user(session, name="tablet 12", enumerator="0012", user="manager", now=NOW)


def test_head_tells_how_much_one_post_may_carry(client: FlaskClient, app_token: str) -> None:
    response = client.head(f"/key/{app_token}/submission?deviceID=x", headers=COLLECT)
    assert response.status_code == 204
    assert response.headers["X-OpenRosa-Version"] == "1.0"
    assert int(response.headers["X-OpenRosa-Accept-Content-Length"]) > 0


def test_a_submission_is_sealed_on_arrival_and_opens_as_it_was(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    xform = publish(context)
    response = submit(client, app_token, instance())
    assert (response.status_code, response.headers["X-OpenRosa-Version"]) == (201, "1.0")
    assert message(response) == "Safe on the server: the form. / En sûreté sur le serveur : le formulaire."
    ((header, app_user, xml),) = opened(context)
    assert xml == instance()
    assert app_user == "tablet 12"
    assert header.instance_id == instance_id_bytes(UUID)
    assert header.form_version_hash == hashlib.sha256(xform).digest()
    assert [state for _, state, _, _ in stored(context)] == ["received", "received"]


def test_the_same_answers_again_are_one_submission_whatever_the_white_space(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    publish(context)
    submit(client, app_token, instance())
    assert submit(client, app_token, instance()).status_code == 201
    assert submit(client, app_token, instance().replace(b"<meta>", b"\n  <meta>\n")).status_code == 201
    assert len(opened(context)) == 1


def test_other_answers_under_the_same_instance_id_are_both_kept(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    publish(context)
    assert submit(client, app_token, instance("Amina")).status_code == 201
    assert submit(client, app_token, instance("Samira")).status_code == 201
    assert len(opened(context)) == 2


def test_an_edit_names_its_parent_even_when_that_has_not_come(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    publish(context)
    parent = "uuid:99999999-2222-4333-8444-555555555555"
    submit(client, app_token, instance(meta=f"<deprecatedID>{parent}</deprecatedID>"))
    ((header, _, _),) = opened(context)
    assert header.parents == (instance_id_bytes(parent),)


def deep(levels: int) -> bytes:
    return b'<data id="visit">' + b"<a>" * levels + b"</a>" * levels + b"</data>"


UNREADABLE = (
    b'<!DOCTYPE data [<!ENTITY x SYSTEM "file:///etc/passwd">]><data id="visit">&x;</data>',
    deep(200),
    b"<data id='visit'><name>Am",
    b"<data/>",
    b"",
    b"\x00\xff",
)


@pytest.mark.parametrize(
    ("xml", "state", "reason"),
    [
        (instance(form_id="never_published"), "received", None),  # the worker looks the form up, and says so
        (instance(version="0"), "received", None),
        (instance(instance_id=None), "quarantined", "no-instance-id"),
        *((xml, "quarantined", "unreadable-instance") for xml in UNREADABLE),
    ],
)
def test_whatever_comes_is_kept_once_as_it_was_and_the_tablet_is_done(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str, xml: bytes, state: str, reason: str
) -> None:
    publish(sqlite_context)
    for _ in range(2):
        response = submit(sqlite_client, app_token_sqlite, xml)
        assert response.status_code == 201
        assert "Safe on the server" in message(response)
    assert [(found, why) for _, found, why, _ in stored(sqlite_context)] == [("received", None), (state, reason)]
    ((header, _, kept),) = opened(sqlite_context)
    assert kept == xml
    assert (header.form_version_hash == NO_HASH) == (reason != "no-instance-id")


def test_a_form_that_nobody_knows_is_named_beside_its_submission_until_it_is_published(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str
) -> None:
    submit(sqlite_client, app_token_sqlite, instance("Amina", version="2026"))
    xform = publish(sqlite_context, version="2026")
    submit(sqlite_client, app_token_sqlite, instance("Samira", version="2026"))
    with sqlite_context.database.read() as session:
        columns = (Envelope.form_named, Envelope.form_version_hash, Envelope.app_user_id)
        rows = session.execute(select(*columns).where(Envelope.kind == Kind.INTERVIEW)).all()
    assert rows == [("visit 2026", NO_HASH, 1), (None, hashlib.sha256(xform).digest(), 1)]


def test_a_revoked_app_user_delivers_into_quarantine_and_gets_no_forms(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    publish(context)
    with context.database.transaction() as session:
        app_users.revoke_app_user(session, name="tablet 12", user="manager", now=NOW)
    refused = client.get(f"/key/{app_token}/formList")
    assert refused.status_code == 403
    assert "revoked" in message(refused)
    assert submit(client, app_token, instance()).status_code == 201
    assert stored(context)[-1][1:3] == ("quarantined", "after-revocation")


def test_a_post_without_the_xml_part_is_refused(sqlite_client: FlaskClient, app_token_sqlite: str) -> None:
    for body, content_type in ((b"<data/>", "text/xml"), (b"", "multipart/form-data; boundary=x"), (b"--x", "a/b")):
        response = sqlite_client.post(f"/key/{app_token_sqlite}/submission", data=body, content_type=content_type)
        assert response.status_code == 400
        assert "xml_submission_file" in message(response)


def test_a_form_or_a_post_over_the_limit_is_refused_with_the_limits(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str
) -> None:
    url = f"/key/{app_token_sqlite}/submission"
    too_long = submit(sqlite_client, app_token_sqlite, b"x" * ((1 << 20) + 1))
    cannot_be_sealed = submit(sqlite_client, app_token_sqlite, os.urandom(1 << 20))
    announced = sqlite_client.post(
        url, content_type=MULTIPART, environ_overrides={"CONTENT_LENGTH": str((1 << 30) + 1)}
    )
    for response in (too_long, cannot_be_sealed, announced):
        assert response.status_code == 413
        assert "at most 1 MB of answers in a form, 256 MB in a file and 1024 MB at once" in message(response)
    assert stored(sqlite_context) == []


def test_a_token_that_is_nobodys_leads_nowhere(sqlite_client: FlaskClient, sqlite_context: Context) -> None:
    for response in (
        sqlite_client.get("/key/nobody/formList"),
        sqlite_client.get("/key/nobody/forms/00.xml"),
        submit(sqlite_client, "nobody", instance()),
    ):
        assert response.status_code == 404
        assert response.headers["X-OpenRosa-Version"] == "1.0"
        assert "token" in message(response)
    assert sqlite_client.head("/key/nobody/submission").status_code == 404
    assert stored(sqlite_context) == []


def test_a_form_that_is_not_there_is_not_found(sqlite_client: FlaskClient, app_token_sqlite: str) -> None:
    for name in ("zz", "00", "0" * 64):
        assert sqlite_client.get(f"/key/{app_token_sqlite}/forms/{name}.xml").status_code == 404


def test_the_door_works_while_the_key_store_is_locked(tmp_path: Path, sqlite_database: Database) -> None:
    KeyStore.create(tmp_path / "keys", "long enough", tmp_path / "root.pem", now=NOW)
    keystore = KeyStore.open(tmp_path / "keys", None)
    config = Config(data_dir=tmp_path, database_url=sqlite_database.url)
    microdata = Microdata(config.microdata_dir, keystore, sqlite_database)
    context = Context(config=config, database=sqlite_database, keystore=keystore, microdata=microdata)
    with sqlite_database.transaction() as session:
        token = app_users.create_app_user(session, name="a", enumerator="1", user="m", now=NOW)
    publish(context)
    assert submit(create_app(config, context).test_client(), token, instance()).status_code == 201
    keystore.unlock("long enough")
    assert [xml for _, _, xml in opened(context)] == [instance()]


def test_no_answer_is_in_clear_in_any_file_log_or_message(
    sqlite_client: FlaskClient,
    sqlite_context: Context,
    app_token_sqlite: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    made: list[object] = []
    real = tempfile._sanitize_params  # type: ignore[attr-defined] # every temporary file passes here
    monkeypatch.setattr(tempfile, "_sanitize_params", lambda *given: (made.append(given), real(*given))[1])
    publish(sqlite_context)
    canary = "canary-in-the-answers-"
    long_answer = canary + "x" * 700_000  # werkzeug would spool a part of more than 500 kB
    replies = [
        submit(sqlite_client, app_token_sqlite, instance(long_answer)),
        submit(sqlite_client, app_token_sqlite, instance(long_answer, version="0")),
        submit(sqlite_client, app_token_sqlite, instance(long_answer)[:-20]),
    ]
    assert [reply.status_code for reply in replies] == [201, 201, 201]
    assert canary in instance(long_answer).decode()  # the scan below would find it
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert len(content) > 1000
    assert canary.encode() not in content
    assert canary not in caplog.text
    assert not any(canary.encode() in reply.get_data() for reply in replies)
    assert made == []
    tempfile.TemporaryFile().close()
    assert made != []


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)


@given(first=names, second=names)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_two_submissions_are_one_only_when_their_answers_are_equal(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str, first: str, second: str
) -> None:
    from xml.sax.saxutils import escape

    instance_id = f"example {len(stored(sqlite_context))}"
    before = len(stored(sqlite_context))
    for answer in (first, second):
        xml = instance(escape(answer), instance_id=instance_id)
        assert submit(sqlite_client, app_token_sqlite, xml).status_code == 201
    is_first_example = before == 0
    kept = len(stored(sqlite_context)) - before - is_first_example  # the epoch comes with the first
    is_same = first == second or not (first.strip() or second.strip())
    assert kept == (1 if is_same else 2)


def test_the_date_of_a_tablet_is_never_a_rule(sqlite_client: FlaskClient, app_token_sqlite: str) -> None:
    for date in ("Tue, 24 Nov 1980 08:00:00 GMT", "nonsense", datetime(2099, 1, 1).isoformat()):  # noqa: DTZ001
        assert sqlite_client.get(f"/key/{app_token_sqlite}/formList", headers={"Date": date}).status_code == 200
