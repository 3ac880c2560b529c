"""Opening: what one envelope holds, or the reason why it cannot be said.

Order: certificate → signature → epoch → decrypt → inflate → parse → exact form version → structural check. Nothing here
raises for a bad envelope: it waits for something or goes to quarantine under a reason, and never touches its neighbour.
"""

import logging
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Final

from forms.attached import attached_names
from forms.definition import FormDefinition
from forms.entities import entity_writes
from forms.instance import Instance, InstanceError, answers_hash, canonical_leaves, instance_id_bytes, parse_instance
from forms.structure import read_answers
from server.db.queries import opening as queries
from server.db.queries.opening import RELEASED, RELEASED_LATE, StoredEnvelope
from server.db.tables.envelopes import (
    LISTED,
    QUARANTINED,
    WAITING_FOR_EPOCH,
    WAITING_FOR_FORM,
    WAITING_FOR_KEY,
    WAITING_FOR_MEDIA,
)
from server.errors import KeyStoreLocked, KeyStoreSealed
from server.folding.encrypted import Decrypted, EncryptedFiles, decrypt, is_encrypted
from server.folding.instances import check_form, check_instance_id, parsed
from server.folding.material import Material
from server.folding.media import Wanted, nameable, wanted_names
from server.folding.opened import (
    Contents,
    OpenedAttachment,
    OpenedDecision,
    OpenedDraft,
    OpenedEpoch,
    OpenedInterview,
    Outcome,
    ReadInterview,
    Unopened,
)
from server.folding.profile import Summary
from server.folding.reasons import PLAINTEXT
from server.folding.waiting import Ended, Waits
from server.keystore import DOOR_ID, OFFICE_ID, KeyStore
from sync_protocol import envelope as envelopes
from sync_protocol import epoch as epochs
from sync_protocol.constants import Kind
from sync_protocol.documents import DeviceCertificate
from sync_protocol.envelope import NO_HASH, Header
from sync_protocol.epoch import Epoch
from sync_protocol.errors import EnvelopeError, LocalError
from sync_protocol.plaintext import Manifest, Medium
from sync_protocol.ratchet import EpochKeys
from sync_protocol.reconcile import Revision

__all__ = [
    "Contents",
    "OpenedAttachment",
    "OpenedDecision",
    "OpenedDraft",
    "OpenedEpoch",
    "OpenedInterview",
    "Opener",
    "Outcome",
    "ReadInterview",
    "Unopened",
]
LOG: Final = logging.getLogger(__name__)
KEPT_FINDINGS: Final = 100
UNFORESEEN: Final = "unforeseen"
_FORGIVEN: Final = (RELEASED, RELEASED_LATE)
"""Of an envelope whose device was revoked before it came: a person has let it in all the same."""


@dataclass(frozen=True, slots=True)
class _OpenEpoch:
    epoch: Epoch
    keys: EpochKeys
    mode: str


