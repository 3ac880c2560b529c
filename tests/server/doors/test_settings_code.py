"""Settings codes: what Collect scans, by its own rules, and what a new code does to the access before."""

import base64
import json
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from server.context import Context
from server.db.queries import audit
from server.errors import BadRequest
from server.services import app_users, collect_settings
from server.services.collect_settings import LOCKED, RULES, Reach, Wishes
from tests.office import NOW, bearer, publish

# The keys and choices of client-settings.schema.json in getodk/collect, v2026.3, as far as we write them: written down
# here a second time, from there, so that a slip in ours is seen.
STRINGS = {"server_url", "username", "password", "app_language", "metadata_username", "admin_pw"}
CHOICES = {
    "form_update_mode": {"manual", "previously_downloaded", "match_exactly"},
    "periodic_form_updates_check": {"every_fifteen_minutes", "every_one_hour", "every_six_hours", "every_24_hours"},
    "autosend": {"off", "wifi_only", "cellular_only", "wifi_and_cellular"},
    "constraint_behavior": {"on_swipe", "on_finalize"},
    "image_size": {"original_image_size", "small", "very_small", "medium", "large"},
}
SWITCHES = {
    "change_server", "change_project_display", "form_update_mode", "periodic_form_updates_check", "automatic_update",
    "hide_old_form_versions", "change_autosend", "delete_after_send", "delete_saved", "change_constraint_behavior",
    "high_resolution", "image_size", "external_app_recording", "instance_form_sync", "change_form_metadata",
    "analytics", "edit_saved", "send_finalized", "view_sent", "get_blank", "change_app_theme", "change_app_language",
    "change_font_size", "change_navigation", "maps", "guidance_hint", "moving_backwards", "access_settings",
    "change_language", "jump_to", "save_mid", "mark_as_finalized", "save_as_draft", "finalize",
    "finalize_in_form_entry", "bulk_finalize",
}  # fmt: skip
REACH = Reach(server_url="https://survey.example/key/" + "x" * 64)


def accepted_by_collect(settings: Any) -> bool:
    """Judge a document as Collect's validator does, and as its importer does for choices that it would pass over."""
    if not {"general", "admin"} <= settings.keys() <= {"general", "admin", "project"}:
        return False
    general = settings["general"]
    return (
        all(type(value) is str for value in settings["project"].values())
        and settings["project"].keys() <= {"name", "icon", "color"}
        and all(type(general[key]) is str for key in STRINGS & general.keys())
        and all(general[key] in CHOICES[key] for key in CHOICES.keys() & general.keys())
        and general.keys() <= STRINGS | CHOICES.keys() | {"automatic_update", "delete_send"}
        and all(type(general[key]) is bool for key in {"automatic_update", "delete_send"} & general.keys())
        and all(key == "admin_pw" or (key in SWITCHES and type(on) is bool) for key, on in settings["admin"].items())
    )


def scanned(payload: str) -> Any:
    """Read a payload as Collect does."""
    return json.loads(zlib.decompress(base64.b64decode(payload, validate=True)).decode("utf-8"))


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    wishes=st.builds(
        Wishes,
        project_name=words,
        project_icon=words,
        form_update_mode=st.sampled_from(sorted(CHOICES["form_update_mode"])),
        update_check=st.sampled_from(sorted(CHOICES["periodic_form_updates_check"])),
        autosend=st.sampled_from(sorted(CHOICES["autosend"])),
        is_deleted_when_sent=st.booleans(),
        image_size=st.sampled_from([None, *sorted(CHOICES["image_size"])]),
        constraint_behavior=st.sampled_from([None, *sorted(CHOICES["constraint_behavior"])]),
        language=st.sampled_from(["", "en", "fr"]),
        enumerator=words,
        admin_password=words.map(lambda text: "p" + text),
        is_locked=st.booleans(),
    )
)
def test_whatever_an_office_wishes_collect_takes_it_and_reads_it_back(wishes: Wishes) -> None:
    written = collect_settings.write_settings(REACH, wishes)
    assert accepted_by_collect(written)
    payload = collect_settings.payload(written)
    assert scanned(payload) == written
    assert "\n" not in payload


def test_every_rule_of_ours_is_one_of_collects() -> None:
    assert RULES["general"].keys() <= STRINGS | CHOICES.keys() | {"automatic_update", "delete_send"}
    assert {key: set(rule) for key, rule in RULES["general"].items() if isinstance(rule, tuple)} == CHOICES
    assert set(LOCKED) <= SWITCHES


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("autosend", "always"),
        ("form_update_mode", "Match_Exactly"),
        ("image_size", 1024),
        ("constraint_behavior", True),
        ("is_deleted_when_sent", "yes"),
        ("project_name", 5),
        ("admin_password", 1234),
    ],
)
def test_what_collect_would_pass_over_or_refuse_is_refused_here(member: str, value: object) -> None:
    with pytest.raises(BadRequest):
        collect_settings.write_settings(REACH, Wishes(**{"project_name": "Survey", member: value}))  # type: ignore[arg-type]


