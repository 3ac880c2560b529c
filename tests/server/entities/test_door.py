"""Entity lists at the OpenRosa door, line by line as Collect reads them."""

import csv
import hashlib
import io
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from lxml import etree

from server.app import create_app
from server.context import Context
from server.context.shelf import Shelf
from server.db.queries import audit
from server.db.scope import Scope
from server.errors import NotFound
from server.services import app_users, change_entities, list_entities, projects, set_up_entity_list
from server.services.set_up_entity_list import ListSettings
from tests.office import MULTIPART, NOW, bearer, multipart
from tests.server.doors.submissions import xml_part
from tests.server.entities.kit import FOLLOW, REGISTER, entity_id, list_id, publish, shown
from tests.server.entities.test_folding import office
from tests.server.opening.kit import open_all

FILE = b"name,label,head,persons,enumerator\n" + b"".join(
    f"{entity_id(n)},House {n},Head {n},{n},000{n % 2}\n".encode() for n in range(1, 5)
)
MANIFEST = "{http://openrosa.org/xforms/xformsManifest}"


@pytest.fixture
def door(sqlite_context: Context) -> tuple[FlaskClient, str, dict[str, bytes]]:
    """A client, the address of an app user, and the hashes of two forms on one list with four entities."""
    context = sqlite_context
    hashes = publish(context, REGISTER, FOLLOW)
    with context.database.transaction() as session:
        token = app_users.create_app_user(session, name="t", enumerator="0001", user="manager", now=NOW)
        change_entities.import_file(session, list_id(context), FILE, office=office(context))
    open_all(context)
    return create_app(context.config, context).test_client(), f"/key/{token}", hashes


Door = tuple[FlaskClient, str, dict[str, bytes]]


def media(door: Door, form: str = "follow") -> list[tuple[str | None, dict[str, str]]]:
    """Return what a manifest holds: the type of each file, and its members."""
    client, address, hashes = door
    response = client.get(f"{address}/forms/{hashes[form].hex()}/manifest?deviceID=x")
    assert response.status_code == 200
    root = etree.fromstring(response.data)
    return [
        (
            str(one.get("type")) if one.get("type") else None,
            {str(c.tag).removeprefix(MANIFEST): c.text or "" for c in one},
        )
        for one in root
    ]


def rows(door: Door, url: str) -> list[dict[str, str]]:
    response = door[0].get(f"{url}?deviceID=x")
    assert response.status_code == 200
    assert response.headers["X-OpenRosa-Version"] == "1.0"
    return list(csv.DictReader(io.StringIO(response.get_data(as_text=True), newline="")))


def test_the_form_list_has_a_manifest_for_a_form_that_uses_a_list(door: Door) -> None:
    client, address, hashes = door
    listed = client.get(f"{address}/formList").get_data(as_text=True)
    assert listed.count("/manifest</manifestUrl>") == len(hashes)


@pytest.mark.parametrize("form", ["register", "follow"])
def test_the_manifest_has_the_list_with_its_type_its_hash_and_its_integrity_address(door: Door, form: str) -> None:
    ((kind, one),) = media(door, form)
    assert kind == "entityList"
    assert one["filename"] == "households.csv"
    prefix = f"http://localhost{door[1]}/forms/"
    assert one["downloadUrl"].startswith(prefix)
    assert one["integrityUrl"].startswith(prefix)
    content = door[0].get(one["downloadUrl"]).get_data()
    assert one["hash"] == "md5:" + hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_every_row_has_what_collect_needs_and_nothing_else_begins_with_underscores(door: Door) -> None:
    ((_, one),) = media(door)
    found = rows(door, one["downloadUrl"])
    assert [row["name"] for row in found] == [str(entity_id(n)) for n in range(1, 5)]
    assert found[0] == {
        "name": str(entity_id(1)), "label": "House 1", "__version": "1", "head": "Head 1", "persons": "1",
        "enumerator": "0001",
    }  # fmt: skip


def test_a_list_that_did_not_change_is_not_sent_again_also_with_a_locked_key_store(
    door: Door, sqlite_context: Context
) -> None:
    ((_, one),) = media(door)
    first = door[0].get(one["downloadUrl"])
    again = {"If-None-Match": first.headers["ETag"]}
    assert door[0].get(one["downloadUrl"], headers=again).status_code == 304
    sqlite_context.keystore._vault = None
    sqlite_context.shelf = Shelf()
    assert sqlite_context.keystore.is_locked
    assert media(door) == [("entityList", one)]
    assert door[0].get(one["downloadUrl"], headers=again).status_code == 304
    locked = door[0].get(one["downloadUrl"])
    assert locked.status_code == 503
    said = etree.fromstring(locked.data)[0].text or ""
    assert "cannot give out this list" in said
    assert "ne peut pas donner cette liste" in said


