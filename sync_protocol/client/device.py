"""The reference device: the library that an app, the command line and the demonstration drive.

A device lives in a directory of its own. It seals interviews without a network, keeps every envelope until the deletion
rule lets it go, and syncs when a transport is at hand. Unfinished and finished interviews are in `Device.drafts` until
they are sealed; nothing re-opens a sealed one.
"""

import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync_protocol import enrolment
from sync_protocol.client import enrolling, erasing
from sync_protocol.client.database import DeviceDatabase
from sync_protocol.client.drafts import Drafts
from sync_protocol.client.drafts_handover import Handovers
from sync_protocol.client.files import FormFiles
from sync_protocol.client.listing import Listing
from sync_protocol.client.media import DeviceMedia
from sync_protocol.client.parcels import Parcels
from sync_protocol.client.pulled import WIPE_ORDER
from sync_protocol.client.receiving import DATA_KEY, ReceivingKeys, data_vault
from sync_protocol.client.records import FormVersion, StoredEnvelope, Verdict
from sync_protocol.client.repin import rewrap
from sync_protocol.client.report import ProgressCallback, SyncReport
from sync_protocol.client.sealing import Interview, SealedInterview, Sealer
from sync_protocol.client.store import DeviceStore
from sync_protocol.client.syncing import Paces, Patience, Sync
from sync_protocol.client.transport import HttpTransport, Transport, TransportError
from sync_protocol.client.vault import OpenVault, PinCost, PinSettings, Randomness, Vault, choose_pin, open_vault
from sync_protocol.documents import DeviceCertificate
from sync_protocol.enrolment import EnrolmentLink
from sync_protocol.errors import LocalError, ProtocolError
from sync_protocol.handover import Handover
from sync_protocol.handover import Kind as HandoverKind
from sync_protocol.orders import WipeOrder
from sync_protocol.plaintext import Medium
from sync_protocol.storage import Identity

__all__ = ["Device", "FormVersion", "StoredEnvelope", "Verdict"]

SEED_BYTES: Final = 32
DEFAULT_COST: Final = PinCost()
PAUSES: Final = 4
LONGEST_PAUSE_SECONDS: Final = 60.0  # an enumerator waits a minute, not a quarter of an hour


