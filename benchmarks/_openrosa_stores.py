"""Stores that are measured: empty ones in a folder that goes away, big ones kept in build/bench-stores.

A big store is made of interviews that the real service has received, opened, folded and checked: each is multiplied in
every table that a stored interview has rows in, with ids, tags and hashes of its own, so that indices are as large and
as scattered as they would be. What is sealed is copied, for nothing here opens it again. A store is made once for each
schema and serves until the schema changes; the few thousand interviews of each run stay in it.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pysqlite3.dbapi2 as sqlite
from sqlalchemy import Table

from benchmarks import _openrosa_form as made
from benchmarks._openrosa_load import drive
from benchmarks._openrosa_office import Office, PostgreSql, known_office, make_office, web
from benchmarks._processes import children
from server.clock import utc_now
from server.config import Config
from server.context import Context
from server.db.tables import Base
from server.services.check_interviews import CheckingWorker
from server.services.open_items import OpeningWorker

KEPT: Final = Path(__file__).parents[1] / "build" / "bench-stores"
TEMPLATES: Final = 500
PER_PART: Final = 500
MULTIPLIED: Final = 50_000
"""Rows of one INSERT: PostgreSQL's log and SQLite's cache stay small."""
MADE_BY: Final = (Path(made.__file__), Path(__file__), *sorted(Path("server/migrations/versions").glob("0*.py")))

DRAWN_ON_POSTGRESQL: Final = "substr(sha256(convert_to(number || '{name}' || random(), 'UTF8')), 1, {size})"

SOURCES: Final[Mapping[str, Mapping[str, str]]] = {
    "envelope": {
        "sequence": "made.sequence",
        "envelope_id": "made.envelope_id",
        "instance_id": "made.instance_id",
        "door_tag": "made.door_tag",
    },
    "microdata_part": {
        "part_id": "made.part_id",
        "analysis_path": "'a/' || made.part_id",
        "identifiers_path": "'i/' || made.part_id",
    },
    "revision": {
        "revision_id": "made.revision_id",
        "instance_id": "made.instance_id",
        "answers_hash": "made.answers_hash",
        "envelope_sequence": "made.sequence",
        "envelope_id": "made.envelope_id",
        "interview_id": "made.instance_id",
        "part_id": "made.part_id",
        "row": "made.number % {per_part}",
    },
    "interview": {
        "interview_id": "made.instance_id",
        "current_revision_id": "made.revision_id",
        "household_tag": "made.household_tag",
    },
    "interview_check": {"revision_id": "made.revision_id", "household_tag": "made.household_tag"},
}
"""By table: the columns that are its own in each made row; all others are those of the template."""
MATCHES: Final[Mapping[str, str]] = {
    "envelope": "source.sequence = template.sequence",
    "microdata_part": "source.part_id = template.part_id AND made.number IN ({first}, made.part * {per_part})",
    "revision": "source.revision_id = template.revision_id",
    "interview": "source.current_revision_id = template.revision_id",
    "interview_check": "source.revision_id = template.revision_id",
}


@dataclass(frozen=True, slots=True)
class Store:
    """An office with so many interviews in it."""

    office: Office
    database: str
    interviews: int
    postgresql: PostgreSql | None

    def backends(self, application: str) -> tuple[int, ...]:
        """Return the processes of PostgreSQL that serve a process of ours."""
        return () if self.postgresql is None else self.postgresql.pids(application)

    def processes(self) -> tuple[int, ...]:
        """Return PostgreSQL's own processes: log writer, checkpoints, vacuum."""
        return () if self.postgresql is None else (self.postgresql.pid, *children(self.postgresql.pid))


def asked_databases() -> tuple[str, ...]:
    """Return the databases to measure: the one of BENCH_DATABASE, or both."""
    asked = os.environ.get("BENCH_DATABASE")
    return (asked,) if asked else ("sqlite", "postgresql")


@contextmanager
def open_store(*, database: str) -> Iterator[Store]:
    """Open a store with as many interviews as BENCH_STORE says, none if it says nothing."""
    wanted = int(os.environ.get("BENCH_STORE", "0"))
    if wanted == 0:
        with _temporary() as folder, _database(folder, database) as (config, postgresql):
            yield Store(make_office(config), database, 0, postgresql)
        return
    folder = KEPT / f"{database}-{wanted}-{_fingerprint()}"
    is_whole = (folder / "whole").exists()
    if not is_whole:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    with _database(folder, database) as (config, postgresql):
        if not is_whole:
            _fill(make_office(config), wanted)
            (folder / "whole").touch()
        yield Store(known_office(config), database, wanted, postgresql)


@contextmanager
def _temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="openrosa-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _database(folder: Path, database: str) -> Iterator[tuple[Config, PostgreSql | None]]:
    config = Config.in_directory(folder / "data")
    if database == "sqlite":
        yield config, None
        return
    postgresql = PostgreSql(folder / "postgresql")
    try:
        yield Config(data_dir=config.data_dir, database_url=postgresql.start()), postgresql
    finally:
        postgresql.stop()


