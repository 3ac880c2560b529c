"""Entity lists on tablets with our own client: whoever follows the cursor has what the OpenRosa door would give."""

import csv
import io
import uuid
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.context import Context
from server.db.queries.devices import StoredAppUser
from server.keystore import KeyStore
from server.services import change_entities, deliver_entities, set_up_entity_list
from server.services.news import entities as source
from server.services.rebuild import rebuild
from server.services.set_up_entity_list import ListSettings
from sync_protocol.pull_items import EntitiesPull
from tests.office import NOW
from tests.server.entities.kit import FOLLOW, MEMBERS, REGISTER, entity_id, list_id, publish, registered
from tests.server.entities.test_folding import office, review, seal
from tests.server.handovers.pulling import Puller, small_pages
from tests.server.opening.kit import Tablet, deliver, open_all

Rows = Mapping[str, tuple[str, int, Mapping[str, str]]]


@pytest.fixture
def hashes(sqlite_context: Context) -> dict[str, bytes]:
    return publish(sqlite_context, REGISTER, FOLLOW)


@pytest.fixture
def puller(sqlite_context: Context, hashes: dict[str, bytes]) -> Puller:
    """A device of enumerator 0001 in team 01."""
    Tablet(sqlite_context.keystore, device_id="puller").enrol(sqlite_context)
    return Puller(sqlite_context)


def write(context: Context, *rows: tuple[int, str, str], name: str = "households") -> None:
    """Let the office write entities: number, head and owner of each."""
    content = "name,label,head,owner\n" + "".join(
        f"{entity_id(number)},House {number},{head},{owner}\n" for number, head, owner in rows
    )
    with context.database.transaction() as session:
        change_entities.import_file(session, list_id(context, name), content.encode(), office=office(context))


def set_list(context: Context, **members: object) -> None:
    with context.database.transaction() as session:
        set_up_entity_list.set_list(
            session, list_id(context), ListSettings(**members), keystore=context.keystore, user="m", now=NOW
        )  # type: ignore[arg-type]


def assign(context: Context, to: str) -> None:
    set_list(context, assigned_property="owner" if to else "", assigned_to=to)


def delete(context: Context, number: int) -> None:
    with context.database.transaction() as session:
        change_entities.delete(session, list_id(context), entity_id(number).bytes, office=office(context))


def app_user(enumerator: str = "0001", team: str = "01") -> StoredAppUser:
    """Return whom the OpenRosa door would serve."""
    return StoredAppUser(
        app_user_id=1, name="t", project_id=1, enumerator=enumerator, team=team, mode="survey", language="",
        is_for_every_form=True, username=None, created_at=NOW, revoked_at=None,
    )  # fmt: skip


def at_the_door(context: Context, form_version_hash: bytes, *, keystore: KeyStore) -> Rows:
    """Return the list as the OpenRosa door gives it: label, version and properties by id."""
    with context.database.read() as session:
        file = deliver_entities.find_list(
            session, form_version_hash, "households", tablet=app_user(), keystore=keystore
        )
        content = deliver_entities.read_list(session, file, keystore=keystore)
    return parsed(content)


def parsed(content: bytes) -> Rows:
    found = {}
    for row in csv.DictReader(io.StringIO(content.decode())):
        name, label, version = row.pop("name"), row.pop("label"), int(row.pop("__version"))
        found[name] = (label, version, {key: value for key, value in row.items() if value})
    return found


def on_the_device(puller: Puller, name: str = "households") -> Rows:
    kept = puller.lists.get(name, {})
    return {row.entity_id: (row.label, row.version, row.values) for row in kept.values()}


def test_new_changed_and_deleted_entities_reach_the_device(context: Context) -> None:
    hashes = publish(context, REGISTER, FOLLOW)
    puller = Puller(context)
    write(context, (1, "Amina", ""), (2, "Ben", ""))
    assert puller.pull() != []
    assert on_the_device(puller) == {}
    open_all(context)
    puller.pull()
    assert on_the_device(puller)[str(entity_id(1))] == ("House 1", 1, {"head": "Amina"})
    write(context, (1, "Awa", ""))
    delete(context, 2)
    open_all(context)
    items = puller.pull()
    assert [type(item) for item in items] == [EntitiesPull]
    assert on_the_device(puller) == at_the_door(context, hashes["follow"], keystore=context.keystore)
    assert puller.pull() == []


