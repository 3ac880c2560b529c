"""Sealed media on the disk: what an answer promised is there, and what nobody was promised goes away by itself."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from server.blobs import STRAY_SECONDS, Blobs
from server.context import Context
from server.db.tables import Envelope
from server.errors import StorageFull
from server.jobs import scheduled
from server.services import app_users, verify_store
from tests.office import NOW, leave_pages, publish, stored
from tests.server.doors.submissions import blobs_on_disk, file_part, instance, opened, post, said, xml_part

ROOT = Path(__file__).parents[3]
PHOTO = b"\xff\xd8" + b"photo" * 20_000


@pytest.fixture
def token(sqlite_context: Context) -> str:
    with sqlite_context.database.transaction() as session:
        return app_users.create_app_user(session, name="tablet 12", enumerator="0012", user="manager", now=NOW)


def keep(blobs: Blobs, content: bytes) -> bytes:
    with blobs.incoming() as blob:
        blob.write(content)
        digest = sha256(content).digest()
        blob.keep(digest)
    return digest


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_blob_reads_back_and_only_the_server_may_see_it(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    digest = keep(blobs, bytes(1 << 20))
    assert blobs.has(digest)
    assert b"".join(blobs.chunks(digest)) == bytes(1 << 20)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "blobs").rglob("*") if path.is_dir()} == {0o700}
    blobs.remove(digest)
    blobs.remove(digest)
    assert not blobs.has(digest)
    with pytest.raises(FileNotFoundError):
        list(blobs.chunks(digest))


def test_what_is_not_kept_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    with pytest.raises(KeyError), blobs.incoming() as blob:
        blob.write(b"sealed")
        raise KeyError
    with blobs.incoming() as blob:
        blob.write(b"sealed")
        blob.close()
    assert files(tmp_path) == []


def test_the_file_and_its_name_are_on_disk_before_keep_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs, real, synced = Blobs(tmp_path / "data" / "blobs"), os.fsync, []

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    digest = keep(blobs, b"sealed").hex()
    folder = tmp_path / "data" / "blobs"
    incoming, *folders = synced
    assert incoming.parent == folder / "incoming"
    assert folders == [folder / digest[:2], folder, folder.parent]
    keep(blobs, b"sealed")
    assert synced[5:] == [folder / digest[:2]]


def test_a_full_disk_is_said_wherever_it_is_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    blobs = Blobs(tmp_path / "blobs")
    with blobs.incoming() as blob:
        blob.write(b"sealed")
        with monkeypatch.context() as patched, pytest.raises(StorageFull, match="No space left"):
            patched.setattr(os, "fsync", full)
            blob.keep(bytes(32))
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StorageFull):
        blobs.incoming()
    assert files(tmp_path) == []


CHILD = """
import os, resource, signal, sys
from pathlib import Path
from server.app import create_app
from server.blobs import Incoming
from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.db.queries import envelopes
from server.keystore import KeyStore
from server.microdata import Microdata
from tests.server.doors.submissions import file_part, post, said, xml_part

place, folder, url, keys, token = sys.argv[1:]
keystore, database = KeyStore.open(Path(keys), None), Database(url)
config = Config(data_dir=Path(folder), database_url=url)
microdata = Microdata(Path(folder), keystore, database)
context = Context(config=config, database=database, keystore=keystore, microdata=microdata)
client = create_app(config, context).test_client()

def dying_after(count, function):
    left = [count]
    def wrapped(*arguments, **named):
        result = function(*arguments, **named)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return wrapped

if place.startswith("fsync"):
    os.fsync = dying_after(int(place[5:]), os.fsync)
elif place == "write":
    Incoming.write = dying_after(1, Incoming.write)
elif place == "before-commit":
    envelopes.store_at_door = dying_after(1, envelopes.store_at_door)
elif place == "after-commit":
    database.submit_bare = dying_after(1, database.submit_bare)
elif place == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
    response = post(client, token, xml_part(), file_part("a.jpg", bytes(20_000)), file_part("b.jpg", bytes(600_000)))
    print(response.status_code, said(response))
    raise SystemExit
