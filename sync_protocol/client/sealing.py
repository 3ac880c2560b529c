"""How an interview becomes an envelope on the device: a finished one, or an unfinished one for a replacement device.

One epoch a device-day and mode. The ratchet step, the envelope and the overwriting of the old key are one transaction:
either the interview is sealed and its key is gone, or nothing has happened. An epoch of another day loses its key
when a new one opens.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sync_protocol import envelope as envelopes
from sync_protocol import epoch as epochs
from sync_protocol import ratchet
from sync_protocol.client.files import FormFiles
from sync_protocol.client.store import DeviceStore
from sync_protocol.client.vault import Randomness, Vault
from sync_protocol.constants import RATCHET_STEPS, Kind
from sync_protocol.documents import document_hash
from sync_protocol.envelope import NO_HASH, Header
from sync_protocol.errors import LocalError
from sync_protocol.keyring import SurveyKey
from sync_protocol.plaintext import Manifest, Medium
from sync_protocol.signatures import Signer
from sync_protocol.transitions import Fate

SEAL: Final = {Kind.INTERVIEW: envelopes.seal_interview, Kind.DRAFT: envelopes.seal_draft}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interview:
    """An interview to seal: its XML and media, and what the clear header says of it; `kind` is interview or draft."""

    instance_xml: bytes
    instance_id: bytes
    parents: tuple[bytes, ...]
    form_version_hash: bytes
    mode: str
    device_time: datetime
    media: tuple[Medium, ...] = ()
    kind: Kind = Kind.INTERVIEW


@dataclass(frozen=True, slots=True)
class SealedInterview:
    """An interview in an envelope: the id of the envelope, and its number in the device's chain."""

    envelope_id: bytes
    sequence: int


@dataclass(frozen=True, slots=True)
class _OpenEpoch:
    hash: bytes
    suite: int
    index: int
    key: bytes


