"""Two projects on one server: whatever the one sends, names or wipes, the other's interviews stay its own."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from server.context import Context
from server.db import cursor
from server.db.queries import envelopes, fieldwork, intake_rows, pull
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.frame_rows import PsuRow
from server.db.scope import Scope
from server.db.tables import Envelope
from server.services import (
    accounts,
    api_tokens,
    app_users,
    enrol_device,
    look_after_devices,
    odk_keys,
    projects,
)
from tests.office import MULTIPART, NOW, begin_session, multipart
from tests.server.entities import kit as entities
from tests.server.opening.doorway import Photos, photo_form
from tests.server.opening.kit import (
    Answers,
    Tablet,
    deliver,
    draw,
    household,
    number_id,
    open_all,
    publish,
    publish_xform,
    raw_id,
)
from tests.server.opening.test_encrypted import rebuilt, sound

BASE = "/api/v1/submissions/"
FORM_TOKEN = "of the session"


@dataclass
class World:
    """Projects 1 and 2, each with a form, an app user and a manager."""

    context: Context
    app: Flask
    client: FlaskClient = field(init=False)
    doors: dict[int, str] = field(default_factory=dict)
    tokens: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()
        with self.context.database.transaction() as session:
            projects.add_project(session, name="Abroad", user="root", now=NOW)
        for number, form_id in ((1, "ours"), (2, "theirs")):
            publish(self.context, form_id, project_id=number)
            self.doors[number] = self.app_user(f"collect {number}", project_id=number)
            self.tokens[number] = self.person(f"manager {number}", "manager", project_id=number)

    def app_user(self, name: str, *, project_id: int, team: str = "") -> str:
        with self.context.database.transaction() as session:
            return app_users.create_app_user(
                session, name=name, enumerator=name, team=team, project_id=project_id, user="root", now=NOW
            )

    def person(self, name: str, role: str, *, project_id: int, team: str = "") -> str:
        with self.context.database.transaction() as session:
            accounts.add_user(
                session, name=name, role=role, password=None, actor="root", now=NOW, team=team, in_projects=[project_id]
            )
            return api_tokens.issue_token(session, name=name, actor="root", now=NOW)

    def send(self, door: str, xml: bytes, **files: bytes) -> None:
        """Send a submission, and open what can be opened."""
        parts = [('name="xml_submission_file"; filename="x.xml"\r\nContent-Type: text/xml', xml)]
        parts += [(f'name="{n}"; filename="{n}.jpg"\r\nContent-Type: image/jpeg', c) for n, c in files.items()]
        reply = self.client.post(f"/key/{door}/submission", data=multipart(parts), content_type=MULTIPART)
        assert reply.status_code == 201
        open_all(self.context)

    def ask(self, who: int | str, number: int, rest: str = "") -> Any:
        """Ask for a submission, as the manager of a project or with a token."""
        token = self.tokens[who] if isinstance(who, int) else who
        return self.client.get(BASE + number_id(number) + rest, headers={"Authorization": f"Bearer {token}"})

    def units(self, who: int) -> list[str]:
        """Return the units of which the manager of a project is shown the progress."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        return [one["psu"] for one in self.client.get("/api/v1/fieldwork/progress", headers=headers).json["psus"]]

    def root(self) -> str:
        """Return the token of somebody who sees every project."""
        with self.context.database.transaction() as session:
            accounts.add_user(session, name="root", role="administrator", password=None, actor="root", now=NOW)
            return api_tokens.issue_token(session, name="root", actor="root", now=NOW)

    def choose(self, found: dict[str, Any], instance_id: bytes) -> None:
        """Choose a version of an interview, as somebody of every project."""
        (head,) = (head for head in found["conflict"] if head.startswith(instance_id.hex()))
        assert self.click("root", 5, "versions", chosen=head) == 303
        open_all(self.context)

    def click(self, who: str, number: int, action: str, **members: str) -> int:
        """Send a form of the page of a submission."""
        page = self.app.test_client()
        begin_session(page, self.context, who)
        with page.session_transaction() as session:
            session["form_token"] = FORM_TOKEN
        return page.post(
            f"/intake/{raw_id(number).hex()}/{action}", data={"form_token": FORM_TOKEN} | members
        ).status_code


@pytest.fixture
def world(sqlite_context: Context, sqlite_app: Flask) -> World:
    return World(sqlite_context, sqlite_app)


