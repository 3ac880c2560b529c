"""Submissions with files: however Collect splits, repeats and names them, each is here once, whole and sealed."""

import hashlib
import logging
import random
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from forms.instance import instance_id_bytes
from server.app import create_app
from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.db.queries import audit
from server.db.tables import Certificate, Envelope
from server.errors import Maintenance
from server.keystore import KeyStore
from server.microdata import Microdata
from server.services import app_users, settle_hold
from sync_protocol.constants import Kind
from sync_protocol.envelope import NO_HASH
from tests.office import BOUNDARY, MULTIPART, NOW, multipart, publish, stored
from tests.server.doors.submissions import (
    INCOMPLETE,
    UUID,
    Part,
    blobs_on_disk,
    file_part,
    instance,
    opened,
    post,
    said,
    stream_post,
    xml_part,
)

PHOTO = b"\xff\xd8" + b"photo" * 50_000
AUDIT = file_part("audit.csv", b"event,node,start,end\n", "text/csv")


@pytest.fixture
def token(sqlite_context: Context) -> str:
    return make_token(sqlite_context)


def make_token(context: Context, name: str = "tablet 12", language: str = "") -> str:
    with context.database.transaction() as session:
        return app_users.create_app_user(
            session, name=name, enumerator="0012", user="manager", now=NOW, language=language
        )


def test_every_file_becomes_an_envelope_of_its_own_beside_the_instance(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    xform = publish(context)
    response = post(client, app_token, xml_part(), file_part("photo.jpg", PHOTO), AUDIT)
    assert response.status_code == 201
    found = opened(context)
    assert [xml for _, xml in found.instances] == [instance()]
    assert found.files == Counter({("photo.jpg", PHOTO): 1, ("audit.csv", AUDIT[1]): 1})
    for header, medium, _ in found.media:
        assert header.instance_id == instance_id_bytes(UUID)
        assert header.form_version_hash == hashlib.sha256(xform).digest()
        assert medium.type == {"photo.jpg": "image/jpeg", "audit.csv": "text/csv"}[medium.name]
    with context.database.read() as session:
        columns = (Envelope.kind, Envelope.state, Envelope.app_user_id, Envelope.instance_id)
        rows = session.execute(select(*columns).order_by(Envelope.sequence)).all()
        digests = session.scalars(select(Envelope.blob_sha256).where(Envelope.kind == Kind.ATTACHMENT)).all()
    assert rows == [
        (Kind.EPOCH, "received", None, None),
        *[(kind, "received", 1, instance_id_bytes(UUID)) for kind in (Kind.INTERVIEW, *[Kind.ATTACHMENT] * 2)],
    ]
    assert {digest.hex() for digest in digests if digest} == {medium.sha256 for _, medium, _ in found.media}
    assert blobs_on_disk(context) == 2


def test_a_submission_in_several_posts_is_one_and_its_xml_is_stored_once(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    publish(context)
    posts = [(xml_part(), file_part(f"p{number}.jpg", PHOTO + bytes([number])), INCOMPLETE) for number in range(3)]
    for number, parts in enumerate(posts, 1):
        response = post(client, app_token, *parts)
        assert response.status_code == 201
        files = "1 file" if number == 1 else f"{number} files"
        assert said(response).startswith(f"Part received and safe: the form and {files}. The rest follows. / Partie")
    response = post(client, app_token, xml_part(), file_part("p9.jpg", PHOTO))
    assert said(response).startswith("Safe on the server: the form and 4 files. / En sûreté")
    for parts in posts:  # all of it again, as after a lost answer
        assert post(client, app_token, *parts).status_code == 201
    found = opened(context)
    assert len(found.instances) == 1
    assert sorted(medium.name for _, medium, _ in found.media) == ["p0.jpg", "p1.jpg", "p2.jpg", "p9.jpg"]
    assert blobs_on_disk(context) == 4


parts = st.permutations(
    [
        xml_part(),
        INCOMPLETE,
        file_part("a.jpg", b"one"),
        file_part("a.jpg", b"one"),
        file_part("a.jpg", b"another"),
        file_part("empty.jpg", b""),
        ('name="a field"', b"of another client"),
    ]
)


@given(order=parts, sent_as=st.sampled_from(["file", "field"]))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_in_any_order_each_file_is_kept_once_and_two_of_one_name_both(
    sqlite_client: FlaskClient, sqlite_context: Context, token: str, order: list[Part], sent_as: str
) -> None:
    before = opened(sqlite_context)
    xml = instance(instance_id=f"example {len(before.instances)}")
    written = ('name="xml_submission_file"', xml) if sent_as == "field" else xml_part(xml)
    sent = [written if part == xml_part() else part for part in order]
    for _ in range(2):
        response = post(sqlite_client, token, *sent)
        assert response.status_code == 201
        assert "the form and 3 files" in said(response)
    after = opened(sqlite_context)
    assert after.instances[len(before.instances) :][0][1] == xml
    new = after.files - before.files
    assert new == Counter([("a.jpg", b"one"), ("a.jpg", b"another"), ("empty.jpg", b"")])
    assert blobs_on_disk(sqlite_context) == len(after.media)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('name="photo.jpg"; filename="../../etc/photo.jpg"', "photo.jpg"),
        ('name="x"; filename="C:\\Users\\amina\\photo.jpg"', "photo.jpg"),
        ('name="x"; filename="حضور 出勤 é.jpg"', "حضور 出勤 é.jpg"),
        ('name="photo.jpg"; filename=""', "photo.jpg"),
        ('name="photo.jpg"\r\nContent-Type: image/jpeg', "photo.jpg"),
        ('filename="/"\r\nContent-Type: image/jpeg', "unnamed"),
        (f'name="x"; filename="{"é" * 300}.jpeg"', "é" * 250 + ".jpeg"),
        (f'name="x"; filename="a.{"j" * 300}"', "." + "j" * 254),
        ('name="x"; filename="a%22b.jpg"', 'a"b.jpg'),
        ('name="x"; filename="a\rb\nc\td\x7fe\x85f\x00.jpg"', "abcdef.jpg"),
        ('name="x"; filename="\r"', "unnamed"),
    ],
)
def test_a_file_has_a_name_whatever_a_client_makes_of_it(
    sqlite_client: FlaskClient, sqlite_context: Context, token: str, disposition: str, name: str
) -> None:
    assert post(sqlite_client, token, xml_part(), (disposition, PHOTO)).status_code == 201
    assert opened(sqlite_context).files == Counter({(name, PHOTO): 1})


