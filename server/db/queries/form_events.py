"""SQL of what people did to form versions; rows are only added."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from server.db.tables import FormEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One act; action submitted | approved | published | closed | reopened | retired."""

    form_id: str
    version: str
    form_version_hash: bytes
    at: datetime
    actor: str
    action: str
    note: str


def add(session: Session, event: StoredEvent) -> None:
    """Record an act in the transaction of the act itself."""
    session.add(FormEvent(**{name: getattr(event, name) for name in StoredEvent.__dataclass_fields__}))
    session.flush()


def events(session: Session, *, form_id: str, version: str | None = None) -> list[StoredEvent]:
    """Return the acts on one version, or on all of a form, oldest first."""
    columns = [getattr(FormEvent, name) for name in StoredEvent.__dataclass_fields__]
    query = select(*columns).where(FormEvent.form_id == form_id).order_by(FormEvent.event_id)
    if version is not None:
        query = query.where(FormEvent.version == version)
    return [StoredEvent(**row) for row in session.execute(query).mappings()]
