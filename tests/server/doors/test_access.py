"""Who may call what: every route says it, and is held to it."""

import uuid
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import IntegerConverter, Rule, UUIDConverter

from server.app import create_app
from server.context import Context, access_of
from server.context.access import ADMINISTRATOR, ROLES
from server.services import api_tokens
from tests.office import NOW, bearer, begin_session

EXAMPLES = {IntegerConverter: 1, UUIDConverter: uuid.UUID(int=1)}
"""What stands in an address where not any text may stand."""


def calls(app: Flask) -> Iterator[tuple[str, str, Rule]]:
    """Yield method, path and rule of every route that the app has."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if rule.endpoint.rpartition(".")[2] == "static":
            continue
        values = {name: EXAMPLES.get(type(rule._converters[name]), "x") for name in rule.arguments}
        path = adapter.build(rule.endpoint, values, method=None)
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            yield method, path, rule


def test_every_route_declares_who_may_call_it(sqlite_app: Flask) -> None:
    silent = [
        rule.endpoint for _, _, rule in calls(sqlite_app) if access_of(sqlite_app.view_functions[rule.endpoint]) is None
    ]
    assert silent == []
    assert len(list(calls(sqlite_app))) > 20


def test_only_the_doors_of_devices_and_tablets_check_for_themselves(sqlite_app: Flask) -> None:
    own = {
        rule.rule.split("/")[1]
        for _, _, rule in calls(sqlite_app)
        if (access := access_of(sqlite_app.view_functions[rule.endpoint])) and access.kind == "own"
    }
    assert own == {"sync", "key", "v1", "projects", "metrics"}


def test_nobody_without_an_account_gets_into_a_route_of_roles(sqlite_app: Flask, sqlite_client: FlaskClient) -> None:
    for method, path, rule in calls(sqlite_app):
        access = access_of(sqlite_app.view_functions[rule.endpoint])
        if access is not None and access.kind == "roles":
            response = sqlite_client.open(path, method=method, headers={"Accept": "application/json"})
            assert response.status_code == 401, (method, path)
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_gets_into_its_own_routes_only(
    sqlite_app: Flask, sqlite_client: FlaskClient, sqlite_context: Context, role: str
) -> None:
    headers = {**bearer(sqlite_context, role), "Accept": "application/json"}
    for method, path, rule in calls(sqlite_app):
        access = access_of(sqlite_app.view_functions[rule.endpoint])
        if access is None or access.kind != "roles":
            continue
        response = sqlite_client.open(path, method=method, headers=headers)
        is_admitted = role in access.roles or role == ADMINISTRATOR
        assert (response.status_code not in (401, 403)) == is_admitted, (method, path, response.status_code)
        if not is_admitted:
            assert response.status_code == 403


def test_an_address_that_declares_nothing_is_closed(sqlite_context: Context) -> None:
    app = create_app(sqlite_context.config, sqlite_context)
    app.add_url_rule("/forgotten", view_func=lambda: "open", endpoint="forgotten")
    assert app.test_client().get("/forgotten").status_code == 500


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic YTpi", "Bearer " + "x" * 5000, "Bearer é"])
def test_a_token_that_is_not_valid_is_refused(sqlite_client: FlaskClient, header: str) -> None:
    response = sqlite_client.get("/api/v1/forms", headers={"Authorization": header})
    assert response.status_code == 401
    assert response.get_json()["type"] == "/problems/not-authenticated"


def test_a_revoked_token_is_refused(sqlite_client: FlaskClient, sqlite_context: Context) -> None:
    headers = bearer(sqlite_context, "manager")
    assert sqlite_client.get("/api/v1/forms", headers=headers).status_code == 200
    with sqlite_context.database.transaction() as session:
        api_tokens.revoke_tokens(session, name="manager", actor="administrator", now=NOW)
    assert sqlite_client.get("/api/v1/forms", headers=headers).status_code == 401


def log_in(client: FlaskClient, context: Context, role: str = "manager") -> None:
    bearer(context, role)
    begin_session(client, context, role)


def test_a_session_lets_its_account_in(sqlite_client: FlaskClient, sqlite_context: Context) -> None:
    log_in(sqlite_client, sqlite_context)
    assert sqlite_client.get("/api/v1/forms").status_code == 200


def test_a_page_of_another_site_changes_nothing_with_our_cookie(
    sqlite_client: FlaskClient, sqlite_context: Context
) -> None:
    log_in(sqlite_client, sqlite_context)
    url = "/api/v1/forms/f/versions?filename=f.xml"
    foreign = sqlite_client.post(url, data=b"<x/>", headers={"Origin": "http://evil.example"})
    own = sqlite_client.post(url, data=b"<x/>", headers={"Origin": "http://localhost"})
    assert (foreign.status_code, own.status_code) == (403, 422)


def test_a_person_without_a_session_is_led_to_the_login_page(sqlite_client: FlaskClient) -> None:
    response = sqlite_client.get("/fieldwork?unit=7", headers={"Accept": "text/html"})
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login?next=")


@pytest.mark.parametrize("way", ["token", "session"])
def test_what_only_some_may_see_is_kept_out_of_every_cache(
    sqlite_app: Flask, sqlite_client: FlaskClient, sqlite_context: Context, way: str
) -> None:
    headers = bearer(sqlite_context, "manager")
    if way == "session":
        begin_session(sqlite_client, sqlite_context, "manager")
        headers = {}
    looked_at = 0
    for method, path, rule in calls(sqlite_app):
        access = access_of(sqlite_app.view_functions[rule.endpoint])
        if access is None or access.kind != "roles" or method != "GET":
            continue
        answer = sqlite_client.get(path, headers=headers)
        looked_at += 1
        assert answer.headers.get("Cache-Control") in ("no-store", "private, no-cache"), path
    assert looked_at > 30


def test_a_forged_session_is_no_session(sqlite_client: FlaskClient) -> None:
    sqlite_client.set_cookie("passerelle", "eyJ1c2VyX2lkIjoxfQ.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb")
    assert sqlite_client.get("/api/v1/forms").status_code == 401
