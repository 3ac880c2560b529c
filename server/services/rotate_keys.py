"""Rotate keys of the office: by round, on demand, or because one was stolen. Only who holds the office root can."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy.orm import Session

from server.db.queries import audit, devices
from server.errors import BadRequest
from server.keystore import KINDS, KeyStore, Rotation
from sync_protocol.documents import key_id
from sync_protocol.keyring import Keyring

LEAP: Final = 1000
"""No office has rotated so often since its last backup: a tablet that names such a serial has made it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLine:
    """One public key of the keyring: its kind, its id, the mode and suite of a survey key, and whether it is in use."""

    kind: str
    id: str
    mode: str = ""
    suite: int | None = None
    is_in_use: bool


def list_keys(keyring: Keyring) -> tuple[KeyLine, ...]:
    """Return the public keys of a keyring, oldest first within a kind."""
    surveys = [
        KeyLine(kind="survey", id=key.id, mode=key.mode, suite=key.suite, is_in_use=key == keyring.survey_key(key.mode))
        for key in keyring.survey_keys
    ]
    others = [
        KeyLine(kind=kind, id=key_id(key), is_in_use=key == keys[-1])
        for kind, keys in (
            ("receipt", keyring.receipt_keys),
            ("issuer", keyring.issuer_keys),
            ("decision", keyring.decision_keys),
        )
        for key in keys
    ]
    return (*surveys, *others)


def rotate(
    session: Session,
    *,
    keystore: KeyStore,
    root_pem: bytes,
    kinds: frozenset[str],
    suite: int,
    drops_old_receipts: bool,
    user: str,
    now: datetime,
) -> Keyring:
    """Make new keys of these kinds and put the keyring that names them in force; tablets get it in their next exchange.

    The keyring names all certificates of revoked devices, whatever is rotated. Its serial is above every one that a
    tablet has named: after a restore, the keyring in force may be older than theirs.

    Raises:
        BadRequest: an unknown kind, or a file that holds no root key.
        KeyStoreLocked: without the vault.
        KeyStoreError: when it is the root of another office, or a file cannot be written.
    """
    unknown = kinds - set(KINDS)
    if unknown:
        raise BadRequest(f"there are no keys of the kind {min(unknown)!r}, but {', '.join(KINDS)}")
    rotation = Rotation(
        kinds=kinds,
        suite=suite,
        revocations=tuple(sorted(one.certificate_hash for one in devices.devices(session) if one.revoked_at)),
        drops_old_receipts=drops_old_receipts,
        after=devices.highest_serial(session, below=keystore.keyring.serial + LEAP),
    )
    keystore.rotate(rotation, _root(root_pem), now=now)
    devices.keep_keyring(session, serial=keystore.keyring.serial, document=keystore.keyring_document)
    detail = ", ".join(kind for kind in KINDS if kind in kinds) or "revocations only"
    audit.write(
        session, at=now, actor=user, action="rotate-keys", subject=f"keyring {keystore.keyring.serial}", detail=detail
    )
    return keystore.keyring


def _root(pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadRequest("the file holds no office root key, as `passerelle init` writes it")
    return key
