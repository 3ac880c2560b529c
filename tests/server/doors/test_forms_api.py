"""Publishing by HTTP: one request; what is wrong with a workbook is said by sheet and row; nothing changes later."""

import hashlib
from collections.abc import Mapping

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from server.context import Context
from server.db.queries import audit, feed
from tests.office import MULTIPART, XFORM, bearer, multipart

MARKDOWN = """
| survey |
| | type | name | label |
| | text | who | Who? |
| settings |
| | form_id | version | form_title |
| | visit | 7 | Visit |
"""


@pytest.fixture
def manager(context: Context) -> dict[str, str]:
    return bearer(context, "manager")


@pytest.fixture
def sqlite_manager(sqlite_context: Context) -> dict[str, str]:
    return bearer(sqlite_context, "manager")


NOTHING: dict[str, list[object]] = {"forms": [], "versions": []}
URL = "/api/v1/forms/visit/versions"


def upload(
    client: FlaskClient,
    headers: dict[str, str],
    content: bytes,
    name: str,
    *,
    note: str = "",
    media: Mapping[str, bytes] | None = None,
    url: str = URL,
) -> TestResponse:
    parts = [(f'name="workbook"; filename="{name}"', content), ('name="note"', note.encode())]
    parts += [(f'name="media"; filename="{medium}"', data) for medium, data in (media or {}).items()]
    return client.post(url, data=multipart(parts), headers={**headers, "Content-Type": MULTIPART})


def test_a_workbook_is_published_and_given_back_byte_for_byte(
    client: FlaskClient, context: Context, manager: dict[str, str]
) -> None:
    workbook = MARKDOWN.encode()
    response = upload(client, manager, workbook, "visit.md", note="first")
    assert response.status_code == 201
    published = response.get_json()
    assert (published["form_id"], published["version"], published["is_new"]) == ("visit", "7", True)
    (listed,) = client.get("/api/v1/forms", headers=manager).get_json()["versions"]
    assert (listed["hash"], listed["note"], listed["published_by"]) == (published["hash"], "first", "manager")
    xform = client.get("/api/v1/forms/visit/versions/7.xml", headers=manager)
    assert hashlib.sha256(xform.get_data()).hexdigest() == published["hash"]
    given_back = client.get("/api/v1/forms/visit/versions/7.xlsx", headers=manager)
    assert given_back.get_data() == workbook
    assert "visit.md" in given_back.headers["Content-Disposition"]
    assert client.get("/api/v1/forms/visit/versions/7", headers=manager).get_json() == listed
    with context.database.read() as session:
        assert [entry.action for entry in audit.latest(session)] == ["publish-form"]


def test_the_same_again_changes_nothing_and_other_content_is_refused(
    client: FlaskClient, context: Context, manager: dict[str, str]
) -> None:
    assert upload(client, manager, MARKDOWN.encode(), "visit.md").status_code == 201
    with context.database.read() as session:
        before = feed.head(session)
    again = upload(client, manager, MARKDOWN.encode(), "visit.md")
    assert (again.status_code, again.get_json()["is_new"]) == (200, False)
    changed = upload(client, manager, MARKDOWN.replace("Who?", "Whom?").encode(), "visit.md")
    assert (changed.status_code, changed.get_json()["type"]) == (409, "/problems/form-version-exists")
    assert "raise the version" in changed.get_json()["detail"]
    with context.database.read() as session:
        assert feed.head(session) == before


def test_a_raw_body_is_a_workbook_too(sqlite_client: FlaskClient, sqlite_manager: dict[str, str]) -> None:
    url = "/api/v1/forms/raw/versions?filename=f.xml"
    xform = XFORM.format(form_id="raw", version="1", title="Raw").encode()
    assert sqlite_client.post(url, data=xform, headers=sqlite_manager).status_code == 201
    assert sqlite_client.get("/api/v1/forms/raw", headers=sqlite_manager).get_json()["versions"][0]["title"] == "Raw"
    assert sqlite_client.get("/api/v1/forms/other", headers=sqlite_manager).get_json() == {"versions": []}


