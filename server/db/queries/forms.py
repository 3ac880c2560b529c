"""SQL of forms and their versions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, delete, select, update
from sqlalchemy.orm import Session

from server.db.insert import insert_new
from server.db.queries.scoped import visible_forms, visible_versions
from server.db.scope import EVERYTHING, Scope
from server.db.tables import Form, FormMedium, FormVersion
from server.db.tables.accounts import FIRST_PROJECT

DRAFT: Final = "draft"
PUBLISHED: Final = "published"
CLOSED: Final = "closed"
RETIRED: Final = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredForm:
    """A form: its title is that of the last version."""

    form_id: str
    title: str
    needs_approval: bool
    project_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A form version, without its bytes; see `server.db.tables.forms` for what each member means."""

    hash: bytes
    form_id: str
    version: str
    title: str
    md5: str
    package_hash: bytes
    previous_hash: bytes | None
    state: str
    note: str
    submitted_at: datetime
    submitted_by: str
    published_at: datetime | None
    published_by: str | None
    published_position: int | None
    retired_at: datetime | None
    workbook_name: str | None
    feed_position: int | None
    dictionary_hash: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version to store, with its bytes."""

    stored: StoredVersion
    xform: bytes
    workbook: bytes | None
    map_document: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionLink:
    """One version in the chain of a form; its map leads from the version before it to it."""

    hash: bytes
    version: str
    previous_hash: bytes | None
    map_document: bytes | None
    state: str


@dataclass(frozen=True, slots=True)
class Workbook:
    """The file that a version was made from."""

    name: str
    content: bytes


_COLUMNS: Final = tuple(getattr(FormVersion, name) for name in StoredVersion.__dataclass_fields__)
_IN_ORDER: Final = (FormVersion.published_position.nulls_last(), FormVersion.submitted_at, FormVersion.hash)
"""The order of publication; drafts come last."""

_version = FormVersion.__table__.c
_PUBLISHED_HASH: Final = select(_version.hash).where(
    _version.form_id == bindparam("of_form"), _version.version == bindparam("named"), _version.state != DRAFT
)


def form(session: Session, form_id: str) -> StoredForm | None:
    """Return a form."""
    found = session.get(Form, form_id)
    return None if found is None else _form(found)


def all_forms(session: Session, scope: Scope = EVERYTHING) -> list[StoredForm]:
    """Return the forms of a scope by form_id."""
    query = select(Form).where(visible_forms(scope)).order_by(Form.form_id)
    return [_form(row) for row in session.scalars(query)]


def project_of(session: Session, form_id: str) -> int | None:
    """Return the project of a form, None when there is no such form."""
    return session.scalar(select(Form.project_id).where(Form.form_id == form_id))


def is_visible(session: Session, form_id: str, scope: Scope) -> bool:
    """Say whether a form is of a project of this scope; who sees every project sees what will be there, too."""
    return scope.projects is None or project_of(session, form_id) in scope.projects


def projects(session: Session) -> dict[str, int]:
    """Return the project of each form."""
    return {form_id: project_id for form_id, project_id in session.execute(select(Form.form_id, Form.project_id))}


def set_needs_approval(session: Session, form_id: str, *, needs_approval: bool) -> bool:
    """Set whether a second person publishes; say whether there is such a form."""
    changed = update(Form).where(Form.form_id == form_id).values(needs_approval=needs_approval)
    return session.execute(changed.returning(Form.form_id)).first() is not None


def lock_form(session: Session, *, form_id: str, title: str, project_id: int = FIRST_PROJECT) -> StoredForm:
    """Return a form, made in a project when it is not there; until the commit nobody else publishes in it."""
    session.execute(insert_new(session, Form).values(form_id=form_id, title=title, project_id=project_id))
    return _form(session.scalars(select(Form).where(Form.form_id == form_id).with_for_update()).one())


def add_version(session: Session, new: NewVersion) -> None:
    """Store a new version of a form that is there."""
    members: dict[str, Any] = {name: getattr(new.stored, name) for name in StoredVersion.__dataclass_fields__}
    session.execute(update(Form).where(Form.form_id == new.stored.form_id).values(title=new.stored.title))
    session.add(FormVersion(**members, xform=new.xform, workbook=new.workbook, map_document=new.map_document))
    session.flush()


def remove_draft(session: Session, form_version_hash: bytes) -> None:
    """Forget a draft, which no tablet has seen; what else was published never goes."""
    is_it = (FormVersion.hash == form_version_hash) & (FormVersion.state == DRAFT)
    drafts = select(FormVersion.hash).where(is_it)
    session.execute(delete(FormMedium).where(FormMedium.form_version_hash.in_(drafts)))
    session.execute(delete(FormVersion).where(is_it))


def set_published(
    session: Session, form_version_hash: bytes, *, previous_hash: bytes | None, by: str, at: datetime, position: int
) -> None:
    """Publish a draft, at a position of the feed."""
    session.execute(
        update(FormVersion)
        .where(FormVersion.hash == form_version_hash)
        .values(
            state=PUBLISHED,
            previous_hash=previous_hash,
            published_by=by,
            published_at=at,
            published_position=position,
            feed_position=position,
        )
    )


def set_state(
    session: Session, form_version_hash: bytes, state: str, *, retired_at: datetime | None, position: int
) -> None:
    """Write a version's new state, which tablets hear of at a position of the feed."""
    session.execute(
        update(FormVersion)
        .where(FormVersion.hash == form_version_hash)
        .values(state=state, retired_at=retired_at, feed_position=position)
    )


