"""SQL of entity lists, of the forms that use them, and of the files that tablets get."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from server.db.insert import insert_new
from server.db.queries import feed
from server.db.queries.forms import DRAFT
from server.db.queries.scoped import visible_app_users, visible_devices
from server.db.scope import Scope
from server.db.tables import AppUser, Device, Entity, EntityList, EntitySnapshot, Form, FormEntityList, FormVersion
from server.db.tables.accounts import FIRST_PROJECT

SURVEY: Final = "survey"
WHOLE: Final = bytes(32)
"""Tag of the file that holds all of a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredList:
    """A list as stored; see `server.db.tables.entities` for what each member means."""

    list_id: int
    project_id: int
    name: str
    mode: str
    needs_approval: bool
    properties: tuple[str, ...]
    assigned_property: str
    assigned_to: str
    changes: int
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSnapshot:
    """What is known of a file without opening it."""

    md5: str
    rows: int
    length_bytes: int
    made_at: datetime


_COLUMNS: Final = tuple(getattr(EntityList, name) for name in StoredList.__dataclass_fields__)


def all_lists(session: Session, *, project_id: int | None = None) -> tuple[StoredList, ...]:
    """Return all lists, or those of a project, by project and name."""
    query = select(*_COLUMNS).order_by(EntityList.project_id, EntityList.name)
    return _lists(session, query if project_id is None else query.where(EntityList.project_id == project_id))


def entity_list(session: Session, list_id: int) -> StoredList | None:
    """Return a list by its number."""
    found = _lists(session, select(*_COLUMNS).where(EntityList.list_id == list_id))
    return found[0] if found else None


def list_named(session: Session, *, project_id: int, name: str) -> StoredList | None:
    """Return a list by its name."""
    query = select(*_COLUMNS).where(EntityList.project_id == project_id, EntityList.name == name)
    found = _lists(session, query)
    return found[0] if found else None


def has_lists(session: Session) -> bool:
    """Say whether there is any list."""
    return session.execute(select(EntityList.list_id).limit(1)).first() is not None


def stale_lists(session: Session) -> tuple[StoredList, ...]:
    """Return the lists whose files are behind, by number."""
    is_behind = EntityList.changes_in_files < EntityList.changes
    return _lists(session, select(*_COLUMNS).where(is_behind).order_by(EntityList.list_id))


def ensure_list(
    session: Session, *, project_id: int, name: str, properties: Sequence[str], by: str, now: datetime
) -> StoredList:
    """Return a list, made where it is not there; properties that it has not yet are added at the end.

    A property that differs from a known one in case alone is that one: tablets keep them as columns, where case is
    nothing.
    """
    made = insert_new(session, EntityList).values(
        project_id=project_id, name=name, properties="[]", assigned_property="", assigned_to="", changes=1,
        needs_approval=False, mode=SURVEY, created_at=now, created_by=by,
    )  # fmt: skip
    list_id = session.scalar(made.returning(EntityList.list_id))
    if list_id is not None:
        _announce(session, list_id)
    query = select(*_COLUMNS).where(EntityList.project_id == project_id, EntityList.name == name)
    (found,) = _lists(session, query.with_for_update())
    known = {one.casefold() for one in found.properties}
    added = [one for one in properties if one.casefold() not in known]
    if not added:
        return found
    united = (*found.properties, *dict.fromkeys(added))
    change_list(session, found.list_id, properties=json.dumps(united, ensure_ascii=False))
    changed = entity_list(session, found.list_id)
    if changed is None:
        raise LookupError("a list is gone while it is locked")
    return changed


def _announce(session: Session, list_id: int) -> None:
    """Let tablets look anew at the forms that use a list, now that there is one."""
    users = _users().where(EntityList.list_id == list_id)
    changed = update(FormVersion).where(FormVersion.hash.in_(users), FormVersion.state != DRAFT)
    session.execute(changed.values(feed_position=feed.next_position(session)))


def change_list(session: Session, list_id: int, **members: object) -> None:
    """Change members of a list, whose files are behind then."""
    changed = update(EntityList).where(EntityList.list_id == list_id)
    session.execute(changed.values(**members, changes=EntityList.changes + 1))


def mark_stale(session: Session, list_ids: Iterable[int]) -> None:
    """Say that the files of lists are behind."""
    changed = update(EntityList).where(EntityList.list_id.in_(sorted(set(list_ids))))
    session.execute(changed.values(changes=EntityList.changes + 1))


