"""What HTTP authentication of tablets needs of secrets: passwords as Digest wants them, sealed, and nonces.

Works while the key store is locked: tablets can always send. See docs/adr/0019-digest-and-basic.md.
"""

import base64
import hashlib
import hmac
import os
import secrets
import struct
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.keystore.files import KeyStoreError
from server.keystore.store import KeyStore
from server.keystore.vault import NONCE_BYTES

REALM: Final = "Passerelle"
LABEL_PASSWORD: Final = b"passerelle/1 tablet password"
LABEL_NONCE: Final = b"passerelle/1 digest nonce"
LABEL_ATTEMPT: Final = b"passerelle/1 tablet attempt"
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without what is mistaken for something else on a small screen: i, l, o, 0, 1."""
GROUPS, GROUP_LENGTH = 7, 4
"""28 characters of 31: 138 bits."""
_TIME: Final = struct.Struct(">QQ")
_TAG_BYTES: Final = 16
_MD5_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class DigestSecret:
    """H(A1) of RFC 7616, section 3.4.2, for both algorithms, in lower-case hexadecimal; never shown."""

    md5: str
    sha256: str

    def __repr__(self) -> str:
        return "DigestSecret(…)"

    @classmethod
    def of(cls, username: str, password: str) -> "DigestSecret":
        """Derive it from a name and a password."""
        text = f"{username}:{REALM}:{password}".encode()
        return cls(md5=hashlib.md5(text, usedforsecurity=False).hexdigest(), sha256=hashlib.sha256(text).hexdigest())


class TabletSecrets:
    """Seals and opens what is kept of passwords; makes nonces and knows them again, in every process of the office."""

    def __init__(self, keystore: KeyStore) -> None:
        self._passwords = AESGCM(keystore.derived_key(LABEL_PASSWORD))
        self._nonce_key = keystore.derived_key(LABEL_NONCE)
        self._attempt_key = keystore.derived_key(LABEL_ATTEMPT)
        self.nobody = DigestSecret.of("", secrets.token_hex(16))
        """For a name that is nobody's: to be compared with all the same."""

    def seal(self, username: str, password: str) -> bytes:
        """Return what may be stored of a password: nonce ‖ AES-256-GCM of H(A1), bound to the name."""
        secret, nonce = DigestSecret.of(username, password), os.urandom(NONCE_BYTES)
        plain = bytes.fromhex(secret.md5 + secret.sha256)
        return nonce + self._passwords.encrypt(nonce, plain, username.encode("ascii"))

    def open(self, username: str, sealed: bytes) -> DigestSecret:
        """Open what was stored of a password.

        Raises:
            KeyStoreError: when it was altered, or is another's.
        """
        try:
            plain = self._passwords.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], username.encode("ascii"))
        except (InvalidTag, ValueError):
            raise KeyStoreError("a tablet's password was altered in the database, or is of another key store") from None
        return DigestSecret(md5=plain[:_MD5_BYTES].hex(), sha256=plain[_MD5_BYTES:].hex())

    def nonce(self, now: int) -> str:
        """Make a nonce: the time, in seconds since 1970, and a tag that only this office can make."""
        head = _TIME.pack(now, secrets.randbits(64))
        return base64.urlsafe_b64encode(head + self._tag(head)).decode("ascii")

    def nonce_age(self, nonce: str, now: int) -> int | None:
        """Return how many seconds old a nonce is; None when it is not of this office."""
        try:
            raw = base64.b64decode(nonce, altchars=b"-_", validate=True)
        except ValueError:
            return None
        head, tag = raw[: _TIME.size], raw[_TIME.size :]
        if len(head) != _TIME.size or not hmac.compare_digest(tag, self._tag(head)):
            return None
        made, _ = _TIME.unpack(head)
        return int(now - made)

    def attempt_key(self, username: str, address: str) -> bytes:
        """Return the name under which failures of one user at one address are counted, (32,): shows neither.

        Nobody's name is empty: under it count those of an address.
        """
        return hmac.digest(self._attempt_key, f"{username}\x00{address}".encode("utf-8", "replace"), hashlib.sha256)

    def _tag(self, head: bytes) -> bytes:
        return hmac.digest(self._nonce_key, head, hashlib.sha256)[:_TAG_BYTES]


def new_password() -> str:
    """Draw a password that a person can type into a tablet: 138 bits in groups of four."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
    return "-".join(groups)