def test_a_dry_run_stores_nothing(sqlite_client: FlaskClient, sqlite_manager: dict[str, str]) -> None:
    url = f"{URL}?dry_run=true&filename=visit.md"
    response = sqlite_client.post(url, data=MARKDOWN.encode(), headers=sqlite_manager)
    told = response.get_json()
    assert (response.status_code, told["outcome"], told["difference"]) == (200, "published", None)
    assert sqlite_client.get("/api/v1/forms", headers=sqlite_manager).get_json() == NOTHING
    assert (
        sqlite_client.post(f"{URL}?filename=visit.md", data=MARKDOWN.encode(), headers=sqlite_manager).json is not None
    )
    assert sqlite_client.post(url, data=MARKDOWN.encode(), headers=sqlite_manager).json["outcome"] == "unchanged"


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"not a workbook", "a.xlsx", "not-a-workbook"),
        (b"", "a.xlsx", "not-a-workbook"),
        (b"PK\x03\x04" + b"x" * 50, "a.xlsx", "not-a-workbook"),
        (b"anything", "a.pdf", "unknown-type"),
        (b'<!DOCTYPE x [<!ENTITY y "z">]><x/>', "a.xml", "doctype"),
        (b"<x/>", "a.xml", None),
        (MARKDOWN.replace("text", "tixt").encode(), "a.md", "question-type-unknown"),
    ],
)
def test_what_makes_no_form_is_refused_with_findings_and_nothing_is_stored(
    sqlite_client: FlaskClient, sqlite_manager: dict[str, str], content: bytes, name: str, code: str | None
) -> None:
    response = upload(sqlite_client, sqlite_manager, content, name)
    problem = response.get_json()
    assert (response.status_code, problem["type"]) == (422, "/problems/workbook-invalid")
    assert problem["findings"][0]["severity"] == "error"
    assert code is None or problem["findings"][0]["code"] == code
    assert len(problem["detail"]) > 10
    assert "Traceback" not in problem["detail"]
    assert sqlite_client.get("/api/v1/forms", headers=sqlite_manager).get_json() == NOTHING


def test_an_upload_without_a_file_or_name_says_what_is_missing(
    sqlite_client: FlaskClient, sqlite_manager: dict[str, str]
) -> None:
    raw = sqlite_client.post(URL, data=b"x", headers=sqlite_manager)
    empty = sqlite_client.post(URL, data={"other": "x"}, headers=sqlite_manager, content_type="multipart/form-data")
    assert (raw.status_code, "filename" in raw.get_json()["detail"]) == (400, True)
    assert (empty.status_code, "workbook" in empty.get_json()["detail"]) == (400, True)


def test_a_workbook_over_the_limit_is_refused(sqlite_client: FlaskClient, sqlite_manager: dict[str, str]) -> None:
    response = upload(sqlite_client, sqlite_manager, bytes(68 << 20), "a.xlsx")
    assert (response.status_code, response.get_json()["type"]) == (413, "/problems/too-large")


def test_what_was_never_published_is_not_found(sqlite_client: FlaskClient, sqlite_manager: dict[str, str]) -> None:
    for path in ("visit/versions/1", "visit/versions/1.xml", "visit/versions/1.xlsx"):
        assert sqlite_client.get(f"/api/v1/forms/{path}", headers=sqlite_manager).status_code == 404


def test_the_life_of_a_version_over_http(client: FlaskClient, context: Context, manager: dict[str, str]) -> None:
    other = bearer(context, "administrator")
    assert upload(client, manager, MARKDOWN.encode(), "visit.md").status_code == 201
    policy = client.put("/api/v1/forms/visit/policy", json={"needs_approval": True}, headers=manager)
    assert (policy.status_code, policy.json) == (200, {"form_id": "visit", "needs_approval": True})
    submitted = upload(client, manager, MARKDOWN.replace("| 7 |", "| 8 |").encode(), "visit.md", note="next")
    assert (submitted.status_code, submitted.get_json()["state"]) == (201, "draft")
    assert client.post(f"{URL}/8/approval", headers=manager).status_code == 403
    assert client.post(f"{URL}/8/approval", headers=other, json={"note": "read"}).get_json()["state"] == "published"
    closed = client.post(f"{URL}/7/state", headers=manager, json={"state": "closed", "note": "replaced"})
    assert (closed.status_code, closed.get_json()["state"]) == (200, "closed")
    events = client.get(f"{URL}/8/events", headers=manager).get_json()["events"]
    assert [(event["action"], event["actor"], event["note"]) for event in events] == [
        ("submitted", "manager", "next"),
        ("approved", "administrator", "read"),
        ("published", "administrator", "read"),
    ]
    listed = client.get("/api/v1/forms", headers=manager).get_json()
    assert listed["forms"] == [{"form_id": "visit", "title": "Visit", "needs_approval": True, "project_id": 1}]