def test_fields_without_a_file_are_passed_over(sqlite_client: FlaskClient, sqlite_context: Context, token: str) -> None:
    others = [('name="note"', b"x"), ('name="note"\r\nContent-Type: text/plain; charset=utf-8', b"x"), ("", b"x")]
    assert said(post(sqlite_client, token, *others, xml_part())).startswith("Safe on the server: the form. /")
    assert opened(sqlite_context).media == ()


def test_more_files_than_one_post_of_collect_ever_has_are_all_kept(
    sqlite_client: FlaskClient, sqlite_context: Context, token: str
) -> None:
    files = [file_part(f"p{number}.jpg", b"%d" % number) for number in range(250)]
    assert "the form and 250 files" in said(post(sqlite_client, token, *files, xml_part()))
    assert len(opened(sqlite_context).media) == 250


def test_the_files_of_an_instance_that_nobody_can_read_and_of_an_unknown_form_are_kept_with_it(
    sqlite_client: FlaskClient, sqlite_context: Context, token: str
) -> None:
    for xml in (b"<data id='visit'><name>Am", instance()):
        for _ in range(2):
            assert post(sqlite_client, token, xml_part(xml), file_part("a.jpg", PHOTO)).status_code == 201
    found = opened(sqlite_context)
    assert [xml for _, xml in found.instances] == [b"<data id='visit'><name>Am", instance()]
    headers = [header for header, _, _ in found.media]
    assert [header.instance_id for header in headers] == [header.instance_id for header, _ in found.instances]
    assert {header.form_version_hash for header in headers} == {NO_HASH}