class Device(Listing):
    """A device in its directory. Use `create` once, `open` ever after."""

    def __init__(self, database: DeviceDatabase, vault: Vault, randomness: Randomness) -> None:
        """Take an open file and its vault; `create` and `open` do this."""
        self._database = database
        self._store = DeviceStore(database)
        self._randomness = randomness
        self._is_bulk = False
        self._is_wiped = False
        self._paces = Paces()
        signing_seed = self._store.secret("signing")
        if signing_seed is None:
            raise LocalError("device-format", "the device's file has no signing key")
        self._signer = Ed25519PrivateKey.from_private_bytes(signing_seed)
        self._unlock(vault)

    def _unlock(self, vault: Vault) -> None:
        """Let everything that reads or writes under the PIN use this vault."""
        self._vault = vault
        self._local = data_vault(vault, self._store.secret("data") or b"", self._randomness)
        self._receiving = self._store.receiving = ReceivingKeys(self._database, self._local, self._randomness)
        self._sealer = Sealer(self._store, vault=vault, signer=self._signer, randomness=self._randomness)
        self.drafts = Drafts(self._store, vault=self._local, sealer=self._sealer, truncate_log=self._truncate_log)
        self.handovers = Handovers(
            self._database, drafts=self.drafts, read=self._read_handover, randomness=self._randomness
        )

    @classmethod
    def create(
        cls,
        directory: Path,
        *,
        pin: str | None = None,
        randomness: Randomness = secrets.token_bytes,
        pin_cost: PinCost = DEFAULT_COST,
    ) -> "Device":
        """Make a device with new keys in a directory.

        Args:
            directory: made if it is not there; readable by its owner only.
            pin: protects drafts, ratchet keys and assignments, at least 6 characters; None for no protection.
            randomness: returns so many random bytes.
            pin_cost: what one guess at the PIN costs.

        Raises:
            LocalError: ``device-exists``, ``pin-too-short``.
        """
        vault, settings = _chosen_vault(pin, randomness, pin_cost)
        database = DeviceDatabase(directory, is_new=True)
        store = DeviceStore(database)
        with database.transaction():
            store.put_secret("signing", randomness(SEED_BYTES))
            data_key = vault.wrap(randomness(SEED_BYTES), name=DATA_KEY)
            store.put_secret("data", data_key)
            receiving_key = ReceivingKeys(database, data_vault(vault, data_key, randomness), randomness).renew()
            store.put_setting("receiving_key", receiving_key or b"")
            store.put_pin(settings)
        return cls(database, vault, randomness)

    @classmethod
    def open(cls, directory: Path, *, pin: str | None = None, randomness: Randomness = secrets.token_bytes) -> "Device":
        """Open the device of a directory. Without its PIN it syncs what is sealed; it neither seals nor reads.

        Raises:
            LocalError: ``device-missing``, ``device-format``, ``pin-wrong``, ``device-wiped``.
        """
        erasing.refuse_wiped(directory)
        database = DeviceDatabase(directory, is_new=False)
        try:
            return cls(database, open_vault(pin, DeviceStore(database).pin(), randomness), randomness)
        except LocalError:
            database.close()
            raise

    def change_pin(self, pin: str | None, *, pin_cost: PinCost = DEFAULT_COST) -> None:
        """Choose another PIN, or none: everything that was under the old one is under the new one when this returns.

        Raises:
            LocalError: ``pin-needed`` when the device is locked, ``pin-too-short``.
        """
        vault, settings = _chosen_vault(pin, self._randomness, pin_cost)
        with self._database.transaction():
            rewrap(self._database, self._vault, vault)
            self._store.put_pin(settings)
        self._database.truncate_log()
        self._unlock(vault)

    @property
    def media(self) -> DeviceMedia:
        """The sealed pictures and recordings on this device."""
        return self._store.media

    @property
    def parcels(self) -> Parcels:
        """Delivery by file."""
        return Parcels(self._store)

    @property
    def files(self) -> FormFiles:
        """The files of the form versions on this device."""
        return FormFiles(self._database)

    def transport(self) -> HttpTransport:
        """Return a transport to the server of the enrolment link."""
        return HttpTransport(self.server_url)

    def enrol(self, link: str | EnrolmentLink, *, transport: Transport | None = None) -> DeviceCertificate:
        """Make this device known to an office; try again with the same link when no answer came.

        Args:
            link: the text of the QR code, `passerelle://host/#token=…&root=…`.
            transport: HTTP to the link's host unless given.

        Raises:
            LocalError: ``already-enrolled``, ``link-invalid``.
            RemoteError: the slug of the server's refusal, or ``signature-invalid`` when the answer does not
                lead back to the root that the link pins.
            TransportError: when no answer came.
        """
        if self.is_enrolled:
            raise LocalError("already-enrolled", f"this device is enrolled as {self.device_id}")
        parsed = enrolment.parse_link(link) if isinstance(link, str) else link
        enrolled = enrolling.enrol(
            parsed,
            transport if transport is not None else HttpTransport(parsed.base_url),
            signer=self._signer,
            signing_key=self._signer.public_key().public_bytes_raw(),
            receiving_key=bytes(self._store.setting("receiving_key")),
        )
        with self._database.transaction():
            self._store.put_document("certificate", enrolled.certificate_document)
            self._store.put_document("keyring", enrolled.keyring_document, serial=enrolled.keyring.serial)
            self._store.put_setting("root_key", parsed.root_key)
            self._store.put_setting("server_url", parsed.base_url)
            self._store.put_setting("device_id", enrolled.certificate.device_id)
        return enrolled.certificate

    def seal_interview(
        self,
        instance_xml: bytes,
        *,
        instance_id: bytes,
        form_version_hash: bytes,
        now: datetime,
        parents: tuple[bytes, ...] = (),
        mode: str = "survey",
        media: tuple[Medium, ...] = (),
    ) -> SealedInterview:
        """Seal a finished interview that was never a draft here; it is on disk, and its key gone, when this returns.

        Args:
            instance_xml: the instance as it was filled, UTF-8.
            instance_id: (16,) of its instanceID.
            form_version_hash: (32,) SHA-256 of the XForm that it answers.
            now: the device's clock, UTC.
            parents: instanceIDs of the revisions that this one replaces, 16 bytes each.
            mode: ``survey``, ``training`` or ``pilot``; each has its own survey key.
            media: its pictures and recordings, as `Device.media.add` sealed them.

        Raises:
            LocalError: ``instance-exists``, ``too-large``, ``no-survey-key``, ``not-enrolled``, ``pin-needed``.
        """
        interview = Interview(
            instance_xml=instance_xml,
            instance_id=instance_id,
            parents=parents,
            form_version_hash=form_version_hash,
            mode=mode,
            device_time=now,
            media=media,
        )
        sealed = self._sealer.seal(interview)
        self._truncate_log()
        return sealed

    @contextmanager
    def bulk(self) -> Iterator[None]:
        """Seal many interviews with one truncation of the log at the end.

        Each is still on disk when it has been sealed; what waits for the end is only the erasure of used keys.
        """
        self._is_bulk = True
        try:
            yield
        finally:
            self._is_bulk = False
            self._truncate_log()

    def sync(
        self,
        transport: Transport,
        now: datetime,
        *,
        pauses: int = PAUSES,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        on_progress: ProgressCallback | None = None,
    ) -> SyncReport:
        """Seal what is finalised, then exchange with the server until nothing is left or waiting is not worth it.

        Args:
            transport: what carries the requests.
            now: the device's clock, UTC.
            pauses: how often to wait and try again after an interruption.
            wait: how to wait, in seconds.
            clock: seconds, of which only differences count: it measures the link.
            on_progress: called after each request with what is safe by now.

        Raises:
            LocalError: ``not-enrolled``.
        """
        identity = Identity(
            device_id=self.device_id, signer=self._signer, root_key=bytes(self._store.setting("root_key"))
        )
        self._store.retry_refused(f"{now:%Y-%m-%d}")
        self.parcels.ask_again()
        sealing = self.drafts.seal_for_sync(now=now)
        self._reading().take_in()
        sync = Sync(
            identity=identity,
            store=self._store,
            transport=transport,
            jitter=random.SystemRandom().random,
            paces=self._paces,
            progress=self.progress,
            clock=clock,
        )
        patience = Patience(pauses=pauses, longest_seconds=LONGEST_PAUSE_SECONDS, wait=wait)
        try:
            sync.run(now, patience, on_progress)
            if sync.is_forgotten and self._enrol_again(transport):
                sync.run(now, patience, on_progress)
            self._reading().take_in()
            pruned = self.prune()
            report = replace(sync.report(pruned=pruned), sealed=len(sealing.sealed), unsealed=sealing.unsealed)
            if report.outcome == "synced" and self._is_to_be_wiped():
                report = sync.report(is_wiped=True)
                self._wipe()
        finally:
            transport.close()
            self._truncate_log()
        return report

    def prune(self) -> int:
        """Delete what the deletion rule lets go; return how many interviews and media that were.

        An interview goes when its round is closed, the office could open it and a backup covers it; a photo when it is
        whole at the office and a backup covers it.
        """
        return self.parcels.prune(self._store.backup()) + self._store.erasing.prune(self._store.backup())

    def _enrol_again(self, transport: Transport) -> bool:
        """Show the office the certificate that it gave this device: it was restored from a backup from before that.

        An office that is another than the one of the enrolment cannot have signed the certificate, and refuses it.
        """
        try:
            enrolled = enrolling.enrol_again(
                self._store.document("certificate"),
                transport,
                root_key=bytes(self._store.setting("root_key")),
                signer=self._signer,
                signing_key=self._signer.public_key().public_bytes_raw(),
                receiving_key=bytes(self._store.setting("receiving_key")),
            )
        except (ProtocolError, TransportError):
            return False
        with self._database.transaction():
            self._store.put_document("keyring", enrolled.keyring_document, serial=enrolled.keyring.serial)
        return True

    def _read_handover(self, kind: HandoverKind, instance_id: bytes) -> Handover | None:
        return self._reading().handover(kind, instance_id)

    def _is_to_be_wiped(self) -> bool:
        """The office has ordered a wipe, a decision key of the newest keyring says so, and nothing is left to send."""
        document = self._store.setting(WIPE_ORDER)
        if document is None or not self._store.is_all_answered() or self.drafts.has_to_seal():
            return False
        try:
            order = WipeOrder.read(bytes(document), self._store.keyring().decision_keys)
        except ProtocolError:
            return False
        return order.device_id == self.device_id

    def wipe(self) -> None:
        """Wipe this device on the word of who holds it: only when the server answers for all that is here.

        Raises:
            LocalError: ``not-all-sent``.
        """
        if self.drafts.list() or not self._store.is_all_receipted():
            raise LocalError("not-all-sent", "there are drafts, or envelopes that the office has not receipted: sync")
        self._wipe()

    def _wipe(self) -> None:
        self._database.close()
        self._is_wiped = True
        erasing.wipe(self._database.directory)

    def _truncate_log(self) -> None:
        if not self._is_wiped and not self._is_bulk:
            self._database.truncate_log()

    def close(self) -> None:
        """Close the device's file."""
        if not self._is_wiped:
            self._database.truncate_log()
            self._database.close()

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _chosen_vault(pin: str | None, randomness: Randomness, cost: PinCost) -> tuple[Vault, PinSettings | None]:
    return (OpenVault(), None) if pin is None else choose_pin(pin, randomness, cost)
