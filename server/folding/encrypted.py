"""Submissions that ODK Collect has encrypted: from the manifest that came as XML to the clear instance, in memory only.

A submission is opened when its manifest, the encrypted XML and the office's key are here, whichever came last. Several
files of the XML's name are all tried, by the hash of what came: one that was cut spoils neither itself nor another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Final, Self

from sqlalchemy.orm import Session

from forms.documents import local_name
from forms.instance import Instance, InstanceError, parse_instance
from server.blobs import Blobs
from server.db.engine import Database
from server.db.queries import attachments, odk_keys
from server.db.queries.attachments import AttachmentRow
from server.db.tables.envelopes import WAITING_FOR_MEDIA, WAITING_FOR_ODK_KEY
from server.folding import media
from server.folding.media import ENCRYPTED_SUFFIX, Wanted
from server.folding.waiting import Ended, Waits
from server.keystore import KeyStore, odk
from server.keystore.odk import UNDECRYPTABLE, FileKey, OdkKey
from sync_protocol.errors import EnvelopeError

SIGNATURE_INVALID: Final = "odk-signature-invalid"
XML_BYTES: Final = (1 << 20) + 4096
"""Of the sealed, encrypted XML of one instance, which has 1 MiB at most."""
COMBINATIONS: Final = 64
MEDIA: Final = 1000
"""Files in one submission: a hostile manifest must not cost seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an encrypted submission says in clear.

    Attributes:
        version: None where the attribute is missing, as it then is in what was signed.
        files: names of the encrypted media, in the order in which they were encrypted.
        xml_file: name of the encrypted instance, which was encrypted last.
    """

    form_id: str
    version: str | None
    instance_id: str
    key: str
    files: tuple[str, ...]
    xml_file: str
    signature: str

    @classmethod
    def read(cls, instance: Instance) -> Self:
        """Read a manifest.

        Raises:
            EnvelopeError: ``odk-undecryptable`` when something is missing.
        """
        texts: dict[str, list[str]] = {}
        for element in instance.root.iter():
            texts.setdefault(local_name(element), []).append((element.text or "").strip())
        files = tuple(texts.get("file", ()))
        try:
            (key,), (xml_file,) = texts["base64EncryptedKey"], texts["encryptedXmlFile"]
            (signature,) = texts["base64EncryptedElementSignature"]
        except (KeyError, ValueError):
            raise EnvelopeError(UNDECRYPTABLE, "the manifest of the encrypted submission is not whole") from None
        if instance.instance_id is None or len(files) > MEDIA:
            raise EnvelopeError(UNDECRYPTABLE, "the manifest names no instanceID, or too many files")
        return cls(
            form_id=instance.form_id,
            version=instance.root.get("version"),
            instance_id=instance.instance_id,
            key=key,
            files=files,
            xml_file=xml_file,
            signature=signature,
        )

    def signed_text(self, digests: Sequence[str]) -> str:
        """Return what is signed, given the MD5 of each file in the order of encryption, hexadecimal."""
        names = (*self.files, self.xml_file)
        lines = [self.form_id, *([] if self.version is None else [self.version]), self.key, self.instance_id]
        lines += [f"{name.removesuffix(ENCRYPTED_SUFFIX)}::{md5}" for name, md5 in zip(names, digests, strict=True)]
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Decrypted:
    """A clear instance, its XML, its files with what opens each, and what says whether they are all whole."""

    instance: Instance
    xml: bytes
    wanted: tuple[Wanted, ...]
    manifest: Manifest
    key: OdkKey


@dataclass(frozen=True, slots=True)
class EncryptedFiles:
    """Where the files of encrypted submissions are, and the office's keys, sealed, by the hash of their public half."""

    attachments: Callable[[bytes], Sequence[AttachmentRow]]
    sealed_key: Callable[[bytes], bytes | None]
    blobs: Blobs

    @classmethod
    def within(cls, session: Session, blobs: Blobs) -> Self:
        """Look in a session that stays open."""
        return cls(
            lambda instance_id: attachments.attachments_of(session, [instance_id]),
            lambda key_hash: odk_keys.sealed(session, key_hash),
            blobs,
        )

    @classmethod
    def of(cls, database: Database, blobs: Blobs) -> Self:
        """Look in the database whenever there is an encrypted submission."""

        def attachments_of(instance_id: bytes) -> Sequence[AttachmentRow]:
            with database.read() as session:
                return attachments.attachments_of(session, [instance_id])

        def sealed_key(key_hash: bytes) -> bytes | None:
            with database.read() as session:
                return odk_keys.sealed(session, key_hash)

        return cls(attachments_of, sealed_key, blobs)


def is_encrypted(instance: Instance) -> bool:
    """Say whether what came as XML is the manifest of an encrypted submission."""
    return instance.root.get("encrypted") == "yes"


