"""Store a version: published at once, or as a draft where the form asks for a second person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from forms.evolution.changes import Difference
from forms.workbook.findings import WorkbookFinding
from server.db.queries import audit, feed, form_events, form_media, forms, reopening
from server.db.queries.form_events import StoredEvent
from server.db.queries.form_media import StoredMedium
from server.db.queries.forms import DRAFT, PUBLISHED, NewVersion, StoredVersion
from server.db.tables.accounts import FIRST_PROJECT
from server.errors import FormChangeBreaks
from server.folding.entity_lists import declare_lists
from server.services.publish_form.examining import Examined, examine
from server.services.publish_form.members import difference_members, finding_members, plain
from server.services.publish_form.placing import place, refuse_archived_form, taken
from server.services.publish_form.preparing import NAME_LENGTH, Prepared, prepare
from server.services.publish_form.states import SUBMITTED
from sync_protocol.documents import document_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion:
    """What is stored now; `is_new` is False when the very same was stored before."""

    form_id: str
    version: str
    title: str
    hash: bytes
    package_hash: bytes
    state: str
    is_new: bool
    difference: Difference | None
    findings: tuple[WorkbookFinding, ...]

    def members(self) -> dict[str, Any]:
        """Return what JSON shows of it."""
        return {
            "form_id": self.form_id,
            "version": self.version,
            "title": self.title,
            "hash": self.hash.hex(),
            "package_hash": self.package_hash.hex(),
            "state": self.state,
            "is_new": self.is_new,
            "findings": finding_members(self.findings),
            "difference": difference_members(self.difference),
        }


def publish(
    session: Session,
    prepared: Prepared,
    *,
    note: str,
    user: str,
    now: datetime,
    examined: Examined | None = None,
    project_id: int | None = None,
) -> PublishedVersion:
    """Store a prepared version; the same content under the same version again changes nothing.

    Args:
        session: of the transaction.
        prepared: what to store.
        note: why this version, in a person's words.
        user: who publishes or submits it.
        now: when.
        examined: the comparison, if it was made before; made again when another version was published meanwhile.
        project_id: in which project, for a new form, if no comparison was made before.

    Raises:
        Conflict: the form is of another project, or the project is archived.
        FormVersionExists: when the version is published with another content.
        FormChangeBreaks: when collected answers would lose their meaning and no map says what becomes of them.
        WorkbookInvalid: when the map is wrong.
    """
    definition = prepared.definition
    wanted = project_id if examined is None else examined.project_id
    placed = place(session, definition.form_id, wanted=wanted)
    form = forms.lock_form(session, form_id=definition.form_id, title=definition.title, project_id=placed)
    if form.project_id != placed:  # somebody took the form_id in this very moment
        raise taken(definition.form_id)
    if examined is None or not _is_current(session, examined):
        examined = examine(session, prepared, project_id=placed)
    if examined.known is not None and examined.stays_as_it_is:
        return _outcome(examined, examined.known, is_new=False)
    if examined.difference is not None and examined.difference.unsettled:
        raise breaking(examined, examined.difference)
    return _store(session, examined, note=note, user=user, now=now)


def publish_form(
    session: Session,
    *,
    workbook: bytes,
    filename: str,
    note: str,
    user: str,
    now: datetime,
    project_id: int = FIRST_PROJECT,
) -> PublishedVersion:
    """Convert and publish a workbook.

    Raises:
        WorkbookInvalid, FormVersionExists, FormChangeBreaks: nothing was stored.
    """
    prepared = prepare(workbook, filename)
    return publish(session, prepared, note=note, user=user, now=now, project_id=project_id)


def make_public(
    session: Session, version: StoredVersion, *, previous_hash: bytes | None, user: str, note: str, now: datetime
) -> None:
    """Offer a stored draft to tablets from now on; what waited at the door for this form is tried again."""
    refuse_archived_form(session, version.form_id)
    record(session, version, action=PUBLISHED, user=user, note=note, now=now)
    reopening.retry_unknown_forms(session, form_id=version.form_id, version=version.version)
    reopening.retry_unknown_dictionaries(session)
    declare_lists(session, version, user=user, now=now)
    forms.set_published(
        session,
        version.hash,
        previous_hash=previous_hash,
        by=user,
        at=now,
        position=feed.next_position(session),
    )


def record(session: Session, version: StoredVersion, *, action: str, user: str, note: str, now: datetime) -> None:
    """Write what a person did to a version, where its history shows it and in the audit."""
    form_events.add(
        session,
        StoredEvent(
            form_id=version.form_id,
            version=version.version,
            form_version_hash=version.hash,
            at=now,
            actor=user,
            action=action,
            note=note,
        ),
    )
    name = f"{version.form_id} {version.version}"
    act = "publish-form" if action == PUBLISHED else f"form-{action}"
    audit.write(session, at=now, actor=user, action=act, subject=name, detail=version.hash.hex())


def breaking(examined: Examined, difference: Difference) -> FormChangeBreaks:
    """Return the refusal, with the list of what would break."""
    open_ones = difference.unsettled
    names = ", ".join(dict.fromkeys(change.name for change in open_ones[:5]))
    more = f" and {len(open_ones) - 5} more" if len(open_ones) > 5 else ""
    return FormChangeBreaks(
        f"version {difference.after} of {difference.form_id} changes what version {difference.before} has collected"
        f" ({names}{more}): declare in a migration map what becomes of the answers",
        findings=finding_members(examined.findings),
        changes=plain(open_ones),
        difference=difference_members(difference),
    )


def _is_current(session: Session, examined: Examined) -> bool:
    """Say whether nothing was published or submitted since the comparison; it was made before the lock."""
    definition = examined.prepared.definition
    known = forms.version(session, form_id=definition.form_id, version=definition.version)
    form = forms.form(session, definition.form_id)
    if known != examined.known or form is None or form.needs_approval != examined.needs_approval:
        return False
    if known is not None and known.state != DRAFT:
        return True
    chain = forms.chain(session, definition.form_id)
    return examined.previous_hash == (chain[-1].hash if chain else None)


def _store(session: Session, examined: Examined, *, note: str, user: str, now: datetime) -> PublishedVersion:
    prepared, definition = examined.prepared, examined.prepared.definition
    if examined.known is not None:  # a draft: nobody but the office has seen it
        forms.remove_draft(session, examined.known.hash)
        form_media.remove_unused(session)
    draft = StoredVersion(
        hash=definition.hash,
        form_id=definition.form_id,
        version=definition.version,
        title=definition.title,
        md5=definition.md5,
        package_hash=prepared.package_hash,
        previous_hash=examined.previous_hash,
        state=DRAFT,
        note=note,
        submitted_at=now,
        submitted_by=user,
        published_at=None,
        published_by=None,
        published_position=None,
        retired_at=None,
        workbook_name="".join(filter(str.isprintable, prepared.filename))[-NAME_LENGTH:],
        feed_position=None,
        dictionary_hash=document_hash(prepared.dictionary),
    )
    is_mapped = prepared.declared is not None and examined.previous_hash is not None
    forms.add_version(
        session,
        NewVersion(
            stored=draft,
            xform=prepared.conversion.xform,
            workbook=prepared.workbook,
            map_document=prepared.declared.document if is_mapped and prepared.declared is not None else None,
        ),
    )
    form_media.add_dictionary(session, prepared.dictionary)
    _store_media(session, prepared)
    if examined.needs_approval:
        record(session, draft, action=SUBMITTED, user=user, note=note, now=now)
        return _outcome(examined, draft, is_new=True)
    make_public(session, draft, previous_hash=examined.previous_hash, user=user, note=note, now=now)
    return _outcome(examined, draft, is_new=True, state=PUBLISHED)


def _store_media(session: Session, prepared: Prepared) -> None:
    for medium in prepared.media:
        stored = StoredMedium(
            name=medium.name,
            media_type=medium.media_type,
            sha256=medium.sha256,
            md5=medium.md5,
            length_bytes=len(medium.content),
        )
        form_media.add(session, prepared.definition.hash, stored, medium.content)


def _outcome(examined: Examined, version: StoredVersion, *, is_new: bool, state: str | None = None) -> PublishedVersion:
    return PublishedVersion(
        form_id=version.form_id,
        version=version.version,
        title=version.title,
        hash=version.hash,
        package_hash=version.package_hash,
        state=state or version.state,
        is_new=is_new,
        difference=examined.difference,
        findings=examined.findings,
    )
