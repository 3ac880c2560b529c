"""SQL of media that came by file: each is whole when it comes."""

from datetime import datetime

from sqlalchemy.orm import Session

from server.db.insert import upsert
from server.db.tables import Upload


def put_medium(session: Session, sha256: bytes, *, length_bytes: int, carrier: str, now: datetime) -> None:
    """Write that all of a medium is here; the device that began it stays."""
    statement = upsert(session, Upload).values(
        sha256=sha256,
        length_bytes=length_bytes,
        received_bytes=length_bytes,
        carrier=carrier,
        begun_at=now,
        completed_at=now,
    )
    changed = ("length_bytes", "received_bytes", "completed_at")
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["sha256"], set_={name: getattr(statement.excluded, name) for name in changed}
        )
    )
