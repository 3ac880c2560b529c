"""Write the envelope vectors that are not there yet: ``python -m tests.vectors.make_envelope_vectors``.

A vector that was published never changes. Sealing is randomised, so a vector is what one sealing gave; opening it is
what every implementation must agree on.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync_protocol import envelope, hpke, plaintext, ratchet
from sync_protocol.constants import LABEL_ENVELOPE, SUITE_X25519, SUITE_X_WING, Kind
from sync_protocol.documents import LABEL_CERTIFICATE, DeviceCertificate, canonical_json, document_hash
from sync_protocol.keyring import LABEL_KEYRING, Keyring, SurveyKey
from sync_protocol.media import MediumSealer
from sync_protocol.plaintext import Manifest, Medium
from tests.sync_protocol.sealed import (
    CERTIFICATE,
    DEVICE,
    DEVICE_PUBLIC,
    EPOCH_KEY,
    FORM,
    MANIFEST,
    NONCE,
    SEED,
    XML,
    Sealed,
    header,
    sealed,
)

FOLDER = Path(__file__).parent / "envelope"
DRAFT_SEED = "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26"
DICTIONARY = b"<data id='f'><name></name><meta><instanceID>uuid:</instanceID></meta></data>"
MEDIUM_KEY = bytes(range(224, 256))
ROOT = Ed25519PrivateKey.from_private_bytes(bytes(range(192, 224)))
Vector = tuple[str, dict[str, Any]]


def vectors() -> Iterator[Vector]:
    """Yield the name and members of each vector; all bytes are hexadecimal."""
    yield from keys()
    yield from epochs()
    yield from interviews()
    yield from media()
    yield from attachments()
    yield from documents()
    yield from failing_epochs()
    yield from failing_interviews()
    yield from failing_plaintexts()
    yield from failing_media()
    yield from failing_attachments()
    yield from failing_documents()


def keys() -> Iterator[Vector]:
    """Yield X-Wing seeds, one of them published elsewhere, and the ratchet."""
    yield "x_wing_seed", _seed(SEED)
    source = "draft-connolly-cfrg-xwing-kem-09, appendix C, first vector: seed and pk"
    yield "x_wing_seed_draft", {"source": source} | _seed(bytes.fromhex(DRAFT_SEED))
    indices = [0, 1, 2, 63, 64, 65, 4095]
    epoch_keys = ratchet.EpochKeys(EPOCH_KEY, FORM)
    yield (
        "ratchet",
        {
            "epoch_key": EPOCH_KEY.hex(),
            "epoch_hash": FORM.hex(),
            "indices": indices,
            "content_keys": [epoch_keys.content_key(index).hex() for index in indices],
        },
    )


def _seed(seed: bytes) -> dict[str, Any]:
    return {
        "seed": seed.hex(),
        "expanded": hpke.expand_seed(seed).hex(),
        "public_key": hpke.public_key(SUITE_X_WING, seed).hex(),
    }


def epochs() -> Iterator[Vector]:
    """Yield an epoch of each suite."""
    for name, suite in (("x_wing", SUITE_X_WING), ("x25519", SUITE_X25519)):
        told = sealed(suite)
        yield f"epoch_{name}", _epoch(told.epoch, told) | {"epoch_key": EPOCH_KEY.hex()}


def _epoch(body: bytes, told: Sealed, *, seed: bytes = SEED, mode: str = "survey") -> dict[str, Any]:
    key = SurveyKey(suite=told.survey_key.suite, public_key=hpke.public_key(told.survey_key.suite, seed), mode=mode)
    return {
        "suite": key.suite,
        "seed": seed.hex(),
        "mode": key.mode,
        "survey_key_hash": key.certificate_hash.hex(),
        "signing_public_key": DEVICE_PUBLIC.hex(),
        "certificate_hash": CERTIFICATE.hex(),
        "nonce": NONCE.hex(),
        "envelope": body.hex(),
        "envelope_id": envelope.envelope_id(body).hex(),
    }


def interviews() -> Iterator[Vector]:
    """Yield interviews of each suite, of two chunks, with dictionary and padding; and a decision."""
    for name, suite in (("x_wing", SUITE_X_WING), ("x25519", SUITE_X25519)):
        told = sealed(suite)
        yield f"interview_{name}", _interview(told.interview, told.content_key, MANIFEST, XML)
    key = sealed().content_key
    yield "interview_full_chunk", _full_chunk(key)
    manifest = Manifest(
        device_time="2026-11-24T08:00:00+00:00",
        media=(Medium(name="photo.jpg", type="image/jpeg", length_bytes=7, sha256="ab" * 32, key="cd" * 32),),
        app_user="Équipe 7",
    )
    head = replace(sealed().header, dictionary_hash=document_hash(DICTIONARY), parents=(bytes(16), bytes(range(16))))
    preset = envelope.preset(head, DICTIONARY)
    body = _seal(head, key, plaintext.pack(manifest, XML, dictionary=preset, bucket_bytes=128))
    yield (
        "interview_dictionary_and_padding",
        _interview(body, key, manifest, XML) | {"dictionary": DICTIONARY.hex()},
    )
    yield from _with_dictionary()
    decision = {"action": "settle-hold", "user": "manager", "verdict": "reassign", "household_key": "07203111264"}
    body = envelope.seal_decision(
        header=header(head.epoch_hash, kind=Kind.DECISION),
        content_key=key,
        signer=DEVICE,
        manifest=MANIFEST,
        decision=decision,
    )
    yield "decision", _interview(body, key, MANIFEST, canonical_json(decision))


def _with_dictionary() -> Iterator[Vector]:
    """Yield an interview and a draft as a tablet seals them: X25519, a form's dictionary, padded."""
    told = sealed(SUITE_X25519)
    head = replace(told.header, dictionary_hash=document_hash(DICTIONARY))
    members: dict[str, Any] = {
        "content_key": told.content_key,
        "signer": DEVICE,
        "manifest": MANIFEST,
        "instance_xml": XML,
        "dictionary": DICTIONARY,
    }
    for name, body in (
        ("interview_x25519_dictionary_and_padding", envelope.seal_interview(header=head, **members)),
        ("draft", envelope.seal_draft(header=replace(head, kind=Kind.DRAFT), **members)),
    ):
        yield name, _interview(body, told.content_key, MANIFEST, XML) | {"dictionary": DICTIONARY.hex()}
    plain = envelope.seal_draft(header=replace(told.header, kind=Kind.DRAFT), **(members | {"dictionary": None}))
    yield "fails_draft_as_interview", _failing(plain, "unknown-kind", content_key=told.content_key)


