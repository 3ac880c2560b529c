import re
import tracemalloc
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from server.api import submissions
from server.context import Context
from server.db.queries import accounts, audit
from server.file_names import without_controls
from sync_protocol.enrolment import token_hash
from tests.office import NOW
from tests.server.mixed import PICTURE, Mixed
from tests.server.opening.kit import Answers, Tablet, deliver, number_id, open_all

BASE = "/api/v1/submissions"
Ask = Callable[..., Any]


@pytest.fixture
def ask(mixed: Mixed) -> Ask:
    """Return a function that asks as somebody: `ask("amina", path)`."""
    return asking(mixed)


def asking(mixed: Mixed) -> Ask:
    client = mixed.app.test_client()
    tokens: dict[str, str] = {}

    def ask_as(name: str, path: str, *, json: Any = None) -> Any:
        if name not in tokens:
            tokens[name] = f"token-of-{name}"
            with mixed.context.database.transaction() as session:
                user = accounts.user_by_name(session, name)
                assert user is not None
                accounts.add_token(session, user_id=user.user_id, token_hash=token_hash(tokens[name]), now=NOW)
        headers = {"Authorization": f"Bearer {tokens[name]}"}
        return client.get(path, headers=headers) if json is None else client.post(path, headers=headers, json=json)

    return ask_as


@pytest.fixture
def anywhere(context: Context, app: Flask) -> Mixed:
    """A mixed intake on SQLite and on PostgreSQL in turn."""
    return Mixed(context, app).fill()


def states(answer: Any) -> list[str]:
    return [one["state"] for one in answer.json["submissions"]]


def test_the_list_is_the_same_on_both_databases(anywhere: Mixed) -> None:
    ask = asking(anywhere)
    assert sorted(states(ask("amina", BASE))) == sorted(
        ["opened"] * 7 + ["conflict"] * 4 + ["held"] * 2 + ["quarantine"] * 4 + ["waiting", "media"]
    )
    expected = {
        "state=quarantine": 4, "state=waiting": 1, "state=media": 1, "state=held": 2, "state=conflict": 2,
        "state=needs-somebody": 8, "state=opened": 14, "form=house": 2, "form=visit": 2, "form=small": 14,
        "person=0012": 4, "person=tablet-2": 3, "project=1": 19, "project=2": 0, "person=0012&form=visit": 2,
        "day=2020-02-02": 0, "state=opened&person=tablet-1": 7,
    }  # fmt: skip
    assert {query: len(states(ask("amina", f"{BASE}?{query}"))) for query in expected} == expected
    of_team = {"sami": 12, "berta": 7}
    assert {name: len(states(ask(name, BASE))) for name in of_team} == of_team


def test_pages_of_the_list_neither_repeat_nor_skip(anywhere: Mixed) -> None:
    ask = asking(anywhere)
    whole = [one["sequence"] for one in ask("amina", BASE).json["submissions"]]
    assert whole == sorted(whole, reverse=True)
    seen: list[int] = []
    path: str | None = f"{BASE}?limit=4"
    while path is not None:
        answer = ask("amina", path).json
        seen += [one["sequence"] for one in answer["submissions"]]
        path = answer["next"]
    assert seen == whole


@pytest.mark.parametrize("query", ["state=lost", "day=2020", "before=-1", "limit=many", "project=one"])
def test_a_filter_that_cannot_be_meant_is_refused(ask: Ask, query: str) -> None:
    assert ask("amina", f"{BASE}?{query}").status_code == 400


def test_a_submission_is_read_back_byte_for_byte(mixed: Mixed, ask: Ask) -> None:
    xml = mixed.post(73, "visit", "1")
    open_all(mixed.context)
    answer = ask("berta", f"{BASE}/uuid:{UUID(int=73)}/xml")
    assert answer.data == xml
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("write", [str, lambda one: f"uuid:{one}", lambda one: one.hex, lambda one: str(one).upper()])
def test_an_instance_id_may_be_written_in_four_ways(mixed: Mixed, ask: Ask, write: Callable[[UUID], str]) -> None:
    answer = ask("amina", f"{BASE}/{quote(write(UUID(hex=mixed.opened)), safe='')}")
    assert answer.status_code == 200
    assert answer.json["instance_id"] == f"uuid:{UUID(hex=mixed.opened)}"


def test_an_instance_id_that_is_no_uuid_is_found_by_its_text(mixed: Mixed, ask: Ask) -> None:
    named = "urn:survey 7/é?x=1"
    tablet = Tablet(mixed.context.keystore, device_id="tablet-7").enrol(mixed.context)
    xml = Answers(number=5).xml().replace(number_id(5).encode(), named.encode())
    from forms.instance import instance_id_bytes

    body = tablet.seal(xml, number=int.from_bytes(instance_id_bytes(named), "big"))
    deliver(mixed.context, [tablet.epoch(), body], carrier="tablet-7")
    open_all(mixed.context)
    assert ask("amina", f"{BASE}/{quote(named, safe='')}/xml").data == xml


