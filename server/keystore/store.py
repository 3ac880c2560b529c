"""The key store: what keys do for the rest of the server."""

import hashlib
import hmac
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from server.errors import KeyStoreLocked
from server.keystore.files import KEY_FILE, KEYRING_FILE, SERVICE_FILE, KeyStoreError, read_json, read_private
from server.keystore.keys import Sealer, SigningKey
from server.keystore.making import make_files
from server.keystore.vault import NONCE_BYTES, Vault, unwrap
from sync_protocol import epoch as epochs
from sync_protocol import signatures
from sync_protocol.documents import DeviceCertificate, decode_bytes, key_id
from sync_protocol.enrolment import server_id
from sync_protocol.epoch import Epoch
from sync_protocol.errors import EnvelopeError, ProtocolError
from sync_protocol.keyring import Keyring
from sync_protocol.parcel import FileReceipts

LABEL_DOOR_TAG: Final = b"passerelle/1 door tag\x00"
LABEL_HOUSEHOLD_TAG: Final = b"passerelle/1 household tag\x00"
LABEL_MEDIUM_TAG: Final = b"passerelle/1 medium tag\x00"

Store = Literal["analysis", "identifiers"]


class KeyStore:
    """The keys of one office, on one server."""

    def __init__(self, directory: Path, service: Mapping[str, str], document: bytes) -> None:
        """Take what `open` has read."""
        self._directory = directory
        secrets = {name: decode_bytes(text) for name, text in service.items()}
        self._receipt = SigningKey(secrets["receipt"])
        self._issuer = SigningKey(secrets["issuer"])
        self._door_tag_key = secrets["door_tag"]
        self._vault: Vault | None = None
        self.root_key = secrets["root_public"]
        self.session_secret = secrets["session"]
        self.keyring_document = document
        self.keyring = Keyring.read(document, self.root_key)
        self.door = Sealer.of(secrets["door_certificate"], SigningKey(secrets["door"]))
        self._office_certificate = secrets["office_certificate"]
        self.receipt_key_id = key_id(self._receipt.public_bytes)

    @classmethod
    def create(cls, directory: Path, passphrase: str | None, root_key_path: Path, *, now: datetime) -> Self:
        """Make all keys of an office and return the store, unlocked.

        Args:
            directory: made with mode 0700; must not hold a key store yet.
            passphrase: wraps the vault; None writes a key file beside it.
            root_key_path: where the office root's private key goes, to be kept offline.
            now: goes into the certificates of door and office.

        Raises:
            KeyStoreError: when there is a key store or a root key file already, or a file cannot be written.
        """
        for path in (directory / SERVICE_FILE, root_key_path):
            if path.exists():
                raise KeyStoreError(f"{path} exists already: keys are never overwritten")
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_files(directory, passphrase, root_key_path, now)
        except OSError as error:
            raise KeyStoreError(f"the keys cannot be written: {error.strerror}: {error.filename}") from None
        return cls.open(directory, passphrase)

    @classmethod
    def open(cls, directory: Path, passphrase: str | None) -> Self:
        """Open a key store; it stays locked when it needs a passphrase and none is given.

        Raises:
            KeyStoreError: when there is none, it is damaged, others may read it, or the passphrase is wrong.
        """
        service = read_json(directory / SERVICE_FILE)
        try:
            store = cls(directory, service, read_private(directory / KEYRING_FILE))
        except (KeyError, ValueError, TypeError, ProtocolError) as error:
            raise KeyStoreError(f"the key store in {directory} is damaged: restore it from its backup") from error
        if passphrase is not None or (directory / KEY_FILE).exists():
            store.unlock(passphrase)
        return store

    def unlock(self, passphrase: str | None) -> None:
        """Unwrap the vault.

        Raises:
            KeyStoreError: when the passphrase or the key file is not the right one.
        """
        self._vault = unwrap(self._directory, passphrase)

    @property
    def is_locked(self) -> bool:
        """The vault is not unwrapped: nothing can be opened."""
        return self._vault is None

    @property
    def server_id(self) -> str:
        """The id of the office, derived from its root."""
        return server_id(self.root_key)

    def sign_answer(self, status: int, body: bytes, *, method: str, path: str, request_digest: bytes) -> dict[str, str]:
        """Return the headers that sign a whole answer by the receipt key; to be made after the commit."""
        return signatures.sign_answer(
            status,
            body,
            method=method,
            path=path,
            request_digest=request_digest,
            key=self._receipt,
            key_id=self.receipt_key_id,
        )

    def sign_receipts(self, receipts: FileReceipts) -> bytes:
        """Sign receipts for a parcel by the receipt key; to be made after the commit. Return the document."""
        return receipts.sign(self._receipt)

    def issue_certificate(self, certificate: DeviceCertificate) -> bytes:
        """Sign a device certificate with the issuer key; return the document."""
        return certificate.issue(self._issuer)

    def door_tag(self, submission: bytes) -> bytes:
        """Return the HMAC by which the OpenRosa door knows a repeat, (32,).

        Args:
            submission: an injective encoding of form, instanceID and canonical answers.
        """
        return hmac.digest(self._door_tag_key, LABEL_DOOR_TAG + submission, hashlib.sha256)

    def derived_key(self, label: bytes) -> bytes:
        """Return a service key of its own for one purpose, (32,): there while the store is locked."""
        return HKDF(SHA256(), 32, salt=None, info=label).derive(self.session_secret)

    def open_epoch(self, epoch: Epoch) -> bytes:
        """Unwrap the key of an epoch, (32,).

        Raises:
            KeyStoreLocked: without the vault.
            EnvelopeError: ``wrong-survey-key``, ``undecryptable``.
        """
        seeds = self._unlocked().survey_seeds
        survey_key = self.keyring.survey_key_by_id(epoch.survey_key_id)
        if survey_key is None or survey_key.id not in seeds:
            raise EnvelopeError("wrong-survey-key", "the epoch is wrapped to a key that is not of this office")
        return epochs.open_epoch(epoch, seeds[survey_key.id], survey_key)

    def seal_projection(self, plain: bytes, context: bytes) -> bytes:
        """Seal a projection: nonce ‖ AES-256-GCM; the context must be given again to open it.

        Raises:
            KeyStoreLocked: without the vault.
        """
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._unlocked().projection.encrypt(nonce, plain, context)

    def open_projection(self, sealed: bytes, context: bytes) -> bytes:
        """Open a projection.

        Raises:
            KeyStoreLocked: without the vault.
            KeyStoreError: when it was altered, or sealed in another context or under another key.
        """
        try:
            return self._unlocked().projection.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise KeyStoreError("a sealed row was altered, or is of another key store") from None

    def household_tag(self, household_key: str) -> bytes:
        """Return an HMAC of a household key, (32,): equal for equal keys, and nothing else to see.

        Raises:
            KeyStoreLocked: without the vault.
        """
        message = LABEL_HOUSEHOLD_TAG + household_key.encode("utf-8")
        return hmac.digest(self._unlocked().index_key, message, hashlib.sha256)

    def medium_tag(self, instance_id: bytes, name: str) -> bytes:
        """Return an HMAC of a file name of an instance, (32,): equal where both are, and nothing else to see.

        Raises:
            KeyStoreLocked: without the vault.
        """
        message = LABEL_MEDIUM_TAG + instance_id + name.encode("utf-8")  # an instanceID has 16 bytes always
        return hmac.digest(self._unlocked().index_key, message, hashlib.sha256)

    def microdata_key(self, store: Store) -> bytes:
        """Return the key of one of the two columnar stores, (32,).

        Raises:
            KeyStoreLocked: without the vault.
        """
        return self._unlocked().microdata_keys[store]

    @property
    def office(self) -> Sealer:
        """Who seals decisions: the decision key, with a certificate of device id `office`.

        Raises:
            KeyStoreLocked: without the vault.
        """
        return Sealer.of(self._office_certificate, self._unlocked().decision)

    def sign_decision(self, data: bytes) -> bytes:
        """Sign with the decision key, (64,).

        Raises:
            KeyStoreLocked: without the vault.
        """
        return self._unlocked().decision.sign(data)

    def _unlocked(self) -> Vault:
        if self._vault is None:
            raise KeyStoreLocked("the key store is locked: start the server with PASSERELLE_PASSPHRASE set")
        return self._vault
