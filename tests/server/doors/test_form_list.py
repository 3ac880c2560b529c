"""What tablets are given, line by line as Collect reads it: list, forms, manifests and media, and only once."""

import gzip
import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from sqlalchemy import update
from werkzeug.test import TestResponse

from forms.package import Medium
from server.api.openrosa import serving
from server.context import Context
from server.context.shelf import Shelf
from server.db.queries.forms import CLOSED, RETIRED
from server.db.tables import Form, FormMediumContent, FormVersion
from server.services import app_users, offer_forms, projects, publish_form
from tests.office import NOW, XFORM, publish

LIST = "{http://openrosa.org/xforms/xformsList}"
MANIFEST = "{http://openrosa.org/xforms/xformsManifest}"
GZIP = {"Accept-Encoding": "gzip"}


def entries(response: TestResponse) -> list[dict[str, str]]:
    """Read a list as Collect does: one entry that is not whole refuses all of them."""
    assert response.status_code == 200, response.data
    assert response.headers["X-OpenRosa-Version"] == "1.0"
    assert "text/xml" in response.headers["Content-Type"]
    content = gzip.decompress(response.data) if response.headers.get("Content-Encoding") == "gzip" else response.data
    root = etree.fromstring(content)
    assert root.tag == f"{LIST}xforms"
    found = [{child.tag.removeprefix(LIST): child.text or "" for child in form} for form in root]
    for entry in found:
        assert entry["formID"]
        assert entry["name"]
        assert entry["downloadUrl"]
        assert re.fullmatch("md5:[0-9a-f]{32}", entry["hash"])
    return found


def listed(client: FlaskClient, token: str) -> list[str]:
    return [entry["formID"] for entry in entries(client.get(f"/key/{token}/formList"))]


def change(context: Context, version: str, state: str, form_id: str = "visit") -> None:
    with context.database.transaction() as session:
        publish_form.change_state(
            session, form_id=form_id, version=version, state=state, note="so", user="manager", now=NOW
        )


def alter(context: Context, version: str, /, **values: Any) -> None:
    """Change a stored version as no service would."""
    with context.database.transaction() as session:
        session.execute(update(FormVersion).where(FormVersion.version == version).values(**values))


# Who is given what


def test_only_forms_of_the_own_project_are_given(client: FlaskClient, context: Context, app_token: str) -> None:
    publish(context, form_id="ours")
    theirs = hashlib.sha256(publish(context, form_id="theirs")).hexdigest()
    with context.database.transaction() as session:
        other = projects.add_project(session, name="Other", user="m", now=NOW)
        session.execute(update(Form).where(Form.form_id == "theirs").values(project_id=other.project_id))
    assert listed(client, app_token) == ["ours"]
    theirs = hashlib.sha256(
        XFORM.format(form_id="theirs", version="1", title="Visit &amp; return").encode()
    ).hexdigest()
    for rest in (".xml", "/manifest", "/media/a.csv"):
        assert client.get(f"/key/{app_token}/forms/{theirs}{rest}").status_code == 404


def test_an_app_user_gets_the_forms_that_are_chosen_for_it_and_at_once(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    xforms = {form_id: publish(context, form_id=form_id) for form_id in ("a", "b")}
    assert listed(client, app_token) == ["a", "b"]
    for chosen in (["b"], [], ["a", "b"]):
        with context.database.transaction() as session:
            app_user = app_users.find_app_user(session, "tablet 12")
            app_users.choose_forms(session, app_user, form_ids=chosen, user="m", now=NOW)
        assert listed(client, app_token) == chosen
        for form_id, xform in xforms.items():
            got = client.get(f"/key/{app_token}/forms/{hashlib.sha256(xform).hexdigest()}.xml").status_code
            assert (got == 200) == (form_id in chosen)


def test_an_archived_project_has_an_empty_list_at_once(client: FlaskClient, context: Context, app_token: str) -> None:
    publish(context)
    assert listed(client, app_token) == ["visit"]
    with context.database.transaction() as session:
        projects.archive_project(session, project_id=1, user="m", now=NOW)
    assert listed(client, app_token) == []
    with context.database.transaction() as session:
        projects.reopen_project(session, project_id=1, user="m", now=NOW)
    assert listed(client, app_token) == ["visit"]


@pytest.mark.parametrize("state", [CLOSED, RETIRED])
def test_what_is_closed_leaves_the_list_at_once_and_stays_at_its_address(
    client: FlaskClient, context: Context, app_token: str, state: str
) -> None:
    publish(context)
    url = entries(client.get(f"/key/{app_token}/formList"))[0]["downloadUrl"]
    change(context, "1", CLOSED)
    if state == RETIRED:
        change(context, "1", RETIRED)
    assert listed(client, app_token) == []
    assert client.get(url).status_code == 200


def test_a_new_version_is_in_the_list_at_once_and_a_draft_is_not(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    publish(context)
    assert entries(client.get(f"/key/{app_token}/formList"))[0]["version"] == "1"
    publish(context, version="2")
    assert entries(client.get(f"/key/{app_token}/formList"))[0]["version"] == "2"
    with context.database.transaction() as session:
        publish_form.set_policy(session, form_id="visit", needs_approval=True, user="m", now=NOW)
    draft = publish(context, version="3")
    assert entries(client.get(f"/key/{app_token}/formList"))[0]["version"] == "2"
    assert client.get(f"/key/{app_token}/forms/{hashlib.sha256(draft).hexdigest()}.xml").status_code == 404


# One bad form


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"xform": b"<data"}, "bytes that are not those"),
        ({"xform": b"<data", "md5": hashlib.md5(b"<data").hexdigest()}, "XML that cannot be read"),
        ({"md5": "0" * 32}, "bytes that are not those"),
        ({"version": "2\x0c"}, "that XML cannot hold"),
    ],
)
def test_one_bad_version_leaves_the_list_whole_and_is_told_to_managers(
    client: FlaskClient,
    context: Context,
    app_token: str,
    caplog: pytest.LogCaptureFixture,
    values: dict[str, Any],
    fault: str,
) -> None:
    publish(context, form_id="good")
    publish(context, version="2")
    alter(context, "2", **values)
    with caplog.at_level(logging.WARNING):
        assert listed(client, app_token) == ["good"]
    assert fault in caplog.text
    with context.database.read() as session:
        assert [fault in told for told in offer_forms.faults(session).values()] == [True]


