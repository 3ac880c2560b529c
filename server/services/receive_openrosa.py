"""Receive a submission from ODK Collect: read, sealed by the door, stored once, never left failed on a tablet.

Whatever it is, it is kept: an unknown form, no instanceID, a revoked app user, an instance that nobody can read. The
reason goes with it and the tablet is told that all is well. Media of any POST become envelopes of their own; their
ciphertext is on disk before the one transaction that names it. Repeats are found by their tags: nothing needs to be
asked before, for a tag is stored once, whoever comes first.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from forms.instance import Instance, InstanceError, canonical_leaves, instance_id_bytes, parse_instance
from server.blobs import Blobs, Incoming
from server.db.engine import Database
from server.db.queries import audit, devices, envelopes, erasures
from server.db.queries.devices import StoredAppUser
from server.db.queries.envelopes import NewEnvelope
from server.db.queries.opening import AFTER_REVOCATION
from server.db.tables.envelopes import ERASED, QUARANTINED, RECEIVED
from server.errors import StorageFull, TooLarge
from server.keystore import DOOR_ID, DoorSealer, KeyStore, SealedEnvelope, SealedSubmission, Submission
from sync_protocol.constants import Kind
from sync_protocol.documents import canonical_json
from sync_protocol.envelope import NO_HASH
from sync_protocol.errors import LocalError
from sync_protocol.plaintext import Medium

NO_INSTANCE_ID: Final = "no-instance-id"
UNREADABLE: Final = "unreadable-instance"
FORM_CHARACTERS: Final = 420
TOMBSTONE: Final = b"passerelle/1 door tombstone\x00"
SENT_AGAIN: Final = "let-in-sent-again"
"""Of the audit: what a revoked app user had sent came from another who is not."""


@dataclass(frozen=True, slots=True)
class ArrivedFile:
    """A file that was sealed as it came; its blob waits to be kept."""

    medium: Medium
    plain_sha256: bytes
    blob: Incoming


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one POST brought."""

    xml: bytes
    files: tuple[ArrivedFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """What an instance says of itself, or what is said of one that nobody can read."""

    tag: bytes
    instance_id: bytes
    parents: tuple[bytes, ...] = ()
    form_version_hash: bytes = NO_HASH
    form_named: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    """What of a POST is new: the instance, unless it is stored already, and files by their tags."""

    named: _Named
    xml: bytes | None
    files: Mapping[bytes, ArrivedFile]
    app_user: StoredAppUser
    now: datetime

    def submission(self) -> Submission:
        """Return what is to be sealed."""
        return Submission(
            instance_xml=self.xml,
            media=tuple(file.medium for file in self.files.values()),
            instance_id=self.named.instance_id,
            parents=self.named.parents,
            form_version_hash=self.named.form_version_hash,
            mode=self.app_user.mode,
            app_user=self.app_user.name,
        )

    def rows(self, sealed: SealedSubmission, certificate_hash: bytes) -> list[NewEnvelope]:
        """Return the rows to store, in the one order that all submissions have."""
        epochs = [_row(Kind.EPOCH, epoch, certificate_hash, None) for epoch in sealed.epochs]
        is_revoked = self.app_user.revoked_at is not None
        interviews = [
            self._of_instance(
                Kind.INTERVIEW,
                one,
                certificate_hash,
                reason=AFTER_REVOCATION if is_revoked else self.named.reason,
                door_tag=self.named.tag,
                form_named=self.named.form_named,
            )
            for one in (sealed.interview,)
            if one is not None
        ]
        attachments = [
            self._of_instance(
                Kind.ATTACHMENT,
                one,
                certificate_hash,
                reason=AFTER_REVOCATION if is_revoked else None,
                door_tag=tag,
                blob_sha256=bytes.fromhex(file.medium.sha256),
            )
            for one, (tag, file) in zip(sealed.attachments, self.files.items(), strict=True)
        ]
        return epochs + interviews + attachments

    def _of_instance(
        self, kind: Kind, sealed: SealedEnvelope, certificate_hash: bytes, *, reason: str | None, **members: Any
    ) -> NewEnvelope:
        return replace(
            _row(kind, sealed, certificate_hash, self.named.form_version_hash),
            instance_id=self.named.instance_id,
            state=RECEIVED if reason is None else QUARANTINED,
            reason=reason,
            app_user_id=self.app_user.app_user_id,
            **members,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRosaIntake:
    """What receiving needs; `form_version_hash` finds a published version by form_id and version."""

    database: Database
    keystore: KeyStore
    door: DoorSealer
    blobs: Blobs
    form_version_hash: Callable[[str, str], bytes | None]

    def receive(self, arrival: Arrival, *, app_user: StoredAppUser, now: datetime) -> int:
        """Store what is new of a POST; return how many files of its instance are here, once all of it is on disk.

        Raises:
            TooLarge: when the instance does not fit into an envelope.
            StorageFull, Maintenance: when nothing could be stored.
        """
        named = self._name(arrival.xml)
        if self._is_erased(named):
            self._keep_tombstone(named, app_user=app_user, now=now)
            return len(arrival.files)
        files = {self._medium_tag(named.instance_id, file): file for file in arrival.files}
        tags = frozenset((named.tag, *files))
        known = self._known(tags) if files else {}
        delivery = _Delivery(
            named=named,
            xml=None if named.tag in known else arrival.xml,
            files={tag: files[tag] for tag in sorted(files.keys() - known)},
            app_user=app_user,
            now=now,
        )
        new = self._deliver(delivery) if delivery.xml is not None or delivery.files else frozenset()
        if app_user.revoked_at is None:
            known |= self._known(tags - known.keys() - new)
            self._let_in([tag for tag, is_set_aside in known.items() if is_set_aside], app_user=app_user, now=now)
        if not files:
            return 0
        return self.database.glance(lambda bare: envelopes.count_media(bare, named.instance_id))

    def _name(self, xml: bytes) -> _Named:
        try:
            instance = parse_instance(xml)
            tag = self.keystore.door_tag(_identity(instance))
        except InstanceError:
            tag = self.keystore.door_tag(canonical_json([UNREADABLE, hashlib.sha256(xml).hexdigest()]))
            return _Named(tag=tag, instance_id=_made_id(tag), reason=UNREADABLE)
        version = self.form_version_hash(instance.form_id, instance.version)
        return _Named(
            tag=tag,
            instance_id=instance_id_bytes(instance.instance_id) if instance.instance_id else _made_id(tag),
            parents=(instance_id_bytes(instance.deprecated_id),) if instance.deprecated_id else (),
            form_version_hash=version or NO_HASH,
            form_named=None if version else f"{instance.form_id} {instance.version}"[:FORM_CHARACTERS],
            reason=None if instance.instance_id else NO_INSTANCE_ID,
        )

    def _is_erased(self, named: _Named) -> bool:
        """Say whether its people have withdrawn their consent; what slips by is emptied by the fold."""
        return self.database.glance(lambda bare: erasures.is_any_known(bare, named.instance_id, named.parents))

    def _keep_tombstone(self, named: _Named, *, app_user: StoredAppUser, now: datetime) -> None:
        """Keep that a copy came of what is erased, once, and nothing of what it says; the tablet is told all is well.

        Its id is of its instanceID alone: a hash of what it says would confirm a guess.
        """
        tombstone = NewEnvelope(
            envelope_id=hashlib.sha256(TOMBSTONE + named.instance_id).digest(),
            kind=int(Kind.INTERVIEW),
            body=b"",
            epoch_hash=None,
            instance_id=named.instance_id,
            certificate_hash=None,
            form_version_hash=named.form_version_hash,
            state=ERASED,
            app_user_id=app_user.app_user_id,
        )
        self.database.submit_bare(
            lambda connection: envelopes.store_at_door(connection, [tombstone], carrier=DOOR_ID, received_at=now),
            is_one_statement=True,
        )

    def _medium_tag(self, instance_id: bytes, file: ArrivedFile) -> bytes:
        said = ["medium", instance_id.hex(), file.medium.name, file.plain_sha256.hex()]
        return self.keystore.door_tag(canonical_json(said))

    def _known(self, tags: frozenset[bytes]) -> dict[bytes, bool]:
        return self.database.glance(lambda bare: envelopes.known_door_tags(bare, sorted(tags))) if tags else {}

    def _let_in(self, tags: Sequence[bytes], *, app_user: StoredAppUser, now: datetime) -> None:
        """Let in what came under a revoked token first, and now from somebody who may send it."""
        if not tags:
            return

        def store(session: Session) -> None:
            for envelope_id in envelopes.let_in(session, tags):
                audit.write(session, at=now, actor=app_user.name, action=SENT_AGAIN, subject=envelope_id.hex())

        self.database.submit(store)

    def _deliver(self, delivery: _Delivery) -> frozenset[bytes]:
        """Store all of it or nothing; return the tags of what is new.

        Of what another request has stored meanwhile no blob stays behind.
        """
        blobs = {bytes.fromhex(file.medium.sha256): file.blob for file in delivery.files.values()}
        try:
            sealed = self.door.seal(delivery.submission(), now=delivery.now)
            for digest, blob in blobs.items():
                blob.keep(digest)
            new = self._store(delivery, sealed)
        except LocalError as error:  # it cannot be deflated, as the instance of no real form is
            raise TooLarge(error.detail) from None
        except StorageFull:  # surely nothing was stored; after any other error the sweep will know
            self._remove(blobs)
            raise
        self.door.note_stored(sealed)
        self._remove(blobs.keys() - {row.blob_sha256 for row in new})
        return frozenset(row.door_tag for row in new if row.door_tag is not None)

    def _store(self, delivery: _Delivery, sealed: SealedSubmission) -> Sequence[NewEnvelope]:
        """Commit; return the rows that are new."""
        door = self.keystore.door
        rows = delivery.rows(sealed, door.certificate_hash)

        def store(connection: Connection) -> frozenset[bytes]:
            if sealed.epochs:
                devices.keep_certificate(
                    connection,
                    certificate_hash=door.certificate_hash,
                    document=door.certificate,
                    device_id=DOOR_ID,
                    now=delivery.now,
                )
            return envelopes.store_at_door(connection, rows, carrier=DOOR_ID, received_at=delivery.now)

        new = self.database.submit_bare(store, is_one_statement=len(rows) == 1)
        return [row for row in rows if row.envelope_id in new]

    def _remove(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            self.blobs.remove(digest)


def _identity(instance: Instance) -> bytes:
    """Write what makes a submission the same one, so that no two different ones have one text."""
    parts = [instance.form_id, instance.instance_id, instance.deprecated_id, canonical_leaves(instance)]
    return json.dumps(parts, separators=(",", ":")).encode("ascii")


def _made_id(tag: bytes) -> bytes:
    """Name an instance that names itself not: the same content has the same name."""
    return hashlib.sha256(b"passerelle/1 door instance\x00" + tag).digest()[:16]


def _row(kind: Kind, sealed: SealedEnvelope, certificate_hash: bytes, form_version_hash: bytes | None) -> NewEnvelope:
    return NewEnvelope(
        envelope_id=sealed.envelope_id,
        kind=int(kind),
        body=sealed.body,
        epoch_hash=sealed.epoch_hash,
        instance_id=None,
        certificate_hash=certificate_hash,
        form_version_hash=form_version_hash,
    )
