"""The schema's history, by Alembic, configured in code; squashed at each major release."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from server.db.engine import Database, DatabaseUnusable
from server.db.tables import Base

FOLDER = Path(__file__).parent


def upgrade(database: Database, to: str = "head") -> None:
    """Bring a database, new or old, to the newest schema, in one transaction; one that is there already stays."""
    with database.transaction() as session:
        command.upgrade(_config(session.connection()), to)


def newest() -> str:
    """Return the revision of the newest schema that this program knows."""
    return _script().get_current_head() or ""


def current(database: Database) -> str:
    """Return the revision of a database's schema; empty for a database without one."""
    with database.read() as session:
        return MigrationContext.configure(session.connection()).get_current_revision() or ""


def is_known(revision: str) -> bool:
    """Say whether this program knows a schema: it does not when a newer program has been at the database."""
    return not revision or revision in {script.revision for script in _script().walk_revisions()}


def refuse_newer(database: Database) -> None:
    """Refuse a database that a newer program has migrated.

    Raises:
        DatabaseUnusable: nothing was changed.
    """
    if not is_known(found := current(database)):
        raise DatabaseUnusable(
            f"the database has the schema {found} of a newer Passerelle, and this one knows {newest()} at most: update "
            "the program, or restore the backup that was made before the update. Nothing was changed."
        )


def differences(database: Database) -> list[Any]:
    """Return what would have to be migrated for the database to equal the models: nothing, in a release."""
    with database.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def _script() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
