"""A submission as JSON knows it, for programs and the command line alike."""

from typing import Any

from server.db.queries.intake_rows import FormName, StandingRow
from server.folding.arrival_reasons import reason_of
from server.folding.arrivals import Arrival, instance_name
from server.folding.media import StoredMedium


def arrival_members(one: Arrival) -> dict[str, Any]:
    """Return the members of one row of the intake; `instance_id` is None for bytes that nobody can read."""
    return {
        "sequence": one.sequence,
        "instance_id": None if one.instance_id is None else instance_name(one.instance_id),
        "envelope_id": one.envelope_id.hex(),
        "form_id": one.form_id,
        "version": one.version,
        "received_at": one.received_at.isoformat(),
        "from": {
            "name": one.sender.name,
            "enumerator": one.sender.enumerator,
            "team": one.sender.team,
            "is_app_user": one.sender.is_app_user,
        },
        "state": one.state,
        "reasons": [reason_members(code) for code in one.reasons],
        "review": one.review,
        "is_current": one.is_current,
        "interview_id": None if one.interview_id is None else one.interview_id.hex(),
        "attachments": {"here": one.media.here, "missing": one.media.missing, "unopened": one.media.unopened},
    }


def reason_members(code: str) -> dict[str, Any]:
    """Return a reason with its texts by language."""
    found = reason_of(code)
    texts = {language: dict(zip(("what", "do"), found.text(language), strict=True)) for language in ("en", "fr")}
    return {"code": code, "action": found.action, "ends_by_itself": found.ends_by_itself, "text": texts}


def revision_members(row: StandingRow, form: FormName | None, parents: tuple[bytes, ...]) -> dict[str, Any]:
    """Return the members of one revision."""
    return {
        "instance_id": instance_name(row.instance_id),
        "answers_hash": row.answers_hash.hex(),
        "edits": [instance_name(parent) for parent in parents],
        "form_id": None if form is None else form.form_id,
        "version": None if form is None else form.version,
        "mode": row.mode,
        "role": row.role,
        "source": row.source,
        "device_time": row.device_time,
        "received_at": row.received_at.isoformat(),
        "is_current": row.revision_id == row.current_revision_id,
    }


def medium_members(medium: StoredMedium) -> dict[str, Any]:
    """Return the members of a file that is here; `sealed_bytes` and `sha256` are of what is stored."""
    return {
        "name": medium.name,
        "exists": True,
        "media_type": medium.media_type,
        "sealed_bytes": medium.length_bytes,
        "sha256": medium.blob_sha256.hex(),
        "received_at": medium.received_at.isoformat(),
        "is_expected": medium.is_expected,
        "has_rival": medium.has_rival,
    }


def missing_members(name: str) -> dict[str, Any]:
    """Return the members of a file that an instance names and that has not come."""
    return {"name": name, "exists": False, "is_expected": True}
