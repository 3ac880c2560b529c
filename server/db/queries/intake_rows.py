"""SQL of what stands beside arrivals on the intake: what became of them, their files, who sent them, their forms.

Each is asked for the instances of one page, by index.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import exists, func, literal_column, select
from sqlalchemy.orm import Session, aliased

from server.db.queries.checks import open_check_holds
from server.db.queries.scoped import revision_project, visible_forms, visible_interviews
from server.db.scope import Scope
from server.db.tables import (
    AppUser,
    Attachment,
    Decision,
    Device,
    Envelope,
    Form,
    FormVersion,
    Interview,
    ManifestMedium,
    Revision,
    RevisionParent,
    Upload,
    WantedMedium,
)
from server.db.tables.envelopes import ERASED, OPENED
from server.db.tables.interviews import IS_MISSING
from sync_protocol.constants import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRow:
    """A revision and how its interview stands: holds of the fold and of checking; `is_edited` when an edit has come."""

    revision_id: int
    instance_id: bytes
    answers_hash: bytes
    envelope_id: bytes
    envelope_sequence: int
    interview_id: bytes
    form_version_hash: bytes
    role: str
    mode: str
    source: str
    device_time: str
    received_at: datetime
    current_revision_id: int | None
    interview_state: str
    holds: str
    check_holds: str
    review: str
    is_edited: bool
    project: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sent something: an app user, or the enumerator of a device."""

    name: str
    enumerator: str
    team: str
    is_app_user: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FormName:
    """A form version by its words."""

    form_id: str
    version: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaCount:
    """Files of an instance; `unopened` are here too, and cannot be told by name yet."""

    here: int = 0
    missing: int = 0
    unopened: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """A decision, as far as it is not sealed."""

    action: str
    decided_by: str
    decided_at: datetime


_CHILD: Final = aliased(Revision)
_IS_EDITED: Final = exists(
    select(_CHILD.revision_id)
    .join(RevisionParent, RevisionParent.child == _CHILD.instance_id)
    .where(RevisionParent.parent == Revision.instance_id)
    .correlate(Revision)
)
_STANDING: Final = (
    select(
        Revision.revision_id,
        Revision.instance_id,
        Revision.answers_hash,
        Revision.envelope_id,
        Revision.envelope_sequence,
        Revision.interview_id,
        Revision.form_version_hash,
        Revision.role,
        Revision.mode,
        Revision.source,
        Revision.device_time,
        Revision.received_at,
        Interview.current_revision_id,
        Interview.state.label("interview_state"),
        Interview.holds,
        open_check_holds().label("check_holds"),
        Interview.review,
        _IS_EDITED.label("is_edited"),
        revision_project().label("project"),
    )
    .join(Interview, Interview.interview_id == Revision.interview_id)
    .order_by(Revision.envelope_sequence)
)


def standings(session: Session, instance_ids: Collection[bytes]) -> tuple[StandingRow, ...]:
    """Return the revisions of these instances with the state of their interviews, in order of arrival."""
    query = _STANDING.where(Revision.instance_id.in_(sorted(instance_ids)))
    return tuple(StandingRow(**row._mapping) for row in session.execute(query))  # noqa: SLF001


def history(session: Session, interview_id: bytes) -> tuple[StandingRow, ...]:
    """Return all revisions of an interview, in order of arrival."""
    query = _STANDING.where(Revision.interview_id == interview_id)
    return tuple(StandingRow(**row._mapping) for row in session.execute(query))  # noqa: SLF001


def sees_interview(session: Session, scope: Scope, interview_id: bytes) -> bool:
    """Say whether an account sees an interview."""
    query = select(Interview.interview_id).where(Interview.interview_id == interview_id, visible_interviews(scope))
    return session.execute(query).first() is not None


def household_mates(session: Session, scope: Scope, interview_id: bytes) -> tuple[bytes, ...]:
    """Return the other interviews of a project under the same household key that an account sees, by id."""
    own = select(Interview.household_tag).where(Interview.interview_id == interview_id).scalar_subquery()
    project = select(Form.project_id).join(Interview, Interview.form_id == Form.form_id)
    forms = select(Form.form_id).where(
        Form.project_id == project.where(Interview.interview_id == interview_id).scalar_subquery()
    )
    query = select(Interview.interview_id).where(
        Interview.household_tag == own,
        Interview.interview_id != interview_id,
        Interview.form_id.in_(forms),
        visible_interviews(scope),
    )
    return tuple(session.scalars(query.order_by(Interview.interview_id)))


