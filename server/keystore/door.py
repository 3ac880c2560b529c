"""How the OpenRosa door seals: as a device of its own, under epochs that live in memory only.

One epoch a process, day and mode, wrapped to the survey key of the mode; the ratchet steps with each submission, so
that a process that is read out tomorrow does not open what it sealed today. A key is used once even when its
submission is not stored: the index moves on first. A fork begins anew, for two processes must not share a ratchet.
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
from sync_protocol.plaintext import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A received instance and what the clear header says of it."""

    instance_xml: bytes
    instance_id: bytes
    parents: tuple[bytes, ...]
    form_version_hash: bytes
    mode: str
    app_user: str


@dataclass(frozen=True, slots=True)
class SealedSubmission:
    """An envelope and the epoch that it needs, to be stored together."""

    epoch: bytes
    body: bytes


@dataclass(slots=True)
class _OpenEpoch:
    survey_key_id: str
    day: str
    suite: int
    body: bytes
    hash: bytes
    index: int
    key: bytes

    def serves(self, survey_key: SurveyKey, day: str) -> bool:
        return (self.survey_key_id, self.day) == (survey_key.id, day) and self.index < RATCHET_STEPS


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
        """
        with self._guard:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._start()
            epoch = self._epoch(submission.mode, now)
            key, index = epoch.key, epoch.index
            epoch.key, epoch.index = ratchet.next_key(key), index + 1
            header = self._header(submission, epoch, index)
            body = envelopes.seal_interview(
                header=header,
                content_key=ratchet.content_key(key, epoch.hash, index),
                signer=self._keystore.door.signer,
                manifest=Manifest(device_time=now.isoformat(timespec="seconds"), app_user=submission.app_user),
                instance_xml=submission.instance_xml,
            )
            self._previous = envelopes.envelope_id(body)
            return SealedSubmission(epoch=epoch.body, body=body)

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
        return _OpenEpoch(survey_key.id, day, survey_key.suite, body, self._previous, 0, key)

    def _header(self, submission: Submission, epoch: _OpenEpoch, index: int) -> Header:
        self._sequence += 1
        return Header(
            kind=Kind.INTERVIEW,
            suite=epoch.suite,
            epoch_hash=epoch.hash,
            index=index,
            sequence=self._sequence,
            previous=self._previous,
            instance_id=submission.instance_id,
            parents=submission.parents,
            form_version_hash=submission.form_version_hash,
            dictionary_hash=NO_HASH,
            certificate_hash=self._keystore.door.certificate_hash,
        )
