"""The key store: what keys do for the rest of the server."""

import hashlib
import hmac
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from server.errors import KeyStoreLocked, KeyStoreSealed
from server.keystore.files import (
    KEY_FILE,
    KEYRING_FILE,
    OFFICE_CERTIFICATE,
    SERVICE_FILE,
    VAULT_FILE,
    KeyStoreError,
    issuer_name,
    office_name,
    read_private,
    read_service,
    receipt_name,
    write_private,
)
from server.keystore.keys import Sealer, SigningKey
from server.keystore.making import make_files
from server.keystore.rotating import Rotation, rotate_files
from server.keystore.sealing import newer_keyring, put_in, take_out
from server.keystore.vault import NONCE_BYTES, Vault, change_passphrase, encryption_key, opens_interviews, unwrap
from sync_protocol import epoch as epochs
from sync_protocol import signatures
from sync_protocol.documents import DeviceCertificate, decode_bytes, document_hash, key_id
from sync_protocol.enrolment import server_id
from sync_protocol.epoch import Epoch
from sync_protocol.errors import EnvelopeError, ProtocolError
from sync_protocol.file_receipts import FileReceipts
from sync_protocol.keyring import Keyring

LABEL_DOOR_TAG: Final = b"passerelle/1 door tag\x00"
LABEL_HOUSEHOLD_TAG: Final = b"passerelle/1 household tag\x00"
LABEL_MEDIUM_TAG: Final = b"passerelle/1 medium tag\x00"

LOG: Final = logging.getLogger(__name__)
LOOK_SECONDS: Final = 1.0
"""Between looks whether the keyring was rotated: a process may sign with a former key for so long."""

Store = Literal["analysis", "identifiers"]


@dataclass(frozen=True, slots=True)
class _Held:
    """What was read from the files at one time; replaced as a whole when a key is rotated."""

    version: tuple[int, ...]
    document: bytes
    keyring: Keyring
    receipt: SigningKey
    issuer: SigningKey
    door: Sealer
    door_tag_key: bytes
    session_secret: bytes
    own_certificates: Mapping[bytes, bytes]
    office_certificate: bytes


