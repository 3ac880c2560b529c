"""The reference device's SQLite file: its tables, and how an old key leaves it.

`synchronous=FULL`: what is finalised survives a flat battery. `secure_delete` overwrites a replaced key in the file,
and a truncating checkpoint removes the pages of the write-ahead log that still hold it. On flash memory that is best
effort: a wear-levelling controller keeps old blocks, and no program can reach them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite

from sync_protocol.errors import LocalError

FILE_NAME = "device.sqlite3"
MINIMUM_SQLITE = (3, 51, 3)  # older ones can lose committed writes in WAL mode with two connections
FORMAT = 2

SCHEMA = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE secret (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE document (kind TEXT PRIMARY KEY, serial INTEGER NOT NULL, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE epoch (
    hash BLOB PRIMARY KEY, mode TEXT NOT NULL, opened_on TEXT NOT NULL, survey_key_id TEXT NOT NULL,
    next_index INTEGER NOT NULL, ratchet BLOB
) STRICT;
CREATE TABLE envelope (
    sequence INTEGER PRIMARY KEY, envelope_id BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL, instance_id BLOB UNIQUE,
    body BLOB NOT NULL, fate TEXT NOT NULL, code INTEGER, server_sequence INTEGER, sealed_at TEXT NOT NULL
) STRICT;
CREATE INDEX envelope_unsettled ON envelope (fate, sequence) WHERE fate IN ('waiting', 'sent');
CREATE TABLE form_version (
    hash BLOB PRIMARY KEY, form_id TEXT NOT NULL, version TEXT NOT NULL, title TEXT NOT NULL, state TEXT NOT NULL,
    xform BLOB
) STRICT;
CREATE TABLE form_file (
    form_version_hash BLOB NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, length_bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL, is_dictionary INTEGER NOT NULL, PRIMARY KEY (form_version_hash, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE receiving_key (
    position INTEGER PRIMARY KEY, key_id TEXT NOT NULL UNIQUE, public_key BLOB NOT NULL, seed BLOB NOT NULL
) STRICT;
CREATE TABLE assignment (
    psu TEXT PRIMARY KEY, households TEXT NOT NULL, sealed BLOB NOT NULL, sealed_to TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE handover (
    kind TEXT NOT NULL, instance_id BLOB NOT NULL, form_version_hash BLOB NOT NULL, frame BLOB NOT NULL,
    sealed_to TEXT NOT NULL, PRIMARY KEY (kind, instance_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE entity_delta (
    position INTEGER PRIMARY KEY, list_name TEXT NOT NULL, sealed BLOB NOT NULL, sealed_to TEXT NOT NULL
) STRICT;
CREATE TABLE entity (
    list_name TEXT NOT NULL, entity_id TEXT NOT NULL, version INTEGER NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (list_name, entity_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE medium (
    sha256 BLOB PRIMARY KEY, length_bytes INTEGER NOT NULL, at_server INTEGER NOT NULL, fate TEXT NOT NULL,
    followed_by INTEGER, is_unreadable INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE medium_use (
    instance_id BLOB NOT NULL, sha256 BLOB NOT NULL, PRIMARY KEY (instance_id, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX medium_use_sha256 ON medium_use (sha256);
CREATE TABLE verdict (
    envelope_id BLOB PRIMARY KEY, instance_id BLOB NOT NULL, state TEXT NOT NULL, reason TEXT
) STRICT, WITHOUT ROWID;
"""

# Interviews that are not sealed yet: what was answered is in `content`, under the data key, bound to the instanceID.
# Of an erased instance there stays the hash of its random id, to know a late envelope of it.
# `draft_medium` names their media without the PIN, so that an erasure takes them along on a locked device too.
# What is carried for another device has an envelope.sequence below zero: it is in the outbox, never in the chain.
SCHEMA += """
CREATE TABLE draft (
    instance_id BLOB PRIMARY KEY, state TEXT NOT NULL, form_version_hash BLOB NOT NULL, mode TEXT NOT NULL,
    psu TEXT NOT NULL, parents BLOB NOT NULL, content BLOB NOT NULL, is_changed INTEGER NOT NULL,
    changed_at TEXT NOT NULL, finalised_at TEXT
) STRICT;
CREATE TABLE taken_up (
    kind TEXT NOT NULL, instance_id BLOB NOT NULL, taken_as BLOB NOT NULL, PRIMARY KEY (kind, instance_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE carried_medium (sha256 BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE receipted_by_file (hash BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE erased_instance (hash BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE draft_medium (
    instance_id BLOB NOT NULL, sha256 BLOB NOT NULL, PRIMARY KEY (instance_id, sha256)
) STRICT, WITHOUT ROWID;
CREATE TABLE closed_psu (psu TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
"""


class DeviceDatabase:
    """One connection to a device's file."""

    def __init__(self, directory: Path, *, is_new: bool) -> None:
        """Open the file of a directory.

        Raises:
            LocalError: ``device-exists``, ``device-missing``, ``device-format``, ``sqlite-too-old``.
        """
        _refuse_old_sqlite()
        self.directory = directory
        path = directory / FILE_NAME
        if is_new:
            _make_file(path)
        elif not path.is_file():
            raise LocalError("device-missing", f"there is no device in {directory}: enrol one first")
        self.connection = sqlite.connect(str(path), isolation_level=None, timeout=10)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "temp_store=MEMORY"):
            self.connection.execute(f"PRAGMA {pragma}").fetchall()
        if is_new:
            self.connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={FORMAT}; COMMIT;")
        else:
            self._refuse_other_format(path)

    def _refuse_other_format(self, path: Path) -> None:
        ((found,),) = self.rows("PRAGMA user_version")
        if found == FORMAT:
            return
        self.close()
        remedy = (
            "let the version that made it sync it, then enrol a new one"
            if found < FORMAT
            else "install the newer version of this program"
        )
        raise LocalError("device-format", f"{path} has format {found}, this program reads {FORMAT}: {remedy}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a block as one transaction, on disk when it returns."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def execute(self, statement: str, *values: Any) -> int:
        """Run one statement; return how many rows it changed."""
        changed: int = self.connection.execute(statement, values).rowcount
        return changed

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        found: list[tuple[Any, ...]] = self.connection.execute(query, values).fetchall()
        return found

    def each(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query one by one: bodies may be a mebibyte each."""
        yield from self.connection.execute(query, values)

    def truncate_log(self) -> None:
        """Move the write-ahead log into the file and cut it to nothing, so that no replaced key stays in it."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file."""
        self.connection.close()


def _make_file(path: Path) -> None:
    """Make the directory and an empty file that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        raise LocalError("device-exists", f"{path.parent} already holds a device: open it instead") from None


def _refuse_old_sqlite() -> None:
    if sqlite.sqlite_version_info < MINIMUM_SQLITE:
        raise LocalError(
            "sqlite-too-old",
            f"SQLite {sqlite.sqlite_version} can lose writes; install the pysqlite3 of constraints.txt",
        )
