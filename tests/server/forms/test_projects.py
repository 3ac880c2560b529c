"""Forms belong to one project: where one is published, who is given it, and what an archive changes."""

import pytest

from server.context import Context
from server.db.scope import Scope
from server.errors import BadRequest, Conflict
from server.services import enrol_device, projects, publish_form
from tests.office import NOW, XFORM

BY = {"user": "manager", "now": NOW}


def workbook(form_id: str = "visit", version: str = "1") -> bytes:
    return XFORM.format(form_id=form_id, version=version, title="Visit").encode()


@pytest.fixture
def second(context: Context) -> Context:
    """An office with a second project."""
    with context.database.transaction() as session:
        projects.add_project(session, name="Returns", **BY)
    return context


def put(context: Context, form_id: str = "visit", version: str = "1", project_id: int | None = 1) -> None:
    prepared = publish_form.prepare(workbook(form_id, version), "f.xml")
    with context.database.transaction() as session:
        publish_form.publish(session, prepared, note="", project_id=project_id, **BY)


def test_a_form_id_that_another_project_has_is_refused_clearly(second: Context) -> None:
    put(second)
    for project_id, scope in ((2, Scope()), (None, Scope(projects=frozenset({2})))):
        prepared = publish_form.prepare(workbook(version="2"), "f.xml")
        with (
            second.database.read() as session,
            pytest.raises(Conflict, match="form_id 'visit' is taken by a form of another project"),
        ):
            publish_form.examine(session, prepared, project_id=project_id, scope=scope)
    with pytest.raises(Conflict, match="unique on a server"):
        put(second, version="2", project_id=2)


def test_a_version_goes_where_its_form_is(second: Context) -> None:
    put(second, project_id=2)
    put(second, version="2", project_id=None)


def test_a_new_form_needs_a_project_named_where_there_are_several(second: Context) -> None:
    with pytest.raises(BadRequest, match="say in which project"):
        put(second, project_id=None)
    with pytest.raises(BadRequest, match="no project number 9"):
        put(second, project_id=9)


def test_in_an_archived_project_nothing_is_published_and_nobody_let_in(second: Context) -> None:
    put(second, project_id=2)
    with second.database.transaction() as session:
        publish_form.change_state(session, form_id="visit", version="1", state="closed", note="over", **BY)
        projects.archive_project(session, project_id=2, **BY)
    for act in (
        lambda: put(second, version="2", project_id=2),
        lambda: put(second, "another", project_id=2),
    ):
        with pytest.raises(Conflict, match="archived"):
            act()
    with second.database.transaction() as session, pytest.raises(Conflict, match="archived"):
        publish_form.change_state(session, form_id="visit", version="1", state="published", note="", **BY)
    with second.database.transaction() as session, pytest.raises(Conflict, match="archived"):
        enrol_device.issue_token(session, enumerator="1", project_id=2, **BY)
    put(second, "elsewhere", project_id=None)  # the only one that is open
