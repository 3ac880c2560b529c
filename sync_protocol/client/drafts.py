"""Unfinished and finished interviews on the device, until they are sealed.

An interview is saved as often as its enumerator likes, finalised, and may be re-opened until it is sealed. It is
sealed when the unlocked device next syncs, when the time of the policy is over, or when its primary sampling unit is
closed. The ratchet step, the envelope, the erasure of the used key and the end of the draft are one transaction; then
the log is truncated. A locked device seals nothing, says so, and still sends what is sealed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from sync_protocol.client import drafts_instance
from sync_protocol.client.drafts_store import DRAFTS, Draft, DraftContent, DraftEvent, DraftState, DraftStore
from sync_protocol.client.report import Unsealed
from sync_protocol.client.sealing import Interview, SealedInterview, Sealer
from sync_protocol.client.store import DeviceStore
from sync_protocol.client.vault import LockedVault, PinVault
from sync_protocol.constants import Kind
from sync_protocol.errors import LocalError
from sync_protocol.plaintext import Medium

SEAL_AFTER_HOURS: Final = "seal_after_hours"
SEALS_DRAFTS: Final = "seals_drafts"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPolicy:
    """What an office wants of unsealed interviews.

    Attributes:
        seal_after_hours: a finalised interview can be re-opened that long at most.
        seals_drafts: unfinished ones are sent sealed at each sync when they have changed, for a replacement device.
    """

    seal_after_hours: int = 72
    seals_drafts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SealReport:
    """What was sealed, finished interviews and drafts for a replacement device, and what could not be."""

    sealed: tuple[SealedInterview, ...] = ()
    drafts: tuple[SealedInterview, ...] = ()
    unsealed: tuple[Unsealed, ...] = ()


class Drafts:
    """The unsealed interviews of a device."""

    def __init__(
        self,
        store: DeviceStore,
        *,
        vault: LockedVault | PinVault,
        sealer: Sealer,
        truncate_log: Callable[[], None],
    ) -> None:
        """Take what a device is made of; `Device.drafts` does this.

        Args:
            vault: of the device's data key.
        """
        self._settings = store
        self._database = store.database
        self._vault = vault
        self._sealer = sealer
        self._truncate_log = truncate_log
        self._drafts = DraftStore(store.database, vault)
        store.count_unsealed = self.count_finalised
        store.erasing.erasers = [self._drafts.erase]

    @property
    def is_locked(self) -> bool:
        """A PIN was chosen and not given: nothing can be read, saved or sealed."""
        return isinstance(self._vault, LockedVault)

    @property
    def policy(self) -> DraftPolicy:
        """What the office wants of unsealed interviews; by default what `DraftPolicy` says."""
        hours, seals_drafts = self._settings.setting(SEAL_AFTER_HOURS), self._settings.setting(SEALS_DRAFTS)
        default = DraftPolicy()
        return DraftPolicy(
            seal_after_hours=default.seal_after_hours if hours is None else int(hours),
            seals_drafts=default.seals_drafts if seals_drafts is None else bool(seals_drafts),
        )

    def set_policy(self, policy: DraftPolicy) -> None:
        """Store another policy.

        Raises:
            LocalError: ``malformed`` for less than no hours.
        """
        if policy.seal_after_hours < 0:
            raise LocalError("malformed", "a policy has at least 0 hours")
        with self._database.transaction():
            self._settings.put_setting(SEAL_AFTER_HOURS, policy.seal_after_hours)
            self._settings.put_setting(SEALS_DRAFTS, int(policy.seals_drafts))

    def list(self) -> tuple[Draft, ...]:
        """Return all unsealed interviews, the one that was changed first first; needs no PIN."""
        return self._drafts.all()

    def get(self, instance_id: bytes) -> Draft:
        """Return one of them; needs no PIN.

        Raises:
            LocalError: ``draft-unknown``.
        """
        return self._drafts.get(instance_id)

    def standing(self, instance_id: bytes) -> Literal["new", "draft", "finalised", "sealed"]:
        """Say where an interview stands on this device: ``new`` when there is nothing of it; needs no PIN."""
        draft = self._drafts.find(instance_id)
        if draft is not None:
            return "finalised" if draft.state is DraftState.FINALISED else "draft"
        return "sealed" if self._is_sealed(instance_id) else "new"

    def read(self, instance_id: bytes) -> DraftContent:
        """Return the answers of one, its media and the office's note.

        Raises:
            LocalError: ``draft-unknown``, ``pin-needed``.
        """
        return self._drafts.content(instance_id)

    def save_draft(
        self,
        instance_xml: bytes,
        *,
        form_version_hash: bytes,
        now: datetime,
        mode: str = "survey",
        psu: str = "",
        media: Iterable[Medium] | None = None,
        parents: tuple[bytes, ...] | None = None,
        note: str | None = None,
    ) -> Draft:
        """Keep an unfinished interview, in the place of what was kept under its instanceID.

        Args:
            instance_xml: UTF-8, with its instanceID, `uuid:…`, in its meta block.
            form_version_hash: (32,) SHA-256 of the XForm that it answers.
            now: the device's clock, UTC.
            psu: of its household: when that unit is closed, the interview is sealed.
            media: all its media, as sealed; None for those that it had.
            parents: instanceIDs of the revisions that it edits, (16,) each; None for those that it had.
            note: why the office gave it back; None for that which it had.

        Raises:
            LocalError: ``malformed``, ``wrong-state`` when it is finalised, ``instance-exists`` when it is sealed,
                ``pin-needed``.
        """
        fresh = DraftContent(instance_xml=instance_xml, media=tuple(media or ()), note=note or "")
        with self._database.transaction():
            return self.save_within(
                fresh,
                form_version_hash=form_version_hash,
                now=now,
                mode=mode,
                psu=psu,
                parents=parents,
                keeps_media=media is None,
                keeps_note=note is None,
            )

    def save_within(
        self,
        content: DraftContent,
        *,
        form_version_hash: bytes,
        now: datetime,
        mode: str,
        psu: str,
        parents: tuple[bytes, ...] | None,
        keeps_media: bool = False,
        keeps_note: bool = False,
    ) -> Draft:
        """Do as `save_draft` does, inside the caller's transaction."""
        instance_id = drafts_instance.read_instance_id(content.instance_xml)
        kept = self._drafts.find(instance_id)
        before = DraftContent(instance_xml=b"")
        if kept is None:
            self._refuse_sealed(instance_id)
        else:
            _following(kept, DraftEvent.SAVED)
            before = self._drafts.content(instance_id)
        content = replace(
            content,
            media=before.media if keeps_media else content.media,
            note=before.note if keeps_note else content.note,
        )
        draft = Draft(
            instance_id=instance_id,
            state=DraftState.DRAFT,
            form_version_hash=form_version_hash,
            mode=mode,
            psu=psu or (kept.psu if kept is not None else ""),
            parents=parents if parents is not None else kept.parents if kept is not None else (),
            is_changed=kept is None
            or kept.is_changed
            or (content, form_version_hash, mode) != (before, kept.form_version_hash, kept.mode),
            changed_at=now,
            finalised_at=None,
        )
        self._drafts.put(draft, content)
        self._settings.media.discard(instance_id, (one for one in before.media if one not in content.media))
        return draft

    def finalise(self, instance_id: bytes, *, now: datetime) -> Draft:
        """Say that an interview is finished; it can be re-opened until it is sealed, or `seal_after_hours` are over.

        Raises:
            LocalError: ``draft-unknown``, ``wrong-state`` when it is finalised, ``pin-needed``.
        """
        with self._database.transaction():
            self._drafts.content(instance_id)  # what cannot be read here could not be sealed later
            following = _following(self._drafts.get(instance_id), DraftEvent.FINALISED)
            self._drafts.set_state(instance_id, following, now)
        return self._drafts.get(instance_id)

    def reopen(self, instance_id: bytes, *, now: datetime) -> Draft:
        """Make a finalised interview a draft again.

        Raises:
            LocalError: ``draft-unknown``, ``wrong-state`` when it is not finalised, ``reopened-too-late`` when its time
                is over or its unit closed, ``pin-needed``.
        """
        with self._database.transaction():
            self._drafts.content(instance_id)
            draft = self._drafts.get(instance_id)
            following = _following(draft, DraftEvent.REOPENED)
            if self._is_due(draft, now, self._drafts.closed_psus()):
                raise LocalError("reopened-too-late", "its time is over, or its unit is closed: it is to be sealed")
            self._drafts.set_state(instance_id, following, None)
        return self._drafts.get(instance_id)

    def discard(self, instance_id: bytes) -> None:
        """Throw an unfinished interview away, for good.

        Raises:
            LocalError: ``draft-unknown``, ``wrong-state`` when it is finalised: re-open it first, ``pin-needed``.
        """
        with self._database.transaction():
            content = self._drafts.content(instance_id)
            _following(self._drafts.get(instance_id), DraftEvent.DISCARDED)
            self._drafts.delete(instance_id)
            self._settings.media.discard(instance_id, content.media)
        self._truncate_log()

    def close_psu(self, psu: str, *, now: datetime) -> SealReport:
        """Say that fieldwork in a unit is over: what is finalised of it is sealed, now or when the PIN is given."""
        with self._database.transaction():
            self._drafts.close_psu(psu)
        return self.seal_due(now=now)

    def seal(self, instance_id: bytes, *, now: datetime) -> SealedInterview:
        """Seal one finalised interview.

        Raises:
            LocalError: ``draft-unknown``, ``wrong-state`` when it is not finalised, ``pin-needed``, ``too-large``,
                ``no-survey-key``, ``not-enrolled``.
        """
        try:
            return self._seal(self._drafts.get(instance_id), now)
        finally:
            self._truncate_log()

    def seal_all(self, *, now: datetime) -> SealReport:
        """Seal every finalised interview; what cannot be sealed stands in the way of no other."""
        return self._seal_each(self._finalised(), now)

    def seal_due(self, *, now: datetime) -> SealReport:
        """Seal the finalised interviews whose time is over or whose unit is closed."""
        closed = self._drafts.closed_psus()
        return self._seal_each([draft for draft in self._finalised() if self._is_due(draft, now, closed)], now)

    def seal_for_sync(self, *, now: datetime) -> SealReport:
        """Seal what a synchronisation is to take along: every finalised interview and, by policy, changed drafts."""
        finished = self.seal_all(now=now)
        drafts = self._seal_each(self._changed(), now, Kind.DRAFT)
        return SealReport(sealed=finished.sealed, drafts=drafts.drafts, unsealed=finished.unsealed + drafts.unsealed)

    def count_finalised(self) -> int:
        """Count the finished interviews that are not sealed."""
        return len(self._finalised())

    def has_to_seal(self) -> bool:
        """Whether a synchronisation would seal something, had it the PIN."""
        return bool(self._finalised() or self._changed())

    def _finalised(self) -> tuple[Draft, ...]:
        return tuple(draft for draft in self._drafts.all() if draft.state is DraftState.FINALISED)

    def _changed(self) -> tuple[Draft, ...]:
        """Return the drafts of which a replacement device would not get the newest answers, if it is to get any."""
        drafts = self._drafts.all() if self.policy.seals_drafts else ()
        return tuple(draft for draft in drafts if draft.state is DraftState.DRAFT and draft.is_changed)

    def _is_due(self, draft: Draft, now: datetime, closed: frozenset[str]) -> bool:
        if draft.finalised_at is None:
            return False
        end = draft.finalised_at + timedelta(hours=self.policy.seal_after_hours)
        return now >= end or draft.psu in closed

    def _seal_each(self, drafts: Iterable[Draft], now: datetime, kind: Kind = Kind.INTERVIEW) -> SealReport:
        sealed: list[SealedInterview] = []
        unsealed: list[Unsealed] = []
        for draft in drafts:
            try:
                sealed.append(self._seal(draft, now) if kind is Kind.INTERVIEW else self._seal_unfinished(draft, now))
            except LocalError as error:
                unsealed.append(Unsealed(draft.instance_id, error.code, is_finished=kind is Kind.INTERVIEW))
        if sealed:
            self._truncate_log()
        if kind is Kind.DRAFT:
            return SealReport(drafts=tuple(sealed), unsealed=tuple(unsealed))
        return SealReport(sealed=tuple(sealed), unsealed=tuple(unsealed))

    def _seal(self, draft: Draft, now: datetime) -> SealedInterview:
        with self._database.transaction():
            _following(draft, DraftEvent.SEALED)
            sealed = self._sealer.seal_within(self._interview(draft, now, Kind.INTERVIEW))
            self._drafts.sealed(draft.instance_id)
            return sealed

    def _seal_unfinished(self, draft: Draft, now: datetime) -> SealedInterview:
        with self._database.transaction():
            sealed = self._sealer.seal_within(self._interview(draft, now, Kind.DRAFT))
            self._drafts.sealed_as_draft(draft.instance_id)
            return sealed

    def _interview(self, draft: Draft, now: datetime, kind: Kind) -> Interview:
        content = self._drafts.content(draft.instance_id)
        return Interview(
            instance_xml=content.instance_xml,
            instance_id=draft.instance_id,
            parents=draft.parents,
            form_version_hash=draft.form_version_hash,
            mode=draft.mode,
            device_time=now,
            media=content.media,
            kind=kind,
        )

    def _refuse_sealed(self, instance_id: bytes) -> None:
        if self._is_sealed(instance_id):
            raise LocalError("instance-exists", f"{instance_id.hex()} is sealed; a correction has its own instanceID")

    def _is_sealed(self, instance_id: bytes) -> bool:
        return bool(self._database.rows("SELECT 1 FROM envelope WHERE instance_id = ?", instance_id))


def _following(draft: Draft, event: DraftEvent) -> DraftState:
    following = DRAFTS.get((draft.state, event))
    if following is None:
        raise LocalError("wrong-state", f"an interview that is {draft.state} cannot be {event}")
    return following
