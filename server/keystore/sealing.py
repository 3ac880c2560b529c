"""Sealed mode: the private survey keys leave the server in a file of their own, and come back on another machine.

The file is wrapped by a passphrase and written before anything is taken out. It may lie on a stick whose file system
knows no owners, so nothing is asked of its mode. What the former vault left on the disk is overwritten by nobody: seal
a server before the first interview is sent to it.
"""

import json
from pathlib import Path
from typing import Any, Final

from server.keystore.files import KeyStoreError, write_private
from server.keystore.vault import rewrap, unwrap_members, unwrap_under, wrap_under
from sync_protocol.errors import ProtocolError
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
    seeds = members["survey"]
    if not seeds:
        raise KeyStoreError("the survey keys are not on this machine: they were taken off it before")
    if path.exists():
        raise KeyStoreError(f"{path} exists already: keys are never overwritten")
    write_private(path, json.dumps(wrap_under(seeds, passphrase, LABEL_SURVEY_KEYS)).encode())
    if _read(path, passphrase) != seeds:
        path.unlink()
        raise KeyStoreError(f"{path} does not read back as it was written: use another disk; nothing was taken out")
    rewrap(directory, {**members, "survey": seeds if keeps else {}, "copied": _copied(members, seeds)}, key)


def put_in(directory: Path, key: bytes, path: Path, passphrase: str, keyring: Keyring) -> None:
    """Put the survey keys of a file into a vault, beside those that it has.

    Raises:
        KeyStoreError: when the passphrase is wrong, or not all keys that the keyring names are there then.
        OSError: when the vault cannot be written; it is as it was.
    """
    seeds = _read(path, passphrase)
    members = unwrap_members(directory, key)
    merged = {**members["survey"], **seeds}
    named = {survey_key.id for survey_key in keyring.survey_keys}
    if not named.intersection(seeds):
        raise KeyStoreError(f"{path} holds the survey keys of another office")
    if named - merged.keys():
        raise KeyStoreError(f"{path} is older than the keyring: put in the file written after the last rotation")
    rewrap(directory, {**members, "survey": merged, "copied": _copied(members, seeds)}, key)


def newer_keyring(own: Keyring, document: bytes) -> Keyring | None:
    """Check a keyring that was made where the survey keys are; None where it has nothing new.

    Raises:
        KeyStoreError: the root of this office did not sign it, or it lacks what this server has done since.
    """
    try:
        offered = Keyring.read(document, own.root_key)
    except ProtocolError:
        raise KeyStoreError("this keyring is not of this office") from None
    ids, own_ids = ({key.id for key in keyring.survey_keys} for keyring in (offered, own))
    if ids <= own_ids:
        return None
    kinds = ("receipt_keys", "issuer_keys", "decision_keys")
    is_behind = any(getattr(offered, kind) != getattr(own, kind) for kind in kinds)
    if offered.serial <= own.serial or is_behind or set(own.revocations) - set(offered.revocations):
        raise KeyStoreError(
            "the keyring of this server was signed anew since the backup: back it up again, and rotate from there"
        )
    return offered


def _read(path: Path, passphrase: str) -> dict[str, Any]:
    try:
        wrapped = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise KeyStoreError(f"{path} cannot be read, or holds no survey keys") from None
    return unwrap_under(wrapped if isinstance(wrapped, dict) else {}, passphrase, LABEL_SURVEY_KEYS)


def _copied(members: dict[str, Any], seeds: dict[str, Any]) -> list[str]:
    return sorted({*members.get("copied", ()), *seeds})
