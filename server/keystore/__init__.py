"""The private keys of an office: the only module that touches them. They never leave it; what they do, leaves.

Service keys (receipt, issuer, door) work without anybody's help, so that tablets can always sync. The vault holds what
opens answers: survey keys, projection, index and microdata keys, the decision key. It is wrapped by a key-encryption
key: a 0600 file beside it, or a passphrase through Argon2id. Without that the store is **locked**: what needs the vault
raises `KeyStoreLocked`, and nothing is skipped. The office root's private key is written once, to a file of its own to
be kept offline, and is never read again.
"""

from server.keystore.door import DoorSealer, SealedEnvelope, SealedSubmission, Submission
from server.keystore.files import KeyStoreError
from server.keystore.keys import DOOR_ID, OFFICE_ID, Sealer, SigningKey
from server.keystore.rotating import KINDS, Rotation
from server.keystore.sealing import newer_keyring
from server.keystore.store import KeyStore, Store
from server.keystore.tablets import DigestSecret, TabletSecrets, new_password

__all__ = [
    "DOOR_ID",
    "KINDS",
    "OFFICE_ID",
    "DigestSecret",
    "DoorSealer",
    "KeyStore",
    "KeyStoreError",
    "Rotation",
    "SealedEnvelope",
    "SealedSubmission",
    "Sealer",
    "SigningKey",
    "Store",
    "Submission",
    "TabletSecrets",
    "new_password",
    "newer_keyring",
]
