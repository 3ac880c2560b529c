"""Close, reopen and retire a version, or publish a draft that no longer needs a second person."""

from datetime import datetime

from sqlalchemy.orm import Session

from server.db.queries import feed, forms
from server.db.queries.forms import DRAFT, PUBLISHED, RETIRED, StoredVersion
from server.errors import BadRequest, Conflict
from server.services.publish_form.approving import find, find_for_change, refuse_stale
from server.services.publish_form.placing import refuse_archived_form
from server.services.publish_form.states import STATES, TRANSITIONS, ways_from
from server.services.publish_form.storing import make_public, record


def change_state(
    session: Session, *, form_id: str, version: str, state: str, note: str, user: str, now: datetime
) -> StoredVersion:
    """Bring a version into another state; return it as it is now. Tablets hear of it with their next exchange.

    Raises:
        NotFound: there is no such version.
        BadRequest: no such state, or a note is missing where the change needs one.
        Conflict: no way leads there, or a second person's approval is needed.
    """
    if state not in STATES:
        raise BadRequest(f"a state is one of {', '.join(STATES)}")
    known = find_for_change(session, form_id=form_id, version=version)
    transition = TRANSITIONS.get((known.state, state))
    if transition is None:
        ways = " or ".join(ways_from(known.state)) or "nothing: it is the end"
        raise Conflict(f"{form_id} version {version} is {known.state}, from where the way leads to {ways}")
    if transition.needs_note and not note.strip():
        raise BadRequest(f"say in a note why {form_id} version {version} is {transition.action}")
    if known.state == DRAFT:
        _publish_draft(session, known, note=note, user=user, now=now)
    else:
        if state == PUBLISHED:
            refuse_archived_form(session, form_id)
        record(session, known, action=transition.action, user=user, note=note, now=now)
        retired_at = now if state == RETIRED else None
        forms.set_state(session, known.hash, state, retired_at=retired_at, position=feed.next_position(session))
    return find(session, form_id=form_id, version=version)


def _publish_draft(session: Session, draft: StoredVersion, *, note: str, user: str, now: datetime) -> None:
    form = forms.form(session, draft.form_id)
    if form is not None and form.needs_approval:
        raise Conflict(f"versions of {draft.form_id} are published by a second person's approval")
    refuse_stale(session, draft)
    make_public(session, draft, previous_hash=draft.previous_hash, user=user, note=note, now=now)
