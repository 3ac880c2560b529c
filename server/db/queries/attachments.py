"""SQL of media: what has come, what interviews name, and which of the two is missing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, bindparam, exists, select, true, update
from sqlalchemy.orm import Session

from server.db.insert import insert_new, upsert
from server.db.queries.scoped import visible_envelopes
from server.db.scope import EVERYTHING, Scope
from server.db.tables import Attachment, Envelope, ManifestMedium, Upload, WantedMedium

T = TypeVar("T")
CHUNK: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRow:
    """A medium that has come."""

    envelope_id: bytes
    instance_id: bytes
    name_tag: bytes
    blob_sha256: bytes
    length_bytes: int
    received_at: datetime
    sealed: bytes
    is_beside_ciphertext: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRow:
    """A medium that an instance names."""

    instance_id: bytes
    name_tag: bytes
    is_here: bool
    sealed: bytes


_ATTACHMENT: Final = tuple(getattr(Attachment, name) for name in AttachmentRow.__slots__)
_MANIFEST: Final = tuple(
    getattr(ManifestMedium, name) for name in AttachmentRow.__slots__ if name != "is_beside_ciphertext"
)
_WANTED: Final = tuple(getattr(WantedMedium, name) for name in WantedRow.__slots__)


def add_attachments(session: Session, rows: Sequence[AttachmentRow]) -> None:
    """Add media that have come, each once."""
    if rows:
        session.connection().execute(insert_new(session, Attachment), [asdict(row) for row in rows])


def add_manifest_media(session: Session, rows: Sequence[AttachmentRow]) -> None:
    """Add media that the manifests of interviews name, each once; whether they have come is their uploads' to say."""
    if rows:
        members = [
            {name: value for name, value in asdict(row).items() if name != "is_beside_ciphertext"} for row in rows
        ]
        session.connection().execute(insert_new(session, ManifestMedium), members)


def put_wanted(session: Session, rows: Sequence[WantedRow]) -> None:
    """Write what instances name, new or known; whether it is here stays as it is."""
    if rows:
        statement = upsert(session, WantedMedium)
        statement = statement.on_conflict_do_update(
            index_elements=["instance_id", "name_tag"], set_={"sealed": statement.excluded.sealed}
        )
        session.connection().execute(statement, [asdict(row) for row in rows])


def has(session: Session, instance_id: bytes, name_tag: bytes) -> bool:
    """Say whether a medium of this name has come to an instance."""
    is_here = exists().where(Attachment.instance_id == instance_id, Attachment.name_tag == name_tag)
    return bool(session.scalar(select(is_here)))


def attachments_of(
    session: Session, instance_ids: Iterable[bytes], scope: Scope = EVERYTHING
) -> tuple[AttachmentRow, ...]:
    """Return the media that have come to these instances, of those that an account sees.

    Those of a manifest are here when their upload is settled; two copies of one revision name the same ones, once.
    """
    found: list[AttachmentRow] = []
    for chunk in _chunks(sorted(set(instance_ids))):
        rows = session.execute(select(*_ATTACHMENT).where(Attachment.instance_id.in_(chunk), _is_seen(scope)))
        found += [AttachmentRow(**row._mapping) for row in rows]  # noqa: SLF001 -- a public thing of SQLAlchemy
        found += _of_manifests(session, chunk, scope)
    return tuple(found)


def _of_manifests(session: Session, instance_ids: Sequence[bytes], scope: Scope) -> Iterator[AttachmentRow]:
    query = (
        select(*_MANIFEST)
        .join(Upload, Upload.sha256 == ManifestMedium.blob_sha256)
        .where(ManifestMedium.instance_id.in_(instance_ids), Upload.is_settled, _is_seen(scope, ManifestMedium))
        .order_by(ManifestMedium.envelope_id)
    )
    seen: set[tuple[bytes, bytes, bytes]] = set()
    for row in session.execute(query):
        one = AttachmentRow(**row._mapping)  # noqa: SLF001
        key = (one.instance_id, one.name_tag, one.blob_sha256)
        if key not in seen:
            seen.add(key)
            yield one


def naming(session: Session, digests: Iterable[bytes]) -> frozenset[bytes]:
    """Return the instances whose manifests name these media."""
    found: set[bytes] = set()
    for chunk in _chunks(sorted(set(digests))):
        found.update(session.scalars(select(ManifestMedium.instance_id).where(ManifestMedium.blob_sha256.in_(chunk))))
    return frozenset(found)


def wanted_of(session: Session, instance_ids: Iterable[bytes]) -> tuple[WantedRow, ...]:
    """Return the media that these instances name."""
    found: list[WantedRow] = []
    for chunk in _chunks(sorted(set(instance_ids))):
        rows = session.execute(select(*_WANTED).where(WantedMedium.instance_id.in_(chunk)))
        found += [WantedRow(**row._mapping) for row in rows]  # noqa: SLF001
    return tuple(found)


def every_attachment(session: Session) -> tuple[AttachmentRow, ...]:
    """Return all media that have come."""
    return tuple(AttachmentRow(**row._mapping) for row in session.execute(select(*_ATTACHMENT)))  # noqa: SLF001


def every_manifest_medium(session: Session) -> tuple[AttachmentRow, ...]:
    """Return all media that manifests name, come or not."""
    return tuple(AttachmentRow(**row._mapping) for row in session.execute(select(*_MANIFEST)))  # noqa: SLF001


def every_wanted(session: Session) -> tuple[WantedRow, ...]:
    """Return all media that instances name."""
    return tuple(WantedRow(**row._mapping) for row in session.execute(select(*_WANTED)))  # noqa: SLF001


def set_here(session: Session, is_here: Mapping[tuple[bytes, bytes], bool]) -> None:
    """Write whether media have come, by instanceID and name tag."""
    if is_here:
        statement = (
            update(WantedMedium)
            .where(WantedMedium.instance_id == bindparam("of"), WantedMedium.name_tag == bindparam("named"))
            .values(is_here=bindparam("here"))
        )
        session.connection().execute(
            statement, [{"of": key[0], "named": key[1], "here": here} for key, here in sorted(is_here.items())]
        )


def set_beside_ciphertext(session: Session, envelope_ids: Iterable[bytes], *, is_beside: bool) -> None:
    """Write of media whether they came in clear to an instance whose files are all encrypted."""
    for chunk in _chunks(sorted(set(envelope_ids))):
        session.execute(
            update(Attachment).where(Attachment.envelope_id.in_(chunk)).values(is_beside_ciphertext=is_beside)
        )


def beside_ciphertext(session: Session, scope: Scope = EVERYTHING) -> tuple[AttachmentRow, ...]:
    """Return media that came in clear to an instance whose files are all encrypted, the oldest first."""
    query = select(*_ATTACHMENT).where(Attachment.is_beside_ciphertext, _is_seen(scope))
    rows = session.execute(query.order_by(Attachment.received_at, Attachment.envelope_id))
    return tuple(AttachmentRow(**row._mapping) for row in rows)  # noqa: SLF001


def _is_seen(scope: Scope, table: type[Attachment] | type[ManifestMedium] = Attachment) -> ColumnElement[bool]:
    """Say of a medium whether an account sees the envelope that brought it, or that names it."""
    if scope == EVERYTHING:
        return true()
    return table.envelope_id.in_(select(Envelope.envelope_id).where(visible_envelopes(scope)))


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
