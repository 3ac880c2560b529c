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
from sync_protocol.documents import decode_bytes, encode_bytes, key_id

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
LABEL_VAULT: Final = b"passerelle/1 vault"
OPENS: Final = "opens_interviews"
ARGON2ID: Final = {"time_cost": 3, "memory_kib": 65_536, "lanes": 4}
"""The second recommended set of RFC 9106, section 4: 64 MiB, about a quarter of a second."""


@dataclass(frozen=True, slots=True)
class Vault:
    """What is unlocked; never shown, never pickled.

    Attributes:
        survey_seeds: by the id of the survey key; empty where they are on another machine.
        copied: ids of the survey keys that are in a file too.
    """

    survey_seeds: Mapping[str, bytes]
    copied: frozenset[str]
    projection: AESGCM
    index_key: bytes
    microdata_keys: Mapping[str, bytes]
    decision: SigningKey

    def __repr__(self) -> str:
        return "Vault(…)"


def encryption_key(directory: Path, passphrase: str | None) -> bytes:
    """Return the key-encryption key of a key store, (32,), unproven.

    Raises:
        KeyStoreError: when it takes a passphrase and none is given, or its files cannot be read.
    """
    wrapped = read_json(directory / VAULT_FILE)
    try:
        return _encryption_key(directory, wrapped, passphrase)
    except (Argon2Error, KeyError, ValueError, TypeError):
        raise _wrong(directory, wrapped) from None


def unwrap(directory: Path, key: bytes, decision_key: bytes) -> Vault:
    """Unwrap the vault of a key store.

    Args:
        key: the key-encryption key.
        decision_key: (32,) raw public key: the last one of the keyring, which the office signs with.

    Raises:
        KeyStoreError: when the passphrase or the key file is not the right one.
    """
    return _read(unwrap_members(directory, key), decision_key)


def unwrap_members(directory: Path, key: bytes) -> dict[str, Any]:
    """Unwrap a vault as it is stored: secrets in base64url.

    Raises:
        KeyStoreError: when the passphrase or the key file is not the right one.
    """
    wrapped = read_json(directory / VAULT_FILE)
    try:
        sealed = decode_bytes(wrapped["sealed"])
        members = json.loads(AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], LABEL_VAULT))
    except (InvalidTag, KeyError, ValueError, TypeError):
        raise _wrong(directory, wrapped) from None
    if isinstance(members["decision"], str):  # of before keys could be rotated
        public = SigningKey(decode_bytes(members["decision"])).public_bytes
        members["decision"] = {key_id(public): members["decision"]}
    return dict(members)


def rewrap(directory: Path, members: Mapping[str, Any], key: bytes) -> None:
    """Put other contents into a vault, under the key-encryption key that it has.

    Raises:
        KeyStoreError: when that is not its key.
        OSError: when it cannot be written; then it is as it was.
    """
    unwrap_members(directory, key)
    wrapped = read_json(directory / VAULT_FILE)
    marked = {**wrapped, **_mark(members)}
    write_private(directory / VAULT_FILE, json.dumps({**marked, "sealed": _sealed(members, key)}).encode())


def opens_interviews(directory: Path) -> bool:
    """Say whether a vault has survey keys; it says so without being unwrapped.

    Raises:
        KeyStoreError: when it cannot be read or is damaged.
    """
    return read_json(directory / VAULT_FILE).get(OPENS) is not False


def _mark(members: Mapping[str, Any]) -> dict[str, bool]:
    return {OPENS: bool(members["survey"])}


def change_passphrase(directory: Path, key: bytes, passphrase: str) -> None:
    """Wrap a vault under a new passphrase, in one step; a key file beside it is removed afterwards.

    Raises:
        KeyStoreError: when that is not its key.
    """
    _wrap_under(directory, unwrap_members(directory, key), passphrase)
    (directory / KEY_FILE).unlink(missing_ok=True)


def wrap_under(members: Mapping[str, Any], passphrase: str, label: bytes) -> dict[str, Any]:
    """Return secrets wrapped under a passphrase, as the members of a JSON file; the label says what they are."""
    salt = os.urandom(16)
    wrapped: dict[str, Any] = {"salt": encode_bytes(salt), **ARGON2ID}
    wrapped["sealed"] = _sealed(members, _derive(passphrase, salt, wrapped), label)
    return wrapped


def unwrap_under(wrapped: Mapping[str, Any], passphrase: str, label: bytes) -> dict[str, Any]:
    """Return what was wrapped under a passphrase.

    Raises:
        KeyStoreError: when the passphrase is wrong, or it is no such file.
    """
    try:
        key = _derive(passphrase, decode_bytes(wrapped["salt"]), wrapped)
        sealed = decode_bytes(wrapped["sealed"])
        members = json.loads(AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], label))
    except (Argon2Error, InvalidTag, KeyError, ValueError, TypeError):
        raise KeyStoreError("this passphrase does not open the file, or it holds something else") from None
    return dict(members)


def _wrong(directory: Path, wrapped: Mapping[str, Any]) -> KeyStoreError:
    what = "passphrase" if "salt" in wrapped else "key file"
    return KeyStoreError(f"this {what} does not open the key store in {directory}")


def _sealed(members: Mapping[str, Any], key: bytes, label: bytes = LABEL_VAULT) -> str:
    nonce = os.urandom(NONCE_BYTES)
    return encode_bytes(nonce + AESGCM(key).encrypt(nonce, json.dumps(members).encode(), label))


def wrap(directory: Path, members: Mapping[str, Any], passphrase: str | None) -> None:
    """Wrap a new vault under a passphrase, or under a new key file when there is none."""
    if passphrase is not None:
        _wrap_under(directory, members, passphrase)
        return
    key = os.urandom(KEY_BYTES)
    write_private(directory / KEY_FILE, key)
    write_private(directory / VAULT_FILE, json.dumps({"sealed": _sealed(members, key)}).encode())


def _wrap_under(directory: Path, members: Mapping[str, Any], passphrase: str) -> None:
    wrapped = {**wrap_under(members, passphrase, LABEL_VAULT), **_mark(members)}
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


def _read(members: Mapping[str, Any], decision_key: bytes) -> Vault:
    try:
        return Vault(
            survey_seeds={name: decode_bytes(text) for name, text in members["survey"].items()},
            copied=frozenset(members.get("copied", ())),
            projection=AESGCM(decode_bytes(members["projection"])),
            index_key=decode_bytes(members["index"]),
            microdata_keys={name: decode_bytes(text) for name, text in members["microdata"].items()},
            decision=SigningKey(decode_bytes(members["decision"][key_id(decision_key)])),
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        raise KeyStoreError("the vault does not hold the keys that the keyring names: restore its backup") from None
