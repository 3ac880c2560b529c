"""Key files on disk: mode 0600, written whole and fsynced, refused when others may read them."""

import json
import os
from pathlib import Path
from typing import Any, Final

from server.keystore.keys import SigningKey
from sync_protocol.documents import decode_bytes, key_id

SERVICE_FILE: Final = "service.json"
OFFICE_CERTIFICATE: Final = "office_certificate "
FORMER_CERTIFICATE: Final = "office_certificate"
VAULT_FILE: Final = "vault.json"
KEY_FILE: Final = "vault.key"
KEYRING_FILE: Final = "keyring.json"


def receipt_name(public_key: bytes) -> str:
    """Return the name in the service file of the private half of a receipt key."""
    return f"receipt {key_id(public_key)}"


def issuer_name(public_key: bytes) -> str:
    """Return the name in the service file of the private half of an issuer key."""
    return f"issuer {key_id(public_key)}"


def office_name(decision_key: bytes) -> str:
    """Return the name in the service file of the office's certificate for a decision key."""
    return f"{OFFICE_CERTIFICATE}{key_id(decision_key)}"


class KeyStoreError(Exception):
    """The key store cannot be made or opened; the message says why and what to do."""


def read_json(path: Path) -> dict[str, Any]:
    """Read a private JSON object.

    Raises:
        KeyStoreError: when it cannot be read or is damaged.
    """
    try:
        members = json.loads(read_private(path))
    except ValueError:
        raise KeyStoreError(f"{path} is damaged: restore it from its backup") from None
    if not isinstance(members, dict):
        raise KeyStoreError(f"{path} is damaged: restore it from its backup")
    return members


def read_service(directory: Path) -> dict[str, str]:
    """Read the service file, secrets in base64url by their names; those of before keys could be rotated are renamed.

    Raises:
        KeyStoreError: when it cannot be read or is damaged.
    """
    service = {str(name): str(text) for name, text in read_json(directory / SERVICE_FILE).items()}
    try:
        for kind, name_of in (("receipt", receipt_name), ("issuer", issuer_name)):
            if kind in service:
                secret = service.pop(kind)
                service[name_of(SigningKey(decode_bytes(secret)).public_bytes)] = secret
        if FORMER_CERTIFICATE in service:
            payload = json.loads(decode_bytes(service[FORMER_CERTIFICATE]))["payload"]
            service[office_name(decode_bytes(payload["signing_key"]))] = service.pop(FORMER_CERTIFICATE)
    except (KeyError, TypeError, ValueError):
        raise KeyStoreError(f"{directory / SERVICE_FILE} is damaged: restore it from its backup") from None
    return service


def read_private(path: Path) -> bytes:
    """Read a file that nobody else may read, as ssh does with its keys.

    Raises:
        KeyStoreError: when it cannot be read, or others may read it.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise KeyStoreError(f"others may read {path}: run chmod 600 on it, and ask who has")
        return path.read_bytes()
    except OSError as error:
        raise KeyStoreError(f"{path} cannot be read ({error.strerror}): run `passerelle init` first") from None


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600, whole or not at all, and on the disk when this returns.

    Raises:
        OSError: when it cannot be written.
    """
    made = path.with_name(path.name + ".new")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
