"""What tablets get of entity lists: versions are recorded, then each list is written as one sealed file.

A version is the set of changes that counted when it was recorded; tablets name it later, so it never changes. Files
are made when no envelope waits, or now and then while many come, and outside of the transaction that puts them in their
place: nobody waits for them. A manifest only reads their hashes, without any key.
"""

import logging
import time
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from server.db.engine import Database
from server.db.queries import entities as queries
from server.db.queries import entity_lists, holders, opening
from server.db.queries.entities import LIVE
from server.db.queries.entity_lists import WHOLE, StoredList
from server.errors import Problem
from server.export.entity_csv import EntityRow, entity_csv, md5_of
from server.folding.entities import EntityContent
from server.folding.entity_versions import assigned_tag, record_versions
from server.keystore import KeyStore

LOG: Final = logging.getLogger(__name__)
BUSY: Final = timedelta(seconds=30)
"""Between two makings of files while envelopes keep coming."""
REST: Final = 10
"""How many times as long as the last making took nothing is made while envelopes come one by one."""
_LEVEL: Final = 6
_SNAPSHOT: Final = b"entity-snapshot:"


class EntityFiles:
    """Makes the files of lists that are behind; one a worker."""

    def __init__(self, database: Database, keystore: KeyStore) -> None:
        self._database, self._keystore = database, keystore
        self._made_at: datetime | None = None
        self._rests_until = 0.0
        self._failed: set[tuple[int, int]] = set()

    def make_old(self, now: datetime) -> None:
        """Make them if that was long ago."""
        if self._made_at is None or now - self._made_at >= BUSY:
            self.make_stale(now)

    def make_rested(self, now: datetime) -> None:
        """Make them, unless the last making took long and is not long ago."""
        if time.monotonic() >= self._rests_until:
            self.make_stale(now)

    def make_stale(self, now: datetime) -> None:
        """Make them; with a locked key store they wait. What is wrong with one list stops no other."""
        self._made_at = now
        if self._keystore.is_locked:
            return
        began = time.monotonic()
        with self._database.read() as session:
            stale = entity_lists.stale_lists(session)
        for one in stale:
            if (one.list_id, one.changes) not in self._failed:
                self._make_guarded(one, now)
        ended = time.monotonic()
        self._rests_until = ended + REST * (ended - began)

    def _make_guarded(self, of: StoredList, now: datetime) -> None:
        try:
            self._make(of.list_id, now)
        except (Problem, OSError):
            raise  # the database or the disk, and no list
        except Exception as error:  # noqa: BLE001 -- tried again when something in it has changed, or by another worker
            self._failed.add((of.list_id, of.changes))
            LOG.error("the files of entity list %d cannot be made: %s", of.list_id, type(error).__name__)  # noqa: TRY400

    def _make(self, list_id: int, now: datetime) -> None:
        """Record versions, then make the files of what was recorded, then put them in the place of the former ones."""
        with self._database.transaction() as session:
            opening.lock_fold(session)
            if (of := entity_lists.entity_list(session, list_id)) is not None:
                record_versions(session, of, keystore=self._keystore)
        with self._database.read() as session:
            of = entity_lists.entity_list(session, list_id)
            if of is None or queries.unrecorded(session, list_id) or holders.has_gone(session, list_id):
                return  # another process has folded meanwhile, or a rebuild goes on, and the next look finds it
            rows = live_rows(session, list_id, self._keystore)
        files = make_files(of, rows, keystore=self._keystore, now=now)
        with self._database.transaction() as session:
            entity_lists.replace_snapshots(session, of, files)


def make_files(of: StoredList, rows: list[EntityRow], *, keystore: KeyStore, now: datetime) -> list[Mapping[str, Any]]:
    """Return the files of a list: all of it, and where it is assigned the part of each to whom something is.

    Raises:
        KeyStoreLocked: without the vault.
    """
    parts: dict[bytes, list[EntityRow]] = {WHOLE: rows}
    if of.assigned_property:
        for row in rows:
            if not (whose := row.values.get(of.assigned_property, "")):
                continue  # not everybody's who has no code
            parts.setdefault(assigned_tag(of, whose, keystore), []).append(row)
    return [_snapshot(of, tag, part, keystore, now) for tag, part in sorted(parts.items())]


def live_rows(session: Session, list_id: int, keystore: KeyStore) -> list[EntityRow]:
    """Return the entities that there are, by id.

    Raises:
        KeyStoreLocked: without the vault.
    """
    return [
        EntityRow(
            one.entity_id,
            one.version,
            EntityContent.open(one.sealed, (one.list_id, one.entity_id), keystore).values,
        )
        for one in queries.entities(session, list_id, states=(LIVE,))
    ]


def open_file(sealed: bytes, list_id: int, tag: bytes, keystore: KeyStore) -> bytes:
    """Return the bytes of a file.

    Raises:
        KeyStoreLocked: without the vault.
    """
    return zlib.decompress(keystore.open_projection(sealed, _context(list_id, tag)))


def _snapshot(
    of: StoredList, tag: bytes, rows: Iterable[EntityRow], keystore: KeyStore, now: datetime
) -> Mapping[str, Any]:
    part = list(rows)
    content = entity_csv(of.properties, part)
    return {
        "list_id": of.list_id,
        "tag": tag,
        "md5": md5_of(content),
        "rows": len(part),
        "length_bytes": len(content),
        "made_at": now,
        "sealed": keystore.seal_projection(zlib.compress(content, _LEVEL), _context(of.list_id, tag)),
    }


def _context(list_id: int, tag: bytes) -> bytes:
    return _SNAPSHOT + list_id.to_bytes(8, "big") + tag
