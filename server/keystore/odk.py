"""ODK's own encryption of submissions: the office's RSA keys, and what they open. Nothing is ever encrypted by it here.

As ODK Collect does it (https://getodk.github.io/xforms-spec/encryption): a random AES-256 key a submission, wrapped by
RSA-OAEP with SHA-256, for MGF1 too (Collect takes Bouncy Castle's; writers on the plain Java provider take SHA-1 there,
so both are tried); each file in AES-CFB with PKCS #7 padding, in the order in which the manifest lists them, the XML
last; the initialisation vector begins as MD5(instanceID ‖ key), and before each file the next of its bytes goes up by
one; the signature is the MD5 of what was listed, encrypted to the same public key. What this cannot promise is in
docs/how-to/odk-encryption.md.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
)

from server.keystore.files import KeyStoreError
from server.keystore.store import KeyStore
from sync_protocol.errors import EnvelopeError

UNDECRYPTABLE: Final = "odk-undecryptable"
LEAST_BITS: Final = 2048
SIZES: Final = (2048, 3072)
KEY_BYTES: Final = 32
BLOCK_BYTES: Final = 16
_CONTEXT: Final = b"odk-key:"
_MASKS: Final[tuple[HashAlgorithm, ...]] = (SHA256(), SHA1())  # noqa: S303 -- of MGF1, as some writers have it


@dataclass(frozen=True, slots=True)
class SealedOdkKey:
    """A key as it is stored: its public half as forms name it, its private half sealed by the vault."""

    key_hash: bytes
    public_key: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class FileKey:
    """What opens one file of a submission: AES key and initialisation vector, hexadecimal."""

    key: str
    iv: str


class OdkKey:
    """The private half of a key; never shown."""

    def __init__(self, key: RSAPrivateKey) -> None:
        """Take what `open` has read."""
        self._key = key

    @classmethod
    def open(cls, keystore: KeyStore, key_hash: bytes, sealed: bytes) -> Self:
        """Open a stored key.

        Raises:
            KeyStoreLocked: without the vault.
            KeyStoreError: it was altered, or is of another key store.
        """
        return cls(_private(load_der_private_key(keystore.open_projection(sealed, _CONTEXT + key_hash), None)))

    def unwrap(self, wrapped: str) -> bytes:
        """Open the base64 of something encrypted to this key.

        Raises:
            EnvelopeError: ``odk-undecryptable``.
        """
        try:
            ciphertext = base64.b64decode(wrapped.encode("ascii"))
        except (binascii.Error, ValueError):
            raise EnvelopeError(UNDECRYPTABLE, "what should be encrypted to the key is not base64") from None
        for mask in _MASKS:
            try:
                return self._key.decrypt(ciphertext, OAEP(mgf=MGF1(mask), algorithm=SHA256(), label=None))
            except ValueError:
                continue
        raise EnvelopeError(UNDECRYPTABLE, "encrypted to another key, or altered")

    def file_keys(self, wrapped: str, instance_id: str, count: int) -> tuple[FileKey, ...]:
        """Return what opens the files of a submission, in the order of its manifest.

        Args:
            wrapped: the symmetric key, as the manifest has it.
            instance_id: as the manifest writes it.
            count: of files, the XML among them.

        Raises:
            EnvelopeError: ``odk-undecryptable``.
        """
        key = self.unwrap(wrapped)
        if len(key) != KEY_BYTES:
            raise EnvelopeError(UNDECRYPTABLE, "the symmetric key has another length")
        vector = bytearray(hashlib.md5(instance_id.encode("utf-8") + key, usedforsecurity=False).digest())
        found: list[FileKey] = []
        for place in range(count):
            vector[place % BLOCK_BYTES] = (vector[place % BLOCK_BYTES] + 1) % 256
            found.append(FileKey(key.hex(), vector.hex()))
        return tuple(found)

    def is_signature(self, signature: str, signed: str) -> bool:
        """Say whether a signature is that of a text: that nothing was cut or mixed up, not who made it."""
        try:
            digest = self.unwrap(signature)
        except EnvelopeError:
            return False
        return hmac.compare_digest(digest, hashlib.md5(signed.encode("utf-8"), usedforsecurity=False).digest())


def make_key(keystore: KeyStore, bits: int = LEAST_BITS) -> SealedOdkKey:
    """Make a managed key.

    Raises:
        KeyStoreLocked: without the vault.
    """
    return _sealed(keystore, rsa.generate_private_key(public_exponent=65537, key_size=bits))


def read_key(keystore: KeyStore, pem: bytes, passphrase: str | None) -> SealedOdkKey:
    """Take the office's own key from a PEM file.

    Raises:
        KeyStoreError: it is no RSA key of at least 2048 bits, or the passphrase is not its own.
        KeyStoreLocked: without the vault.
    """
    try:
        key = _private(load_pem_private_key(pem, None if passphrase is None else passphrase.encode("utf-8")))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyStoreError("this is not a private key in PEM, or the passphrase does not open it") from None
    return _sealed(keystore, key)


def hash_of(public_key: str) -> bytes:
    """Return the hash by which the key of a form is known, (32,), however its base64 is broken into lines.

    Raises:
        ValueError: not base64.
    """
    return hashlib.sha256(base64.b64decode("".join(public_key.split()), validate=True)).digest()


def check_public_key(public_key: str) -> None:
    """Refuse what is no RSA public key that forms can name.

    Raises:
        KeyStoreError: it is none, or too short.
    """
    try:
        key = load_der_public_key(base64.b64decode("".join(public_key.split()), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        raise KeyStoreError("this is not the base64 of a public key") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < LEAST_BITS:
        raise KeyStoreError(f"forms are encrypted to RSA keys of at least {LEAST_BITS} bits")


def plain_chunks(chunks: Iterable[bytes], file_key: FileKey) -> Iterator[bytes]:
    """Yield the plaintext of one encrypted file, piece by piece.

    Raises:
        EnvelopeError: ``odk-undecryptable`` at its end, when it was cut or altered there.
    """
    cipher = Cipher(AES(bytes.fromhex(file_key.key)), CFB(bytes.fromhex(file_key.iv))).decryptor()
    unpadder = PKCS7(8 * BLOCK_BYTES).unpadder()
    try:
        for chunk in chunks:
            yield unpadder.update(cipher.update(chunk))
        yield unpadder.update(cipher.finalize()) + unpadder.finalize()
    except ValueError:
        raise EnvelopeError(UNDECRYPTABLE, "the file was cut, altered, or encrypted under another key") from None


def _private(key: object) -> RSAPrivateKey:
    if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST_BITS:
        raise KeyStoreError(f"forms are encrypted to RSA keys of at least {LEAST_BITS} bits")
    return key


def _sealed(keystore: KeyStore, key: RSAPrivateKey) -> SealedOdkKey:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key_hash = hashlib.sha256(public).digest()
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    sealed = keystore.seal_projection(private, _CONTEXT + key_hash)
    return SealedOdkKey(key_hash, base64.b64encode(public).decode("ascii"), sealed)