def test_a_manager_wipes_what_came_in_clear_to_his_own_projects_only(world: World) -> None:
    with world.context.database.transaction() as session:
        key = odk_keys.create(session, keystore=world.context.keystore, bits=2048, user="root", now=NOW)
    publish_xform(world.context, photo_form(public_key=key), project_id=1)
    world.send(world.doors[1], Photos(number=9).xml())
    world.send(world.doors[2], Answers(number=5, form_id="theirs").xml())
    assert world.click("manager 2", 5, "wipe", is_sure="yes") == 303
    assert b"Adjoa" in world.ask(1, 9, "/raw").data
    assert world.click("manager 1", 9, "wipe", is_sure="yes") == 303
    assert world.ask(1, 9, "/raw").status_code == 404


def test_what_is_not_opened_shows_its_files_to_its_own_project_only(world: World) -> None:
    world.send(world.doors[1], Answers(number=5, form_id="ours", version="9").xml(), face=b"PHOTO")
    world.send(world.doors[2], Answers(number=5, form_id="nowhere").xml(), house=b"HOUSE")
    assert world.ask(2, 5).status_code == 200
    assert [one["name"] for one in world.ask(2, 5).json["attachments"]] == ["house.jpg"]
    assert world.ask(2, 5, "/attachments/face.jpg").status_code == 404
    assert world.ask(1, 5, "/attachments/face.jpg").data == b"PHOTO"


def test_an_interview_shows_neither_files_nor_arrivals_of_another_project_under_its_id(world: World) -> None:
    world.send(world.doors[1], Answers(number=5, form_id="ours", version="9", name="SECRET").xml(), face=b"PHOTO")
    world.send(world.doors[2], Answers(number=5, form_id="theirs").xml(), house=b"HOUSE")
    found = world.ask(2, 5).json
    assert (found["state"], len(found["arrivals"])) == ("opened", 1)
    assert [one["name"] for one in found["attachments"]] == ["house.jpg"]
    assert world.ask(2, 5, "/raw").status_code == 404
    assert world.ask(2, 5, "/attachments/face.jpg").status_code == 404


def test_an_edit_through_another_project_shows_it_nothing_and_is_for_who_sees_both(world: World) -> None:
    world.send(world.doors[1], Answers(number=5, form_id="ours", name="SECRET").xml())
    world.send(world.doors[2], Answers(number=6, form_id="theirs", edits=5, name="forged").xml())
    for number, rest in product((5, 6), ("", "/xml", "/attachments")):
        assert world.ask(2, number, rest).status_code == 404
        assert world.ask(1, number, rest).status_code == 404
    root = world.root()
    found = world.ask(root, 5).json
    assert (found["state"], [one["code"] for one in found["reasons"]]) == ("conflict", ["mixed-projects"])
    assert [one["instance_id"] for one in found["revisions"] if one["is_current"]] == [number_id(5)]
    assert b"SECRET" in world.ask(root, 5, "/xml").data
    world.choose(found, raw_id(5))
    assert world.ask(root, 5).json["state"] == "opened"
    assert world.ask(2, 5).status_code == 404


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_answers_of_another_project_under_a_known_id_show_it_nothing(world: World, order: tuple[int, int]) -> None:
    told = {1: Answers(number=5, form_id="ours", name="SECRET"), 2: Answers(number=5, form_id="theirs", name="forged")}
    for one in order:
        world.send(world.doors[one], told[one].xml())
    assert [world.ask(one, 5).status_code for one in (1, 2)] == [404, 404]
    revisions = world.ask(world.root(), 5).json["revisions"]
    assert [one["form_id"] for one in revisions if one["is_current"]] == ["ours"]


def test_the_same_answers_sent_to_another_project_take_nothing_from_the_first(world: World) -> None:
    for attempt in range(6):  # as many ciphertexts, with as many ids
        for form_id, project in (("ours", 1), ("theirs", 2)):
            world.send(world.doors[project], Answers(number=5 + attempt, form_id=form_id).xml())
        assert [world.ask(one, 5 + attempt).status_code for one in (1, 2)] == [200, 404]


def test_an_edit_by_another_team_gives_it_nothing_and_takes_nothing(world: World) -> None:
    own, beside = (world.app_user(team, project_id=1, team=team) for team in ("own", "beside"))
    reader = {team: world.person(team, "supervisor", project_id=1, team=team) for team in ("own", "beside")}
    world.send(own, Answers(number=5, form_id="ours", name="SECRET").xml())
    world.send(beside, Answers(number=6, form_id="ours", edits=5, name="forged").xml())
    for number, rest in product((5, 6), ("", "/xml")):
        assert world.ask(reader["beside"], number, rest).status_code == 404
        assert world.ask(reader["own"], number, rest).status_code == 200


