"""SQL of the audit trail: written in the transaction of the act itself."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from server.db.tables import Audit


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One act."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: str


def write(session: Session, *, at: datetime, actor: str, action: str, subject: str, detail: str = "") -> None:
    """Record an act; neither subject nor detail may hold an answer or a secret."""
    session.add(Audit(at=at, actor=actor, action=action, subject=subject[:200], detail=detail[:1000]))


def last_subject(session: Session, *, action: str) -> str | None:
    """Return what the last act of a kind was about."""
    return session.scalars(select(Audit.subject).where(Audit.action == action).order_by(Audit.id.desc())).first()


def latest(session: Session, limit: int = 100) -> list[AuditEntry]:
    """Return the last acts, newest first."""
    rows = session.scalars(select(Audit).order_by(Audit.id.desc()).limit(limit))
    return [
        AuditEntry(at=row.at, actor=row.actor, action=row.action, subject=row.subject, detail=row.detail)
        for row in rows
    ]
