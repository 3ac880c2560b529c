"""SQL of proposals: what one person has proposed, and another agreed to or declined."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, insert, select, true, update
from sqlalchemy.orm import Session

from server.db.scope import Scope
from server.db.tables import Proposal

PROPOSED: Final = "proposed"
AGREED: Final = "agreed"
DECLINED: Final = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProposal:
    """A proposal as stored; see `server.db.tables.sync` for what each member means."""

    proposal_id: int
    action: str
    subject: str
    project_id: int
    sealed_note: bytes
    state: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None


_COLUMNS: Final = tuple(getattr(Proposal, name) for name in StoredProposal.__dataclass_fields__)


def add(session: Session, **members: object) -> int:
    """Store a proposal; return its number."""
    values = {**members, "state": PROPOSED, "decided_by": None, "decided_at": None}
    return int(session.execute(insert(Proposal).returning(Proposal.proposal_id), [values]).scalar_one())


def proposal(session: Session, proposal_id: int, scope: Scope) -> StoredProposal | None:
    """Return a proposal of a scope, locked until the commit: two people cannot decide it at once."""
    query = select(*_COLUMNS).where(Proposal.proposal_id == proposal_id, _visible(scope)).with_for_update()
    row = session.execute(query).first()
    return None if row is None else StoredProposal(**row._mapping)  # noqa: SLF001 -- a public thing of SQLAlchemy


def open_proposal(session: Session, *, action: str, subject: str) -> StoredProposal | None:
    """Return the proposal about a subject that nobody has decided yet."""
    query = select(*_COLUMNS).where(Proposal.action == action, Proposal.subject == subject, Proposal.state == PROPOSED)
    row = session.execute(query).first()
    return None if row is None else StoredProposal(**row._mapping)  # noqa: SLF001


def open_subjects(session: Session, action: str) -> frozenset[str]:
    """Return what an action is proposed for, and nobody has decided yet."""
    query = select(Proposal.subject).where(Proposal.action == action, Proposal.state == PROPOSED)
    return frozenset(session.scalars(query))


def proposals(session: Session, scope: Scope, *, limit: int) -> Sequence[StoredProposal]:
    """Return the proposals of a scope: open ones first, then the newest."""
    query = select(*_COLUMNS).where(_visible(scope)).order_by(Proposal.state != PROPOSED, Proposal.proposal_id.desc())
    return tuple(StoredProposal(**row._mapping) for row in session.execute(query.limit(limit)))  # noqa: SLF001


def decide(session: Session, proposal_id: int, *, state: str, user: str, now: datetime) -> None:
    """Write what the second person said."""
    session.execute(
        update(Proposal).where(Proposal.proposal_id == proposal_id).values(state=state, decided_by=user, decided_at=now)
    )


def _visible(scope: Scope) -> ColumnElement[bool]:
    """Say of a Proposal whether an account of this scope sees it: proposals have a project and no team."""
    return true() if scope.projects is None else Proposal.project_id.in_(sorted(scope.projects))
