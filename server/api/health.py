"""Is it alive: for whoever watches the server."""

from flask import Blueprint

from server.context import current, public
from server.db.queries import feed

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
@public
def health() -> dict[str, str]:
    """Say that the database answers, and whether the key store is locked."""
    context = current()
    with context.database.read() as session:
        feed.head(session)
    return {"status": "ok", "key_store": "locked" if context.keystore.is_locked else "unlocked"}
