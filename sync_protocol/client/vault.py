"""What a PIN protects on a device: drafts and finalised interviews, the ratchet state and the receiving key.

Key-encryption key = HKDF(Argon2id(PIN) ‖ device secret). On a tablet the device secret lives in the hardware key
store and makes guessing a matter of that chip; **this command-line device has none**, so its secret lies beside the
data and only Argon2id slows a thief down: 4 digits fall in half an hour, 6 in 53 core-hours. Sealed envelopes and the
signing key are not under the PIN: a forgotten PIN loses nothing that is finished, and a locked device still syncs.
"""
# ruff: noqa: ARG002 -- the three vaults have one shape; two of them do not look at all of it

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sync_protocol.errors import LocalError

PIN_CHARACTERS: Final = 6
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
CHECK: Final = b"passerelle/1 pin check"

Randomness = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class PinCost:
    """What one guess costs: memory and passes of Argon2id. Stored with the PIN, so that a later program may ask more.

    64 MiB is what the cheapest tablets of a field office can spare.
    """

    memory_kib: int = 65_536
    passes: int = 3


@dataclass(frozen=True, slots=True)
class PinSettings:
    """What is stored to recognise a PIN: the salt, the device secret, a constant wrapped under its key, its cost."""

    salt: bytes
    device_secret: bytes
    check: bytes
    cost: PinCost


class OpenVault:
    """No PIN was chosen: secrets are stored as they are."""

    def wrap(self, secret: bytes, *, name: str) -> bytes:
        """Return the secret itself."""
        return secret

    def unwrap(self, wrapped: bytes, *, name: str) -> bytes:
        """Return the secret itself."""
        return wrapped


class LockedVault:
    """A PIN was chosen and not given: syncing works, sealing and reading assignments do not."""

    def wrap(self, secret: bytes, *, name: str) -> bytes:
        """Refuse.

        Raises:
            LocalError: ``pin-needed``.
        """
        raise LocalError("pin-needed", f"the {name} is under the PIN: open the device with it")

    def unwrap(self, wrapped: bytes, *, name: str) -> bytes:
        """Refuse.

        Raises:
            LocalError: ``pin-needed``.
        """
        raise LocalError("pin-needed", f"the {name} is under the PIN: open the device with it")


class PinVault:
    """The PIN was given: secrets are wrapped with AES-256-GCM, bound to their names."""

    def __init__(self, key: bytes, randomness: Randomness) -> None:
        """Take the key-encryption key."""
        self._cipher = AESGCM(key)
        self._randomness = randomness

    def wrap(self, secret: bytes, *, name: str) -> bytes:
        """Wrap a secret under a random nonce."""
        nonce = self._randomness(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, name.encode("utf-8"))

    def unwrap(self, wrapped: bytes, *, name: str) -> bytes:
        """Unwrap it.

        Raises:
            LocalError: ``pin-wrong``.
        """
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], name.encode("utf-8"))
        except (InvalidTag, ValueError):
            raise LocalError("pin-wrong", "this is not the PIN of this device") from None


Vault = OpenVault | LockedVault | PinVault


def choose_pin(pin: str, randomness: Randomness, cost: PinCost) -> tuple[PinVault, PinSettings]:
    """Make the vault of a new PIN, and what to store of it.

    Raises:
        LocalError: ``pin-too-short``.
    """
    if len(pin) < PIN_CHARACTERS:
        raise LocalError("pin-too-short", f"a PIN has at least {PIN_CHARACTERS} characters")
    salt, device_secret = randomness(SALT_BYTES), randomness(32)
    vault = PinVault(_key(pin, salt, device_secret, cost), randomness)
    return vault, PinSettings(salt, device_secret, vault.wrap(CHECK, name="check"), cost)


def open_vault(pin: str | None, settings: PinSettings | None, randomness: Randomness) -> Vault:
    """Return the vault of a device that is opened.

    Raises:
        LocalError: ``pin-wrong``.
    """
    if settings is None:
        return OpenVault()
    if pin is None:
        return LockedVault()
    vault = PinVault(_key(pin, settings.salt, settings.device_secret, settings.cost), randomness)
    vault.unwrap(settings.check, name="check")
    return vault


def _key(pin: str, salt: bytes, device_secret: bytes, cost: PinCost) -> bytes:
    stretched = hash_secret_raw(
        pin.encode("utf-8"),
        salt,
        time_cost=cost.passes,
        memory_cost=cost.memory_kib,
        parallelism=1,
        hash_len=32,
        type=Type.ID,
    )
    return HKDF(SHA256(), 32, salt=None, info=b"passerelle/1 pin").derive(stretched + device_secret)
