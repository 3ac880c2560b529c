"""Settings codes: what the app scans, and that it then finds the server by them. Each test names its line."""

import base64
import json
import zlib
from typing import Any

import pytest
from sqlalchemy import select

from server.db.tables import AppUser
from server.demo.collect import CollectError, Settings, Status
from tests.office import bearer
from tests.openrosa.conftest import Door
from tests.openrosa.forms import filled

#: What the app's own schema takes for the keys that matter here; a wrong choice is passed over without a word.
CHOICES = {
    "form_update_mode": ("manual", "previously_downloaded", "match_exactly"),
    "periodic_form_updates_check": ("every_fifteen_minutes", "every_one_hour", "every_six_hours", "every_24_hours"),
    "autosend": ("off", "wifi_only", "cellular_only", "wifi_and_cellular"),
    "constraint_behavior": ("on_swipe", "on_finalize"),
    "image_size": ("original_image_size", "large", "medium", "small", "very_small"),
}
BOOLEANS = ("automatic_update", "delete_send", "hide_old_form_versions")


def make_code(door: Door, **members: Any) -> dict[str, Any]:
    """Have the office make a code for the app user of the door."""
    with door.context.database.read() as session:
        number = session.scalar(select(AppUser.app_user_id))
    headers = bearer(door.context, "manager")
    response = door.app.test_client().post(
        f"/api/v1/app-users/{number}/settings", json=members, headers=headers, base_url=door.base
    )
    assert response.status_code == 200, response.data
    found: dict[str, Any] = response.get_json()
    return found


def test_a_code_is_one_line_of_base64_of_deflated_json_with_general_and_admin(door: Door) -> None:
    """Q1"""
    made = make_code(door)
    payload = made["payload"]
    document = json.loads(zlib.decompress(base64.b64decode(payload, validate=True)))
    assert "\n" not in payload
    assert {"general", "admin"} <= document.keys() <= {"general", "admin", "project"}
    assert document == made["settings"]
    for key, value in document["general"].items():
        if key in CHOICES:
            assert value in CHOICES[key]
        else:
            assert isinstance(value, bool if key in BOOLEANS else str), key
    assert all(isinstance(value, bool) or key == "admin_pw" for key, value in document["admin"].items())


def test_a_code_says_all_that_the_office_wants_for_the_rest_is_reset(door: Door) -> None:
    """Q2"""
    general = make_code(door, autosend="wifi_only", is_deleted_when_sent=True)["settings"]["general"]
    assert general["autosend"] == "wifi_only"
    assert general["delete_send"] is True
    assert general["server_url"].startswith(door.base)


def test_a_tablet_that_has_scanned_a_code_has_its_forms_and_sends(door: Door) -> None:
    """Q3, A2"""
    door.publish()
    made = make_code(door)
    assert len(made["payload"]) < 700  # fits a code that a cheap camera reads
    settings = Settings.scan(made["payload"])
    assert settings.username == ""
    app = door.collect(settings=settings)
    assert [form.form_id for form in app.updates()] == ["visit"]
    one = app.finalise(filled(), name="1.xml")
    app.send(one)
    assert one.status is Status.SENT
    with pytest.raises(CollectError):
        door.collect().forms()  # what let it in before has stopped


def test_a_password_is_proved_by_digest_after_the_first_challenge_and_then_unasked(door: Door) -> None:
    """A1"""
    door.publish()
    settings = Settings.scan(make_code(door, with_password=True)["payload"])
    assert settings.username
    assert settings.password
    app = door.collect(settings=settings)
    assert [form.form_id for form in app.forms()] == ["visit"]
    asked = app.counts["GET requests"]
    app.download(app.forms()[0])
    one = app.finalise(filled(), name="1.xml")
    app.send(one)
    assert one.status is Status.SENT
    assert asked == 2  # refused once
    assert app.counts["HEAD requests"] == 1
    assert app.counts["POST requests"] == 1


def test_basic_counts_on_an_encrypted_line_alone(door: Door) -> None:
    """A1"""
    settings = Settings.scan(make_code(door, with_password=True)["payload"])
    basic = "Basic " + base64.b64encode(f"{settings.username}:{settings.password}".encode()).decode()
    client, path = door.app.test_client(), settings.server_url.removeprefix(door.base) + "/formList"
    refused = client.get(path, headers={"Authorization": basic}, base_url="http://office.example")
    assert refused.status_code == 401
    assert all(value.startswith("Digest") for value in refused.headers.getlist("WWW-Authenticate"))
    taken = client.get(path, headers={"Authorization": basic}, base_url="https://office.example")
    assert taken.status_code == 200
    asked = client.get(path, base_url="https://office.example")
    assert any(value.startswith("Basic") for value in asked.headers.getlist("WWW-Authenticate"))


def test_no_or_a_wrong_password_brings_up_the_dialog_and_not_an_error(door: Door) -> None:
    """A3"""
    settings = Settings.scan(make_code(door, with_password=True)["payload"])
    for username, password in (("", ""), (settings.username, "wrong"), ("nobody", "x")):
        app = door.collect(settings=Settings(settings.server_url, username, password))
        with pytest.raises(CollectError, match="credentials") as caught:
            app.forms()
        assert caught.value.status == 401
        with pytest.raises(CollectError, match="credentials"):
            app.send(app.finalise(filled(), name="1.xml"))


def test_every_address_behind_a_password_leads_back_through_the_same_one(door: Door) -> None:
    """A2"""
    door.publish()
    settings = Settings.scan(make_code(door, with_password=True)["payload"])
    app = door.collect(settings=settings)
    for form in app.forms():
        assert form.download_url.startswith(settings.server_url + "/")
        assert app.download(form).xform