@dataclass(slots=True)
class Opener:
    """Opens one batch; holds epoch keys in memory and must not outlive it.

    Attributes:
        definitions: by hash of the form version; may outlive the batch, for definitions never change.
        files: where those of encrypted submissions are; without them, these wait.
    """

    keystore: KeyStore
    material: Material
    definitions: MutableMapping[bytes, FormDefinition]
    files: EncryptedFiles | None = None
    _certificates: dict[bytes, DeviceCertificate] = field(default_factory=dict)
    _epochs: dict[bytes, _OpenEpoch] = field(default_factory=dict)

    @property
    def unwrapped(self) -> tuple[bytes, ...]:
        """The epochs whose keys were unwrapped, by hash."""
        return tuple(self._epochs)

    def open_all(self, batch: Iterable[StoredEnvelope]) -> list[Outcome]:
        """Open a batch, in the order of its epochs' ratchets."""
        return [self.open_one(stored) for stored in sorted(batch, key=_ratchet_order)]

    def open_one(self, stored: StoredEnvelope) -> Outcome:
        """Open one envelope."""
        try:
            return self._open(stored)
        except Waits as waiting:
            return Unopened(envelope=stored, state=waiting.state, reason=waiting.state, lacks=waiting.lacks)
        except KeyStoreSealed:
            return Unopened(envelope=stored, state=LISTED, reason=LISTED)
        except KeyStoreLocked:
            return Unopened(envelope=stored, state=WAITING_FOR_KEY, reason=WAITING_FOR_KEY)
        except Ended as error:
            return Unopened(envelope=stored, state=QUARANTINED, reason=error.code, lacks=error.lacks)
        except (EnvelopeError, LocalError, InstanceError) as error:
            return Unopened(envelope=stored, state=QUARANTINED, reason=error.code)
        except Exception as error:  # noqa: BLE001 -- one envelope must never stop its neighbours
            LOG.error("envelope %d cannot be opened: %s", stored.sequence, type(error).__name__)  # noqa: TRY400
            return Unopened(envelope=stored, state=QUARANTINED, reason=UNFORESEEN)

    def read_interview(self, stored: StoredEnvelope) -> ReadInterview:
        """Return the instance in an envelope, in memory: for opening it, and for checking it later on.

        Raises:
            EnvelopeError, InstanceError: it cannot be trusted or read, or holds no interview.
            KeyStoreLocked: without the vault.
            Waits: its epoch or its form version is not here.
        """
        header, certificate = self._trusted(stored)
        if isinstance(header, Epoch) or header.kind != Kind.INTERVIEW:
            raise EnvelopeError("unknown-kind", "this envelope holds no interview")
        return self._read(stored, header, certificate, self._epoch(header))

    def contents_of(self, stored: StoredEnvelope) -> Contents:
        """Return what is inside an interview or a draft, whether or not it can be read.

        Raises:
            EnvelopeError: it cannot be trusted or opened, or holds neither.
            KeyStoreLocked: without the vault.
            Waits: its epoch is not here.
        """
        header, _ = self._trusted(stored)
        if isinstance(header, Epoch):
            raise EnvelopeError("unknown-kind", "this envelope holds no interview")
        opened = self._epoch(header)
        return Contents(*self._unsealed(stored, header, opened.keys.content_key(header.index)), opened.mode)

    def _open(self, stored: StoredEnvelope) -> Outcome:
        header, certificate = self._trusted(stored)
        if isinstance(header, Epoch):
            if self.keystore.keyring.survey_key_by_id(header.survey_key_id) is None:
                raise EnvelopeError("wrong-survey-key", "wrapped to a key that the keyring does not name")
            return OpenedEpoch(envelope=stored, epoch=header)
        opened = self._epoch(header)
        if header.kind == Kind.DRAFT:
            return self._draft(stored, header, certificate, opened)
        if header.kind == Kind.ATTACHMENT:
            _, medium = envelopes.open_attachment(stored.body, opened.keys.content_key(header.index))
            return OpenedAttachment(envelope=stored, instance_id=header.instance_id, medium=medium)
        if header.kind == Kind.DECISION:
            return self._decision(stored, header, certificate, opened.keys.content_key(header.index))
        return self._interview(self._read(stored, header, certificate, opened))

    def _draft(
        self, stored: StoredEnvelope, header: Header, certificate: DeviceCertificate, opened: _OpenEpoch
    ) -> OpenedDraft:
        """Read a draft as far as it must be whole: an instance of its form version; answers may be unfinished."""
        if certificate.device_id in (DOOR_ID, OFFICE_ID):
            raise EnvelopeError("unknown-kind", "a draft is made by a device")
        instance = parse_instance(self._unsealed(stored, header, opened.keys.content_key(header.index))[1])
        definition = self._definition(header.form_version_hash)
        if self.material.is_from_elsewhere(stored, definition.hash) and stored.reason != RELEASED:
            raise EnvelopeError(queries.OTHER_PROJECT, "its device is of another project than its form")
        check_form(instance, definition)
        check_instance_id(instance, stored, header, is_from_door=False)
        return OpenedDraft(
            envelope=stored,
            header=header,
            certificate=certificate,
            project=self.material.projects.get(definition.hash, 0),
        )

    def _trusted(self, stored: StoredEnvelope) -> tuple[Header | Epoch, DeviceCertificate]:
        if envelopes.envelope_id(stored.body) != stored.envelope_id:
            raise EnvelopeError("altered-at-rest", "the stored bytes are not those that were received")
        header = envelopes.peek(stored.body)
        certificate = self._certificate(header.certificate_hash)
        envelopes.verify(stored.body, certificate.signing_key)
        self._refuse_revoked(stored, header.certificate_hash)
        return header, certificate

    def _read(
        self, stored: StoredEnvelope, header: Header, certificate: DeviceCertificate, opened: _OpenEpoch
    ) -> ReadInterview:
        is_from_door = certificate.device_id == DOOR_ID
        manifest, xml = self._unsealed(stored, header, opened.keys.content_key(header.index))
        instance = parsed(xml, is_from_door=is_from_door)
        definition = self._definition(self._form_version(header, instance))
        self._refuse_unasked(stored, definition.hash)
        public_key = definition.metadata.submission.public_key
        encrypted: Decrypted | None = None
        if is_from_door and is_encrypted(instance):
            encrypted = self._decrypted(instance, header.instance_id, public_key)
            instance = encrypted.instance
        elif is_from_door and public_key and stored.reason != RELEASED:
            raise EnvelopeError(PLAINTEXT, "it came in clear although its form is encrypted")
        check_form(instance, definition)
        check_instance_id(instance, stored, header, is_from_door=is_from_door)
        return ReadInterview(
            envelope=stored,
            header=header,
            certificate=certificate,
            mode=opened.mode,
            manifest=manifest,
            definition=definition,
            instance=instance,
            encrypted=encrypted,
        )

    def _unsealed(self, stored: StoredEnvelope, header: Header, content_key: bytes) -> tuple[Manifest, bytes]:
        """Decrypt and inflate; the dictionary comes with the form, and is waited for as long as that is."""
        dictionary = self.material.dictionaries.get(header.dictionary_hash)
        if dictionary is None and header.dictionary_hash != NO_HASH:
            named = header.form_version_hash
            if named != NO_HASH and named not in self.definitions and named not in self.material.xforms:
                raise Waits(WAITING_FOR_FORM)
            message = "deflated with a dictionary that no form here has"
            raise Ended(queries.UNKNOWN_DICTIONARY, message, lacks=header.dictionary_hash)
        open_ = envelopes.open_draft if header.kind == Kind.DRAFT else envelopes.open_interview
        return open_(stored.body, content_key, dictionary=dictionary)

    def _decrypted(self, instance: Instance, instance_id: bytes, public_key: str) -> Decrypted:
        if self.files is None:
            raise Waits(WAITING_FOR_MEDIA)
        return decrypt(instance, instance_id, public_key=public_key, files=self.files, keystore=self.keystore)

    def _refuse_revoked(self, stored: StoredEnvelope, certificate_hash: bytes) -> None:
        """Set aside what came after its device was revoked, whoever carried it: no clock but ours is trusted."""
        revoked_at = self.material.revoked.get(certificate_hash)
        if revoked_at is not None and stored.received_at > revoked_at and stored.reason not in _FORGIVEN:
            raise EnvelopeError(queries.AFTER_REVOCATION, "sealed by a device that was revoked before it came")

    def _refuse_unasked(self, stored: StoredEnvelope, form_version_hash: bytes) -> None:
        """Set aside what came after its form version was retired, or of another project, until a person lets it in."""
        retired_at = self.material.retired.get(form_version_hash)
        if retired_at is not None and stored.received_at > retired_at and stored.reason != RELEASED:
            raise EnvelopeError(queries.FORM_RETIRED, "the form version was retired before it came")
        if self.material.is_from_elsewhere(stored, form_version_hash) and stored.reason != RELEASED:
            raise EnvelopeError(queries.OTHER_PROJECT, "its sender is of another project than its form")

    def _form_version(self, header: Header, instance: Instance) -> bytes:
        """Return which form version an interview is of; what came before its form was published says it inside."""
        if header.form_version_hash != NO_HASH:
            return header.form_version_hash
        named = self.material.names.get((instance.form_id, instance.version))
        if named is None:
            unknown = (instance.form_id, instance.version)
            raise Ended(queries.UNKNOWN_FORM_VERSION, "no such form version is published here", lacks=unknown)
        return named

    def _decision(
        self, stored: StoredEnvelope, header: Header, certificate: DeviceCertificate, content_key: bytes
    ) -> OpenedDecision:
        if certificate.device_id != OFFICE_ID or certificate.signing_key not in self.keystore.keyring.decision_keys:
            raise EnvelopeError("not-the-office", "decisions are signed by a decision key of the keyring")
        manifest, decision = envelopes.open_decision(stored.body, content_key)
        return OpenedDecision(envelope=stored, header=header, decided_at=manifest.device_time, decision=decision)

    def _interview(self, read: ReadInterview) -> OpenedInterview:
        stored, header, instance = read.envelope, read.header, read.instance
        _elements = list(instance.root.iter())  # keeps lxml's Python objects for the two walks that follow
        parents = set(header.parents)
        if instance.deprecated_id:
            parents.add(instance_id_bytes(instance.deprecated_id))
        answers = read_answers(read.definition, instance)
        revision = Revision(
            instance_id=header.instance_id,
            answers_hash=answers_hash(canonical_leaves(instance)),
            parents=tuple(sorted(parents)),
            envelope_id=stored.envelope_id,
            form_version_hash=read.definition.hash,
            role=read.certificate.role,
            mode=read.mode,
            project=self.material.projects.get(read.definition.hash, 0),
        )
        entities, remarks = entity_writes(read.definition, instance)
        findings = tuple((finding.code, finding.path) for finding in (*answers.findings, *remarks)[:KEPT_FINDINGS])
        return OpenedInterview(
            envelope=stored,
            revision=revision,
            definition=read.definition,
            answers=answers,
            summary=Summary.of(answers.analysis, findings),
            source=(read.manifest.app_user if read.is_from_door else None) or read.certificate.device_id,
            maker=read.certificate.device_id,
            device_time=read.manifest.device_time,
            entities=entities,
            wanted=_wanted(read),
            media=_sealed_media(read),
        )

    def _certificate(self, digest: bytes) -> DeviceCertificate:
        known = self._certificates.get(digest)
        if known is None:
            document = self.material.certificates.get(digest) or self.keystore.own_certificate(digest)
            if document is None:
                message = "no device of this office has this certificate"
                raise Ended(queries.UNKNOWN_CERTIFICATE, message, lacks=digest)
            known = self._certificates[digest] = DeviceCertificate.read(document, self.keystore.keyring.issuer_keys)
        return known

    def _epoch(self, header: Header) -> _OpenEpoch:
        known = self._epochs.get(header.epoch_hash)
        if known is None:
            body = self.material.epochs.get(header.epoch_hash)
            if body is None:
                raise Waits(WAITING_FOR_EPOCH)
            epoch = epochs.parse_epoch(body)
            epochs.verify_epoch(epoch, self._certificate(epoch.certificate_hash).signing_key)
            key = self.keystore.open_epoch(epoch)
            survey_key = self.keystore.keyring.survey_key_by_id(epoch.survey_key_id)
            if survey_key is None:
                raise EnvelopeError("wrong-survey-key", "wrapped to a key that the keyring does not name")
            known = self._epochs[header.epoch_hash] = _OpenEpoch(epoch, EpochKeys(key, epoch.hash), survey_key.mode)
        if known.epoch.certificate_hash != header.certificate_hash:
            raise EnvelopeError("certificate-mismatch", "the epoch is of another device")
        return known

    def _definition(self, digest: bytes) -> FormDefinition:
        known = self.definitions.get(digest)
        if known is None:
            xform = self.material.xforms.get(digest)
            if xform is None:
                raise Waits(WAITING_FOR_FORM)
            known = self.definitions[digest] = FormDefinition.parse(xform, self.material.media.get(digest, {}))
        return known


def _wanted(read: ReadInterview) -> tuple[Wanted, ...]:
    """Return what an interview names: what its answers do, and what its tablet says that it has sealed."""
    names = dict.fromkeys(attached_names(read.definition, read.instance))
    names |= dict.fromkeys(medium.name for medium in _sealed_media(read))
    return wanted_names(names, () if read.encrypted is None else read.encrypted.wanted)


def _sealed_media(read: ReadInterview) -> tuple[Medium, ...]:
    return () if read.is_from_door else nameable(read.manifest.media)


def _ratchet_order(stored: StoredEnvelope) -> tuple[bytes, bytes]:
    """Order by epoch, then by the index in the header (`sync_protocol.envelope`: 4 bytes at 40)."""
    return (stored.epoch_hash or b"", stored.body[40:44])
