"""Opening: what one envelope holds, or the reason why it cannot be said.

Order: certificate → signature → epoch → decrypt → inflate → parse → exact form version → structural check. Nothing here
raises for a bad envelope: it waits for something or goes to quarantine under a reason, and never touches its neighbour.
"""

import logging
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from forms.attached import attached_names
from forms.definition import FormDefinition
from forms.entities import EntityWrite, entity_writes
from forms.instance import Instance, InstanceError, answers_hash, canonical_leaves, instance_id_bytes, parse_instance
from forms.structure import OpenedAnswers, read_answers
from server.db.queries import opening as queries
from server.db.queries.attachments import AttachmentRow
from server.db.queries.opening import RELEASED, StoredEnvelope
from server.db.tables.envelopes import (
    QUARANTINED,
    WAITING_FOR_EPOCH,
    WAITING_FOR_FORM,
    WAITING_FOR_KEY,
    WAITING_FOR_MEDIA,
)
from server.errors import KeyStoreLocked
from server.folding.encrypted import Decrypted, EncryptedFiles, decrypt, is_encrypted
from server.folding.material import Material
from server.folding.media import Wanted, attachment_row, wanted_names
from server.folding.profile import Summary
from server.folding.reasons import NO_INSTANCE_ID, PLAINTEXT, UNREADABLE_INSTANCE
from server.folding.waiting import Ended, Lacks, Waits
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