def _full_chunk(key: bytes) -> dict[str, Any]:
    """Fill the first chunk of the stream to its last byte, so that an empty one follows."""
    noise = base64.b64encode(b"".join(hashlib.sha256(bytes([n, m])).digest() for n in range(2) for m in range(256)))
    for length in range(1, len(noise)):
        document = b"<data id='f'><name>" + noise[:-length] + b"</name></data>"
        packed = plaintext.pack(MANIFEST, document, bucket_bytes=128)
        if len(packed) == 16384:
            break
    head = header(envelope.envelope_id(sealed().epoch), parents=())
    return _interview(_seal(head, key, packed), key, MANIFEST, document)


def _interview(body: bytes, content_key: bytes, manifest: Manifest, document: bytes) -> dict[str, Any]:
    return {
        "signing_public_key": DEVICE_PUBLIC.hex(),
        "content_key": content_key.hex(),
        "envelope": body.hex(),
        "envelope_id": envelope.envelope_id(body).hex(),
        "manifest": manifest.encode().decode(),
        "document": document.decode(),
    }


def _seal(head: envelope.Header, content_key: bytes, packed: bytes) -> bytes:
    return envelope._seal(head, content_key, DEVICE, packed)


def media() -> Iterator[Vector]:
    """Yield media: empty, short, and one that fills two chunks, so that an empty one follows."""
    for name, length in (("empty", 0), ("short", 7), ("full_chunks", 2 * 16384)):
        plain = (bytes(range(251)) * 200)[:length]
        yield f"medium_{name}", _medium(_sealed_medium(plain)) | {"plain": plain.hex()}