def test_a_team_cannot_become_the_one_that_began_an_interview(world: World) -> None:
    own, beside = (world.app_user(team, project_id=1, team=team) for team in ("own", "beside"))
    reader = world.person("beside", "supervisor", project_id=1, team="beside")
    world.send(own, Answers(number=5, form_id="ours", name="SECRET").xml())
    world.send(beside, Answers(number=5, form_id="ours", name="forged", edits=4).xml())
    assert world.ask(reader, 5).status_code == 404
    world.send(beside, Answers(number=4, form_id="ours").xml())
    assert [world.ask(reader, number).status_code for number in (4, 5)] == [404, 404]
    world.send(own, Answers(number=8, form_id="ours", name="SECRET", edits=7).xml())
    world.send(beside, Answers(number=9, form_id="ours", edits=7).xml())
    assert [world.ask(reader, number).status_code for number in (8, 9)] == [404, 404]


def test_a_form_of_another_project_is_set_aside_until_its_own_lets_it_in(world: World) -> None:
    world.send(world.doors[2], Answers(number=5, form_id="ours").xml(), face=b"PHOTO")
    assert world.ask(2, 5).status_code == 404
    found = world.ask(1, 5).json
    assert (found["state"], [one["code"] for one in found["reasons"]]) == ("quarantine", ["other-project"])
    assert world.ask(1, 5, "/attachments/face.jpg").data == b"PHOTO"
    assert rebuilt(world.context)
    assert world.ask(1, 5).json["state"] == "quarantine"
    assert world.click("manager 1", 5, "release") == 303
    open_all(world.context)
    assert world.ask(1, 5).json["state"] == "opened"
    assert rebuilt(world.context)
    assert world.ask(1, 5).json["state"] == "opened"


def test_a_tablet_of_another_project_is_set_aside_whoever_carries_what_it_sealed(world: World) -> None:
    own, foreign = (
        Tablet(world.context.keystore, f"tablet-{number}", project_id=number).enrol(world.context) for number in (1, 2)
    )
    for tablet, number in ((own, 5), (foreign, 6)):
        sealed = tablet.seal(Answers(number=number, form_id="ours"))
        deliver(world.context, [tablet.epoch(), sealed], carrier=own.device_id)
    open_all(world.context)
    assert [world.ask(1, number).json["state"] for number in (5, 6)] == ["opened", "quarantine"]
    assert [one["code"] for one in world.ask(1, 6).json["reasons"]] == ["other-project"]


def test_letting_in_what_a_revoked_tablet_sent_forgives_its_revocation_only(world: World) -> None:
    """Neither what it sealed for another project, nor what it brought of another revoked tablet."""
    context, tablets = world.context, {}
    for name, project in (("theirs", 2), ("stolen", 2), ("in-use", 2), ("ours", 1)):
        tablets[name] = Tablet(context.keystore, name, project_id=project).enrol(context)
    deliver(context, [tablet.epoch() for tablet in tablets.values()])
    with context.database.transaction() as session:
        for name in ("theirs", "stolen"):
            enrol_device.revoke(session, device_id=name, user="manager 2", now=NOW)
    sent = {
        name: NewEnvelope.read(tablets[name].seal(Answers(number=number, form_id=form_id)))
        for number, name, form_id in ((6, "theirs", "theirs"), (7, "stolen", "theirs"), (8, "in-use", "theirs"))
    }
    injected = NewEnvelope.read(tablets["theirs"].seal(Answers(number=5, form_id="ours")))
    later = NOW + timedelta(days=1)
    with context.database.transaction() as session:
        aside = [replace(one, state="quarantined", reason="after-revocation") for one in (*sent.values(), injected)]
        envelopes.store(session, aside, carrier="theirs", received_at=later)
    open_all(context)

    def states() -> dict[int, tuple[str, str | None]]:
        with context.database.read() as session:
            query = select(Envelope.instance_id, Envelope.state, Envelope.reason)
            return {one.instance_id[-1]: (one.state, one.reason) for one in session.execute(query) if one.instance_id}

    def release(user: str, project: int | None) -> int:
        scope = Scope() if project is None else Scope(projects=frozenset({project}))
        with context.database.transaction() as session:
            (shown,) = {
                one.set_aside
                for one in look_after_devices.list_devices(session, keyring_serial=1, scope=scope)
                if one.device.device_id == "theirs"
            }
            count = look_after_devices.release_set_aside(session, device_id="theirs", user=user, now=later, scope=scope)
        assert shown == count
        open_all(context)
        return count

    kept = ("quarantined", "after-revocation")
    assert release("manager 2", 2) == 2
    let_in = ("opened", "released:after-revocation")
    assert states() == {5: kept, 6: let_in, 7: kept, 8: let_in}
    assert release("administrator", None) == 1
    assert states() == {5: ("quarantined", "other-project"), 6: let_in, 7: kept, 8: let_in}
    assert world.click("manager 1", 5, "release") == 303
    open_all(context)
    assert states()[5] == ("opened", "released")
    assert rebuilt(context)


