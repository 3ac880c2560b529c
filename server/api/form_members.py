"""What JSON shows of forms, versions, their files, changes and events."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from forms.evolution.changes import Difference
from forms.workbook.findings import WorkbookFinding
from server.db.queries.form_events import StoredEvent
from server.db.queries.form_media import StoredMedium
from server.db.queries.forms import StoredForm, StoredVersion
from server.services.deliver_forms import Package
from server.services.publish_form import Examined, PublishedVersion


def form_members(form: StoredForm) -> dict[str, Any]:
    """Return the members of a form."""
    return asdict(form)


def version_members(version: StoredVersion) -> dict[str, Any]:
    """Return the members of a version; hashes in hexadecimal, times as ISO 8601."""
    return {name: plain(value) for name, value in asdict(version).items()}


def event_members(event: StoredEvent) -> dict[str, Any]:
    """Return the members of an event."""
    return {name: plain(value) for name, value in asdict(event).items()}


def published_members(published: PublishedVersion) -> dict[str, Any]:
    """Return what publishing has come to."""
    return {
        "form_id": published.form_id,
        "version": published.version,
        "title": published.title,
        "hash": published.hash.hex(),
        "package_hash": published.package_hash.hex(),
        "state": published.state,
        "is_new": published.is_new,
        "findings": finding_members(published.findings),
        "difference": difference_members(published.difference),
    }


def dry_run_members(examined: Examined, rehearsal: object) -> dict[str, Any]:
    """Return what publishing would come to; `outcome` is published | submitted | unchanged | refused."""
    definition = examined.prepared.definition
    return {
        "form_id": definition.form_id,
        "version": definition.version,
        "title": definition.title,
        "hash": definition.hash.hex(),
        "package_hash": examined.prepared.package_hash.hex(),
        "outcome": examined.outcome,
        "findings": finding_members(examined.findings),
        "difference": difference_members(examined.difference),
        "rehearsal": plain(rehearsal),
    }


def finding_members(findings: Iterable[WorkbookFinding]) -> list[dict[str, object]]:
    """Return the members of findings."""
    return [dict(finding.members()) for finding in findings]


def difference_members(difference: Difference | None) -> dict[str, Any] | None:
    """Return the members of a difference, with its verdict."""
    if difference is None:
        return None
    return {
        "before": difference.before,
        "after": difference.after,
        "verdict": difference.verdict,
        "changes": [plain(change) for change in difference.changes],
    }


def manifest_members(package: Package) -> dict[str, Any]:
    """Return the manifest of a version: its XForm and every file, by name and hash."""
    version = package.version
    return {
        "form_id": version.form_id,
        "version": version.version,
        "package_hash": version.package_hash.hex(),
        "xform": {"sha256": version.hash.hex(), "md5": version.md5},
        "media": [_medium(medium) for medium in package.media],
    }


def _medium(medium: StoredMedium) -> dict[str, Any]:
    return {
        "name": medium.name,
        "media_type": medium.media_type,
        "sha256": medium.sha256.hex(),
        "md5": medium.md5,
        "bytes": medium.length_bytes,
    }


def plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(plain(name)): plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(member) for member in value]
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, datetime) else value
