"""The pages of people, app users and one's own account, as a browser without scripts uses them."""

import io
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from server.context import Context
from server.db.queries import forms
from server.services import accounts, projects
from server.web.people_messages import PEOPLE_MESSAGES
from tests.office import NOW, XFORM, begin_session, publish
from tests.server.web.conftest import PASSWORD

BY = {"user": "root", "now": NOW}
TOKEN = "of the session"


@pytest.fixture
def office(sqlite_context: Context) -> Context:
    """An office with an administrator and a manager."""
    with sqlite_context.database.transaction() as session:
        accounts.add_user(session, name="root", role="administrator", password=PASSWORD, actor="root", now=NOW)
        accounts.add_user(session, name="amina", role="manager", password=None, actor="root", now=NOW)
    return sqlite_context


def as_person(app: Flask, context: Context, name: str) -> FlaskClient:
    page = app.test_client()
    begin_session(page, context, name)
    with page.session_transaction() as session:
        session["form_token"] = TOKEN
    return page


@pytest.fixture
def root(sqlite_app: Flask, office: Context) -> FlaskClient:
    return as_person(sqlite_app, office, "root")


@pytest.fixture
def amina(sqlite_app: Flask, office: Context) -> FlaskClient:
    return as_person(sqlite_app, office, "amina")


def test_both_languages_have_every_word() -> None:
    assert PEOPLE_MESSAGES["en"].keys() == PEOPLE_MESSAGES["fr"].keys()


def test_a_person_is_added_with_a_password_that_is_shown_once(root: FlaskClient) -> None:
    form = {"form_token": TOKEN, "name": "Sami", "role": "supervisor", "team": "01", "in_every_project": "yes"}
    made = root.post("/people", data=form)
    password = re.search(r"<output>([^<]+)</output>", made.text)
    assert made.status_code == 200
    assert made.headers["Cache-Control"] == "no-store"
    assert password is not None
    assert password.group(1) not in root.get("/people/3").text
    assert "team 01" in root.get("/people").text
    assert root.post("/people", data=form).status_code == 409
    assert "déjà ce nom" in root.post("/people?lang=fr", data=form).text
    assert root.post("/people", data=form | {"name": ""}).status_code == 400


def test_a_person_is_changed_shut_out_and_let_in_again(root: FlaskClient) -> None:
    url = "/people/2"
    form = {"form_token": TOKEN, "role": "supervisor", "team": "07", "in_every_project": "yes"}
    assert root.post(url, data=form).status_code == 303
    assert "team 07" in root.get(url).text
    assert root.post(f"{url}/access", data={"form_token": TOKEN, "is_disabled": "yes"}).status_code == 303
    assert "shut out" in root.get(url).text
    assert root.post(f"{url}/access", data={"form_token": TOKEN, "is_disabled": "no"}).status_code == 303
    assert root.post("/people/1/access", data={"form_token": TOKEN, "is_disabled": "yes"}).status_code == 409
    assert "<output>" in root.post(f"{url}/password", data={"form_token": TOKEN}).text


def test_a_token_is_made_listed_and_revoked(root: FlaskClient) -> None:
    made = root.post("/people/2/tokens", data={"form_token": TOKEN, "label": "R at work", "days": "30"})
    assert "<output>" in made.text
    listed = root.get("/people/2").text
    assert "R at work" in listed
    token_id = re.search(r"tokens/([0-9a-f]{12})/revocation", listed)
    assert token_id is not None
    assert root.post(f"/people/2/tokens/{token_id.group(1)}/revocation", data={"form_token": TOKEN}).status_code == 303
    assert "/revocation" not in root.get("/people/2").text
    assert root.post("/people/2/tokens", data={"form_token": TOKEN, "days": "0"}).status_code == 400


@pytest.mark.parametrize(
    "url", ["/people", "/people/2", "/people/2/access", "/people/2/password", "/people/2/tokens", "/people/projects"]
)
def test_a_form_of_another_session_changes_nothing(root: FlaskClient, url: str) -> None:
    assert root.post(url, data={"form_token": "another", "name": "x", "role": "manager"}).status_code == 400
    assert root.get("/people").text.count("rowheader") == 3


def test_projects_are_added_renamed_and_archived(root: FlaskClient) -> None:
    assert "Project shown" not in root.get("/forms").text
    assert root.post("/people/projects", data={"form_token": TOKEN, "name": "Returns"}).status_code == 303
    assert "Project shown" in root.get("/forms").text
    assert root.post("/people/projects/2", data={"form_token": TOKEN, "name": "Returns 2026"}).status_code == 303
    assert root.post("/people/projects/2", data={"form_token": TOKEN, "name": "Survey"}).status_code == 409
    assert root.post("/people/projects/2", data={"form_token": TOKEN, "act": "archive"}).status_code == 303
    assert "Returns 2026 (archived)" in root.get("/forms").text


