"""The vault: what opens answers, wrapped by a key file or by a passphrase through Argon2id."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from argon2.exceptions import Argon2Error
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.keystore.files import KEY_FILE, VAULT_FILE, KeyStoreError, read_json, read_private, write_private
from server.keystore.keys import SigningKey
from sync_protocol.documents import decode_bytes, encode_bytes

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
LABEL_VAULT: Final = b"passerelle/1 vault"
ARGON2ID: Final = {"time_cost": 3, "memory_kib": 65_536, "lanes": 4}
"""The second recommended set of RFC 9106, section 4: 64 MiB, about a quarter of a second."""


@dataclass(frozen=True, slots=True)
class Vault:
    """What is unlocked; never shown, never pickled."""

    survey_seeds: Mapping[str, bytes]
    projection: AESGCM
    index_key: bytes
    microdata_keys: Mapping[str, bytes]
    decision: SigningKey

    def __repr__(self) -> str:
        return "Vault(…)"


def unwrap(directory: Path, passphrase: str | None) -> Vault:
    """Unwrap the vault of a key store.

    Raises:
        KeyStoreError: when the passphrase or the key file is not the right one.
    """
    wrapped = read_json(directory / VAULT_FILE)
    try:
        key = _encryption_key(directory, wrapped, passphrase)
        sealed = decode_bytes(wrapped["sealed"])
        return _read(AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], LABEL_VAULT))
    except (InvalidTag, Argon2Error, KeyError, ValueError, TypeError):
        what = "passphrase" if "salt" in wrapped else "key file"
        raise KeyStoreError(f"this {what} does not open the key store in {directory}") from None


def wrap(directory: Path, plain: bytes, passphrase: str | None) -> None:
    """Wrap a vault under a passphrase, or under a new key file when there is none."""
    wrapped: dict[str, Any] = {}
    if passphrase is None:
        key = os.urandom(KEY_BYTES)
        write_private(directory / KEY_FILE, key)
    else:
        salt = os.urandom(16)
        wrapped = {"salt": encode_bytes(salt), **ARGON2ID}
        key = _derive(passphrase, salt, wrapped)
    nonce = os.urandom(NONCE_BYTES)
    wrapped["sealed"] = encode_bytes(nonce + AESGCM(key).encrypt(nonce, plain, LABEL_VAULT))
    write_private(directory / VAULT_FILE, json.dumps(wrapped).encode())


def _encryption_key(directory: Path, wrapped: Mapping[str, Any], passphrase: str | None) -> bytes:
    if "salt" not in wrapped:
        return read_private(directory / KEY_FILE)
    if passphrase is None:
        raise ValueError("a passphrase is needed")
    return _derive(passphrase, decode_bytes(wrapped["salt"]), wrapped)


def _derive(passphrase: str, salt: bytes, costs: Mapping[str, Any]) -> bytes:
    return hash_secret_raw(
        passphrase.encode("utf-8"),
        salt,
        time_cost=int(costs["time_cost"]),
        memory_cost=int(costs["memory_kib"]),
        parallelism=int(costs["lanes"]),
        hash_len=KEY_BYTES,
        type=Type.ID,
    )


def _read(plain: bytes) -> Vault:
    members = json.loads(plain)
    return Vault(
        survey_seeds={name: decode_bytes(text) for name, text in members["survey"].items()},
        projection=AESGCM(decode_bytes(members["projection"])),
        index_key=decode_bytes(members["index"]),
        microdata_keys={name: decode_bytes(text) for name, text in members["microdata"].items()},
        decision=SigningKey(decode_bytes(members["decision"])),
    )
