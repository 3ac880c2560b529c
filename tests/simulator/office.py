"""The office under test: the real app on a real SQLite file, in this process, that dies, fills up and is restored."""

import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

from sqlalchemy import Connection, func, select

from server.app import create_app
from server.config import Config
from server.context import Context
from server.context.instance import EXTENSION
from server.context.pace import Pace
from server.db.engine import Database
from server.db.queries import backups, devices, feed, forms
from server.db.tables import Envelope, Erasure
from server.errors import Conflict, NotFound, StorageFull
from server.keystore import KeyStore
from server.microdata import Microdata
from server.services import proposals
from server.services.open_items import OpeningWorker
from tests.server.opening.kit import form_hash, publish
from tests.simulator.faults import Clock

T = TypeVar("T")
Answer = tuple[int, dict[str, str], bytes]


class ServerDied(BaseException):
    """The process is gone, and with it every transaction that was not committed."""


class Ill(StrEnum):
    """What befalls the next transaction of an exchange."""

    DIES_BEFORE_COMMIT = "dies before commit"
    DIES_AFTER_COMMIT = "dies after commit"
    DISK_FULL = "disk full"


class IllDatabase(Database):
    """A database whose next submitted call meets an ill."""

    next_ill: Ill | None = None

    def dispose(self) -> None:
        """Close everything; keep the engines, whose compiled statements take longer to make than an exchange."""
        engines = self._engine, self._glancing
        super().dispose()
        self._engine, self._glancing = engines

    def submit_bare(self, work: Callable[[Connection], T], *, is_one_statement: bool = False) -> T:
        """Do as `Database.submit_bare` does, with the ill that is next: so is an exchange stored."""
        ill, self.next_ill = self.next_ill, None
        if ill is None:
            return super().submit_bare(work, is_one_statement=is_one_statement)
        if ill is Ill.DISK_FULL:
            super().submit_bare(lambda connection: _without_room(connection, work))
        elif ill is Ill.DIES_BEFORE_COMMIT:
            super().submit_bare(lambda connection: _dying(connection, work))
        super().submit_bare(work)
        raise ServerDied


def _dying(connection: Connection, work: Callable[[Connection], object]) -> None:
    work(connection)
    raise ServerDied


def _without_room(connection: Connection, work: Callable[[Connection], T]) -> T:
    """Let the file grow no further: SQLite itself says that the disk is full, unless a free page is enough."""
    driver: Any = connection.connection.driver_connection
    (pages,) = driver.execute("PRAGMA page_count").fetchone()
    driver.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    try:
        work(connection)
    finally:
        driver.execute("PRAGMA max_page_count = 4294967294").fetchall()
    raise StorageFull("there was room after all; the next page would not have had it")


@dataclass(frozen=True)
class Deed:
    """Something that people of the office did: lost in a restore if it came after the backup."""

    at: datetime
    do: Callable[[Context, datetime], None]


@dataclass
class Backup:
    """A copy of the database: how far it reaches."""

    path: Path
    sequence: int
    deeds: int
    known: frozenset[bytes]