def test_a_change_gives_another_hash_and_a_higher_version(door: Door, sqlite_context: Context) -> None:
    ((_, before),) = media(door)
    with sqlite_context.database.transaction() as session:
        change_entities.update(
            session, list_id(sqlite_context), entity_id(2).bytes, {"head": "Awa, the \"elder\"\nof two"},
            office=office(sqlite_context),
        )  # fmt: skip
    assert media(door) == [("entityList", before)], "until the file is made, the former one is right"
    open_all(sqlite_context)
    ((_, after),) = media(door)
    assert after["hash"] != before["hash"]
    found = rows(door, after["downloadUrl"])
    assert [(row["head"], row["__version"]) for row in found[:2]] == [
        ("Head 1", "1"),
        ('Awa, the "elder"\nof two', "2"),
    ]


def test_what_is_deleted_leaves_the_list_and_is_named_when_a_tablet_asks(door: Door, sqlite_context: Context) -> None:
    with sqlite_context.database.transaction() as session:
        change_entities.delete(session, list_id(sqlite_context), entity_id(2).bytes, office=office(sqlite_context))
    open_all(sqlite_context)
    ((_, one),) = media(door)
    assert str(entity_id(2)) not in [row["name"] for row in rows(door, one["downloadUrl"])]
    unknown = entity_id(77)
    asked = f"{one['integrityUrl']}?id={entity_id(1)},{entity_id(2)},{unknown},nonsense&deviceID=x"
    response = door[0].get(asked)
    assert response.headers["X-OpenRosa-Version"] == "1.0"
    assert "text/xml" in response.headers["Content-Type"]
    root = etree.fromstring(response.data)
    assert root.tag == "data"
    assert {entity.get("id"): entity.findtext("deleted") for entity in root[0]} == {
        str(entity_id(1)): "false",
        str(entity_id(2)): "true",
        str(unknown): "false",
    }


def test_a_list_with_approval_says_so(door: Door, sqlite_context: Context) -> None:
    with sqlite_context.database.transaction() as session:
        set_up_entity_list.set_list(
            session, list_id(sqlite_context), ListSettings(needs_approval=True), keystore=sqlite_context.keystore,
            user="a", now=NOW,
        )  # fmt: skip
    assert [kind for kind, _ in media(door)] == ["approvalEntityList"]


def test_an_assigned_list_gives_each_tablet_its_own(door: Door, sqlite_context: Context) -> None:
    with sqlite_context.database.transaction() as session:
        set_up_entity_list.set_list(
            session, list_id(sqlite_context), ListSettings(assigned_property="enumerator", assigned_to="enumerator"),
            keystore=sqlite_context.keystore, user="a", now=NOW,
        )  # fmt: skip
        stranger = app_users.create_app_user(session, name="u", enumerator="0009", user="manager", now=NOW)
    open_all(sqlite_context)
    ((_, one),) = media(door)
    assert [row["label"] for row in rows(door, one["downloadUrl"])] == ["House 1", "House 3"]
    other = (door[0], f"/key/{stranger}", door[2])
    ((_, its),) = media(other)
    assert rows(other, its["downloadUrl"]) == []
    assert its["hash"] != one["hash"]


def test_a_form_that_brings_its_own_file_of_that_name_uses_no_list(sqlite_context: Context) -> None:
    from forms.package import Medium
    from server.services import publish_form

    publish(sqlite_context, REGISTER)
    prepared = publish_form.prepare(
        FOLLOW.encode(), "f.xml", media=[Medium(name="households.csv", content=b"name,label\na,b\n")]
    )
    with sqlite_context.database.transaction() as session:
        made = publish_form.publish(session, prepared, note="", user="manager", now=NOW)
        token = app_users.create_app_user(session, name="t", enumerator="0001", user="manager", now=NOW)
    client = create_app(sqlite_context.config, sqlite_context).test_client()
    ((kind, one),) = media((client, f"/key/{token}", {"follow": made.hash}))
    assert (kind, one["filename"]) == (None, "households.csv")