class Sealer:
    """Seals interviews into a device's chain of envelopes."""

    def __init__(self, store: DeviceStore, *, vault: Vault, signer: Signer, randomness: Randomness) -> None:
        """Take the store, what wraps ratchet keys, what signs, and a source of random bytes."""
        self._store = store
        self._database = store.database
        self._files = FormFiles(store.database)
        self._vault = vault
        self._signer = signer
        self._randomness = randomness

    def seal(self, interview: Interview) -> SealedInterview:
        """Seal one interview; on disk when this returns.

        Raises:
            LocalError: ``instance-exists`` for an instanceID that is already sealed (an edit has its own),
                ``too-large``, ``no-survey-key``, ``not-enrolled``, ``pin-needed``.
        """
        with self._database.transaction():
            return self.seal_within(interview)

    def seal_within(self, interview: Interview) -> SealedInterview:
        """Seal one interview inside the caller's transaction, which must fail when this does.

        Raises:
            LocalError: as `seal`.
        """
        self._refuse_known(interview.instance_id)
        epoch = self._epoch(interview.mode, interview.device_time)
        sequence, previous = self._chain_end()
        dictionary = self._files.dictionary(interview.form_version_hash)
        header = Header(
            kind=interview.kind,
            suite=epoch.suite,
            epoch_hash=epoch.hash,
            index=epoch.index,
            sequence=sequence,
            previous=previous,
            instance_id=interview.instance_id,
            parents=interview.parents,
            form_version_hash=interview.form_version_hash,
            dictionary_hash=NO_HASH if dictionary is None else document_hash(dictionary),
            certificate_hash=self._certificate_hash(),
        )
        device_time = interview.device_time.astimezone(UTC).isoformat(timespec="seconds")
        body = SEAL[interview.kind](
            header=header,
            content_key=ratchet.content_key(epoch.key, epoch.hash, epoch.index),
            signer=self._signer,
            manifest=Manifest(device_time=device_time, media=interview.media),
            instance_xml=interview.instance_xml,
            dictionary=dictionary,
        )
        self._step(epoch)
        self._store.media.name_by(interview.instance_id, interview.media)
        # An instanceID belongs to the envelope of the finished interview; drafts of it may have gone before.
        named = interview.instance_id if interview.kind is Kind.INTERVIEW else None
        return self._append(body, interview.kind, sequence, interview.device_time, named)

    def _refuse_known(self, instance_id: bytes) -> None:
        if self._database.rows("SELECT 1 FROM envelope WHERE instance_id = ?", instance_id):
            raise LocalError(
                "instance-exists", f"instanceID {instance_id.hex()} is already sealed; an edit has its own"
            )

    def _epoch(self, mode: str, now: datetime) -> _OpenEpoch:
        """Return the day's epoch of a mode, opening one if the day, the survey key or its last index is over."""
        survey_key = self._survey_key(mode)
        today = now.astimezone(UTC).date().isoformat()
        found = self._database.rows(
            "SELECT hash, next_index, ratchet FROM epoch"
            " WHERE mode = ? AND opened_on = ? AND survey_key_id = ? AND next_index < ? AND ratchet IS NOT NULL",
            *(mode, today, survey_key.id, RATCHET_STEPS),
        )
        if not found:
            return self._new_epoch(survey_key, today, now)
        epoch_hash, index, wrapped = found[0]
        key = self._vault.unwrap(bytes(wrapped), name=ratchet_name(bytes(epoch_hash)))
        return _OpenEpoch(bytes(epoch_hash), survey_key.suite, index, key)

    def _new_epoch(self, survey_key: SurveyKey, today: str, now: datetime) -> _OpenEpoch:
        sequence, previous = self._chain_end()
        key = self._randomness(32)
        body = epochs.make_epoch(
            survey_key=survey_key,
            certificate_hash=self._certificate_hash(),
            signer=self._signer,
            sequence=sequence,
            previous=previous,
            nonce=self._randomness(32),
            epoch_key=key,
        )
        epoch_hash = self._append(body, Kind.EPOCH, sequence, now, None).envelope_id
        mode = survey_key.mode
        self._database.execute("UPDATE epoch SET ratchet = NULL WHERE mode = ?", mode)
        self._database.execute(
            "INSERT INTO epoch (hash, mode, opened_on, survey_key_id, next_index, ratchet) VALUES (?, ?, ?, ?, 0, ?)",
            *(epoch_hash, mode, today, survey_key.id, self._vault.wrap(key, name=ratchet_name(epoch_hash))),
        )
        return _OpenEpoch(epoch_hash, survey_key.suite, 0, key)

    def _step(self, epoch: _OpenEpoch) -> None:
        """Put the next key in the place of the one that was used."""
        wrapped = self._vault.wrap(ratchet.next_key(epoch.key), name=ratchet_name(epoch.hash))
        self._database.execute(
            "UPDATE epoch SET next_index = ?, ratchet = ? WHERE hash = ?", epoch.index + 1, wrapped, epoch.hash
        )

    def _append(
        self, body: bytes, kind: Kind, sequence: int, sealed_at: datetime, instance_id: bytes | None
    ) -> SealedInterview:
        envelope_id = envelopes.envelope_id(body)
        self._database.execute(
            "INSERT INTO envelope (sequence, envelope_id, kind, instance_id, body, fate, sealed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(sequence, envelope_id, int(kind), instance_id, body, Fate.WAITING.value, sealed_at.isoformat()),
        )
        return SealedInterview(envelope_id, sequence)

    def _chain_end(self) -> tuple[int, bytes]:
        """Return the next number of the chain and the id of its last envelope."""
        found = self._database.rows(
            "SELECT sequence, envelope_id FROM envelope WHERE sequence > 0 ORDER BY sequence DESC LIMIT 1"
        )
        return (found[0][0] + 1, bytes(found[0][1])) if found else (1, NO_HASH)

    def _certificate_hash(self) -> bytes:
        return document_hash(self._store.document("certificate"))

    def _survey_key(self, mode: str) -> SurveyKey:
        key = self._store.keyring().survey_key(mode)
        if key is None:
            raise LocalError("no-survey-key", f"the office has no key for the mode {mode}: sync, or ask the office")
        return key


def ratchet_name(epoch_hash: bytes) -> str:
    """Return what an epoch's ratchet key is bound to under the PIN."""
    return f"ratchet of {epoch_hash.hex()}"
