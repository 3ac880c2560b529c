"""SQL of the files that belong to form versions; the same bytes are stored once."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, select, true
from sqlalchemy.orm import Session

from server.db.insert import insert_new
from server.db.queries.forms import DRAFT
from server.db.queries.scoped import visible_versions
from server.db.scope import Scope
from server.db.tables import FormMedium, FormMediumContent, FormVersion
from sync_protocol.documents import document_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMedium:
    """A file of a version, without its bytes."""

    name: str
    media_type: str
    sha256: bytes
    md5: str
    length_bytes: int


_COLUMNS = (
    FormMedium.name,
    FormMedium.media_type,
    FormMedium.sha256,
    FormMediumContent.md5,
    FormMediumContent.length_bytes,
)


def add(session: Session, form_version_hash: bytes, medium: StoredMedium, content: bytes) -> None:
    """Store a file of a version."""
    session.execute(
        insert_new(session, FormMediumContent).values(
            sha256=medium.sha256, md5=medium.md5, length_bytes=medium.length_bytes, content=content
        )
    )
    session.add(
        FormMedium(
            form_version_hash=form_version_hash,
            name=medium.name,
            media_type=medium.media_type,
            sha256=medium.sha256,
        )
    )
    session.flush()


def remove_unused(session: Session) -> None:
    """Forget the bytes that no version names: those of drafts that were submitted anew."""
    named = select(FormMedium.sha256).union_all(
        select(FormVersion.dictionary_hash).where(FormVersion.dictionary_hash.is_not(None))
    )
    session.execute(delete(FormMediumContent).where(FormMediumContent.sha256.not_in(named)))


def add_dictionary(session: Session, dictionary: bytes) -> None:
    """Store the bytes of a dictionary, which are no file of any name: only the version that names them has them."""
    md5 = hashlib.md5(dictionary, usedforsecurity=False).hexdigest()
    session.execute(
        insert_new(session, FormMediumContent).values(
            sha256=document_hash(dictionary), md5=md5, length_bytes=len(dictionary), content=dictionary
        )
    )


def dictionaries(session: Session, hashes: Iterable[bytes]) -> Mapping[bytes, bytes]:
    """Return the dictionaries of published versions, withdrawn ones too, by their hash."""
    wanted = sorted(set(hashes))
    if not wanted:
        return {}
    query = select(FormMediumContent.sha256, FormMediumContent.content).where(
        FormMediumContent.sha256.in_(wanted), _is_dictionary()
    )
    return {digest: found for digest, found in session.execute(query)}


def has_dictionary(session: Session, sha256: bytes) -> bool:
    """Say whether a dictionary is here."""
    query = select(FormMediumContent.length_bytes).where(FormMediumContent.sha256 == sha256, _is_dictionary())
    return session.scalar(query) is not None


def dictionary_length(session: Session, sha256: bytes) -> int | None:
    """Return the length of a dictionary in bytes, None when it is not here."""
    return session.scalar(select(FormMediumContent.length_bytes).where(FormMediumContent.sha256 == sha256))


def media(session: Session, form_version_hash: bytes) -> list[StoredMedium]:
    """Return the files of a version, by name."""
    query = select(*_COLUMNS).join(FormMediumContent, FormMediumContent.sha256 == FormMedium.sha256)
    query = query.where(FormMedium.form_version_hash == form_version_hash)
    # Names are put in order here: databases differ in theirs.
    found = [StoredMedium(**row) for row in session.execute(query).mappings()]
    return sorted(found, key=lambda medium: medium.name)


def absent(session: Session, form_version_hash: bytes) -> frozenset[str]:
    """Return the names of a version's files whose bytes are not there, or not all of them."""
    is_whole = func.length(FormMediumContent.content) == FormMediumContent.length_bytes
    query = select(FormMedium.name).outerjoin(FormMediumContent, FormMediumContent.sha256 == FormMedium.sha256)
    query = query.where(FormMedium.form_version_hash == form_version_hash, is_whole.is_not(true()))
    return frozenset(session.scalars(query))


def versions_with_media(session: Session) -> frozenset[bytes]:
    """Return the hashes of the versions that have files."""
    return frozenset(session.scalars(select(FormMedium.form_version_hash).distinct()))


def content(session: Session, form_version_hash: bytes, name: str) -> bytes | None:
    """Return the bytes of a file of a version."""
    query = select(FormMediumContent.content).join(FormMedium, FormMedium.sha256 == FormMediumContent.sha256)
    return session.scalar(query.where(FormMedium.form_version_hash == form_version_hash, FormMedium.name == name))


def content_for_devices(session: Session, sha256: bytes, *, project_id: int) -> bytes | None:
    """Return the bytes with this hash if they belong to a version that tablets of a project may know."""
    is_known = (FormVersion.state != DRAFT) & visible_versions(Scope(projects=frozenset({project_id})))
    is_file = (
        select(FormMedium.sha256)
        .join(FormVersion, FormVersion.hash == FormMedium.form_version_hash)
        .where(FormMedium.sha256 == sha256, is_known)
        .exists()
    )
    is_dictionary = select(FormVersion.hash).where(FormVersion.dictionary_hash == sha256, is_known).exists()
    query = select(FormMediumContent.content).where(FormMediumContent.sha256 == sha256)
    return session.scalar(query.where(is_file | is_dictionary))


def contents(
    session: Session, form_version_hashes: Iterable[bytes], suffixes: Sequence[str]
) -> Mapping[bytes, Mapping[str, bytes]]:
    """Return the bytes of files with one of these endings, by version and name."""
    query = (
        select(FormMedium.form_version_hash, FormMedium.name, FormMediumContent.content)
        .join(FormMediumContent, FormMediumContent.sha256 == FormMedium.sha256)
        .where(FormMedium.form_version_hash.in_(sorted(set(form_version_hashes))))
    )
    found: dict[bytes, dict[str, bytes]] = {}
    for digest, name, read in session.execute(query):
        if name.lower().endswith(tuple(suffixes)):
            found.setdefault(digest, {})[name] = read
    return found


def _is_dictionary() -> ColumnElement[bool]:
    is_named = FormVersion.dictionary_hash == FormMediumContent.sha256
    return select(FormVersion.hash).where(is_named, FormVersion.state != DRAFT).exists()