def test_a_form_of_another_project_changes_no_entity(world: World) -> None:
    entities.publish(world.context, entities.REGISTER)
    world.send(world.doors[2], entities.registered(1))
    assert entities.shown(world.context) == {}
    world.send(world.doors[1], entities.registered(2))
    assert [one.label for one in entities.shown(world.context).values()] == ["Amina"]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_household_key_of_another_project_is_of_another_household(world: World, order: tuple[int, int]) -> None:
    told = {
        1: Answers(number=5, form_id="ours", key=household(1)),
        2: Answers(number=6, form_id="theirs", key=household(1)),
    }
    for one in order:
        world.send(world.doors[one], told[one].xml())
    for who in (1, 2, world.root()):
        for number in (5, 6):
            found = world.ask(who, number)
            if found.status_code == 200:
                assert (found.json["state"], found.json["household_mates"]) == ("opened", [])
    assert sound(world.context)
    world.send(world.doors[1], Answers(number=7, form_id="ours", key=household(1), name="Efua").xml())
    assert [(one["state"], one["household_mates"]) for one in (world.ask(1, 5).json, world.ask(1, 7).json)] == [
        ("held", [raw_id(7).hex()]),
        ("held", [raw_id(5).hex()]),
    ]
    assert world.ask(2, 6).json["state"] == "opened"
    assert sound(world.context)


def test_a_code_of_an_enumerator_opens_nothing_in_another_project(world: World) -> None:
    draw_for(world.context, project_id=1)
    world.app_user("0001", project_id=2)
    spy = Tablet(world.context.keystore, "tablet-spy", enumerator="0001", project_id=2).enrol(world.context)
    own = Tablet(world.context.keystore, "tablet-own", enumerator="0001", project_id=1).enrol(world.context)
    assert world.units(2) == []
    assert world.units(1) == ["unit"]
    with world.context.database.read() as session:
        found = {
            tablet.device_id: pull.assigned_psus(
                session, project_id=tablet.project_id, enumerator="0001", after=cursor.START
            )
            for tablet in (spy, own)
        }
        assert pull.assigned_households(session, project_id=2, enumerator="0001", psu="unit") == []
    assert found["tablet-spy"] == []
    assert [psu for _, psu in found["tablet-own"]] == ["unit"]


def test_a_draw_is_of_one_project_and_holds_no_interview_of_another(world: World) -> None:
    draw_for(world.context, project_id=2)
    Tablet(world.context.keystore, "tablet-theirs", enumerator="0001", project_id=2).enrol(world.context)
    for number, form_id in ((5, "ours"), (6, "theirs")):
        door = world.doors[1 if form_id == "ours" else 2]
        world.send(door, Answers(number=number, form_id=form_id, key=household(9)).xml())
    assert (world.ask(1, 5).json["state"], world.ask(2, 6).json["state"]) == ("opened", "held")
    assert (world.units(1), world.units(2)) == ([], ["unit"])
    assert sound(world.context)


def draw_for(context: Context, *, project_id: int) -> None:
    """Draw one household of one unit for a project."""
    with context.database.transaction() as session:
        fieldwork.replace_frame(
            session,
            [
                PsuRow(
                    psu="unit", stratum="s", province="p", area="1", frame_households=10, stratum_frame_households=30,
                    drawn=True, drawn_in_stratum=3, certainty=False, segments=1, replicate=None,
                )
            ],
        )  # fmt: skip
    draw(context, [(household(1), "unit", "0001")], project_id=project_id)


def test_the_database_is_asked_for_interviews_of_every_scope(context: Context) -> None:
    publish(context)
    tablets = [Tablet(context.keystore, f"tablet-{team}", team=team).enrol(context) for team in ("own", "beside")]
    for tablet, answers in zip(tablets, (Answers(number=5), Answers(number=6, edits=5)), strict=True):
        deliver(context, [tablet.epoch(), tablet.seal(answers)], carrier=tablet.device_id)
    open_all(context)
    seen = {}
    with context.database.read() as session:
        for project, team, code in product((None, 1, 2), (None, "own", "beside"), (None, "0001", "0002")):
            scope = Scope(projects=None if project is None else frozenset({project}), team=team, enumerator=code)
            seen[project, team, code] = intake_rows.sees_interview(session, scope, raw_id(5))
    assert seen == {key: key[0] != 2 and key[1] != "beside" and key[2] != "0002" for key in seen}