LOG: Final = logging.getLogger(__name__)
KEPT_FINDINGS: Final = 100
UNFORESEEN: Final = "unforeseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadInterview:
    """The instance of an envelope that is trusted, beside the exact version of its form."""

    envelope: StoredEnvelope
    header: Header
    certificate: DeviceCertificate
    mode: str
    manifest: Manifest
    definition: FormDefinition
    instance: Instance
    encrypted: Decrypted | None = None

    @property
    def is_from_door(self) -> bool:
        """The OpenRosa door sealed it, so that the manifest's time is the door's and not the tablet's."""
        return self.certificate.device_id == DOOR_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedInterview:
    """An interview that was opened and read."""

    envelope: StoredEnvelope
    revision: Revision
    definition: FormDefinition
    answers: OpenedAnswers
    summary: Summary
    source: str
    device_time: str
    wanted: tuple[Wanted, ...] = ()
    entities: tuple[EntityWrite, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedAttachment:
    """A medium that belongs to an instance."""

    envelope: StoredEnvelope
    instance_id: bytes
    medium: Medium

    def row(self, keystore: KeyStore) -> AttachmentRow:
        """Return what is stored of it."""
        return attachment_row(
            self.envelope.envelope_id,
            self.instance_id,
            self.medium,
            received_at=self.envelope.received_at,
            keystore=keystore,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedDecision:
    """A decision of the office, about the interviews of its header's parents."""

    envelope: StoredEnvelope
    header: Header
    decided_at: str
    decision: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEpoch:
    """An epoch whose signature holds; its key is unwrapped when an interview needs it."""

    envelope: StoredEnvelope
    epoch: Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Unopened:
    """An envelope that waits for something, or went to quarantine."""

    envelope: StoredEnvelope
    state: str
    reason: str
    lacks: Lacks = None


Outcome = OpenedInterview | OpenedAttachment | OpenedDecision | OpenedEpoch | Unopened


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

    def document_of(self, stored: StoredEnvelope) -> bytes:
        """Return the XML inside an interview envelope, verbatim, whether or not it can be read as an interview.

        Raises:
            EnvelopeError: it cannot be trusted or opened, or holds no interview.
            KeyStoreLocked: without the vault.
            Waits: its epoch is not here.
        """
        header, _ = self._trusted(stored)
        if isinstance(header, Epoch):
            raise EnvelopeError("unknown-kind", "this envelope holds no interview")
        return self._unsealed(stored, header, self._epoch(header).keys.content_key(header.index))[1]

    def _open(self, stored: StoredEnvelope) -> Outcome:
        header, certificate = self._trusted(stored)
        if isinstance(header, Epoch):
            if self.keystore.keyring.survey_key_by_id(header.survey_key_id) is None:
                raise EnvelopeError("wrong-survey-key", "wrapped to a key that the keyring does not name")
            return OpenedEpoch(envelope=stored, epoch=header)
        if header.kind == Kind.DRAFT:
            raise EnvelopeError("unknown-kind", "drafts are not opened yet")
        opened = self._epoch(header)
        if header.kind == Kind.ATTACHMENT:
            _, medium = envelopes.open_attachment(stored.body, opened.keys.content_key(header.index))
            return OpenedAttachment(envelope=stored, instance_id=header.instance_id, medium=medium)
        if header.kind == Kind.DECISION:
            return self._decision(stored, header, certificate, opened.keys.content_key(header.index))
        return self._interview(self._read(stored, header, certificate, opened))

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
        instance = _parsed(xml, is_from_door=is_from_door)
        definition = self._definition(self._form_version(header, instance))
        self._refuse_unasked(stored, definition.hash)
        public_key = definition.metadata.submission.public_key
        encrypted: Decrypted | None = None
        if is_from_door and is_encrypted(instance):
            encrypted = self._decrypted(instance, header.instance_id, public_key)
            instance = encrypted.instance
        elif is_from_door and public_key and stored.reason != RELEASED:
            raise EnvelopeError(PLAINTEXT, "it came in clear although its form is encrypted")
        if (instance.form_id, instance.version) != (definition.form_id, definition.version):
            raise EnvelopeError("wrong-form", "the interview is not of the form version that its header names")
        _check_instance_id(instance, stored, header, is_from_door=is_from_door)
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
        return envelopes.open_interview(stored.body, content_key, dictionary=dictionary)

    def _decrypted(self, instance: Instance, instance_id: bytes, public_key: str) -> Decrypted:
        if self.files is None:
            raise Waits(WAITING_FOR_MEDIA)
        return decrypt(instance, instance_id, public_key=public_key, files=self.files, keystore=self.keystore)

    def _refuse_revoked(self, stored: StoredEnvelope, certificate_hash: bytes) -> None:
        """Set aside what came after its device was revoked, whoever carried it: no clock but ours is trusted."""
        revoked_at = self.material.revoked.get(certificate_hash)
        if revoked_at is not None and stored.received_at > revoked_at and stored.reason != RELEASED:
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
            device_time=read.manifest.device_time,
            entities=entities,
            wanted=wanted_names(
                attached_names(read.definition, instance), () if read.encrypted is None else read.encrypted.wanted
            ),
        )

    def _certificate(self, digest: bytes) -> DeviceCertificate:
        known = self._certificates.get(digest)
        if known is None:
            document = self.material.certificates.get(digest) or self.keystore.own_certificate(digest)
            if document is None:
                raise EnvelopeError("unknown-certificate", "no device of this office has this certificate")
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


def _parsed(xml: bytes, *, is_from_door: bool) -> Instance:
    """Parse an instance; at the door, where anything is taken, one word says that nobody can."""
    try:
        return parse_instance(xml)
    except InstanceError as error:
        if is_from_door:
            raise EnvelopeError(UNREADABLE_INSTANCE, error.message) from None
        raise


def _check_instance_id(instance: Instance, stored: StoredEnvelope, header: Header, *, is_from_door: bool) -> None:
    """Compare the instanceID with the header's; one that names itself not has the door's, once a person let it in."""
    if instance.instance_id is None and is_from_door:
        if stored.reason != RELEASED:
            raise EnvelopeError(NO_INSTANCE_ID, "the submission has no instanceID")
    elif instance.instance_id is None or instance_id_bytes(instance.instance_id) != header.instance_id:
        raise EnvelopeError("wrong-instance-id", "the interview has another instanceID than its header")


def _ratchet_order(stored: StoredEnvelope) -> tuple[bytes, bytes]:
    """Order by epoch, then by the index in the header (`sync_protocol.envelope`: 4 bytes at 40)."""
    return (stored.epoch_hash or b"", stored.body[40:44])