def _sealed_medium(plain: bytes) -> bytes:
    sealer = MediumSealer(MEDIUM_KEY)
    return sealer.update(plain) + sealer.finalize()


def _medium(stream: bytes, *, sha256: str | None = None, key: bytes = MEDIUM_KEY) -> dict[str, Any]:
    return {"key": key.hex(), "stream": stream.hex(), "sha256": sha256 or hashlib.sha256(stream).hexdigest()}


def attachments() -> Iterator[Vector]:
    """Yield an attachment; the medium that it names is `medium_short`."""
    told = sealed()
    head = header(told.header.epoch_hash, kind=Kind.ATTACHMENT, parents=())
    stream = bytes.fromhex(_published("medium_short")["stream"])
    manifest = _naming(_named(stream))
    body = envelope.seal_attachment(header=head, content_key=told.content_key, signer=DEVICE, manifest=manifest)
    yield "attachment", _interview(body, told.content_key, manifest, b"")


def _published(name: str) -> dict[str, Any]:
    """Return a vector as it is on disk, or as it is made the first time: sealing gives another stream each time."""
    path = FOLDER / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else dict(media())[name]
    return found


def _named(stream: bytes) -> Medium:
    return Medium(
        name="photo é.jpg",
        type="image/jpeg",
        length_bytes=len(stream),
        sha256=hashlib.sha256(stream).hexdigest(),
        key=MEDIUM_KEY.hex(),
    )


def _naming(*named: Medium) -> Manifest:
    return Manifest(device_time="2026-11-24T08:00:00+00:00", media=named, app_user="Équipe 7")


def failing_media() -> Iterator[Vector]:
    """Yield media that must be refused: by their digest, or by the stream when the digest is of the altered one."""
    whole = _sealed_medium(bytes(range(251)))
    digest = hashlib.sha256(whole).hexdigest()
    for name, stream in (
        ("altered", _altered(whole, 200, whole[200] ^ 1)),
        ("cut", whole[:-1]),
        ("one_byte_more", whole + b"\x00"),
    ):
        yield f"fails_medium_{name}", _medium(stream, sha256=digest) | {"code": "medium-altered"}
        yield f"fails_medium_{name}_and_named", _medium(stream) | {"code": "undecryptable"}
    first_chunk = _sealed_medium(bytes(16384 + 1))[: 56 + 16384 + 16]
    yield "fails_medium_without_its_end_and_named", _medium(first_chunk) | {"code": "undecryptable"}
    yield "fails_medium_under_another_key", _medium(whole, key=bytes(32)) | {"code": "undecryptable"}


def failing_attachments() -> Iterator[Vector]:
    """Yield attachments that are well sealed and must be refused."""
    told = sealed()
    head = header(told.header.epoch_hash, kind=Kind.ATTACHMENT, parents=())
    medium = _named(b"stream")
    for name, manifest, document in (
        ("of_no_medium", _naming(), b""),
        ("of_two_media", _naming(medium, medium), b""),
        ("with_a_document", _naming(medium), b"<data/>"),
        ("with_a_short_key", _naming(replace(medium, key="00")), b""),
        ("with_a_hash_of_other_letters", _naming(replace(medium, sha256="zz" * 32)), b""),
    ):
        body = _seal(head, told.content_key, plaintext.pack(manifest, document))
        yield f"fails_attachment_{name}", _failing(body, "malformed") | {"kind": "attachment"}
    body = _seal(replace(head, kind=Kind.INTERVIEW), told.content_key, plaintext.pack(_naming(medium), b""))
    yield "fails_interview_as_attachment", _failing(body, "unknown-kind") | {"kind": "attachment"}