def version(session: Session, *, form_id: str, version: str) -> StoredVersion | None:
    """Return one version by name."""
    found = _stored(session, _select().where(FormVersion.form_id == form_id, FormVersion.version == version))
    return found[0] if found else None


def published_hash(connection: Connection, form_id: str, version: str) -> bytes | None:
    """Return the hash of a version that was ever published, which never changes."""
    return connection.execute(_PUBLISHED_HASH, {"of_form": form_id, "named": version}).scalar()


def version_of_hash(session: Session, form_version_hash: bytes) -> StoredVersion | None:
    """Return one version by its hash."""
    found = _stored(session, _select().where(FormVersion.hash == form_version_hash))
    return found[0] if found else None


def versions(session: Session, form_id: str | None = None, scope: Scope = EVERYTHING) -> list[StoredVersion]:
    """Return versions of a scope, of one form or of all, in the order of publication; drafts come last."""
    query = _select().where(visible_versions(scope)).order_by(*_IN_ORDER)
    return _stored(session, query if form_id is None else query.where(FormVersion.form_id == form_id))


def chain(session: Session, form_id: str) -> list[VersionLink]:
    """Return every version of a form that was ever published, in the order of publication."""
    columns = [getattr(FormVersion, name) for name in VersionLink.__dataclass_fields__]
    query = select(*columns).where(FormVersion.form_id == form_id, FormVersion.state != DRAFT).order_by(*_IN_ORDER)
    return [VersionLink(**row) for row in session.execute(query).mappings()]


def versions_since(session: Session, position: int, *, project_id: int) -> list[StoredVersion]:
    """Return what a project's tablets may know and what changed at or after a position of the feed, in its order."""
    query = _select().where(FormVersion.feed_position >= position, FormVersion.state != DRAFT)
    query = query.where(visible_versions(Scope(projects=frozenset({project_id}))))
    return _stored(session, query.order_by(FormVersion.feed_position))


def xform(session: Session, form_version_hash: bytes) -> bytes | None:
    """Return the XForm of a version, byte for byte as it was published."""
    return session.scalar(select(FormVersion.xform).where(FormVersion.hash == form_version_hash))


def map_document(session: Session, form_version_hash: bytes) -> bytes | None:
    """Return the map that leads to a version from the one before it, None without one."""
    return session.scalar(select(FormVersion.map_document).where(FormVersion.hash == form_version_hash))


def workbook(session: Session, form_version_hash: bytes) -> Workbook | None:
    """Return the workbook of a version."""
    query = select(FormVersion.workbook_name, FormVersion.workbook).where(FormVersion.hash == form_version_hash)
    row = session.execute(query).first()
    return None if row is None or row.workbook is None else Workbook(row.workbook_name or "", row.workbook)


def _form(row: Form) -> StoredForm:
    return StoredForm(
        form_id=row.form_id, title=row.title, needs_approval=row.needs_approval, project_id=row.project_id
    )


def _select() -> Select[*tuple[object, ...]]:
    return select(*_COLUMNS)


def _stored(session: Session, query: Select[*tuple[object, ...]]) -> list[StoredVersion]:
    return [StoredVersion(**row) for row in session.execute(query).mappings()]
