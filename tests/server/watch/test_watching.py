"""What watches the server sees: metrics, status, readiness, alarms; and what never gets into a line of the log."""

import io
import json
import logging
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text, update

from server import logs
from server.api import readiness
from server.app import create_app
from server.context import Context
from server.db.queries import backups, devices, envelopes, schedule
from server.db.queries.envelopes import NewEnvelope
from server.db.tables import Device, Envelope, Schedule
from server.jobs import scheduled
from server.jobs.scheduled import ScheduledJob
from server.services import alarms
from tests.office import NOW, Tablet, bearer, begin_session, envelope

TOKEN = "a-token-of-the-scraper"


@pytest.fixture
def watched(context: Context) -> Context:
    context.config = replace(context.config, metrics_token=TOKEN)
    return context


def look(context: Context, *, now: datetime = NOW) -> alarms.Status:
    with context.database.read() as session:
        return alarms.look(session, config=context.config, now=now)


def codes(context: Context, *, now: datetime = NOW) -> set[str]:
    return {alarm.code for alarm in look(context, now=now).alarms} - {"disk"}  # whatever the disk of the tests has


def put(context: Context, number: int, *, state: str = "received", at: datetime = NOW) -> None:
    with context.database.transaction() as session:
        found = [replace(NewEnvelope.read(envelope(number)), state=state)]
        envelopes.store(session, found, carrier="tablet", received_at=at)


def test_a_keyring_that_a_rotation_did_not_come_to_keep_is_kept_at_the_next_start(sqlite_context: Context) -> None:
    with sqlite_context.database.transaction() as session:
        session.execute(text("DELETE FROM keyring"))
    for _ in range(2):
        scheduled.prepare(sqlite_context, now=NOW)
    with sqlite_context.database.read() as session:
        assert devices.keyrings(session) == [sqlite_context.keystore.keyring_document]


def test_nothing_is_wrong_with_a_new_office(context: Context) -> None:
    assert codes(context) == set()


def test_each_alarm_is_raised_by_its_cause_alone(context: Context) -> None:
    put(context, 1, at=NOW - timedelta(hours=2))
    assert codes(context) == {"backlog"}
    put(context, 2, state="waiting-for-key")
    with context.database.transaction() as session:
        session.execute(update(Envelope).where(Envelope.state == "received").values(state="opened"))
    assert codes(context) == {"waiting-for-key"}
    with context.database.transaction() as session:
        session.execute(update(Envelope).values(state="opened"))
    assert codes(context, now=NOW + timedelta(days=4)) == {"never-backed-up"}
    with context.database.transaction() as session:
        backups.add(session, made_at=NOW, sequence=1, place="p")
    assert codes(context, now=NOW + timedelta(days=2)) == set()
    assert codes(context, now=NOW + timedelta(days=4)) == {"no-backup"}
    context.config = replace(context.config, backups=False)
    assert codes(context, now=NOW + timedelta(days=4)) == set()


def test_tablets_that_fell_silent_are_told_of(sqlite_context: Context) -> None:
    tablet = Tablet(sqlite_context, create_app(sqlite_context.config, sqlite_context).test_client()).enrol()
    for days, expected in ((6, set()), (8, {"silent"}), (61, set())):
        with sqlite_context.database.transaction() as session:
            session.execute(update(Device).values(last_seen_at=NOW - timedelta(days=days)))
        assert codes(sqlite_context) == expected, days
    assert look(sqlite_context).figures.devices == 1
    assert tablet.device_id not in json.dumps(look(sqlite_context).members()["alarms"])


