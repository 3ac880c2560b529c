"""Every refusal is a problem that says what, where and what to do; nobody ever sees a traceback or an answer."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from server.app import create_app
from server.context import Context, public
from server.errors import Problem, all_problems, from_protocol
from sync_protocol import messages
from sync_protocol.errors import RemoteError


@pytest.mark.parametrize("made", all_problems(), ids=lambda made: made.slug)
def test_the_type_of_a_problem_leads_to_its_page(sqlite_client: FlaskClient, made: type[Problem]) -> None:
    page = sqlite_client.get(f"/problems/{made.slug}")
    assert page.status_code == 200
    assert made.title in page.get_data(as_text=True).replace("&#x27;", "'")
    assert len(made.remedy) > 20


def test_the_list_of_problems_names_each(sqlite_client: FlaskClient) -> None:
    page = sqlite_client.get("/problems/").get_data(as_text=True)
    assert all(f"/problems/{made.slug}" in page for made in all_problems())
    assert sqlite_client.get("/problems/nothing").status_code == 404


@pytest.mark.parametrize("slug", messages.PROBLEMS)
def test_what_the_protocol_names_has_the_status_and_retry_of_the_protocol(slug: str) -> None:
    problem = from_protocol(RemoteError(slug, "detail"))
    assert (problem.slug, problem.status, problem.retry) == (slug, *messages.PROBLEMS[slug])


def test_what_the_protocol_does_not_name_is_malformed() -> None:
    assert from_protocol(RemoteError("truncated", "x")).slug == "malformed"


@pytest.fixture
def failing_client(sqlite_context: Context) -> FlaskClient:
    app: Flask = create_app(sqlite_context.config, sqlite_context)

    @public
    def fail() -> str:
        raise ValueError("the answer is 42")

    app.add_url_rule("/api/fail", view_func=fail)
    app.add_url_rule("/key/<token>/fail", view_func=fail)
    app.add_url_rule("/fail", view_func=fail)
    return app.test_client()


@pytest.mark.parametrize("path", ["/api/fail", "/fail"])
def test_an_unforeseen_error_shows_neither_traceback_nor_message(
    failing_client: FlaskClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    for accept in ("application/json", "text/html"):
        response = failing_client.get(path, headers={"Accept": accept})
        assert response.status_code == 500
        text = response.get_data(as_text=True)
        assert "42" not in text
        assert "Traceback" not in text
    assert "ValueError" in caplog.text
    assert "test_problems.py" in caplog.text
    assert "42" not in caplog.text


def test_people_get_a_page_and_programs_json(sqlite_client: FlaskClient) -> None:
    page = sqlite_client.get("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.mimetype) == (404, "text/html")
    document = sqlite_client.get("/api/v1/nowhere", headers={"Accept": "text/html"})
    assert (document.status_code, document.mimetype) == (404, "application/problem+json")
    assert document.get_json()["instance"] == "/api/v1/nowhere"


def test_a_wrong_method_names_the_right_ones(sqlite_client: FlaskClient) -> None:
    response = sqlite_client.delete("/api/v1/forms/visit/policy")
    assert (response.status_code, response.get_json()["type"]) == (405, "/problems/method-not-allowed")
    assert "PUT" in response.headers["Allow"]


def test_a_token_in_the_path_is_not_repeated(sqlite_client: FlaskClient) -> None:
    response = sqlite_client.get("/key/secret-token/nowhere")
    assert response.status_code == 404
    assert b"secret-token" not in response.get_data()


def test_health_says_whether_the_key_store_is_locked(sqlite_client: FlaskClient) -> None:
    assert sqlite_client.get("/health").get_json() == {"status": "ok", "key_store": "unlocked"}