class KeyStore:
    """The keys of one office, on one server."""

    def __init__(self, directory: Path) -> None:
        """Read the files that need no passphrase; `open` does this."""
        self._directory = directory
        self._held = _read(directory)
        self._vault: Vault | None = None
        self._encryption_key: bytes | None = None
        self._looked_at = time.monotonic()

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
        store = cls(directory)
        if passphrase is not None or (directory / KEY_FILE).exists():
            store.unlock(passphrase)
        return store

    def unlock(self, passphrase: str | None) -> None:
        """Unwrap the vault.

        Raises:
            KeyStoreError: when the passphrase or the key file is not the right one.
        """
        key = encryption_key(self._directory, passphrase)
        self._vault = unwrap(self._directory, key, self.keyring.decision_keys[-1])
        self._encryption_key = key

    def refresh(self) -> None:
        """Read the files again when the keyring has been rotated since; looks at most once a second.

        Raises:
            KeyStoreError: when they are damaged; the keys in hand stay.
        """
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        if _version(self._directory) != self._held.version:
            self.read_again()

    def read_again(self) -> None:
        """Read the files again.

        The keyring is taken up even where the vault does not open any more, because its passphrase was changed since:
        what it held goes on to serve as long as the keyring names no further key of it; then the store is locked.

        Raises:
            KeyStoreError: when keyring or service keys are damaged; the keys in hand stay.
        """
        held, former = _read(self._directory), self._held.keyring
        if self._encryption_key is not None:
            try:
                self._vault = unwrap(self._directory, self._encryption_key, held.keyring.decision_keys[-1])
            except KeyStoreError:
                LOG.error("the vault has another passphrase now: start again with it")  # noqa: TRY400
                if self._vault is not None and not opens_interviews(self._directory):
                    self._vault = replace(self._vault, survey_seeds={})
                if not _has_same_vault_keys(former, held.keyring):
                    self._vault = None
        self._held = held

    def rotate(self, rotation: Rotation, root: Ed25519PrivateKey, *, now: datetime) -> None:
        """Make new keys and a keyring that names them, signed by the root; what the old ones sealed stays readable.

        Raises:
            KeyStoreLocked: without the vault.
            KeyStoreError: when that is not the root of this office, or a file cannot be written.
        """
        self._unlocked()
        if self.is_sealed and "survey" in rotation.kinds:
            raise KeyStoreError("survey keys are rotated where they are: on the machine that opens interviews")
        if root.public_key().public_bytes_raw() != self.root_key or self._encryption_key is None:
            raise KeyStoreError("this is not the root key of this office")
        try:
            rotate_files(self._directory, self.keyring, rotation, root, self._encryption_key, now)
        except OSError as error:
            raise KeyStoreError(f"the keys cannot be written: {error.strerror}: {error.filename}") from None
        self.read_again()

    def change_passphrase(self, passphrase: str) -> None:
        """Wrap the vault under another passphrase, which every start needs from now on.

        Raises:
            KeyStoreLocked: without the vault.
        """
        self._unlocked()
        if self._encryption_key is not None:
            change_passphrase(self._directory, self._encryption_key, passphrase)
        self.unlock(passphrase)

    def take_out_survey_keys(self, path: Path, passphrase: str, *, keeps: bool) -> None:
        """Move the private survey keys into a file, for another machine: this one opens no interview any more.

        Raises:
            KeyStoreLocked: without the vault.
            KeyStoreError: when they are not here, or the file cannot be written or is there already.
        """
        self._unlocked()
        self._sealing(lambda key: take_out(self._directory, key, path, passphrase, keeps=keeps))

    def put_in_survey_keys(self, path: Path, passphrase: str) -> None:
        """Take the private survey keys from a file: this machine opens interviews from now on.

        Raises:
            KeyStoreLocked: without the vault.
            KeyStoreError: when the passphrase is wrong, or they are of another office.
        """
        self._unlocked()
        self._sealing(lambda key: put_in(self._directory, key, path, passphrase, self.keyring))

    def _sealing(self, change: Callable[[bytes], None]) -> None:
        assert self._encryption_key is not None  # noqa: S101 -- the vault is unlocked
        try:
            change(self._encryption_key)
        except OSError as error:
            raise KeyStoreError(f"the keys cannot be written: {error.strerror}: {error.filename}") from None
        self.read_again()

    def adopt_keyring(self, document: bytes) -> bool:
        """Put a keyring in force that was made where the survey keys are; say whether it has new ones.

        Raises:
            KeyStoreError: as `server.keystore.sealing.newer_keyring`.
        """
        if newer_keyring(self.keyring, document) is None:
            return False
        write_private(self._directory / KEYRING_FILE, document)
        self.read_again()
        return True

    @property
    def is_locked(self) -> bool:
        """The vault is not unwrapped: nothing can be opened."""
        return self._vault is None

    @property
    def is_sealed(self) -> bool:
        """The vault is open and has no survey keys: interviews are opened on another machine of the office."""
        return self._vault is not None and not self._vault.survey_seeds

    @property
    def uncopied_survey_keys(self) -> frozenset[str]:
        """Ids of the survey keys that are in this vault and in no file: with this machine they would be lost."""
        vault = self._unlocked()
        return frozenset(vault.survey_seeds) - vault.copied

    @property
    def keyring(self) -> Keyring:
        """The keyring in force."""
        return self._held.keyring

    @property
    def keyring_document(self) -> bytes:
        """The keyring in force as the root signed it."""
        return self._held.document

    @property
    def root_key(self) -> bytes:
        """The raw public key of the office root, (32,)."""
        return self._held.keyring.root_key

    @property
    def session_secret(self) -> bytes:
        """What signs the sessions of the console."""
        return self._held.session_secret

    @property
    def door(self) -> Sealer:
        """Who seals at the OpenRosa door."""
        return self._held.door

    @property
    def receipt_key_id(self) -> str:
        """The id in the keyring of the key that signs answers."""
        return key_id(self._held.receipt.public_bytes)

    def own_certificate(self, digest: bytes) -> bytes | None:
        """Return a certificate of the door or the office, of this time or an earlier one, by its hash."""
        return self._held.own_certificates.get(digest)

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
            key=self._held.receipt,
            key_id=self.receipt_key_id,
        )

    def sign_receipts(self, receipts: FileReceipts) -> bytes:
        """Sign receipts for a parcel by the receipt key; to be made after the commit. Return the document."""
        return receipts.sign(self._held.receipt)

    def issue_certificate(self, certificate: DeviceCertificate) -> bytes:
        """Sign a device certificate with the issuer key; return the document."""
        return certificate.issue(self._held.issuer)

    def door_tag(self, submission: bytes) -> bytes:
        """Return the HMAC by which the OpenRosa door knows a repeat, (32,).

        Args:
            submission: an injective encoding of form, instanceID and canonical answers.
        """
        return hmac.digest(self._held.door_tag_key, LABEL_DOOR_TAG + submission, hashlib.sha256)

    def derived_key(self, label: bytes) -> bytes:
        """Return a service key of its own for one purpose, (32,): there while the store is locked."""
        return HKDF(SHA256(), 32, salt=None, info=label).derive(self.session_secret)

    def open_epoch(self, epoch: Epoch) -> bytes:
        """Unwrap the key of an epoch, (32,).

        Raises:
            KeyStoreLocked: without the vault.
            KeyStoreSealed: the survey keys are on another machine.
            EnvelopeError: ``wrong-survey-key``, ``undecryptable``.
        """
        seeds = self._unlocked().survey_seeds
        survey_key = self.keyring.survey_key_by_id(epoch.survey_key_id)
        if survey_key is not None and not seeds:
            raise KeyStoreSealed("interviews are opened where the survey keys are, and they are not on this server")
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
        return Sealer.of(self._held.office_certificate, self._unlocked().decision)

    def _unlocked(self) -> Vault:
        if self._vault is None:
            raise KeyStoreLocked("the key store is locked: start the server with PASSERELLE_PASSPHRASE set")
        return self._vault


