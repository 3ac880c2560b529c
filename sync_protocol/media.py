"""A medium: one Cobblestone stream under its own random key, named and keyed in the manifest that it belongs to.

It is sealed and opened piece by piece, so that memory does not grow with it. Who opens it MUST have compared the
SHA-256 of the whole ciphertext with the manifest before the first byte is used: only then is it what was sealed.
"""

import hashlib
from collections.abc import Iterable, Iterator

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from sync_protocol.constants import LABEL_MEDIUM
from sync_protocol.errors import EnvelopeError


class MediumSealer:
    """Seals one medium; `length_bytes` and `digest` are of the ciphertext, whole after `finalize`."""

    def __init__(self, key: bytes) -> None:
        """Take the random key of this medium, (32,), used for nothing else."""
        self._encryptor = Cobblestone256Encryptor(key, LABEL_MEDIUM)
        self._hash = hashlib.sha256()
        self.length_bytes = 0

    def update(self, plain: bytes) -> bytes:
        """Return the ciphertext that is ready after so much more plaintext."""
        return self._counted(self._encryptor.update(plain))

    def finalize(self) -> bytes:
        """Return the rest of the ciphertext; the medium ends here."""
        return self._counted(self._encryptor.finalize())

    @property
    def digest(self) -> bytes:
        """SHA-256 of the ciphertext so far, (32,)."""
        return self._hash.digest()

    def _counted(self, sealed: bytes) -> bytes:
        self._hash.update(sealed)
        self.length_bytes += len(sealed)
        return sealed


def verify_medium(chunks: Iterable[bytes], sha256: bytes) -> None:
    """Compare a ciphertext with the digest that its manifest names.

    Raises:
        EnvelopeError: ``medium-altered``.
    """
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    if found.digest() != sha256:
        raise EnvelopeError("medium-altered", "the stored bytes are not those that the manifest names")


def open_medium(chunks: Iterable[bytes], key: bytes) -> Iterator[bytes]:
    """Yield the plaintext of a ciphertext that `verify_medium` has passed.

    Raises:
        EnvelopeError: ``undecryptable``.
    """
    decryptor = Cobblestone256Decryptor(key, LABEL_MEDIUM)
    try:
        for chunk in chunks:
            yield decryptor.update(chunk)
        yield decryptor.finalize()
    except (InvalidTag, ValueError):
        raise EnvelopeError("undecryptable", "sealed under another key, or altered") from None
