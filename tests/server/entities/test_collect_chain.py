"""Forms with entities that nobody here wrote, filled by ODK Collect's engine, through the door, and back to tablets."""

import csv
import io
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from lxml import etree

from server.app import create_app
from server.context import Context
from server.services import app_users, publish_form
from tests.office import MULTIPART, NOW, multipart
from tests.server.entities.kit import shown
from tests.server.opening.kit import open_all

CORPUS = Path(__file__).parents[3].parent / "shared" / "corpus" / "collect"
PREFIX = "test-forms_src_main_resources_forms_"
REGISTRATION = f"{PREFIX}one-question-entity-registration.xml"
UPDATE = f"{PREFIX}one-question-entity-update.xml"
REPEATS = f"{PREFIX}create-or-update-entities-from-repeats.xml"
MANIFEST = "{http://openrosa.org/xforms/xformsManifest}"

pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="../shared/corpus is not here")


@dataclass
class Tablet:
    """ODK Collect around its engine: it fetches lists, keeps entities with branches as its own code does, and sends."""

    client: FlaskClient
    address: str
    hashes: dict[str, bytes]
    collect: Any
    folder: Path
    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    etag: str = ""
    outbox: list[bytes] = field(default_factory=list)

    def sync(self, form: str) -> bool:
        """Fetch the list of a form; say whether it was sent again."""
        manifest = self.client.get(f"{self.address}/forms/{self.hashes[form].hex()}/manifest")
        (entry,) = etree.fromstring(manifest.data)
        url = entry.findtext(f"{MANIFEST}downloadUrl")
        response = self.client.get(url, headers={"If-None-Match": self.etag})
        if response.status_code == 304:
            return False
        self.etag = response.headers["ETag"]
        for row in csv.DictReader(io.StringIO(response.get_data(as_text=True), newline="")):
            local = self.rows.get(row["name"])
            version = int(row["__version"])
            dirty = local is not None and local["__version"] != local["__trunkVersion"]
            if local is None or int(local["__version"]) < version or (int(local["__version"]) == version and dirty):
                branch = {"__trunkVersion": row["__version"], "__branchId": str(uuid.uuid4())}
                self.rows[row["name"]] = row | branch
        return True

    def fill(self, name: str, answers: dict[str, Any]) -> None:
        """Fill a form with what this tablet knows, and put it into the outbox."""
        media = self.folder / f"media{len(list(self.folder.iterdir()))}"
        media.mkdir()
        with (media / "people.csv").open("w", newline="") as file:
            columns = ("name", "label", "__version", "full_name", "__trunkVersion", "__branchId")
            lines = csv.DictWriter(file, columns, extrasaction="ignore")
            lines.writeheader()
            lines.writerows(self.rows.values())
        result = self.collect(op="fill", form=str(CORPUS / name), answers=answers, media=str(media))
        assert result["ok"], result
        xml = result["xml"].encode()
        self.outbox.append(xml)
        for entity in etree.fromstring(xml).iter("entity"):
            self._keep(entity)

    def _keep(self, entity: etree._Element) -> None:
        """Change the own copy, as `updateLocalEntitiesFromForm` does."""
        known = self.rows.get(entity.get("id") or "")
        label = entity.findtext("label") or ""
        if known is None:
            self.rows[entity.get("id") or ""] = {
                "name": entity.get("id") or "", "label": label, "__version": "1", "full_name": label,
                "__trunkVersion": "", "__branchId": str(uuid.uuid4()),
            }  # fmt: skip
        else:
            known |= {"label": label, "full_name": label, "__version": str(int(known["__version"]) + 1)}

    def send(self, *, backwards: bool = False) -> None:
        for xml in reversed(self.outbox) if backwards else self.outbox:
            parts = [('name="xml_submission_file"; filename="a.xml"', xml)]
            response = self.client.post(
                f"{self.address}/submission", data=multipart(parts), headers={"Content-Type": MULTIPART}
            )
            assert response.status_code == 201
        self.outbox.clear()


@pytest.fixture
def published(sqlite_context: Context) -> dict[str, bytes]:
    hashes = {}
    for name in (REGISTRATION, UPDATE, REPEATS):
        prepared = publish_form.prepare((CORPUS / name).read_bytes(), name)
        with sqlite_context.database.transaction() as session:
            hashes[name] = publish_form.publish(session, prepared, note="", user="m", now=NOW).hash
    return hashes


@pytest.fixture
def tablets(
    sqlite_context: Context, published: dict[str, bytes], collect: Any, tmp_path: Path
) -> tuple[Tablet, Tablet]:
    client = create_app(sqlite_context.config, sqlite_context).test_client()
    made = []
    for name in ("one", "two"):
        with sqlite_context.database.transaction() as session:
            token = app_users.create_app_user(session, name=name, enumerator=name, user="m", now=NOW)
        folder = tmp_path / name
        folder.mkdir()
        made.append(Tablet(client, f"/key/{token}", published, collect, folder))
    return made[0], made[1]


