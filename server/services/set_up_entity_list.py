"""Make entity lists and say how they work: which interviews count, and who gets which of their entities."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from forms.entities import is_list_name, is_property_name
from server.db.queries import audit, entities, entity_lists, opening, projects
from server.db.queries.entity_lists import StoredList
from server.db.scope import EVERYTHING, Scope
from server.errors import BadRequest, Conflict, NotFound
from server.folding.entities import refold
from server.keystore import KeyStore
from sync_protocol.constants import MODES

ASSIGNED_TO: Final = ("", "enumerator", "team")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSettings:
    """How a list works; None leaves a member as it is.

    Attributes:
        needs_approval: changes count once the office has approved their interview.
        mode: of the interviews whose changes count.
        assigned_property: who gets an entity; empty for everybody.
        assigned_to: whose code the property holds: enumerator | team.
    """

    needs_approval: bool | None = None
    mode: str | None = None
    assigned_property: str | None = None
    assigned_to: str | None = None


def create_list(
    session: Session,
    *,
    project_id: int,
    name: str,
    properties: Sequence[str],
    user: str,
    now: datetime,
    scope: Scope = EVERYTHING,
) -> StoredList:
    """Make a list.

    Raises:
        BadRequest: no project that the account sees, or a name that no list or property can have.
        Conflict: the project has a list of this name.
    """
    if project_id not in {one.project_id for one in projects.projects(session, scope)}:
        raise BadRequest(f"there is no project number {project_id}; `passerelle project list` shows them")
    if not is_list_name(name):
        raise BadRequest("a list is named by letters, digits, - and _, and begins with a letter")
    bad = [one for one in properties if not is_property_name(one)]
    if bad or len({one.casefold() for one in properties}) < len(properties):
        raise BadRequest(f"no property can be called {bad[0]}" if bad else "two properties differ in case alone")
    if entity_lists.list_named(session, project_id=project_id, name=name) is not None:
        raise Conflict(f"project {project_id} has an entity list {name} already")
    made = entity_lists.ensure_list(session, project_id=project_id, name=name, properties=properties, by=user, now=now)
    audit.write(session, at=now, actor=user, action="create-entity-list", subject=name)
    return made


def set_list(
    session: Session, list_id: int, settings: ListSettings, *, keystore: KeyStore, user: str, now: datetime
) -> StoredList:
    """Say how a list works; what counts in it is folded anew.

    Raises:
        NotFound: there is no such list.
        BadRequest: a setting that cannot be meant.
        KeyStoreLocked: without the vault, where entities have to be folded anew.
    """
    opening.lock_fold(session)
    before = find_list(session, list_id)
    given = {name: getattr(settings, name) for name in ListSettings.__dataclass_fields__}
    changed = {name: value for name, value in given.items() if value is not None and value != getattr(before, name)}
    _check(before, changed)
    if not changed:
        return before
    entity_lists.change_list(session, list_id, **changed)
    if changed.keys() & {"needs_approval", "mode"}:
        refold(session, entities.entities_of_list(session, list_id), keystore=keystore)
    else:
        entities.set_unrecorded(session, list_id)
    detail = ", ".join(f"{name}={value}" for name, value in sorted(changed.items()))
    audit.write(session, at=now, actor=user, action="set-entity-list", subject=before.name, detail=detail)
    return find_list(session, list_id)


def find_list(session: Session, list_id: int) -> StoredList:
    """Return a list.

    Raises:
        NotFound: there is none of this number.
    """
    found = entity_lists.entity_list(session, list_id)
    if found is None:
        raise NotFound(f"there is no entity list {list_id}")
    return found


def _check(before: StoredList, changed: dict[str, object]) -> None:
    assigned = changed.get("assigned_property", before.assigned_property)
    whose = changed.get("assigned_to", before.assigned_to)
    if changed.get("mode", before.mode) not in MODES:
        raise BadRequest(f"a mode is one of {', '.join(MODES)}")
    if assigned and assigned not in before.properties:
        raise BadRequest(f"the list {before.name} has no property {assigned}")
    if whose not in ASSIGNED_TO or bool(assigned) != bool(whose):
        raise BadRequest("an assigned property holds the code of an enumerator or of a team: say which of the two")
