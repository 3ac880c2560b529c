"""The keys that the office seals to: a new one in each exchange, and each one gone when it is no longer needed.

An old key is kept until nothing on the device is sealed to it and a later exchange has been answered that named a newer
one: the server seals to the key that it was told last. What was pulled is opened when the device is unlocked and sealed
again under the device's own data key, so that receiving keys go soon. The data key is under the PIN; a locked device
names no key and reads nothing, but keeps what it pulls.
"""

from typing import Final

from sync_protocol import hpke
from sync_protocol.client.database import DeviceDatabase
from sync_protocol.client.vault import LockedVault, PinVault, Randomness, Vault
from sync_protocol.constants import SUITE_X25519
from sync_protocol.documents import key_id
from sync_protocol.errors import LocalError

SEED_BYTES: Final = 32
DATA_KEY: Final = "data key"
LOCAL: Final = "local"
"""`sealed_to` of what is under the device's own data key."""
ANSWERED: Final = "answered_receiving_key"
FORGET: Final = (
    "DELETE FROM receiving_key WHERE position < (SELECT value FROM setting WHERE name = ?) AND key_id NOT IN"
    " (SELECT sealed_to FROM assignment UNION SELECT sealed_to FROM handover UNION SELECT sealed_to FROM entity_delta)"
)


def data_vault(vault: Vault, wrapped_data_key: bytes, randomness: Randomness) -> LockedVault | PinVault:
    """Return what seals rows under the data key: without a PIN, too, nothing lies in clear in the file."""
    if isinstance(vault, LockedVault):
        return vault
    return PinVault(vault.unwrap(wrapped_data_key, name=DATA_KEY), randomness)


class ReceivingKeys:
    """The receiving keys of a device."""

    def __init__(self, database: DeviceDatabase, local: LockedVault | PinVault, randomness: Randomness) -> None:
        """Take the open file, what seals under the data key, and a source of random bytes."""
        self._database = database
        self._local = local
        self._randomness = randomness

    def renew(self) -> bytes | None:
        """Make a key inside the caller's transaction; return its public half, (32,). None while locked."""
        if isinstance(self._local, LockedVault):
            return None
        seed = self._randomness(SEED_BYTES)
        public_key = hpke.public_key(SUITE_X25519, seed)
        name = key_id(public_key)
        self._database.execute(
            "INSERT INTO receiving_key (key_id, public_key, seed) VALUES (?, ?, ?)",
            *(name, public_key, self._local.wrap(seed, name=_seed_name(name))),
        )
        return public_key

    def seed(self, sealed_to: str) -> bytes:
        """Return the private half of a key by its id.

        Raises:
            LocalError: ``pin-needed``; ``key-gone`` when the device has no such key.
        """
        found = self._database.rows("SELECT seed FROM receiving_key WHERE key_id = ?", sealed_to)
        if not found:
            raise LocalError("key-gone", f"this device has no receiving key {sealed_to}")
        return self._local.unwrap(bytes(found[0][0]), name=_seed_name(sealed_to))

    def answered(self, named_key: bytes | None) -> None:
        """Note, inside the caller's transaction, that a request that named this key was answered."""
        if named_key is not None:
            self._database.execute(
                "INSERT OR REPLACE INTO setting (name, value)"
                " SELECT ?, position FROM receiving_key WHERE public_key = ?",
                *(ANSWERED, named_key),
            )
        self.forget()

    def forget(self) -> None:
        """Delete, inside the caller's transaction, keys that nothing is or will be sealed to."""
        self._database.execute(FORGET, ANSWERED)

    def count(self) -> int:
        """Return how many keys there are."""
        return int(self._database.rows("SELECT count(*) FROM receiving_key")[0][0])


def _seed_name(name: str) -> str:
    return f"receiving key {name}"
