"""A disk that fails to keep what it was given ends the process, and nothing after that is acknowledged."""

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError, InternalError, OperationalError

from server import disk
from server.blobs import Blobs
from server.db import faults
from server.db.engine import Database
from server.errors import Maintenance, StorageFull
from server.partials import Partials
from sync_protocol.constants import HASH_BYTES

STORING = """
import os, sys
from pathlib import Path
from sqlalchemy import text
from server.blobs import Blobs
from server.db.engine import Database
from server.partials import Partials
folder = Path(sys.argv[1])
database = Database(f"sqlite:///{folder / 'passerelle.db'}")
blobs = Blobs(folder / "blobs")
partials = Partials(blobs)
def store(number):
    if sys.argv[2] == "database":
        insert = text(f"INSERT INTO keyring VALUES ({number}, x'00')")
        database.submit(lambda session: session.execute(insert))
    else:
        with partials.hold(bytes(32), "") as file:
            file.append(file.size, b"x" * 1000)
def say(word):
    os.write(1, word.encode())
try:
    store(90)
    say("ready ")
    store(91)
    say("acknowledged ")
except Exception as error:
    say(f"refused {type(error).__name__} ")
"""


def run(folder: Path, what: str, *strace: str) -> tuple[int, str, str]:
    """Store twice in a process of its own; return its status, what it said, and what it logged."""
    command = [*strace, sys.executable, "-c", STORING, str(folder), what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("what", ["database", "blob"])
def test_a_failed_fsync_ends_the_process(migrated_file: Path, tmp_path: Path, what: str) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not here: no disk can be made to fail")
    first, second, trace = tmp_path / "first", tmp_path / "second", tmp_path / "trace"
    for folder in (first, second):
        folder.mkdir()
        shutil.copyfile(migrated_file, folder / "passerelle.db")
    watch = ("strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,write", "-o", str(trace))
    status, said, logged = run(first, what, *watch)
    if "ptrace" in logged.lower():
        pytest.skip("strace may not trace here")
    assert (status, said) == (0, "ready acknowledged "), logged
    before = trace.read_text().partition('"ready ')[0]
    synced = len(re.findall(r"\bf(?:data)?sync\(", before))
    inject = ("-e", f"inject=fsync,fdatasync:error=EIO:when={synced + 1}+")
    status, said, logged = run(
        second, what, "strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", *inject, "-o", "/dev/null"
    )
    assert (status, said) == (disk.STATUS, "ready ")
    assert logged.count("this process ends") == 1


def test_a_full_disk_is_said_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partials = Partials(Blobs(tmp_path))
    with partials.hold(bytes(HASH_BYTES), "") as file:
        file.append(0, b"before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with partials.hold(bytes(HASH_BYTES), "") as file:
        with pytest.raises(StorageFull):
            file.append(6, b"after")
        assert file.size == 6


class _Orig(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.sqlite_errorname = name


class _Ended(BaseException):
    pass


@pytest.mark.parametrize(
    ("kind", "name", "room", "becomes"),
    [
        (OperationalError, "SQLITE_IOERR", False, _Ended),
        (OperationalError, "SQLITE_IOERR_FSYNC", False, _Ended),
        (OperationalError, "SQLITE_IOERR", True, Maintenance),
        (OperationalError, "SQLITE_FULL", False, StorageFull),
        (OperationalError, "SQLITE_BUSY", False, Maintenance),
        (OperationalError, "SQLITE_ERROR", False, OperationalError),
        (DatabaseError, "SQLITE_CORRUPT", False, Maintenance),
        (DatabaseError, "SQLITE_NOTADB", False, Maintenance),
        (DatabaseError, "SQLITE_TOOBIG", False, DatabaseError),
        (InternalError, "", False, Maintenance),
    ],
)
def test_what_a_database_says_about_itself(
    sqlite_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[DatabaseError],
    name: str,
    room: bool,
    becomes: type[BaseException],
) -> None:
    def end(_: str) -> None:
        raise _Ended

    monkeypatch.setattr(faults, "end_process", end)
    monkeypatch.setattr(faults, "is_nearly_full", lambda _: room)

    def fail(_: object) -> None:
        raise kind("INSERT", {}, _Orig(name))

    with pytest.raises(becomes), sqlite_database.transaction() as session:
        fail(session)
    with pytest.raises(Maintenance if becomes is _Ended else becomes), sqlite_database.read() as session:
        fail(session)