def test_the_switch_shows_one_project_and_all_again(root: FlaskClient, office: Context) -> None:
    with office.database.transaction() as session:
        projects.add_project(session, name="Returns", **BY)
    publish(office)
    assert "visit" in root.get("/forms").text
    chosen = root.post("/account/project", data={"form_token": TOKEN, "project": "2", "next": "/forms"})
    assert chosen.location == "/forms"
    assert "visit" not in root.get("/forms").text
    root.post("/account/project", data={"form_token": TOKEN, "project": "", "next": "//evil.example"})
    assert "visit" in root.get("/forms").text


def test_a_new_form_comes_into_the_project_that_was_chosen(root: FlaskClient, office: Context) -> None:
    with office.database.transaction() as session:
        projects.add_project(session, name="Returns", **BY)

    def upload(form_id: str, version: str, **more: str) -> int:
        content = XFORM.format(form_id=form_id, version=version, title="Visit").encode()
        form = {"form_token": TOKEN, "workbook": (io.BytesIO(content), "f.xml"), "at_once": "yes", **more}
        return root.post("/forms/check", data=form).status_code

    assert upload("returns", "1") == 400
    assert upload("returns", "1", project="2") == 303
    assert upload("returns", "2", project="1") == 303  # it stays where it is
    with office.database.read() as session:
        assert forms.project_of(session, "returns") == 2
    content = XFORM.format(form_id="other", version="1", title="Visit").encode()
    form = {"form_token": TOKEN, "workbook": (io.BytesIO(content), "f.xml"), "project": "2"}
    assert '<input type="hidden" name="project" value="2">' in root.post("/forms/check", data=form).text


def test_an_app_user_is_made_and_its_code_shown_once(amina: FlaskClient, office: Context) -> None:
    form = {"form_token": TOKEN, "name": "Tablet 1", "enumerator": "0001", "mode": "survey", "language": "fr"}
    made = amina.post("/app-users", data=form)
    assert made.status_code == 200
    address = re.search(r"http://localhost(/key/[\w-]+)", made.text)
    assert address is not None
    assert 'src="data:image/svg+xml;base64,' in made.text
    assert "img-src 'self' data:" in made.headers["Content-Security-Policy"]
    assert made.headers["Cache-Control"] == "no-store"
    assert amina.get(f"{address.group(1)}/formList").status_code == 200
    assert address.group(1) not in amina.get("/app-users/1").text
    assert amina.post("/app-users", data=form).status_code == 409
    again = amina.post("/app-users/1/code", data={"form_token": TOKEN, "with_password": "yes"})
    assert "tablet-1" in again.text
    assert amina.get(f"{address.group(1)}/formList").status_code == 404
    assert amina.post("/app-users/1/revocation", data={"form_token": TOKEN}).status_code == 303
    assert "revoked" in amina.get("/app-users").text


def test_forms_of_an_app_user_are_chosen(amina: FlaskClient, office: Context) -> None:
    publish(office)
    form = {"form_token": TOKEN, "name": "Tablet 1", "enumerator": "0001", "mode": "survey", "language": ""}
    path = re.search(r"http://localhost(/key/[\w-]+)", amina.post("/app-users", data=form).text)
    assert path is not None
    for chosen, is_given in (({"form_id": "visit"}, True), ({}, False), ({"every": "yes"}, True)):
        assert amina.post("/app-users/1/forms", data={"form_token": TOKEN, **chosen}).status_code == 303
        assert ("<formID>visit" in amina.get(f"{path.group(1)}/formList").text) == is_given


def test_one_s_own_password_is_changed_and_this_session_goes_on(
    root: FlaskClient, sqlite_app: Flask, office: Context
) -> None:
    other = as_person(sqlite_app, office, "root")
    form = {"form_token": TOKEN, "present": PASSWORD, "chosen": "another good one"}
    assert root.post("/account/password", data=form | {"present": "guess"}).status_code == 401
    assert root.post("/account/password", data=form | {"chosen": "short"}).status_code == 400
    assert root.post("/account/password", data=form).status_code == 200
    assert root.get("/people").status_code == 200
    assert other.get("/people", headers={"Accept": "application/json"}).status_code == 401


@pytest.mark.parametrize("path", ["/people", "/people/2", "/account", "/app-users"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_field_has_a_label_and_no_page_runs_anything(root: FlaskClient, path: str, language: str) -> None:
    text = root.get(f"{path}?lang={language}").text
    assert f'<html lang="{language}">' in text
    assert "<script" not in text
    assert "style=" not in text
    fields = re.findall(r"<(?:input|select)\b[^>]*>", text)
    labelled = re.findall(r"<label\b.*?</label>", text, flags=re.DOTALL)
    bare = [
        one
        for one in fields
        if 'type="hidden"' not in one
        and "aria-label" not in one
        and "aria-hidden" not in one
        and not any(one in label for label in labelled)
    ]
    assert bare == []
