"""The reference device: the library that an app, the command line and the demonstration drive.

A device lives in a directory of its own. It seals interviews without a network, keeps every envelope, and syncs
when a transport is at hand. Unfinished and finished interviews are in `Device.drafts` until they are sealed; nothing
re-opens a sealed one.
"""

import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync_protocol import assignments, enrolment, hpke
from sync_protocol.assignments import Household
from sync_protocol.client import enrolling
from sync_protocol.client.database import DeviceDatabase
from sync_protocol.client.drafts import Drafts
from sync_protocol.client.repin import rewrap
from sync_protocol.client.report import Progress, ProgressCallback, SyncReport
from sync_protocol.client.sealing import Interview, SealedInterview, Sealer
from sync_protocol.client.store import DeviceStore
from sync_protocol.client.syncing import Patience, Sync
from sync_protocol.client.transport import HttpTransport, Transport
from sync_protocol.client.vault import OpenVault, PinCost, PinSettings, Randomness, Vault, choose_pin, open_vault
from sync_protocol.constants import SUITE_X25519, Kind
from sync_protocol.documents import DeviceCertificate
from sync_protocol.enrolment import EnrolmentLink
from sync_protocol.errors import LocalError
from sync_protocol.exchange import ExchangeClient
from sync_protocol.storage import Identity
from sync_protocol.transitions import Fate

