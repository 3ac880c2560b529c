"""What Alembic runs for each command: on the connection that `server.migrations` hands it, in its transaction."""

from alembic import context

from server.db.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
