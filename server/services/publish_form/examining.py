"""Compare a prepared version with what is published: what it would break, and whether its map mends that."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from forms.definition import FormDefinition
from forms.evolution.changes import Difference
from forms.evolution.check import check_map
from forms.evolution.declared import EMPTY_MAP
from forms.evolution.difference import compare
from forms.workbook.findings import WorkbookFinding
from forms.workbook.lint.catalogue import finding
from server.db.queries import definitions, forms
from server.db.queries.forms import DRAFT, StoredVersion, VersionLink
from server.db.scope import EVERYTHING, Scope
from server.errors import FormVersionExists
from server.services.publish_form.entity_remarks import with_lists
from server.services.publish_form.members import difference_members, finding_members, plain
from server.services.publish_form.placing import place
from server.services.publish_form.preparing import Prepared, invalid
from server.statistics.hh_remit.uses import RESTING


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What publishing a prepared version would mean.

    Attributes:
        known: the same form and version that is here already: published with this very content, or a draft.
        is_same: its content is this very one.
        previous_hash: the version published last, None for the first.
        difference: from that one, None where there is none or nothing is new.
        findings: of workbook, media and map; no errors.
        project_id: in which it would be published.
    """

    prepared: Prepared
    known: StoredVersion | None
    is_same: bool
    previous_hash: bytes | None
    needs_approval: bool
    difference: Difference | None
    findings: tuple[WorkbookFinding, ...]
    project_id: int

    def members(self, rehearsal: object) -> dict[str, Any]:
        """Return what JSON shows of a dry run; `rehearsal` is what it would do to the interviews collected so far."""
        definition = self.prepared.definition
        return {
            "form_id": definition.form_id,
            "version": definition.version,
            "title": definition.title,
            "hash": definition.hash.hex(),
            "package_hash": self.prepared.package_hash.hex(),
            "outcome": self.outcome,
            "project_id": self.project_id,
            "findings": finding_members(self.findings),
            "difference": difference_members(self.difference),
            "rehearsal": plain(rehearsal),
        }

    @property
    def outcome(self) -> str:
        """What publishing would come to: published | submitted | unchanged | refused."""
        if self.stays_as_it_is:
            return "unchanged"
        if self.difference is not None and self.difference.unsettled:
            return "refused"
        return "submitted" if self.needs_approval else "published"

    @property
    def stays_as_it_is(self) -> bool:
        """Storing would change nothing; a draft was compared with the version that it would follow now."""
        if self.known is None or self.known.state != DRAFT:
            return self.known is not None
        return self.is_same and self.needs_approval and self.known.previous_hash == self.previous_hash


def examine(
    session: Session, prepared: Prepared, *, project_id: int | None = None, scope: Scope = EVERYTHING
) -> Examined:
    """Compare a prepared version with the one published last; only reads.

    Args:
        session: to read.
        prepared: what would be published.
        project_id: in which project, for a new form; see `placing.place`.
        scope: what whoever publishes sees.

    Raises:
        Conflict, BadRequest: it cannot be published in that project.
        FormVersionExists: when the version is published with another content.
        WorkbookInvalid: when its map is wrong.
    """
    definition = prepared.definition
    placed = place(session, definition.form_id, wanted=project_id, scope=scope)
    form = forms.form(session, definition.form_id)
    known = forms.version(session, form_id=definition.form_id, version=definition.version)
    is_same = known is not None and _is_same(session, known, prepared)
    if known is not None and known.state != DRAFT and not is_same:
        raise _exists(known)
    is_published = known is not None and known.state != DRAFT
    previous = None if is_published else _previous(session, definition.form_id)
    difference, remarks = (None, ()) if is_published else _compare(session, previous, prepared)
    return Examined(
        prepared=prepared,
        known=known,
        is_same=is_same,
        previous_hash=None if previous is None else previous.hash,
        needs_approval=form is not None and form.needs_approval,
        difference=difference,
        findings=(*with_lists(session, prepared, project_id=placed), *remarks),
        project_id=placed,
    )


def _previous(session: Session, form_id: str) -> VersionLink | None:
    chain = forms.chain(session, form_id)
    return chain[-1] if chain else None


def _is_same(session: Session, known: StoredVersion, prepared: Prepared) -> bool:
    """Say whether a version has this content: the same file is, even if a newer converter makes other bytes of it."""
    stored_map = forms.map_document(session, known.hash)
    given_map = None if prepared.declared is None else prepared.declared.document
    if given_map is not None and given_map != stored_map and known.previous_hash is not None:
        return False
    if known.package_hash == prepared.package_hash:
        return True
    workbook = forms.workbook(session, known.hash)
    is_same_file = workbook is not None and workbook.content == prepared.workbook
    if not is_same_file or known.package_hash != prepared.package_hash_with(known.hash):
        return False
    return _public_key(definitions.definition(session, known.hash)) == _public_key(prepared.definition)


def _public_key(definition: FormDefinition | None) -> str:
    """Return the key to which interviews are encrypted: with it, or without, the same file is another form."""
    return "" if definition is None else definition.metadata.submission.public_key


def _exists(known: StoredVersion) -> FormVersionExists:
    when = "" if known.published_at is None else f" on {known.published_at:%Y-%m-%d}"
    return FormVersionExists(
        f"{known.form_id} version {known.version or '(none)'} was published{when} with another content:"
        " raise the version on the settings sheet"
    )


def _compare(
    session: Session, previous: VersionLink | None, prepared: Prepared
) -> tuple[Difference | None, tuple[WorkbookFinding, ...]]:
    declared = prepared.declared
    if previous is None:
        return None, () if declared is None else (finding("map-without-previous", sheet="map"),)
    before = definitions.definition(session, previous.hash)
    if before is None:
        raise LookupError("a version of the chain has no XForm")
    remarks = () if declared is None else check_map(before, prepared.definition, declared)
    if any(remark.severity == "error" for remark in remarks):
        raise invalid((*prepared.findings, *remarks))
    difference = compare(
        before,
        prepared.definition,
        EMPTY_MAP if declared is None else declared,
        indicators=RESTING.get(prepared.definition.form_id),
    )
    return difference, remarks
