"""Whose rows a route shows: for every route that takes or lists rows, made from the route map."""

import io
import uuid
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from server.context import Context, access_of
from server.db.queries import forms, statistics
from server.services import accounts
from server.services.accounts import AccountChanges
from server.statistics.hh_remit import FORM_ID
from tests.office import NOW, XFORM
from tests.server.doors.two_projects import ABROAD, FORM_TOKEN, OWN, PLACES, TEAM, VIEWERS, make_world, viewer


@dataclass(frozen=True)
class Listing:
    """It shows rows: those of others never, and `shows` of one's own, so that the test is not about an empty page."""

    shows: tuple[str, ...]


@dataclass(frozen=True)
class Naming:
    """Its address names a row: one of others is not there, whatever the body says."""

    json: dict[str, Any] = field(default_factory=dict)
    query: str = ""
    content: str | None = None
    media_type: str | None = None
    status: int = 404


@dataclass(frozen=True)
class NoRows:
    """It shows no rows of projects, teams or enumerators, and why that is so."""

    why: str


ADMINISTRATORS = NoRows("administrators see everything")
OWN_ACCOUNT = NoRows("about the caller alone")
PUBLISHED = NoRows("figures of the one survey that is estimated; drafts are tested beside")
UPLOAD = NoRows("a file is examined: what its form_id may touch is tested beside")