def documents() -> Iterator[Vector]:
    """Yield a keyring and a device certificate."""
    root = ROOT.public_key().public_bytes_raw()
    keyring = Keyring(
        serial=2,
        root_key=root,
        issuer_keys=(bytes([1]) * 32,),
        survey_keys=(sealed(SUITE_X25519).survey_key,),
        receipt_keys=(bytes([2]) * 32,),
        decision_keys=(bytes([3]) * 32,),
    )
    yield "document_keyring", _document(keyring.sign(ROOT), LABEL_KEYRING)
    yield "document_certificate", _document(_certificate().issue(ROOT), LABEL_CERTIFICATE)


def _certificate() -> DeviceCertificate:
    return DeviceCertificate(
        device_id="d1",
        signing_key=DEVICE_PUBLIC,
        receiving_key=hpke.public_key(SUITE_X25519, SEED),
        role="enumerator",
        enumerator="0701",
        team="équipe 7",
        issued_at="2026-11-24T00:00:00+00:00",
    )


def _document(document: bytes, label: str) -> dict[str, Any]:
    return {
        "label": label,
        "trusted_public_key": ROOT.public_key().public_bytes_raw().hex(),
        "document": document.decode(),
        "document_hash": document_hash(document).hex(),
    }


def failing_epochs() -> Iterator[Vector]:
    """Yield epochs of which each has one failure."""
    told = sealed(SUITE_X25519)
    whole = told.epoch
    for name, body, code in (
        ("truncated", whole[:150], "truncated"),
        ("one_byte_more", whole + b"\x00", "trailing-bytes"),
        ("a_wrap_too_many", _altered(whole, 7, 2), "truncated"),
        ("no_wrap", _altered(whole, 7, 0), "malformed"),
        ("flipped_wrap", _altered(whole, 130, whole[130] ^ 1), "signature-invalid"),
        ("another_nonce_signed", _signed(_altered(whole, 40, whole[40] ^ 1)), "undecryptable"),
        ("another_certificate_signed", _signed(_altered(whole, 8, whole[8] ^ 1)), "undecryptable"),
        ("flipped_wrap_signed", _signed(_altered(whole, 130, whole[130] ^ 1)), "undecryptable"),
    ):
        yield f"fails_epoch_{name}", _epoch(body, told) | {"code": code}
    yield "fails_epoch_another_mode", _epoch(whole, told, mode="training") | {"code": "wrong-survey-key"}
    yield "fails_epoch_another_seed", _epoch(whole, told, seed=bytes(32)) | {"code": "wrong-survey-key"}


def failing_interviews() -> Iterator[Vector]:
    """Yield interviews of which each has one failure outside its plaintext."""
    told = sealed()
    whole, key, start = told.interview, told.content_key, told.header.length_bytes
    places = {"epoch_hash": 8, "index": 43, "sequence": 51, "previous": 60, "instance_id": 84, "parent": 100}
    places |= {"form_version": start - 96, "dictionary": start - 64, "certificate": start - 32}
    places |= {"salt": start, "commitment": start + 24, "body": start + 56, "tag": len(whole) - 65}
    places |= {"signature": len(whole) - 1}
    for name, position in places.items():
        yield f"fails_flipped_{name}", _failing(_altered(whole, position, whole[position] ^ 1), "signature-invalid")
    for name in ("index", "sequence", "instance_id", "parent", "form_version", "certificate", "salt", "body", "tag"):
        again = _signed(_altered(whole, places[name], whole[places[name]] ^ 1))
        yield f"fails_flipped_{name}_signed", _failing(again, "undecryptable")
    again = _signed(_altered(whole, places["dictionary"], 1))
    yield "fails_flipped_dictionary_signed", _failing(again, "unknown-dictionary")
    for name, position, value, code in (
        ("magic", 0, 0, "malformed"),
        ("version", 4, 2, "unknown-version"),
        ("suite", 5, 9, "unknown-suite"),
        ("kind", 6, 9, "unknown-kind"),
        ("parents", 7, 255, "truncated"),
        ("index_too_high", 42, 0x10, "index-too-high"),
    ):
        yield f"fails_{name}", _failing(_altered(whole, position, value), code)
    yield "fails_truncated", _failing(whole[:200], "truncated")
    yield "fails_one_byte_less", _failing(whole[:-1], "signature-invalid")
    yield "fails_one_byte_more", _failing(whole + b"\x00", "signature-invalid")
    yield "fails_stream_cut_signed", _failing(_signed(whole[:-1]), "undecryptable")
    yield "fails_stream_empty_signed", _failing(_signed(whole[: start + 64]), "undecryptable")
    yield "fails_another_content_key", _failing(whole, "undecryptable", content_key=bytes(32))
    head = replace(told.header, dictionary_hash=document_hash(DICTIONARY))
    body = _seal(head, key, plaintext.pack(MANIFEST, XML, dictionary=envelope.preset(head, DICTIONARY)))
    yield "fails_another_dictionary", _failing(body, "unknown-dictionary") | {"dictionary": DICTIONARY[1:].hex()}
    head = replace(told.header, kind=Kind.DECISION)
    yield "fails_decision_as_interview", _failing(_seal(head, key, plaintext.pack(MANIFEST, b"{}")), "unknown-kind")