def test_a_lock_without_a_password_is_no_lock() -> None:
    with pytest.raises(BadRequest, match="password"):
        collect_settings.write_settings(REACH, Wishes(project_name="Survey", is_locked=True))
    locked = collect_settings.write_settings(REACH, Wishes(project_name="S", is_locked=True, admin_password="1234"))
    assert locked["admin"] == {**dict.fromkeys(LOCKED, False), "admin_pw": "1234"}


def test_the_pictures_are_a_png_and_an_svg_with_the_same_code() -> None:
    written = collect_settings.write_settings(REACH, Wishes(project_name="Survey"))
    png, svg = collect_settings.png(written), collect_settings.svg(written)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert etree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert int(collect_settings.qr_code(written).version) <= 15


def test_the_picture_reads_back_as_the_payload(tmp_path: Path) -> None:
    reader = shutil.which("zbarimg")
    if reader is None:
        pytest.skip("no zbarimg on this machine: the picture of the code is not read back")
    written = collect_settings.write_settings(REACH, Wishes(project_name="Enquête 🇰🇲", language="fr"))
    (tmp_path / "code.png").write_bytes(collect_settings.png(written))
    read = subprocess.run([reader, "--raw", "-q", str(tmp_path / "code.png")], capture_output=True, check=True)
    assert scanned(read.stdout.decode().strip()) == written


# Over the API


@pytest.fixture
def number(context: Context, app_token: str) -> int:
    with context.database.transaction() as session:
        app_user = app_users.find_app_user(session, "tablet 12")
        return app_user.app_user_id


def test_a_manager_gets_settings_that_let_the_tablet_in_and_stop_what_did_before(
    client: FlaskClient, context: Context, app_token: str, number: int
) -> None:
    publish(context)
    headers = bearer(context, "manager")
    answer = client.post(f"/api/v1/app-users/{number}/settings", headers=headers, base_url="https://survey.example")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    written = answer.get_json()["settings"]
    assert accepted_by_collect(written)
    assert scanned(answer.get_json()["payload"]) == written
    assert written["general"]["metadata_username"] == "0012"
    assert written["project"]["name"] == "Survey"
    url = written["general"]["server_url"]
    assert url.startswith("https://survey.example/key/")
    assert len(url.rpartition("/")[2]) == 64
    assert client.get(f"{url}/formList").status_code == 200
    assert client.get(f"/key/{app_token}/formList").status_code == 404
    with context.database.read() as session:
        assert "give-access" in [entry.action for entry in audit.latest(session)]


def test_a_password_goes_into_the_settings_in_place_of_a_token(
    client: FlaskClient, context: Context, number: int
) -> None:
    body = {"with_password": True, "autosend": "wifi_only", "is_locked": True, "admin_password": "9876"}
    answer = client.post(f"/api/v1/app-users/{number}/settings", headers=bearer(context, "manager"), json=body)
    general = answer.get_json()["settings"]["general"]
    assert general["server_url"] == "http://localhost/projects/1"
    assert general["username"] == f"tablet-{number}"
    assert general["autosend"] == "wifi_only"
    login = base64.b64encode(f"{general['username']}:{general['password']}".encode()).decode()
    listed = client.get(
        "/projects/1/formList",
        headers={"Authorization": f"Basic {login}"},
        environ_overrides={"wsgi.url_scheme": "https"},
    )
    assert listed.status_code == 200


@pytest.mark.parametrize(("kind", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_picture_comes_by_format_or_by_accept(
    client: FlaskClient, context: Context, number: int, kind: str, begin: bytes
) -> None:
    headers, url = bearer(context, "manager"), f"/api/v1/app-users/{number}/settings"
    mimetype = {"png": "image/png", "svg": "image/svg+xml"}[kind]
    for answer in (
        client.post(f"{url}?format={kind}", headers=headers),
        client.post(url, headers={**headers, "Accept": mimetype}),
    ):
        assert (answer.mimetype, answer.headers["Cache-Control"]) == (mimetype, "no-store")
        assert answer.data.startswith(begin)


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("?format=gif", b""),
        ("", b"[1]"),
        ("", b"{"),
        ("", b'{"wish": 1}'),
        ("", b'{"autosend": "always"}'),
        ("", b'{"is_locked": true}'),
    ],
)
def test_a_wish_that_does_not_fit_costs_nobody_an_access(
    client: FlaskClient, context: Context, app_token: str, number: int, url: str, body: bytes
) -> None:
    answer = client.post(f"/api/v1/app-users/{number}/settings{url}", headers=bearer(context, "manager"), data=body)
    assert answer.status_code == 400
    assert client.get(f"/key/{app_token}/formList").status_code == 200


def test_there_is_none_for_whoever_is_revoked_or_not_there_or_of_another_project(
    client: FlaskClient, context: Context, number: int
) -> None:
    headers = bearer(context, "manager")
    assert client.post("/api/v1/app-users/999/settings", headers=headers).status_code == 404
    with context.database.transaction() as session:
        app_users.revoke_app_user(session, name="tablet 12", user="m", now=NOW)
    assert client.post(f"/api/v1/app-users/{number}/settings", headers=headers).status_code == 409


def test_supervisors_make_none(client: FlaskClient, context: Context, number: int) -> None:
    answer = client.post(f"/api/v1/app-users/{number}/settings", headers=bearer(context, "supervisor"))
    assert answer.status_code == 403
