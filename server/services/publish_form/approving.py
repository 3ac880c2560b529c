"""A second person's approval, where a survey asks for it.

What is compared are the names of accounts. Someone who runs the server holds its keys and its database: the rule keeps
honest people from slips and haste, it does not bind whoever owns the machine.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from server.db.queries import audit, forms
from server.db.queries.forms import DRAFT, PUBLISHED, StoredVersion
from server.errors import Conflict, Forbidden, NotFound
from server.services.publish_form.states import APPROVED
from server.services.publish_form.storing import make_public, record


def approve(
    session: Session, *, form_id: str, version: str, note: str, user: str, now: datetime, seen: str | None = None
) -> StoredVersion:
    """Publish what another person has submitted; return it as it is now.

    Args:
        session: of the transaction.
        form_id, version: which.
        note, user, now: why, who, when.
        seen: when the draft was submitted that this person has looked at (ISO 8601); None where nobody can say.

    Raises:
        NotFound: there is no such version.
        Conflict: it is no draft, was submitted anew since, or another version was published since it was compared.
        Forbidden: by whoever submitted it.
    """
    draft = find_for_change(session, form_id=form_id, version=version)
    if draft.state != DRAFT:
        raise Conflict(f"{form_id} version {version} is {draft.state}: only a draft is approved")
    if user == draft.submitted_by:
        raise Forbidden(f"{user} submitted {form_id} version {version}: a second person approves it")
    if seen is not None and seen != draft.submitted_at.isoformat():
        raise Conflict(f"{form_id} version {version} was submitted anew since you looked at it: look at it again")
    refuse_stale(session, draft)
    record(session, draft, action=APPROVED, user=user, note=note, now=now)
    make_public(session, draft, previous_hash=draft.previous_hash, user=user, note=note, now=now)
    return find(session, form_id=form_id, version=version)


def set_policy(session: Session, *, form_id: str, needs_approval: bool, user: str, now: datetime) -> None:
    """Set whether versions of a form are published by a second person; drafts that are there stay drafts.

    Raises:
        NotFound: there is no such form.
    """
    if not forms.set_needs_approval(session, form_id, needs_approval=needs_approval):
        raise NotFound(f"there is no form {form_id!r}: `passerelle form list` shows them")
    detail = f"needs_approval={str(needs_approval).lower()}"
    audit.write(session, at=now, actor=user, action="set-form-policy", subject=form_id, detail=detail)


def refuse_lone_hand(*, needs_approval: bool, role: str) -> None:
    """Let an administrator alone drop the second person: a manager who could would be both persons.

    Raises:
        Forbidden: by anybody else.
    """
    if not needs_approval and role != "administrator":
        raise Forbidden("an administrator drops the second person of a form; a manager may only ask for one")


def find(session: Session, *, form_id: str, version: str) -> StoredVersion:
    """Return a version.

    Raises:
        NotFound: there is none of this name.
    """
    found = forms.version(session, form_id=form_id, version=version)
    if found is None:
        raise NotFound(f"there is no version {version!r} of a form {form_id!r}: `passerelle form list` shows them")
    return found


def find_for_change(session: Session, *, form_id: str, version: str) -> StoredVersion:
    """Return a version, when nobody else can change it until the commit.

    Raises:
        NotFound: there is none of this name.
    """
    known = find(session, form_id=form_id, version=version)
    forms.lock_form(session, form_id=form_id, title=known.title)
    return find(session, form_id=form_id, version=version)


def refuse_stale(session: Session, draft: StoredVersion) -> None:
    """Refuse to publish a draft that was compared with another version than the one it would follow.

    Raises:
        Conflict: submit it again.
    """
    chain = forms.chain(session, draft.form_id)
    last = chain[-1] if chain else None
    if draft.previous_hash != (None if last is None else last.hash):
        named = "" if last is None else f" ({last.version}, {PUBLISHED} since)"
        raise Conflict(
            f"{draft.form_id} version {draft.version} was compared with another version than the last one{named}:"
            " submit it again, so that it is seen what it would change"
        )
