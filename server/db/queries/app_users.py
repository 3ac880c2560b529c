"""SQL of app users as the office works with them: who sees which, and which forms each is given."""

from collections.abc import Collection

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from server.db.queries.devices import StoredAppUser
from server.db.queries.scoped import visible_app_users, visible_forms
from server.db.scope import EVERYTHING, Scope
from server.db.tables import AppUser, AppUserForm, Form

_COLUMNS = tuple(getattr(AppUser, name) for name in StoredAppUser.__dataclass_fields__)


def app_users(session: Session, scope: Scope = EVERYTHING) -> list[StoredAppUser]:
    """Return the app users of a scope by name."""
    query = select(*_COLUMNS).where(visible_app_users(scope)).order_by(AppUser.name)
    return [StoredAppUser(**row) for row in session.execute(query).mappings()]


def app_user(session: Session, app_user_id: int, scope: Scope = EVERYTHING) -> StoredAppUser | None:
    """Return an app user by number, revoked or not; None outside the scope."""
    query = select(*_COLUMNS).where(AppUser.app_user_id == app_user_id, visible_app_users(scope))
    row = session.execute(query).mappings().one_or_none()
    return None if row is None else StoredAppUser(**row)


def forms_given(session: Session, app_user_id: int) -> frozenset[str]:
    """Return the form_ids that are chosen for an app user; they say nothing of one that is for every form."""
    return frozenset(session.scalars(select(AppUserForm.form_id).where(AppUserForm.app_user_id == app_user_id)))


def set_forms(session: Session, app_user_id: int, form_ids: Collection[str] | None) -> None:
    """Write which forms an app user is given; None for every form of its project."""
    session.execute(delete(AppUserForm).where(AppUserForm.app_user_id == app_user_id))
    is_for_every = update(AppUser).where(AppUser.app_user_id == app_user_id)
    session.execute(is_for_every.values(is_for_every_form=form_ids is None))
    if form_ids:
        rows = [{"app_user_id": app_user_id, "form_id": form_id} for form_id in sorted(form_ids)]
        session.execute(insert(AppUserForm), rows)


def forms_of_project(session: Session, project_id: int) -> frozenset[str]:
    """Return the form_ids of a project."""
    query = select(Form.form_id).where(visible_forms(Scope(projects=frozenset({project_id}))))
    return frozenset(session.scalars(query))