def test_only_lists_that_a_published_form_uses_are_given(sqlite_context: Context, puller: Puller) -> None:
    with sqlite_context.database.transaction() as session:
        set_up_entity_list.create_list(
            session, project_id=1, name="persons", properties=["head", "owner"], user="m", now=NOW
        )
    write(sqlite_context, (1, "Amina", ""), name="persons")
    open_all(sqlite_context)
    puller.pull()
    assert puller.lists == {}
    publish(sqlite_context, MEMBERS)
    puller.pull()
    assert on_the_device(puller, "persons") == {str(entity_id(1)): ("House 1", 1, {"head": "Amina"})}


def test_a_list_of_another_project_is_not_given(sqlite_context: Context, puller: Puller) -> None:
    write(sqlite_context, (1, "Amina", ""))
    open_all(sqlite_context)
    abroad = Puller(sqlite_context, project_id=2)
    assert abroad.pull() == []


def test_an_assigned_entity_leaves_one_device_and_comes_to_another(sqlite_context: Context, puller: Puller) -> None:
    other = Puller(sqlite_context, device_id="other", enumerator="0002")
    write(sqlite_context, (1, "Amina", "0001"), (2, "Ben", "0002"))
    assign(sqlite_context, "enumerator")
    open_all(sqlite_context)
    for one in (puller, other):
        one.pull()
    assert [list(on_the_device(one)) for one in (puller, other)] == [[str(entity_id(1))], [str(entity_id(2))]]
    write(sqlite_context, (1, "Amina", "0002"))
    open_all(sqlite_context)
    for one in (puller, other):
        one.pull()
    assert [len(on_the_device(one)) for one in (puller, other)] == [0, 2]


def test_what_is_assigned_to_no_one_goes_to_nobody_who_has_no_code(sqlite_context: Context, puller: Puller) -> None:
    nobody = Puller(sqlite_context, device_id="other", enumerator="")
    write(sqlite_context, (1, "Amina", ""), (2, "Ben", "0002"))
    assign(sqlite_context, "enumerator")
    open_all(sqlite_context)
    for one in (puller, nobody):
        one.pull()
        assert on_the_device(one) == {}
    write(sqlite_context, (1, "Amina", "0001"))
    open_all(sqlite_context)
    puller.pull()
    assert list(on_the_device(puller)) == [str(entity_id(1))]


def test_who_never_had_an_entity_hears_nothing_of_it(sqlite_context: Context, puller: Puller) -> None:
    write(sqlite_context, (1, "Amina", "0002"))
    assign(sqlite_context, "enumerator")
    open_all(sqlite_context)
    puller.pull()
    write(sqlite_context, (1, "Awa", "0003"))
    open_all(sqlite_context)
    assert puller.pull() == []


def test_a_list_that_becomes_assigned_is_taken_from_those_who_had_all_of_it(
    sqlite_context: Context, puller: Puller, hashes: dict[str, bytes]
) -> None:
    write(sqlite_context, (1, "Amina", "0001"), (2, "Ben", "0002"), (3, "Cleo", "01"))
    open_all(sqlite_context)
    puller.pull()
    assert len(on_the_device(puller)) == 3
    for to, kept in (("enumerator", 1), ("team", 3), ("", 0)):
        assign(sqlite_context, to)
        open_all(sqlite_context)
        puller.pull()
        expected = at_the_door(sqlite_context, hashes["follow"], keystore=sqlite_context.keystore)
        assert on_the_device(puller) == expected
        assert len(expected) == (3 if not to else 1)
        assert not kept or str(entity_id(kept)) in expected


def test_changes_that_wait_for_approval_reach_nobody_before(
    sqlite_context: Context, puller: Puller, hashes: dict[str, bytes]
) -> None:
    set_list(sqlite_context, needs_approval=True)
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    deliver(sqlite_context, seal(tablet, hashes, registered(1)))
    open_all(sqlite_context)
    puller.pull()
    assert on_the_device(puller) == {}
    review(sqlite_context, 1, "approved")
    puller.pull()
    assert list(on_the_device(puller)) == [str(entity_id(1))]
    review(sqlite_context, 1, "rejected")
    puller.pull()
    assert on_the_device(puller) == {}


