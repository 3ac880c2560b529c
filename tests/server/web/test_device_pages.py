"""The pages of tablets and of what takes two people, as a browser without scripts uses them."""

import base64
import json
import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from server.context import Context
from server.db.tables import Device, Envelope
from server.services import accounts, device_words
from server.web.device_messages import DEVICE_MESSAGES
from sync_protocol.enrolment import parse_link
from sync_protocol.messages import Backlog
from tests.office import NOW
from tests.server.opening.kit import Answers, Tablet, deliver, open_all, publish, raw_id
from tests.server.web.test_people_pages import TOKEN, as_person

FORM = {"form_token": TOKEN}


@pytest.fixture
def tablet(sqlite_context: Context) -> Tablet:
    """A tablet whose interview has come, and three people of the office."""
    with sqlite_context.database.transaction() as session:
        for name, role in (("amina", "manager"), ("kofi", "manager"), ("sami", "supervisor")):
            team = "01" if role == "supervisor" else ""
            accounts.add_user(session, name=name, role=role, password=None, actor="root", now=NOW, team=team)
    publish(sqlite_context)
    made = Tablet(sqlite_context.keystore).enrol(sqlite_context)
    deliver(sqlite_context, [made.epoch(), made.seal(Answers(number=1))])
    open_all(sqlite_context)
    return made


@pytest.fixture
def amina(sqlite_app: Flask, sqlite_context: Context, tablet: Tablet) -> FlaskClient:
    return as_person(sqlite_app, sqlite_context, "amina")


@pytest.fixture
def kofi(sqlite_app: Flask, sqlite_context: Context, tablet: Tablet) -> FlaskClient:
    return as_person(sqlite_app, sqlite_context, "kofi")


@pytest.fixture
def sami(sqlite_app: Flask, sqlite_context: Context, tablet: Tablet) -> FlaskClient:
    return as_person(sqlite_app, sqlite_context, "sami")


def test_both_languages_have_every_word() -> None:
    assert DEVICE_MESSAGES["en"].keys() == DEVICE_MESSAGES["fr"].keys()
    assert device_words.WORDS["en"].keys() == device_words.WORDS["fr"].keys()


@pytest.mark.parametrize(
    ("backlog", "en", "fr"),
    [
        (None, "–", "–"),
        (Backlog(), "nothing: all is here", "rien : tout est ici"),
        (Backlog(envelopes=4, interviews=3, media=6), "3 interviews, 6 files to go", "3 entretiens, 6 fichiers à envoyer"),  # noqa: E501
        (Backlog(envelopes=1), "1 other envelope to go", "1 autre enveloppe à envoyer"),
        (Backlog(unsealed=2), "2 finished, not sealed yet", "2 terminés, pas encore scellés"),
    ],
)  # fmt: skip
def test_what_a_tablet_has_to_send_is_said_in_words(backlog: Backlog | None, en: str, fr: str) -> None:
    assert device_words.backlog_words("en", backlog) == en
    assert device_words.backlog_words("fr", backlog) == fr


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (-59, "right"), (301, "5 min ahead"), (-7300, "2 h behind"), (200_000, "2 d ahead")],
)
def test_how_far_a_clock_is_off_is_said_in_words(seconds: int | None, words: str) -> None:
    assert device_words.clock_words("en", seconds) == words


def test_the_list_shows_what_each_tablet_said_last_and_blanks_before(
    sqlite_context: Context, sami: FlaskClient
) -> None:
    page = sami.get("/devices").text
    assert "0001" in page
    assert "never" in page
    with sqlite_context.database.transaction() as session:
        told = {"backlog": json.dumps({"interviews": 2, "envelopes": 2, "new_member": 1}), "clock_offset_seconds": -120}
        session.execute(update(Device).values(**told, last_seen_at=NOW, keyring_serial=1))
    page = sami.get("/devices").text
    assert "2 interviews to go" in page
    assert "2 min behind" in page
    assert "2 entretiens" in sami.get("/devices?lang=fr").text
    with sqlite_context.database.transaction() as session:
        session.execute(update(Device).values(backlog="[1"))
    assert sami.get("/devices").status_code == 200


def test_a_code_enrols_one_tablet_and_is_shown_once(sqlite_context: Context, amina: FlaskClient) -> None:
    made = amina.post("/devices", data=FORM | {"enumerator": "0007", "team": "01", "role": "enumerator"})
    assert made.status_code == 200
    picture = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', made.text)
    link = re.search(r'<span class="typed">([^<]+)</span>', made.text)
    assert picture is not None
    assert link is not None
    assert b"<svg" in base64.b64decode(picture.group(1))
    assert "data:" in made.headers["Content-Security-Policy"]
    found = parse_link(link.group(1).replace("&amp;", "&"))
    assert found.root_key == sqlite_context.keystore.root_key
    assert found.token not in amina.get("/devices").text
    assert amina.post("/devices", data=FORM | {"enumerator": "", "role": "enumerator"}).status_code == 400
    assert amina.post("/devices", data=FORM | {"enumerator": "1", "role": "door"}).status_code == 400


def test_a_supervisor_looks_and_changes_nothing(tablet: Tablet, sami: FlaskClient) -> None:
    assert "Enrol a tablet" not in sami.get("/devices").text
    assert "<form class" not in sami.get(f"/devices/{tablet.device_id}").text
    for what in ("revocation", "release", "wipe"):
        assert sami.post(f"/devices/{tablet.device_id}/{what}", data=FORM).status_code == 403
    assert sami.get("/proposals").status_code == 403


