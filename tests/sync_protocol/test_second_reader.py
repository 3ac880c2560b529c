"""A second reader, written from `docs/reference/envelope.md` on bare primitives, agrees with ours.

It uses nothing of `sync_protocol`: what it cannot read, an implementer in another language cannot either.
"""

import base64
import hashlib
import hmac
import json
import zlib
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FOLDER = Path(__file__).parents[1] / "vectors" / "envelope"
CHUNK = 16384


def _vector(name: str) -> dict[str, Any]:
    members = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return {key: _bytes(value) for key, value in members.items()}


def _bytes(value: Any) -> Any:
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        return value


def _expand(key: bytes, info: bytes, length: int, digest: str) -> bytes:
    found, block = b"", b""
    for counter in range(1, 256):
        if len(found) >= length:
            break
        block = hmac.digest(key, block + info + bytes([counter]), digest)
        found += block
    return found[:length]


def _extract(salt: bytes, key: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), key, "sha256")


def _xor(first: bytes, counter: int) -> bytes:
    return (int.from_bytes(first, "big") ^ counter).to_bytes(len(first), "big")


def _cobblestone(key: bytes, context: bytes, stream: bytes) -> bytes:
    salt, commitment, chunks = stream[:24], stream[24:56], stream[56:]
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00" + salt + context
    derived = _expand(key, info, 32 + 12 + 32, "sha512")
    assert derived[44:] == commitment
    plain = [
        AESGCM(derived[:32]).decrypt(_xor(derived[32:44], number), chunks[start : start + CHUNK + 16], None)
        for number, start in enumerate(range(0, len(chunks), CHUNK + 16))
    ]
    assert all(len(chunk) == CHUNK for chunk in plain[:-1])
    assert len(plain[-1]) < CHUNK
    return b"".join(plain)


def _labeled(suite: bytes, label: bytes, rest: bytes) -> bytes:
    return b"HPKE-v1" + suite + label + rest


def _hpke_x25519(seed: bytes, sealed: bytes, info: bytes) -> bytes:
    """RFC 9180, base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM."""
    own = X25519PrivateKey.from_private_bytes(seed)
    enc, ciphertext = sealed[:32], sealed[32:]
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"
    secret = own.exchange(X25519PublicKey.from_public_bytes(enc))
    extracted = _extract(b"", _labeled(kem, b"eae_prk", secret))
    pair = enc + own.public_key().public_bytes_raw()
    shared = _expand(extracted, b"\x00\x20" + _labeled(kem, b"shared_secret", pair), 32, "sha256")
    no_psk = _extract(b"", _labeled(suite, b"psk_id_hash", b""))
    schedule = b"\x00" + no_psk + _extract(b"", _labeled(suite, b"info_hash", info))
    extracted = _extract(shared, _labeled(suite, b"secret", b""))
    key = _expand(extracted, b"\x00\x20" + _labeled(suite, b"key", schedule), 32, "sha256")
    nonce = _expand(extracted, b"\x00\x0c" + _labeled(suite, b"base_nonce", schedule), 12, "sha256")
    return AESGCM(key).decrypt(nonce, ciphertext, b"")


def _verify(vector: dict[str, Any]) -> None:
    body = vector["envelope"]
    key = Ed25519PublicKey.from_public_bytes(vector["signing_public_key"])
    key.verify(body[-64:], b"passerelle/1 envelope" + body[:-64])
    assert hashlib.sha256(body).digest() == vector["envelope_id"]


@pytest.mark.parametrize(
    "name",
    [
        "interview_x_wing",
        "interview_x25519",
        "interview_full_chunk",
        "interview_dictionary_and_padding",
        "interview_x25519_dictionary_and_padding",
        "draft",
        "decision",
        "attachment",
    ],
)
def test_a_reader_written_from_the_reference_opens_the_vectors(name: str) -> None:
    vector = _vector(name)
    _verify(vector)
    body = vector["envelope"]
    start = 196 + 16 * body[7]
    packed = _cobblestone(vector["content_key"], body[:start], body[start:-64])
    dictionary = vector.get("dictionary", b"")
    assert body[start - 64 : start - 32] == (hashlib.sha256(dictionary).digest() if dictionary else bytes(32))
    named = f"uuid:{UUID(bytes=body[84:100])}".encode() if dictionary else b""
    inflater = zlib.decompressobj(-15, zdict=dictionary + named)
    plain = inflater.decompress(packed)
    assert inflater.eof
    assert inflater.unused_data == bytes(len(inflater.unused_data))
    end = 4 + int.from_bytes(plain[:4], "big")
    assert plain[4:end].decode() == vector["manifest"]
    assert plain[end:].decode() == (vector["document"] or "")


@pytest.mark.parametrize("name", ["medium_empty", "medium_short", "medium_full_chunks"])
def test_a_reader_written_from_the_reference_opens_a_medium(name: str) -> None:
    vector = _vector(name)
    assert hashlib.sha256(vector["stream"]).digest() == vector["sha256"]
    assert _cobblestone(vector["key"], b"passerelle/1 medium", vector["stream"]) == vector["plain"]


def test_a_reader_written_from_the_reference_finds_the_medium_of_an_attachment() -> None:
    (named,) = json.loads(_vector("attachment")["manifest"])["media"]
    stream = _vector("medium_short")
    assert bytes.fromhex(named["sha256"]) == stream["sha256"]
    assert bytes.fromhex(named["key"]) == stream["key"]
    assert named["bytes"] == len(stream["stream"])


def test_a_reader_written_from_the_reference_unwraps_an_epoch() -> None:
    vector = _vector("epoch_x25519")
    _verify(vector)
    body = vector["envelope"]
    members = {
        "mode": vector["mode"],
        "public_key": _base64url(X25519PrivateKey.from_private_bytes(vector["seed"]).public_key().public_bytes_raw()),
        "suite": vector["suite"],
    }
    key_hash = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    assert key_hash == vector["survey_key_hash"]
    assert body[112:120] == key_hash[:8]
    length = int.from_bytes(body[120:122], "big")
    assert 122 + length + 64 == len(body)
    info = b"passerelle/1 epoch" + key_hash + body[8:40] + body[40:72]
    assert _hpke_x25519(vector["seed"], body[122 : 122 + length], info) == vector["epoch_key"]


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def test_a_reader_written_from_the_reference_follows_the_ratchet() -> None:
    vector = _vector("ratchet")
    key, found = vector["epoch_key"], {}
    for index in range(max(vector["indices"]) + 1):
        info = b"passerelle/1 cek" + vector["epoch_hash"] + index.to_bytes(4, "big")
        found[index] = _expand(key, info, 32, "sha256").hex()
        key = _expand(key, b"passerelle/1 next", 32, "sha256")
    assert [found[index] for index in vector["indices"]] == vector["content_keys"]


def test_an_x_wing_seed_expands_by_shake256() -> None:
    vector = _vector("x_wing_seed")
    assert hashlib.shake_256(vector["seed"]).digest(96) == vector["expanded"]
    x25519 = X25519PrivateKey.from_private_bytes(vector["expanded"][64:]).public_key().public_bytes_raw()
    assert vector["public_key"][1184:] == x25519