def test_every_look_is_written_down_before_it_is_granted(mixed: Mixed, ask: Ask) -> None:
    ask("amina", f"{BASE}/{mixed.with_photos}/xml")
    ask("amina", f"{BASE}/{mixed.with_photos}/attachments/front.png")
    ask("amina", f"{BASE}/{mixed.revoked}/raw")
    with mixed.context.database.read() as session:
        looks = [(one.actor, one.action, one.subject) for one in audit.latest(session, 3)]
    assert looks == [
        ("amina", "read-raw", mixed.revoked),
        ("amina", "read-medium", mixed.with_photos),
        ("amina", "read-answers", mixed.with_photos),
    ]


def test_files_are_listed_with_those_that_are_missing(mixed: Mixed, ask: Ask) -> None:
    listed = ask("amina", f"{BASE}/{mixed.without_roof}/attachments").json["attachments"]
    assert [(one["name"], one["exists"]) for one in listed] == [("front.png", True), ("roof.png", False)]
    shown = ask("amina", f"{BASE}/{mixed.without_roof}").json
    assert shown["attachments"] == listed
    assert shown["state"] == "media"
    assert shown["reasons"][0]["code"] == "media-missing"
    assert shown["reasons"][0]["ends_by_itself"]
    assert ask("amina", f"{BASE}/{mixed.without_roof}/attachments/roof.png").status_code == 404


def test_a_picture_is_shown_and_nothing_in_it_can_run(mixed: Mixed, ask: Ask) -> None:
    answer = ask("berta", f"{BASE}/{mixed.with_photos}/attachments/front.png")
    assert answer.data == PICTURE
    assert answer.mimetype == "image/png"
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("sent", "served"), [("text/html", "attachment"), ("image/svg+xml", "attachment")])
def test_what_could_run_is_saved_and_never_shown(mixed: Mixed, ask: Ask, sent: str, served: str) -> None:
    mixed.post(74, "house", "1", files={"front.png": b"<script>"}, media_type=sent)
    open_all(mixed.context)
    answer = ask("amina", f"{BASE}/{UUID(int=74).hex}/attachments/front.png")
    assert answer.data == b"<script>"
    assert answer.headers["Content-Disposition"].startswith(served)


def test_a_file_whose_name_had_an_end_of_a_line_is_downloaded(mixed: Mixed, ask: Ask) -> None:
    mixed.post(76, "house", "1", files={"fr\ront.png": b"picture", "roof\n.png": b"another"})
    open_all(mixed.context)
    for name in ("front.png", "roof.png"):
        assert ask("amina", f"{BASE}/{UUID(int=76).hex}/attachments/{name}").status_code == 200


@given(name=st.text(st.characters(exclude_categories=("Cs",))))
def test_no_name_that_is_stored_is_more_than_a_header_takes(name: str) -> None:
    saved = submissions._saved(Response(), name).headers["Content-Disposition"]
    assert re.fullmatch(r"[ -~]+", saved), "gunicorn takes no more"
    assert parse_options_header(saved)[1]["filename"] in (name, without_controls(name))


