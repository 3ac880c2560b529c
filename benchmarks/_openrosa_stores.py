"""Stores that are measured: empty ones in a folder that goes away, big ones kept in build/bench-stores."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks._openrosa_office import Office, PostgreSql, make_office
from benchmarks._processes import children
from server.config import Config


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


@contextmanager
def open_store() -> Iterator[Store]:
    """Open the store that was asked for."""
    database = os.environ.get("BENCH_DATABASE", "sqlite")
    with tempfile.TemporaryDirectory(prefix="openrosa-", ignore_cleanup_errors=True) as folder:
        config = Config.in_directory(Path(folder) / "data")
        if database == "sqlite":
            yield Store(make_office(config), database, 0, None)
            return
        postgresql = PostgreSql(Path(folder) / "postgresql")
        config = Config(data_dir=config.data_dir, database_url=postgresql.start())
        try:
            yield Store(make_office(config), database, 0, postgresql)
        finally:
            postgresql.stop()