def test_a_lost_tablet_is_revoked_and_what_came_late_is_let_in_at_once(
    sqlite_context: Context, tablet: Tablet, amina: FlaskClient
) -> None:
    url = f"/devices/{tablet.device_id}"
    assert amina.post(f"{url}/revocation", data=FORM | {"form_token": "another"}).status_code == 400
    assert amina.post(f"{url}/revocation", data=FORM).status_code == 303
    with sqlite_context.database.transaction() as session:
        session.execute(update(Device).values(revoked_at=NOW))
    late = [tablet.seal(Answers(number=number)) for number in (2, 3)]
    deliver(sqlite_context, late, carrier="tablet-2", at=NOW + timedelta(hours=1))
    assert open_all(sqlite_context).quarantined == 2
    assert "2 set aside" in amina.get("/devices").text
    assert amina.post(f"{url}/release", data=FORM).status_code == 303
    assert open_all(sqlite_context).opened == 2
    assert amina.post(f"{url}/release", data=FORM).status_code == 404
    assert "revoked" in amina.get(url).text


def test_a_wipe_is_proposed_by_one_and_agreed_by_another(
    sqlite_context: Context, tablet: Tablet, amina: FlaskClient, kofi: FlaskClient
) -> None:
    url = f"/devices/{tablet.device_id}"
    assert amina.post(f"{url}/wipe", data=FORM | {"note": " "}).status_code == 400
    assert amina.post(f"{url}/wipe", data=FORM | {"note": "stolen at Koro"}).status_code == 303
    assert "wipe proposed" in amina.get(url).text
    assert "stolen at Koro" in kofi.get("/proposals").text
    assert "You proposed this" in amina.get("/proposals").text
    refused = amina.post("/proposals/1", data=FORM | {"verdict": "agree"})
    assert (refused.status_code, "takes two people" in refused.text) == (403, True)
    assert kofi.post("/proposals/1", data=FORM | {"verdict": "maybe"}).status_code == 400
    assert kofi.post("/proposals/1", data=FORM | {"verdict": "agree"}).status_code == 303
    assert kofi.post("/proposals/1", data=FORM | {"verdict": "decline"}).status_code == 409
    assert "wipe ordered" in amina.get(url).text
    assert "effacement ordonné" in amina.get(f"{url}?lang=fr").text


def test_an_erasure_is_proposed_at_the_interview_and_seen_there(
    sqlite_context: Context, amina: FlaskClient, kofi: FlaskClient
) -> None:
    url = f"/intake/{raw_id(1).hex()}"
    assert "Withdrawal of consent" in amina.get(url).text
    assert amina.post(f"{url}/erasure", data=FORM | {"note": "they asked"}).status_code == 303
    assert amina.post(f"{url}/erasure", data=FORM | {"note": "again"}).status_code == 409
    assert kofi.post("/proposals/1", data=FORM | {"verdict": "agree"}).status_code == 303
    open_all(sqlite_context)
    for page in (kofi.get(url), kofi.get("/intake")):
        assert page.status_code == 200
        assert "erased" in page.text
    assert "Withdrawal of consent" not in kofi.get(url).text
    assert "effacé" in kofi.get(f"{url}?lang=fr").text
    with sqlite_context.database.read() as session:
        assert session.scalar(select(Envelope.body).where(Envelope.instance_id == raw_id(1))) == b""


def test_programs_do_what_the_pages_do(sqlite_context: Context, amina: FlaskClient, kofi: FlaskClient) -> None:
    url = "/api/v1/devices/tablet-1"
    assert amina.get(url).get_json()["backlog"] is None
    made = amina.post("/api/v1/devices", json={"enumerator": "0009", "project_id": 1})
    assert parse_link(made.get_json()["link"]).root_key == sqlite_context.keystore.root_key
    assert amina.post("/api/v1/devices", json={"enumerator": "0009"}).status_code == 400
    for nobody in ({}, {"enumerator": " "}):
        assert amina.post("/api/v1/devices", json={"project_id": 1, **nobody}).status_code == 400
    assert amina.post(f"{url}/revocation").status_code == 204
    assert amina.post(f"{url}/release").status_code == 404
    wipe = amina.post(f"{url}/wipe", json={"note": "stolen"}).get_json()["proposal_id"]
    erase = amina.post(f"/api/v1/submissions/{raw_id(1).hex()}/erasure", json={"note": "they asked"})
    assert amina.post(f"/api/v1/proposals/{wipe}/agreement").status_code == 403
    assert kofi.post(f"/api/v1/proposals/{wipe}/agreement").get_json()["state"] == "agreed"
    declined = kofi.post(f"/api/v1/proposals/{erase.get_json()['proposal_id']}/refusal").get_json()
    assert (declined["action"], declined["state"]) == ("erase", "declined")
    states = [
        (one["action"], one["state"], one["note"]) for one in kofi.get("/api/v1/proposals").get_json()["proposals"]
    ]
    assert states == [("erase", "declined", "they asked"), ("wipe", "agreed", "stolen")]
    told = kofi.get("/api/v1/devices").get_json()["devices"]
    assert [(one["device_id"], one["wipe"], one["revoked_at"] is not None) for one in told] == [
        ("tablet-1", "ordered", True)
    ]
