"""What one app instance owns: settings, database, key store, microdata, and what is read once and kept."""

import logging
import threading
import time
from collections import OrderedDict
from typing import Any, Final, Self

from flask import current_app

from forms.definition import FormDefinition
from server.blobs import Blobs
from server.clock import utc_now
from server.config import RESTORING_FILE, Config
from server.context.blocked import Blocked
from server.context.busy import Busy
from server.context.pace import Pace
from server.context.shelf import Shelf
from server.context.verified import VerifiedPasswords
from server.db.engine import Database, DatabaseUnusable
from server.db.queries import backups, definitions, devices, forms
from server.keystore import DoorSealer, KeyStore, KeyStoreError, TabletSecrets
from server.microdata import Microdata
from server.partials import Partials
from server.services import alarms
from server.services.alarms import Status
from server.services.receive_medium import MediaStore

LOG: Final = logging.getLogger(__name__)
EXTENSION: Final = "passerelle"
BACKUP_SECONDS: Final = 5.0
"""For how long what is known of the last backup is said again without looking: it can only be too low meanwhile."""
STATUS_SECONDS: Final = 5.0
DEFINITIONS: Final = 32
"""Parsed form versions that are kept; a definition takes some megabytes."""


class Context:
    """One instance of the server, for all its threads."""

    def __init__(self, *, config: Config, database: Database, keystore: KeyStore, microdata: Microdata) -> None:
        self.config = config
        self.database = database
        self.keystore = keystore
        self.microdata = microdata
        self.blobs = Blobs(config.blobs_dir)
        self.media = MediaStore(
            database=database,
            blobs=self.blobs,
            partials=Partials(self.blobs),
            quota_bytes=config.quota.media_bytes,
        )
        self.door = DoorSealer(keystore)
        self.tablets = TabletSecrets(keystore)
        self.blocked = Blocked()
        self.pace = Pace()
        self.busy = Busy(database)
        self.shelf: Shelf[Any] = Shelf()
        self.sound_versions: set[bytes] = set()
        self.verified = VerifiedPasswords()
        self._definitions: OrderedDict[bytes, FormDefinition] = OrderedDict()
        self._signing_keys: dict[str, bytes] = {}
        self._form_versions: dict[tuple[str, str], bytes] = {}
        self._backed_up: tuple[str, float, int | None] = ("", 0.0, None)
        self._status: tuple[float, Status | None] = (0.0, None)
        self._guard = threading.Lock()

    @classmethod
    def open(cls, config: Config) -> Self:
        """Open the key store; the database is opened when it is first used.

        Raises:
            KeyStoreError: when there is no key store, or the passphrase is wrong.
            DatabaseUnusable: when SQLite is too old, or a restore was cut short.
        """
        if (config.data_dir / RESTORING_FILE).exists():
            raise DatabaseUnusable(
                f"a restore into {config.data_dir} did not finish: empty the folder and the database, and restore again"
            )
        keystore = KeyStore.open(config.keys_dir, config.passphrase)
        database = Database(config.database_url)
        microdata = Microdata(config.microdata_dir, keystore, database)
        return cls(config=config, database=database, keystore=keystore, microdata=microdata)

    def definition(self, form_version_hash: bytes) -> FormDefinition | None:
        """Return the definition of a published form version, None when there is none."""
        with self._guard:
            if form_version_hash in self._definitions:
                self._definitions.move_to_end(form_version_hash)
                return self._definitions[form_version_hash]
        with self.database.read() as session:
            definition = definitions.published_definition(session, form_version_hash)
        if definition is None:
            return None
        with self._guard:
            self._definitions[form_version_hash] = definition
            while len(self._definitions) > DEFINITIONS:
                self._definitions.popitem(last=False)
        return definition

    def form_version_hash(self, form_id: str, version: str) -> bytes | None:
        """Return the hash of a published form version, None while there is none."""
        known = self._form_versions.get((form_id, version))
        if known is None:
            known = self.database.glance(lambda connection: forms.published_hash(connection, form_id, version))
            if known is not None:
                self._form_versions[form_id, version] = known
        return known

    def signing_key(self, device_id: str) -> bytes | None:
        """Return the raw signing key of an enrolled device, revoked or not; it never changes under one id."""
        key = self._signing_keys.get(device_id)
        if key is None:
            with self.database.read() as session:
                device = devices.device(session, device_id)
            if device is not None:
                key = self._signing_keys[device_id] = device.signing_key
        return key

    def refresh_keys(self) -> None:
        """Take up keys that were rotated; while their files cannot be read, those in hand go on working."""
        try:
            self.keystore.refresh()
        except KeyStoreError as error:
            LOG.error("the keys were changed and cannot be read: %s", error)  # noqa: TRY400 -- a sentence of ours

    def backed_up_sequence(self, feed_epoch: str) -> int | None:
        """Return up to which envelope the last backup reaches; None when there is none.

        Args:
            feed_epoch: the life of the database that the answer is about: what was known of another one is forgotten.
        """
        epoch, until, sequence = self._backed_up
        if epoch == feed_epoch and time.monotonic() < until:
            return sequence
        last = self.database.glance(backups.last)
        sequence = None if last is None else last.sequence
        self._backed_up = (feed_epoch, time.monotonic() + BACKUP_SECONDS, sequence)
        return sequence

    def status(self) -> Status:
        """Return how the server is, looked at some seconds ago at most."""
        until, status = self._status
        if status is None or time.monotonic() >= until:
            with self.database.read() as session:
                status = alarms.look(session, config=self.config, now=utc_now())
            self._status = (time.monotonic() + STATUS_SECONDS, status)
        return status

    def close(self) -> None:
        """Let go of the database."""
        self.database.dispose()


def current() -> Context:
    """Return the instance that serves this request."""
    found: Context = current_app.extensions[EXTENSION]
    return found
