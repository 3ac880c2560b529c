"""Sealed drafts: of each instance the newest that a device sent, for whoever takes over from it. Never folded."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from sqlalchemy.orm import Session

from server.db.queries import handovers
from server.db.queries.handovers import StoredDraft
from server.folding.opener import OpenedDraft
from sync_protocol.documents import canonical_json

Key = tuple[bytes, str]
"""Instance and device."""
Lines = Mapping[bytes, bytes]


def row_of(drafted: OpenedDraft) -> StoredDraft:
    """Return what is stored of a draft; its enumerator is that of the certificate that signed it."""
    return StoredDraft(
        instance_id=drafted.header.instance_id,
        device_id=drafted.certificate.device_id,
        envelope_id=drafted.envelope.envelope_id,
        envelope_sequence=drafted.envelope.sequence,
        device_sequence=drafted.header.sequence,
        form_version_hash=drafted.header.form_version_hash,
        project_id=drafted.project,
        enumerator=drafted.certificate.enumerator,
    )


def newest(session: Session, drafted: Iterable[OpenedDraft]) -> list[StoredDraft]:
    """Return the drafts that are newer than what is stored, one of each instance and device."""
    rows = merged(map(row_of, drafted))
    stored = handovers.drafts_of(session, (one.instance_id for one in rows.values()))
    return [row for key, row in rows.items() if key not in stored or _age(row) > _age(stored[key])]


def merged(rows: Iterable[StoredDraft]) -> dict[Key, StoredDraft]:
    """Return of each instance and device the newest draft, whatever the order in which they come."""
    found: dict[Key, StoredDraft] = {}
    for row in rows:
        key = (row.instance_id, row.device_id)
        found[key] = max(row, found.get(key, row), key=_age)
    return found


def lines(rows: Iterable[StoredDraft]) -> Lines:
    """Return the canonical lines of drafts, by instance and device."""
    return {
        row.instance_id + row.device_id.encode("utf-8"): canonical_json(
            ["draft", *(value.hex() if isinstance(value, bytes) else value for value in _lasting(row).values())]
        )
        for row in rows
    }


def stored_lines(session: Session) -> Lines:
    """Return the lines of all stored drafts."""
    return lines(handovers.all_drafts(session))


def _lasting(row: StoredDraft) -> dict[str, object]:
    """Return the members of a draft but the server's own number for it, which says only when it came."""
    return {name: value for name, value in asdict(row).items() if name != "envelope_sequence"}


def _age(row: StoredDraft) -> tuple[int, bytes]:
    """Order by the device's own count; a device that counts one number twice has two drafts, and the order holds."""
    return (row.device_sequence, row.envelope_id)