def test_a_revoked_app_user_is_noticed_at_once_and_its_files_go_to_quarantine_too(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    publish(context)
    assert post(client, app_token, xml_part()).status_code == 201
    with context.database.transaction() as session:
        app_users.revoke_app_user(session, name="tablet 12", user="manager", now=NOW)
    assert post(client, app_token, xml_part(instance("Samira")), file_part("a.jpg", PHOTO)).status_code == 201
    assert [(state, why) for _, state, why, _ in stored(context)] == [
        ("received", None),
        ("received", None),
        ("quarantined", "after-revocation"),
        ("quarantined", "after-revocation"),
    ]
    with context.database.transaction() as session:
        settle_hold.release_quarantined(
            session, envelope_id=hashlib.sha256(stored(context)[2][3]).digest(), user="manager", now=NOW
        )
    assert [(state, why) for _, state, why, _ in stored(context)][2:] == [("received", "released:after-revocation")] * 2


@pytest.mark.parametrize("files", [(), (file_part("a.jpg", PHOTO),)])
def test_what_a_revoked_app_user_sent_is_let_in_once_another_sends_the_same(
    client: FlaskClient, context: Context, app_token: str, files: tuple[Part, ...]
) -> None:
    publish(context)
    colleague = make_token(context, "tablet 13")
    with context.database.transaction() as session:
        app_users.revoke_app_user(session, name="tablet 12", user="manager", now=NOW)
    held = [("quarantined", "after-revocation")] * (1 + len(files))
    for _ in range(2):
        assert post(client, app_token, xml_part(), *files).status_code == 201
        assert [(state, why) for _, state, why, _ in stored(context)] == [("received", None), *held]
    assert post(client, colleague, xml_part(instance("Samira"))).status_code == 201
    assert [(state, why) for _, state, why, _ in stored(context)][1 : 1 + len(held)] == held
    assert post(client, colleague, xml_part(), *files).status_code == 201
    assert {(state, why) for _, state, why, _ in stored(context)} == {("received", None)}
    with context.database.read() as session:
        acts = [act for act in audit.latest(session) if act.action == "let-in-sent-again"]
    assert [act.actor for act in acts] == ["tablet 13"] * len(held)
    assert {act.subject for act in acts} == {
        hashlib.sha256(body).hexdigest() for *_, body in stored(context)[1:][: len(held)]
    }


def test_the_certificate_and_the_epoch_are_stored_with_the_first_submission(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    for name in "abc":
        post(client, app_token, xml_part(instance(name)))
    with context.database.read() as session:
        assert session.scalars(select(Certificate.hash)).all() == [context.keystore.door.certificate_hash]
        assert session.scalars(select(Envelope.kind).order_by(Envelope.sequence)).all() == [1, 2, 2, 2]


@pytest.mark.parametrize("senders", [8, 24])
def test_the_same_submission_from_many_at_once_is_one_and_each_is_told_that_it_is_safe(
    app: Flask, context: Context, app_token: str, senders: int
) -> None:
    publish(context)
    start = threading.Barrier(senders)
    files = [file_part(f"{name}.jpg", name.encode() * 1000) for name in "abc"]

    def send(seed: int) -> int:
        client, order = app.test_client(), random.Random(seed).sample([xml_part(), *files], 4)
        start.wait()
        return post(client, app_token, *order).status_code

    with ThreadPoolExecutor(senders) as pool:
        assert list(pool.map(send, range(senders))) == [201] * senders
    found = opened(context)
    assert len(found.instances) == 1
    assert found.files == Counter((f"{name}.jpg", name.encode() * 1000) for name in "abc")
    assert blobs_on_disk(context) == 3


BODY = multipart([file_part("a.jpg", PHOTO), xml_part(), file_part("b.jpg", PHOTO[:10])])


@pytest.mark.parametrize("cut", [1, 60, 1000, 200_000, len(BODY) - 200, len(BODY) - 5])
@pytest.mark.parametrize("error", [None, ConnectionResetError])
def test_of_a_body_that_is_cut_nothing_is_kept(
    sqlite_client: FlaskClient, sqlite_context: Context, token: str, cut: int, error: type[OSError] | None
) -> None:
    pieces = [BODY[:cut][start : start + 50_000] for start in range(0, cut, 50_000)]
    response = stream_post(sqlite_client, token, pieces, length=len(BODY), error=error)
    assert response.status_code == 400
    assert "The line was cut" in said(response)
    assert stored(sqlite_context) == []
    assert blobs_on_disk(sqlite_context) == 0


def test_a_body_in_chunks_is_taken_and_one_without_any_end_is_not(
    sqlite_client: FlaskClient, sqlite_context: Context, token: str
) -> None:
    pieces = [BODY[start : start + 1000] for start in range(0, len(BODY), 1000)]
    assert stream_post(sqlite_client, token, pieces, length=None, is_chunked=True).status_code == 201
    endless = stream_post(sqlite_client, token, pieces, length=None)
    assert endless.status_code == 411
    assert "does not say how long it is" in said(endless)
    assert len(opened(sqlite_context).media) == 2


def test_files_without_an_instance_are_refused_and_not_kept(
    sqlite_client: FlaskClient, sqlite_context: Context, token: str
) -> None:
    response = post(sqlite_client, token, file_part("a.jpg", PHOTO))
    assert response.status_code == 400
    assert "xml_submission_file" in said(response)
    assert blobs_on_disk(sqlite_context) == 0


def large(size: int) -> Iterator[bytes]:
    """Yield a body with one file so large, piece by piece."""
    head, tail = BODY[: BODY.index(PHOTO)], BODY[BODY.index(PHOTO) + len(PHOTO) :]
    piece = random.Random(1).randbytes(1 << 18)
    yield head
    for _ in range(size // len(piece)):
        yield piece
    yield tail


def test_a_large_file_passes_through_little_memory(
    sqlite_client: FlaskClient, sqlite_context: Context, token: str
) -> None:
    size = 48 << 20
    length = sum(map(len, large(size)))
    tracemalloc.start()
    response = stream_post(sqlite_client, token, large(size), length=length)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert response.status_code == 201
    assert peak < 6 << 20
    assert max(medium.length_bytes for _, medium, _ in opened(sqlite_context).media) > size


def test_a_file_over_the_limit_is_refused_and_not_kept(
    sqlite_client: FlaskClient, sqlite_context: Context, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.api.openrosa import texts

    monkeypatch.setattr(texts, "FILE_BYTES", 1 << 20)
    response = stream_post(sqlite_client, token, large(2 << 20), length=3 << 20)
    assert response.status_code == 413
    assert "1 MB in a file" in said(response)
    assert blobs_on_disk(sqlite_context) == 0
    monkeypatch.setattr(texts, "POST_BYTES", 1 << 20)
    response = stream_post(sqlite_client, token, large(2 << 20), length=None, is_chunked=True)
    assert response.status_code == 413
    assert stored(sqlite_context) == []


@pytest.mark.parametrize(
    ("language", "safe", "refused"),
    [
        ("en", "Safe on the server: the form and 1 file.", "What arrived holds no form"),
        ("fr", "En sûreté sur le serveur : le formulaire et 1 fichier.", "Ce qui est arrivé ne contient pas de"),
    ],
)
def test_the_tablet_is_spoken_to_in_its_language(
    sqlite_client: FlaskClient, sqlite_context: Context, language: str, safe: str, refused: str
) -> None:
    token = make_token(sqlite_context, "tablet 13", language)
    assert said(post(sqlite_client, token, xml_part(), file_part("a.jpg", PHOTO))) == safe
    assert said(post(sqlite_client, token)).startswith(refused)
    assert "/ " not in said(post(sqlite_client, token))


def test_a_tablet_that_the_server_does_not_know_is_spoken_to_in_both_languages(sqlite_client: FlaskClient) -> None:
    response = post(sqlite_client, "nobody", xml_part())
    assert response.status_code == 404
    assert "Check the server's address" in said(response)
    assert " / Aucun utilisateur" in said(response)


def test_a_database_that_is_away_is_said_so_and_the_files_wait_for_the_sweep(
    sqlite_client: FlaskClient, sqlite_context: Context, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise Maintenance

    monkeypatch.setattr(sqlite_context.database, "submit_bare", away)
    response = post(sqlite_client, token, xml_part(), file_part("a.jpg", PHOTO))
    assert response.status_code == 503
    assert "send it again in some minutes" in said(response)
    monkeypatch.undo()
    assert post(sqlite_client, token, xml_part(), file_part("a.jpg", PHOTO)).status_code == 201
    assert len(opened(sqlite_context).media) == 1


def test_head_tells_how_little_each_post_may_carry_and_gives_no_address_that_would_make_collect_forget_it(
    sqlite_client: FlaskClient, token: str
) -> None:
    response = sqlite_client.head(f"/key/{token}/submission?deviceID=x", base_url="http://office.example:8080")
    assert response.status_code == 204
    assert "Location" not in response.headers
    assert response.headers["X-OpenRosa-Version"] == "1.0"
    assert 1000 <= int(response.headers["X-OpenRosa-Accept-Content-Length"]) <= 2_000_000


def test_files_are_taken_while_the_key_store_is_locked(tmp_path: Path, sqlite_database: Database) -> None:
    KeyStore.create(tmp_path / "keys", "long enough", tmp_path / "root.pem", now=NOW)
    keystore = KeyStore.open(tmp_path / "keys", None)
    config = Config(data_dir=tmp_path, database_url=sqlite_database.url)
    microdata = Microdata(config.microdata_dir, keystore, sqlite_database)
    context = Context(config=config, database=sqlite_database, keystore=keystore, microdata=microdata)
    token = make_token(context)
    client = create_app(config, context).test_client()
    assert post(client, token, xml_part(), file_part("a.jpg", PHOTO)).status_code == 201
    keystore.unlock("long enough")
    assert opened(context).files == Counter({("a.jpg", PHOTO): 1})


def test_no_file_and_no_name_of_one_is_in_clear_anywhere(
    sqlite_client: FlaskClient, sqlite_context: Context, token: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    canary = b"canary-in-a-photo"
    photo = file_part("canary-in-a-name.jpg", canary * 50_000, "image/canary-in-a-type")
    replies = [
        post(sqlite_client, token, xml_part(), photo),
        post(sqlite_client, token, photo),
        stream_post(sqlite_client, token, [multipart([photo])[:300_000]], length=1 << 20),
    ]
    assert [reply.status_code for reply in replies] == [201, 400, 400]
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert len(content) > len(photo[1])
    assert b"canary" not in content
    assert "canary" not in caplog.text
    assert not any(b"canary" in reply.get_data() for reply in replies)


def test_no_line_of_a_log_ever_has_a_token(
    sqlite_client: FlaskClient,
    sqlite_context: Context,
    token: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(Context, "form_version_hash", lambda *_: 1 / 0)
    statuses = [
        post(sqlite_client, token, xml_part()).status_code,
        sqlite_client.get(f"/key/{token}/nothing").status_code,
        sqlite_client.put(f"/key/{token}/submission").status_code,
        post(sqlite_client, token + "x", xml_part()).status_code,
        stream_post(sqlite_client, token, [BODY[:10]], length=len(BODY)).status_code,
        sqlite_client.get(f"/key/{token}").status_code,
    ]
    assert statuses == [500, 404, 405, 404, 400, 404]
    written = caplog.text + "".join(capfd.readouterr())
    assert "unforeseen ZeroDivisionError" in written
    assert token[:12] not in written


def test_what_the_framework_answers_before_any_view_is_xml_with_a_message_too(
    sqlite_client: FlaskClient, token: str
) -> None:
    for response in (
        sqlite_client.get(f"/key/{token}/nothing"),
        sqlite_client.put(f"/key/{token}/submission"),
        sqlite_client.get(f"/key/{token}//formList"),
        sqlite_client.get(f"/v1//key/{token}/projects/1/formList"),
        sqlite_client.get("/projects//1/formList"),
        sqlite_client.post(f"/key/{token}/submission", data=b"x", content_type="multipart/form-data"),
    ):
        assert response.status_code >= 400
        assert said(response)
        assert "text/xml" in response.headers["Content-Type"]
        assert response.headers["X-OpenRosa-Version"] == "1.0"
        assert token not in response.get_data(as_text=True)
    assert BOUNDARY in MULTIPART


def test_a_method_that_is_not_taken_is_answered_with_those_that_are(sqlite_client: FlaskClient, token: str) -> None:
    for method, path, allowed in (("PUT", "submission", {"HEAD", "POST"}), ("POST", "formList", {"GET", "HEAD"})):
        response = sqlite_client.open(f"/key/{token}/{path}", method=method)
        assert response.status_code == 405
        assert allowed <= set(response.headers["Allow"].split(", "))
