"""What tablets get of entity lists: those that a form uses as files with their hashes, and what became of entities."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from forms.entities import entity_id_bytes
from server.db.queries import entities, entity_lists
from server.db.queries.devices import StoredAppUser
from server.db.queries.entities import DELETED
from server.db.queries.entity_lists import StoredList
from server.errors import NotFound
from server.export.entity_csv import entity_csv, md5_of
from server.folding.entity_files import open_file
from server.folding.entity_versions import tag_of
from server.keystore import KeyStore


@dataclass(frozen=True, slots=True)
class OfferedList:
    """A list as the manifest of a form shows it; the hash is of the file that this tablet gets."""

    name: str
    md5: str
    needs_approval: bool


@dataclass(frozen=True, slots=True)
class TabletFile:
    """The file of a list that one tablet gets: all of it, or the part that is assigned to it."""

    of: StoredList
    tag: bytes
    md5: str


def offered_lists(
    session: Session, form_version_hash: bytes, *, tablet: StoredAppUser, keystore: KeyStore
) -> tuple[OfferedList, ...]:
    """Return the lists that a form version uses; also with a locked key store."""
    return tuple(
        OfferedList(found.name, _md5(session, found, _tag(found, tablet, keystore)), found.needs_approval)
        for found in entity_lists.lists_of_version(session, form_version_hash)
    )


def find_list(
    session: Session, form_version_hash: bytes, name: str, *, tablet: StoredAppUser, keystore: KeyStore
) -> TabletFile:
    """Return which file a tablet gets of a list, and its hash; also with a locked key store.

    Raises:
        NotFound: the form version uses no list of this name.
    """
    found = _used(session, form_version_hash, name)
    tag = _tag(found, tablet, keystore)
    return TabletFile(found, tag, _md5(session, found, tag))


def read_list(session: Session, file: TabletFile, *, keystore: KeyStore) -> bytes:
    """Return a list as a CSV file, or the part of it that is assigned to a tablet.

    Raises:
        KeyStoreLocked: without the vault.
    """
    sealed = entity_lists.sealed_snapshot(session, file.of.list_id, file.tag)
    if sealed is None:
        return entity_csv(file.of.properties, ())
    return open_file(sealed, file.of.list_id, file.tag, keystore)


def deleted_states(
    session: Session, form_version_hash: bytes, name: str, asked: Iterable[str]
) -> Sequence[tuple[str, bool]]:
    """Return of each entity that a tablet has made offline whether the office has deleted it since.

    One that is not known here is not deleted: it was not sent yet, or waits. Collect would forget it otherwise.

    Raises:
        NotFound: the form version uses no list of this name.
    """
    list_id = _used(session, form_version_hash, name).list_id
    ids = {text: found for text in asked if (found := entity_id_bytes(text)) is not None}
    known = entities.entities_by_key(session, ((list_id, entity_id) for entity_id in ids.values()))
    gone = {entity_id for (_, entity_id), entity in known.items() if entity.state == DELETED}
    return [(str(uuid.UUID(bytes=entity_id)), entity_id in gone) for entity_id in dict.fromkeys(ids.values())]


def _used(session: Session, form_version_hash: bytes, name: str) -> StoredList:
    for found in entity_lists.lists_of_version(session, form_version_hash):
        if found.name == name:
            return found
    raise NotFound("the form uses no entity list of this name")


def _tag(found: StoredList, tablet: StoredAppUser, keystore: KeyStore) -> bytes:
    return tag_of(found, enumerator=tablet.enumerator, team=tablet.team, keystore=keystore)


def _md5(session: Session, found: StoredList, tag: bytes) -> str:
    snapshot = entity_lists.snapshot(session, found.list_id, tag)
    return md5_of(entity_csv(found.properties, ())) if snapshot is None else snapshot.md5
