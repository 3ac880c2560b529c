"""Sealed mode: the private survey keys leave the server in a file of their own, and come back on another machine.

The file is wrapped by a passphrase and written before anything is taken out. What the former vault left on the disk is
overwritten by nobody: seal a server before the first interview is sent to it.
"""

from pathlib import Path
from typing import Final

from server.keystore.files import KeyStoreError, read_json, write_private
from server.keystore.vault import rewrap, unwrap_members, unwrap_under, wrap_under
from sync_protocol.keyring import Keyring

LABEL_SURVEY_KEYS: Final = b"passerelle/1 survey keys"


def take_out(directory: Path, key: bytes, path: Path, passphrase: str, *, keeps: bool) -> None:
    """Write the private survey keys of a vault into a file, and take them out of the vault unless it keeps them.

    Args:
        directory: of the key store.
        key: its key-encryption key.
        path: must not be there yet.
        passphrase: wraps the file.
        keeps: they stay in the vault too.

    Raises:
        KeyStoreError: when they are not here, the file is there already, or it does not read back.
        OSError: when it cannot be written; the vault is as it was.
    """
    members = unwrap_members(directory, key)
    if not members["survey"]:
        raise KeyStoreError("the survey keys are not on this machine: they were taken off it before")
    if path.exists():
        raise KeyStoreError(f"{path} exists already: keys are never overwritten")
    write_private(path, wrap_under(members["survey"], passphrase, LABEL_SURVEY_KEYS))
    if unwrap_under(read_json(path), passphrase, LABEL_SURVEY_KEYS) != members["survey"]:
        raise KeyStoreError(f"{path} does not read back as it was written: use another disk; nothing was taken out")
    if not keeps:
        rewrap(directory, {**members, "survey": {}}, key)


def put_in(directory: Path, key: bytes, path: Path, passphrase: str, keyring: Keyring) -> None:
    """Put the survey keys of a file into a vault, beside those that it has.

    Raises:
        KeyStoreError: when the passphrase is wrong, or none of the keys is one that the keyring names.
        OSError: when the vault cannot be written; it is as it was.
    """
    seeds = unwrap_under(read_json(path), passphrase, LABEL_SURVEY_KEYS)
    if not any(keyring.survey_key_by_id(name) for name in seeds):
        raise KeyStoreError(f"{path} holds the survey keys of another office")
    members = unwrap_members(directory, key)
    rewrap(directory, {**members, "survey": {**members["survey"], **seeds}}, key)