def test_registered_offline_updated_twice_offline_and_sent_backwards_both_tablets_end_with_the_same(
    sqlite_context: Context, tablets: tuple[Tablet, Tablet]
) -> None:
    one, two = tablets
    one.fill(REGISTRATION, {"name": "Amina"})
    (person,) = one.rows
    one.fill(UPDATE, {"person": person, "name": "Amina B."})
    one.fill(UPDATE, {"person": person, "name": "Amina C."})
    assert one.rows[person]["__version"] == "3"
    one.send(backwards=True)
    open_all(sqlite_context)
    for tablet in (one, two):
        assert tablet.sync(UPDATE)
        assert not tablet.sync(UPDATE)
        row = tablet.rows[person]
        assert (row["label"], row["full_name"], row["__version"]) == ("Amina C.", "Amina C.", "3")
        assert row["__trunkVersion"] == "3", "the tablet takes the server's and begins a new branch"
    (found,) = shown(sqlite_context, "people").values()
    assert found.conflicts == {}


def test_two_tablets_that_differ_are_a_conflict_and_get_what_the_office_settles(
    sqlite_context: Context, tablets: tuple[Tablet, Tablet]
) -> None:
    from server.services import change_entities
    from tests.server.entities.kit import list_id
    from tests.server.entities.test_folding import office

    one, two = tablets
    one.fill(REGISTRATION, {"name": "Amina"})
    one.send()
    open_all(sqlite_context)
    (person,) = one.rows
    one.sync(UPDATE)
    two.sync(UPDATE)
    for tablet, name in ((one, "Awa"), (two, "Ada")):
        tablet.fill(UPDATE, {"person": person, "name": f"{name} 1"})
        tablet.fill(UPDATE, {"person": person, "name": f"{name} 2"})
        tablet.send(backwards=True)
        open_all(sqlite_context)
    (found,) = shown(sqlite_context, "people").values()
    assert {claim.value for claim in found.conflicts["full_name"]} == {"Awa 2", "Ada 2"}
    assert found.version == 5
    with sqlite_context.database.transaction() as session:
        change_entities.update(
            session, list_id(sqlite_context, "people"), uuid.UUID(person).bytes,
            {"full_name": "Awa 2", "label": "Awa 2"}, office=office(sqlite_context),
        )  # fmt: skip
    open_all(sqlite_context)
    for tablet in tablets:
        assert tablet.sync(UPDATE)
        assert tablet.rows[person]["full_name"] == "Awa 2"
        assert tablet.rows[person]["__version"] == "6"
    assert [one.conflicts for one in shown(sqlite_context, "people").values()] == [{}]


def test_rows_of_a_repeat_create_and_update(sqlite_context: Context, tablets: tuple[Tablet, Tablet]) -> None:
    one, _ = tablets
    one.fill(REGISTRATION, {"name": "Amina"})
    (person,) = one.rows
    one.fill(
        REPEATS,
        {
            "people": [
                {"action": "update", "person": person, "name": "Awa"},
                {"action": "create", "name": "Binta"},
                {"action": "create", "name": "Coumba"},
            ]
        },
    )
    one.send(backwards=True)
    open_all(sqlite_context)
    found = shown(sqlite_context, "people").values()
    assert sorted((each.label, each.state) for each in found) == [
        ("Awa", "live"),
        ("Binta", "live"),
        ("Coumba", "live"),
    ]


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*entit*.xml")), ids=lambda path: path.stem.removeprefix(PREFIX))
def test_every_form_with_entities_is_published_filled_and_opened(
    sqlite_context: Context, collect: Any, path: Path
) -> None:
    prepared = publish_form.prepare(path.read_bytes(), path.name)
    with sqlite_context.database.transaction() as session:
        publish_form.publish(session, prepared, note="", user="m", now=NOW)
        token = app_users.create_app_user(session, name="t", enumerator="0001", user="m", now=NOW)
    result = collect(op="auto", form=str(path), seed=1, max_repeats=2)
    if not result["ok"]:
        pytest.skip("Collect's engine does not load this form either")
    client = create_app(sqlite_context.config, sqlite_context).test_client()
    parts = [('name="xml_submission_file"; filename="a.xml"', result["xml"].encode())]
    sent = client.post(f"/key/{token}/submission", data=multipart(parts), headers={"Content-Type": MULTIPART})
    assert sent.status_code == 201
    batch = open_all(sqlite_context)
    assert (batch.quarantined, batch.waiting) == (0, 0)