def test_a_manager_cannot_be_both_persons_and_an_enumerator_sees_no_draft(
    sqlite_client: FlaskClient, sqlite_context: Context, sqlite_manager: dict[str, str]
) -> None:
    enumerator = bearer(sqlite_context, "enumerator")
    upload(sqlite_client, sqlite_manager, MARKDOWN.encode(), "visit.md")
    policy = "/api/v1/forms/visit/policy"
    assert sqlite_client.put(policy, json={"needs_approval": True}, headers=sqlite_manager).status_code == 200
    upload(sqlite_client, sqlite_manager, MARKDOWN.replace("| 7 |", "| 8 |").encode(), "visit.md")
    assert sqlite_client.put(policy, json={"needs_approval": False}, headers=sqlite_manager).status_code == 403
    for path in ("", ".xml", "/events", "/manifest", "/codebook", "/questionnaire"):
        assert sqlite_client.get(f"{URL}/8{path}", headers=enumerator).status_code == 404, path
        assert sqlite_client.get(f"{URL}/8{path}", headers=sqlite_manager).status_code == 200, path
    for path in ("/api/v1/forms", "/api/v1/forms/visit"):
        versions = sqlite_client.get(path, headers=enumerator).get_json()["versions"]
        assert [one["version"] for one in versions] == ["7"]


def test_a_breaking_change_is_a_problem_with_its_changes(client: FlaskClient, manager: dict[str, str]) -> None:
    number = MARKDOWN.replace("| text | who", "| integer | who")
    assert upload(client, manager, number.encode(), "visit.md").status_code == 201
    text = MARKDOWN.replace("| 7 |", "| 8 |").encode()
    refused = upload(client, manager, text, "visit.md")
    problem = refused.get_json()
    assert (refused.status_code, problem["type"]) == (409, "/problems/form-change-breaks")
    assert client.get(problem["type"]).status_code == 200
    assert [change["name"] for change in problem["changes"]] == ["who"]
    assert set(problem["changes"][0]["words"]) == {"en", "fr"}
    dry = upload(client, manager, text, "visit.md", url=f"{URL}?dry_run=true")
    assert (dry.status_code, dry.get_json()["outcome"]) == (200, "refused")
    assert dry.get_json()["difference"]["verdict"] == "needs-map"


def test_the_address_and_the_workbook_name_the_same_form(
    sqlite_client: FlaskClient, sqlite_manager: dict[str, str]
) -> None:
    response = upload(sqlite_client, sqlite_manager, MARKDOWN.encode(), "visit.md", url="/api/v1/forms/other/versions")
    assert (response.status_code, response.get_json()["type"]) == (400, "/problems/bad-request")
    assert "'visit'" in response.get_json()["detail"]
    assert sqlite_client.get("/api/v1/forms", headers=sqlite_manager).get_json() == NOTHING


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"state": 7}', b"{}", b'{"state": "gone"}'])
def test_what_cannot_be_meant_is_a_bad_request(
    sqlite_client: FlaskClient, sqlite_manager: dict[str, str], body: bytes
) -> None:
    upload(sqlite_client, sqlite_manager, MARKDOWN.encode(), "visit.md")
    assert sqlite_client.post(f"{URL}/7/state", data=body, headers=sqlite_manager).status_code == 400
    assert sqlite_client.put("/api/v1/forms/visit/policy", data=body, headers=sqlite_manager).status_code == 400


@pytest.mark.parametrize("role", ["enumerator", "supervisor", "statistician"])
def test_only_managers_write(sqlite_client: FlaskClient, sqlite_context: Context, role: str) -> None:
    headers = bearer(sqlite_context, role)
    assert upload(sqlite_client, headers, MARKDOWN.encode(), "visit.md").status_code == 403
    for path in ("state", "approval"):
        assert sqlite_client.post(f"{URL}/7/{path}", headers=headers).status_code == 403
    assert sqlite_client.put("/api/v1/forms/visit/policy", headers=headers).status_code == 403