def test_a_list_that_is_made_after_a_form_which_reads_it_is_offered_with_that_form(sqlite_context: Context) -> None:
    reading = FOLLOW.replace('dataset="households"', "")
    hashes = publish(sqlite_context, reading)
    with sqlite_context.database.transaction() as session:
        token = app_users.create_app_user(session, name="t", enumerator="0001", user="manager", now=NOW)
    client = create_app(sqlite_context.config, sqlite_context).test_client()
    assert b"manifestUrl" not in client.get(f"/key/{token}/formList").data
    with sqlite_context.database.transaction() as session:
        set_up_entity_list.create_list(
            session, project_id=1, name="households", properties=("head",), user="a", now=NOW
        )
    assert b"manifestUrl" in client.get(f"/key/{token}/formList").data
    ((kind, one),) = media((client, f"/key/{token}", hashes))
    assert (kind, rows((client, "", hashes), one["downloadUrl"])) == ("entityList", [])


def test_a_list_that_no_form_uses_is_not_to_be_had(door: Door, sqlite_context: Context) -> None:
    with sqlite_context.database.transaction() as session:
        set_up_entity_list.create_list(session, project_id=1, name="secrets", properties=("x",), user="a", now=NOW)
    client, address, hashes = door
    for path in ("secrets.csv", "secrets/integrity?id=a"):
        assert client.get(f"{address}/forms/{hashes['follow'].hex()}/entities/{path}").status_code == 404
    assert client.get(f"{address}/forms/{'0' * 64}/entities/households.csv").status_code == 404


def test_an_archived_project_gives_nothing_out_by_address_and_takes_what_is_sent(
    door: Door, sqlite_context: Context
) -> None:
    client, address, hashes = door
    ((_, one),) = media(door)
    form = f"{address}/forms/{hashes['follow'].hex()}"
    known = {"If-None-Match": client.get(f"{form}.xml").headers["ETag"]}
    assert client.get(f"{form}.xml", headers=known).status_code == 304
    with sqlite_context.database.transaction() as session:
        projects.archive_project(session, project_id=1, user="manager", now=NOW)
    for url in (f"{form}.xml", f"{form}/manifest", f"{form}/media/a.png", one["downloadUrl"], one["integrityUrl"]):
        assert client.get(url, headers=known).status_code == 404, url
    assert client.post(f"{address}/submission", data=multipart([xml_part()]), content_type=MULTIPART).status_code == 201


def test_a_program_of_the_manager_works_with_lists(door: Door, sqlite_context: Context) -> None:
    client, manager = door[0], bearer(sqlite_context, "manager")
    made = client.post("/api/v1/entity-lists", json={"name": "villages", "properties": ["district"]}, headers=manager)
    assert made.status_code == 201
    base = f"/api/v1/entity-lists/{made.json['list_id']}"
    assert client.post("/api/v1/entity-lists", json={"name": "villages"}, headers=manager).status_code == 409
    assert client.post("/api/v1/entity-lists", json={"name": "a b"}, headers=manager).status_code == 400
    created = client.post(
        f"{base}/entities", json={"entities": [{"label": "Tiel", "properties": {"district": "N"}}]}, headers=manager
    )
    (one,) = created.json["ids"]
    wrong = client.post(
        f"{base}/entities", json={"entities": [{"label": "", "properties": {"x": "N"}}]}, headers=manager
    )
    assert (wrong.status_code, len(wrong.json["errors"])) == (422, 2)
    for text in ("a\0b", "\ud800", "x" * 10_001):
        tiel = {"label": "Tiel", "properties": {"district": text}}
        keyed = {"label": "Tiel", "properties": {text: "N"}}
        for odd in ({"entities": [tiel]}, {"entities": [keyed]}, {"entities": [{"label": "Tiel"}], "note": text}):
            assert client.post(f"{base}/entities", json=odd, headers=manager).status_code == 400
        assert client.post("/api/v1/entity-lists", json={"name": text}, headers=manager).status_code == 400
    assert client.post(f"{base}/entities", json={"entities": []}, headers=manager).status_code == 400
    changed = client.patch(f"{base}/entities/{one}", json={"label": "Tiel Nord"}, headers=manager)
    assert changed.json["label"] == "Tiel Nord"
    imported = client.post(
        f"{base}/import", data=b"label,district,zone\nGor,S,1\n", headers={**manager, "Content-Type": "text/csv"}
    )
    assert imported.json == {"created": 1, "updated": 0, "unchanged": 0, "decisions": 1}
    again = client.post(
        f"{base}/import", data=b"label,district,zone\nGor,S,1\n", headers={**manager, "Content-Type": "text/csv"}
    )
    assert again.json == {"created": 0, "updated": 0, "unchanged": 1, "decisions": 0}
    assert client.delete(f"{base}/entities/{one}", headers=manager).status_code == 204
    listed = client.get(f"{base}/entities?state=live", headers=manager).json
    assert [entity["label"] for entity in listed["entities"]] == ["Gor"]
    assert client.post(f"{base}/entities/{one}/restore", headers=manager).status_code == 204
    exported = client.get(f"{base}/export.csv", headers=manager).get_data(as_text=True)
    assert exported.splitlines()[0] == "name,label,__version,district,zone"
    shown_list = client.patch(base, json={"needs_approval": True}, headers=manager).json
    assert (shown_list["needs_approval"], shown_list["entities"]["live"]) == (True, 2)


