"""In which project a form is published: a form_id is unique on a server, and a form stays where it is."""

from sqlalchemy.orm import Session

from server.db.queries import forms, projects
from server.db.scope import EVERYTHING, Scope
from server.errors import BadRequest, Conflict


def place(session: Session, form_id: str, *, wanted: int | None, scope: Scope = EVERYTHING) -> int:
    """Return the project in which a version of a form is published.

    Args:
        session: to read.
        form_id: which; it may be new.
        wanted: the project that was named; None leads to the form's own, and for a new form to the only one there is.
        scope: what whoever publishes sees.

    Raises:
        Conflict: the form is of another project, or the project is archived.
        BadRequest: there is no such project, or several and none is named.
    """
    known = forms.project_of(session, form_id)
    visible = {project.project_id: project for project in projects.projects(session, scope)}
    if known is not None and (known not in visible or wanted not in (None, known)):
        raise taken(form_id)
    chosen = known if known is not None else wanted
    if chosen is None:
        open_ones = [one for one in visible.values() if one.archived_at is None]
        if len(open_ones) != 1:
            named = ", ".join(f"{one.project_id} “{one.name}”" for one in open_ones) or "none"
            raise BadRequest(f"say in which project the form {form_id!r} is to be published: {named}")
        chosen = open_ones[0].project_id
    if chosen not in visible:
        raise BadRequest(f"there is no project number {chosen}; `passerelle project list` shows them")
    _refuse_archived(session, chosen)
    return chosen


def taken(form_id: str) -> Conflict:
    """Return the refusal of a form_id that another project has."""
    return Conflict(
        f"the form_id {form_id!r} is taken by a form of another project: a form_id is unique on a server, because"
        " tablets and submissions name forms by it alone. Choose another one on the settings sheet"
    )


def refuse_archived_form(session: Session, form_id: str) -> None:
    """Refuse to publish a version of a form whose project is over.

    Raises:
        Conflict: nothing was published.
    """
    project_id = forms.project_of(session, form_id)
    if project_id is not None:
        _refuse_archived(session, project_id)


def _refuse_archived(session: Session, project_id: int) -> None:
    if projects.is_archived(session, project_id):
        raise Conflict("the project is archived: nothing is published in it any more, and what is sent is still taken")
