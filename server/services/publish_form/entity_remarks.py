"""What is noteworthy about a form beside the entity lists of its project."""

from collections.abc import Iterable, Iterator

from sqlalchemy.orm import Session

from forms.entities import declared_lists
from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint.catalogue import finding
from server.db.queries import entity_lists
from server.services.publish_form.preparing import Prepared

MISSING = "media-missing"


def with_lists(session: Session, prepared: Prepared, *, project_id: int) -> tuple[WorkbookFinding, ...]:
    """Return the findings of a form, where lists are no missing files and their properties are compared."""
    declared = declared_lists(prepared.definition)
    missing = any(one.code == MISSING for one in prepared.findings)
    if not (declared or missing):
        return prepared.findings
    known = {one.name: one.properties for one in entity_lists.all_lists(session, project_id=project_id)}
    kept = _without_lists(prepared.findings, {*known, *declared})
    differing = (one for name in declared if name in known for one in _compare(name, declared[name], known[name]))
    return (*kept, *differing)


def _without_lists(findings: Iterable[WorkbookFinding], lists: Iterable[str]) -> Iterator[WorkbookFinding]:
    files = {finding(MISSING, name=f"{name}.csv").what["en"] for name in lists}
    return (one for one in findings if one.code != MISSING or one.what["en"] not in files)


def _compare(name: str, saved: Iterable[str], known: Iterable[str]) -> Iterator[WorkbookFinding]:
    spelling = {one.casefold(): one for one in known}
    for one in saved:
        other = spelling.get(one.casefold())
        if other is None:
            yield finding("entity-property-new", name=one, list=name)
        elif other != one:
            yield finding("entity-property", name=one, list=name, known=other)
