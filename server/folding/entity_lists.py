"""The lists that a form version declares: they come into being when it is published, with the properties it saves."""

from datetime import datetime

from sqlalchemy.orm import Session

from forms.definition import FormDefinition
from forms.entities import declared_lists, possible_lists
from server.db.queries import entity_lists, feed, form_media, forms, holders
from server.db.queries.forms import StoredVersion


def declare_lists(session: Session, version: StoredVersion, *, user: str, now: datetime) -> None:
    """Say which lists a version uses, and make those that it writes to; properties of several forms are united."""
    xform = forms.xform(session, version.hash)
    if xform is None or not any(word in xform for word in (b"entity", b".csv", b"pulldata", b"search(")):
        return
    definition = FormDefinition.parse(xform)
    media = [medium.name for medium in form_media.media(session, version.hash)]
    used = possible_lists(definition, xform, media)
    project_id = entity_lists.project_of_form(session, version.form_id)
    before = holders.lists_in_use(session, project_id)
    entity_lists.set_uses(session, version.hash, used)
    for name, properties in declared_lists(definition).items():
        if name in used:
            entity_lists.ensure_list(session, project_id=project_id, name=name, properties=properties, by=user, now=now)
    lists = entity_lists.all_lists(session, project_id=project_id)
    begun = {one.list_id for one in lists if one.name in used} - before
    if begun:
        holders.feed_again(session, begun, position=feed.next_position(session))
