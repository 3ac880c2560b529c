"""SQL of forms and their versions."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from server.db.insert import insert_new
from server.db.tables import Form, FormVersion

PUBLISHED = "published"
WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A form version, without its bytes."""

    hash: bytes
    form_id: str
    version: str
    title: str
    md5: str
    state: str
    note: str
    published_at: datetime
    published_by: str
    workbook_name: str | None
    feed_position: int


@dataclass(frozen=True, slots=True)
class Workbook:
    """The file that a version was made from."""

    name: str
    content: bytes


_COLUMNS = (
    FormVersion.hash,
    FormVersion.form_id,
    FormVersion.version,
    FormVersion.title,
    FormVersion.md5,
    FormVersion.state,
    FormVersion.note,
    FormVersion.published_at,
    FormVersion.published_by,
    FormVersion.workbook_name,
    FormVersion.feed_position,
)


def add_version(session: Session, version: StoredVersion, *, xform: bytes, workbook: bytes | None) -> None:
    """Store a new version, and its form when it is the first."""
    session.execute(insert_new(session, Form).values(form_id=version.form_id, title=version.title))
    form = session.get_one(Form, version.form_id)
    form.title = version.title
    session.add(
        FormVersion(
            hash=version.hash,
            form_id=version.form_id,
            version=version.version,
            title=version.title,
            md5=version.md5,
            xform=xform,
            workbook=workbook,
            workbook_name=version.workbook_name,
            state=version.state,
            note=version.note,
            published_at=version.published_at,
            published_by=version.published_by,
            feed_position=version.feed_position,
        )
    )
    session.flush()


def version(session: Session, *, form_id: str, version: str) -> StoredVersion | None:
    """Return one version by name."""
    found = _stored(session, _select().where(FormVersion.form_id == form_id, FormVersion.version == version))
    return found[0] if found else None


def versions(session: Session, form_id: str | None = None) -> list[StoredVersion]:
    """Return all versions, of one form or of all, in the order of publication."""
    query = _select().order_by(FormVersion.feed_position)
    return _stored(session, query if form_id is None else query.where(FormVersion.form_id == form_id))


def versions_since(session: Session, position: int) -> list[StoredVersion]:
    """Return what changed at or after a position of the feed, in its order."""
    return _stored(session, _select().where(FormVersion.feed_position >= position).order_by(FormVersion.feed_position))


def xform(session: Session, form_version_hash: bytes) -> bytes | None:
    """Return the XForm of a version, byte for byte as it was published."""
    return session.scalar(select(FormVersion.xform).where(FormVersion.hash == form_version_hash))


def workbook(session: Session, form_version_hash: bytes) -> Workbook | None:
    """Return the workbook of a version."""
    query = select(FormVersion.workbook_name, FormVersion.workbook).where(FormVersion.hash == form_version_hash)
    row = session.execute(query).first()
    return None if row is None or row.workbook is None else Workbook(row.workbook_name or "", row.workbook)


def _select() -> Select[*tuple[object, ...]]:
    return select(*_COLUMNS)


def _stored(session: Session, query: Select[*tuple[object, ...]]) -> list[StoredVersion]:
    return [StoredVersion(**row) for row in session.execute(query).mappings()]
