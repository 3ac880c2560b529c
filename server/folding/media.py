"""Media of interviews: which have come, which are missing, and how one is read.

What an instance names is `wanted`, what an attachment brought is `here`, in any order. An edit names media of the
revision that it edits, and Collect need not send them again: they are looked for at all ancestors. Two attachments of
one name stay both; which one counts is decided by the hash of what came, never by which came first.
"""

import hashlib
import json
import mimetypes
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy.orm import Session

from server.blobs import Blobs
from server.db.queries import attachments as queries
from server.db.queries import checks, interviews, uploads
from server.db.queries.attachments import AttachmentRow, WantedRow
from server.db.scope import EVERYTHING, Scope
from server.keystore import KeyStore, odk
from server.keystore.odk import FileKey
from sync_protocol.documents import canonical_json
from sync_protocol.errors import EnvelopeError
from sync_protocol.media import open_medium, verify_medium
from sync_protocol.plaintext import Medium

ATTACHMENT_CONTEXT: Final = b"attachment:"
WANTED_CONTEXT: Final = b"wanted:"
HEXADECIMAL: Final = re.compile("[0-9a-f]{64}")
ENCRYPTED_SUFFIX: Final = ".enc"
ENCRYPTED_XML: Final = "submission.xml.enc"
"""What Collect names the encrypted XML of every submission."""
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
    opens: tuple[WantedRow, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A medium that an instance names; `opens` holds key and vector of each way in which ODK Collect encrypted it."""

    name: str
    opens: tuple[tuple[str, str], ...] = ()

    @property
    def plain_name(self) -> str:
        """The name as the form has it."""
        return self.name.removesuffix(ENCRYPTED_SUFFIX) if self.opens else self.name

    def merged(self, other: "Wanted") -> "Wanted":
        """Return what both say of the same file."""
        return Wanted(self.name, tuple(sorted({*self.opens, *other.opens})))

    def seal(self, instance_id: bytes, keystore: KeyStore) -> WantedRow:
        """Return the row of it, which does not say yet whether the medium is here."""
        tag = keystore.medium_tag(instance_id, self.name)
        members = canonical_json({"name": self.name, "opens": self.opens})
        sealed = keystore.seal_projection(members, WANTED_CONTEXT + instance_id + tag)
        return WantedRow(instance_id=instance_id, name_tag=tag, is_here=False, sealed=sealed)

    @classmethod
    def open(cls, row: WantedRow, keystore: KeyStore) -> Self:
        """Open a row."""
        context = WANTED_CONTEXT + row.instance_id + row.name_tag
        members = json.loads(keystore.open_projection(row.sealed, context))
        return cls(members["name"], tuple((key, iv) for key, iv in members["opens"]))


def wanted_names(names: Iterable[str], encrypted: Iterable[Wanted] = ()) -> tuple[Wanted, ...]:
    """Return the media that an instance names; of an encrypted one all its files, and those that it should have had."""
    files = {one.name: one for one in encrypted}
    if not files:
        return tuple(map(Wanted, names))
    return (*files.values(), *(Wanted(name) for name in map(_encrypted_name, names) if name not in files))


def _encrypted_name(name: str) -> str:
    return name + ENCRYPTED_SUFFIX


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


def attachment_members(row: AttachmentRow, keystore: KeyStore) -> list[object]:
    """Return what a row says, but when it came."""
    members = _members(row.sealed, row.envelope_id, keystore)
    opened = [members[name] for name in ("name", "type", "key")]
    return [
        row.instance_id.hex(),
        row.envelope_id.hex(),
        row.blob_sha256.hex(),
        row.length_bytes,
        row.is_beside_ciphertext,
        *opened,
    ]


def put_manifest_media(
    session: Session, named: Iterable[tuple[bytes, bytes, Medium, datetime]], *, keystore: KeyStore
) -> None:
    """Store which media manifests name: envelope, instance, medium, and when the interview came."""
    rows = [
        attachment_row(envelope_id, instance_id, medium, received_at=received_at, keystore=keystore)
        for envelope_id, instance_id, medium, received_at in named
    ]
    queries.add_manifest_media(session, rows)


def settle_uploads(session: Session, digests: Collection[bytes], *, keystore: KeyStore) -> None:
    """Let media be here that devices have sent completely, whether or not their interviews have come.

    The session holds the fold lock: an interview that is folded at the same time sees them, or is seen here.
    """
    uploads.set_settled(session, digests)
    settle(session, queries.naming(session, digests), keystore=keystore)


def nameable(media: Iterable[Medium]) -> tuple[Medium, ...]:
    """Return the media of a manifest that can ever come, of one name and content the first: hash and key are hashes."""
    found: dict[str, Medium] = {}
    for medium in media:
        if HEXADECIMAL.fullmatch(medium.sha256) and HEXADECIMAL.fullmatch(medium.key):
            found.setdefault(medium.name, medium)
    return tuple(found.values())


def put_wanted(session: Session, wanted: Iterable[tuple[bytes, Wanted]], *, keystore: KeyStore) -> None:
    """Store what instances name; of a file that was encrypted in several ways, all are kept."""
    merged: dict[tuple[bytes, str], Wanted] = {}
    for instance_id, one in wanted:
        known = merged.get((instance_id, one.name))
        merged[instance_id, one.name] = one if known is None else known.merged(one)
    encrypted = {instance_id for (instance_id, _), one in merged.items() if one.opens}
    for row in queries.wanted_of(session, encrypted):
        stored = Wanted.open(row, keystore)
        if (row.instance_id, stored.name) in merged:
            merged[row.instance_id, stored.name] = merged[row.instance_id, stored.name].merged(stored)
    queries.put_wanted(session, [one.seal(instance_id, keystore) for (instance_id, _), one in merged.items()])


def settle(session: Session, touched: Collection[bytes], *, keystore: KeyStore) -> None:
    """Write anew which media are here, of everything that is connected with these instances."""
    if not touched:
        return
    nodes, edges = interviews.connected(session, touched)
    wanted = queries.wanted_of(session, nodes)
    if not wanted:
        return
    came = queries.attachments_of(session, nodes)
    was_beside = {row.envelope_id for row in came if row.is_beside_ciphertext}
    beside = beside_ciphertext(wanted, came, keystore)
    queries.set_beside_ciphertext(session, beside - was_beside, is_beside=True)
    queries.set_beside_ciphertext(session, was_beside - beside, is_beside=False)
    checks.forget(session, _encrypted(wanted, keystore))  # which look at all that was signed together
    places = places_of(wanted, came, edges, keystore)
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


def beside_ciphertext(
    wanted: Iterable[WantedRow], came: Iterable[AttachmentRow], keystore: KeyStore
) -> frozenset[bytes]:
    """Return the envelopes of media that came to an encrypted instance without being among its encrypted files.

    Collect sends them in clear beside the others when it was killed between encrypting and deleting. They stay sealed
    here, and are never taken for the media of the interview.
    """
    encrypted = _encrypted(wanted, keystore)
    if not encrypted:
        return frozenset()
    named = {(row.instance_id, row.name_tag) for row in wanted}
    return frozenset(
        row.envelope_id for row in came if row.instance_id in encrypted and (row.instance_id, row.name_tag) not in named
    )


def _encrypted(wanted: Iterable[WantedRow], keystore: KeyStore) -> frozenset[bytes]:
    """Return the instances whose files ODK Collect has encrypted: they name their XML among them."""
    named = {(row.instance_id, row.name_tag) for row in wanted}
    instances = {instance_id for instance_id, _ in named}
    return frozenset(one for one in instances if (one, keystore.medium_tag(one, ENCRYPTED_XML)) in named)


def media_of(
    session: Session, instance_id: bytes, *, keystore: KeyStore, scope: Scope = EVERYTHING
) -> tuple[StoredMedium, ...]:
    """Return the media of an instance that an account sees, those included that it takes over from what it edits.

    They are sorted by name; of several under one name, the first counts. What came in clear beside encrypted files is
    not among them.

    Raises:
        KeyStoreLocked: without the vault.
    """
    nodes, edges = interviews.connected(session, [instance_id])
    came = [row for row in queries.attachments_of(session, nodes, scope) if not row.is_beside_ciphertext]
    wanted = queries.wanted_of(session, [instance_id])
    named = {
        place: row
        for row in wanted
        for place in (places_of([row], came, edges, keystore)[row.instance_id, row.name_tag],)
        if place is not None
    }
    by_key: dict[Tagged, list[AttachmentRow]] = {}
    for row in sorted(came, key=lambda row: row.blob_sha256):
        key = (row.instance_id, row.name_tag)
        if key in named or row.instance_id == instance_id:
            by_key.setdefault(key, []).append(row)
    media = [
        _stored(row, named.get(key), has_rival=len(rows) > 1, keystore=keystore)
        for key, rows in by_key.items()
        for row in rows
    ]
    answers = ENCRYPTED_XML.removesuffix(ENCRYPTED_SUFFIX)
    kept = (one for one in media if not (one.opens and one.name == answers))
    return tuple(sorted(kept, key=lambda medium: (medium.name, medium.blob_sha256)))


def sealed_media(session: Session, instance_id: bytes, *, keystore: KeyStore) -> tuple[Medium, ...]:
    """Return the media of an instance with what opens them, but those that ODK Collect has encrypted.

    Raises:
        KeyStoreLocked: without the vault.
    """
    found: dict[str, Medium] = {}
    for one in media_of(session, instance_id, keystore=keystore):
        if not one.opens:
            key = str(_members(one.sealed, one.envelope_id, keystore)["key"])
            medium = Medium(
                name=one.name,
                type=one.media_type,
                length_bytes=one.length_bytes,
                sha256=one.blob_sha256.hex(),
                key=key,
            )
            found.setdefault(one.name, medium)
    return tuple(found.values())


def missing_names(session: Session, instance_id: bytes, *, keystore: KeyStore) -> tuple[str, ...]:
    """Return the names of media that an instance gives and that have not come, sorted.

    Raises:
        KeyStoreLocked: without the vault.
    """
    rows = [row for row in queries.wanted_of(session, [instance_id]) if not row.is_here]
    return tuple(sorted(Wanted.open(row, keystore).plain_name for row in rows))


def plain_chunks(medium: StoredMedium, *, keystore: KeyStore, blobs: Blobs) -> Iterator[bytes]:
    """Yield the content of a medium, after all of what is stored has been compared with its hash.

    Raises:
        EnvelopeError: ``medium-missing``, ``medium-altered``, ``undecryptable``, ``odk-undecryptable``.
        KeyStoreLocked: without the vault.
    """

    def sealed() -> Iterator[bytes]:
        return sealed_chunks(medium.envelope_id, medium.blob_sha256, medium.sealed, keystore=keystore, blobs=blobs)

    ways = [FileKey(key, iv) for row in medium.opens for key, iv in Wanted.open(row, keystore).opens]
    if not ways:
        yield from sealed()
        return
    for way in ways[:-1]:  # Collect encrypted it anew after it was killed: the way that ends well is the right one
        if _ends_well(odk.plain_chunks(sealed(), way)):
            yield from odk.plain_chunks(sealed(), way)
            return
    yield from odk.plain_chunks(sealed(), ways[-1])


def sealed_chunks(
    envelope_id: bytes, blob_sha256: bytes, sealed: bytes, *, keystore: KeyStore, blobs: Blobs
) -> Iterator[bytes]:
    """Yield what came of a file, as it came; nothing before the whole blob has been compared with its hash.

    Raises:
        EnvelopeError: ``medium-missing``, ``medium-altered``, ``undecryptable``.
        KeyStoreLocked: without the vault.
    """
    key = bytes.fromhex(_members(sealed, envelope_id, keystore)["key"])
    if not blobs.has(blob_sha256):
        raise EnvelopeError("medium-missing", "the sealed medium is not in the blob store")
    verify_medium(blobs.chunks(blob_sha256), blob_sha256)
    yield from open_medium(blobs.chunks(blob_sha256), key)


def md5_of(chunks: Iterable[bytes]) -> str:
    """Return the MD5 of a file, hexadecimal: what ODK signs."""
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _ends_well(chunks: Iterable[bytes]) -> bool:
    try:
        for _ in chunks:
            pass
    except EnvelopeError:
        return False
    return True


def _stored(row: AttachmentRow, wanted: WantedRow | None, *, has_rival: bool, keystore: KeyStore) -> StoredMedium:
    members = _members(row.sealed, row.envelope_id, keystore)
    name, media_type = members["name"], members["type"]
    opens: tuple[WantedRow, ...] = ()
    if wanted is not None and (named := Wanted.open(wanted, keystore)).opens:
        name, opens = named.plain_name, (wanted,)
        media_type = mimetypes.guess_type(name)[0] or media_type
    return StoredMedium(
        envelope_id=row.envelope_id,
        instance_id=row.instance_id,
        name=name,
        media_type=media_type,
        length_bytes=row.length_bytes,
        blob_sha256=row.blob_sha256,
        received_at=row.received_at,
        is_expected=wanted is not None,
        has_rival=has_rival,
        sealed=row.sealed,
        opens=opens,
    )


def _members(sealed: bytes, envelope_id: bytes, keystore: KeyStore) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(keystore.open_projection(sealed, ATTACHMENT_CONTEXT + envelope_id))
    return members