ROUTES: dict[str, Listing | Naming | NoRows] = {
    "GET /account": OWN_ACCOUNT,
    "POST /account/password": OWN_ACCOUNT,
    "POST /account/project": NoRows("a choice among what is seen anyway"),
    "GET /api/v1/app-users": Listing((OWN.app_user,)),
    "POST /api/v1/app-users": Naming({"name": "new", "project_id": 2}),
    "GET /api/v1/app-users/<int:app_user_id>": Naming(),
    "DELETE /api/v1/app-users/<int:app_user_id>": Naming(),
    "PUT /api/v1/app-users/<int:app_user_id>/forms": Naming({"forms": None}),
    "POST /api/v1/app-users/<int:app_user_id>/settings": Naming(),
    "GET /api/v1/devices": Listing((OWN.enumerator,)),
    "POST /api/v1/devices": Naming({"enumerator": "1", "project_id": 2}),
    "GET /api/v1/devices/<device_id>": Naming(),
    "POST /api/v1/devices/<device_id>/release": Naming(),
    "POST /api/v1/devices/<device_id>/revocation": Naming(),
    "POST /api/v1/devices/<device_id>/wipe": Naming({"note": "lost"}),
    "GET /api/v1/entity-lists": Listing((OWN.entity_list,)),
    "POST /api/v1/entity-lists": Naming({"name": "new", "project": 2}, status=400),
    "GET /api/v1/entity-lists/<int:list_id>": Naming(),
    "PATCH /api/v1/entity-lists/<int:list_id>": Naming(),
    "GET /api/v1/entity-lists/<int:list_id>/entities": Naming(),
    "POST /api/v1/entity-lists/<int:list_id>/entities": Naming({"entities": [{"label": "new"}]}),
    "GET /api/v1/entity-lists/<int:list_id>/entities/<uuid:entity_id>": Naming(),
    "PATCH /api/v1/entity-lists/<int:list_id>/entities/<uuid:entity_id>": Naming({"label": "other"}),
    "DELETE /api/v1/entity-lists/<int:list_id>/entities/<uuid:entity_id>": Naming(),
    "POST /api/v1/entity-lists/<int:list_id>/entities/<uuid:entity_id>/restore": Naming(),
    "GET /api/v1/entity-lists/<int:list_id>/export.csv": Naming(),
    "POST /api/v1/entity-lists/<int:list_id>/import": Naming(content="label\nnew\n", media_type="text/csv"),
    "GET /api/v1/fieldwork/progress": Listing((OWN.psu, OWN.enumerator)),
    "GET /api/v1/findings": Listing((OWN.interviews[1],)),
    "GET /api/v1/findings/<interview_id>": Naming(),
    "GET /api/v1/forms": Listing(("ours",)),
    "GET /api/v1/forms/<form_id>": Naming(),
    "GET /api/v1/forms/<form_id>/codebook": Naming(),
    "GET /api/v1/forms/<form_id>/difference": Naming(query="?from=1&to=1"),
    "PUT /api/v1/forms/<form_id>/policy": Naming({"needs_approval": True}),
    "POST /api/v1/forms/<form_id>/versions": Naming(query="?filename=f.xml"),
    "GET /api/v1/forms/<form_id>/versions/<version>": Naming(),
    "POST /api/v1/forms/<form_id>/versions/<version>/approval": Naming(),
    "GET /api/v1/forms/<form_id>/versions/<version>/codebook": Naming(),
    "GET /api/v1/forms/<form_id>/versions/<version>/events": Naming(),
    "GET /api/v1/forms/<form_id>/versions/<version>/manifest": Naming(),
    "GET /api/v1/forms/<form_id>/versions/<version>/media/<name>": Naming(),
    "GET /api/v1/forms/<form_id>/versions/<version>/questionnaire": Naming(),
    "POST /api/v1/forms/<form_id>/versions/<version>/state": Naming({"state": "closed", "note": "n"}),
    "POST /api/v1/interviews/<path:instance_id>/resolve": Naming({"chosen": "x"}),
    "POST /api/v1/interviews/<path:instance_id>/settle": Naming({"verdict": "keep"}),
    "GET /api/v1/microdata.csv": PUBLISHED,
    "GET /api/v1/projects": Listing(("Survey",)),
    "POST /api/v1/projects": ADMINISTRATORS,
    "PATCH /api/v1/projects/<int:project_id>": ADMINISTRATORS,
    "GET /api/v1/proposals": Listing((OWN.interviews[0],)),
    "POST /api/v1/proposals/<int:proposal_id>/agreement": Naming(),
    "POST /api/v1/proposals/<int:proposal_id>/refusal": Naming(),
    "GET /api/v1/status": ADMINISTRATORS,
    "GET /api/v1/submissions": Listing((str(UUID(OWN.interviews[1])),)),
    "GET /api/v1/submissions/<path:instance_id>": Naming(),
    "GET /api/v1/submissions/<path:instance_id>/attachments": Naming(),
    "GET /api/v1/submissions/<path:instance_id>/attachments/<name>": Naming(),
    "GET /api/v1/submissions/<path:instance_id>/raw": Naming(),
    "GET /api/v1/submissions/<path:instance_id>/xml": Naming(),
    "POST /api/v1/submissions/<path:instance_id>/erasure": Naming({"note": "they asked"}),
    "POST /api/v1/submissions/<path:instance_id>/release": Naming(),
    "POST /api/v1/submissions/<path:instance_id>/review": Naming({"verdict": "approved"}),
    "GET /api/v1/users": ADMINISTRATORS,
    "POST /api/v1/users": ADMINISTRATORS,
    "PUT /api/v1/users/me/password": OWN_ACCOUNT,
    "GET /api/v1/users/<int:user_id>": ADMINISTRATORS,
    "PATCH /api/v1/users/<int:user_id>": ADMINISTRATORS,
    "POST /api/v1/users/<int:user_id>/password": ADMINISTRATORS,
    "GET /api/v1/users/<int:user_id>/tokens": ADMINISTRATORS,
    "POST /api/v1/users/<int:user_id>/tokens": ADMINISTRATORS,
    "DELETE /api/v1/users/<int:user_id>/tokens/<token_id>": ADMINISTRATORS,
    "GET /app-users": Listing((OWN.app_user,)),
    "POST /app-users": Naming({"name": "new", "enumerator": "1", "mode": "survey", "project": "2"}),
    "GET /app-users/<int:app_user_id>": Naming(),
    "POST /app-users/<int:app_user_id>/code": Naming(),
    "POST /app-users/<int:app_user_id>/forms": Naming(),
    "POST /app-users/<int:app_user_id>/revocation": Naming(),
    "GET /devices": Listing((OWN.enumerator,)),
    "POST /devices": Naming({"enumerator": "1", "role": "enumerator", "project": "2"}),
    "GET /devices/<device_id>": Naming(),
    "POST /devices/<device_id>/release": Naming(),
    "POST /devices/<device_id>/revocation": Naming(),
    "POST /devices/<device_id>/wipe": Naming({"note": "lost"}),
    "GET /fieldwork": Listing((OWN.psu, OWN.enumerator)),
    "GET /forms": Listing(("ours",)),
    "GET /forms/<form_id>/<version>.<kind>": Naming(),
    "POST /forms/<form_id>/policy": Naming(),
    "GET /forms/<form_id>/versions/<version>": Naming(),
    "POST /forms/<form_id>/versions/<version>/approval": Naming(),
    "POST /forms/<form_id>/versions/<version>/state": Naming(),
    "GET /forms/check": NoRows("leads to the list"),
    "POST /forms/check": UPLOAD,
    "GET /forms/publish": NoRows("leads to the list"),
    "POST /forms/publish": UPLOAD,
    "GET /intake": Listing((OWN.enumerator,)),
    "GET /intake/<instance_id>": Naming(),
    "GET /intake/<instance_id>/answers": Naming(),
    "GET /intake/<instance_id>/versions": Naming(),
    "POST /intake/<instance_id>/erasure": Naming({"note": "they asked"}),
    "POST /intake/<instance_id>/release": Naming(),
    "POST /intake/<instance_id>/review": Naming({"verdict": "approved"}),
    "POST /intake/<instance_id>/settle": Naming({"verdict": "keep"}),
    "POST /intake/<instance_id>/wipe": Naming({"is_sure": "yes"}),
    "POST /intake/<instance_id>/versions": Naming({"chosen": "x"}),
    "GET /people": ADMINISTRATORS,
    "POST /people": ADMINISTRATORS,
    "POST /people/projects": ADMINISTRATORS,
    "POST /people/projects/<int:project_id>": ADMINISTRATORS,
    "GET /people/<int:user_id>": ADMINISTRATORS,
    "POST /people/<int:user_id>": ADMINISTRATORS,
    "POST /people/<int:user_id>/access": ADMINISTRATORS,
    "POST /people/<int:user_id>/password": ADMINISTRATORS,
    "POST /people/<int:user_id>/tokens": ADMINISTRATORS,
    "POST /people/<int:user_id>/tokens/<token_id>/revocation": ADMINISTRATORS,
    "GET /proposals": Listing((str(UUID(OWN.interviews[0])),)),
    "POST /proposals/<int:proposal_id>": Naming({"verdict": "agree"}),
}
"""Every route of roles → what of the world it must not show; a route that is not here fails the test."""


