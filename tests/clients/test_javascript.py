"""The JavaScript client: all vectors, its types, and a sync with a real server over a real socket."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from werkzeug.serving import make_server

from server.app import create_app
from server.context import Context
from server.db.queries import devices, envelopes
from server.db.tables import Envelope
from server.services import enrol_device, publish_form
from server.services.open_items import OpeningWorker
from sync_protocol.enrolment import EnrolmentLink, encode_link
from sync_protocol.envelope import envelope_id
from tests.client.test_device_against_server import XFORM
from tests.office import NOW

CLIENT = Path(__file__).parents[2] / "clients" / "js"
NODE = Path(sys.executable).parent / "node"


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    if not NODE.exists() or not (CLIENT / "node_modules").is_dir():
        pytest.skip("the JavaScript client is not installed (make installs it from npm): its tests are left out")


def node(*arguments: str, told: object = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{NODE.parent}:{os.environ['PATH']}", "NODE_NO_WARNINGS": "1"}
    return subprocess.run(
        [str(NODE), *arguments],
        cwd=CLIENT,
        env=environment,
        input=None if told is None else json.dumps(told),
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_it_agrees_with_every_vector() -> None:
    ran = node("--test", "--test-reporter=tap", "test/*.test.ts")
    assert ran.returncode == 0, ran.stdout[-4000:]
    counted = dict(re.findall(r"^# (pass|fail) (\d+)$", ran.stdout, re.MULTILINE))
    assert counted["fail"] == "0"
    assert int(counted["pass"]) >= 100


def test_its_types_hold() -> None:
    ran = node("node_modules/typescript/bin/tsc", "--noEmit")
    assert ran.returncode == 0, ran.stdout[-4000:]


@pytest.fixture
def url(sqlite_context: Context) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, create_app(sqlite_context.config, sqlite_context), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def interview(number: int) -> dict[str, str]:
    chosen = uuid4()
    xml = (
        f'<data id="visit" version="1"><name>Name é {number}</name><orx:meta xmlns:orx="http://openrosa.org/xforms">'
        f"<orx:instanceID>uuid:{chosen}</orx:instanceID></orx:meta></data>"
    )
    return {"instanceId": chosen.bytes.hex(), "xml": xml}


def live(context: Context, url: str, form_version_hash: bytes, **told: Any) -> dict[str, Any]:
    with context.database.transaction() as session:
        token = enrol_device.issue_token(session, enumerator="0001", user="admin", now=datetime.now(UTC))
    link = encode_link(EnrolmentLink(url, token, context.keystore.root_key))
    ran = node("test/live.ts", told={"link": link, "formVersionHash": form_version_hash.hex(), **told})
    assert ran.returncode == 0, ran.stderr[-4000:]
    answered: dict[str, Any] = json.loads(ran.stdout)
    return answered


def test_it_enrols_seals_and_syncs_through_lost_and_torn_answers(sqlite_context: Context, url: str) -> None:
    prepared = publish_form.prepare(XFORM, "visit.xml")
    with sqlite_context.database.transaction() as session:
        form = publish_form.publish(session, prepared, note="", user="admin", now=NOW).hash
    interviews = [interview(number) for number in range(7)]
    interviews[3]["mode"] = "training"
    told = live(sqlite_context, url, form, interviews=interviews, faults=["lost", "unheard", "torn", "none", "unheard"])
    assert told["failures"] == 4, "lost; not heard; torn; asked, and not there; sent, and not heard; asked, and there"
    assert {one["fate"] for one in told["envelopes"]} == {"receipted"}
    assert "form-version" in told["pulled"]
    with sqlite_context.database.read() as session:
        bodies = [row.body for row in session.query(Envelope).order_by(Envelope.sequence)]
        assert [device.device_id for device in devices.devices(session)] == [told["deviceId"]]
    assert [envelope_id(body).hex() for body in bodies] == [one["id"] for one in told["envelopes"]]
    worker = OpeningWorker(
        database=sqlite_context.database,
        keystore=sqlite_context.keystore,
        microdata=sqlite_context.microdata,
        clock=lambda: NOW,
    )
    worker.run_once()
    with sqlite_context.database.read() as session:
        assert envelopes.count_by_state(session) == {"opened": len(bodies)}
    (part,) = sqlite_context.microdata.read("identifiers", form_id="visit")
    assert sorted(part.table["name"].to_pylist()) == [f"Name é {number}" for number in range(7) if number != 3]
    read = {UUID(hex=one).bytes.hex() for one in part.table["_interview_id"].to_pylist()}
    assert read == {one["instanceId"] for one in interviews} - {interviews[3]["instanceId"]}
