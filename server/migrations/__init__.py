"""The schema's history, by Alembic, configured in code; squashed at each major release."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from server.db.engine import Database
from server.db.tables import Base

FOLDER = Path(__file__).parent


def upgrade(database: Database, to: str = "head") -> None:
    """Bring a database, new or old, to the newest schema, in one transaction; one that is there already stays."""
    with database.transaction() as session:
        command.upgrade(_config(session.connection()), to)


def differences(database: Database) -> list[Any]:
    """Return what would have to be migrated for the database to equal the models: nothing, in a release."""
    with database.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
