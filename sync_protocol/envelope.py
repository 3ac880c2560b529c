"""The envelope of an interview, a draft or a decision: clear header, Cobblestone256 body, Ed25519 signature over all.

The header is the body's authenticated context; nothing answered is outside the body. Layout of the header: magic 4 |
version u8 | suite u8 | kind u8 | parents u8 | epoch hash 32 | index u32 | device sequence u64 | previous envelope 32 |
instanceID 16 | parents × 16 | form version hash 32 | dictionary hash 32 (zeros: none) | device certificate hash 32.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from sync_protocol import plaintext
from sync_protocol.constants import (
    ENVELOPE_BYTES,
    ENVELOPE_VERSION,
    HASH_BYTES,
    INSTANCE_ID_BYTES,
    LABEL_ENVELOPE,
    MAGIC,
    PARENTS,
    RATCHET_STEPS,
    SIGNATURE_BYTES,
    Kind,
)
from sync_protocol.documents import canonical_json, document_hash
from sync_protocol.epoch import Epoch, check_version, parse_epoch, verify_signature
from sync_protocol.errors import EnvelopeError, LocalError
from sync_protocol.plaintext import Manifest, Medium
from sync_protocol.signatures import Signer

FRONT: Final = struct.Struct(">4sBBBB32sIQ32s16s")
BACK: Final = struct.Struct(">32s32s32s")
NO_HASH: Final = bytes(32)
KIND_OFFSET: Final = 6
PARENTS_OFFSET: Final = 7
EPOCH_NUMBER: Final = int(Kind.EPOCH)
HEADED: Final = {int(kind): kind for kind in (Kind.INTERVIEW, Kind.DRAFT, Kind.ATTACHMENT, Kind.DECISION)}
"""Kinds that have a header: all but the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What an envelope shows to all: where it belongs, never what was answered.

    Attributes:
        epoch_hash: (32,) id of the epoch envelope.
        index: of the content key in the epoch's ratchet.
        sequence: of this device, from 1; gaps show.
        previous: (32,) id of this device's last envelope, zeros for none.
        instance_id: (16,) instanceID of this revision.
        parents: instanceIDs, (16,) each, of the revisions that this one edits.
        form_version_hash: (32,) SHA-256 of the XForm.
        dictionary_hash: (32,), zeros for none.
        certificate_hash: (32,) of the device.
    """

    kind: Kind
    suite: int
    epoch_hash: bytes
    index: int
    sequence: int
    previous: bytes
    instance_id: bytes
    parents: tuple[bytes, ...]
    form_version_hash: bytes
    dictionary_hash: bytes
    certificate_hash: bytes

    def encode(self) -> bytes:
        """Write the header.

        Raises:
            LocalError: ``malformed`` for parts of the wrong length, ``index-too-high``.
        """
        hashes = (self.epoch_hash, self.previous, self.form_version_hash, self.dictionary_hash, self.certificate_hash)
        if any(len(value) != HASH_BYTES for value in hashes):  # struct would fill or cut them silently
            raise LocalError("malformed", f"a hash has {HASH_BYTES} bytes")
        if any(len(value) != INSTANCE_ID_BYTES for value in (self.instance_id, *self.parents)):
            raise LocalError("malformed", f"an instanceID has {INSTANCE_ID_BYTES} bytes")
        if len(self.parents) > PARENTS:
            raise LocalError("malformed", f"a revision has at most {PARENTS} parents")
        if not 0 <= self.index < RATCHET_STEPS:
            raise LocalError("index-too-high", f"an epoch has at most {RATCHET_STEPS} interviews")
        front = (MAGIC, ENVELOPE_VERSION, self.suite, self.kind, len(self.parents), self.epoch_hash, self.index)
        return (
            FRONT.pack(*front, self.sequence, self.previous, self.instance_id)
            + b"".join(self.parents)
            + BACK.pack(self.form_version_hash, self.dictionary_hash, self.certificate_hash)
        )

    @property
    def length_bytes(self) -> int:
        """Length of the encoded header."""
        return FRONT.size + INSTANCE_ID_BYTES * len(self.parents) + BACK.size


class Shown(NamedTuple):
    """What a receiver that opens nothing stores of an envelope beside its bytes."""

    kind: Kind
    epoch_hash: bytes
    instance_id: bytes
    form_version_hash: bytes
    certificate_hash: bytes


def envelope_id(body: bytes) -> bytes:
    """Return the id of an envelope: the SHA-256 of its bytes, (32,)."""
    return document_hash(body)


def peek(body: bytes) -> Header | Epoch:
    """Read what an envelope shows, without any cryptography.

    Raises:
        EnvelopeError: ``truncated``, ``malformed``, ``too-large``, ``unknown-version``, ``unknown-suite``,
            ``unknown-kind``, ``index-too-high``.
    """
    if _is_epoch(body):
        return parse_epoch(body)
    return _header(body)


def glance(body: bytes) -> Shown | Epoch:
    """Do as `peek` does, with less of what it finds: for who receives thousands of envelopes in a second.

    Raises:
        EnvelopeError: as `peek`.
    """
    if _is_epoch(body):
        return parse_epoch(body)
    kind, _, epoch_hash, _, _, _, instance_id, end = _front(body)
    form_version_hash, _, certificate_hash = BACK.unpack_from(body, end)
    return Shown(kind, epoch_hash, instance_id, form_version_hash, certificate_hash)


def _is_epoch(body: bytes) -> bool:
    if len(body) > ENVELOPE_BYTES:
        raise EnvelopeError("too-large", f"an envelope has at most {ENVELOPE_BYTES} bytes")
    return len(body) > KIND_OFFSET and body.startswith(MAGIC) and body[KIND_OFFSET] == EPOCH_NUMBER


def _front(body: bytes) -> tuple[Kind, int, bytes, int, int, bytes, bytes, int]:
    """Check what can be checked of a header, and return its front part and where its parents end."""
    if not body.startswith(MAGIC):
        raise EnvelopeError("malformed", "not an envelope")
    if len(body) < FRONT.size + BACK.size + SIGNATURE_BYTES:
        raise EnvelopeError("truncated", "shorter than any header")
    _, version, suite, kind, count, epoch_hash, index, sequence, previous, instance_id = FRONT.unpack_from(body)
    check_version(version, suite)
    known = HEADED.get(kind)
    if known is None:
        raise EnvelopeError("unknown-kind", f"kind {kind}")
    if index >= RATCHET_STEPS:
        raise EnvelopeError("index-too-high", f"an epoch has at most {RATCHET_STEPS} interviews")
    end = FRONT.size + INSTANCE_ID_BYTES * count
    if len(body) < end + BACK.size + SIGNATURE_BYTES:
        raise EnvelopeError("truncated", "parents are missing")
    return known, suite, epoch_hash, index, sequence, previous, instance_id, end


def _header(body: bytes) -> Header:
    kind, suite, epoch_hash, index, sequence, previous, instance_id, end = _front(body)
    starts = range(FRONT.size, end, INSTANCE_ID_BYTES)
    form_version_hash, dictionary_hash, certificate_hash = BACK.unpack_from(body, end)
    return Header(
        kind=kind,
        suite=suite,
        epoch_hash=epoch_hash,
        index=index,
        sequence=sequence,
        previous=previous,
        instance_id=instance_id,
        parents=tuple(body[start : start + INSTANCE_ID_BYTES] for start in starts),
        form_version_hash=form_version_hash,
        dictionary_hash=dictionary_hash,
        certificate_hash=certificate_hash,
    )


def seal_interview(
    *,
    header: Header,
    content_key: bytes,
    signer: Signer,
    manifest: Manifest,
    instance_xml: bytes,
    dictionary: bytes | None = None,
) -> bytes:
    """Seal an interview; return the envelope.

    Args:
        header: of kind interview; names the dictionary by its hash, zeros for none.
        content_key: (32,) of the header's epoch and index, used once.
        instance_xml: verbatim, UTF-8.
        dictionary: with which it is deflated: that of its form version.

    Raises:
        LocalError: ``unknown-kind``, ``index-too-high``, ``unknown-dictionary`` when it is not the one that the header
            names, ``malformed``; ``too-large`` beyond 1 MiB.
    """
    _check_kind(header, Kind.INTERVIEW)
    return _seal_document(header, content_key, signer, manifest, instance_xml, dictionary)


def seal_draft(
    *,
    header: Header,
    content_key: bytes,
    signer: Signer,
    manifest: Manifest,
    instance_xml: bytes,
    dictionary: bytes | None = None,
) -> bytes:
    """Seal an unfinished interview, which is kept for another device of its enumerator and never folded.

    Raises:
        LocalError: as `seal_interview`.
    """
    _check_kind(header, Kind.DRAFT)
    return _seal_document(header, content_key, signer, manifest, instance_xml, dictionary)


def seal_attachment(*, header: Header, content_key: bytes, signer: Signer, manifest: Manifest) -> bytes:
    """Seal an attachment: its manifest names one medium, its header the instance that the medium belongs to.

    Raises:
        LocalError: ``malformed`` when the manifest does not name exactly one medium; otherwise as `seal_interview`.
    """
    _check_kind(header, Kind.ATTACHMENT)
    if len(manifest.media) != 1:
        raise LocalError("malformed", "an attachment names one medium")
    return _seal(header, content_key, signer, plaintext.pack(manifest, b""))


def seal_decision(
    *, header: Header, content_key: bytes, signer: Signer, manifest: Manifest, decision: Mapping[str, Any]
) -> bytes:
    """Seal a decision of the office: its parents are the instanceIDs it concerns.

    Args:
        header: of kind decision.
        content_key: (32,) of the header's epoch and index, used once.
        decision: members of the JSON object: who decided, which action, and what it needs.

    Raises:
        LocalError: as `seal_interview`.
    """
    _check_kind(header, Kind.DECISION)
    return _seal(header, content_key, signer, plaintext.pack(manifest, canonical_json(dict(decision))))


def _seal_document(
    header: Header, content_key: bytes, signer: Signer, manifest: Manifest, document: bytes, dictionary: bytes | None
) -> bytes:
    named = NO_HASH if dictionary is None else document_hash(dictionary)
    if header.dictionary_hash != named:
        raise LocalError("unknown-dictionary", "the header names another dictionary than the one that is used")
    return _seal(header, content_key, signer, plaintext.pack(manifest, document, dictionary=preset(header, dictionary)))


def preset(header: Header, dictionary: bytes | None) -> bytes | None:
    """Return what an envelope is deflated with: the dictionary, and the instanceID that its header tells anyhow."""
    return None if dictionary is None else dictionary + f"uuid:{UUID(bytes=header.instance_id)}".encode("ascii")


def _check_kind(header: Header, kind: Kind) -> None:
    if header.kind != kind:
        raise LocalError("unknown-kind", f"the header is of kind {header.kind.name.lower()}")


def _seal(header: Header, content_key: bytes, signer: Signer, packed: bytes) -> bytes:
    front = header.encode()
    encryptor = Cobblestone256Encryptor(content_key, front)
    unsigned = front + encryptor.update(packed) + encryptor.finalize()
    if len(unsigned) + SIGNATURE_BYTES > ENVELOPE_BYTES:
        raise LocalError("too-large", f"an envelope has at most {ENVELOPE_BYTES} bytes")
    return unsigned + signer.sign(LABEL_ENVELOPE + unsigned)


def verify(body: bytes, public_key: bytes) -> None:
    """Check an envelope's signature by the raw signing key of its certificate.

    Raises:
        EnvelopeError: ``signature-invalid``.
    """
    verify_signature(body, public_key)


def open_interview(body: bytes, content_key: bytes, *, dictionary: bytes | None = None) -> tuple[Manifest, bytes]:
    """Open an interview whose signature has been verified; return its manifest and instance XML.

    No byte is used before the whole stream has been authenticated.

    Raises:
        EnvelopeError: ``unknown-kind`` when it is no interview, ``undecryptable``, ``unknown-dictionary``, and those
            of `peek` and `plaintext.unpack`.
    """
    return _open(body, Kind.INTERVIEW, content_key, dictionary)


def open_draft(body: bytes, content_key: bytes, *, dictionary: bytes | None = None) -> tuple[Manifest, bytes]:
    """Open a draft whose signature has been verified; return its manifest and unfinished instance XML.

    Raises:
        EnvelopeError: as `open_interview`: neither passes as the other.
    """
    return _open(body, Kind.DRAFT, content_key, dictionary)


def named_dictionary(body: bytes) -> bytes:
    """Return the dictionary hash in an envelope's header, (32,), zeros for none: of bytes that nobody has checked yet.

    An epoch names none; of what is no envelope, anything may come out, and nothing is raised.
    """
    if len(body) < FRONT.size + BACK.size or body[KIND_OFFSET] == Kind.EPOCH:
        return NO_HASH
    start = FRONT.size + INSTANCE_ID_BYTES * body[PARENTS_OFFSET] + HASH_BYTES
    return body[start : start + HASH_BYTES]


def _open(body: bytes, kind: Kind, content_key: bytes, dictionary: bytes | None) -> tuple[Manifest, bytes]:
    header = peek(body)
    if isinstance(header, Epoch) or header.kind != kind:
        raise EnvelopeError("unknown-kind", f"not of kind {kind.name.lower()}")
    if header.dictionary_hash != NO_HASH and (
        dictionary is None or document_hash(dictionary) != header.dictionary_hash
    ):
        raise EnvelopeError("unknown-dictionary", "deflated with a dictionary that is not at hand")
    start = header.length_bytes
    decryptor = Cobblestone256Decryptor(content_key, body[:start])
    try:
        packed = decryptor.update(body[start:-SIGNATURE_BYTES]) + decryptor.finalize()
    except (InvalidTag, ValueError):
        raise EnvelopeError("undecryptable", "sealed under another key, or altered") from None
    return plaintext.unpack(
        packed, dictionary=None if header.dictionary_hash == NO_HASH else preset(header, dictionary)
    )


def open_attachment(body: bytes, content_key: bytes) -> tuple[Manifest, Medium]:
    """Open an attachment whose signature has been verified; return its manifest and the one medium that it names.

    Raises:
        EnvelopeError: as `open_interview`; ``malformed`` when it does not name one medium, by a hash and a key.
    """
    manifest, document = _open(body, Kind.ATTACHMENT, content_key, None)
    if document or len(manifest.media) != 1 or not _is_keyed(manifest.media[0]):
        raise EnvelopeError("malformed", "an attachment names one medium, and nothing else")
    return manifest, manifest.media[0]


def _is_keyed(medium: Medium) -> bool:
    try:
        return len(bytes.fromhex(medium.sha256)) == len(bytes.fromhex(medium.key)) == HASH_BYTES
    except ValueError:
        return False


def open_decision(body: bytes, content_key: bytes) -> tuple[Manifest, dict[str, Any]]:
    """Open a decision whose signature has been verified.

    Raises:
        EnvelopeError: as `open_interview` (an interview never passes as a decision); ``malformed`` when it is not a
            JSON object.
    """
    manifest, document = _open(body, Kind.DECISION, content_key, None)
    try:
        decision = json.loads(document)
    except (ValueError, RecursionError):
        decision = None
    if not isinstance(decision, dict):
        raise EnvelopeError("malformed", "the decision is not a JSON object")
    return manifest, decision
