"""The rows that an account may see, as conditions on them: the one place where a scope becomes SQL.

A row belongs to the project of its form; of a form that nobody has published, to the project of whoever brought it. Who
brought it is an app user of ODK Collect or an enrolled tablet: its team and its enumerator are the row's. An interview
belongs to the team that began it, whoever edits it: anybody can send an edit, which must not be a way to read. For the
same reason an interview with revisions of several projects is seen by those only who see all these projects.
A drawn household is seen through who visits it: it belongs wherever its enumerator has a tablet or an app user of the
project of the draw.
"""

from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, exists, false, func, not_, or_, select, true
from sqlalchemy.orm import aliased

from server.db.scope import Scope
from server.db.tables import AppUser, Device, DrawnHousehold, Envelope, Form, FormVersion, Interview, Project, Revision
from server.db.tables.accounts import FIRST_PROJECT


def visible_projects(scope: Scope) -> ColumnElement[bool]:
    """Say of a Project whether an account of this scope sees it."""
    return _of_projects(Project.project_id, scope)


def visible_forms(scope: Scope) -> ColumnElement[bool]:
    """Say of a Form whether an account of this scope sees it: forms have a project, but neither team nor enumerator."""
    return _of_projects(Form.project_id, scope)


def visible_versions(scope: Scope) -> ColumnElement[bool]:
    """Say of a FormVersion whether an account of this scope sees it."""
    if scope.projects is None:
        return true()
    return FormVersion.form_id.in_(select(Form.form_id).where(visible_forms(scope)))


def visible_devices(scope: Scope) -> ColumnElement[bool]:
    """Say of a Device whether an account of this scope sees it."""
    return _of(Device, scope)


def visible_app_users(scope: Scope) -> ColumnElement[bool]:
    """Say of an AppUser whether an account of this scope sees it."""
    return _of(AppUser, scope)


def visible_envelopes(scope: Scope) -> ColumnElement[bool]:
    """Say of an Envelope whether an account of this scope sees it, whatever its kind and state."""
    return and_(_in_projects(scope), _brought(Scope(team=scope.team, enumerator=scope.enumerator)))


def visible_interviews(scope: Scope) -> ColumnElement[bool]:
    """Say of an Interview whether an account of this scope sees it."""
    conditions: list[ColumnElement[bool]] = []
    if scope.projects is not None:
        conditions.append(Interview.form_id.in_(select(Form.form_id).where(visible_forms(scope))))
        abroad = Revision.form_version_hash.not_in(select(FormVersion.hash).where(visible_versions(scope)))
        conditions.append(~_has_revision(abroad))
    if scope.team is not None or scope.enumerator is not None:
        conditions.append(_is_begun_by(Scope(team=scope.team, enumerator=scope.enumerator)))
    return and_(true(), *conditions)


def _is_begun_by(scope: Scope) -> ColumnElement[bool]:
    """Say of an Interview whether an app user or a tablet of this scope, and no other, brought its root.

    Where others brought answers under an instanceID that this scope used, or where the root has not come, nobody can
    tell an edit of one's own from an edit that grasps at another's: then all revisions must be of this scope.
    """
    brought = _brought(scope)
    is_foreign = not_(func.coalesce(brought, false()))  # who is no app user has no number: that is no, not unknown
    own = aliased(Revision)
    bringer = select(own.instance_id).join(Envelope, Envelope.envelope_id == own.envelope_id)
    used = bringer.where(own.interview_id == Interview.interview_id, brought).correlate(Interview)
    return and_(
        _has_revision(brought),
        or_(
            ~_has_revision(is_foreign),
            and_(Interview.interview_id.in_(used), ~_has_revision(is_foreign, Revision.instance_id.in_(used))),
        ),
    )


def _has_revision(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Say of an Interview whether it has a Revision, brought by an Envelope, for which all of this holds."""
    revision = select(Revision.revision_id).join(Envelope, Envelope.envelope_id == Revision.envelope_id)
    # It names what it correlates with: left to itself, the subquery would look at all interviews at once.
    return exists(revision.where(Revision.interview_id == Interview.interview_id, *conditions).correlate(Interview))


def revision_project() -> ScalarSelect[int]:
    """Return the project of a Revision: that of its form."""
    of_form = select(Form.project_id).join(FormVersion, FormVersion.form_id == Form.form_id)
    return of_form.where(FormVersion.hash == Revision.form_version_hash).correlate(Revision).scalar_subquery()


def visible_households(scope: Scope) -> ColumnElement[bool]:
    """Say of a DrawnHousehold whether an account of this scope sees it."""
    conditions: list[ColumnElement[bool]] = []
    if scope.enumerator is not None:
        conditions.append(_is_code(DrawnHousehold.enumerator, scope.enumerator))
    if scope.projects is not None or scope.team is not None:
        conditions.append(works_for(DrawnHousehold.enumerator, scope))
    return and_(true(), *conditions)


def works_for(enumerator: Any, scope: Scope) -> ColumnElement[bool]:
    """Say of a column with codes of enumerators whether one has a tablet or an app user of the draw in this scope.

    A code means an enumerator within the project of the draw only: elsewhere anybody may be given the same one.
    """
    project = draw_project()
    tablets = select(Device.enumerator).where(visible_devices(scope), Device.project_id == project)
    app_users = select(AppUser.enumerator).where(visible_app_users(scope), AppUser.project_id == project)
    return or_(enumerator.in_(tablets), enumerator.in_(app_users))


def draw_project() -> ColumnElement[int]:
    """Return the project of the draw; before there is one, the first."""
    drawn = aliased(DrawnHousehold)
    return func.coalesce(select(drawn.project_id).limit(1).scalar_subquery(), FIRST_PROJECT)


def _in_projects(scope: Scope) -> ColumnElement[bool]:
    """Say of an Envelope whether its form is of these projects, or else whoever brought it is."""
    if scope.projects is None:
        return true()
    versions = select(FormVersion.hash).where(visible_versions(scope))
    is_unknown = or_(Envelope.form_version_hash.is_(None), Envelope.form_version_hash.not_in(select(FormVersion.hash)))
    return or_(Envelope.form_version_hash.in_(versions), and_(is_unknown, _brought(Scope(projects=scope.projects))))


def _brought(scope: Scope) -> ColumnElement[bool]:
    """Say of an Envelope whether an app user or a tablet of this scope brought it."""
    if scope == Scope():
        return true()
    return or_(
        Envelope.app_user_id.in_(select(AppUser.app_user_id).where(visible_app_users(scope))),
        Envelope.carrier.in_(select(Device.device_id).where(visible_devices(scope))),
    )


def _of(table: type[Device] | type[AppUser], scope: Scope) -> ColumnElement[bool]:
    conditions = [_of_projects(table.project_id, scope)]
    if scope.team is not None:
        conditions.append(table.team == scope.team)
    if scope.enumerator is not None:
        conditions.append(_is_code(table.enumerator, scope.enumerator))
    return and_(*conditions)


def _of_projects(column: Any, scope: Scope) -> ColumnElement[bool]:
    if scope.projects is None:
        return true()
    return column.in_(sorted(scope.projects)) if scope.projects else false()


def _is_code(column: Any, code: str) -> ColumnElement[bool]:
    """Say whether a column has an enumerator's code; an account without a code is nobody's, not everybody's without."""
    return and_(column == code, column != "")
