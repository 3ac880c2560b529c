"""What opening an envelope gives: what was in it, or why that cannot be said."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from forms.definition import FormDefinition
from forms.entities import EntityWrite
from forms.instance import Instance
from forms.structure import OpenedAnswers
from server.db.queries.attachments import AttachmentRow
from server.db.queries.opening import StoredEnvelope
from server.folding.encrypted import Decrypted
from server.folding.media import Wanted, attachment_row
from server.folding.profile import Summary
from server.folding.waiting import Lacks
from server.keystore import DOOR_ID, KeyStore
from sync_protocol.documents import DeviceCertificate
from sync_protocol.envelope import Header
from sync_protocol.epoch import Epoch
from sync_protocol.plaintext import Manifest, Medium
from sync_protocol.reconcile import Revision


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


@dataclass(frozen=True, slots=True)
class Contents:
    """What is inside an interview or a draft: manifest and XML, verbatim; `mode` is that of the key it is sealed to."""

    manifest: Manifest
    xml: bytes
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedInterview:
    """An interview that was opened and read; `maker` is the device of its certificate, whoever carried it."""

    envelope: StoredEnvelope
    revision: Revision
    definition: FormDefinition
    answers: OpenedAnswers
    summary: Summary
    source: str
    maker: str
    device_time: str
    wanted: tuple[Wanted, ...] = ()
    media: tuple[Medium, ...] = ()
    entities: tuple[EntityWrite, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedDraft:
    """An unfinished interview of a device: it could be handed to another one, and is never folded."""

    envelope: StoredEnvelope
    header: Header
    certificate: DeviceCertificate
    project: int


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


Outcome = OpenedInterview | OpenedDraft | OpenedAttachment | OpenedDecision | OpenedEpoch | Unopened
