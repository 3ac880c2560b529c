import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from server.context import Context
from server.services import publish_form
from server.services.limit_logins import FAILURES
from tests.office import NOW, bearer
from tests.server.web.conftest import PASSWORD

MARKDOWN = b"""
| survey   |      |      |       |
|          | type | name | label |
|          | text | q1   | Why?  |
| settings |         |         |
|          | form_id | version |
|          | small   | 1       |
"""


def form_token(page: FlaskClient) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page.get("/login").text)
    assert found is not None
    return found.group(1)


def log_in(page: FlaskClient, name: str = "amina", password: str = PASSWORD, **more: str) -> int:
    form = {"form_token": form_token(page), "name": name, "password": password, **more}
    return page.post("/login", data=form).status_code


def test_fieldwork_asks_a_stranger_to_log_in_and_leads_back(page: FlaskClient, surveyed: Context) -> None:
    answer = page.get("/fieldwork", headers={"Accept": "text/html"})
    assert answer.status_code == 302
    assert answer.location == "/login?next=/fieldwork"
    assert log_in(page, next="/fieldwork") == 303
    assert page.get("/fieldwork").status_code == 200


@pytest.mark.parametrize(("name", "status"), [("amina", 200), ("sami", 200), ("stata", 403)])
def test_fieldwork_is_for_supervisors_and_managers(
    page: FlaskClient, surveyed: Context, name: str, status: int
) -> None:
    assert log_in(page, name) == 303
    assert page.get("/fieldwork").status_code == status


def test_fieldwork_shows_every_unit_and_enumerator(page: FlaskClient, surveyed: Context) -> None:
    log_in(page)
    text = page.get("/fieldwork").text
    assert all(code in text for code in ("0001", "0002", "011001", "011002", "012001"))
    assert "Tous" not in text
    assert "Par enquêteur" in page.get("/fieldwork?lang=fr").text


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(page: FlaskClient, surveyed: Context) -> None:
    assert log_in(page, password="guess") == 401
    assert log_in(page, name="nobody") == 401
    assert page.get("/fieldwork").status_code in (302, 401)


def test_a_login_without_the_page_s_token_is_refused(page: FlaskClient, surveyed: Context) -> None:
    assert page.post("/login", data={"name": "amina", "password": PASSWORD}).status_code == 400
    form_token(page)
    form = {"form_token": "another", "name": "amina", "password": PASSWORD}
    assert page.post("/login", data=form).status_code == 400


def test_guessing_is_slowed_down_even_with_the_right_password(page: FlaskClient, surveyed: Context) -> None:
    assert [log_in(page, password="guess") for _ in range(FAILURES)] == [401] * FAILURES
    assert log_in(page) == 429


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "/\n/x"]
)
def test_a_login_never_leads_to_another_site(page: FlaskClient, surveyed: Context, target: str) -> None:
    form = {"form_token": form_token(page), "name": "amina", "password": PASSWORD, "next": target}
    assert page.post("/login", data=form).location == "/intake"


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(page: FlaskClient, surveyed: Context) -> None:
    form = {"form_token": form_token(page), "name": "amina", "password": PASSWORD}
    cookie = page.post("/login", data=form).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_the_session_is_another_after_login(page: FlaskClient, surveyed: Context) -> None:
    before = form_token(page)
    assert log_in(page) == 303
    assert f'value="{before}"' not in page.get("/fieldwork").text


def test_logging_out_ends_the_session(page: FlaskClient, surveyed: Context) -> None:
    log_in(page)
    assert page.post("/logout", data={"form_token": "another"}).status_code == 303
    assert page.get("/fieldwork").status_code == 200
    token = re.search(r'name="form_token" value="([^"]+)"', page.get("/fieldwork").text)
    assert token is not None
    page.post("/logout", data={"form_token": token.group(1)})
    assert page.get("/fieldwork").status_code in (302, 401)


def test_pages_of_the_office_are_not_cached(page: FlaskClient, surveyed: Context) -> None:
    log_in(page)
    assert page.get("/fieldwork").headers["Cache-Control"] == "no-store"


def test_forms_are_listed_and_downloaded_as_published(sqlite_app: Flask, surveyed: Context) -> None:
    page = sqlite_app.test_client()
    with surveyed.database.transaction() as session:
        publish_form.publish_form(session, workbook=MARKDOWN, filename="small.md", note="", user="amina", now=NOW)
    headers = bearer(surveyed, "administrator")
    listed = page.get("/forms", headers=headers)
    assert "small" in listed.text
    xform = page.get("/forms/small/1.xml", headers=headers)
    assert b"<h:html" in xform.data
    assert "attachment" in xform.headers["Content-Disposition"]
    assert page.get("/forms/small/1.xlsx", headers=headers).data == MARKDOWN
    assert page.get("/forms/small/1.pdf", headers=headers).status_code == 404
    assert page.get("/forms/small/2.xml", headers=headers).status_code == 404
    assert page.get("/forms", headers=bearer(surveyed, "enumerator")).status_code == 403
