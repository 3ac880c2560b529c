"""The pages of forms: check, publish, approve, close, retire; each in both languages, none without its token."""

import io
import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from forms.package import Medium
from server.context import Context
from server.db.queries import forms
from server.errors import BadRequest
from server.services import accounts
from server.web.form_messages import FORM_MESSAGES
from server.web.uploads import CARRIED_BYTES, Upload, read_carried
from tests.office import NOW
from tests.server.forms.test_lifecycle import AGE, AGE_IN_WORDS, QUESTIONS, SEX, publish, workbook
from tests.server.web.conftest import PASSWORD


def browser(app: Flask, name: str) -> FlaskClient:
    client = app.test_client()
    token = token_of(client.get("/login"))
    answer = client.post("/login", data={"form_token": token, "name": name, "password": PASSWORD})
    assert answer.status_code == 303
    return client


def token_of(page: TestResponse) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert found is not None
    return found.group(1)


def check(client: FlaskClient, content: bytes, *, language: str = "en", **more: object) -> TestResponse:
    members = {"form_token": token_of(client.get("/forms")), "workbook": (io.BytesIO(content), "visit.md"), **more}
    return client.post(f"/forms/check?lang={language}", data=members, content_type="multipart/form-data")


def states(context: Context) -> list[tuple[str, str]]:
    with context.database.read() as session:
        return [(one.version, one.state) for one in forms.versions(session)]


@pytest.fixture
def amina(sqlite_app: Flask, surveyed: Context) -> FlaskClient:
    """The browser of a manager."""
    return browser(sqlite_app, "amina")


@pytest.fixture
def second(sqlite_app: Flask, surveyed: Context, amina: FlaskClient) -> FlaskClient:
    """The browser of another manager."""
    with surveyed.database.transaction() as session:
        accounts.add_user(session, name="binta", role="manager", password=PASSWORD, actor="root", now=NOW)
    return browser(sqlite_app, "binta")


def test_a_version_is_checked_then_published_with_a_button(amina: FlaskClient, surveyed: Context) -> None:
    checked = check(amina, workbook(), note="first <round>", media=[(io.BytesIO(b"x"), "a.png")])
    assert checked.status_code == 200
    assert "It can be published." in checked.text
    assert "a.png" in checked.text
    assert states(surveyed) == []
    fields = dict(re.findall(r'name="(form_token|upload|note)" value="([^"]*)"', checked.text))
    answer = amina.post("/forms/publish", data={name: unescape(value) for name, value in fields.items()})
    assert (answer.status_code, answer.location) == (303, "/forms/visit/versions/1")
    assert states(surveyed) == [("1", "published")]
    page = amina.get(answer.location).text
    assert "first &lt;round&gt;" in page
    assert "a.png" in page


def test_what_is_wrong_or_would_break_is_said_and_nothing_is_stored(amina: FlaskClient, surveyed: Context) -> None:
    wrong = check(amina, workbook(questions="| | tixt | a | A |"))
    assert wrong.status_code == 422
    assert "It makes no form." in wrong.text
    publish(surveyed, workbook("1"))
    breaking = check(amina, workbook("2", questions=QUESTIONS + AGE_IN_WORDS), language="fr")
    assert breaking.status_code == 200
    assert "Elle ne peut pas être publiée" in breaking.text
    assert 'name="upload"' not in breaking.text
    at_once = check(amina, workbook("2", questions=QUESTIONS + AGE_IN_WORDS), at_once="yes")
    assert at_once.status_code == 409
    assert states(surveyed) == [("1", "published")]


def test_publishing_at_once_needs_no_second_page(amina: FlaskClient, surveyed: Context) -> None:
    assert check(amina, workbook(), at_once="yes").location == "/forms/visit/versions/1?lang=en"
    assert states(surveyed) == [("1", "published")]