def test_a_job_that_fails_again_and_again_is_told_of_until_it_succeeds(context: Context) -> None:
    is_broken = True

    def prepare(*_: object) -> scheduled.Write:
        if is_broken:
            raise RuntimeError("with the answer 12345 in its text")
        return lambda _: None

    job = ScheduledJob(name="odd", every=timedelta(days=1), prepare=prepare)
    with context.database.transaction() as session:
        schedule.add(session, name="odd", first_due_at=NOW, every=job.every)
    now = NOW
    for failure in range(1, 4):
        scheduled.run_due(context, holder="me", clock=lambda: now, jobs=(job,))  # noqa: B023
        assert codes(context, now=now) == ({"job"} if failure == 3 else set())
        now += timedelta(minutes=11)
    is_broken = False
    assert scheduled.run_due(context, holder="me", clock=lambda: now, jobs=(job,)) == ("odd",)
    assert codes(context, now=now) == set()
    assert codes(context, now=now + timedelta(days=1, hours=2)) == {"overdue"}


@pytest.mark.parametrize(
    ("free", "total", "is_full"),
    [(1 << 40, 1 << 41, False), (900 << 20, 1 << 40, True), (10 << 30, 1 << 40, True), (30 << 30, 1 << 41, False)],
)
def test_a_disk_is_nearly_full(free: int, total: int, is_full: bool) -> None:
    assert alarms.is_nearly_full(free, total) == is_full