@dataclass
class Office:
    """One server of one survey."""

    folder: Path
    template: Path
    keystore: KeyStore
    clock: Clock
    deeds: list[Deed] = field(default_factory=list)
    backup: Backup | None = None
    restores: int = 0
    lost_above: int | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.path = self.folder / "passerelle.db"
        shutil.copyfile(self.template, self.path)
        self.context = self._opened(IllDatabase(f"sqlite:///{self.path}"))
        self.app = create_app(self.context.config, self.context)
        self.app.logger.disabled = True

    @property
    def database(self) -> IllDatabase:
        """The database of the running process."""
        found = self.context.database
        assert isinstance(found, IllDatabase)
        return found

    def call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, declared: int | None = None
    ) -> Answer:
        """Answer one request as a web process does; `declared` bytes were announced, `body` arrived.

        Raises:
            ServerDied: there is no answer; the office is up again.
        """
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "CONTENT_LENGTH": str(len(body) if declared is None else declared),
        }
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        started: list[tuple[str, list[tuple[str, str]]]] = []
        try:
            chunks = self.app.wsgi_app(environ, lambda status, given, _=None: started.append((status, given)))
        except ServerDied:
            self.restart()
            raise
        content = b"".join(chunks)
        status, given = started[0]
        return int(status.split()[0]), dict(given), content

    def restart(self) -> None:
        """End the process and begin another on the same file."""
        self.context.database.dispose()
        self.context = self._opened(self.context.database)
        self.app.extensions[EXTENSION] = self.context

    def do(self, do: Callable[[Context, datetime], None]) -> None:
        """Let people of the office do something."""
        deed = Deed(self.clock.now(), do)
        deed.do(self.context, deed.at)
        self.deeds.append(deed)

    def open_envelopes(self) -> None:
        """Let the worker open whatever it can."""
        worker_of(self.context, self.clock.now()).run_until_idle()

    @property
    def beginning(self) -> Path:
        """The database as it was when all devices were enrolled and nothing had come yet."""
        return self.folder / "beginning.db"

    def make_backup(self) -> None:
        """Copy the database and the files that it names."""
        self.context.database.dispose()
        path = self.folder / "backup.db"
        shutil.copyfile(self.path, path)
        _link_tree(self.folder / "microdata", self.folder / "backup-microdata")
        if self.backup is None:
            shutil.copyfile(self.path, self.beginning)
        with self.context.database.transaction() as session:
            sequence = session.scalar(select(func.max(Envelope.sequence))) or 0
            backups.add(session, made_at=self.clock.now(), sequence=sequence, place="a backup")
        self.backup = Backup(path, sequence, len(self.deeds), frozenset(self.known()))

    def restore(self) -> None:
        """Put the last backup in the place of the database and begin another life of the feed."""
        assert self.backup is not None
        self.context.database.dispose()
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").unlink()
        shutil.copyfile(self.backup.path, self.path)
        _link_tree(self.folder / "backup-microdata", self.folder / "microdata")
        lost = self.deeds[self.backup.deeds :]
        del self.deeds[self.backup.deeds :]
        self.restores += 1
        self.context = self._opened(self.context.database)
        self.app.extensions[EXTENSION] = self.context
        with self.context.database.transaction() as session:
            feed.start_anew(session, f"life-{self.restores}")
            backups.forget_all(session)
            backups.add(session, made_at=self.clock.now(), sequence=self.backup.sequence, place="a backup")
            backups.begin_uploads_again(session)
            backups.free_leases(session)
            backups.leave_numbers_out(session)
        for deed in lost:  # people do again what the backup does not have
            self.do(deed.do)

    def bodies(self) -> dict[bytes, tuple[bytes, str, str | None]]:
        """Return bytes, state and reason of every stored envelope, by id."""
        with self.context.database.read() as session:
            rows = session.execute(select(Envelope.envelope_id, Envelope.body, Envelope.state, Envelope.reason))
            return {row.envelope_id: (row.body, row.state, row.reason) for row in rows}

    def erased(self) -> set[bytes]:
        """Return the instances that are erased."""
        with self.context.database.read() as session:
            return set(session.scalars(select(Erasure.instance_id)))

    def erase(self, instance_id: bytes) -> bool:
        """Let two people erase an interview; return whether there was one."""
        now = self.clock.now()
        try:
            with self.context.database.transaction() as session:
                number = proposals.propose_erasure(
                    session, keystore=self.keystore, instance_id=instance_id, note="they asked", user="amina", now=now
                )
                proposals.agree(session, keystore=self.keystore, proposal_id=number, user="sami", now=now)
        except (NotFound, Conflict):
            return False
        return True

    def known(self) -> set[bytes]:
        """Return the ids of all stored envelopes."""
        with self.context.database.read() as session:
            return set(session.scalars(select(Envelope.envelope_id)))

    def close(self) -> None:
        """End the process."""
        self.context.database.dispose()

    def _opened(self, database: Database) -> Context:
        context = open_context(self.folder, database, self.keystore)
        context.pace = Pace(lambda: self.clock.seconds)
        return context


def _link_tree(source: Path, target: Path) -> None:
    """Put the files of a folder, which are written once, in the place of another folder's."""
    shutil.rmtree(target, ignore_errors=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=os.link)


def open_context(folder: Path, database: Database, keystore: KeyStore) -> Context:
    """Open an instance of the server."""
    return Context(
        config=Config(data_dir=folder, database_url=database.url),
        database=database,
        keystore=keystore,
        microdata=Microdata(folder / "microdata", keystore, database),
    )


def worker_of(context: Context, now: datetime) -> OpeningWorker:
    """Return what opens the envelopes of an instance."""
    return OpeningWorker(
        database=context.database,
        keystore=context.keystore,
        microdata=context.microdata,
        clock=lambda: now,
        blobs=context.blobs,
    )


def publishing(version: str) -> Callable[[Context, datetime], None]:
    """Return the deed of publishing a version of the questionnaire."""
    return lambda context, _: publish(context, version=version) and None


def retiring(version: str) -> Callable[[Context, datetime], None]:
    """Return the deed of taking a version back."""

    def retire(context: Context, now: datetime) -> None:
        with context.database.transaction() as session:
            position = feed.next_position(session)
            forms.set_state(session, form_hash(version=version), forms.RETIRED, retired_at=now, position=position)

    return retire


def revoking(device_id: str) -> Callable[[Context, datetime], None]:
    """Return the deed of revoking a device."""

    def revoke(context: Context, now: datetime) -> None:
        with context.database.transaction() as session:
            devices.revoke_device(session, device_id=device_id, now=now)

    return revoke


@contextmanager
def virtual_time(clock: Clock) -> Iterator[None]:
    """Let every module of the server that reads the clock read this one."""
    import server.clock

    real = server.clock.utc_now
    holders = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("server.") and getattr(module, "utc_now", None) is real
    ]
    for module in holders:
        module.utc_now = clock.now  # type: ignore[attr-defined]
    import server.api.sync
    import server.context.instance

    ticking = SimpleNamespace(monotonic=lambda: clock.seconds)
    try:
        with (
            mock.patch.object(server.context.instance, "time", ticking),
            mock.patch.object(server.api.sync, "time", ticking),
        ):
            yield
    finally:
        for module in holders:
            module.utc_now = real  # type: ignore[attr-defined]
