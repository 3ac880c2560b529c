"""Form list, forms, manifests and files, as Collect takes them. Each test names its line of the list."""

import hashlib
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from forms.package import Medium
from server.demo.collect import CollectError, Settings
from server.errors import Problem
from server.services.publish_form import change_state
from tests.office import NOW
from tests.openrosa.conftest import Door
from tests.openrosa.forms import publish_xform, small_form

CSV = '<instance id="list" src="jr://file-csv/list.csv"/>'


def publish_with_media(door: Door, version: str = "1", **files: bytes) -> bytes:
    media = [Medium(name=name.replace("_", "."), content=content) for name, content in files.items()]
    return publish_xform(door.context, small_form(version=version, more=CSV), media=media)


def test_the_list_is_found_whether_the_address_ends_in_a_slash_or_not(door: Door) -> None:
    """F1"""
    door.publish()
    assert door.collect(url=door.url).forms() == door.collect(url=door.url + "/").forms()
    response = door.app.test_client().get(f"/key/{door.token}/formList")
    assert "text/xml" in response.headers["Content-Type"]
    assert response.headers["X-OpenRosa-Version"] == "1.0"


def test_every_entry_has_what_the_app_needs_whatever_is_in_a_title(door: Door) -> None:
    """F2"""
    door.publish("a", title="&lt;b&gt; &amp; ]]&gt;")
    door.publish("b", title="Ménages \u202e🏠")
    door.publish("c", version="", title="no version")
    forms = door.collect().forms()
    assert [(form.form_id, form.version) for form in forms] == [("a", "1"), ("b", "1"), ("c", "")]
    assert all(form.hash for form in forms)


def test_one_bad_form_never_spoils_the_list(door: Door) -> None:
    """F2"""
    door.publish("a")
    door.publish("b")
    with door.context.database.transaction() as session:
        session.execute(text("UPDATE form_version SET title = '' WHERE form_id = 'b'"))
    assert "a" in [form.form_id for form in door.collect().forms()]


def test_the_hash_is_that_of_the_bytes_that_are_downloaded(door: Door) -> None:
    """F3"""
    xform = door.publish()
    app = door.collect()
    form = app.forms()[0]
    assert form.hash == hashlib.md5(xform, usedforsecurity=False).hexdigest()
    assert app.download(form).xform == xform
    assert app.updates() == []


def test_the_xml_never_changes_under_a_version_and_a_new_version_is_an_update(door: Door) -> None:
    """F4"""
    door.publish()
    app = door.collect()
    app.download(app.forms()[0])
    with pytest.raises(Problem):
        door.publish(title="Another")
    assert app.updates() == []
    door.publish(version="2", title="Another")
    (update,) = app.updates()
    assert update.version == "2"
    app.download(update)
    assert [kept.listed.version for kept in app.tablet.forms] == ["1", "2"]


def test_a_form_that_is_no_longer_offered_vanishes_from_a_tablet_that_matches_the_list(door: Door) -> None:
    """F5"""
    door.publish("a")
    door.publish("b")
    app = door.collect(settings=Settings(door.url, matches_exactly=True))
    for form in app.updates():
        app.download(form)
    with door.context.database.transaction() as session:
        change_state(session, form_id="a", version="1", state="closed", note="done", user="manager", now=NOW)
    app.refresh()
    assert [kept.listed.form_id for kept in app.tablet.forms] == ["b"]


def test_a_refresh_asks_for_each_manifest_and_gets_what_has_not_changed_for_nothing(door: Door) -> None:
    """F6"""
    door.publish("plain")
    publish_with_media(door, list_csv=b"name,label\na,A\n")
    app = door.collect()
    assert {form.form_id: len(media) for form, media in app.refresh().items()} == {"plain": 0, "visit": 1}
    first = app.counts["GET requests"]
    app.refresh()
    assert app.counts["not modified"] == app.counts["GET requests"] - first
    assert first == 2  # a form without files has no manifest to ask for


def test_a_manifest_is_there_for_every_form_that_names_one_and_never_fails(door: Door) -> None:
    """F7"""
    publish_with_media(door, list_csv=b"name,label\na,A\n")
    door.publish("without", more=CSV)
    for media in door.collect().refresh().values():
        assert all(medium.name and medium.hash for medium in media)


def test_a_manifest_has_name_hash_and_address_of_each_file(door: Door) -> None:
    """M1"""
    publish_with_media(door, list_csv=b"name,label\na,A\n", logo_png=b"\x89PNG\r\n\x1a\n" + bytes(30))
    app = door.collect()
    (form,) = app.forms()
    media = app.manifest(form)
    assert [medium.name for medium in media] == ["list.csv", "logo.png"]
    kept = app.download(form)
    assert kept.media["list.csv"] == b"name,label\na,A\n"
    for medium in media:
        assert medium.hash == hashlib.md5(kept.media[medium.name], usedforsecurity=False).hexdigest()
        assert medium.download_url.startswith(door.url)


def test_names_of_files_are_base_names(door: Door) -> None:
    """M2"""
    with pytest.raises(Problem):
        publish_with_media(door, **{"../list_csv": b"name,label\n"})
    publish_with_media(door, list_csv=b"name,label\na,A\n")
    for media in door.collect().refresh().values():
        assert all(PurePosixPath(medium.name).name == medium.name for medium in media)


def test_a_file_is_fetched_again_when_its_hash_changes_and_only_then(door: Door) -> None:
    """M3"""
    picture = b"\x89PNG\r\n\x1a\n" + bytes(30)
    publish_with_media(door, list_csv=b"name,label\na,A\n", logo_png=picture)
    app = door.collect()
    app.download(app.updates()[0])
    publish_with_media(door, "2", list_csv=b"name,label\na,A\nb,B\n", logo_png=picture)
    (update,) = app.updates()
    before = app.counts["GET requests"]
    kept = app.download(update)
    assert kept.media == {"list.csv": b"name,label\na,A\nb,B\n", "logo.png": picture}
    assert app.counts["GET requests"] - before == 3  # form, manifest and the list; not the picture


def test_a_file_that_came_cut_is_noticed_at_once_by_its_length_and_fetched_at_the_next_refresh(door: Door) -> None:
    """M6"""
    publish_with_media(door, list_csv=b"name,label\na,A\n")
    app = door.collect()
    (form,) = app.forms()
    kept = app.download(form)
    (medium,) = app.manifest(form)
    response = door.app.test_client().get(urlsplit(medium.download_url).path)
    assert int(response.headers["Content-Length"]) == len(response.data)
    kept.media["list.csv"] = b"name,la"
    assert app.updates() == [form]
    assert app.download(form).media["list.csv"] == b"name,label\na,A\n"


def test_an_address_that_nobody_has_is_not_found_and_says_so(door: Door) -> None:
    """A3"""
    with pytest.raises(CollectError, match="unreachable") as caught:
        door.collect(url=f"{door.base}/key/{'0' * 64}").forms()
    assert caught.value.status == 404


def test_every_address_that_a_tablet_is_given_leads_back_through_its_own(door: Door) -> None:
    """A2"""
    publish_with_media(door, list_csv=b"name,label\na,A\n")
    app = door.collect()
    for form, media in app.refresh().items():
        for url in (form.download_url, form.manifest_url, *(medium.download_url for medium in media)):
            assert url.startswith(door.url + "/")
    location = door.app.test_client().head(f"/key/{door.token}/submission").headers.get("Location", door.url + "/")
    assert urlsplit(location).path.startswith(f"/key/{door.token}/")
