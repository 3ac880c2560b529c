"""Read a manager's file with its media and map, and convert it; nothing of the database is asked here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Final

from forms.archive import SUFFIX, unpack
from forms.definition import FormDefinition
from forms.dictionary import make_dictionary
from forms.encrypting import with_public_key
from forms.evolution.declared import MigrationMap, map_of_sheet, read_map
from forms.media_references import asked_files, check_references
from forms.package import Medium, check_media, lists_of, package_hash
from forms.workbook.findings import WorkbookError, WorkbookFinding
from forms.workbook.lint.catalogue import finding
from forms.xform import XFormError
from forms.xlsform import Conversion, convert
from server.errors import WorkbookInvalid
from server.keystore import KeyStoreError, odk
from server.services.publish_form.members import finding_members
from sync_protocol.plaintext import framing

NAME_LENGTH: Final = 200
XFORM_BYTES: Final = 2 << 20
TITLE_LENGTH: Final = 1000
DEVICE_TIME: Final = "2026-10-29T12:05:00+00:00"
"""As a tablet writes it; any would do."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A workbook that makes a form; nothing of it is stored yet.

    Attributes:
        declared: the migration map that came with it, None without one.
        findings: what is noteworthy about workbook and media; no errors.
        dictionary: with which tablets deflate interviews on it.
    """

    workbook: bytes
    filename: str
    conversion: Conversion
    definition: FormDefinition
    media: tuple[Medium, ...] = ()
    declared: MigrationMap | None = None
    findings: tuple[WorkbookFinding, ...] = ()
    dictionary: bytes = b""

    @property
    def package_hash(self) -> bytes:
        """SHA-256 of the manifest of the XForm and all media."""
        return self.package_hash_with(self.definition.hash)

    def package_hash_with(self, xform_hash: bytes) -> bytes:
        """Return what the package hash would be with another XForm."""
        return package_hash(xform_hash, ((medium.name, medium.sha256) for medium in self.media))


def prepare(
    workbook: bytes,
    filename: str,
    *,
    media: Sequence[Medium] = (),
    map_content: bytes | None = None,
    map_name: str = "map.csv",
) -> Prepared:
    """Convert a workbook; takes about a second for a long questionnaire, so do it before a transaction.

    Args:
        workbook: bytes of a workbook, an XForm, or a .zip of a workbook and media.
        filename: its ending says which.
        media: files of the form, beside those in a .zip.
        map_content: a migration map as CSV; the workbook may have a sheet `map` instead.
        map_name: for messages.

    Raises:
        WorkbookInvalid: with `findings`: everything that is wrong, each where it is known on its sheet and row.
    """
    try:
        if PurePath(filename).suffix.lower() == SUFFIX:
            unpacked = unpack(workbook)
            workbook, filename = unpacked.workbook, unpacked.filename
            media = (*unpacked.media, *media)
        return _prepare(workbook, filename, tuple(media), map_content, map_name)
    except WorkbookError as error:
        raise invalid(error.findings) from None


def encrypted(prepared: Prepared, public_key: str) -> Prepared:
    """Return the same form as one whose interviews ODK Collect encrypts to a key; of another hash, for ever.

    Raises:
        WorkbookInvalid: the form has no instanceID, without which Collect would send in clear.
    """
    try:
        xform = with_public_key(prepared.conversion.xform, public_key)
    except XFormError as error:
        raise WorkbookInvalid(error.message, findings=[]) from None
    return replace(
        prepared,
        conversion=replace(prepared.conversion, xform=xform),
        definition=FormDefinition.parse(xform, lists_of(prepared.media)),
    )


def _prepare(
    workbook: bytes, filename: str, media: tuple[Medium, ...], map_content: bytes | None, map_name: str
) -> Prepared:
    """Find all that can be found: a bad medium does not hide what is wrong with the workbook."""
    errors = list(check_media(media))
    try:
        conversion = convert(workbook, filename, media={medium.name: medium.content for medium in media})
    except WorkbookError as error:
        raise WorkbookError((*error.findings, *errors)) from None
    errors += _check_size(conversion)
    if errors:
        raise WorkbookError((*errors, *conversion.findings))
    definition = FormDefinition.parse(conversion.xform, lists_of(media))
    _refuse_unusable_key(definition)
    return Prepared(
        workbook=workbook,
        filename=filename,
        conversion=conversion,
        definition=definition,
        media=tuple(sorted(media, key=lambda medium: medium.name)),
        declared=_declared(conversion, map_content, map_name),
        findings=(*conversion.findings, *_check_references(conversion, filename, media)),
        dictionary=make_dictionary(definition, before=framing(DEVICE_TIME)),
    )


def _check_references(conversion: Conversion, filename: str, media: tuple[Medium, ...]) -> tuple[WorkbookFinding, ...]:
    """Say which files are missing where the linter does not: in an XForm, and in a workbook that came without any."""
    if media and PurePath(filename).suffix.lower() != ".xml":
        return ()
    return check_references(asked_files(conversion.xform), (medium.name for medium in media))


def _declared(conversion: Conversion, map_content: bytes | None, map_name: str) -> MigrationMap | None:
    sheet = conversion.map_sheet
    if map_content is None:
        return None if sheet is None else map_of_sheet(sheet)
    if sheet is not None:
        raise WorkbookError((finding("map-twice", sheet="map"),))
    return read_map(map_content, map_name)


def _refuse_unusable_key(definition: FormDefinition) -> None:
    """Refuse a key that Collect could encrypt to nobody with: no interview could be finished."""
    public_key = definition.metadata.submission.public_key
    if not public_key:
        return
    try:
        odk.check_public_key(public_key)
    except KeyStoreError:
        raise WorkbookError((finding("public-key-unusable", sheet="settings", bits=odk.LEAST_BITS),)) from None


def _check_size(conversion: Conversion) -> list[WorkbookFinding]:
    found = []
    if len(conversion.xform) > XFORM_BYTES:
        found.append(finding("xform-too-large", size=f"{len(conversion.xform):,}", limit=f"{XFORM_BYTES:,}"))
    for setting, text, longest in (
        ("form_id", conversion.form_id, NAME_LENGTH),
        ("version", conversion.version, NAME_LENGTH),
        ("form_title", conversion.title, TITLE_LENGTH),
    ):
        if len(text) > longest:
            found.append(finding("setting-too-long", sheet="settings", setting=setting, size=len(text), limit=longest))
    return found


def invalid(findings: tuple[WorkbookFinding, ...]) -> WorkbookInvalid:
    """Return the refusal of a workbook for these findings, errors first."""
    ordered = sorted(findings, key=lambda one: one.severity != "error")
    first, others = ordered[0], len(ordered) - 1
    place = "" if first.sheet is None else f"{first.place}: "
    more = f" And {others} more." if others else ""
    return WorkbookInvalid(f"{place}{first.message()}{more}", findings=finding_members(ordered))
