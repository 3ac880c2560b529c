"""Rotating keys: new ones beside the old ones, and a keyring that names both, signed by the office root.

Vault and service file come first and hold the keys of both keyrings; the keyring's own file, written last, is what puts
the new ones in force. A crash in between leaves the former keyring in force, and keys that nobody uses.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.keystore.files import (
    KEYRING_FILE,
    SERVICE_FILE,
    issuer_name,
    office_name,
    read_service,
    receipt_name,
    write_private,
)
from server.keystore.keys import OFFICE_ID, SigningKey
from server.keystore.making import own_certificate
from server.keystore.vault import KEY_BYTES, rewrap, unwrap_members
from sync_protocol import hpke
from sync_protocol.constants import MODES, SUITE_X_WING
from sync_protocol.documents import decode_bytes, encode_bytes, key_id
from sync_protocol.keyring import Keyring, SurveyKey

KINDS: Final = ("survey", "receipt", "issuer", "decision")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What is to be made anew.

    Attributes:
        kinds: of `KINDS`; none of them only signs the revocations anew.
        suite: of the new survey keys, of `sync_protocol.constants`.
        revocations: hashes of the certificates of revoked devices, all of them.
        drops_old_receipts: devices no longer believe former receipt keys: for a key that was stolen.
        after: a serial that a keyring has had already, though the one in force may be older: keys were restored.
    """

    kinds: frozenset[str]
    suite: int = SUITE_X_WING
    revocations: tuple[bytes, ...] = ()
    drops_old_receipts: bool = False
    after: int = 0


def rotate_files(
    directory: Path,
    keyring: Keyring,
    rotation: Rotation,
    root: Ed25519PrivateKey,
    encryption_key: bytes,
    now: datetime,
) -> None:
    """Write the files of a rotation, each whole or not at all.

    Raises:
        KeyStoreError: when the key-encryption key is not the vault's.
        OSError: when a file cannot be written; the former keyring stays in force.
    """
    seeds = {str(kind): os.urandom(KEY_BYTES) for kind in KINDS if kind in rotation.kinds and kind != "survey"}
    keys = {kind: SigningKey(seed) for kind, seed in seeds.items()}
    vault = unwrap_members(directory, encryption_key)
    survey_keys = _survey_keys(keyring, rotation, vault)
    service = read_service(directory)
    if "receipt" in keys:
        service[receipt_name(keys["receipt"].public_bytes)] = encode_bytes(seeds["receipt"])
    if "issuer" in keys:
        service[issuer_name(keys["issuer"].public_bytes)] = encode_bytes(seeds["issuer"])
    if "decision" in keys:
        issuer = keys.get("issuer") or _signing_key(service, issuer_name(keyring.issuer_keys[-1]))
        certificate = own_certificate(OFFICE_ID, "manager", keys["decision"], now).issue(issuer)
        service[office_name(keys["decision"].public_bytes)] = encode_bytes(certificate)
        vault["decision"][key_id(keys["decision"].public_bytes)] = encode_bytes(seeds["decision"])
    rewrap(directory, vault, encryption_key)
    write_private(directory / SERVICE_FILE, json.dumps(service).encode())
    following = _following(keyring, rotation, keys, survey_keys)
    write_private(directory / KEYRING_FILE, following.sign(root))


def _survey_keys(keyring: Keyring, rotation: Rotation, vault: dict[str, Any]) -> tuple[SurveyKey, ...]:
    """Return the survey keys of the next keyring, and put the seeds of new ones into the vault."""
    if "survey" not in rotation.kinds:
        return keyring.survey_keys
    made = []
    for mode in MODES:
        seed = hpke.generate_seed(os.urandom)
        made.append(SurveyKey(suite=rotation.suite, public_key=hpke.public_key(rotation.suite, seed), mode=mode))
        vault["survey"][made[-1].id] = encode_bytes(seed)
    return (*(replace(key, status="retired") for key in keyring.survey_keys), *made)


def _following(
    keyring: Keyring, rotation: Rotation, keys: Mapping[str, SigningKey], survey_keys: tuple[SurveyKey, ...]
) -> Keyring:
    def with_new(former: tuple[bytes, ...], kind: str) -> tuple[bytes, ...]:
        return (*former, keys[kind].public_bytes) if kind in keys else former

    receipts = keyring.receipt_keys if not rotation.drops_old_receipts else keyring.receipt_keys[-1:]
    if rotation.drops_old_receipts and "receipt" in keys:
        receipts = ()
    return replace(
        keyring,
        serial=max(keyring.serial, rotation.after) + 1,
        survey_keys=survey_keys,
        receipt_keys=with_new(receipts, "receipt"),
        issuer_keys=with_new(keyring.issuer_keys, "issuer"),
        decision_keys=with_new(keyring.decision_keys, "decision"),
        revocations=rotation.revocations,
    )


def _signing_key(service: Mapping[str, str], name: str) -> SigningKey:
    return SigningKey(decode_bytes(service[name]))
