"""What arrived, in words of the office: from whom, which form, what became of it and why, and what stands in the way.

A row is one envelope. While the key store is locked everything here is known but what the answers say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from server.db.queries import intake, intake_rows
from server.db.queries.intake import ArrivedEnvelope
from server.db.queries.intake_rows import FormName, MediaCount, Sender, StandingRow
from server.db.tables.envelopes import ERASED, OPENED, QUARANTINED
from sync_protocol.constants import Kind

COPY: Final = "copy"
SUPERSEDED: Final = "superseded"
INCOMPLETE_HISTORY: Final = "incomplete-history"
MEDIA_MISSING: Final = "media-missing"
_SETTLED: Final = frozenset({"current", INCOMPLETE_HISTORY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One row of the intake.

    Attributes:
        instance_id: (16,), None for bytes that nobody here can read.
        form_id, version: as published, or as the submission names them; empty when neither is known.
        state: opened | waiting | media | held | conflict | quarantine | erased.
        reasons: why, by code, the gravest first.
        interview_id: of the interview that it became part of.
        review: empty | approved | rejected | returned.
    """

    sequence: int
    envelope_id: bytes
    kind: int
    instance_id: bytes | None
    form_id: str
    version: str
    form_title: str
    received_at: datetime
    sender: Sender
    state: str
    reasons: tuple[str, ...]
    interview_id: bytes | None = None
    is_current: bool = False
    review: str = ""
    media: MediaCount = field(default_factory=MediaCount)

    @property
    def name(self) -> str:
        """How its page is named: by the instanceID, else by the envelope; hexadecimal."""
        return (self.instance_id or self.envelope_id).hex()


def instance_name(instance_id: bytes) -> str:
    """Write 16 bytes as an instanceID is written; of one that is no UUID, its stand-in."""
    return f"uuid:{UUID(bytes=instance_id)}"


def read_arrivals(session: Session, envelopes: Sequence[ArrivedEnvelope]) -> tuple[Arrival, ...]:
    """Return the rows of these envelopes, in their order."""
    instances = {one.instance_id for one in envelopes if one.instance_id is not None}
    standings = intake_rows.standings(session, instances)
    by_envelope = {row.envelope_id: row for row in standings}
    media = intake_rows.media_counts(session, instances)
    hashes = {one.form_version_hash for one in envelopes} | {row.form_version_hash for row in standings}
    forms = intake_rows.form_names(session, hashes - {None})  # type: ignore[arg-type]
    senders = intake_rows.senders(
        session,
        {one.app_user_id for one in envelopes if one.app_user_id is not None},
        {one.carrier for one in envelopes if one.app_user_id is None},
    )
    return tuple(
        _arrival(
            one,
            by_envelope.get(one.envelope_id),
            forms=forms,
            sender=_sender(one, senders),
            media=media.get(one.instance_id or b"", MediaCount()),
        )
        for one in envelopes
    )


def state_of(envelope: ArrivedEnvelope, standing: StandingRow | None, media: MediaCount) -> tuple[str, tuple[str, ...]]:
    """Return what became of an envelope, and why: the gravest of what holds."""
    if envelope.state == QUARANTINED:
        return intake.QUARANTINE, (envelope.reason or "unforeseen",)
    if envelope.state == ERASED:
        return ERASED, (ERASED,)
    if envelope.state != OPENED:
        return intake.WAITING, (envelope.state,)
    if standing is None:
        return intake.OPEN, (COPY,) if envelope.kind == Kind.INTERVIEW else ()
    holds = tuple(code for code in f"{standing.holds},{standing.check_holds}".split(",") if code)
    late = (MEDIA_MISSING,) if media.missing else ()
    is_current = standing.revision_id == standing.current_revision_id
    if standing.interview_state not in _SETTLED and (is_current or not standing.is_edited):
        return intake.CONFLICT, (standing.interview_state, *holds, *late)
    if not is_current:
        return intake.OPEN, (SUPERSEDED,)
    past = (INCOMPLETE_HISTORY,) if standing.interview_state == INCOMPLETE_HISTORY else ()
    if holds:
        return intake.HELD, (*holds, *late, *past)
    return (intake.MEDIA, (*late, *past)) if late else (intake.OPEN, past)


def _arrival(
    envelope: ArrivedEnvelope,
    standing: StandingRow | None,
    *,
    forms: Mapping[bytes, FormName],
    sender: Sender,
    media: MediaCount,
) -> Arrival:
    state, reasons = state_of(envelope, standing, media)
    form = _form(envelope, None if standing is None else standing.form_version_hash, forms)
    return Arrival(
        sequence=envelope.sequence,
        envelope_id=envelope.envelope_id,
        kind=envelope.kind,
        instance_id=envelope.instance_id,
        form_id=form.form_id,
        version=form.version,
        form_title=form.title,
        received_at=envelope.received_at,
        sender=sender,
        state=state,
        reasons=reasons,
        interview_id=None if standing is None else standing.interview_id,
        is_current=standing is not None and standing.revision_id == standing.current_revision_id,
        review="" if standing is None else standing.review,
        media=media,
    )


def _form(envelope: ArrivedEnvelope, read: bytes | None, forms: Mapping[bytes, FormName]) -> FormName:
    found = forms.get(read or b"") or forms.get(envelope.form_version_hash or b"")
    if found is not None:
        return found
    form_id, _, version = (envelope.form_named or "").partition(" ")
    return FormName(form_id=form_id, version=version, title="")


def _sender(envelope: ArrivedEnvelope, senders: Mapping[int | str, Sender]) -> Sender:
    key = envelope.carrier if envelope.app_user_id is None else envelope.app_user_id
    return senders.get(key) or Sender(name=envelope.carrier, enumerator="", team="", is_app_user=False)