def decrypt(
    instance: Instance, instance_id: bytes, *, public_key: str, files: EncryptedFiles, keystore: KeyStore
) -> Decrypted:
    """Open an encrypted submission.

    Args:
        instance: the manifest.
        instance_id: (16,) of the envelope.
        public_key: of the form version.
        files: where its files and the key are.
        keystore: opens both.

    Raises:
        EnvelopeError: ``odk-undecryptable``; ``odk-signature-invalid`` when what was signed is another.
        KeyStoreLocked: without the vault.
        Waits: the key or the encrypted XML is not here.
    """
    manifest = Manifest.read(instance)
    key = _key(public_key, files, keystore)
    tag = keystore.medium_tag(instance_id, manifest.xml_file)
    came = sorted(files.attachments(instance_id), key=lambda row: row.blob_sha256)
    candidates = [row for row in came if row.name_tag == tag]
    if not candidates:
        raise Waits(WAITING_FOR_MEDIA, lacks=tag)
    file_keys = key.file_keys(manifest.key, manifest.instance_id, len(manifest.files) + 1)
    last = EnvelopeError(UNDECRYPTABLE, "nothing of the encrypted instance can be read")
    for row in candidates:
        try:
            xml = _xml(row, file_keys[-1], files, keystore)
            clear = parse_instance(xml)
        except InstanceError:
            last = EnvelopeError(UNDECRYPTABLE, "the encrypted instance is no XML")
            continue
        except EnvelopeError as error:
            last = error
            continue
        if _is_whole(manifest, clear, xml, key):
            return Decrypted(clear, xml, _wanted(manifest, file_keys), manifest, key)
        last = EnvelopeError(SIGNATURE_INVALID, "the encrypted instance is not the one that was signed")
    raise Ended(last.code, last.detail, lacks=frozenset(row.envelope_id for row in came))


def are_media_signed(found: Decrypted, instance_id: bytes, *, files: EncryptedFiles, keystore: KeyStore) -> bool | None:
    """Say whether the media of a submission are those that were signed with it; None while one is missing.

    Several files of one name are tried in the order of their hashes, so many as a repeat or two make.
    """
    came = sorted(files.attachments(instance_id), key=lambda row: row.blob_sha256)
    digests: list[list[str]] = []
    for one in found.wanted[:-1]:
        rows = [row for row in came if row.name_tag == keystore.medium_tag(instance_id, one.name)]
        if not rows:
            return None
        digests.append([_md5(row, FileKey(*one.opens[0]), files, keystore) for row in rows])
    xml = media.md5_of([found.xml])
    return any(
        found.key.is_signature(found.manifest.signature, found.manifest.signed_text([*chosen, xml]))
        for chosen in islice(product(*digests), COMBINATIONS)
    )


def _md5(row: AttachmentRow, file_key: FileKey, files: EncryptedFiles, keystore: KeyStore) -> str:
    sealed = media.sealed_chunks(row.envelope_id, row.blob_sha256, row.sealed, keystore=keystore, blobs=files.blobs)
    try:
        return media.md5_of(odk.plain_chunks(sealed, file_key))
    except EnvelopeError:
        return ""


def _key(public_key: str, files: EncryptedFiles, keystore: KeyStore) -> OdkKey:
    try:
        key_hash = odk.hash_of(public_key)
    except ValueError:
        raise EnvelopeError(UNDECRYPTABLE, "the form names no key that anything can be encrypted to") from None
    sealed = files.sealed_key(key_hash)
    if sealed is None:
        raise Waits(WAITING_FOR_ODK_KEY, lacks=key_hash)
    return OdkKey.open(keystore, key_hash, sealed)


def _xml(row: AttachmentRow, file_key: FileKey, files: EncryptedFiles, keystore: KeyStore) -> bytes:
    if row.length_bytes > XML_BYTES:
        raise EnvelopeError(UNDECRYPTABLE, "the encrypted instance is larger than any")
    sealed = media.sealed_chunks(row.envelope_id, row.blob_sha256, row.sealed, keystore=keystore, blobs=files.blobs)
    return b"".join(odk.plain_chunks(sealed, file_key))


def _is_whole(manifest: Manifest, clear: Instance, xml: bytes, key: OdkKey) -> bool:
    """Compare the clear instance with its manifest; where media are signed with it, that waits until all are here."""
    says = (manifest.form_id, manifest.version or "", manifest.instance_id)
    if (clear.form_id, clear.version, clear.instance_id) != says:
        return False
    return bool(manifest.files) or key.is_signature(manifest.signature, manifest.signed_text([media.md5_of([xml])]))


def _wanted(manifest: Manifest, file_keys: Sequence[FileKey]) -> tuple[Wanted, ...]:
    names = (*manifest.files, manifest.xml_file)
    return tuple(
        Wanted(name, ((file_key.key, file_key.iv),)) for name, file_key in zip(names, file_keys, strict=True) if name
    )
