"""HPKE (RFC 9180), single-shot base mode, by suite; private keys are 32-byte seeds.

An X-Wing seed expands by SHAKE256 to 96 bytes: 64 for ML-KEM-768, 32 for X25519 (draft-connolly-cfrg-xwing-kem).
"""

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from sync_protocol.constants import SUITE_X25519, SUITE_X_WING
from sync_protocol.errors import EnvelopeError, LocalError

SEED_BYTES: Final = 32
MLKEM_SEED_BYTES: Final = 64
MLKEM_PUBLIC_BYTES: Final = 1184
EXPANDED_BYTES: Final = 96

_SUITES: Final = {
    SUITE_X_WING: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    SUITE_X25519: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
}


def generate_seed(randomness: Callable[[int], bytes]) -> bytes:
    """Return a new private key, (32,), of either suite."""
    return randomness(SEED_BYTES)


def public_key(suite: int, seed: bytes) -> bytes:
    """Return the raw public key of a seed: 1216 bytes (ML-KEM ‖ X25519) for X-Wing, 32 for X25519."""
    _suite(suite)
    if suite == SUITE_X25519:
        return X25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    mlkem, x25519 = _x_wing_parts(seed)
    return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()


def seal(suite: int, public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Seal to a raw public key; what belongs to the context is in `info`.

    Raises:
        LocalError: ``unknown-suite``, or ``malformed`` for a public key of the wrong length.
    """
    chosen = _suite(suite)
    try:
        return chosen.encrypt(plaintext, _public(suite, public), info)
    except ValueError:
        raise LocalError("malformed", "not a public key of this suite") from None


def open_(suite: int, seed: bytes, sealed: bytes, info: bytes) -> bytes:
    """Open what was sealed to a seed's public key with the same `info`.

    Raises:
        EnvelopeError: ``undecryptable``.
    """
    chosen = _suite(suite)
    try:
        return chosen.decrypt(sealed, _private(suite, seed), info)
    except (InvalidTag, ValueError):
        raise EnvelopeError("undecryptable", "sealed to another key or context, or altered") from None


def _suite(suite: int) -> Suite:
    if suite not in _SUITES:
        raise LocalError("unknown-suite", f"there is no suite {suite}")
    return _SUITES[suite]


def _public(suite: int, raw: bytes) -> MLKEM768X25519PublicKey | X25519PublicKey:
    if suite == SUITE_X25519:
        return X25519PublicKey.from_public_bytes(raw)
    mlkem, x25519 = raw[:MLKEM_PUBLIC_BYTES], raw[MLKEM_PUBLIC_BYTES:]
    return MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(mlkem), X25519PublicKey.from_public_bytes(x25519)
    )


def _private(suite: int, seed: bytes) -> MLKEM768X25519PrivateKey | X25519PrivateKey:
    if suite == SUITE_X25519:
        return X25519PrivateKey.from_private_bytes(seed)
    return MLKEM768X25519PrivateKey(*_x_wing_parts(seed))


def _x_wing_parts(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    expanded = expand_seed(seed)
    return (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:MLKEM_SEED_BYTES]),
        X25519PrivateKey.from_private_bytes(expanded[MLKEM_SEED_BYTES:]),
    )


def expand_seed(seed: bytes) -> bytes:
    """Expand an X-Wing seed, (32,) → (96,)."""
    digest = hashes.Hash(hashes.SHAKE256(EXPANDED_BYTES))
    digest.update(seed)
    return digest.finalize()