def test_every_alarm_has_its_words_in_both_languages() -> None:
    english, french = alarms.WORDS["en"], alarms.WORDS["fr"]
    assert english.keys() == french.keys()
    for code in english:
        assert set(re.findall(r"{\w+}", english[code])) == set(re.findall(r"{\w+}", french[code]))


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Bearer ", "Basic YTpi", f"Basic {TOKEN}", "Bearer é"])
def test_metrics_are_never_public(sqlite_context: Context, header: str | None) -> None:
    sqlite_context.config = replace(sqlite_context.config, metrics_token=TOKEN)
    client = create_app(sqlite_context.config, sqlite_context).test_client()
    answer = client.get("/metrics", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert b"passerelle_" not in answer.data


def test_metrics_are_for_administrators_and_the_scraper(watched: Context) -> None:
    client = create_app(watched.config, watched).test_client()
    assert client.get("/metrics", headers=bearer(watched, "manager")).status_code == 403
    assert client.get("/metrics", headers=bearer(watched, "administrator")).status_code == 200
    put(watched, 1)
    put(watched, 2, state="opened")
    tablet = Tablet(watched, client).enrol()
    tablet.exchange(envelope(3), envelope(3))
    watched._status = (0.0, None)
    page = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert page.content_type.startswith("text/plain; version=0.0.4")
    figures = dict(
        line.rsplit(" ", 1)
        for line in page.text.splitlines()
        if line.startswith("passerelle_") and "_created" not in line
    )
    assert figures['passerelle_envelopes{state="received"}'] == "2.0"
    assert figures['passerelle_envelopes{state="opened"}'] == "1.0"
    assert figures["passerelle_devices_seen_today"] == "1.0"
    assert float(figures['passerelle_receipts_total{code="duplicate"}']) >= 1
    assert float(figures['passerelle_exchanges_total{code="ok"}']) >= 1
    assert float(figures["passerelle_disk_free_bytes"]) > 0
    assert figures['passerelle_alarm{code="waiting-for-key"}'] == "0.0"


def test_the_status_is_for_administrators(sqlite_context: Context) -> None:
    client = create_app(sqlite_context.config, sqlite_context).test_client()
    put(sqlite_context, 1, state="waiting-for-key")
    assert client.get("/api/v1/status", headers=bearer(sqlite_context, "statistician")).status_code == 403
    found = client.get("/api/v1/status", headers=bearer(sqlite_context, "administrator")).get_json()
    assert found["status"] == "alarm"
    assert "waiting-for-key" in [alarm["code"] for alarm in found["alarms"]]
    assert found["envelopes"] == {"opened": 0, "waiting-for-key": 1}


@pytest.mark.parametrize(("role", "language", "words"), [
    ("administrator", "en", "1 envelopes wait for the key"), ("administrator", "fr", "1 enveloppes attendent la clé"),
    ("manager", "en", None), (None, "en", None),
])  # fmt: skip
def test_the_console_shows_alarms_to_administrators(
    sqlite_context: Context, role: str | None, language: str, words: str | None
) -> None:
    put(sqlite_context, 1, state="waiting-for-key")
    client = create_app(sqlite_context.config, sqlite_context).test_client()
    if role is not None:
        bearer(sqlite_context, role)
        begin_session(client, sqlite_context, role)
    page = client.get(f"/?lang={language}").text
    assert ("PASSERELLE_PASSPHRASE" in page) == (words is not None)
    assert words is None or words in page


class TestReadiness:
    """A server is ready when what tablets bring can be stored."""

    @pytest.fixture(autouse=True)
    def _room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(alarms, "free_space", lambda _: (1 << 40, 1 << 41))
        monkeypatch.setattr(readiness, "KEPT_SECONDS", 0.0)

    def test_a_sound_server_is_ready(self, client: FlaskClient) -> None:
        answer = client.get("/ready")
        assert (answer.status_code, answer.get_json()) == (200, {"status": "ready"})

    def test_one_whose_disk_is_nearly_full_is_not(self, sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(alarms, "free_space", lambda _: (5, 1 << 41))
        answer = sqlite_app.test_client().get("/ready")
        assert (answer.status_code, answer.get_json()["reasons"]) == (503, ["disk-nearly-full"])

    def test_one_with_another_schema_is_not(self, client: FlaskClient, context: Context) -> None:
        with context.database.transaction() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        answer = client.get("/ready")
        assert (answer.status_code, answer.get_json()["reasons"]) == (503, ["schema-of-another-version"])

    def test_one_whose_database_hangs_is_not_and_says_so_within_seconds(
        self, client: FlaskClient, context: Context, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(readiness, "WRITE_SECONDS", 0.2)
        locked, free = threading.Event(), threading.Event()

        def hold() -> None:
            with context.database.transaction() as session:
                session.execute(text("UPDATE feed_head SET position = position"))
                locked.set()
                free.wait(20)

        holder = threading.Thread(target=hold)
        holder.start()
        assert locked.wait(20)
        try:
            for _ in range(2):
                answer = client.get("/ready")
                assert (answer.status_code, answer.get_json()["reasons"]) == (503, ["database-not-writable"])
        finally:
            free.set()
            holder.join(20)
        for _ in range(100):
            if client.get("/ready").status_code == 200:
                break
        assert client.get("/ready").status_code == 200


class TestLines:
    """A line of the log says who, how much and which code; never what was answered, and by no way a secret."""

    @pytest.fixture
    def lines(self) -> Iterator[io.StringIO]:
        logger = logging.getLogger("server")
        before = (list(logger.handlers), logger.level, logger.propagate)
        stream = io.StringIO()
        logs.configure("json", stream)
        yield stream
        logger.handlers[:], logger.level, logger.propagate = before

    def test_an_exchange_is_one_line_of_ids_and_codes(self, sqlite_context: Context, lines: io.StringIO) -> None:
        client = create_app(sqlite_context.config, sqlite_context).test_client()
        tablet = Tablet(sqlite_context, client).enrol()
        tablet.exchange(envelope(1, content=b"CANARY-ANSWER"), envelope(2))
        tablet.exchange(envelope(1, content=b"CANARY-ANSWER"), counter=1)
        first, second = (json.loads(line) for line in lines.getvalue().splitlines() if '"exchange"' in line)
        assert (first["device"], first["code"], first["receipts"]) == (tablet.device_id, "ok", {"stored": 2})
        assert (second["device"], second["code"]) == (tablet.device_id, "counter-replayed")
        assert first["received_bytes"] > 100
        assert datetime.fromisoformat(first["at"]) > datetime(2020, 1, 1, tzinfo=UTC)

    def test_a_line_names_no_device_that_has_not_signed(self, sqlite_context: Context, lines: io.StringIO) -> None:
        client = create_app(sqlite_context.config, sqlite_context).test_client()
        tablet = Tablet(sqlite_context, client).enrol()
        tablet.send(tablet.body(envelope(1)), key=Ed25519PrivateKey.generate())
        (line,) = (json.loads(line) for line in lines.getvalue().splitlines() if '"exchange"' in line)
        assert (line["device"], line["code"]) == (None, "signature-invalid")
        assert tablet.device_id not in lines.getvalue()

    def test_no_canary_gets_into_a_line(self, sqlite_context: Context, lines: io.StringIO) -> None:
        client = create_app(sqlite_context.config, sqlite_context).test_client()
        tablet = Tablet(sqlite_context, client, "CANARY-NAME").enrol()
        tablet.exchange(envelope(1, content=b"CANARY-ANSWER"))
        client.post("/sync/v1/exchange", data=b"CANARY-BODY", headers={"Signature-Input": 'a=();keyid="CANARY-KEY"'})
        client.get("/v1/key/CANARY-TOKEN/formList")
        client.get("/sync/v1/blobs/CANARY-BLOB?CANARY=1", headers={"Authorization": "Bearer CANARY-BEARER"})
        client.post("/sync/v1/enrol", data=b'{"token": "CANARY"}', content_type="application/json")
        assert '"event":"exchange"' in lines.getvalue()
        assert "CANARY" not in lines.getvalue()

    def test_a_failed_job_leaves_its_place_and_not_its_words(self, sqlite_context: Context, lines: io.StringIO) -> None:
        def prepare(*_: object) -> scheduled.Write:
            raise RuntimeError("CANARY")

        job = ScheduledJob(name="odd", every=timedelta(days=1), prepare=prepare)
        with sqlite_context.database.transaction() as session:
            session.add(Schedule(name="odd", due_at=NOW, every_seconds=60))
        scheduled.run_due(sqlite_context, holder="me", clock=lambda: NOW, jobs=(job,))
        found = [json.loads(line) for line in lines.getvalue().splitlines()]
        assert {"job": "odd", "outcome": "failed"}.items() <= found[-1].items()
        assert "CANARY" not in lines.getvalue()

    def test_a_backup_of_the_worker_is_a_line(
        self, sqlite_context: Context, keys_dir: Path, lines: io.StringIO, tmp_path: Path
    ) -> None:
        shutil.copytree(keys_dir, sqlite_context.config.keys_dir)
        sqlite_context.config = replace(sqlite_context.config, backup_dir=tmp_path / "CANARY-PLACE")
        (job,) = (one for one in scheduled.JOBS if one.name == "backup")
        scheduled.prepare(sqlite_context, now=NOW, jobs=(job,))
        assert scheduled.run_due(sqlite_context, holder="me", clock=lambda: NOW, jobs=(job,)) == ("backup",)
        made, done = (json.loads(line) for line in lines.getvalue().splitlines())
        assert (made["event"], made["sequence"], made["is_on_same_disk"]) == ("backup", 0, True)
        assert (done["event"], done["job"], done["outcome"]) == ("job", "backup", "done")
        assert "CANARY" not in lines.getvalue()

    @given(st.text(), st.text())
    def test_a_line_is_a_line_whatever_is_logged(self, value: str, said: str) -> None:
        stream = io.StringIO()
        logger = logging.getLogger("server")
        before = (list(logger.handlers), logger.level, logger.propagate)
        try:
            for kind in ("json", "text"):
                logs.configure(kind, stream)
                logs.event("odd", value=value)
            logs.configure("json", stream)
            logger.warning("%s", said)
        finally:
            logger.handlers[:], logger.level, logger.propagate = before
        first, second, third = stream.getvalue().rstrip("\n").split("\n")
        assert json.loads(first)["value"] == (value if logs.SAFE.fullmatch(value) else "…")
        assert second.isprintable()
        assert json.loads(third)["message"] == said
