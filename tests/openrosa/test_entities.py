"""Entity lists down, creates and updates back, as Collect does both. Each test names its line of the list."""

import csv
import io
import uuid

import pytest

from server.demo.collect import ListedMedium, ScriptedCollect
from server.demo.collect.entities import EntityList, TabletEntity
from server.services import change_entities
from server.services.change_entities import Office
from tests.office import NOW
from tests.openrosa.conftest import Door
from tests.openrosa.inside import is_quarantined, open_all
from tests.server.entities import kit

LIST = "households"


@pytest.fixture
def lists(door: Door) -> Door:
    """A door with a form that registers households and one that follows them."""
    kit.publish(door.context, kit.REGISTER)
    kit.publish(door.context, kit.FOLLOW)
    return door


def listed(app: ScriptedCollect) -> ListedMedium:
    """Return the list as the manifest of the form that follows names it."""
    return next(medium for media in app.refresh().values() for medium in media if medium.kind)


def taken(app: ScriptedCollect, mine: EntityList) -> EntityList:
    """Take the server's list over, where its hash says that it has changed."""
    medium = listed(app)
    if medium.hash != mine.hash:
        content = app.fetch(medium)
        assert mine.take(content, hash=medium.hash, needs_approval=medium.kind == "approvalEntityList")
    return mine


def send(door: Door, app: ScriptedCollect, xml: bytes) -> None:
    app.finalise(xml, name="x.xml")
    assert app.send_all() == []
    open_all(door.context)


def followed(number: int, of: TabletEntity, persons: str) -> bytes:
    """Fill the form that follows a household, from the tablet's copy of it."""
    return kit.followed(number, 1, base=of.version, persons=persons, trunk=of.trunk, branch=uuid.UUID(of.branch))


def test_a_list_is_named_by_its_file_and_has_the_columns_without_which_nothing_is_taken(lists: Door) -> None:
    """M4"""
    app = lists.collect()
    send(lists, app, kit.registered(1))
    medium = listed(app)
    assert (medium.name, medium.kind) == (f"{LIST}.csv", "entityList")
    assert medium.integrity_url.startswith(lists.url)
    rows = list(csv.DictReader(io.StringIO(app.fetch(medium).decode())))
    assert {"name", "label", "__version"} <= rows[0].keys()
    assert (rows[0]["name"], rows[0]["__version"]) == (str(kit.entity_id(1)), "1")


def test_a_list_that_has_not_changed_has_the_same_hash_and_one_that_has_another(lists: Door) -> None:
    """M4"""
    app = lists.collect()
    send(lists, app, kit.registered(1))
    first = listed(app).hash
    assert listed(app).hash == first
    send(lists, app, kit.registered(2))
    assert listed(app).hash != first


def test_the_tablet_learns_which_of_its_own_entities_the_office_has_deleted(lists: Door) -> None:
    """M5"""
    app, mine = lists.collect(), EntityList()
    for number in (1, 2):
        send(lists, app, kit.registered(number))
    delete(lists, 1)
    medium = listed(app)
    asked = [str(kit.entity_id(number)) for number in (1, 2, 3)]
    found = app.deleted_entities(medium, asked)
    assert found == {asked[0]: True, asked[1]: False, asked[2]: False}
    assert asked[0] not in taken(app, mine).entities


def delete(door: Door, number: int) -> None:
    context = door.context
    office = Office(keystore=context.keystore, user="manager", now=NOW)
    list_id = kit.list_id(context)
    with context.database.transaction() as session:
        change_entities.delete(session, list_id, kit.entity_id(number).bytes, office=office)
    open_all(context)


def test_what_tablets_make_and_change_offline_is_folded_and_comes_back_to_all(lists: Door) -> None:
    """E1"""
    app, mine = lists.collect(), EntityList()
    taken(app, mine)
    household = str(kit.entity_id(1))
    made = mine.create("Amina", {"head": "Amina", "persons": "4"}, entity_id=household)
    assert made is not None
    send(lists, app, kit.registered(1))
    for number, persons in ((11, "5"), (12, "6")):  # two visits before the tablet has synchronised
        before = mine.update(household, "", {"persons": persons})
        assert before is not None
        send(lists, app, followed(number, before, persons))
    taken(app, mine)
    other = taken(lists.collect(), EntityList())
    for entities in (mine, other):
        assert entities.entities[household].properties["persons"] == "6"
        assert (entities.entities[household].version, entities.entities[household].is_dirty) == (3, False)
    assert not is_quarantined(lists.context)


def test_an_entity_with_an_id_that_is_none_costs_the_interview_nothing(lists: Door) -> None:
    """E1"""
    app = lists.collect()
    send(lists, app, kit.registered(1, of="not-a-uuid"))
    assert uuid.UUID(str(kit.entity_id(1))).version == 4
    assert not is_quarantined(lists.context)
    assert taken(app, EntityList()).entities == {}
