"""How far fieldwork is, for programs; people have the console's page."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint

from server.context import caller, current, roles
from server.services import progress

blueprint = Blueprint("fieldwork", __name__, url_prefix="/api/v1/fieldwork")


@blueprint.get("/progress")
@roles("supervisor", "manager", "statistician")
def show_progress() -> dict[str, Any]:
    """Count drawn households by what came of them: over all, by unit, by enumerator, by province."""
    context = current()
    with context.database.read() as session:
        return asdict(progress.measure(session, context.keystore, caller().scope))
