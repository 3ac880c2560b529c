"""Media of interviews: which have come, which are missing, and how one is read.

What an instance names is `wanted`, what an attachment brought is `here`, in any order. An edit names media of the
revision that it edits, and Collect need not send them again: they are looked for at all ancestors. Two attachments of
one name stay both; which one counts is decided by the hash of what came, never by which came first.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy.orm import Session

from server.blobs import Blobs
from server.db.queries import attachments as queries
from server.db.queries import interviews
from server.db.queries.attachments import AttachmentRow, WantedRow
from server.keystore import KeyStore
from sync_protocol.documents import canonical_json
from sync_protocol.errors import EnvelopeError
from sync_protocol.media import open_medium, verify_medium
from sync_protocol.plaintext import Medium

ATTACHMENT_CONTEXT: Final = b"attachment:"
WANTED_CONTEXT: Final = b"wanted:"
Edges = Iterable[tuple[bytes, bytes]]
Tagged = tuple[bytes, bytes]
"""InstanceID and name tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMedium:
    """A medium that has come, with its name; `sealed` holds what opens it.

    Attributes:
        name: as the form names it.
        length_bytes: of what is stored, a little more than the medium itself.
        is_expected: the instance names it.
        has_rival: another medium of this name came with other content; the first in the list counts.
    """

    envelope_id: bytes
    instance_id: bytes
    name: str
    media_type: str
    length_bytes: int
    blob_sha256: bytes
    received_at: datetime
    is_expected: bool
    has_rival: bool
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A medium that an instance names."""

    name: str

    def seal(self, instance_id: bytes, keystore: KeyStore) -> WantedRow:
        """Return the row of it, which does not say yet whether the medium is here."""
        tag = keystore.medium_tag(instance_id, self.name)
        sealed = keystore.seal_projection(canonical_json({"name": self.name}), WANTED_CONTEXT + instance_id + tag)
        return WantedRow(instance_id=instance_id, name_tag=tag, is_here=False, sealed=sealed)

    @classmethod
    def open(cls, row: WantedRow, keystore: KeyStore) -> Self:
        """Open a row."""
        context = WANTED_CONTEXT + row.instance_id + row.name_tag
        return cls(**json.loads(keystore.open_projection(row.sealed, context)))


def attachment_row(
    envelope_id: bytes, instance_id: bytes, medium: Medium, *, received_at: datetime, keystore: KeyStore
) -> AttachmentRow:
    """Return the row of a medium that has come."""
    members = {"name": medium.name, "type": medium.type, "key": medium.key}
    return AttachmentRow(
        envelope_id=envelope_id,
        instance_id=instance_id,
        name_tag=keystore.medium_tag(instance_id, medium.name),
        blob_sha256=bytes.fromhex(medium.sha256),
        length_bytes=medium.length_bytes,
        received_at=received_at,
        sealed=keystore.seal_projection(canonical_json(members), ATTACHMENT_CONTEXT + envelope_id),
    )


def settle(session: Session, touched: Collection[bytes], *, keystore: KeyStore) -> None:
    """Write anew which media are here, of everything that is connected with these instances."""
    if not touched:
        return
    nodes, edges = interviews.connected(session, touched)
    wanted = queries.wanted_of(session, nodes)
    if not wanted:
        return
    places = places_of(wanted, queries.attachments_of(session, nodes), edges, keystore)
    was = {(row.instance_id, row.name_tag): row.is_here for row in wanted}
    changed = {key: place is not None for key, place in places.items() if (place is not None) != was[key]}
    queries.set_here(session, changed)


def places_of(
    wanted: Iterable[WantedRow], came: Iterable[AttachmentRow], edges: Edges, keystore: KeyStore
) -> Mapping[Tagged, Tagged | None]:
    """Return where each wanted medium is: at its instance, else at the nearest ancestor; None where it is missing."""
    here = {(row.instance_id, row.name_tag) for row in came}
    parents: dict[bytes, set[bytes]] = {}
    for child, parent in edges:
        parents.setdefault(child, set()).add(parent)
    found: dict[Tagged, Tagged | None] = {}
    for row in wanted:
        key = (row.instance_id, row.name_tag)
        if key in here or row.instance_id not in parents:
            found[key] = key if key in here else None
            continue
        name = Wanted.open(row, keystore).name
        tags = ((one, keystore.medium_tag(one, name)) for one in _ancestors(row.instance_id, parents))
        found[key] = next((tag for tag in tags if tag in here), None)
    return found


def _ancestors(instance_id: bytes, parents: Mapping[bytes, Collection[bytes]]) -> Iterator[bytes]:
    """Yield ancestors, the nearest first, by instanceID where several are as near; a cycle ends."""
    seen = {instance_id}
    generation = [instance_id]
    while generation:
        generation = sorted({up for node in generation for up in parents.get(node, ())} - seen)
        seen.update(generation)
        yield from generation


def media_of(session: Session, instance_id: bytes, *, keystore: KeyStore) -> tuple[StoredMedium, ...]:
    """Return the media of an instance, those included that it takes over from what it edits; by name.

    Of several under one name, the first counts.

    Raises:
        KeyStoreLocked: without the vault.
    """
    nodes, edges = interviews.connected(session, [instance_id])
    came = queries.attachments_of(session, nodes)
    places = places_of(queries.wanted_of(session, [instance_id]), came, edges, keystore)
    expected = {place for place in places.values() if place is not None}
    keys = expected | {(instance_id, row.name_tag) for row in came if row.instance_id == instance_id}
    by_key: dict[Tagged, list[AttachmentRow]] = {}
    for row in sorted(came, key=lambda row: row.blob_sha256):
        if (row.instance_id, row.name_tag) in keys:
            by_key.setdefault((row.instance_id, row.name_tag), []).append(row)
    media = [
        _stored(row, is_expected=key in expected, has_rival=len(rows) > 1, keystore=keystore)
        for key, rows in by_key.items()
        for row in rows
    ]
    return tuple(sorted(media, key=lambda medium: (medium.name, medium.blob_sha256)))


def missing_names(session: Session, instance_id: bytes, *, keystore: KeyStore) -> tuple[str, ...]:
    """Return the names of media that an instance gives and that have not come, sorted.

    Raises:
        KeyStoreLocked: without the vault.
    """
    rows = [row for row in queries.wanted_of(session, [instance_id]) if not row.is_here]
    return tuple(sorted(Wanted.open(row, keystore).name for row in rows))


def plain_chunks(medium: StoredMedium, *, keystore: KeyStore, blobs: Blobs) -> Iterator[bytes]:
    """Yield the content of a medium, after all of what is stored has been compared with its hash.

    Raises:
        EnvelopeError: ``medium-missing``, ``medium-altered``, ``undecryptable``.
        KeyStoreLocked: without the vault.
    """
    key = bytes.fromhex(_members(medium.sealed, medium.envelope_id, keystore)["key"])
    if not blobs.has(medium.blob_sha256):
        raise EnvelopeError("medium-missing", "the sealed medium is not in the blob store")
    verify_medium(blobs.chunks(medium.blob_sha256), medium.blob_sha256)
    yield from open_medium(blobs.chunks(medium.blob_sha256), key)


def _stored(row: AttachmentRow, *, is_expected: bool, has_rival: bool, keystore: KeyStore) -> StoredMedium:
    members = _members(row.sealed, row.envelope_id, keystore)
    return StoredMedium(
        envelope_id=row.envelope_id,
        instance_id=row.instance_id,
        name=members["name"],
        media_type=members["type"],
        length_bytes=row.length_bytes,
        blob_sha256=row.blob_sha256,
        received_at=row.received_at,
        is_expected=is_expected,
        has_rival=has_rival,
        sealed=row.sealed,
    )


def _members(sealed: bytes, envelope_id: bytes, keystore: KeyStore) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(keystore.open_projection(sealed, ATTACHMENT_CONTEXT + envelope_id))
    return members