post(client, token, xml_part(), file_part("a.jpg", b"a" * 20_000), file_part("b.jpg", b"b" * 20_000))
"""


def run_child(context: Context, keys_dir: Path, token: str, place: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, place, str(context.config.data_dir), context.database.url]
    return subprocess.run(
        [*command, str(keys_dir), token], cwd=ROOT, check=False, capture_output=True, text=True, env=os.environ
    )


@pytest.mark.parametrize(
    ("place", "left"),
    # fsync: the first blob, its folder, the two folders above; then the second blob
    [("write", 1), ("fsync1", 2), ("fsync5", 2), ("before-commit", 2), ("after-commit", 2)],
)
def test_a_server_that_is_killed_leaves_strays_at_most_and_the_tablet_sends_again(
    sqlite_context: Context, sqlite_client: FlaskClient, keys_dir: Path, token: str, place: str, left: int
) -> None:
    publish(sqlite_context)
    assert run_child(sqlite_context, keys_dir, token, place).returncode == -9
    is_stored = place == "after-commit"
    assert len(stored(sqlite_context)) == (4 if is_stored else 0)
    assert blobs_on_disk(sqlite_context) == left
    photos = (file_part("a.jpg", b"a" * 20_000), file_part("b.jpg", b"b" * 20_000))
    assert post(sqlite_client, token, xml_part(), *photos).status_code == 201
    sweep(sqlite_context)
    assert blobs_on_disk(sqlite_context) == (2 if is_stored else left + 2)  # a stray is left alone for a day
    sweep(sqlite_context, days=2)
    assert blobs_on_disk(sqlite_context) == 2
    assert len(opened(sqlite_context).instances) == 1
    assert len(opened(sqlite_context).media) == 2


def sweep(context: Context, days: float = 0) -> None:
    """Run the job as if all blobs had been there for so many days."""
    if days:
        for path in files(context.config.blobs_dir):
            os.utime(path, (time.time() - days * 86400, time.time() - days * 86400))
    due = datetime.now(UTC) + timedelta(days=days)
    job = next(job for job in scheduled.JOBS if job.name == "blobs")
    scheduled.prepare(context, now=due - timedelta(days=3), jobs=(job,))
    assert scheduled.run_due(context, holder="one", clock=lambda: due, jobs=(job,)) == ("blobs",)


def test_on_a_full_disk_nothing_is_acknowledged_and_nothing_stays(
    sqlite_context: Context, keys_dir: Path, token: str
) -> None:
    told = run_child(sqlite_context, keys_dir, token, "full")
    assert told.stdout.startswith("507 The server's disk is full. The form stays on this device"), told
    assert stored(sqlite_context) == []
    assert blobs_on_disk(sqlite_context) == 0


def test_when_the_database_cannot_grow_the_blobs_go_too(
    sqlite_context: Context, sqlite_client: FlaskClient, token: str
) -> None:
    database = sqlite_context.database
    assert post(sqlite_client, token, xml_part()).status_code == 201
    leave_pages(database, 2)
    photos = [file_part(f"{number}.jpg", b"%d" % number) for number in range(200)]
    response = post(sqlite_client, token, xml_part(instance("Samira")), *photos)
    assert response.status_code == 507
    assert "disk is full" in said(response)
    assert (len(stored(sqlite_context)), blobs_on_disk(sqlite_context)) == (2, 0)
    leave_pages(database, 1 << 20)
    assert post(sqlite_client, token, xml_part(instance("Samira")), *photos).status_code == 201
    assert blobs_on_disk(sqlite_context) == 200


def test_a_file_that_is_none_of_ours_does_not_stop_the_sweep_and_stays(sqlite_context: Context) -> None:
    stray = keep(sqlite_context.blobs, b"nobody names this")
    folder = sqlite_context.config.blobs_dir
    foreign = [
        folder / stray.hex()[:2] / ".nfs0001",
        folder / stray.hex()[:2] / (stray.hex()[2:] + "~"),
        folder / "zz/a",
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"a copy of an editor")
    sweep(sqlite_context, days=2)
    assert not sqlite_context.blobs.has(stray)
    assert all(path.exists() for path in foreign)


def test_old_blobs_that_an_envelope_names_are_kept_by_the_sweep_and_young_ones_by_nobody(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    assert post(client, app_token, xml_part(), file_part("a.jpg", PHOTO)).status_code == 201
    stray = keep(context.blobs, b"nobody names this")
    sweep(context)
    assert context.blobs.has(stray)
    sweep(context, days=1.01)
    assert not context.blobs.has(stray)
    assert opened(context).files.total() == 1
    assert STRAY_SECONDS == 86400


def test_verify_finds_a_medium_that_is_missing_or_altered(
    client: FlaskClient, context: Context, app_token: str
) -> None:
    publish(context)
    post(client, app_token, xml_part(), *(file_part(f"{name}.jpg", PHOTO) for name in "abc"))

    def differences() -> tuple[str, ...]:
        found = verify_store.verify(context.database, keystore=context.keystore, blobs=context.blobs)
        return tuple(line for line in found.differences if "medium" in line)

    assert differences() == ()
    with context.database.read() as session:
        named = select(Envelope.sequence, Envelope.blob_sha256).where(Envelope.blob_sha256.is_not(None))
        (first, gone), (second, altered), _ = session.execute(named.order_by(Envelope.sequence)).all()
    assert gone is not None
    assert altered is not None
    context.blobs.remove(gone)
    path = context.config.blobs_dir / altered.hex()[:2] / altered.hex()[2:]
    path.write_bytes(path.read_bytes()[:-1])
    assert differences() == (
        f"the medium of envelope {first} is missing",
        f"the medium of envelope {second} is altered",
    )