SEED_BYTES: Final = 32
DEFAULT_COST: Final = PinCost()
RECEIVING: Final = "receiving key"
PAUSES: Final = 4
LONGEST_PAUSE_SECONDS: Final = 60.0  # an enumerator waits a minute, not a quarter of an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class FormVersion:
    """A form version on the device."""

    hash: bytes
    form_id: str
    version: str
    title: str
    state: str
    xform: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the server found when it opened an envelope."""

    instance_id: bytes
    envelope_id: bytes
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class StoredEnvelope:
    """Where an envelope stands: its number in the device's chain, its fate, and the server's number for it."""

    envelope_id: bytes
    sequence: int
    fate: Fate
    code: int | None
    server_sequence: int | None


class Device:
    """A device in its directory. Use `create` once, `open` ever after."""

    def __init__(self, database: DeviceDatabase, vault: Vault, randomness: Randomness) -> None:
        """Take an open file and its vault; `create` and `open` do this."""
        self._database = database
        self._store = DeviceStore(database)
        self._randomness = randomness
        self._is_bulk = False
        signing_seed = self._store.secret("signing")
        if signing_seed is None:
            raise LocalError("device-format", "the device's file has no signing key")
        self._signer = Ed25519PrivateKey.from_private_bytes(signing_seed)
        self._unlock(vault)

    def _unlock(self, vault: Vault) -> None:
        """Let everything that wraps or unwraps use this vault."""
        self._vault = vault
        self._sealer = Sealer(self._store, vault=vault, signer=self._signer, randomness=self._randomness)
        self.drafts = Drafts(
            self._store,
            vault=vault,
            sealer=self._sealer,
            randomness=self._randomness,
            truncate_log=self._truncate_log,
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
        vault: Vault = OpenVault()
        settings: PinSettings | None = None
        if pin is not None:
            vault, settings = choose_pin(pin, randomness, pin_cost)
        database = DeviceDatabase(directory, is_new=True)
        store = DeviceStore(database)
        with database.transaction():
            receiving_seed = randomness(SEED_BYTES)
            store.put_secret("signing", randomness(SEED_BYTES))
            store.put_secret("receiving", vault.wrap(receiving_seed, name=RECEIVING))
            store.put_setting("receiving_key", hpke.public_key(SUITE_X25519, receiving_seed))
            if settings is not None:
                store.put_pin(settings)
        return cls(database, vault, randomness)

    @classmethod
    def open(cls, directory: Path, *, pin: str | None = None, randomness: Randomness = secrets.token_bytes) -> "Device":
        """Open the device of a directory. Without its PIN it syncs what is sealed; it neither seals nor reads.

        Raises:
            LocalError: ``device-missing``, ``device-format``, ``pin-wrong``.
        """
        database = DeviceDatabase(directory, is_new=False)
        try:
            return cls(database, open_vault(pin, DeviceStore(database).pin(), randomness), randomness)
        except LocalError:
            database.close()
            raise

    @property
    def device_id(self) -> str:
        """The id that the office gave at enrolment.

        Raises:
            LocalError: ``not-enrolled``.
        """
        device_id = self._store.setting("device_id")
        if device_id is None:
            raise LocalError("not-enrolled", "this device is not enrolled: scan an enrolment code first")
        return str(device_id)

    @property
    def is_enrolled(self) -> bool:
        """An office knows this device."""
        return self._store.setting("device_id") is not None

    @property
    def has_pin(self) -> bool:
        """A PIN was chosen; whether it was given says `drafts.is_locked`."""
        return self._store.pin() is not None

    def change_pin(self, pin: str | None, *, pin_cost: PinCost = DEFAULT_COST) -> None:
        """Choose another PIN, or none: everything that was under the old one is under the new one when this returns.

        Raises:
            LocalError: ``pin-needed`` when the device is locked, ``pin-too-short``.
        """
        vault: Vault = OpenVault()
        settings: PinSettings | None = None
        if pin is not None:
            vault, settings = choose_pin(pin, self._randomness, pin_cost)
        with self._database.transaction():
            rewrap(self._database, self._vault, vault)
            self._store.put_pin(settings)
        self._database.truncate_log()
        self._unlock(vault)

    @property
    def server_url(self) -> str:
        """The address of the office's server, from the enrolment link."""
        return str(self._store.setting("server_url"))

    @property
    def backed_up_sequence(self) -> int | None:
        """Envelopes up to this number of the server survive the loss of its disk; None when it makes no backups."""
        sequence: int | None = self._store.setting("backed_up_sequence")
        return sequence

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
    ) -> SealedInterview:
        """Seal a finished interview that was never a draft here; it is on disk, and its key gone, when this returns.

        Args:
            instance_xml: the instance as it was filled, UTF-8.
            instance_id: (16,) of its instanceID.
            form_version_hash: (32,) SHA-256 of the XForm that it answers.
            now: the device's clock, UTC.
            parents: instanceIDs of the revisions that this one replaces, 16 bytes each.
            mode: ``survey``, ``training`` or ``pilot``; each has its own survey key.

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
            self._database.truncate_log()

    def _truncate_log(self) -> None:
        if not self._is_bulk:
            self._database.truncate_log()

    def sync(
        self,
        transport: Transport,
        now: datetime,
        *,
        pauses: int = PAUSES,
        wait: Callable[[float], None] = time.sleep,
        on_progress: ProgressCallback | None = None,
    ) -> SyncReport:
        """Seal what is finalised, then exchange with the server until nothing is left or waiting is not worth it.

        Args:
            transport: what carries the requests.
            now: the device's clock, UTC.
            pauses: how often to wait and try again after an interruption.
            wait: how to wait, in seconds.
            on_progress: called after each request with what is safe by now.

        Raises:
            LocalError: ``not-enrolled``.
        """
        identity = Identity(
            device_id=self.device_id, signer=self._signer, root_key=bytes(self._store.setting("root_key"))
        )
        sealing = self.drafts.seal_for_sync(now=now)
        client = ExchangeClient(identity=identity, store=self._store, jitter=random.SystemRandom().random)
        sync = Sync(client, transport, self.progress)
        patience = Patience(pauses=pauses, longest_seconds=LONGEST_PAUSE_SECONDS, wait=wait)
        try:
            sync.run(now, patience, on_progress)
        finally:
            transport.close()
            self._database.truncate_log()
        report = sync.report(self._store.backlog().envelopes)
        return replace(report, sealed=len(sealing.sealed), unsealed=sealing.unsealed)

    def progress(self) -> Progress:
        """Count the interviews on this device, and those that the server has receipted."""
        ((interviews, safe),) = self._database.rows(
            "SELECT count(*), coalesce(sum(fate = 'receipted'), 0) FROM envelope WHERE kind = ?", int(Kind.INTERVIEW)
        )
        return Progress(safe=safe, interviews=interviews)

    def waiting(self) -> int:
        """Count the envelopes that no receipt covers."""
        return self._store.backlog().envelopes

    def form_versions(self) -> tuple[FormVersion, ...]:
        """Return the form versions on this device, by form and version."""
        query = "SELECT hash, form_id, version, title, state, xform FROM form_version ORDER BY form_id, version"
        return tuple(
            FormVersion(hash=bytes(form_hash), form_id=form_id, version=version, title=title, state=state, xform=xform)
            for form_hash, form_id, version, title, state, xform in self._database.rows(query)
        )

    def assignments(self) -> dict[str, tuple[Household, ...]]:
        """Return the drawn households of this device, by PSU.

        Raises:
            LocalError: ``pin-needed``.
        """
        rows = self._database.rows("SELECT psu, sealed FROM assignment ORDER BY psu")
        if not rows:
            return {}
        seed = self._vault.unwrap(self._store.secret("receiving") or b"", name=RECEIVING)
        return {
            psu: assignments.open_assignments(bytes(sealed), psu=psu, device_id=self.device_id, receiving_seed=seed)
            for psu, sealed in rows
        }

    def verdicts(self) -> tuple[Verdict, ...]:
        """Return what the server said of opened envelopes, in the order in which they were sealed."""
        query = (
            "SELECT verdict.instance_id, verdict.envelope_id, verdict.state, verdict.reason"
            " FROM verdict JOIN envelope USING (envelope_id) ORDER BY envelope.sequence"
        )
        return tuple(
            Verdict(instance_id=bytes(instance_id), envelope_id=bytes(envelope_id), state=state, reason=reason)
            for instance_id, envelope_id, state, reason in self._database.rows(query)
        )

    def envelope_of(self, instance_id: bytes) -> StoredEnvelope | None:
        """Return where the interview of an instanceID stands, None when it was never sealed here."""
        query = "SELECT envelope_id, sequence, fate, code, server_sequence FROM envelope WHERE instance_id = ?"
        for envelope_id, sequence, fate, code, server_sequence in self._database.rows(query, instance_id):
            return StoredEnvelope(bytes(envelope_id), sequence, Fate(fate), code, server_sequence)
        return None

    def envelope_bodies(self) -> Iterator[bytes]:
        """Yield the bytes of every envelope in the order of the chain, for delivery by file or by another device."""
        for (sequence,) in self._database.rows("SELECT sequence FROM envelope ORDER BY sequence"):
            yield bytes(self._database.rows("SELECT body FROM envelope WHERE sequence = ?", sequence)[0][0])

    def close(self) -> None:
        """Close the device's file."""
        self._database.truncate_log()
        self._database.close()

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