def test_a_large_file_is_streamed_in_little_memory(mixed: Mixed, ask: Ask) -> None:
    content = bytes(range(256)) * (24 << 12)
    mixed.post(75, "house", "1", files={"front.png": content})
    open_all(mixed.context)
    ask("amina", BASE)
    tracemalloc.start()
    answer = ask("amina", f"{BASE}/{UUID(int=75).hex}/attachments/front.png")
    digest = sha256()
    for chunk in answer.iter_encoded():
        digest.update(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert digest.digest() == sha256(content).digest()
    assert peak < len(content) / 4


def test_an_altered_file_is_not_there(mixed: Mixed, ask: Ask) -> None:
    (found,) = (
        one for one in ask("amina", f"{BASE}/{mixed.without_roof}/attachments").json["attachments"] if one["exists"]
    )
    for path in mixed.context.config.blobs_dir.glob("??/*"):
        if path.parent.name + path.name == found["sha256"]:
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert ask("amina", f"{BASE}/{mixed.without_roof}/attachments/front.png").status_code == 404


def test_two_answers_under_one_id_are_both_read_back(mixed: Mixed, ask: Ask) -> None:
    shown = ask("amina", f"{BASE}/{mixed.collision}").json
    hashes = [one["answers_hash"] for one in shown["revisions"]]
    assert len(hashes) == len(shown["conflict"]) == 2
    bodies = {ask("amina", f"{BASE}/{mixed.collision}/xml?answers={one}").data for one in hashes}
    assert [sum(name in body for body in bodies) for name in (b"Yaw", b"Abena")] == [1, 1]
    assert ask("amina", f"{BASE}/{mixed.collision}/xml?answers={'00' * 32}").status_code == 404
    assert ask("amina", f"{BASE}/{mixed.collision}/xml?answers=zz").status_code == 400


def test_what_cannot_be_let_in_is_read_raw_by_a_manager(mixed: Mixed, ask: Ask) -> None:
    path = f"{BASE}/{mixed.revoked}"
    assert b"Kojo" in ask("amina", f"{path}/raw").data
    assert ask("sami", f"{path}/raw").status_code == 403
    assert ask("amina", f"{path}/xml").status_code == 404
    assert ask("amina", f"{BASE}/{mixed.opened}/raw").status_code == 404


def test_a_released_submission_is_opened(mixed: Mixed, ask: Ask) -> None:
    path = f"{BASE}/{mixed.revoked}"
    assert ask("sami", f"{path}/release", json={}).status_code == 403
    assert ask("amina", f"{path}/release", json={}).status_code == 200
    open_all(mixed.context)
    assert b"Kojo" in ask("amina", f"{path}/xml").data
    assert ask("amina", f"{path}/release", json={}).status_code == 404


def test_a_program_reviews_resolves_and_settles(mixed: Mixed, ask: Ask) -> None:
    chosen = ask("sami", f"{BASE}/{mixed.conflict}").json["conflict"][1]
    steps = [
        (f"{BASE}/{mixed.opened}/review", {"verdict": "rejected", "note": "ask again"}),
        (f"/api/v1/interviews/{mixed.conflict}/resolve", {"chosen": chosen}),
        (f"/api/v1/interviews/{mixed.pair[0]}/settle", {"verdict": "exclude", "note": "second visit"}),
    ]
    assert [ask("amina", path, json=body).status_code for path, body in steps] == [200, 200, 200]
    open_all(mixed.context)
    assert ask("amina", f"{BASE}/{mixed.opened}").json["review"] == "rejected"
    assert states(ask("amina", f"{BASE}?state=held")) == []
    assert len(states(ask("amina", f"{BASE}?state=conflict"))) == 1
    assert [one["action"] for one in ask("amina", f"{BASE}/{mixed.opened}").json["decisions"]] == ["review"]


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("review", {"verdict": "returned", "note": " "}),
        ("review", {"verdict": "perhaps"}),
        ("review", {"verdict": 1}),
        ("review", []),
        ("review", {}),
    ],
)
def test_a_decision_that_cannot_be_meant_is_refused(mixed: Mixed, ask: Ask, action: str, body: Any) -> None:
    assert ask("amina", f"{BASE}/{mixed.opened}/{action}", json=body).status_code == 400


def test_a_statistician_and_an_enumerator_are_not_let_in(mixed: Mixed, ask: Ask) -> None:
    for name in ("stata", "eno"):
        for path in ("", f"/{mixed.opened}", f"/{mixed.opened}/xml", f"/{mixed.with_photos}/attachments/front.png"):
            assert ask(name, BASE + path).status_code == 403


def test_lists_are_there_while_the_key_store_is_locked_and_answers_wait(mixed: Mixed, ask: Ask) -> None:
    mixed.context.keystore._vault = None
    assert len(states(ask("amina", BASE))) == 19
    shown = ask("amina", f"{BASE}/{mixed.without_roof}")
    assert shown.status_code == 200
    assert shown.json["attachments"] is None
    for path in ("xml", "attachments", "attachments/front.png"):
        answer = ask("amina", f"{BASE}/{mixed.without_roof}/{path}")
        assert (answer.status_code, answer.json["type"]) == (503, "/problems/key-store-locked")
    with mixed.context.database.read() as session:
        assert audit.latest(session, 1)[0].action not in ("read-answers", "read-medium")


def test_bytes_that_nobody_can_read_are_named_by_their_envelope(mixed: Mixed, ask: Ask) -> None:
    (one,) = (one for one in ask("amina", BASE).json["submissions"] if one["instance_id"] is None)
    assert ask("amina", f"{BASE}/{one['envelope_id']}").json["reasons"][0]["code"] == "malformed"
    assert ask("amina", f"{BASE}/{one['envelope_id']}/raw").status_code == 404
    assert ask("amina", f"{BASE}/{'ab' * 32}").status_code == 404


def test_no_answer_is_in_what_a_list_or_a_refusal_says(mixed: Mixed, ask: Ask) -> None:
    said = ask("amina", BASE).text + ask("amina", f"{BASE}/{mixed.conflict}").text
    assert [name for name in ("Kwame", "Adjoa", "Ama", "Kojo", "Ana") if name in said] == []


def test_a_client_that_is_not_asked_gets_nothing(mixed: Mixed) -> None:
    client: FlaskClient = mixed.app.test_client()
    assert client.get(BASE).status_code == 401
    assert client.get(f"{BASE}/{mixed.opened}/xml").status_code == 401
