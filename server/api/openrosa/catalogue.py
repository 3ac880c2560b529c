"""Which form versions a visitor may have: read once, and kept while the mark of the forms stays the same."""

from server.api.openrosa.visitors import Visitor
from server.context import current
from server.errors import NotFound
from server.services import offer_forms
from server.services.offer_forms import Catalogue, Offered


def given(visitor: Visitor) -> frozenset[str] | None:
    """Return the form_ids that are given out to the app user, None for every form of its project."""
    app_user_id = visitor.app_user.app_user_id
    if visitor.app_user.is_for_every_form:
        return None
    with current().database.read() as session:
        return offer_forms.forms_given(session, app_user_id)


def known_version(visitor: Visitor, digest: str) -> Offered:
    """Return a version that the app user may have.

    Raises:
        NotFound: when there is none of this hash in its project and among the forms that it is given.
    """
    try:
        offered = catalogue(visitor).known.get(bytes.fromhex(digest))
    except ValueError:
        raise NotFound("a form is named by the 64 hexadecimal digits of its SHA-256") from None
    form_ids = given(visitor)
    is_given = form_ids is None or (offered is not None and offered.form_id in form_ids)
    if offered is None or offered.project_id != visitor.app_user.project_id or not is_given:
        raise NotFound("no published form version has this hash, or it is not given out to this app user")
    return offered


def catalogue(visitor: Visitor) -> Catalogue:
    """Return all that tablets may know of the forms now."""

    def read() -> Catalogue:
        with current().database.read() as session:
            return offer_forms.read_catalogue(session, current().checked_versions)

    found: Catalogue = current().shelf.get(("catalogue", visitor.mark), read)
    return found
