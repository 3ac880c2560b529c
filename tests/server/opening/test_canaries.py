"""No answer in clear on disk: canaries planted in answers are looked for in every file and every write of the server.

The scan first has to find them where sealing is off.
"""

import base64
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from server.config import Config
from server.context import Context
from server.db.queries import envelopes
from server.db.queries.envelopes import NewEnvelope
from server.db.tables import Envelope
from server.folding.batches import OpeningWorker
from server.keystore import KeyStore
from server.migrations import upgrade
from server.services import app_users
from tests.office import NOW
from tests.server.opening.kit import Answers, Tablet, deliver, household, number_id, publish

ROOT = Path(__file__).parents[3]
CANARIES = {
    "name": "CanaryOfTheNameZq4711",
    "note": "CanaryInFreeTextWv8154",
    "worker": "CanaryOfAWorkerXk2342",
    "amount": "73819264.518",
    "large": "CanaryInALargeFormHj9087",
    "refused": "CanaryInARefusedFormBn6633",
    "photo": "CanaryInAPhotoYt2256",
    "photo_name": "CanaryInAPhotosNameQm3908",
}
WRITES = "write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendfile"
SHOWN_BYTES = 1 << 24


def spellings(canary: str) -> list[bytes]:
    """Return the bytes by which a canary might be written: text, wide text, hexadecimal, base64 at each offset."""
    raw = canary.encode()
    found = [raw, canary.encode("utf-16-le"), raw.hex().encode(), raw.hex().upper().encode()]
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + raw)
        found.append(encoded[4 if offset else 0 : -4])
    return found


def found_in(files: Iterable[Path]) -> set[str]:
    """Return which canaries are in any of the files."""
    wanted = {name: spellings(canary) for name, canary in CANARIES.items()}
    found: set[str] = set()
    for path in files:
        content = path.read_bytes()
        found |= {name for name, texts in wanted.items() if any(text in content for text in texts)}
    return found