def _fingerprint() -> str:
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in MADE_BY))
    return digest.hexdigest()[:8]


def _fill(office: Office, interviews: int) -> None:
    documents = made.filled(office.definition, TEMPLATES, seed=1)
    with web(office) as served:
        requests = [made.post(served.port, office.submission, [made.submission_of(xml)]) for xml in documents]
        drive(served.port, list(made.shares(requests, 8)), statuses=frozenset({201}))
    context = Context.open(office.config)
    opened = OpeningWorker(
        database=context.database,
        keystore=context.keystore,
        microdata=context.microdata,
        clock=utc_now,
        blobs=context.blobs,
    ).run_until_idle()
    CheckingWorker(context.database, context.keystore, utc_now, context.blobs).run_until_idle()
    if opened.quarantined:
        raise RuntimeError(f"not everything was opened: {opened}")
    context.close()
    url = office.config.database_url
    if url.startswith("sqlite"):
        _multiply_sqlite(url.removeprefix("sqlite:///"), interviews)
    else:
        _multiply_postgresql(url.replace("+psycopg", "", 1), interviews)


def _multiply_sqlite(path: str, interviews: int) -> None:
    with closing(sqlite.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        _multiply(connection, interviews, "randomblob({size})")
        connection.execute("PRAGMA journal_mode=WAL")


def _multiply_postgresql(url: str, interviews: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        _multiply(connection, interviews, DRAWN_ON_POSTGRESQL)
        for table, column in (("envelope", "sequence"), ("revision", "revision_id"), ("microdata_part", "part_id")):
            sequence, highest = f"pg_get_serial_sequence('{table}', '{column}')", f"(SELECT max({column}) FROM {table})"
            connection.execute(f"SELECT setval({sequence}, {highest})")
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _multiply(connection: Any, interviews: int, drawing: str) -> None:
    """Multiply what is stored to so many interviews, on a connection that commits by itself."""
    _name_templates(connection)
    (base,) = connection.execute("SELECT max(sequence) FROM envelope").fetchone()
    (templates,) = connection.execute("SELECT count(*) FROM template").fetchone()
    for start in range(templates, interviews, MULTIPLIED):
        _make_names(connection, base, start, min(start + MULTIPLIED, interviews), templates, drawing)
        connection.execute("BEGIN")
        for name in SOURCES:
            connection.execute(_multiplying(Base.metadata.tables[name], templates))
        connection.execute("COMMIT")
        connection.execute("DROP TABLE made")


def _name_templates(connection: Any) -> None:
    connection.execute(
        "CREATE TEMPORARY TABLE template AS SELECT row_number() OVER (ORDER BY envelope.sequence) - 1 AS rank,"
        " envelope.sequence, revision.revision_id, revision.part_id FROM envelope"
        " JOIN revision ON revision.envelope_id = envelope.envelope_id"
        " JOIN interview ON interview.current_revision_id = revision.revision_id"
    )


def _make_names(connection: Any, base: int, start: int, end: int, templates: int, drawing: str) -> None:
    """Make the ids of so many interviews."""
    sizes = {"envelope_id": 32, "instance_id": 16, "answers_hash": 32, "door_tag": 32, "household_tag": 32}
    drawn = ", ".join(f"{drawing.format(name=name, size=size)} AS {name}" for name, size in sizes.items())
    connection.execute(
        f"CREATE TEMPORARY TABLE made AS WITH RECURSIVE numbers(number) AS (SELECT {start} UNION ALL"
        f" SELECT number + 1 FROM numbers WHERE number + 1 < {end}) SELECT number, number % {templates} AS rank,"
        f" {base} + number AS sequence, {base} + number AS revision_id, {base} + number / {PER_PART} AS part_id,"
        f" number / {PER_PART} AS part,"
        f" {drawn} FROM numbers"
    )


def _multiplying(table: Table, templates: int) -> str:
    own = {name: source.format(per_part=PER_PART) for name, source in SOURCES[table.name].items()}
    columns = [column.name for column in table.columns]
    sources = ", ".join(own.get(name, f'source."{name}"') for name in columns)
    named = ", ".join(f'"{name}"' for name in columns)
    match = MATCHES[table.name].format(per_part=PER_PART, first=templates)
    return (
        f"INSERT INTO {table.name} ({named}) SELECT {sources} FROM made"
        f" JOIN template ON template.rank = made.rank JOIN {table.name} source ON {match}"
    )


def main() -> None:
    """Make or find a store and say how long it took."""
    start = time.monotonic()
    for database in asked_databases():
        with open_store(database=database) as store:
            print(store.database, store.interviews, round(time.monotonic() - start), "s")


if __name__ == "__main__":
    main()
