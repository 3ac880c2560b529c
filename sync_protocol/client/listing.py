"""What a device tells of itself: who it is, what it holds, and how far that has come."""

from collections.abc import Iterator

from sync_protocol.assignments import Household
from sync_protocol.client.database import DeviceDatabase
from sync_protocol.client.pulled import REVOKED_AT, Reading
from sync_protocol.client.receiving import ReceivingKeys
from sync_protocol.client.records import FormVersion, StoredEnvelope, Verdict
from sync_protocol.client.report import Progress
from sync_protocol.client.store import DeviceStore
from sync_protocol.client.vault import LockedVault, PinVault
from sync_protocol.constants import Kind
from sync_protocol.entity_rows import EntityRow
from sync_protocol.errors import LocalError
from sync_protocol.transitions import Fate


class Listing:
    """The reading half of `Device`."""

    _database: DeviceDatabase
    _store: DeviceStore
    _receiving: ReceivingKeys
    _local: LockedVault | PinVault

    @property
    def device_id(self) -> str:
        """The id that the office gave at enrolment.

        Raises:
            LocalError: ``not-enrolled``.
        """
        device_id = self._store.setting("device_id")
        if device_id is None:
            raise LocalError("not-enrolled", "this device is not enrolled: scan an enrolment code first")
        return str(device_id)

    @property
    def is_enrolled(self) -> bool:
        """An office knows this device."""
        return self._store.setting("device_id") is not None

    @property
    def has_pin(self) -> bool:
        """A PIN was chosen; whether it was given says `drafts.is_locked`."""
        return self._store.pin() is not None

    @property
    def server_url(self) -> str:
        """The address of the office's server, from the enrolment link."""
        return str(self._store.setting("server_url"))

    @property
    def backed_up_sequence(self) -> int | None:
        """Envelopes up to this number of the server survive the loss of its disk; None when it makes no backups."""
        return self._store.backup().backed_up_sequence

    @property
    def is_revoked(self) -> bool:
        """The office has revoked this device: it still delivers what it holds, and gets nothing new."""
        return self._store.setting(REVOKED_AT) is not None

    def progress(self) -> Progress:
        """Count the interviews on this device and those that the server has receipted, and the media that wait."""
        ((interviews, safe),) = self._database.rows(
            "SELECT count(*), coalesce(sum(fate IN ('receipted', 'deleted')), 0) FROM envelope"
            " WHERE kind = ? AND fate <> 'erased' AND sequence > 0",
            int(Kind.INTERVIEW),
        )
        left = self._store.backlog()
        return Progress(safe, interviews, media=left.media, bytes_left=left.body_bytes + left.media_bytes)

    def waiting(self) -> int:
        """Count the envelopes that no receipt covers."""
        return self._store.backlog().envelopes

    def form_versions(self) -> tuple[FormVersion, ...]:
        """Return the form versions on this device, by form and version."""
        query = "SELECT hash, form_id, version, title, state, xform FROM form_version ORDER BY form_id, version"
        return tuple(
            FormVersion(hash=bytes(form_hash), form_id=form_id, version=version, title=title, state=state, xform=xform)
            for form_hash, form_id, version, title, state, xform in self._database.rows(query)
        )

    def assignments(self) -> dict[str, tuple[Household, ...]]:
        """Return the drawn households of this device, by PSU.

        Raises:
            LocalError: ``pin-needed``.
        """
        return self._reading().assignments() if self.is_enrolled else {}

    def entities(self, list_name: str) -> tuple[EntityRow, ...]:
        """Return the entities of a list that the office has given to this device.

        Raises:
            LocalError: ``pin-needed``.
        """
        return self._reading().entities(list_name)

    def verdicts(self) -> tuple[Verdict, ...]:
        """Return what the server said of opened envelopes, in the order in which they were sealed."""
        query = (
            "SELECT verdict.instance_id, verdict.envelope_id, verdict.state, verdict.reason"
            " FROM verdict JOIN envelope USING (envelope_id) ORDER BY envelope.sequence"
        )
        return tuple(
            Verdict(instance_id=bytes(instance_id), envelope_id=bytes(envelope_id), state=state, reason=reason)
            for instance_id, envelope_id, state, reason in self._database.rows(query)
        )

    def envelope_of(self, instance_id: bytes) -> StoredEnvelope | None:
        """Return where the interview of an instanceID stands, None when it was never sealed here."""
        query = "SELECT envelope_id, sequence, fate, code, server_sequence FROM envelope WHERE instance_id = ?"
        for envelope_id, sequence, fate, code, server_sequence in self._database.rows(query, instance_id):
            return StoredEnvelope(bytes(envelope_id), sequence, Fate(fate), code, server_sequence)
        return None

    def envelope_bodies(self) -> Iterator[bytes]:
        """Yield every envelope of this device that is kept, in the order of its chain."""
        kept = "SELECT sequence FROM envelope WHERE length(body) > 0 AND sequence > 0 ORDER BY sequence"
        for (sequence,) in self._database.rows(kept):
            yield bytes(self._database.rows("SELECT body FROM envelope WHERE sequence = ?", sequence)[0][0])

    def _reading(self) -> Reading:
        return Reading(self._database, self._receiving, self._local, self.device_id)
