"""Codebooks and questionnaires by HTTP: every format, for the readers of forms, with nothing that a label could run."""

import csv
import io
import json

import pytest
from flask.testing import FlaskClient
from lxml import etree

from server.context import Context
from tests.office import bearer

FORM = """
| survey | | | | | |
| | type | name | label::English (en) | label::Français (fr) | relevant |
| | select_one yn | ok | May we go on? | Peut-on continuer ? | |
| | text | who | <script>alert(1)</script> Who? | Qui ? | ${{ok}} = '1' |
{more}
| choices |
| | list_name | name | label::English (en) | label::Français (fr) |
| | yn | 1 | Yes | Oui |
| settings |
| | form_id | version | form_title |
| | visit | {version} | Visit |
"""


@pytest.fixture
def reader(sqlite_client: FlaskClient, sqlite_context: Context) -> dict[str, str]:
    """A statistician, where two versions of a form are published."""
    manager = bearer(sqlite_context, "manager")
    for version, more in (("1", ""), ("2", "| | integer | age | Age? | Âge ? | |")):
        body = FORM.format(version=version, more=more).encode()
        assert (
            sqlite_client.post("/api/v1/forms/visit/versions?filename=f.md", data=body, headers=manager).status_code
            == 201
        )
    return bearer(sqlite_context, "statistician")


def test_a_version_has_its_codebook_in_every_format(sqlite_client: FlaskClient, reader: dict[str, str]) -> None:
    url = "/api/v1/forms/visit/versions/2/codebook"
    as_json = sqlite_client.get(url, headers=reader)
    assert [one["name"] for one in as_json.get_json()["tables"][0]["variables"]] == ["ok", "who", "age"]
    as_csv = sqlite_client.get(f"{url}?format=csv", headers=reader)
    assert [row["name"] for row in csv.DictReader(io.StringIO(as_csv.text))] == ["ok", "who", "age"]
    as_ddi = sqlite_client.get(f"{url}?format=ddi", headers=reader)
    assert etree.fromstring(as_ddi.get_data()).tag == "{ddi:codebook:2_5}codeBook"
    assert "visit-2-codebook.xml" in as_ddi.headers["Content-Disposition"]
    page = sqlite_client.get(f"{url}?format=html&lang=fr", headers=reader)
    assert (page.mimetype, "Peut-on continuer" in page.text) == ("text/html", True)


def test_all_versions_are_in_one_codebook(sqlite_client: FlaskClient, reader: dict[str, str]) -> None:
    document = sqlite_client.get("/api/v1/forms/visit/codebook", headers=reader).get_json()
    versions = {one["latest"]["name"]: one["versions"] for one in document["variables"]}
    assert versions == {"ok": ["1", "2"], "who": ["1", "2"], "age": ["2"]}
    for name, media_type in (("csv", "text/csv"), ("html", "text/html")):
        answer = sqlite_client.get(f"/api/v1/forms/visit/codebook?format={name}", headers=reader)
        assert (answer.status_code, answer.mimetype) == (200, media_type)


def test_the_questionnaire_comes_in_one_language_or_two(sqlite_client: FlaskClient, reader: dict[str, str]) -> None:
    url = "/api/v1/forms/visit/versions/1/questionnaire"
    french = sqlite_client.get(f"{url}?lang=fr", headers=reader).text
    assert "Peut-on continuer" in french
    assert "May we go on" not in french
    both = sqlite_client.get(f"{url}?lang=en,fr", headers=reader).text
    assert "Peut-on continuer" in both
    assert "May we go on" in both
    assert sqlite_client.get(url, headers=reader).status_code == 200


def test_a_label_is_never_run(sqlite_client: FlaskClient, reader: dict[str, str]) -> None:
    for path in ("versions/1/questionnaire", "versions/1/codebook?format=html", "codebook?format=html"):
        page = sqlite_client.get(f"/api/v1/forms/visit/{path}", headers=reader)
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_the_same_codebook_is_not_sent_twice(sqlite_client: FlaskClient, reader: dict[str, str]) -> None:
    url = "/api/v1/forms/visit/versions/1/codebook?format=ddi"
    first = sqlite_client.get(url, headers=reader)
    again = sqlite_client.get(url, headers={**reader, "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.get_data()) == (304, b"")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("visit/versions/9/codebook", 404, "no version"),
        ("visit/versions/9/questionnaire", 404, "no version"),
        ("nothing/codebook", 404, "no version"),
        ("visit/versions/1/codebook?format=pdf", 400, "json, csv, ddi, html"),
        ("visit/codebook?format=ddi", 400, "json, csv, html"),
        ("visit/versions/1/codebook?lang=sw", 400, "en, fr"),
        ("visit/versions/1/questionnaire?lang=sw", 400, "en, fr"),
    ],
)
def test_what_is_not_there_is_said(
    sqlite_client: FlaskClient, reader: dict[str, str], path: str, status: int, said: str
) -> None:
    answer = sqlite_client.get(f"/api/v1/forms/{path}", headers=reader)
    assert answer.status_code == status
    assert said in json.loads(answer.text)["detail"]