def files_in(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def answers(number: int, **changed: str) -> Answers:
    return Answers(
        number=number,
        key=household(number),
        name=CANARIES["name"],
        note=changed.get("note", CANARIES["note"]),
        amount=CANARIES["amount"],
        workers=((CANARIES["worker"], "5"),),
    )


def office(folder: Path) -> Context:
    """Make an instance in a folder of its own."""
    config = Config.in_directory(folder)
    KeyStore.create(config.keys_dir, None, folder / "root.pem", now=NOW)
    context = Context.open(config)
    upgrade(context.database)
    publish(context)
    return context


def sealed(tablet: Tablet) -> list[bytes]:
    """Return what a tablet brings: good interviews, and one of each kind that ends in an error path."""
    bad = answers(3).xml().replace(CANARIES["note"].encode(), CANARIES["refused"].encode())
    return [
        tablet.epoch(),
        tablet.seal(answers(1)),
        tablet.seal(answers(2), mode="survey"),
        tablet.seal(b"<!DOCTYPE d>" + bad, number=3),
        tablet.seal(bad[:-9], number=3),
        tablet.seal(bad.replace(b"<age>41", b"<age>" + CANARIES["refused"].encode()), number=3),
        tablet.seal(bad.replace(b"</data>", f"<{CANARIES['refused']}/></data>".encode()), number=3),
        tablet.seal(bad, number=4),
    ]


def test_the_scan_finds_every_canary_where_sealing_is_off(tmp_path: Path) -> None:
    context = office(tmp_path / "data")
    unsealed = [
        answers(1).xml(),
        Answers(number=5, note=CANARIES["large"] + "x" * 600_000).xml(),
        CANARIES["refused"].encode(),
        (CANARIES["photo_name"] + CANARIES["photo"] * 40_000).encode(),
    ]
    with context.database.transaction() as session:
        bodies = [NewEnvelope.unread(body, "malformed") for body in unsealed]
        envelopes.store(session, bodies, carrier="tablet-1", received_at=NOW)
    context.close()
    assert found_in(files_in(tmp_path)) == set(CANARIES)


@pytest.mark.parametrize("number", range(7))
def test_the_scan_knows_a_canary_in_every_spelling(tmp_path: Path, number: int) -> None:
    (tmp_path / "file").write_bytes(b"\x00ab" + spellings(CANARIES["note"])[number] + b"\xff")
    assert found_in(files_in(tmp_path)) == {"note"}
    (tmp_path / "file").write_bytes(zlib.compress(b"nothing"))
    assert found_in(files_in(tmp_path)) == set()


def test_opening_leaves_no_answer_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    context = office(tmp_path / "data")
    tablet = Tablet(context.keystore).enrol(context)
    deliver(context, sealed(tablet))
    worker = OpeningWorker(
        database=context.database, keystore=context.keystore, microdata=context.microdata, clock=lambda: NOW
    )
    batch = worker.run_until_idle()
    assert (batch.opened, batch.quarantined) == (5, 3)
    context.microdata.read("identifiers", form_id="small")
    (tmp_path / "log").write_text(caplog.text)
    assert found_in(files_in(tmp_path)) == set()
    context.close()
    assert found_in(files_in(tmp_path)) == set()


def test_a_server_under_load_writes_no_answer(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    if not _can_trace(tmp_path):
        print("strace is not here or may not trace: the writes of the server are not looked at")  # noqa: T201
        pytest.skip("strace is not here or may not trace")
    control = [sys.executable, "-c", f"open({str(tmp_path / 'control')!r}, 'w').write({CANARIES['note']!r})"]
    subprocess.run(_traced(trace, control), check=True)
    assert found_in([trace]) == {"note"}
    (tmp_path / "control").unlink()
    context = office(tmp_path / "data")
    deliver(context, sealed(Tablet(context.keystore).enrol(context)))
    with context.database.transaction() as session:
        token = app_users.create_app_user(session, name="collect", enumerator="0001", user="manager", now=NOW)
    (tmp_path / "temporary").mkdir()
    with serving(tmp_path, trace) as port:
        assert _submit(port, token, answers(11).xml()) == 201
        assert _submit(port, token, answers(12, note=CANARIES["large"] + "x" * 600_000).xml()) == 201
        assert _submit(port, token, answers(13).xml()[:-9]) == 201  # nobody can read it, and it is kept
        _wait(lambda: _states(context).get("opened", 0) >= 8)
        assert _states(context)["quarantined"] >= 4
    context.close()
    written = files_in(tmp_path)
    assert trace in written
    assert trace.stat().st_size > 100_000
    assert found_in(written) == set()


def _can_trace(folder: Path) -> bool:
    if shutil.which("strace") is None:
        return False
    return subprocess.run(_traced(folder / "trace", ["true"]), check=False, capture_output=True).returncode == 0


def _traced(trace: Path, command: Sequence[str]) -> list[str]:
    return ["strace", "-f", "-qq", "-e", f"trace={WRITES}", "-s", str(SHOWN_BYTES), "-o", str(trace), *command]


@contextmanager
def serving(folder: Path, trace: Path) -> Iterator[int]:
    """Run the real server, its worker beside it, under strace; give its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "server.cli", "--data", str(folder / "data"), "serve", "--port", str(port)]
    environ = os.environ | {"TMPDIR": str(folder / "temporary")}
    environ.pop("PASSERELLE_DATABASE_URL", None)
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            _traced(trace, command), cwd=ROOT, env=environ, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            _wait(lambda: _answers(port), seconds=60)
            yield port
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the whole group: strace blocks the signal for itself, and ends when what it traces has ended."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/sync/v1/hello")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _submit(port: int, token: str, xml: bytes) -> int:
    """POST a submission with a photo as Collect does, and once more as it does after a lost answer."""
    boundary = "----passerelle"
    photo = f'--{boundary}\r\nContent-Disposition: form-data; name="p"; filename="{CANARIES["photo_name"]}.jpg"\r\n\r\n'
    photo += CANARIES["photo"] * 40_000 + "\r\n"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="xml_submission_file"; filename="x.xml"\r\n'
    body = (photo + head + "Content-Type: text/xml\r\n\r\n").encode() + xml + f"\r\n--{boundary}--\r\n".encode()
    statuses = set()
    for _ in range(2):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "X-OpenRosa-Version": "1.0"}
        connection.request("POST", f"/key/{token}/submission", body, headers)
        response = connection.getresponse()
        response.read()
        statuses.add(response.status)
        connection.close()
    assert len(statuses) == 1
    return statuses.pop()


def _states(context: Context) -> dict[str, int]:
    with context.database.read() as session:
        rows = session.execute(select(Envelope.state, func.count()).group_by(Envelope.state))
        return {state: count for state, count in rows}


def _wait(is_so: object, *, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


def test_canaries_are_what_the_interviews_say() -> None:
    xml = answers(1).xml().decode()
    assert all(CANARIES[name] in xml for name in ("name", "note", "worker", "amount"))
    assert number_id(1) in xml