def test_the_version_before_takes_the_place_of_a_bad_one(client: FlaskClient, context: Context, app_token: str) -> None:
    publish(context, version="1")
    publish(context, version="2")
    alter(context, "2", xform=b"")
    assert [entry["version"] for entry in entries(client.get(f"/key/{app_token}/formList"))] == ["1"]


titles = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@given(title=titles, version=titles)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_form_is_called_the_list_can_be_read(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str, title: str, version: str
) -> None:
    if not listed(sqlite_client, app_token_sqlite):
        publish(sqlite_context, form_id="good")
        publish(sqlite_context, form_id="odd", version="odd")
    with sqlite_context.database.transaction() as session:
        session.execute(update(FormVersion).where(FormVersion.form_id == "odd").values(title=title, version=version))
    sqlite_context.shelf = Shelf()
    found = entries(sqlite_client.get(f"/key/{app_token_sqlite}/formList"))
    assert found[0]["formID"] == "good"
    if len(found) == 2:
        assert found[1]["name"] == (" ".join(offer_forms.for_xml(title).split()) or "odd")


def test_a_form_without_a_version_has_a_blank_one(client: FlaskClient, context: Context, app_token: str) -> None:
    publish(context, version="")
    assert entries(client.get(f"/key/{app_token}/formList"))[0]["version"] == ""


# Files


def publish_with(context: Context, files: dict[str, bytes]) -> bytes:
    """Publish a form with files, and return the bytes of its XForm."""
    rows = "".join(
        f"| | select_one_from_file {name} | q{n} | Q | |\n"
        if name.endswith(".csv")
        else f"| | note | q{n} | Q | {name} |\n"
        for n, name in enumerate(files)
    )
    workbook = f"""
| survey |
| | type | name | label | media::image |
{rows}
| settings |
| | form_id | version | form_title |
| | visit | 1 | Visit |
"""
    media = tuple(Medium(name=name, content=content) for name, content in files.items())
    prepared = publish_form.prepare(workbook.encode(), "visit.md", media=media)
    with context.database.transaction() as session:
        digest = publish_form.publish(session, prepared, note="", user="amina", now=NOW).hash
    with context.database.read() as session:
        return offer_forms.read_xform(session, digest) or b""


