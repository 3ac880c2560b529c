"""Definitions of stored form versions: read from the XForm and the files that the form itself reads."""

from sqlalchemy.orm import Session

from forms.definition import FormDefinition
from forms.package import LISTS
from server.db.queries import form_media, forms
from server.db.queries.forms import DRAFT


def definition(session: Session, form_version_hash: bytes) -> FormDefinition | None:
    """Return the definition of a version, None when there is none; a draft's may still change with its files."""
    xform = forms.xform(session, form_version_hash)
    if xform is None:
        return None
    lists = form_media.contents(session, [form_version_hash], LISTS)
    return FormDefinition.parse(xform, lists.get(form_version_hash, {}))


def published_definition(session: Session, form_version_hash: bytes) -> FormDefinition | None:
    """Return the definition of a version that is no draft: it never changes and may be kept."""
    found = forms.version_of_hash(session, form_version_hash)
    return None if found is None or found.state == DRAFT else definition(session, form_version_hash)