def routes(app: Flask) -> dict[str, Rule]:
    """Return the rule of every route of roles, by method and address."""
    return {
        f"{method} {rule.rule}": rule
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"})
        if rule.endpoint.rpartition(".")[2] != "static"
        and (access := access_of(app.view_functions[rule.endpoint])) is not None
        and access.kind == "roles"
    }


def test_every_route_says_whose_rows_it_shows(sqlite_app: Flask) -> None:
    assert set(routes(sqlite_app)) - set(ROUTES) == set()


@pytest.mark.parametrize("role", VIEWERS)
def test_what_a_route_lists_is_one_s_own(context: Context, app: Flask, role: str) -> None:
    make_world(context)
    client = viewer(context, app.test_client(), role)
    known = routes(app)
    for name, wanted in ROUTES.items():
        if not isinstance(wanted, Listing) or not _admits(app, known[name], role):
            continue
        answer = client.get(known[name].rule)
        assert answer.status_code == 200, name
        assert [mark for mark in VIEWERS[role] if mark in answer.text] == [], name
        assert [mark for mark in wanted.shows if mark not in answer.text] == [], name


@pytest.mark.parametrize("role", VIEWERS)
def test_what_an_address_names_of_others_is_not_there(context: Context, app: Flask, role: str) -> None:
    numbers = make_world(context)
    client = viewer(context, app.test_client(), role)
    for name, rule in routes(app).items():
        wanted = ROUTES[name]
        if not isinstance(wanted, Naming) or not _admits(app, rule, role):
            continue
        for place in (ABROAD, TEAM) if role == "supervisor" else (ABROAD,):
            if place is TEAM and {"form_id", "list_id"} & rule.arguments:
                continue  # forms and entity lists have a project and no team
            names = {
                "form_id": place.form_id, "version": "1", "kind": "xml", "name": "x",
                "interview_id": place.interviews[1], "instance_id": place.interviews[1],
                "device_id": place.device, "proposal_id": 1 + PLACES.index(place),
                "app_user_id": numbers[place.word], "list_id": 2, "entity_id": uuid.UUID(int=1),
            }  # fmt: skip
            answer = _open(app, client, rule, name, wanted, names)
            assert answer.status_code == wanted.status, (name, place.word, answer.status_code, answer.text[:200])
            assert [mark for mark in place.marks if mark in answer.text and mark not in answer.request.path] == [], name