def test_a_long_list_comes_in_parts_and_a_cut_answer_goes_on_inside_a_position(
    sqlite_context: Context, puller: Puller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "ROWS", 7)
    small_pages(monkeypatch, 2)
    write(sqlite_context, *((number, "x", "") for number in range(1, 41)))
    open_all(sqlite_context)
    pages, more = 0, True
    while more:
        items, more = puller.page()
        assert len(items) <= 2
        pages += 1
    assert (len(on_the_device(puller)), pages) == (40, 4)


def test_a_rebuild_leaves_devices_with_what_there_is(
    sqlite_context: Context, puller: Puller, hashes: dict[str, bytes]
) -> None:
    tablet = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    deliver(sqlite_context, seal(tablet, hashes, registered(1), registered(2)))
    write(sqlite_context, (3, "Cleo", ""))
    open_all(sqlite_context)
    puller.pull()
    before = on_the_device(puller)
    report = rebuild(
        database=sqlite_context.database, keystore=sqlite_context.keystore, microdata=sqlite_context.microdata, now=NOW
    )
    assert report.is_same
    puller.pull()
    assert on_the_device(puller) == before
    assert len(before) == 3
    fresh = Puller(sqlite_context)
    fresh.pull()
    assert on_the_device(fresh) == before


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"), st.integers(1, 5), st.sampled_from("abc"), st.sampled_from(["0001", "0002", "01", ""])
        ),
        st.tuples(st.just("delete"), st.integers(1, 5)),
        st.tuples(st.just("register"), st.integers(1, 4)),
        st.tuples(st.just("review"), st.integers(1, 4), st.sampled_from(["approved", "rejected"])),
        st.tuples(st.just("assign"), st.sampled_from(["", "enumerator", "team"])),
        st.tuples(st.just("approval"), st.booleans()),
        st.tuples(st.just("open")),
        st.tuples(st.just("page")),
        st.tuples(st.just("page")),
    ),
    max_size=14,
)


@given(steps=STEPS, page=st.integers(1, 3))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_who_follows_has_the_list_of_the_openrosa_door(
    sqlite_context: Context, steps: list[tuple[object, ...]], page: int
) -> None:
    patch = pytest.MonkeyPatch()
    small_pages(patch, page)
    patch.setattr(source, "ROWS", 2)
    world = World(sqlite_context)
    try:
        for kind, *what in steps:
            getattr(world, f"do_{kind}")(*what)
        open_all(sqlite_context)
        world.follower.pull()
        fresh = Puller(sqlite_context, device_id=world.follower.device_id)
        fresh.pull()
    finally:
        patch.undo()
    expected = at_the_door(sqlite_context, world.hashes["follow"], keystore=sqlite_context.keystore)
    assert on_the_device(world.follower) == expected
    assert on_the_device(fresh) == expected


class World:
    """An office with one list and a device that follows it; used again and again, as its database is."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.hashes = publish(context, REGISTER, FOLLOW)
        name = f"tablet-{uuid.uuid4().hex[:8]}"
        self.tablet = Tablet(context.keystore, device_id=name).enrol(context)
        self.follower = Puller(context, device_id=name)
        write(context, (9, "x", "0001"))  # so that there is a property `owner`

    def do_write(self, number: int, head: str, owner: str) -> None:
        try:
            write(self.context, (number, head, owner))
        except change_entities.EntitiesInvalid:  # it is deleted
            with self.context.database.transaction() as session:
                change_entities.restore(
                    session, list_id(self.context), entity_id(number).bytes, office=office(self.context)
                )

    def do_delete(self, number: int) -> None:
        try:
            delete(self.context, number)
        except change_entities.NotFound:
            return

    def do_register(self, number: int) -> None:
        deliver(self.context, seal(self.tablet, self.hashes, registered(number, of=entity_id(number))))

    def do_review(self, number: int, verdict: str) -> None:
        open_all(self.context)
        try:
            review(self.context, number, verdict)
        except change_entities.NotFound:
            return

    def do_assign(self, to: str) -> None:
        assign(self.context, to)

    def do_approval(self, is_needed: bool) -> None:
        set_list(self.context, needs_approval=is_needed)

    def do_open(self) -> None:
        open_all(self.context)

    def do_page(self) -> None:
        self.follower.page()