@pytest.fixture
def with_media(context: Context) -> tuple[bytes, dict[str, bytes]]:
    """A published form with files: a list that shrinks, a picture that does not, with a name that has to be escaped."""
    files = {"l.csv": b"name,label\n" + b"1,One\n" * 400, "p & q à.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4}
    return publish_with(context, files), files


def manifest_of(client: FlaskClient, token: str) -> Iterator[tuple[str, str, str]]:
    entry = entries(client.get(f"/key/{token}/formList"))[0]
    response = client.get(entry["manifestUrl"] + "?deviceID=x")
    assert response.headers["X-OpenRosa-Version"] == "1.0"
    root = etree.fromstring(response.data)
    assert root.tag == f"{MANIFEST}manifest"
    for file in root:
        name, md5, url = (file.findtext(f"{MANIFEST}{tag}") for tag in ("filename", "hash", "downloadUrl"))
        assert name
        assert md5
        assert url
        yield name, md5, url


def test_the_manifest_names_each_file_with_the_md5_of_what_is_downloaded(
    client: FlaskClient, context: Context, app_token: str, with_media: tuple[bytes, dict[str, bytes]]
) -> None:
    found = {name: (md5, url) for name, md5, url in manifest_of(client, app_token)}
    assert found.keys() == with_media[1].keys()
    for name, (md5, url) in found.items():
        content = client.get(url).data
        assert content == with_media[1][name]
        assert md5 == "md5:" + hashlib.md5(content).hexdigest()
        zipped = client.get(url, headers=GZIP)
        assert (zipped.headers.get("Content-Encoding") == "gzip") == name.endswith(".csv")


def test_a_form_without_files_has_no_manifest_and_asks_for_none(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    xform = publish(context)
    assert "manifestUrl" not in entries(client.get(f"/key/{app_token}/formList"))[0]
    response = client.get(f"/key/{app_token}/forms/{hashlib.sha256(xform).hexdigest()}/manifest")
    assert (response.status_code, len(etree.fromstring(response.data))) == (200, 0)


def test_a_form_whose_files_lost_their_content_is_not_offered(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str
) -> None:
    publish_with(sqlite_context, {"a.csv": b"name,label\n1,One\n"})
    publish(sqlite_context, form_id="good")
    with sqlite_context.database.transaction() as session:
        session.execute(update(FormMediumContent).values(content=b"cut"))
    assert listed(sqlite_client, app_token_sqlite) == ["good"]
    with sqlite_context.database.read() as session:
        assert ["a.csv" in told for told in offer_forms.faults(session).values()] == [True]


def test_a_part_of_a_file_is_given_when_it_is_asked_for(
    client: FlaskClient, context: Context, app_token: str, with_media: tuple[bytes, dict[str, bytes]]
) -> None:
    for name, _, url in manifest_of(client, app_token):
        part = client.get(url, headers={"Range": "bytes=4-7", **GZIP})
        assert (part.status_code, part.data) == (206, with_media[1][name][4:8])


def test_a_large_file_is_sent_as_it_is_and_is_fetched_once(
    client: FlaskClient,
    context: Context,
    app_token: str,
    with_media: tuple[bytes, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving, "KEPT_MEDIUM_BYTES", 10)
    for name, _, url in manifest_of(client, app_token):
        first = client.get(url, headers=GZIP)
        assert first.data == with_media[1][name]
        again = client.get(url, headers={"If-None-Match": first.headers["ETag"], **GZIP})
        assert (again.status_code, again.data) == (304, b"")


# Conditional and compressed


def addresses(client: FlaskClient, token: str) -> list[str]:
    entry = entries(client.get(f"/key/{token}/formList"))[0]
    media = [url for _, _, url in manifest_of(client, token)]
    return [f"/key/{token}/formList", entry["downloadUrl"], entry["manifestUrl"], *media]


def test_every_content_is_fetched_once_in_each_encoding(
    client: FlaskClient, context: Context, app_token: str, with_media: tuple[bytes, dict[str, bytes]]
) -> None:
    for url in addresses(client, app_token):
        plain, zipped = client.get(url), client.get(url, headers=GZIP)
        assert "Content-Encoding" not in plain.headers
        is_zipped = zipped.headers.get("Content-Encoding") == "gzip"
        assert (plain.headers["ETag"] != zipped.headers["ETag"]) == is_zipped
        assert (gzip.decompress(zipped.data) if is_zipped else zipped.data) == plain.data
        for answer, headers in ((plain, {}), (zipped, GZIP)):
            tag = answer.headers["ETag"]
            assert tag.startswith('"')  # strong
            assert answer.headers["Vary"] == "Accept-Encoding"
            assert answer.headers["Cache-Control"] == "private, no-cache"
            for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
                again = client.get(url, headers={"If-None-Match": known, **headers})
                assert (again.status_code, again.data) == (304, b"")
                assert again.headers["ETag"] == tag
                assert again.headers["X-OpenRosa-Version"] == "1.0"
            assert client.get(url, headers={"If-None-Match": '"other"', **headers}).status_code == 200
        if is_zipped:
            other = client.get(url, headers={"If-None-Match": plain.headers["ETag"], **GZIP})
            assert other.status_code == 200


def test_the_lists_are_compressed_and_their_etags_hold_until_something_changes(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    publish(context)
    publish(context, form_id="a")
    url = f"/key/{app_token}/formList"
    first = client.get(url, headers=GZIP)
    assert first.headers["Content-Encoding"] == "gzip"
    known = {"If-None-Match": first.headers["ETag"], **GZIP}
    assert client.get(url, headers=known).status_code == 304
    publish(context, form_id="b")
    assert client.get(url, headers=known).status_code == 200


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0", "br", "gzip;q=0, *"])
def test_gzip_is_sent_only_to_those_who_take_it(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str, accepted: str
) -> None:
    publish(sqlite_context)
    response = sqlite_client.get(f"/key/{app_token_sqlite}/formList", headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in response.headers


def test_a_form_has_a_date_and_is_fetched_once_by_it(client: FlaskClient, context: Context, app_token: str) -> None:
    publish(context)
    url = entries(client.get(f"/key/{app_token}/formList"))[0]["downloadUrl"]
    first = client.get(url)
    assert first.headers["Last-Modified"] == "Tue, 24 Nov 2026 08:00:00 GMT"
    assert client.get(url, headers={"If-Modified-Since": first.headers["Last-Modified"]}).status_code == 304
    assert client.get(url, headers={"If-Modified-Since": "Tue, 24 Nov 2026 07:59:59 GMT"}).status_code == 200
    assert client.get(url, headers={"If-Modified-Since": "yesterday"}).status_code == 200
    # A list changes when a form is closed too, which no date of a version tells.
    assert "Last-Modified" not in client.get(f"/key/{app_token}/formList").headers


# What has not changed is said again


def again(client: FlaskClient, url: str, tag: str) -> TestResponse:
    return client.get(url, headers={"If-None-Match": tag, **GZIP})


def close_it(context: Context) -> None:
    change(context, "1", CLOSED)


def revoke_it(context: Context) -> None:
    with context.database.transaction() as session:
        app_users.revoke_app_user(session, name="tablet 12", user="m", now=NOW)


def archive_it(context: Context) -> None:
    with context.database.transaction() as session:
        projects.archive_project(session, project_id=1, user="m", now=NOW)


def choose_none(context: Context) -> None:
    with context.database.transaction() as session:
        app_user = app_users.find_app_user(session, "tablet 12")
        app_users.choose_forms(session, app_user, form_ids=[], user="m", now=NOW)


@pytest.mark.parametrize(
    ("happens", "status"), [(close_it, 200), (revoke_it, 403), (archive_it, 200), (choose_none, 200)]
)
def test_nothing_is_said_again_once_anything_has_changed(
    client: FlaskClient, context: Context, app_token: str, happens: Callable[[Context], None], status: int
) -> None:
    publish(context)
    url = f"/key/{app_token}/formList"
    tag = client.get(url, headers=GZIP).headers["ETag"]
    first, *others = [again(client, f"{url}?deviceID=x", tag) for _ in range(3)]
    assert {answer.status_code for answer in (first, *others)} == {304}
    assert all(list(answer.headers) == list(first.headers) for answer in others)
    happens(context)
    assert again(client, url, tag).status_code == status


def test_a_304_said_again_asks_the_database_once_and_nothing_else(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(sqlite_context)
    url = f"/key/{app_token_sqlite}/formList"
    tag = sqlite_client.get(url, headers=GZIP).headers["ETag"]
    assert again(sqlite_client, url, tag).status_code == 304
    sqlite_context.database.dispose()  # the next look opens the file anew
    looks: list[object] = []
    real = sqlite_context.database.glance
    monkeypatch.setattr(sqlite_context.database, "glance", lambda look: (looks.append(look), real(look))[1])
    monkeypatch.setattr(sqlite_client.application, "full_dispatch_request", None)
    assert again(sqlite_client, url, tag).status_code == 304
    assert len(looks) == 1


def test_after_a_publication_what_stayed_the_same_is_soon_said_again_by_the_short_way(
    sqlite_client: FlaskClient, sqlite_context: Context, app_token_sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(sqlite_context)
    url = entries(sqlite_client.get(f"/key/{app_token_sqlite}/formList"))[0]["downloadUrl"]
    tag = sqlite_client.get(url, headers=GZIP).headers["ETag"]
    assert again(sqlite_client, url, tag).status_code == 304
    publish(sqlite_context, version="2")
    assert again(sqlite_client, url, tag).status_code == 304
    monkeypatch.setattr(sqlite_client.application, "full_dispatch_request", None)
    assert again(sqlite_client, url, tag).status_code == 304


# The shelf


def made_again(size: int) -> Callable[[], "_Sized"]:
    return lambda: _Sized(size)


class _Sized:
    def __init__(self, held_bytes: int) -> None:
        self.held_bytes = held_bytes


@given(asked=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 40)), max_size=60))
def test_a_shelf_never_holds_more_than_it_may_and_gives_what_was_made(asked: list[tuple[int, int]]) -> None:
    shelf: Shelf[_Sized] = Shelf(100)
    for key, size in asked:
        made = _Sized(size)
        got = shelf.get((key, size), lambda made=made: made)
        assert got.held_bytes == size
        assert sum(kept.held_bytes for kept in shelf._kept.values()) == shelf._held_bytes <= 100
        assert (shelf.get((key, size), made_again(size)) is got) == (size <= 25)
