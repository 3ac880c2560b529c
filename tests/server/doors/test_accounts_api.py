"""Projects, people and app users for programs."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from server.context import Context
from server.db.queries import audit
from tests.office import bearer, publish

USERS = "/api/v1/users"
PROJECTS = "/api/v1/projects"
APP_USERS = "/api/v1/app-users"


@pytest.fixture
def root(context: Context) -> dict[str, str]:
    return bearer(context, "administrator")


def test_the_life_of_a_person_over_http(context: Context, client: FlaskClient, root: dict[str, str]) -> None:
    added = client.post(USERS, headers=root, json={"name": "sami", "role": "supervisor", "team": "01", "projects": [1]})
    assert added.status_code == 201
    person = added.get_json()
    assert len(person["password"]) >= 16
    assert (person["role"], person["team"], person["projects"]) == ("supervisor", "01", [1])
    url = f"{USERS}/{person['user_id']}"
    changed = client.patch(url, headers=root, json={"role": "manager", "projects": None}).get_json()
    assert (changed["role"], changed["team"], changed["projects"]) == ("manager", "01", None)
    made = client.post(f"{url}/tokens", headers=root, json={"label": "R", "expires_at": "2099-01-01T00:00:00+00:00"})
    token = {"Authorization": f"Bearer {made.get_json()['token']}"}
    assert client.get("/api/v1/forms", headers=token).status_code == 200
    (listed,) = client.get(f"{url}/tokens", headers=root).get_json()["tokens"]
    assert (listed["label"], listed["revoked_at"], len(listed["token_id"])) == ("R", None, 12)
    assert client.delete(f"{url}/tokens/{listed['token_id']}", headers=root).status_code == 204
    assert client.delete(f"{url}/tokens/{listed['token_id']}", headers=root).status_code == 404
    assert client.get("/api/v1/forms", headers=token).status_code == 401
    assert client.patch(url, headers=root, json={"is_disabled": True}).get_json()["disabled_at"] is not None
    assert client.patch(url, headers=root, json={"is_disabled": True}).status_code == 409
    assert client.patch(url, headers=root, json={"is_disabled": False}).get_json()["disabled_at"] is None
    assert client.post(f"{url}/password", headers=root, json={"password": "a long enough one"}).get_json() == {
        "name": "sami"
    }
    with context.database.read() as session:
        acts = {entry.action for entry in audit.latest(session)}
        assert not any(person["password"] in entry.detail for entry in audit.latest(session))
    assert {
        "add-user", "change-user", "issue-token", "revoke-token", "disable-user", "enable-user", "set-password",
    } <= acts  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "a"},
        {"name": "a", "role": "king"},
        {"name": "a", "role": "manager", "projects": [7]},
        {"name": "a", "role": "manager", "projects": "1"},
        {"name": "a", "role": "manager", "password": "short"},
        {"name": "a\0", "role": "manager"},
        {"name": "a\ud800", "role": "manager"},
        {"name": "x" * 201, "role": "manager"},
        [],
    ],
)
def test_a_person_that_makes_no_sense_is_refused(client: FlaskClient, root: dict[str, str], body: Any) -> None:
    assert client.post(USERS, headers=root, json=body).status_code == 400


def test_the_last_administrator_stays(client: FlaskClient, root: dict[str, str]) -> None:
    (me,) = client.get(USERS, headers=root).get_json()["users"]
    url = f"{USERS}/{me['user_id']}"
    assert client.patch(url, headers=root, json={"role": "manager"}).status_code == 409
    assert client.patch(url, headers=root, json={"is_disabled": True}).status_code == 409
    assert client.post(USERS, headers=root, json={"name": "b", "role": "administrator"}).status_code == 201
    assert client.patch(url, headers=root, json={"role": "manager"}).status_code == 200


def test_everybody_changes_the_own_password_who_knows_it(client: FlaskClient, root: dict[str, str]) -> None:
    made = client.post(
        USERS, headers=root, json={"name": "efua", "role": "enumerator", "password": "correct horse battery"}
    )
    number = made.get_json()["user_id"]
    token = client.post(f"{USERS}/{number}/tokens", headers=root, json={}).get_json()["token"]
    efua = {"Authorization": f"Bearer {token}"}
    url = f"{USERS}/me/password"
    assert client.put(url, headers=efua, json={"present": "guess", "chosen": "another good one"}).status_code == 401
    assert (
        client.put(url, headers=efua, json={"present": "correct horse battery", "chosen": "short"}).status_code == 400
    )
    assert client.put(
        url, headers=efua, json={"present": "correct horse battery", "chosen": "another good one"}
    ).get_json() == {"name": "efua"}


def test_the_life_of_a_project_over_http(client: FlaskClient, root: dict[str, str]) -> None:
    made = client.post(PROJECTS, headers=root, json={"name": "Returns"})
    assert (made.status_code, made.get_json()["project_id"]) == (201, 2)
    assert client.post(PROJECTS, headers=root, json={"name": "Returns"}).status_code == 409
    url = f"{PROJECTS}/2"
    assert client.patch(url, headers=root, json={"name": "Returns 2026"}).get_json()["name"] == "Returns 2026"
    assert client.patch(url, headers=root, json={"name": "Survey"}).status_code == 409
    assert client.patch(url, headers=root, json={"is_archived": True}).get_json()["archived_at"] is not None
    assert client.patch(url, headers=root, json={"is_archived": True}).status_code == 409
    assert client.patch(url, headers=root, json={"is_archived": False}).get_json()["archived_at"] is None
    assert client.patch(f"{PROJECTS}/9", headers=root, json={"name": "x"}).status_code == 404
    assert [one["name"] for one in client.get(PROJECTS, headers=root).get_json()["projects"]] == [
        "Survey", "Returns 2026",
    ]  # fmt: skip


def test_the_life_of_an_app_user_over_http(context: Context, client: FlaskClient, root: dict[str, str]) -> None:
    publish(context)
    manager = bearer(context, "manager")
    body = {"name": "Tablet 1", "project_id": 1, "enumerator": "0001", "team": "01", "language": "fr"}
    made = client.post(APP_USERS, headers=manager, json=body)
    assert made.status_code == 201
    token = made.get_json()["url"].rpartition("/")[2]
    number = made.get_json()["app_user_id"]
    assert "<formID>visit</formID>" in client.get(f"/key/{token}/formList").text
    assert client.post(APP_USERS, headers=manager, json=body).status_code == 409
    url = f"{APP_USERS}/{number}"
    assert client.get(url, headers=manager).get_json()["forms"] is None
    assert client.put(f"{url}/forms", headers=manager, json={"forms": []}).status_code == 200
    assert "<formID>" not in client.get(f"/key/{token}/formList").text
    assert client.put(f"{url}/forms", headers=manager, json={"forms": ["nothing"]}).status_code == 400
    assert client.put(f"{url}/forms", headers=manager, json={"forms": ["visit"]}).status_code == 200
    assert client.get(url, headers=manager).get_json()["forms"] == ["visit"]
    assert client.delete(url, headers=manager).status_code == 204
    assert client.get(f"/key/{token}/formList").status_code == 403
    assert client.delete(url, headers=manager).status_code == 404
    assert token not in client.get(APP_USERS, headers=manager).text
