"""Publish a form version: workbook → XForm → stored for ever, and on its way to every tablet."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from forms.definition import FormDefinition
from forms.package import package_hash
from forms.workbook.findings import WorkbookError, WorkbookFinding
from forms.xlsform import Conversion, convert
from server.db.queries import audit, feed, forms
from server.db.queries.forms import PUBLISHED, NewVersion, StoredVersion
from server.errors import FormVersionExists, WorkbookInvalid

NAME_LENGTH = 200
XFORM_BYTES = 2 << 20
TITLE_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A workbook that makes a form; nothing of it is stored yet."""

    workbook: bytes
    filename: str
    conversion: Conversion
    definition: FormDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion:
    """What is published; `is_new` is False when the very same was published before."""

    form_id: str
    version: str
    title: str
    hash: bytes
    is_new: bool
    findings: tuple[WorkbookFinding, ...]


def prepare(workbook: bytes, filename: str) -> Prepared:
    """Convert a workbook; takes about a second for a long questionnaire, so do it before a transaction.

    Raises:
        WorkbookInvalid: with `findings`: what, and where it is known on which sheet and row.
    """
    try:
        conversion = convert(workbook, filename)
    except WorkbookError as error:
        raise _invalid(error.findings) from None
    if len(conversion.xform) > XFORM_BYTES:
        raise _refused(
            "too-large",
            f"The form makes an XForm of {len(conversion.xform):,} bytes; at most {XFORM_BYTES:,} reach a tablet in one"
            " answer: put long choice lists into files.",
        )
    for what, text, longest in (
        ("form_id", conversion.form_id, NAME_LENGTH),
        ("version", conversion.version, NAME_LENGTH),
        ("title", conversion.title, TITLE_LENGTH),
    ):
        if len(text) > longest:
            raise _refused("too-long", f"The {what} has {len(text)} characters, at most {longest} fit.", "settings", 2)
    return Prepared(workbook, filename, conversion, FormDefinition.parse(conversion.xform))


def publish(session: Session, prepared: Prepared, *, note: str, user: str, now: datetime) -> PublishedVersion:
    """Store a prepared version; the same bytes under the same version again change nothing.

    Raises:
        FormVersionExists: when the version is published with another content.
    """
    definition = prepared.definition
    known = forms.version(session, form_id=definition.form_id, version=definition.version)
    if known is not None and known.hash != definition.hash:
        raise FormVersionExists(
            f"{definition.form_id} version {definition.version or '(none)'} was published on"
            f" {known.published_at:%Y-%m-%d} with another content: raise the version on the settings sheet"
        )
    if known is None:
        _store(session, prepared, note=note, user=user, now=now)
    return PublishedVersion(
        form_id=definition.form_id,
        version=definition.version,
        title=definition.title,
        hash=definition.hash,
        is_new=known is None,
        findings=prepared.conversion.findings,
    )


def publish_form(
    session: Session, *, workbook: bytes, filename: str, note: str, user: str, now: datetime
) -> PublishedVersion:
    """Convert and publish a workbook.

    Raises:
        WorkbookInvalid, FormVersionExists: nothing was stored.
    """
    return publish(session, prepare(workbook, filename), note=note, user=user, now=now)


def _store(session: Session, prepared: Prepared, *, note: str, user: str, now: datetime) -> None:
    definition = prepared.definition
    name = f"{definition.form_id} {definition.version}"
    audit.write(session, at=now, actor=user, action="publish-form", subject=name, detail=definition.hash.hex())
    forms.lock_form(session, form_id=definition.form_id, title=definition.title)
    chain = forms.chain(session, definition.form_id)
    position = feed.next_position(session)
    stored = StoredVersion(
        hash=definition.hash,
        form_id=definition.form_id,
        version=definition.version,
        title=definition.title,
        md5=definition.md5,
        package_hash=package_hash(definition.hash, ()),
        previous_hash=chain[-1].hash if chain else None,
        state=PUBLISHED,
        note=note,
        submitted_at=now,
        submitted_by=user,
        published_at=now,
        published_by=user,
        published_position=position,
        retired_at=None,
        workbook_name=prepared.filename[-NAME_LENGTH:],
        feed_position=position,
    )
    forms.add_version(
        session,
        NewVersion(stored=stored, xform=prepared.conversion.xform, workbook=prepared.workbook, map_document=None),
    )


def _refused(code: str, message: str, sheet: str | None = None, row: int | None = None) -> WorkbookInvalid:
    finding = WorkbookFinding(code=code, severity="error", sheet=sheet, row=row, what={"en": message}, mend={"en": ""})
    return _invalid((finding,))


def _invalid(findings: tuple[WorkbookFinding, ...]) -> WorkbookInvalid:
    first, others = findings[0], len(findings) - 1
    place = "" if first.sheet is None else f"{first.place}: "
    more = f" And {others} more." if others else ""
    return WorkbookInvalid(
        f"{place}{first.message()}{more}", findings=[dict(finding.members()) for finding in findings]
    )
