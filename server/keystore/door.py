"""How the OpenRosa door seals: as a device of its own, under epochs that live in memory only.

One epoch a process, day and mode, wrapped to the survey key of the mode; the ratchet steps with each envelope, of an
instance or of a medium, so that a process that is read out tomorrow does not open what it sealed today. A key is used
once even when its submission is not stored: the index moves on first. A fork begins anew, for two processes must not
share a ratchet.
"""

import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from server.keystore.store import KeyStore
from sync_protocol import envelope as envelopes
from sync_protocol import epoch as epochs
from sync_protocol import ratchet
from sync_protocol.constants import RATCHET_STEPS, Kind
from sync_protocol.envelope import NO_HASH, Header
from sync_protocol.keyring import SurveyKey
from sync_protocol.plaintext import Manifest, Medium


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What came in one POST and is to be sealed, and what the clear headers say of it.

    Attributes:
        instance_xml: None when it is stored already, as in all POSTs of a submission but the first.
        media: files, each sealed already under a key of its own.
    """

    instance_xml: bytes | None
    media: tuple[Medium, ...] = ()
    instance_id: bytes
    parents: tuple[bytes, ...]
    form_version_hash: bytes
    mode: str
    app_user: str


@dataclass(frozen=True, slots=True)
class SealedEnvelope:
    """An envelope, its id, and the epoch that it is of."""

    envelope_id: bytes
    epoch_hash: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class SealedSubmission:
    """Envelopes to be stored together: the instance, one for each medium, and the epochs that are not stored yet."""

    epochs: tuple[SealedEnvelope, ...]
    interview: SealedEnvelope | None
    attachments: tuple[SealedEnvelope, ...]


@dataclass(slots=True)
class _OpenEpoch:
    survey_key: SurveyKey
    day: str
    suite: int
    body: bytes
    hash: bytes
    index: int
    key: bytes
    is_stored: bool = False

    def serves(self, survey_key: SurveyKey, day: str) -> bool:
        return (self.survey_key, self.day) == (survey_key, day) and self.index < RATCHET_STEPS


class DoorSealer:
    """Seals submissions, for all threads of a process."""

    def __init__(self, keystore: KeyStore) -> None:
        self._keystore = keystore
        self._guard = threading.Lock()
        self._pid = os.getpid()
        self._start()

    def seal(self, submission: Submission, *, now: datetime) -> SealedSubmission:
        """Seal one submission; works while the key store is locked.

        Raises:
            KeyError: when the keyring has no key for the mode.
            LocalError: ``too-large`` when the instance does not fit into an envelope.
        """
        time = now.isoformat(timespec="seconds")
        with self._guard:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._start()
            unstored: dict[bytes, SealedEnvelope] = {}
            interview = None
            if submission.instance_xml is not None:
                manifest = Manifest(device_time=time, app_user=submission.app_user)
                interview = self._seal(Kind.INTERVIEW, submission, manifest, now, unstored)
            attachments = [
                self._seal(Kind.ATTACHMENT, submission, manifest, now, unstored)
                for manifest in (
                    Manifest(device_time=time, media=(medium,), app_user=submission.app_user)
                    for medium in submission.media
                )
            ]
        return SealedSubmission(tuple(unstored.values()), interview, tuple(attachments))

    def note_stored(self, sealed: SealedSubmission) -> None:
        """Hear that a submission has been committed, so that its epochs need not come with the next ones."""
        hashes = {epoch.epoch_hash for epoch in sealed.epochs}
        if hashes:
            with self._guard:
                for epoch in self._epochs.values():
                    epoch.is_stored = epoch.is_stored or epoch.hash in hashes

    def _seal(
        self,
        kind: Kind,
        submission: Submission,
        manifest: Manifest,
        now: datetime,
        unstored: dict[bytes, SealedEnvelope],
    ) -> SealedEnvelope:
        epoch = self._epoch(submission.mode, now)
        if not epoch.is_stored:
            unstored[epoch.hash] = SealedEnvelope(epoch.hash, epoch.hash, epoch.body)
        key, index = epoch.key, epoch.index
        epoch.key, epoch.index = ratchet.next_key(key), index + 1
        header = self._header(kind, submission, epoch, index)
        content_key, signer = ratchet.content_key(key, epoch.hash, index), self._keystore.door.signer
        if kind == Kind.ATTACHMENT:
            body = envelopes.seal_attachment(header=header, content_key=content_key, signer=signer, manifest=manifest)
        else:
            body = envelopes.seal_interview(
                header=header,
                content_key=content_key,
                signer=signer,
                manifest=manifest,
                instance_xml=submission.instance_xml or b"",
            )
        self._previous = envelopes.envelope_id(body)
        return SealedEnvelope(self._previous, epoch.hash, body)

    def _start(self) -> None:
        self._epochs: dict[str, _OpenEpoch] = {}
        self._sequence = 0
        self._previous = NO_HASH

    def _epoch(self, mode: str, now: datetime) -> _OpenEpoch:
        survey_key = self._keystore.keyring.survey_key(mode)
        if survey_key is None:
            raise KeyError(f"the keyring has no key for the mode {mode}")
        day = now.astimezone(UTC).date().isoformat()
        found = self._epochs.get(mode)
        if found is None or not found.serves(survey_key, day):
            found = self._epochs[mode] = self._new_epoch(survey_key, day)
        return found

    def _new_epoch(self, survey_key: SurveyKey, day: str) -> _OpenEpoch:
        door, key = self._keystore.door, os.urandom(32)
        self._sequence += 1
        body = epochs.make_epoch(
            survey_key=survey_key,
            certificate_hash=door.certificate_hash,
            signer=door.signer,
            sequence=self._sequence,
            previous=self._previous,
            nonce=os.urandom(32),
            epoch_key=key,
        )
        self._previous = envelopes.envelope_id(body)
        return _OpenEpoch(survey_key, day, survey_key.suite, body, self._previous, 0, key)

    def _header(self, kind: Kind, submission: Submission, epoch: _OpenEpoch, index: int) -> Header:
        self._sequence += 1
        return Header(
            kind=kind,
            suite=epoch.suite,
            epoch_hash=epoch.hash,
            index=index,
            sequence=self._sequence,
            previous=self._previous,
            instance_id=submission.instance_id,
            parents=submission.parents if kind == Kind.INTERVIEW else (),
            form_version_hash=submission.form_version_hash,
            dictionary_hash=NO_HASH,
            certificate_hash=self._keystore.door.certificate_hash,
        )