def project_of_form(session: Session, form_id: str) -> int:
    """Return the project of a form, the first one for a form that nobody knows."""
    return session.scalar(select(Form.project_id).where(Form.form_id == form_id)) or FIRST_PROJECT


def set_uses(session: Session, form_version_hash: bytes, names: Iterable[str]) -> None:
    """Write which lists a form version uses, if there are such."""
    session.execute(delete(FormEntityList).where(FormEntityList.form_version_hash == form_version_hash))
    rows = [{"form_version_hash": form_version_hash, "name": name} for name in sorted(set(names))]
    if rows:
        session.execute(insert_new(session, FormEntityList), rows)


def lists_of_version(session: Session, form_version_hash: bytes) -> tuple[StoredList, ...]:
    """Return the lists that a form version uses, of its own project, by name."""
    query = (
        select(*_COLUMNS)
        .join(FormEntityList, FormEntityList.name == EntityList.name)
        .join(FormVersion, FormVersion.hash == FormEntityList.form_version_hash)
        .join(Form, Form.form_id == FormVersion.form_id)
        .where(FormEntityList.form_version_hash == form_version_hash, EntityList.project_id == Form.project_id)
    )
    return tuple(sorted(_lists(session, query), key=lambda found: found.name))


def versions_with_lists(session: Session) -> frozenset[bytes]:
    """Return the hashes of the form versions that use a list which is there."""
    return frozenset(session.scalars(_users().distinct()))


def _users() -> Select[Any]:
    """Select form versions by the lists of their projects that they use."""
    return (
        select(FormEntityList.form_version_hash)
        .join(FormVersion, FormVersion.hash == FormEntityList.form_version_hash)
        .join(Form, Form.form_id == FormVersion.form_id)
        .join(EntityList, (EntityList.name == FormEntityList.name) & (EntityList.project_id == Form.project_id))
    )


def snapshot(session: Session, list_id: int, tag: bytes = WHOLE) -> StoredSnapshot | None:
    """Return what is known of a file of a list."""
    columns = [getattr(EntitySnapshot, name) for name in StoredSnapshot.__dataclass_fields__]
    query = select(*columns).where(EntitySnapshot.list_id == list_id, EntitySnapshot.tag == tag)
    row = session.execute(query).mappings().first()
    return None if row is None else StoredSnapshot(**row)


def sealed_snapshot(session: Session, list_id: int, tag: bytes = WHOLE) -> bytes | None:
    """Return a file of a list, sealed."""
    query = select(EntitySnapshot.sealed).where(EntitySnapshot.list_id == list_id, EntitySnapshot.tag == tag)
    return session.scalar(query)


def replace_snapshots(session: Session, of: StoredList, rows: Sequence[Mapping[str, object]]) -> None:
    """Put new files of a list in the place of all former ones, unless another process has put newer ones there.

    What has changed since the list was read is not in them, and leaves it behind.
    """
    list_id = of.list_id
    is_newer = (EntityList.list_id == list_id, EntityList.changes_in_files < of.changes)
    newer = update(EntityList).where(*is_newer).values(changes_in_files=of.changes).returning(EntityList.list_id)
    if session.scalar(newer) is None:
        return
    session.execute(delete(EntitySnapshot).where(EntitySnapshot.list_id == list_id))
    session.execute(insert_new(session, EntitySnapshot), [dict(row) for row in rows])


def enumerators(session: Session, scope: Scope) -> frozenset[str]:
    """Return the codes of the enumerators who have a tablet or an app user in a scope."""
    tablets = select(Device.enumerator).where(visible_devices(scope))
    app_users = select(AppUser.enumerator).where(visible_app_users(scope))
    return frozenset(session.scalars(tablets)) | frozenset(session.scalars(app_users))


def counts(session: Session) -> Mapping[int, Mapping[str, int]]:
    """Return how many entities of each state there are, and how many are in conflict, by list."""
    found: dict[int, dict[str, int]] = {}
    query = select(Entity.list_id, Entity.state, func.count()).group_by(Entity.list_id, Entity.state)
    for list_id, state, count in session.execute(query):
        found.setdefault(list_id, {})[state] = count
    differing = select(Entity.list_id, func.count()).where(Entity.conflicts > 0).group_by(Entity.list_id)
    for list_id, count in session.execute(differing):
        found.setdefault(list_id, {})["conflict"] = count
    return found


def _lists(session: Session, query: object) -> tuple[StoredList, ...]:
    rows = session.execute(query).mappings()  # type: ignore[call-overload]
    return tuple(StoredList(**dict(row) | {"properties": tuple(json.loads(row["properties"]))}) for row in rows)