def test_who_may_not_write_only_reads(door: Door, sqlite_context: Context) -> None:
    client = door[0]
    number = list_id(sqlite_context)
    for role, reads in (("supervisor", 200), ("statistician", 200), ("enumerator", 403)):
        who = bearer(sqlite_context, role)
        assert client.get(f"/api/v1/entity-lists/{number}/entities", headers=who).status_code == reads
        assert client.get(f"/api/v1/entity-lists/{number}/export.csv", headers=who).status_code == 403
        assert client.post("/api/v1/entity-lists", json={"name": "x"}, headers=who).status_code == 403
        one = f"/api/v1/entity-lists/{number}/entities/{entity_id(1)}"
        assert client.patch(one, json={"label": "x"}, headers=who).status_code == 403
        assert client.delete(one, headers=who).status_code == 403
    assert client.get("/api/v1/entity-lists").status_code == 401
    assert len(shown(sqlite_context)) == 4


def test_every_look_at_entities_is_written_down_before_it_is_granted(door: Door, sqlite_context: Context) -> None:
    client, manager = door[0], bearer(sqlite_context, "manager")
    base, one = f"/api/v1/entity-lists/{list_id(sqlite_context)}", str(entity_id(1))
    for path in ("entities", f"entities/{one}", "export.csv"):
        assert client.get(f"{base}/{path}", headers=manager).status_code == 200
    assert client.get("/api/v1/entity-lists/99/entities", headers=manager).status_code == 404
    with sqlite_context.database.read() as session:
        looks = [look for look in audit.latest(session) if look.action == list_entities.READ_ENTITIES]
    assert [(look.actor, look.subject, look.detail) for look in reversed(looks)] == [
        ("manager", "1/households", ""), ("manager", "1/households", one), ("manager", "1/households", "export"),
    ]  # fmt: skip


def test_who_is_bound_to_a_team_sees_of_an_assigned_list_what_is_assigned_to_it(
    door: Door, sqlite_context: Context
) -> None:
    number, context = list_id(sqlite_context), sqlite_context
    team = Scope(team="01")
    with context.database.transaction() as session:
        set_up_entity_list.set_list(
            session, number, ListSettings(assigned_property="enumerator", assigned_to="enumerator"),
            keystore=context.keystore, user="a", now=NOW,
        )  # fmt: skip
        app_users.create_app_user(session, name="u", enumerator="0000", team="01", user="manager", now=NOW)
    with context.database.read() as session:
        seen = list_entities.list_entities(session, number, keystore=context.keystore, scope=team)
        exported = list_entities.export_list(session, number, keystore=context.keystore, scope=team)
        with pytest.raises(NotFound):
            list_entities.show_entity(session, number, entity_id(1).bytes, keystore=context.keystore, scope=team)
        with pytest.raises(NotFound):
            list_entities.find(session, number, Scope(projects=frozenset({2})))
    assert [one.label for one in seen] == ["House 2", "House 4"]
    assert exported.count(b"House") == 2


def test_the_address_of_an_office_behind_a_proxy_is_kept(door: Door, sqlite_context: Context) -> None:
    sqlite_context.config = replace(sqlite_context.config, base_url="https://survey.example")
    client = create_app(sqlite_context.config, sqlite_context).test_client()
    ((_, one),) = media((client, door[1], door[2]))
    assert one["integrityUrl"].startswith(f"https://survey.example{door[1]}/forms/")