def parents(session: Session, instance_ids: Collection[bytes]) -> Mapping[bytes, tuple[bytes, ...]]:
    """Return the instanceIDs that these edit."""
    query = select(RevisionParent.child, RevisionParent.parent).where(RevisionParent.child.in_(sorted(instance_ids)))
    found: dict[bytes, tuple[bytes, ...]] = {}
    for child, parent in session.execute(query.order_by(RevisionParent.parent)):
        found[child] = (*found.get(child, ()), parent)
    return found


def decisions(session: Session, instance_ids: Collection[bytes]) -> tuple[DecisionRow, ...]:
    """Return what people decided about these instances, in the order of the office's chain."""
    query = select(Decision.action, Decision.decided_by, Decision.decided_at)
    rows = session.execute(query.where(Decision.instance_id.in_(sorted(instance_ids))).order_by(Decision.sequence))
    return tuple(DecisionRow(**row._mapping) for row in rows)  # noqa: SLF001


def media_counts(session: Session, instance_ids: Collection[bytes]) -> Mapping[bytes, MediaCount]:
    """Count the files of these instances."""
    wanted = sorted(instance_ids)
    here = select(Attachment.instance_id, func.count()).where(Attachment.instance_id.in_(wanted))
    sent = (
        select(ManifestMedium.instance_id, func.count(ManifestMedium.blob_sha256.distinct()))
        .join(Upload, Upload.sha256 == ManifestMedium.blob_sha256)
        .where(ManifestMedium.instance_id.in_(wanted), Upload.is_settled)
    )
    missing = select(WantedMedium.instance_id, func.count()).where(WantedMedium.instance_id.in_(wanted), IS_MISSING)
    unopened = select(Envelope.instance_id, func.count()).where(
        Envelope.state != literal_column(f"'{OPENED}'"),
        Envelope.state != ERASED,
        Envelope.instance_id.in_(wanted),
        Envelope.kind == Kind.ATTACHMENT,
    )
    counts = [
        {instance_id: count for instance_id, count in session.execute(query.group_by(column))}
        for query, column in (
            (here, Attachment.instance_id),
            (missing, WantedMedium.instance_id),
            (unopened, Envelope.instance_id),
            (sent, ManifestMedium.instance_id),
        )
    ]
    return {
        one: MediaCount(
            here=counts[0].get(one, 0) + counts[3].get(one, 0),
            missing=counts[1].get(one, 0),
            unopened=counts[2].get(one, 0),
        )
        for one in wanted
    }


def senders(session: Session, app_user_ids: Collection[int], device_ids: Collection[str]) -> Mapping[int | str, Sender]:
    """Return who sent something, by number of the app user or id of the device."""
    app_users = select(AppUser.app_user_id, AppUser.name, AppUser.enumerator, AppUser.team)
    devices = select(Device.device_id, Device.enumerator, Device.team)
    found: dict[int | str, Sender] = {
        number: Sender(name=name, enumerator=enumerator, team=team, is_app_user=True)
        for number, name, enumerator, team in session.execute(
            app_users.where(AppUser.app_user_id.in_(sorted(app_user_ids)))
        )
    }
    for device_id, enumerator, team in session.execute(devices.where(Device.device_id.in_(sorted(device_ids)))):
        found[device_id] = Sender(name=device_id, enumerator=enumerator, team=team, is_app_user=False)
    return found


def form_names(session: Session, hashes: Collection[bytes]) -> Mapping[bytes, FormName]:
    """Return form versions by their hash."""
    query = select(FormVersion.hash, FormVersion.form_id, FormVersion.version, FormVersion.title)
    return {
        digest: FormName(form_id=form_id, version=version, title=title)
        for digest, form_id, version, title in session.execute(query.where(FormVersion.hash.in_(sorted(hashes))))
    }


def visible_form_ids(session: Session, scope: Scope) -> tuple[str, ...]:
    """Return the forms that an account sees, to choose from."""
    return tuple(session.scalars(select(Form.form_id).where(visible_forms(scope)).order_by(Form.form_id)))