def _has_same_vault_keys(one: Keyring, other: Keyring) -> bool:
    """Say whether two keyrings need the same of a vault: what opens interviews, and what signs decisions."""
    ids = [sorted(key.id for key in keyring.survey_keys) for keyring in (one, other)]
    return ids[0] == ids[1] and one.decision_keys[-1] == other.decision_keys[-1]


def _version(directory: Path) -> tuple[int, ...]:
    """Return what changes with the keyring's file, which every rotation writes last, and with the vault's."""
    found = [(directory / name).stat() for name in (KEYRING_FILE, VAULT_FILE)]
    return tuple(number for one in found for number in (one.st_ino, one.st_mtime_ns, one.st_size))


def _read(directory: Path) -> _Held:
    service = read_service(directory)
    try:
        secrets = {name: decode_bytes(text) for name, text in service.items()}
        document = read_private(directory / KEYRING_FILE)
        keyring = Keyring.read(document, secrets["root_public"])
        offices = [document for name, document in secrets.items() if name.startswith(OFFICE_CERTIFICATE)]
        own = (secrets["door_certificate"], *offices)
        return _Held(
            version=_version(directory),
            document=document,
            keyring=keyring,
            receipt=SigningKey(secrets[receipt_name(keyring.receipt_keys[-1])]),
            issuer=SigningKey(secrets[issuer_name(keyring.issuer_keys[-1])]),
            door=Sealer.of(secrets["door_certificate"], SigningKey(secrets["door"])),
            door_tag_key=secrets["door_tag"],
            session_secret=secrets["session"],
            own_certificates={document_hash(document): document for document in own},
            office_certificate=secrets[office_name(keyring.decision_keys[-1])],
        )
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, OSError, ProtocolError) as error:
        raise KeyStoreError(f"the key store in {directory} is damaged: restore it from its backup") from error