def failing_plaintexts() -> Iterator[Vector]:
    """Yield interviews that are well sealed around a plaintext that must be refused."""
    packed = plaintext.pack(MANIFEST, XML, bucket_bytes=1)
    for name, inside, code in (
        ("trailing_bytes", packed + b"x", "trailing-bytes"),
        ("padding_not_zero", packed + bytes(7) + b"\x01", "trailing-bytes"),
        ("padding_too_long", packed + bytes(128), "trailing-bytes"),
        ("deflate_cut", packed[:-3], "malformed"),
        ("empty", b"", "malformed"),
        ("no_manifest", _deflated(b"\x00\x00"), "malformed"),
        ("manifest_too_long", _deflated(b"\x00\x00\x01\x00{}"), "malformed"),
        ("manifest_without_time", _deflated(b"\x00\x00\x00\x02{}" + XML), "malformed"),
        ("bomb", _deflated(bytes((4 << 20) + 1)), "too-large"),
    ):
        yield f"fails_{name}", _failing(_seal(sealed().header, sealed().content_key, inside), code)


def failing_documents() -> Iterator[Vector]:
    """Yield documents of which each has one failure."""
    whole = _certificate().issue(ROOT)
    members = json.loads(whole)
    for name, document, code in (
        ("spaces", json.dumps(members).encode(), "malformed"),
        ("a_fourth_member", canonical_json(members | {"note": ""}), "malformed"),
        ("spare_bits", whole.replace(members["signature"].encode(), _spare(members["signature"])), "malformed"),
        ("altered", whole.replace(b'"role":"enumerator"', b'"role":"supervisor"'), "signature-invalid"),
    ):
        yield f"fails_document_{name}", _document(document, LABEL_CERTIFICATE) | {"code": code}
    yield "fails_document_another_label", _document(whole, LABEL_KEYRING) | {"code": "signature-invalid"}


def _spare(signature: str) -> bytes:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return (signature[:-1] + letters[letters.index(signature[-1]) + 1]).encode()


def _deflated(plain: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, plaintext.RAW_DEFLATE)
    return deflater.compress(plain) + deflater.flush()


def _altered(body: bytes, position: int, value: int) -> bytes:
    altered = bytearray(body)
    altered[position] = value
    return bytes(altered)


def _signed(body: bytes) -> bytes:
    return body[:-64] + DEVICE.sign(LABEL_ENVELOPE + body[:-64])


def _failing(body: bytes, code: str, *, content_key: bytes | None = None) -> dict[str, Any]:
    return {
        "signing_public_key": DEVICE_PUBLIC.hex(),
        "content_key": (content_key or sealed().content_key).hex(),
        "envelope": body.hex(),
        "code": code,
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for title, told_members in vectors():
        path = FOLDER / f"{title}.json"
        if not path.exists():
            path.write_text(json.dumps(told_members, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