def test_one_s_own_rows_are_there_under_the_same_addresses(context: Context, app: Flask) -> None:
    numbers = make_world(context)
    client = viewer(context, app.test_client(), "supervisor")
    known = routes(app)
    names = {"form_id": "ours", "version": "1", "kind": "xml", "name": "x", "interview_id": OWN.interviews[1]}
    names |= {"instance_id": OWN.interviews[1], "list_id": 1, "device_id": OWN.device}
    for name in (
        "GET /api/v1/app-users/<int:app_user_id>",
        "GET /api/v1/devices/<device_id>",
        "GET /devices/<device_id>",
        "GET /api/v1/findings/<interview_id>",
        "GET /api/v1/forms/<form_id>/versions/<version>",
        "GET /api/v1/entity-lists/<int:list_id>",
        "GET /api/v1/submissions/<path:instance_id>",
        "GET /api/v1/submissions/<path:instance_id>/xml",
        "GET /forms/<form_id>/versions/<version>",
        "GET /intake/<instance_id>",
        "GET /intake/<instance_id>/answers",
    ):
        answer = _open(app, client, known[name], name, Naming(), names | {"app_user_id": numbers["own"]})
        assert answer.status_code == 200, name


def test_releases_and_microdata_are_seen_by_who_sees_their_form(context: Context, app: Flask) -> None:
    make_world(context)
    with context.database.transaction() as session:
        forms.lock_form(session, form_id=FORM_ID, title="", project_id=ABROAD.project_id)
        run = statistics.RunRow(
            due_at=NOW, started_at=NOW, finished_at=NOW, state="done", reason=None, inputs_hash=bytes(32)
        )
        statistics.add_draft(
            session, run_id=statistics.add_run(session, run), now=NOW, cut_off=NOW, content=b"{}",
            content_hash=bytes(32), open_holds=0,
        )  # fmt: skip
    client = viewer(context, app.test_client(), "statistician")
    assert client.get("/api/v1/releases").get_json()["releases"] == []
    assert client.get("/api/v1/releases/1").status_code == 404
    assert "not in your projects" in client.get("/api/v1/microdata.csv").get_json()["detail"]
    with context.database.transaction() as session:
        changes = AccountChanges(is_in_every_project=False, projects=[ABROAD.project_id])
        accounts.change_user(session, name="viewer-statistician", changes=changes, actor="root", now=NOW)
    assert len(client.get("/api/v1/releases").get_json()["releases"]) == 1
    assert "no survey interview" in client.get("/api/v1/microdata.csv").get_json()["detail"]


def test_a_form_of_another_project_is_not_touched_by_an_upload(context: Context, app: Flask) -> None:
    make_world(context)
    client = viewer(context, app.test_client(), "manager")
    content = XFORM.format(form_id="theirs", version="2", title="Visit").encode()
    for url in ("/forms/check", "/forms/check?lang=fr"):
        form = {"form_token": FORM_TOKEN, "workbook": (io.BytesIO(content), "f.xml"), "at_once": "yes"}
        answer = client.post(url, data=form, headers={"Accept": "application/json"})
        assert answer.status_code == 409
        assert "unique on a server" in answer.get_json()["detail"]


def _admits(app: Flask, rule: Rule, role: str) -> bool:
    access = access_of(app.view_functions[rule.endpoint])
    return access is not None and access.admits(role)


def _open(app: Flask, client: Any, rule: Rule, name: str, wanted: Naming, names: dict[str, Any]) -> TestResponse:
    values = {argument: names[argument] for argument in rule.arguments}
    path = app.url_map.bind("localhost").build(rule.endpoint, values, method=name.partition(" ")[0])
    is_page = not rule.rule.startswith("/api/")
    body: dict[str, Any] = {"data": wanted.json | {"form_token": FORM_TOKEN}} if is_page else {"json": wanted.json}
    if wanted.content is not None:
        body = {"data": wanted.content, "content_type": wanted.media_type}
    method = name.partition(" ")[0]
    answer: TestResponse = client.open(path + wanted.query, method=method, **({} if method == "GET" else body))
    return answer