def test_a_second_person_approves_and_the_first_cannot(
    amina: FlaskClient, second: FlaskClient, surveyed: Context
) -> None:
    publish(surveyed, workbook("1"))
    token = token_of(amina.get("/forms"))
    assert amina.post("/forms/visit/policy", data={"form_token": token, "needs_approval": "yes"}).status_code == 303
    assert check(amina, workbook("2", questions=QUESTIONS + AGE + SEX), at_once="yes").status_code == 303
    page = "/forms/visit/versions/2"
    assert "another person approves it" in amina.get(page).text
    assert f"{page}/approval" not in amina.get(page).text
    assert amina.post(f"{page}/approval", data={"form_token": token}).status_code == 403
    assert "Approve and publish" in second.get(page).text
    seen = re.findall(r'name="seen" value="([^"]+)"', second.get(page).text)[0]
    assert check(amina, workbook("2", questions=QUESTIONS + AGE), at_once="yes").status_code == 303
    form = {"form_token": token_of(second.get(page)), "note": "read", "seen": seen}
    assert second.post(f"{page}/approval", data=form).status_code == 409  # another draft than the one that was read
    form["seen"] = re.findall(r'name="seen" value="([^"]+)"', second.get(page).text)[0]
    approved = second.post(f"{page}/approval", data=form)
    assert (approved.status_code, states(surveyed)[-1]) == (303, ("2", "published"))


def test_a_version_is_closed_reopened_and_retired_with_reasons(amina: FlaskClient, surveyed: Context) -> None:
    publish(surveyed, workbook("1"))
    page = "/forms/visit/versions/1"
    for state, note, status in (
        ("closed", "", 400), ("closed", "why", 303), ("published", "", 303),
        ("retired", "why", 409), ("closed", "why", 303), ("retired", "over", 303), ("published", "", 409),
    ):  # fmt: skip
        form = {"form_token": token_of(amina.get("/forms")), "state": state, "note": note}
        assert amina.post(f"{page}/state", data=form).status_code == status
    assert states(surveyed) == [("1", "retired")]
    assert "over" in amina.get(page).text


@pytest.mark.parametrize(
    "path", ["check", "publish", "visit/policy", "visit/versions/1/state", "visit/versions/1/approval"]
)
def test_nothing_changes_without_the_token_of_the_session(amina: FlaskClient, surveyed: Context, path: str) -> None:
    publish(surveyed, workbook("1"))
    form = {"form_token": "another", "state": "closed", "note": "x", "needs_approval": "yes"}
    assert amina.post(f"/forms/{path}", data=form).status_code == 400
    assert states(surveyed) == [("1", "published")]


def test_a_supervisor_sees_forms_and_decides_nothing(sqlite_app: Flask, surveyed: Context) -> None:
    publish(surveyed, workbook("1"))
    sami = browser(sqlite_app, "sami")
    pages = sami.get("/forms").text + sami.get("/forms/visit/versions/1").text
    assert "/forms/check" not in pages
    assert "/state" not in pages
    form = {"form_token": token_of(sami.get("/forms")), "state": "closed", "note": "x"}
    assert sami.post("/forms/visit/versions/1/state", data=form).status_code == 403


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_page_speaks_the_language_and_has_a_label_for_every_field(
    amina: FlaskClient, surveyed: Context, language: str
) -> None:
    publish(surveyed, workbook("1"))
    for path in ("/forms", "/forms/visit/versions/1"):
        text = amina.get(f"{path}?lang={language}").text
        assert f'<html lang="{language}">' in text
        fields = re.findall(r'<input type="(?:text|file|checkbox)"', text)
        assert len(fields) == len(re.findall(r"<label[^>]*>(?:(?!</label>).)*<input", text, re.DOTALL))


def test_both_languages_have_every_word() -> None:
    assert FORM_MESSAGES["en"].keys() == FORM_MESSAGES["fr"].keys()
    for key, text in FORM_MESSAGES["en"].items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", FORM_MESSAGES["fr"][key])), key


def test_a_reloaded_answer_leads_to_the_list(amina: FlaskClient) -> None:
    assert amina.get("/forms/check?lang=fr").location == "/forms?lang=fr"


def test_what_a_page_carries_comes_back_byte_for_byte_and_what_is_too_large_is_not_carried() -> None:
    media = (Medium(name="é.csv", content=bytes(range(256))),)
    upload = Upload(filename="a.md", workbook=b"\x00x", media=media, map_content=b"m", map_name="m.csv")
    assert read_carried(upload.carried() or "") == upload
    assert Upload(filename="a.md", workbook=bytes(CARRIED_BYTES + 1)).carried() is None
    for torn in ("", "!", "e30=", "bnVsbA=="):
        with pytest.raises(BadRequest):
            read_carried(torn)
